#!/usr/bin/python3
"""How peers are reached: who is let in, who lets us in, and lines that break."""
import os
import re
import shutil
import socketserver
import threading
import unittest

from case import PoolTest, needs_root
from pool import IS_ROOT, Pool
from delay_proxy import DelayProxy
from processes import free_port
from sshd import make_key


class SilentServer:
    """Accepts, says `greeting`, and then nothing more, for as long as the client stays."""

    def __init__(self, address, greeting=b""):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.sendall(greeting)
                while self.request.recv(4096):
                    pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        self.server = Server((address, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class SshTest(PoolTest):
    def pool_of_two(self, **staging):
        """A peer `far` to play with, and one that must not notice."""
        pool = self.make_pool(**staging)
        pool.ssh_settings = {"connect_timeout": "2s", "idle_timeout": "2s"}
        pool.far = pool.remote("far", {"data.tar": os.urandom(300_000), "sub/more": b"more"})
        pool.good = pool.remote("good", {"data": b"good"})
        return pool

    def stage_with_one_failure(self, pool, kind, *words):
        result = pool.stage()
        self.assert_exit(result, 7)
        self.assert_failed(result, "far", kind, *words)
        self.assert_staged(pool, result, pool.good)
        self.assertIsNone(pool.staged(result, pool.far))
        self.assert_marked(pool.far, False)
        self.assert_sound(pool, result)
        self.assert_printable(result)
        return result

    def proxied(self, pool, **how):
        """A line of its own between the master and `far`."""
        proxy = DelayProxy((pool.far.address, 0), (pool.far.address, pool.sshd.port), **how)
        proxy.__enter__()
        self.addCleanup(proxy.__exit__)
        pool.far.elements["port"] = proxy.address[1]
        return proxy


class HostKeys(SshTest):
    def attempts(self, pool, address):
        """Log lines of the server that show somebody asking to be let in at this address."""
        log, ours = pool.sshd.log_text().splitlines(), set()
        for line in log:
            if f" on {address} port " in line and line.startswith("Connection from"):
                ours.add(line.split(" on ")[0].removeprefix("Connection from "))
        return [line for line in log if ("ccepted" in line or "ailed" in line or "userauth" in line or "Postponed" in line)
                and any(client in line for client in ours)]

    def test_a_known_key_is_accepted(self):
        pool = self.pool_of_two()
        self.assert_exit(pool.stage(), 0)
        self.assertNotEqual(self.attempts(pool, pool.far.address), [])

    def test_unknown_key(self):
        pool = self.pool_of_two()
        pool.unknown_hosts.add(pool.far.address)
        self.stage_with_one_failure(pool, "permanent", "host key", pool.far.address, "SHA256:")
        self.assertEqual(self.attempts(pool, pool.far.address), [])

    def test_changed_key(self):
        pool = self.pool_of_two()
        other = make_key(pool.directory / "other")
        pool.write_known_hosts()
        lines = pool.known_hosts.read_text().splitlines()
        lines[0] = lines[0].replace(pool.sshd.host_key, other)
        pool.known_hosts.write_text("\n".join(lines) + "\n")
        pool.write_known_hosts = lambda: None
        before = pool.known_hosts.read_bytes()
        result = self.stage_with_one_failure(pool, "permanent", "host key", "far", pool.far.address, str(pool.known_hosts))
        self.assertIn("SHA256:", result.message("far"))
        self.assertEqual(self.attempts(pool, pool.far.address), [])
        self.assertEqual(pool.known_hosts.read_bytes(), before)

    def test_revoked_key(self):
        pool = self.pool_of_two()
        pool.write_known_hosts()
        revoked = f"@revoked [{pool.far.address}]:{pool.sshd.port} {pool.sshd.host_key}\n"
        pool.known_hosts.write_text(revoked + pool.known_hosts.read_text())
        pool.write_known_hosts = lambda: None
        result = pool.stage()
        self.assert_exit(result, 7)
        self.assertEqual(result.peer("far")["status"], "failed")
        self.assertEqual(self.attempts(pool, pool.far.address), [])

    def test_known_hosts_missing(self):
        pool = self.pool_of_two()
        pool.ssh_settings["known_hosts"] = pool.directory / "no-such-file"
        result = pool.stage()
        self.assert_exit(result, 7)
        self.assert_statuses(result, far="failed", good="failed")
        self.assertNotIn("Accepted", pool.sshd.log_text())
        self.assertFalse((pool.directory / "no-such-file").exists())

    def test_accept_new(self):
        pool = self.pool_of_two()
        pool.ssh_settings["host_key_policy"] = "accept-new"
        own = pool.make_directory("ssh", pool.user)
        pool.ssh_settings["known_hosts"] = own / "known_hosts"
        result = pool.stage()
        self.assert_exit(result, 0)
        learnt = (own / "known_hosts").read_text()
        self.assertIn(pool.sshd.host_key, learnt)
        for peer in (pool.far, pool.good):
            self.assertIn(f"[{peer.address}]:{pool.sshd.port}", learnt)
        pool.sshd.new_host_key()
        pool.far.write("new", b"new")
        changed = pool.stage()
        self.assert_exit(changed, 7)
        self.assert_failed(changed, "far", "permanent", "host key")
        self.assertEqual((own / "known_hosts").read_text(), learnt)

    def test_accept_new_in_a_dry_run_writes_no_key(self):
        pool = self.pool_of_two()
        pool.ssh_settings["host_key_policy"] = "accept-new"
        own = pool.make_directory("ssh", pool.user)
        pool.ssh_settings["known_hosts"] = own / "known_hosts"
        result = pool.stage("--dry-run")
        self.assert_exit(result, 0)
        self.assertEqual(os.listdir(own), [])
        self.assertIn("would be added to the known hosts", result.log)


class Trust(SshTest):
    """`peerstage trust PEER` brings a host key into known_hosts, and only after somebody agreed."""

    def pool_that_knows_nobody(self):
        pool = self.make_pool()
        pool.far = pool.remote("far", {"data": b"d"})
        own = pool.make_directory("ssh", pool.user)
        pool.ssh_settings["known_hosts"] = own / "known_hosts"
        return pool, own / "known_hosts"

    def test_agreed(self):
        pool, known_hosts = self.pool_that_knows_nobody()
        self.assert_exit(pool.stage(), 7)
        trust = pool.run("trust", "far", "--yes")
        self.assert_exit(trust, 0)
        self.assertIn("SHA256:", trust.stdout)
        self.assertIn(f"[{pool.far.address}]:{pool.sshd.port} {pool.sshd.host_key}", known_hosts.read_text())
        self.assertNotIn("Accepted", pool.sshd.log_text())
        self.assert_exit(pool.stage(), 0)

    def test_nobody_to_ask(self):
        pool, known_hosts = self.pool_that_knows_nobody()
        result = pool.run("trust", "far")
        self.assertNotEqual(result.exit, 0, str(result))
        self.assertIn("SHA256:", result.stdout + result.stderr)
        self.assertFalse(known_hosts.exists() and known_hosts.read_text(), str(result))

    def test_answer_decides(self):
        pool, known_hosts = self.pool_that_knows_nobody()
        for answer, exit_code in (("no", 6), ("", 6), ("yes", 0)):
            with self.subTest(answer):
                result = pool.run("trust", "far", wrapper=("sh", "-c", 'echo "$0" | "$@"', answer))
                self.assert_exit(result, exit_code)
                self.assertIn("Compare it with what `ssh-keygen -lf` says", result.stdout)
                if exit_code:
                    self.assertIn("Nothing was changed.", result.stdout)
                    self.assertFalse(known_hosts.exists())
        self.assertIn(pool.sshd.host_key, known_hosts.read_text())

    def test_key_that_is_known_is_not_added_again(self):
        pool, known_hosts = self.pool_that_knows_nobody()
        self.assert_exit(pool.run("trust", "far", "--yes"), 0)
        before = known_hosts.read_bytes()
        result = pool.run("trust", "far", "--yes")
        self.assert_exit(result, 0)
        self.assertIn(f"This key is known already, from {known_hosts}:1", result.stdout)
        self.assertEqual(known_hosts.read_bytes(), before)

    def test_key_that_is_revoked_is_not_added(self):
        pool, known_hosts = self.pool_that_knows_nobody()
        known_hosts.write_text(f"@revoked [{pool.far.address}]:{pool.sshd.port} {pool.sshd.host_key}\n")
        before = known_hosts.read_bytes()
        result = pool.run("trust", "far", "--yes")
        self.assert_exit(result, 6)
        self.assertIn(f"this key is marked as revoked in {known_hosts}:1", result.stderr)
        self.assertEqual(known_hosts.read_bytes(), before)

    def test_peer_that_is_down(self):
        pool, known_hosts = self.pool_that_knows_nobody()
        pool.far.elements["port"] = free_port(pool.far.address)
        result = pool.run("trust", "far", "--yes")
        self.assert_exit(result, 7)
        self.assertIn("refused", result.stderr)
        self.assertFalse(known_hosts.exists())

    def test_key_that_changed_is_not_replaced(self):
        pool, known_hosts = self.pool_that_knows_nobody()
        other = make_key(pool.directory / "other")
        known_hosts.write_text(f"[{pool.far.address}]:{pool.sshd.port} {other}\n")
        before = known_hosts.read_bytes()
        result = pool.run("trust", "far", "--yes")
        self.assertNotEqual(result.exit, 0, str(result))
        self.assertEqual(known_hosts.read_bytes(), before)

    def test_peer_that_is_not_staged(self):
        """exec asks for its key as well, on a machine that stages nothing."""
        pool, known_hosts = self.pool_that_knows_nobody()
        pool.write_config()
        text = re.sub(r"<stage>.*</stage>", f"<purge><dir><abs_path>{pool.staging}</abs_path><retain_days>7</retain_days></dir></purge>", pool.config.read_text())
        pool.config.write_text(text)
        result = pool.run("trust", "far", "--yes", write=False)
        self.assert_exit(result, 0)
        self.assertTrue(known_hosts.exists(), str(result))
        self.assertIn(pool.sshd.host_key, known_hosts.read_text())

    def test_no_such_peer(self):
        pool, known_hosts = self.pool_that_knows_nobody()
        pool.local("near", {})
        for name in ("nobody", "near"):
            result = pool.run("trust", name, "--yes")
            self.assertIn(result.exit, (2, 4, 6), str(result))
            self.assertIn(name, result.stderr)
        self.assertFalse(known_hosts.exists())


class Authentication(SshTest):
    def test_key_that_is_refused(self):
        pool = self.pool_of_two()
        make_key(pool.directory / "stranger")
        if IS_ROOT:
            shutil.chown(pool.directory / "stranger", pool.user)
        pool.far.elements["identity_file"] = pool.directory / "stranger"
        self.stage_with_one_failure(pool, "permanent", pool.caller, "stranger")

    def test_key_that_is_missing(self):
        pool = self.pool_of_two()
        pool.far.elements["identity_file"] = pool.directory / "nothing"
        self.stage_with_one_failure(pool, "permanent", "nothing")

    def test_key_with_a_passphrase_does_not_ask(self):
        pool = self.pool_of_two()
        make_key(pool.directory / "locked", passphrase="secret words")
        if IS_ROOT:
            shutil.chown(pool.directory / "locked", pool.user)
        pool.far.elements["identity_file"] = pool.directory / "locked"
        result = self.stage_with_one_failure(pool, "permanent", "locked")
        self.assertLess(result.seconds, 10)

    @needs_root
    def test_key_that_the_backup_user_cannot_read(self):
        pool = self.pool_of_two()
        make_key(pool.directory / "roots")
        pool.far.elements["identity_file"] = pool.directory / "roots"
        self.stage_with_one_failure(pool, "permanent", "roots")

    def test_every_kind_of_key(self):
        for kind in ("ed25519", "ecdsa", "rsa"):
            with self.subTest(kind):
                pool = self.make_pool()
                far = pool.remote("far", {"data": b"d"})
                path = pool.directory / f"another_{kind}"
                (pool.directory / "authorized_keys").write_text(make_key(path, kind) + "\n")
                if IS_ROOT:
                    shutil.chown(path, pool.user)
                pool.ssh_settings["identity_file"] = path
                result = pool.stage()
                self.assert_exit(result, 0)
                self.assert_staged(pool, result, far)


class Lines(SshTest):
    def test_peer_down(self):
        pool = self.pool_of_two()
        pool.far.elements["port"] = free_port(pool.far.address)
        result = self.stage_with_one_failure(pool, "transient", pool.far.address, "refused")
        self.assertEqual(result.peer("far")["attempts"], 1)

    def test_peer_down_is_tried_again(self):
        pool = self.pool_of_two(retries=2, retry_delay="50ms")
        pool.far.elements["port"] = free_port(pool.far.address)
        result = self.stage_with_one_failure(pool, "transient")
        self.assertEqual(result.peer("far")["attempts"], 3)

    def test_name_that_does_not_resolve(self):
        pool = self.pool_of_two()
        pool.far.elements["address"] = "no-such-host.invalid"
        result = pool.stage()
        self.assert_exit(result, 7)
        self.assertIn("no-such-host.invalid", result.message("far"))
        self.assert_staged(pool, result, pool.good)

    def test_silence_at_each_stage(self):
        """However far the login came, the connect timeout ends it."""
        for name, greeting in (("tcp", b""), ("version", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
                               ("half a version", b"SSH-2.0-Ope")):
            with self.subTest(name):
                pool = self.pool_of_two()
                server = SilentServer(pool.far.address, greeting)
                self.addCleanup(server.close)
                pool.far.elements["port"] = server.port
                result = self.stage_with_one_failure(pool, "transient", pool.far.address)
                self.assertLess(result.seconds, 8)

    def test_line_that_stalls(self):
        """After each so many bytes of the server: key exchange, login, listing, data."""
        for after in (100, 1200, 2500, 4000, 20_000, 200_000):
            with self.subTest(bytes=after):
                pool = self.pool_of_two()
                self.proxied(pool, stall=after)
                result = self.stage_with_one_failure(pool, "transient")
                self.assertLess(result.seconds, 15)

    def test_line_that_is_cut(self):
        for after in (1, 100, 1200, 2500, 3200, 4000, 20_000, 200_000):
            with self.subTest(bytes=after):
                pool = self.pool_of_two()
                self.proxied(pool, cut=after)
                self.stage_with_one_failure(pool, "transient")

    def test_endless_greeting(self):
        pool = self.pool_of_two()
        server = SilentServer(pool.far.address, b"another line before the version\r\n" * 100_000)
        self.addCleanup(server.close)
        pool.far.elements["port"] = server.port
        result = pool.stage()
        self.assert_exit(result, 7)
        self.assertEqual(result.peer("far")["status"], "failed")
        self.assertLess(result.seconds, 15)
        self.assert_staged(pool, result, pool.good)

    def test_deadline(self):
        pool = self.pool_of_two(deadline="1s")
        pool.ssh_settings = {"connect_timeout": "60s", "idle_timeout": "60s"}
        self.proxied(pool, stall=100_000)
        result = pool.stage()
        self.assert_exit(result, 7)
        self.assertEqual(result.peer("far")["status"], "failed")
        self.assertLess(result.seconds, 8)

    def test_a_long_line_is_only_slow(self):
        pool = self.pool_of_two()
        self.proxied(pool, delay=0.025)
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(pool, result, pool.far)

    def test_many_small_files_over_a_long_line(self):
        """Not one round trip a file."""
        pool = self.pool_of_two()
        for number in range(500):
            pool.far.write(f"small/{number}", b"%d" % number)
        self.proxied(pool, delay=0.05)
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(pool, result, pool.far)
        self.assertLess(result.peer("far")["seconds"], 15)

    def test_cut_line_is_resumed_within_the_run(self):
        pool = self.pool_of_two(retries=3, retry_delay="50ms")
        pool.far.write("big", os.urandom(2 << 20))
        self.proxied(pool, cut=1 << 20)
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assertEqual(result.peer("far")["attempts"], 2, str(result))
        self.assert_staged(pool, result, pool.far)

    def test_server_killed_in_the_middle_is_resumed_by_the_next_run(self):
        pool = self.pool_of_two()
        size = 8 << 20
        pool.far.write("big", os.urandom(size))
        proxy = self.proxied(pool, rate=4 << 20)
        process = pool.start("stage", "--json")
        pool.wait_until(process, lambda: proxy.from_target > size // 2, "half of it is there")
        pool.sshd.restart()
        first = pool.finish(process)
        self.assert_exit(first, 7)
        self.assert_failed(first, "far", "transient")
        self.assertIsNone(pool.staged(first, pool.far))
        before, proxy.rate = proxy.from_target, None
        second = pool.stage()
        self.assert_exit(second, 0)
        self.assert_staged(pool, second, pool.far)
        self.assertLess(proxy.from_target - before, size * 3 // 4, "the second run fetched everything again")
        self.assertEqual(pool.leftovers(), [])


class Configuration(SshTest):
    """Ways to say how a peer is reached that Cedar Backup users have already."""

    def cedar_pool(self, rcp_command):
        """No word of our own section; the peer's name is where it is."""
        pool = self.make_pool()
        far = pool.remote("far", {"data": b"d"})
        far.name = far.elements.pop("address")
        far.elements.pop("port")
        pool.known_hosts.write_text(f"[{far.name}]:{pool.sshd.port} {pool.sshd.host_key}\n")
        pool.write_known_hosts = lambda: None
        pool.ssh_settings = {"identity_file": None, "known_hosts": None}
        pool.options["rcp_command"] = rcp_command.format(port=pool.sshd.port, key=pool.key, hosts=pool.known_hosts,
                                                         config=pool.directory / "ssh_config", address=far.name)
        return pool, far

    def assert_works(self, pool, far):
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(pool, result, far)

    def test_rcp_command_options(self):
        for command in ("/usr/bin/scp -B -P {port} -i {key} -o UserKnownHostsFile={hosts}",
                        "scp -BqC -P{port} -i{key} -oUserKnownHostsFile={hosts}",
                        'scp -B -o "Port {port}" -o IdentityFile={key} -o UserKnownHostsFile={hosts} -o BatchMode=yes',
                        "/usr/bin/scp -B -P {port} -i {key} -o UserKnownHostsFile={hosts} -c aes128-gcm@openssh.com -4 -O -p"):
            with self.subTest(command):
                self.assert_works(*self.cedar_pool(command))

    def test_ssh_config_named_by_the_rcp_command(self):
        pool, far = self.cedar_pool("/usr/bin/scp -B -F {config}")
        address, far.name = far.name, "far-away"
        (pool.directory / "included").write_text(f"Host far-*\n  IdentityFile {pool.key}\n")
        (pool.directory / "ssh_config").write_text(
            f"Include {pool.directory}/included\nHost far-away\n  HostName {address}\n  Port {pool.sshd.port}\n"
            f"  UserKnownHostsFile {pool.known_hosts}\n")
        self.assert_works(pool, far)

    def test_own_section_wins_over_the_rcp_command(self):
        pool, far = self.cedar_pool("/usr/bin/scp -B -P 1 -i /nowhere -o UserKnownHostsFile={hosts}")
        pool.ssh_settings = {"port": pool.sshd.port, "identity_file": pool.key, "known_hosts": None}
        self.assert_works(pool, far)

    @needs_root
    def test_ssh_directory_of_the_backup_user(self):
        """~/.ssh/config, keys and known_hosts are those of the backup user, as its passwd entry says."""
        pool, far = self.cedar_pool("/usr/bin/scp -B")
        address, far.name = far.name, "alias"
        home = pool.make_directory("home-of-backup", pool.user)
        ssh = pool.make_directory("home-of-backup/.ssh", pool.user, 0o700)
        shutil.copy(pool.key, ssh / "id_ed25519")
        (ssh / "known_hosts").write_text(pool.known_hosts.read_text())
        (ssh / "config").write_text(f"Host alias\n  HostName {address}\n  Port {pool.sshd.port}\n")
        for path in ssh.iterdir():
            shutil.chown(path, pool.user)
            path.chmod(0o600)
        result = pool.stage(wrapper=self.passwd_entry(pool, home=home))
        self.assert_exit(result, 0)
        self.assert_staged(pool, result, far)

    def test_what_cannot_be_honoured_is_an_error(self):
        for command, word in (("/usr/local/bin/my-scp-wrapper -B", "my-scp-wrapper"), ("/usr/bin/rsync -a", "rsync"),
                              ("/usr/bin/scp -1", "-1"), ("/usr/bin/scp -S /bin/fake", "-S"),
                              ("/usr/bin/scp -o", "-o")):
            with self.subTest(command):
                pool, _ = self.cedar_pool(command)
                result = pool.stage()
                self.assert_exit(result, 4)
                (finding,) = [each for each in result.json["findings"] if each["severity"] == "error"]
                self.assertIn("rcp_command", finding["element"])
                self.assertIn(word, finding["message"])

    def test_wrapper_does_not_matter_without_remote_peers(self):
        pool = self.make_pool()
        pool.options["rcp_command"] = "/usr/local/bin/my-scp-wrapper"
        pool.local("near", {"data": b"d"})
        self.assert_exit(pool.stage(), 0)

    def test_proxy_jump_works_or_says_that_it_does_not(self):
        pool, far = self.cedar_pool("/usr/bin/scp -B -J jump.invalid -P {port} -i {key} -o UserKnownHostsFile={hosts}")
        result = pool.stage()
        self.assertIn(result.exit, (4, 7), str(result))
        self.assertIn("ump", result.stdout)

    def test_login_user_of_the_peer(self):
        pool = self.pool_of_two()
        pool.far.elements["backup_user"] = "no-such-user"
        self.stage_with_one_failure(pool, "permanent", "no-such-user")

    def test_checksum_needs_a_shell(self):
        class SftpOnly(Pool):
            def sshd_settings(self, addresses):
                return f"Match LocalAddress {addresses[0]}\n  ForceCommand internal-sftp\n"
        self.pool_type = SftpOnly
        pool = self.pool_of_two(verify="checksum")
        self.stage_with_one_failure(pool, "permanent", "sha256sum")


if __name__ == "__main__":
    unittest.main()
