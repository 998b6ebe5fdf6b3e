#!/usr/bin/python3
"""A peer that never gets as far as SSH, or only to its first packets; and a real one whose line breaks anywhere.

Each case of tests/support/evil_tcp.py is one peer. A DelayProxy before an honest peer breaks the line after some of
its bytes: the places are spread over what a whole session has.
"""
import contextlib
import socket
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import hostile  # noqa: E402
from hostile import Siege, Verdict, failed, permanent, transient  # noqa: E402
from case import PoolTest  # noqa: E402
import evil_tcp  # noqa: E402
from delay_proxy import DelayProxy  # noqa: E402

FIGURES = hostile.Figures("tcp")
CONNECT_TIMEOUT = 5
# Bytes of a session's own; what is beyond is content. Within: version, KEXINIT, keys, login, channel, SFTP, listing,
# content.
PLACES = (1, 30, 300, 1100, 1500, 1900, 2200, 2500, 2700, 3000, 3300, 50_000, 250_000)
CONTENT = {"data.tar": bytes(range(256)) * 2000}

CASES = {
    **transient("P28", "silent", "silent after its version", "silent in its version", "silent after KEXINIT",
                "silent within KEXINIT",
                "version without end", "never reads", words=("no answer within",)),
    **transient("P40", "accepts and closes", "accepts and resets", "closes after its version",
                "resets after its version",
                "closes its half"),
    **transient("P27", "drips its version", "drips lines before its version", "drips KEXINIT",
                words=("no answer within",)),
    **failed("P29", "a web server", "TLS", "random bytes", "endless lines before the version", "one endless line",
             "10,000 lines before the version"),
    **failed("P6", "escapes before the version", "version of control bytes", "version with NUL"),
    **permanent("P34", "version 1", "version 3"),
    **failed("P34", "version 1.99", "version of 255 bytes", "version of 300 bytes", "version of 8 KiB",
             "version without software"),
    **failed("P26", "packet of 2 GiB", "packet of 256 KiB", "packet of no bytes", "packet of one byte",
             "padding larger than the packet",
             "packet of no known kind", "KEXINIT cut off", "KEXINIT of half a megabyte"),
    **permanent("P34", "KEXINIT of no names", "weak key exchange only", "weak host key only", "weak cipher only",
                "no cipher",
                "weak MAC only", "no MAC", "compression only"),
    **failed("P6", "KEXINIT with escapes", "disconnects with escapes", "disconnects with 30 KB",
             "disconnects with half a packet"),
    **failed("P41", "KEXINIT for ever", "new keys without keys"),
    **failed("P32", "garbage for a key", "key of no bytes", "key longer than the packet", "key of zeros"),
    **failed("P35", "success before everything", "success after KEXINIT", "banner before the keys"),
    **failed("P31", "channel before the keys"),
    **failed("P29", "IGNORE for ever", "DEBUG for ever", "UNIMPLEMENTED for ever", "global requests before the keys"),
    **transient("P28", "refuses", words=("refused",)),
    **transient("P46", "black hole", words=("cannot connect",)),
}
LINES = {f"{how} after {place} bytes": Verdict(number, "failed", ("transient",))
         for how, number in (("cut", "P40"), ("stall", "P28"), ("end", "P40"), ("drip", "P27")) for place in PLACES}


class TcpPeers(hostile.HostileTest):
    verdicts = CASES
    figures = FIGURES

    @classmethod
    def make_siege(cls):
        pool = hostile.HostilePool(parallel_peers=24)
        pool.ssh_settings["connect_timeout"] = f"{CONNECT_TIMEOUT}s"
        cls.servers = {}
        address = next(pool._free_addresses)
        with contextlib.ExitStack() as servers:
            for case, script in evil_tcp.CASES.items():
                server = servers.enter_context(evil_tcp.EvilTcp(address, script))
                cls.servers[case] = server
                pool.add_evil(case, address=address, port=server.port)
            with socket.create_server((address, 0)) as gone:
                pool.add_evil("refuses", address=address, port=gone.getsockname()[1])
            hole = evil_tcp.BlackHole(address)
            servers.callback(hole.close)
            pool.add_evil("black hole", address=address, port=hole.port)
            return Siege(pool)

    def test_each_was_called_once(self):
        self.assertEqual({case: server.callers for case, server in self.servers.items()},
                         dict.fromkeys(self.servers, 1))

    def test_every_case_has_a_verdict(self):
        self.assertEqual({*evil_tcp.CASES, "refuses", "black hole"}, set(CASES))


hostile.add_tests(TcpPeers)


class Lines(hostile.HostileTest):
    verdicts = LINES
    figures = FIGURES

    @classmethod
    def make_siege(cls):
        pool = hostile.HostilePool(parallel_peers=24)
        pool.ssh_settings["connect_timeout"] = f"{CONNECT_TIMEOUT}s"
        behind = pool.remote("behind", CONTENT)
        pool.peers.remove(behind)
        cls.proxies = {}
        with contextlib.ExitStack() as proxies:
            for case in LINES:
                how, place = case.split()[0], int(case.split()[2])
                proxy = proxies.enter_context(DelayProxy(
                    (behind.address, 0), (behind.address, pool.sshd.port), **{how: place}))
                cls.proxies[case] = proxy
                peer = pool.add_evil(case, address=behind.address, port=proxy.address[1])
                peer.collect = behind.collect
            cls.siege = Siege(pool)
        cls.marker = behind.marker
        return cls.siege

    def test_nobody_was_told_that_he_is_staged(self):
        self.assertFalse(self.marker.exists())

    def test_each_line_broke_where_it_should(self):
        for case, proxy in self.proxies.items():
            self.assertGreaterEqual(proxy.from_target, int(case.split()[2]), case)


hostile.add_tests(Lines)


class Trust(PoolTest):
    """What `peerstage trust` says of such servers is for a person's eyes."""

    def test_words_of_the_server_are_escaped(self):
        pool = self.make_pool()
        pool.ssh_settings = {"connect_timeout": "3s"}
        address = pool.sshd.addresses[-1]
        for case in ("escapes before the version", "KEXINIT with escapes", "disconnects with escapes"):
            with self.subTest(case), evil_tcp.EvilTcp(address, evil_tcp.CASES[case]) as server:
                name = hostile.peer_name(case)
                pool.remote(name, address=address, port=server.port)
                result = pool.run("trust", name)
                self.assertNotEqual(result.exit, 0, str(result))
                self.assertIn(name, result.stdout + result.stderr)
                self.assert_printable(result)


class BlackHoleFirst(PoolTest):
    """P46: a host with two addresses, of which the first swallows everything."""

    def test_second_address_is_taken(self):
        pool = self.make_pool(deadline="20s")
        pool.ssh_settings = {"connect_timeout": "5s"}
        peer = pool.remote("web1", {"data": b"data"})
        hole = evil_tcp.BlackHole(next(pool._free_addresses)[:-1] + "99", pool.sshd.port)
        self.addCleanup(hole.close)
        swallows = hole.listener.getsockname()[0]
        hosts = pool.directory / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{swallows} two-addresses.test\n{peer.address} two-addresses.test\n")
        prefix = ["unshare", "--mount", "sh", "-c", f'mount --bind "{hosts}" /etc/hosts && exec "$@"', "sh"]
        if subprocess.run([*prefix, "true"], capture_output=True).returncode:
            self.skipTest("SKIPPED LOUDLY: needs a mount namespace of its own")
        real = peer.address
        peer.elements["address"] = "two-addresses.test"
        result = pool.stage(wrapper=prefix)
        self.assert_exit(result, 0)
        self.assert_staged(pool, result, peer)
        self.assertLess(result.peer("web1")["seconds"], 5, real)


def tearDownModule():
    print(f"\n{FIGURES}", flush=True)


if __name__ == "__main__":
    unittest.main()
