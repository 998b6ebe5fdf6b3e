#!/usr/bin/python3
"""A peer that is an SSH server and breaks its rules: floods, windows, keys that never come, logins, exit statuses.

Each case of tests/ssh/hostile_server.py is one peer. What the servers were sent is written down by them, as numbers of
messages, so that nobody has to believe us that nobody was logged in.
"""
import contextlib
import re
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import hostile  # noqa: E402
from hostile import Siege, permanent, staged, transient, verdicts  # noqa: E402
from case import PoolTest  # noqa: E402
from pool import ROOT, sha256  # noqa: E402
from processes import kill_tree  # noqa: E402
from sshd import make_key  # noqa: E402
import sftp_server  # noqa: E402

SCRIPT = ROOT / "tests" / "ssh" / "hostile_server.py"
FIGURES = hostile.Figures("ssh")

# Messages of a client, by number (RFC 4250).
TRANSPORT = {1, 2, 3, 4, 7, *range(20, 50)}
SERVICE_REQUEST, USERAUTH_REQUEST, INFO_RESPONSE, CHANNEL_OPEN, OPEN_CONFIRMATION = 5, 50, 61, 90, 91


def has_paramiko():
    return subprocess.run(["/usr/bin/python3", "-c", "import paramiko"], capture_output=True).returncode == 0


class Servers:
    """hostile_server.py for some cases, on one address."""

    def __init__(self, address, key, events, *cases):
        self.process = subprocess.Popen(["/usr/bin/python3", "-B", SCRIPT, key, address, events, *cases],
                                        stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                        start_new_session=True)
        self.ports = {}
        for case in cases:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"the server of {cases} did not start")
            self.ports[case] = int(line)

    def close(self):
        kill_tree(self.process)
        self.process.stdin.close()
        self.process.stdout.close()


class SshPool(hostile.HostilePool):
    """With evil peers behind hostile servers."""

    def __init__(self, **staging):
        super().__init__(**{"parallel_peers": 16, **staging})
        self.servers = contextlib.ExitStack()
        self.address = next(self._free_addresses)
        self.states = self.make_directory("evil")
        self.events_path = self.states / "events"
        self.events_path.touch()
        self.versions_anywhere |= {sha256(data) for data in (b"", *sftp_server.Server.files.values())}

    def __exit__(self, *unused):
        self.servers.close()
        super().__exit__()

    def serve(self, *cases, key=None):
        servers = Servers(self.address, key or self.sshd.host_key_path, self.events_path, *cases)
        self.servers.callback(servers.close)
        return servers.ports

    def add_evil_at(self, case, port, **elements):
        peer = self.add_evil(case, address=self.address, port=port, **elements)
        peer.collect = Path("/collect")
        return peer

    def messages(self, case):
        """What the server of this case was sent."""
        return [int(line.rpartition(" ")[2]) for line in self.events_path.read_text().splitlines()
                if line.rpartition(" ")[0] == case]


BROKEN = ("hostile", "transient")   # a server that broke a rule of SSH, or is broken

SESSION = {
    **staged("", "honest"),
    **staged("P31", "opens channels towards us", "10,000 global requests", "answers to no global request"),
    **staged("P29", "10,000 times IGNORE", "messages of no known kind", "keepalives, then honest"),
    **staged("P41", "new keys in the middle"),
    **staged("P38", "exit status of SFTP", "exit signal of SFTP"),
    **staged("P30", "window that overflows", "data longer than its packet"),
    **staged("P24", "window of 64 bytes", "packets of one byte"),
    **verdicts("P30", "failed", ("hostile",), "data beyond the window", "floods SFTP", "data for no channel"),
    **transient("P30", "errors beyond the window", "extended data of no known kind", "data without data"),
    **transient("P31", "opens channels for ever", "global requests for ever"),
    **transient("P29", "IGNORE for ever", "DEBUG for ever", "UNIMPLEMENTED for ever", "channel requests for ever"),
    **transient("P28", "silent in the session", "window never opened", "packets of no bytes", "channel never confirmed",
                "subsystem never confirmed"),
    **transient("P41", "new keys that never come"),
    **verdicts("P41", "failed", BROKEN, "KEXINIT for ever", "NEWKEYS out of turn"),
    **transient("P40", "channel ends", "channel ends and goes on", "channel is closed", "hangs up",
                "disconnects with 30 KB"),
    **verdicts("P40", "failed", BROKEN, "channel is closed and goes on", "channel is confirmed again",
               "channel fails after all"),
    **verdicts("P35", "failed", BROKEN, "login succeeds again"),
    **transient("P6", "disconnects with escapes"),
    **transient("P31", "channel refused"),
    **permanent("P47", "subsystem refused"),
}
LOGIN = {
    **permanent("P35", "only a password", "only keyboard-interactive", "password and prompts", "no method",
                "3000 methods", "partial success"),
    **transient("P35", "login succeeds before the key is shown", "prompts instead of an answer", "a thousand prompts"),
    **verdicts("P35", "failed", ("permanent", "transient"), "login refused for ever", "disconnects at the login"),
    **transient("P28", "login never answered", "service never accepted"),
    **transient("P29", "banners for ever"),
    **staged("P29", "banner of 30 KB with escapes", "1000 banners"),
}
HOST_KEYS = permanent("P32", "key is not known", "key has changed", "key of another type", "key is revoked",
                      "known hosts are not there", words=("host key",))


@unittest.skipUnless(has_paramiko(), "SKIPPED LOUDLY: python3-paramiko is not installed")
class SshTest(hostile.HostileTest):
    figures = FIGURES

    def test_only_what_is_configured_was_said(self):
        for case in self.verdicts:
            with self.subTest(case):
                said = set(self.pool.messages(case))
                self.assertIn(20, said)   # KEXINIT: it was there
                self.assertFalse(said & {INFO_RESPONSE, OPEN_CONFIRMATION}, said)


class Session(SshTest):
    verdicts = SESSION

    @classmethod
    def make_siege(cls):
        pool = SshPool()
        loud = [case for case in SESSION if re.search("beyond|floods|for ever|of no known|without data", case)]
        groups = [[case for case in SESSION if case not in loud], *(loud[at::4] for at in range(4))]
        for group in groups:
            for case, port in pool.serve(*group).items():
                pool.add_evil_at(case, port)
        return Siege(pool)


class Login(SshTest):
    verdicts = LOGIN

    @classmethod
    def make_siege(cls):
        pool = SshPool()
        for case, port in pool.serve(*LOGIN).items():
            pool.add_evil_at(case, port)
        return Siege(pool)

    def test_each_key_is_offered_once(self):
        for case in LOGIN:
            with self.subTest(case):
                # The question whether it would do, and the proof.
                self.assertLessEqual(self.pool.messages(case).count(USERAUTH_REQUEST), 2)


class HostKeys(SshTest):
    verdicts = HOST_KEYS

    @classmethod
    def make_siege(cls):
        pool = SshPool()
        keys = {kind: pool.states / f"host_{kind}" for kind in ("ed25519", "rsa")}
        for kind, path in keys.items():
            make_key(path, kind)
        theirs = {"key of another type": keys["rsa"], "key has changed": keys["ed25519"]}
        known = {
            "key is not known": "[127.0.0.1]:1 {key}\n",
            "key has changed": "[{address}]:{port} {key}\n",
            "key of another type": "[{address}]:{port} {key}\n",
            "key is revoked": "@revoked [{address}]:{port} {key}\n[{address}]:{port} {key}\n",
        }
        for number, case in enumerate(HOST_KEYS):
            # Their names are those of no script: each is honest, and its key is what is wrong.
            (port,) = pool.serve("honest", key=theirs.get(case)).values()
            path = pool.states / f"known_hosts_{number}"
            if case in known:
                path.write_text(known[case].format(address=pool.address, port=port, key=pool.sshd.host_key))
            pool.add_evil_at(case, port, known_hosts=path)
        return Siege(pool)

    def test_only_what_is_configured_was_said(self):
        """Keys were exchanged with each, and then nothing more."""
        said = self.pool.messages("honest")
        self.assertEqual(said.count(20), len(HOST_KEYS))
        self.assertEqual(set(said) - TRANSPORT, set(), "a service was asked for although the host key was refused")

    def test_known_hosts_are_as_they_were(self):
        for number in range(4):
            self.assertLessEqual((self.pool.states / f"known_hosts_{number}").read_text().count("\n"), 2)


for each in (Session, Login, HostKeys):
    hostile.add_tests(each)


# A command, and the exit status that counts.
COMMANDS = {
    "status-0": 0, "status-1": 1, "two-statuses": None, "status-minus-1": None, "status-and-signal": None,
    "odd-signal": None, "status-cut": None, "no-status": None, "status-after-end": 0, "status-after-close": None,
    "escapes": 1, "flood 200": 0, "flood-error 200": 0, "open-channels 200": 0, "hang-up": None, "silence": None,
    "end-and-silence": None, "flood-for-ever": None, }


@unittest.skipUnless(has_paramiko(), "SKIPPED LOUDLY: python3-paramiko is not installed")
class ManagedActions(PoolTest):
    """P37, P38: a command is done when exactly one status of 0 says so, and not otherwise."""

    def test_only_one_explicit_status_is_a_success(self):
        pool = SshPool(parallel_peers=24)
        self.addCleanup(pool.__exit__)
        pool.peers.clear()
        pool.options |= {"rsh_command": "/usr/bin/ssh", "managed_actions": "collect"}
        pool.peerstage_elements = "<managed><deadline>6s</deadline></managed>"
        for command in COMMANDS:
            (port,) = pool.serve("honest").values()
            pool.add_evil_at(command, port, managed="Y", cback_command=f"/{command}")
        process = pool.start("-N", "collect", "--json")
        with hostile.MemoryWatch(process.pid) as watch:
            result = pool.finish(process)
        self.assert_exit(result, 7)
        (action,) = result.json["actions"]
        told = {peer["name"]: peer for peer in action["result"]["peers"]}
        FIGURES.cases += len(COMMANDS)
        for command, status in COMMANDS.items():
            with self.subTest(command):
                peer = told[pool.evil[command].name]
                self.assertEqual((peer["exit_status"], peer["status"]),
                                 (status, "ok" if status == 0 else "failed"), str(peer))
                self.assertEqual(peer["error"] is None, status == 0, str(peer))
                self.assertLess(peer["seconds"], 6 + hostile.SLACK, str(peer))
        FIGURES.over = max(FIGURES.over, *(peer["seconds"] - 6 for peer in told.values()))
        FIGURES.worker, FIGURES.supervisor = max(FIGURES.worker, watch.worst_child), max(FIGURES.supervisor, watch.own)
        self.assertLess(watch.worst_child, hostile.WORKER)
        self.assertLess(watch.own, hostile.SUPERVISOR)
        self.assert_printable(result)


def tearDownModule():
    print(f"\n{FIGURES}", flush=True)


if __name__ == "__main__":
    unittest.main()
