#!/usr/bin/python3
"""scripts/peerstage-gate, the forced command that lets a master stage and do nothing else."""
import contextlib
import ctypes
import datetime
import importlib.machinery
import importlib.util
import os
import random
import shlex
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from case import PoolTest, needs_root
from pool import ROOT, snapshot

GATE = ROOT / "scripts" / "peerstage-gate"
CBACK = Path("/usr/bin/cback3")
REFUSED_EXIT = 77
OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, _, _, UNSUPPORTED = range(9)
FILES = {"etc.tar.gz": b"etc" * 5000, "home.tar": os.urandom(700_000), "empty": b"", "name with blanks": b"b"}
ODD_NAMES = ["it's", "a\\b", "-rf", "$(id)", "`id`;*", "gr\u00fc\u00dfe", "#x", "~root", "a  b", "\"quoted\"", ".hidden", "'", "\\"]


def load_gate():
    """The script as a module."""
    loader = importlib.machinery.SourceFileLoader("peerstage_gate", str(GATE))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


gate = load_gate()


class SilentJournal:
    def __init__(self):
        self.refusals = []

    def note(self, text):
        pass

    def refused(self, text):
        self.refusals.append(text)


def string(data):
    return struct.pack(">I", len(data)) + data


def packet(kind, body):
    return struct.pack(">IB", 1 + len(body), kind) + body


def request(kind, number, *fields):
    """Fields: bytes are strings of the protocol, an int is an uint32, a tuple is (struct format, value)."""
    body = b"".join(string(f) if isinstance(f, bytes) else struct.pack(*f) if isinstance(f, tuple) else struct.pack(">I", f)
                    for f in fields)
    return packet(kind, struct.pack(">I", number) + body)


INIT = packet(1, struct.pack(">I", 3))
NO_ATTRIBUTES = 0


def split_packets(data):
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append(data[at + 4:at + 4 + length])
        at += 4 + length
    assert at == len(data), "the last answer is not whole"
    return found


class GateTest(PoolTest):
    """A pool with one remote peer, whose key is bound to the gate."""

    def setUp(self):
        self.pool = self.make_pool()

    def gated_peer(self, files=None, allow=(), **elements):
        peer = self.pool.remote("far", files, **elements)
        self.bind_key(peer, allow)
        return peer

    def bind_key(self, peer, allow=()):
        options = "".join(f" --allow {shlex.quote(command)}" for command in allow)
        command = f"{GATE} --collect-dir {shlex.quote(str(peer.collect))}{options}".replace('"', '\\"')
        self.pool.sshd.authorized_keys.write_text(
            f"restrict,command=\"{command}\" {Path(f'{self.pool.key}.pub').read_text()}")

    def client_options(self):
        """Of OpenSSH's clients, which refuse a key that belongs to somebody else."""
        key = self.pool.directory / "client_key"
        if not key.exists():
            shutil.copyfile(self.pool.key, key)
            key.chmod(0o600)
            self.pool.write_known_hosts()
        return ["-F", "none", "-i", key, "-o", f"UserKnownHostsFile={self.pool.known_hosts}", "-o", "BatchMode=yes",
                "-o", "LogLevel=ERROR"]

    def ssh(self, peer, *words, data=b""):
        return subprocess.run(
            ["ssh", *self.client_options(), "-p", str(peer.elements["port"]), f"{self.pool.caller}@{peer.address}", *words],
            input=data, capture_output=True, timeout=60)

    def scp(self, peer, *arguments):
        return subprocess.run(["scp", *self.client_options(), "-P", str(peer.elements["port"]), *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def sftp_client(self, peer, commands):
        return subprocess.run(["sftp", *self.client_options(), "-P", str(peer.elements["port"]), "-b", "-",
                               f"{self.pool.caller}@{peer.address}"], input=commands, capture_output=True, text=True, timeout=60)

    def run_cedar(self, peer, rcp, *arguments, **options):
        pool = self.pool
        address, port = peer.elements.pop("address"), peer.elements.pop("port")
        known_hosts, config = pool.directory / "cedar_known_hosts", pool.directory / "cedar_ssh_config"
        known_hosts.write_text(f"[{address}]:{port} {pool.sshd.host_key}\n")
        config.write_text(f"Host far\n  HostName {address}\n  Port {port}\n  IdentityFile {pool.key}\n"
                          f"  UserKnownHostsFile {known_hosts}\n")
        pool.key.chmod(0o600)
        pool.options |= {"rcp_command": f"/usr/bin/scp -B {rcp} -F {config}", "rsh_command": f"/usr/bin/ssh -F {config}",
                         **options}
        pool.write_config()
        prefix = self.passwd_entry(pool, pool.make_directory("home-of-backup", pool.user), "/bin/sh")
        log = pool.directory / "cback3.log"
        subprocess.run([*prefix, CBACK, "-c", pool.config, "-l", log, "-d", "-O", *arguments], capture_output=True, text=True,
                       stdin=subprocess.DEVNULL, timeout=120, env={**pool.environment(), "LANG": "C.UTF-8"}, umask=0o022)
        return log.read_text()

    def place(self, peer, name):
        return f"{self.pool.caller}@{peer.address}:{peer.collect}/{name}"


class OurMasterTest(GateTest):
    def test_stages_and_marks(self):
        peer = self.gated_peer(FILES)
        result = self.pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(self.pool, result, peer)
        self.assert_marked(peer)
        self.assertEqual(peer.marker.read_bytes(), b"")
        self.assert_sound(self.pool, result)

    def test_stages_subdirectories(self):
        peer = self.gated_peer({**FILES, "a/b/c/deep.tar": b"deep", "a/other": b"o", "mail/inbox": b"m" * 300_000})
        result = self.pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(self.pool, result, peer)

    def test_gives_the_sums_of_files_with_any_name(self):
        self.pool.staging_settings["verify"] = "checksum"
        peer = self.gated_peer({name: name.encode() for name in ODD_NAMES} | {"sub/it's": b"x"})
        result = self.pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(self.pool, result, peer)

    def test_collect_directory_with_a_blank(self):
        self.pool.staging_settings["verify"] = "checksum"
        peer = self.gated_peer()
        peer.collect = self.pool.make_directory("peers/with a blank's")
        self.bind_key(peer)
        peer.write_all(FILES)
        peer.ready()
        result = self.pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(self.pool, result, peer)

    def test_many_files_over_several_connections(self):
        self.pool.staging_settings["connections_per_peer"] = 3
        peer = self.gated_peer({f"file{n}": b"%d" % n for n in range(1500)})
        result = self.pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(self.pool, result, peer)

    def test_many_sums(self):
        """More names than one command line holds."""
        self.pool.staging_settings["verify"] = "checksum"
        peer = self.gated_peer({f"{n:03}{'x' * 200}": b"%d" % n for n in range(600)})
        result = self.pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(self.pool, result, peer)

    def test_bound_in_sshd_config(self):
        """ForceCommand does the same for a user as `command=` for a key."""
        collect = self.pool.directory / "peers" / "far"
        self.pool.sshd_settings = lambda addresses: f"ForceCommand {GATE} --collect-dir {collect}\n"
        peer = self.pool.remote("far", FILES)
        result = self.pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(self.pool, result, peer)
        self.assertEqual(self.ssh(peer, "id").returncode, REFUSED_EXIT)

    def manage(self, *arguments):
        """What the one managed action that is listed has done, and the run."""
        ran = self.pool.directory / "ran"
        script = self.pool.directory / "cback"
        script.write_text(f"#!/bin/sh\necho \"$@\" >> {ran}\n")
        script.chmod(0o755)
        self.pool.options |= {"rsh_command": "/usr/bin/ssh", "cback_command": script, "managed_actions": "collect,purge"}
        self.gated_peer(FILES, allow=[f"{script} collect"], managed="Y")
        result = self.pool.run("--managed-only", *arguments, "--json")
        return ran.read_text().splitlines() if ran.exists() else [], result

    def test_managed_action_that_is_listed(self):
        ran, result = self.manage("collect")
        self.assert_exit(result, 0)
        self.assertEqual(ran, ["collect"])

    def test_managed_action_that_is_not_listed(self):
        ran, result = self.manage("purge")
        self.assert_exit(result, 7)
        self.assertEqual(ran, [])
        self.assertIn("peerstage-gate: refused", result.log + result.stdout)

    def test_managed_action_with_a_switch_that_is_not_listed(self):
        ran, result = self.manage("--full", "collect")
        self.assert_exit(result, 7)
        self.assertEqual(ran, [])

    def test_not_ready_without_the_indicator_or_the_directory(self):
        peer = self.gated_peer()
        self.assert_exit(self.pool.stage(), 8)
        peer.collect.rmdir()
        self.assert_exit(self.pool.stage(), 8)

    def test_marker_of_an_earlier_day_is_renewed(self):
        peer = self.gated_peer(FILES)
        peer.marker.write_bytes(b"old")
        os.utime(peer.marker, (1, 1))
        result = self.pool.stage()
        self.assert_exit(result, 0)
        self.assertEqual(peer.marker.read_bytes(), b"")
        self.assertGreater(peer.marker.stat().st_mtime, (peer.collect / "cback.collect").stat().st_mtime)

    def test_symlink_in_the_place_of_the_marker_stays(self):
        peer = self.gated_peer(FILES)
        target = self.pool.canary / "precious"
        peer.marker.symlink_to(target)
        result = self.pool.stage()
        self.assert_exit(result, 7)
        self.assertIn("cback.stage", result.message("far"))
        self.assertTrue(peer.marker.is_symlink())
        self.assert_sound(self.pool, result)

    def test_hard_link_in_the_place_of_the_marker_keeps_its_content(self):
        peer = self.gated_peer(FILES)
        os.link(self.pool.canary / "precious", peer.marker)
        before = snapshot(self.pool.canary)
        result = self.pool.stage()
        self.assert_exit(result, 7)
        self.assertIn("hard link", result.message("far"))
        self.assert_unchanged_since(before, self.pool.canary)
        peer.marker.unlink()

    def test_special_files_are_skipped_as_without_the_gate(self):
        peer = self.gated_peer(FILES)
        os.mkfifo(peer.collect / "pipe")
        (peer.collect / "link").symlink_to("/etc/passwd")
        expected = {name: value for name, value in peer.content().items()}
        result = self.pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(self.pool, result, peer, expected)
        self.assertEqual({(entry["name"], entry["reason"]) for entry in result.peer("far")["skipped"]},
                         {("pipe", "fifo"), ("link", "symlink")})


@needs_root
@unittest.skipUnless(CBACK.exists(), "needs cback3")
class CedarMasterTest(GateTest):
    """cback3 as the master, as root and with a real backup user, as its manual wants it."""

    def setUp(self):
        super().setUp()
        self.pool.ssh_settings = {"identity_file": None, "known_hosts": None}

    def assert_stages(self, rcp):
        peer = self.gated_peer(FILES)
        log = self.run_cedar(peer, rcp, "stage")
        self.assertNotIn("ERROR", log, log)
        self.assert_marked(peer)
        day = self.pool.staging / f"{datetime.date.today():%Y/%m/%d}" / "far"
        self.assertEqual({name: entry.sha256 for name, entry in snapshot(day).items()}, peer.content(), log)

    def test_stages_with_the_old_words_of_scp(self):
        self.assert_stages("-O")

    def test_stages_with_the_old_words_and_options(self):
        self.assert_stages("-O -p -v -q -C")

    def test_recursive_marker_of_the_old_words_is_refused(self):
        """With -r in rcp_command, its scp also announces that it may send directories."""
        peer = self.gated_peer({**FILES, "sub/file": b"f"})
        log = self.run_cedar(peer, "-O -r", "stage")
        self.assertIn("Staged 6 files", log)
        self.assertIn("peerstage-gate: refused: scp -r -t", log)
        self.assert_marked(peer, False)

    def test_stages_with_sftp(self):
        self.assert_stages("")

    def test_stages_with_sftp_and_options(self):
        self.assert_stages("-p -r")

    def managed_command(self):
        ran = self.pool.directory / "ran"
        script = self.pool.directory / "cback"
        script.write_text(f"#!/bin/sh\necho \"$@\" >> {ran}\n")
        script.chmod(0o755)
        return script, ran

    def manage(self, allowed, *arguments):
        script, ran = self.managed_command()
        peer = self.gated_peer(FILES, allow=[f"{script} {words}" for words in allowed], managed="Y")
        log = self.run_cedar(peer, "-O", *arguments, cback_command=script, managed_actions="collect,purge")
        return ran.read_text().splitlines() if ran.exists() else [], log

    def test_managed_action_that_is_listed(self):
        ran, log = self.manage(["collect"], "--managed-only", "collect")
        self.assertEqual(ran, ["collect"], log)

    def test_managed_action_that_is_not_listed(self):
        ran, log = self.manage(["collect"], "--managed-only", "purge")
        self.assertEqual(ran, [], log)
        self.assertIn("peerstage-gate: refused", log)
        self.assertIn("ERROR", log)

    def test_full_is_another_command(self):
        ran, log = self.manage(["collect"], "--full", "--managed-only", "collect")
        self.assertEqual(ran, [], log)


class ClientsTest(GateTest):
    """OpenSSH's own clients."""
    TREE = {**FILES, "a/b/deep": b"deep", "a/.hidden": b"h"}

    def setUp(self):
        super().setUp()
        self.peer = self.gated_peer(self.TREE)
        self.target = self.pool.make_directory("fetched")

    def test_sftp_lists_fetches_and_writes_the_marker(self):
        empty = self.pool.directory / "empty"
        empty.write_bytes(b"")
        commands = f"pwd\nls -la\nget -r . {self.target}\nput {empty} cback.stage\nls -l cback.stage\n"
        result = self.sftp_client(self.peer, commands)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn(f"Remote working directory: {self.peer.collect}\n", result.stdout)
        self.assertEqual({name: entry.sha256 for name, entry in snapshot(self.target).items() if entry.kind == "file"},
                         self.peer.content(), result.stderr)
        self.assert_marked(self.peer)

    def test_scp_fetches_everything(self):
        for mode in (["-O"], ["-O", "-p"], [], ["-p"]):
            with self.subTest(mode=mode):
                shutil.rmtree(self.target)
                self.target.mkdir()
                result = self.scp(self.peer, *mode, "-r", self.place(self.peer, "*"), self.target)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual({name: e.sha256 for name, e in snapshot(self.target).items() if e.kind == "file"},
                                 self.peer.content(), result.stderr)
                if "-p" in mode:
                    self.assertEqual((self.target / "a/b/deep").stat().st_mtime,
                                     (self.peer.collect / "a/b/deep").stat().st_mtime)

    def test_scp_without_r_says_what_it_leaves_out(self):
        result = self.scp(self.peer, "-O", self.place(self.peer, "*"), self.target)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{self.peer.collect}/a is a directory", result.stderr)
        self.assertEqual({path.name for path in self.target.iterdir()}, {*FILES, "cback.collect"})

    def test_scp_writes_the_marker(self):
        empty = self.pool.directory / "cback.stage"
        empty.write_bytes(b"")
        for mode in (["-O"], ["-O", "-p", "-v"], [], ["-p"]):
            with self.subTest(mode=mode):
                result = self.scp(self.peer, *mode, empty, self.place(self.peer, "cback.stage"))
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assert_marked(self.peer)
                self.peer.marker.unlink()

    def test_scp_of_what_is_not_there(self):
        (self.peer.collect / "cback.collect").unlink()
        result = self.scp(self.peer, "-O", self.place(self.peer, "cback.collect"), self.target)
        self.assertEqual(result.returncode, 1)
        self.assertIn("No such file or directory", result.stderr)

    def test_scp_of_a_file_that_cannot_be_read_to_its_end(self):
        """A file of which less is there than was announced is an error, and the files behind it arrive."""
        journal, answers = SilentJournal(), os.pipe()
        os.write(answers[1], b"\0" * 100)
        os.close(answers[1])
        with open(answers[0], "rb"), tempfile.TemporaryFile() as sent:
            scp = gate.Scp(gate.CollectDirectory(str(self.peer.collect)), journal, False, False, answers[0], sent.fileno())
            real_fstat = os.fstat

            def larger(descriptor):
                status = list(real_fstat(descriptor))
                status[stat.ST_SIZE] += 1000 * (status[stat.ST_SIZE] == len(FILES["etc.tar.gz"]))
                return os.stat_result(status)
            gate.os.fstat = larger
            try:
                self.assertEqual(scp.send_all(str(self.peer.collect).encode()), 1)
            finally:
                gate.os.fstat = real_fstat
            sent.seek(0)
            data = sent.read()
        self.assertIn(b"became shorter", data)
        self.assertIn(b"C0644 700000 home.tar\n" + FILES["home.tar"] + b"\0", data)


class OpenSshAloneTest(GateTest):
    """What docs/restricted-access.md gives to peers without the gate."""
    REQUESTS = ["lstat", "opendir", "readdir", "open", "read", "close", "fsync", "limits"]
    REQUESTS_OF_SCP = ["stat", *REQUESTS]

    def allow(self, peer, requests):
        self.pool.sshd.authorized_keys.write_text(
            f"restrict,command=\"internal-sftp -p {','.join(requests)}\" {Path(f'{self.pool.key}.pub').read_text()}")
        peer.marker.unlink(missing_ok=True)

    def test_documentation_names_these_requests(self):
        page = (ROOT / "docs" / "restricted-access.md").read_text()
        for requests in (self.REQUESTS, self.REQUESTS_OF_SCP):
            self.assertIn(f"internal-sftp -p {','.join(requests)}\"", page)

    def test_requests_that_our_master_needs(self):
        peer = self.pool.remote("far", {**FILES, "sub/file": b"f"})
        self.allow(peer, self.REQUESTS)
        result = self.pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(self.pool, result, peer)
        self.assert_marked(peer)

    def test_none_of_them_is_superfluous(self):
        """Without the last two it works too: fsync makes the marker durable, limits is faster."""
        peer = self.pool.remote("far", FILES)
        for left_out in self.REQUESTS:
            with self.subTest(left_out=left_out):
                shutil.rmtree(self.pool.staging / f"{datetime.date.today():%Y}", ignore_errors=True)
                self.allow(peer, [name for name in self.REQUESTS if name != left_out])
                result = self.pool.stage()
                self.assertEqual(result.exit == 0, left_out in ("fsync", "limits"), str(result))
                if result.exit == 0:
                    self.assert_marked(peer)

    def test_what_the_list_does_not_prevent(self):
        """As the page says: who may open the marker for writing may empty any file."""
        peer = self.pool.remote("far", FILES)
        self.allow(peer, self.REQUESTS)
        victim = peer.write("victim", b"content")
        session = subprocess.Popen(["ssh", *self.client_options(), "-p", str(peer.elements["port"]), "-s",
                                    f"{self.pool.caller}@{peer.address}", "sftp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(session.wait)
        with session.stdin, session.stdout:   # OpenSSH's server drops what it was asked when its input ends
            session.stdin.write(INIT + request(3, 1, os.fsencode(victim), 0x12, NO_ATTRIBUTES))
            session.stdin.flush()
            for _ in range(2):
                kind = session.stdout.read(struct.unpack(">I", session.stdout.read(4))[0])[0]
        self.assertEqual((kind, victim.read_bytes()), (102, b""))

    @needs_root
    @unittest.skipUnless(CBACK.exists(), "needs cback3")
    def test_requests_that_scp_of_a_cedar_master_needs(self):
        peer = self.pool.remote("far", FILES)
        self.allow(peer, self.REQUESTS_OF_SCP)
        self.pool.ssh_settings = {"identity_file": None, "known_hosts": None}
        log = self.run_cedar(peer, "", "stage")
        self.assertNotIn("ERROR", log, log)
        self.assert_marked(peer)

    @needs_root
    def test_chroot(self):
        """As the user `backup`, who has no shell. Every directory above a chroot has to belong to root alone, so not in /tmp."""
        root = Path(tempfile.mkdtemp(prefix="peerstage-gate-", dir="/run"))
        self.addCleanup(shutil.rmtree, root)
        root.chmod(0o755)
        (root / "collect").mkdir()
        shutil.chown(root / "collect", "backup", "backup")
        (root / "outside").mkdir()
        requests = ",".join(self.REQUESTS)
        self.pool.sshd_settings = lambda addresses: (
            f"Match User backup\n  ChrootDirectory {root}\n  ForceCommand internal-sftp -p {requests}\n"
            "  DisableForwarding yes\n  PermitTTY no\n")
        peer = self.pool.remote("far", backup_user="backup")
        shutil.copyfile(f"{self.pool.key}.pub", self.pool.sshd.authorized_keys)
        peer.collect = root / "collect"
        peer.write_all({**FILES, "sub/file": b"f"})
        peer.ready()
        expected = peer.content()
        peer.collect = Path("/collect")
        result = self.pool.stage()
        peer.collect = root / "collect"
        self.assert_exit(result, 0)
        self.assert_staged(self.pool, result, peer, expected)
        self.assert_marked(peer)


class RefusalTest(GateTest):
    """What is not on the list is refused, and changes nothing."""

    def setUp(self):
        super().setUp()
        self.allowed = "/bin/echo allowed"
        self.peer = peer = self.gated_peer({**FILES, "sub/file": b"f"}, allow=[self.allowed])
        outside = self.pool.canary
        (outside / "directory").mkdir()
        (outside / "directory" / "secret").write_bytes(b"SECRET")
        (peer.collect / "link").symlink_to(outside / "precious")
        (peer.collect / "linked").symlink_to(outside / "directory")
        (peer.collect / "relative").symlink_to("../../canary/precious")
        (peer.collect / "to-root").symlink_to("/")
        os.mkfifo(peer.collect / "pipe")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        with contextlib.chdir(peer.collect):
            listener.bind("socket")
        self.before = self.world()

    def world(self):
        """Everything that the master must not change. The keys and the logs of sshd are the test's own."""
        return {place: {name: entry for name, entry in snapshot(place).items() if name != "cback.stage"}
                for place in (self.pool.canary, self.peer.collect, self.pool.home)}

    def assert_nothing_happened(self, what):
        # Reading changes no time of change, but the directory's own does when the marker comes: it is not in its own snapshot.
        self.assertEqual(self.world(), self.before, what)
        self.assertFalse(os.path.lexists(self.peer.marker), what)

    def commands(self):
        d, outside = str(self.peer.collect), str(self.pool.canary)
        touch = f"touch {outside}/new"
        yield from [
            # what a shell would make more of
            f"{self.allowed};{touch}", f"{self.allowed}; {touch}", f"{self.allowed} && {touch}", f"{self.allowed} || {touch}",
            f"{self.allowed} | tee {outside}/new", f"{self.allowed} & {touch}", f"{self.allowed}\n{touch}",
            f"{self.allowed}\r\n{touch}", f"{self.allowed} $({touch})", f"{self.allowed} `{touch}`",
            f"{self.allowed} > {outside}/new", f"{self.allowed} ", f" {self.allowed}", f"{self.allowed} more",
            self.allowed.replace(" ", "  "), self.allowed.replace(" ", "\t"), self.allowed.replace(" ", "\u00a0"),
            self.allowed.replace("a", "\u0430"), self.allowed.upper(), f"'{self.allowed}'", f"\"{self.allowed}\"",
            f"X=1 {self.allowed}", f"env {self.allowed}", f"exec {self.allowed}", f"eval {touch}", f"sh -c '{touch}'",
            f"/bin/sh -c '{touch}'", f"{touch}", f"bash -i", "sh", "/bin/bash", "true", ":", "$SHELL", "${SHELL}", "!!",
            f"{self.allowed} #", f"#{self.allowed}", f"cat {d}/cback.collect", f"cat /etc/passwd", f"ls {d}", "id",
            # SFTP by other names
            "internal-sftp -R", "internal-sftp -d /", "internal-sftp ", " internal-sftp", "internal-sftp;id", "sftp",
            "/usr/lib/openssh/sftp-server -d /", "/usr/lib/openssh/../openssh/sftp-server", "./internal-sftp",
            # sums
            "sha256sum", f"sha256sum /etc/passwd", f"sha256sum {d}/../../canary/precious", f"sha256sum {d}/cback.collect /etc/passwd",
            f"sha256sum -c {d}/cback.collect", f"sha256sum --check /etc/passwd", "sha256sum cback.collect",
            f"sha256sum {d}/*", f"sha256sum {d}/cback.collect; {touch}", f"sha256sum {d}/$({touch})", f"sha256sum '{d}/x",
            f"sha256sum {d}2/file", "sha256sum //etc/passwd", f"'sha256sum' '{d}/a'\"$({touch})\"", f"md5sum {d}/empty",
            f"'sha256sum' '{d}/../peers/far/../../canary/precious'", f"sha256sum {d}/a{{b,c}}", "sha256sum ~/x",
            # scp
            "scp -f /etc/passwd", f"scp -f {d}/../../canary/precious", f"scp -f {d}/etc.tar.gz /etc/passwd", f"scp -f {outside}/*",
            f"scp -f {d}/*/*", f"scp -f {d}/e*", f"scp -f {d}/cback.collect*", f"scp -f {d}/$({touch})", f"scp -f {d}/*;{touch}",
            f"scp -f {d}/link", f"scp -f {d}/linked/*", f"scp -f '{d}/*'; {touch}", "scp -f *", "scp -f cback.collect",
            f"scp -f -S {outside}/x {d}/*", f"scp -f -- {d}/*", f"scp -S sh -f {d}/*", f"scp -o ProxyCommand=id -f {d}/*",
            f"scp -t {d}", f"scp -t {d}/", f"scp -t {d}/*", f"scp -t {d}/sub", f"scp -t {d}/new", f"scp -t {d}/empty",
            f"scp -r -t {d}/cback.stage", f"scp -t -r {d}/cback.stage", f"scp -d -t {d}/cback.stage", f"scp -p -r -t {d}/cback.stage",
            f"scp -t {d}/cback.stage/x", f"scp -t {d}/sub/cback.stage", f"scp -t {outside}/cback.stage", f"scp -t {d}/../cback.stage",
            f"scp -t {d}/cback.stage {outside}/new", f"scp -t {d}/cback.stage;{touch}", f"scp -rt {d}/cback.stage",
            f"scp -f -t {d}/cback.stage", f"/usr/bin/scp -t {d}/cback.stage", f"scp  -t {d}/cback.stage", f"scp -t {d}/cback.\u0455tage",
            f"scp {d}/empty {outside}/new", "scp", "scp -t",
            # others that scripts allow
            f"rsync --server --sender . {d}/", f"rsync --server . {d}/", "git-upload-pack x", "nc 127.0.0.1 22",
            f"tar -cf - {d}", f"dd of={outside}/new", f"sudo -n {self.allowed}", f"perl -e 'system(\"{touch}\")'",
            # long, and strange
            "A" * 100_000, f"scp -f {d}/" + "x" * 5000, f"sha256sum {d}/" + "x/" * 3000 + "x", "sha256sum " + "'" * 9999,
            f"{self.allowed}\x01", f"{self.allowed}\x1b[2J", f"\u202e{self.allowed}", "\\" * 1001,
        ]

    def test_commands(self):
        commands = list(self.commands())
        self.assertGreater(len(set(commands)), 120)
        for command in commands:
            with self.subTest(command=command[:200]):
                result = self.run_gate(command)
                self.assertEqual(result.returncode, REFUSED_EXIT, result)
                self.assertRegex(result.stderr.decode(), r"\Apeerstage-gate: refused: [ -~\xa1-\U0010ffff]*\n\Z")
                self.assertEqual(result.stdout.count(b"\0C"), 0, result)
                self.assert_nothing_happened(command)

    def test_commands_over_ssh(self):
        """A choice of them, with all of sshd before the gate."""
        commands = list(self.commands())
        chosen = [command for command in commands if not command.startswith("A")][::5]
        for command in chosen:
            with self.subTest(command=command[:200]):
                result = self.ssh(self.peer, command, data=b"C0644 0 cback.stage\n\0")
                self.assertEqual(result.returncode, REFUSED_EXIT, result)
                self.assertIn(b"peerstage-gate: refused: ", result.stderr)
                self.assert_nothing_happened(command)

    def run_gate(self, command, data=b"C0644 0 cback.stage\n\0", **environment):
        return subprocess.run([GATE, "--collect-dir", self.peer.collect, "--allow", self.allowed], input=data,
                              capture_output=True, timeout=60, env={"SSH_ORIGINAL_COMMAND": command, **environment})

    def test_what_is_allowed_is_allowed(self):
        """The table above could not tell when everything were refused."""
        d = self.peer.collect
        self.assertEqual(self.ssh(self.peer, self.allowed).stdout, b"allowed\n")
        self.assertEqual(self.run_gate(self.allowed).stdout, b"allowed\n")
        self.assertEqual(self.run_gate(f"scp -t {d}/cback.stage").stdout, b"\0\0\0")
        self.assertTrue(self.peer.marker.exists())
        self.assertIn(b"C0644 0 cback.collect\n", self.run_gate(f"scp -f {d}/cback.collect", b"\0\0\0").stdout)
        self.assertEqual(self.run_gate(f"'sha256sum' '{d}/cback.collect'").stdout,
                         f"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  {d}/cback.collect\n".encode())

    def test_allowed_command_is_itself(self):
        """Its streams, its exit status, and no signal that Python ignores."""
        script = self.pool.directory / "command"
        script.write_text("#!/bin/sh\ncat\ngrep SigIgn /proc/self/status\necho \"$#\" \"$@\" >&2\nexit 42\n")
        script.chmod(0o755)
        self.bind_key(self.peer, [f"{script} a b", "no-such-program"])
        result = self.ssh(self.peer, f"{script} a b", data=b"input\n")
        self.assertEqual((result.returncode, result.stderr), (42, b"2 a b\n"))
        self.assertEqual(result.stdout, b"input\nSigIgn:\t0000000000000000\n")
        result = self.ssh(self.peer, "no-such-program")
        self.assertEqual(result.returncode, 127)
        self.assertIn(b"cannot run no-such-program: No such file or directory", result.stderr)

    def test_other_words_for_the_subsystem(self):
        """sshd_config may name its server in any words; those that are told count."""
        for words in ("internal-sftp", "/usr/lib/openssh/sftp-server", "internal-sftp -f AUTH -l INFO"):
            result = subprocess.run([GATE, "--collect-dir", self.peer.collect, "--sftp", "internal-sftp -f AUTH -l INFO"],
                                    input=INIT, capture_output=True, timeout=60, env={"SSH_ORIGINAL_COMMAND": words})
            self.assertEqual((result.returncode, result.stdout[4:5]), (0, b"\2"), words)

    def test_logins_and_forwardings(self):
        for words in ([], ["-tt"], ["-tt", "sh"], ["-W", "127.0.0.1:1"], ["-s", "netconf"]):
            with self.subTest(words=words):
                result = self.ssh(self.peer, *words)
                self.assertNotEqual(result.returncode, 0, result)
                self.assert_nothing_happened(words)
        result = self.ssh(self.peer, "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", self.allowed)
        self.assertNotEqual((result.returncode, result.stdout), (0, b"allowed\n"), result)

    def test_environment_changes_nothing(self):
        """sshd may be told to take variables from its clients."""
        modules = self.pool.make_directory("modules")
        for name in ("argparse", "sitecustomize", "usercustomize", "resource", "os"):
            (modules / f"{name}.py").write_text(f"open({str(self.pool.canary / 'new')!r}, 'w')\n")
        for variables in ({"PYTHONPATH": str(modules)}, {"PYTHONHOME": str(modules)}, {"PYTHONSTARTUP": str(modules / "os.py")},
                          {"PYTHONINSPECT": "1"}, {"BASH_ENV": str(modules / "os.py")}, {"ENV": "/x"}, {"IFS": "/"},
                          {"LC_ALL": "xx_YY.UTF-16"}, {"HOME": str(modules)}, {"SSH_CONNECTION": "\x1b[2J \n"},
                          {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"}):
            with self.subTest(variables=variables):
                result = self.run_gate("id", **variables)
                self.assertEqual(result.returncode, REFUSED_EXIT, result)
                self.assert_nothing_happened(variables)

    def test_words_of_old_scp_that_write_more_than_the_marker(self):
        """A sink that was told its file still gets to hear other things."""
        for data in (b"D0755 0 new\nC0644 1 x\nA\0E\n", b"C0644 5 cback.stage\nhello\0", b"C0644 99999999999 cback.stage\n",
                     b"C0644 -1 cback.stage\n", b"C0644 0 ../../canary/new\n\0", b"C0644 0 \n\0", b"C06440 0 x\n\0",
                     b"X\n", b"C0644 0 cback.stage", b"\x01complaint\n", b"\x02\n", b"A" * 100_000,
                     b"T1 0 1 0\nD0755 0 x\n", b"E\n", b"", b"\0", b"C0644 0 a\0b\n\0"):
            with self.subTest(data=data[:80]):
                result = self.run_gate(f"scp -t {self.peer.collect}/cback.stage", data)
                self.assertNotEqual(result.returncode, 0, result)
                self.assertNotIn(b"Traceback", result.stderr)
                self.assert_nothing_happened(data[:80])

    def test_second_file_for_the_sink_is_refused(self):
        result = self.run_gate(f"scp -t {self.peer.collect}/cback.stage", b"C0644 0 cback.stage\n\0C0644 0 other\n\0")
        self.assertEqual(result.returncode, REFUSED_EXIT, result)
        self.assertEqual(self.peer.marker.read_bytes(), b"")
        self.assertEqual(self.world(), self.before)

    def test_marker_is_not_written_through_anything(self):
        def symlink():
            self.peer.marker.symlink_to(self.pool.canary / "precious")

        def dangling():
            self.peer.marker.symlink_to(self.pool.canary / "new")

        def hard_link():
            os.link(self.peer.collect / "home.tar", self.peer.marker)

        for make in (symlink, dangling, hard_link, lambda: os.mkfifo(self.peer.marker), self.peer.marker.mkdir):
            make()
            before = snapshot(self.peer.collect), snapshot(self.pool.canary)
            d = os.fsencode(self.peer.collect)
            for flags in (0x02, 0x0A, 0x1A, 0x12, 0x2A, 0x3A):
                (answer,) = self.sftp(request(3, 1, d + b"/cback.stage", flags, NO_ATTRIBUTES))
                self.assertEqual(answer[0], 101, answer)
                self.assertNotEqual(answer[5:9], b"\0\0\0\0", answer)
            result = self.run_gate(f"scp -t {self.peer.collect}/cback.stage")
            self.assertNotEqual(result.returncode, 0)
            self.assertEqual((snapshot(self.peer.collect), snapshot(self.pool.canary)), before)
            if self.peer.marker.is_dir() and not self.peer.marker.is_symlink():
                self.peer.marker.rmdir()
            else:
                self.peer.marker.unlink()

    def sftp(self, *requests):
        """The answers to them, of a session of its own."""
        result = self.run_gate("internal-sftp", INIT + b"".join(requests))
        version, *answers = split_packets(result.stdout)
        self.assertEqual(version[0], 2, result)
        self.assertNotIn(b"Traceback", result.stderr)
        return answers

    def sftp_attempts(self):
        d, outside = os.fsencode(self.peer.collect), os.fsencode(self.pool.canary)
        read, write, append, create, truncate, exclusive = (1 << bit for bit in range(6))
        for path in (b"/etc/passwd", outside + b"/precious", d + b"/../../canary/precious", b"../../canary/precious", d + b"/link",
                     d + b"/relative", d + b"/linked/secret", d + b"/to-root/etc/passwd", d + b"/pipe", d + b"/socket", d, b"/",
                     d + b"/sub/../../../canary/precious", b"//etc//passwd", d + b"2/x", d[:-1], b"", b".", b"\0", d + b"/empty\0x",
                     d + b"/" + b"x" * 5000, d + b"/" + b"x" * 300, d + b"/x" * 100, b"~root/.profile", d + b"/sub/file/x",
                     b"/proc/self/root/etc/passwd", b"/dev/fd/0"):
            yield request(3, 7, path, read, NO_ATTRIBUTES)
        for path in (b"/etc/passwd", outside + b"/new", d + b"/new", d + b"/empty", d + b"/cback.collect", d + b"/sub/cback.stage",
                     d + b"/cback.stage/", d + b"/cback.stage\0", d + b"/CBACK.STAGE", d + b"/../cback.stage", d + b"/linked/cback.stage",
                     d + b"/cback.\xd1\x95tage", d + b"/link", d + b"/pipe"):
            if path.rstrip(b"/") != d + b"/cback.stage":
                for flags in (write, write | create, write | create | truncate, write | create | exclusive, write | truncate):
                    yield request(3, 7, path, flags, NO_ATTRIBUTES)
        for flags in (read | write | create, append, write | append | create, read | create, create, 0, 0xffffffff, read | truncate):
            yield request(3, 7, d + b"/cback.stage", flags, NO_ATTRIBUTES)
            yield request(3, 7, d + b"/empty", flags, NO_ATTRIBUTES)
        for target in (d + b"/empty", d + b"/cback.stage", outside + b"/precious", d + b"/link", d):
            yield request(9, 7, target, 4, 0o777)                          # SETSTAT
            yield request(13, 7, target)                                   # REMOVE
            yield request(15, 7, target)                                   # RMDIR
            yield request(18, 7, target, outside + b"/new")                # RENAME
            yield request(18, 7, outside + b"/precious", target)
            yield request(19, 7, target)                                   # READLINK
            yield request(20, 7, outside + b"/precious", target + b"new")  # SYMLINK
            yield request(20, 7, target + b"new", outside + b"/precious")
            for extension in (b"posix-rename@openssh.com", b"hardlink@openssh.com", b"lsetstat@openssh.com", b"copy-data",
                              b"expand-path@openssh.com", b"statvfs@openssh.com", b"users-groups-by-id@openssh.com", b"", b"\xff"):
                yield request(200, 7, extension, target, outside + b"/new")
        for path in (d + b"/new", outside + b"/new", d + b"/linked/new"):
            yield request(14, 7, path, NO_ATTRIBUTES)                      # MKDIR
        for path in (b"/", b"/etc", outside, d + b"/..", b"..", d + b"\0"):
            for kind in (7, 11, 16, 17):                                   # LSTAT, OPENDIR, REALPATH, STAT
                yield request(kind, 7, path)
        for path in (d + b"/linked/secret", d + b"/to-root/etc", d + b"/empty/x"):
            for kind in (7, 11, 17):
                yield request(kind, 7, path)
        yield request(11, 7, d + b"/linked")
        yield request(11, 7, d + b"/link")
        for kind in (0, 22, 99, 101, 103, 255):
            yield request(kind, 7, d)
        for kind in (4, 5, 6, 8, 10, 12):                                  # with handles that nobody was given
            for handle in (b"", b"\0\0\0\1", b"\0\0\0\0", d, b"x" * 5000):
                yield request(kind, 7, handle, (">Q", 0), string(b"data"))

    def test_sftp_requests(self):
        """None is answered with anything but a refusal, each alone."""
        attempts = list(self.sftp_attempts())
        self.assertGreater(len(attempts), 150)
        journal = SilentJournal()
        for attempt in attempts:
            with self.subTest(attempt=attempt[:200]):
                version, answer = split_packets(serve_in_memory(self.peer.collect, INIT + attempt, journal))
                self.assertEqual((version[0], answer[0], answer[1:5]), (2, 101, b"\0\0\0\7"), answer)
                self.assertGreater(struct.unpack(">I", answer[5:9])[0], EOF, answer)
                self.assert_nothing_happened(attempt)
        self.assertGreater(len(journal.refusals), 100)

    def test_sftp_requests_over_ssh(self):
        """All in one session, through a real sshd."""
        attempts = list(self.sftp_attempts())
        result = self.ssh(self.peer, "-s", "sftp", data=INIT + b"".join(attempts))
        answers = split_packets(result.stdout)[1:]
        self.assertEqual(len(answers), len(attempts), result.stderr)
        self.assertEqual({answer[0] for answer in answers}, {101})
        self.assertNotIn(OK, [struct.unpack(">I", answer[5:9])[0] for answer in answers])
        self.assert_nothing_happened("a session of attempts")

    def test_sftp_client(self):
        for command in (f"rm {self.peer.collect}/empty", "rm empty", "rename empty other", "mkdir new", "rmdir sub", "ln empty other",
                        "ln -s /etc/passwd other", "chmod 777 empty", "chown 1 empty", "chgrp 1 empty", "put /etc/hostname new",
                        "put /etc/hostname empty", "put /etc/hostname cback.stage", "get /etc/passwd /dev/null", "get link /dev/null",
                        "cd /", "cd ..", "ls /", "cd linked", "ls linked/secret", "df", "copy empty other", "reput /etc/hostname empty"):
            with self.subTest(command=command):
                result = self.sftp_client(self.peer, command + "\n")
                self.assertNotEqual(result.returncode, 0, result)
                self.assertEqual(self.world(), self.before, result)
                if self.peer.marker.exists():   # of the attempt to give it content
                    self.assertEqual(self.peer.marker.read_bytes(), b"", result)
                    self.peer.marker.unlink()

    def test_marker_gets_no_content(self):
        d = os.fsencode(self.peer.collect)
        handle = b"\0\0\0\1"
        answers = self.sftp(request(3, 1, d + b"/cback.stage", 0x1A, NO_ATTRIBUTES), request(6, 2, handle, (">Q", 0), b"content"),
                            request(10, 3, handle, 1, (">Q", 1 << 40)), request(10, 4, handle, 4, 0o6777), request(4, 5, handle))
        codes = [struct.unpack(">I", answer[5:9])[0] for answer in answers[1:]]
        self.assertEqual((answers[0][0], codes), (102, [PERMISSION_DENIED, PERMISSION_DENIED, OK, OK]))
        self.assertEqual((self.peer.marker.stat().st_size, stat.S_IMODE(self.peer.marker.stat().st_mode) & 0o7133), (0, 0))

    def test_refusals_are_logged_and_do_not_fill_the_log(self):
        class Lines(list):
            def syslog(self, priority, text):
                self.append(text)

            def openlog(self, *unused):
                pass
            LOG_PID = LOG_AUTH = LOG_INFO = LOG_WARNING = 0
        lines, real = Lines(), gate.syslog
        gate.syslog = lines
        try:
            journal = gate.Journal()
            serve_in_memory(self.peer.collect, INIT + request(13, 1, b"/etc/\x1b[2J\npasswd") * 1000, journal)
        finally:
            gate.syslog = real
        self.assertEqual(lines[0], r"refused for an unknown address: SFTP: REMOVE /etc/\x1b[2J\x0apasswd")
        self.assertEqual(len(lines), gate.REFUSALS_LOGGED + 2)

    @needs_root
    def test_syslog_hears_of_it(self):
        device = self.pool.make_directory("dev")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            log.bind(str(device / "log"))
            log.settimeout(20)
            prefix = ["unshare", "--mount", "sh", "-c", f"mount --bind {device} /dev && exec \"$@\"", "sh"]
            if subprocess.run([*prefix, "true"], capture_output=True).returncode:
                self.skipTest("needs a mount namespace of its own")
            subprocess.run([*prefix, GATE, "--collect-dir", self.peer.collect], capture_output=True, timeout=60,
                           env={"SSH_ORIGINAL_COMMAND": "rm -rf /", "SSH_CONNECTION": "192.0.2.7 1 192.0.2.8 22"})
            line = log.recv(4096).decode()
        self.assertRegex(line, r"^<36>.*peerstage-gate\[\d+\]: refused for 192\.0\.2\.7: rm -rf /: not among")


def serve_in_memory(collect, requests, journal):
    """What the SFTP server answers to these bytes; it runs in this process."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
        source.write(requests)
        source.seek(0)
        with contextlib.closing(gate.CollectDirectory(str(collect))) as directory:
            gate.SftpServer(directory, journal, source.fileno(), sink.fileno()).serve()
        sink.seek(0)
        return sink.read()


class HostileMasterTest(PoolTest):
    """Bytes that no client sends, and what happens behind the gate's back."""

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="peerstage-gate-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.collect = self.directory / "collect"
        (self.collect / "sub").mkdir(parents=True)
        self.outside = self.directory / "outside"
        self.outside.mkdir()
        (self.outside / "secret").write_bytes(b"SECRET")
        for name in ("cback.collect", "data", "sub/file"):
            (self.collect / name).write_bytes(name.encode() * 100)
        (self.collect / "link").symlink_to(self.outside)
        os.mkfifo(self.collect / "pipe")

    def world(self):
        return {name: entry for name, entry in snapshot(self.directory).items() if name != "collect/cback.stage"}

    def random_session(self, chance):
        """Packets that are mostly well-formed, so that they get beyond the first check, with handles that may be right."""
        d = os.fsencode(self.collect)
        paths = [d, d + b"/data", d + b"/sub", d + b"/sub/file", d + b"/cback.stage", d + b"/link/secret", d + b"/pipe", b".", b"",
                 b"/", b"..", d + b"/" + bytes(chance.randbytes(chance.randrange(300))), os.fsencode(self.outside) + b"/secret"]
        requests = [INIT] if chance.random() < 0.95 else []
        for number in range(chance.randrange(60)):
            kind = chance.choice([*range(3, 21), 200, chance.randrange(256) if chance.random() < 0.1 else 3])
            fields = []
            if kind in (4, 5, 6, 8, 10, 12):
                fields.append(struct.pack(">I", chance.randrange(1, 12)))
            elif kind == 200:
                fields += [chance.choice([b"fsync@openssh.com", b"limits@openssh.com", b"x"]), struct.pack(">I", chance.randrange(1, 9))]
            else:
                fields.append(chance.choice(paths))
            fields += [chance.choice([0, 1, 2, 0x1A, 0x2A, 3, 4096, 0xffffffff, chance.getrandbits(32)]) 
                       for _ in range(chance.randrange(4, 7) if chance.random() < 0.98 else chance.randrange(3))]
            data = bytearray(request(kind, number, *fields))
            if chance.random() < 0.03:
                data[chance.randrange(len(data))] = chance.randrange(256)
            if chance.random() < 0.01:
                del data[chance.randrange(len(data)):]
            requests.append(bytes(data))
        return b"".join(requests)

    def test_random_packets(self):
        (self.collect / "cback.stage").write_bytes(b"")   # so that only its own times change
        before, descriptors = self.world(), len(os.listdir("/proc/self/fd"))
        answered = 0
        for seed in range(1500):
            session = self.random_session(random.Random(seed))
            try:
                answers = split_packets(serve_in_memory(self.collect, session, SilentJournal()))
            except Exception as error:
                raise AssertionError(f"seed {seed}") from error
            self.assertNotIn(b"SECRET", b"".join(answers), f"seed {seed}")
            answered += len(answers)
            self.assertEqual((self.collect / "cback.stage").stat().st_size, 0, f"seed {seed}")
        self.assertEqual(self.world(), before)
        self.assertEqual(len(os.listdir("/proc/self/fd")), descriptors)
        self.assertGreater(answered, 10_000)   # the sessions got somewhere

    def test_each_request_has_its_one_answer(self):
        d = os.fsencode(self.collect)
        requests = [request(16, 1, b"."), request(11, 2, d), request(12, 3, b"\0\0\0\1"), request(12, 4, b"\0\0\0\1"), request(4, 5, b"\0\0\0\1"),
                    request(3, 6, d + b"/data", 1, 0), request(8, 7, b"\0\0\0\2"), request(5, 8, b"\0\0\0\2", (">Q", 0), 1 << 31),
                    request(5, 9, b"\0\0\0\2", (">Q", 400), 10), request(5, 10, b"\0\0\0\2", (">Q", (1 << 64) - 1), 10), request(4, 11, b"\0\0\0\2"),
                    request(4, 12, b"\0\0\0\2"), request(200, 13, b"limits@openssh.com"), request(7, 14, d + b"/link")]
        answers = split_packets(serve_in_memory(self.collect, INIT + b"".join(requests), SilentJournal()))[1:]
        self.assertEqual([(answer[0], struct.unpack(">I", answer[1:5])[0]) for answer in answers],
                         [(104, 1), (102, 2), (104, 3), (101, 4), (101, 5), (102, 6), (105, 7), (103, 8), (101, 9), (101, 10), (101, 11),
                          (101, 12), (201, 13), (105, 14)])
        self.assertEqual(answers[7][9:], b"data" * 100)

    def test_sessions_that_break_the_protocol_end(self):
        for data in (b"\0\0\0\0", b"\xff\xff\xff\xff", struct.pack(">I", (256 << 10) + 1), packet(1, b"\0\0\0\2"), packet(1, b""),
                     request(7, 1, b"/"), INIT + INIT, INIT + packet(7, b""), INIT + packet(3, b"\0\0\0\1\xff\xff\xff\xff"),
                     INIT + b"\0\0\0\5\7", b"SSH-2.0-x\r\n"):
            with self.subTest(data=data[:40]):
                self.assertLessEqual(len(split_packets(serve_in_memory(self.collect, data, SilentJournal()))), 1)

    def test_handles_are_bounded(self):
        opens = b"".join(request(3, number, os.fsencode(self.collect) + b"/data", 1, 0) for number in range(3000))
        descriptors = len(os.listdir("/proc/self/fd"))
        answers = split_packets(serve_in_memory(self.collect, INIT + opens, SilentJournal()))[1:]
        self.assertEqual(len(answers), 3000)
        self.assertLessEqual(sum(answer[0] == 102 for answer in answers), 1000)
        self.assertEqual(answers[-1][5:9], struct.pack(">I", FAILURE))
        self.assertEqual(len(os.listdir("/proc/self/fd")), descriptors)

    def test_directory_that_becomes_a_symlink_while_it_is_read(self):
        """Whoever may write to the collect directory exchanges a directory for a link that leads out, as fast as it goes."""
        (self.collect / "sub" / "secret").write_bytes(b"PUBLIC")
        (self.collect / "other").symlink_to(self.outside)
        with self.exchanging("sub", "other"), contextlib.closing(gate.CollectDirectory(str(self.collect))) as collect:
            def read():
                with open(collect.open_file(b"sub/secret"), "rb") as file:
                    return file.read()
            seen = self.outcomes(read)
        self.assertNotIn(b"SECRET", seen)
        self.assertLessEqual({b"PUBLIC", "refused"}, seen, seen)

    def test_marker_that_becomes_a_link_while_it_is_written(self):
        for make in (os.symlink, os.link):
            with self.subTest(make=make.__name__):
                (self.collect / "cback.stage").write_bytes(b"")
                make(self.outside / "secret", self.collect / "other")
                with self.exchanging("cback.stage", "other"), contextlib.closing(gate.CollectDirectory(str(self.collect))) as collect:
                    seen = self.outcomes(lambda: os.close(collect.open_marker()))
                self.assertEqual((self.outside / "secret").read_bytes(), b"SECRET")
                self.assertLessEqual({None, "refused"}, seen, seen)
                for name in ("cback.stage", "other"):
                    (self.collect / name).unlink()

    def outcomes(self, call):
        """What 4000 calls returned or came to."""
        seen = set()
        for _ in range(4000):
            try:
                seen.add(call())
            except gate.Refused:
                seen.add("refused")
            except OSError:
                seen.add("changed meanwhile")
        return seen

    @contextlib.contextmanager
    def exchanging(self, *names):
        """Somebody exchanges these two for each other all the time."""
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
        here = -100   # AT_FDCWD; 2 is RENAME_EXCHANGE
        first, second = (os.fsencode(self.collect / name) for name in names)
        if exchange(here, first, here, second, 2):
            self.skipTest("needs a file system with RENAME_EXCHANGE")
        ended = threading.Event()

        def flip():
            while not ended.is_set():
                exchange(here, first, here, second, 2)
        flipping = threading.Thread(target=flip)
        flipping.start()
        try:
            yield
        finally:
            ended.set()
            flipping.join()

    def test_words_are_those_of_a_shell(self):
        """Where the gate takes a line apart at all, a shell would have made the same words of it."""
        chance = random.Random(4)
        pieces = ["a", "b/c", "'", "\\", " ", "  ", "'x y'", "'\\''", "\\ ", "\\'", "-", "$", "*", ";", "\"", "\u00fc", "=", "~", "#", "\n"]
        lines = {}
        for _ in range(20_000):
            line = "".join(chance.choices(pieces, k=chance.randrange(1, 9))).encode()
            with contextlib.suppress(gate.Refused):
                lines[line] = gate.shell_words(line)
        self.assertGreater(len(lines), 1000)
        script = b"".join(b"set -- " + line + b"\nprintf '%s\\0' \"$#\" \"$@\"\n" for line in lines)
        said = subprocess.run(["sh"], input=script, capture_output=True, check=True).stdout.split(b"\0")
        for line, words in lines.items():
            count, said = int(said[0]), said[1:]
            self.assertEqual(words, said[:count], line)
            said = said[count:]


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="peerstage-gate-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def run_gate(self, *arguments):
        return subprocess.run([GATE, *arguments], capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"]})

    def test_check_tells_what_is_allowed(self):
        result = self.run_gate("--collect-dir", self.directory, "--allow", "true collect", "--check")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout.splitlines(),
                         [f"read   everything below {self.directory} (sftp, scp, sha256sum)",
                          f"write  {self.directory}/cback.stage, an empty file (sftp, scp)", "run    true collect", "refuse everything else"])

    def test_check_tells_what_cannot_work(self):
        (self.directory / "cback.stage").symlink_to("x")
        result = self.run_gate("--collect-dir", self.directory, "--allow", "no-such-program collect", "--check")
        self.assertEqual(result.returncode, 1)
        self.assertIn("there is a symlink where cback.stage belongs", result.stderr)
        self.assertIn("there is no program no-such-program", result.stderr)
        result = self.run_gate("--collect-dir", self.directory / "missing", "--check")
        self.assertEqual(result.returncode, 1)
        self.assertIn("No such file or directory", result.stderr)

    def test_wrong_options(self):
        for arguments in ([], ["--collect-dir", "/"], ["--collect-dir", "relative"], ["--collect-dir", "/a/../b"],
                          ["--collect-dir", "/a", "--allow", "sh -c 'x'"], ["--collect-dir", "/a", "--allow", "a; b"],
                          ["--collect-dir", "/a", "--allow", "a  b"], ["--collect-dir", "/a", "--allow", ""],
                          ["--collect-dir", "/a", "--al", "x"], ["--collect-dir", "/a", "x"]):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.run_gate(*arguments).returncode, 2)

    def test_help(self):
        self.assertIn("--collect-dir", self.run_gate("--help").stdout)


if __name__ == "__main__":
    unittest.main()
