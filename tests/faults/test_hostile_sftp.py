#!/usr/bin/python3
"""A peer that lies in its SFTP answers: the right verdict, in bounded time and memory, and nothing happens to anything
else.

Each case of tests/support/evil_sftp.py is one peer, behind a real sshd that lets its key run nothing but the evil
server.
"""
import os
import shutil
import stat
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import hostile  # noqa: E402
from hostile import Siege, failed, permanent, staged, transient, verdicts  # noqa: E402
from case import PoolTest  # noqa: E402
from pool import IS_ROOT, SUPPORT, check_manifest, sha256, unescape  # noqa: E402
from sshd import make_key  # noqa: E402
import evil_sftp  # noqa: E402

LONG = os.environ.get("PEERSTAGE_FAULTS") == "long"
FIGURES = hostile.Figures("sftp")


class EvilPool(hostile.HostilePool):
    """A key for each evil peer, which makes the one sshd answer with its case."""

    def __init__(self, cases, **staging):
        super().__init__(**staging)
        self.states = self.make_directory("evil")
        self.address = self.remote("unused").address
        self.peers.pop()
        for case in cases:
            self.add_liar(case)

    def state(self, case):
        return self.states / self.evil[case].name

    def add_liar(self, case):
        peer = self.add_evil(case, address=self.address)
        state = self.make_directory(f"evil/{peer.name}")
        key = state / "key"
        public = make_key(key)
        if IS_ROOT:
            shutil.chown(key, self.user)
        peer.elements["identity_file"] = key
        peer.collect = Path("/collect")
        self.answer_with(case, case)
        script = SUPPORT / "evil_sftp.py"
        with open(self.directory / "authorized_keys", "a", encoding="ascii") as keys:
            keys.write(
                f'restrict,command="exec /usr/bin/python3 -B {script} \\"$(cat {state}/case)\\" {state}" {public}\n')
        server = evil_sftp.CASES[case](state)
        self.versions_anywhere |= {*server.other_sums, *(sha256(data) for data in server.other_versions)}
        self.versions_anywhere |= {sha256(node.data) for node in server.tree.values()}

    def answer_with(self, case, other):
        """From now on."""
        (self.state(case) / "case").write_text(other)

    def is_marked(self, case):
        return (self.state(case) / "made.cback.stage").exists()


def lies(number, *cases):
    """Those that nobody can take for anything else."""
    return verdicts(number, "failed", ("hostile",), *cases)


ANSWERS = [case for case in evil_sftp.CASES if " in answer to " in case]
STAGES = ("INIT", "LSTAT", "OPENDIR", "READDIR", "OPEN", "READ", "CLOSE")

LIES = {
    **staged("", "honest"),
    **lies("P1", "name: dotdot path", "name: absolute path", "name: inner slash", "name: only slash"),
    **staged("P2", "name: dot", "name: dotdot"),
    **lies("P3", "name: empty name"),
    **lies("P4", "name: nul in name"),
    **lies("P5", "name: newline", "name: return", "name: tab", "name: bell", "name: delete", "name: c1 control"),
    **lies("P6", "name: escape sequence"),
    **failed("P6", "escapes in status text"),
    **staged("P6", "long names for people", "noise on standard error"),
    **staged("P7 P8", "names of odd bytes", "names that turn the text", "names that are almost paths"),
    **permanent("P9", "name: 256 bytes", "name: 64k bytes", "path of 5000 bytes"),
    **staged("P9", "long path that is one"),
    **lies("P10", "name: same name twice"),
    **staged("P10", "names that differ by case", "names that differ by normalisation"),
    **staged("P11", "names of our own"),
    **staged("P12 P13", "type: symlink", "type: fifo", "type: socket", "type: character device", "type: block device",
             "fifo with odd name", "attributes: none of a type"),
    **verdicts("P13 P21", "staged", (), "type: no attributes", "type: no type"),
    **permanent("P21", "type: no size"),
    **staged("P14", "odd modes and times"),
    **lies("P15", "endless depth"),
    **transient("P15", "directory that holds all others", words=("deadline",)),
    **lies("P16", "endless listing"),
    **transient("P16 P27", "an entry a second", words=("deadline",)),
    **failed("P17", "listing fails midway"),
    **lies("P17", "empty name reply"),
    **transient("P17", "drop during listing"),
    **staged("P18", "large directory"),
    **verdicts("P19 P22", "failed", ("transient", "permanent"), "file grows", "file always changes",
               "listing changes at each look"),
    **failed("P22", "directory becomes a file"),
    **staged("P19", "file never ends"),
    **transient("P20", "file ends early", "end in the middle, then data", "content empty of all"),
    **lies("P20", "empty data for ever"),
    **lies("P21", "more data than asked"),
    **staged("P22", "file changes once", "file becomes a directory"),
    **verdicts("P23", "failed", ("transient", "permanent"), "file vanishes"),
    **permanent("P23", "file unreadable", "opens nothing"),
    **staged("P23", "opens one at a time"),
    **failed("P23", "disk error while it is read"),
    **staged("P24", "short reads", "single bytes"),
    **staged("P25", "reordered replies", "status without text", "handle: one for all files"),
    **lies("P25", "unknown id", "duplicate id", "wrong type", "ok instead of data", "id of no request",
           "packet without id",
              "reads answered twice after the close", "close answered twice", "answer before the question",
         *ANSWERS),
    **verdicts("P25", "failed", ("hostile", "permanent"), "pours out answers for ever"),
    **permanent("P25", "status: code of 2^32-1"),
    **lies("P25", "status: no code", "status: text longer than the packet"),
    **staged("P25", "handle: no bytes", "handle: odd bytes", "handle: 256 bytes"),
    **lies("P25", "handle: 257 bytes", "handle: 200 KiB"),
    **lies("P26", "packet of 256 MiB", "packet of no bytes", "string longer than packet", "truncated packet",
              "content longer than the packet", "bytes behind the content", "content of no known size"),
    **failed("P26", "noise"),
    **lies("P26", "names: a million announced, one sent", "names: 2^32-1 announced, none sent",
           "names: one announced, two sent",
              "names: bytes behind the last", "names: cut within attributes", "attributes: 2^32-1 extended",
              "attributes: unknown flags"),
    **staged("P26", "attributes: owner as well", "attributes: extended"),
    **verdicts("P27", "failed", ("transient",), *(f"drips at {stage}" for stage in STAGES)),
    **transient("P27", "a byte a second", words=("deadline",)),
    **verdicts("P28", "failed", ("transient",), *(f"silent at {stage}" for stage in STAGES)),
    **transient("P27 P43", "drips at EXTENDED", leaves_data=True),
    **transient("P28 P43", "silent at EXTENDED", leaves_data=True),
    **transient("P40", "killed while it is read", "half a packet", "end of output while it is read"),
    **verdicts("P42", "not_ready", ("not_ready",), "marker directory", "marker symlink", "collect marker is a pipe",
               "collect marker without attributes"),
    **staged("P42", "collect marker of 8 MiB"),
    **permanent("P42 P49", "collect marker of a pebibyte", words=("disk full",)),
    **permanent("P43", "stage marker is a directory", "stage marker is full", "stage marker cannot be synced",
                "marker refused",
                leaves_data=True),
    **staged("P43", "stage marker is a symlink"),
    **transient("P43", "drop after marker", leaves_data=True),
    **permanent("P47", "version 2", "version 6", "version 2^32-1"),
    **failed("P47", "noise before version", "ends before version", "version of no bytes", "version of 4 MiB",
             "version with half an extension", "version said twice", "handle instead of version"),
    **staged("P47", "many extensions", "limits: all 0", "limits: all 1", "limits: all 2^64-1", "limits: refused"),
    **lies("P47", "limits: cut", "limits: told as a name"),
    **staged("P28 P47", "limits: never told"),
    **permanent("P49", "sizes 2^63", "sizes 2^64-1", "sizes that add up to 2^64", "sizes that add up to little",
                "sizes of petabytes",
                words=("disk full",)),
    **staged("P49", "many pipes with long names"),
    **staged("P11", "manifest: right", "manifest: empty", "manifest: names itself"),
    **permanent("P11", "manifest: wrong sum", "manifest: file that is not there", "manifest: two sums for a name",
                "manifest: binary",
                "manifest: of 2 GiB", "manifest: is a symlink", "manifest: is a pipe", "manifest: is a directory"),
    **failed("P11", "manifest: one line of 8 MiB"),
    **lies("P11", "manifest: dotdot", "manifest: absolute", "manifest: escape sequence", "manifest: newline"),
    **transient("P11", "manifest: shorter than promised"),
}

# What fills a worker up to the limits of a listing (a million entries, 128 MiB of names) and of a manifest (64 MiB).
LARGE = {
    **lies("P16", "endless long names"),
    **permanent("P11", "a manifest of 60 MiB", "a million lines of manifest"),
}
VERY_LARGE = {
    **staged("P18", "100,000 files", "300,000 files"),
    **staged("P42", "collect marker of 1 GiB"),
}


class Lies(hostile.HostileTest):
    """All at once, a dozen at a time (P48)."""
    verdicts = LIES
    figures = FIGURES

    @classmethod
    def make_siege(cls):
        return Siege(EvilPool(cls.verdicts))

    def judge(self, case):
        told, place = super().judge(case)
        if not case.startswith("stage marker"):
            wanted = told["status"] == "staged" or case == "drop after marker" or case.endswith("at EXTENDED")
            self.assertEqual(self.pool.is_marked(case), wanted, f"{case}: {told}")
        return told, place

    def tree_of(self, case):
        place = self.result.day / self.pool.evil[case].name
        return {str(path.relative_to(place)): path for path in place.rglob("*") if path.is_file()}

    def test_skipped_types(self):
        for case, reason in {"type: symlink": "symlink", "type: fifo": "fifo", "type: socket": "socket",
                             "type: character device": "device", "type: block device": "device"}.items():
            with self.subTest(case):
                self.assertEqual(self.siege.told(case)["skipped"], [{"name": "strange", "reason": reason}])
                self.assertEqual(sorted(self.tree_of(case)), [
                                 "cback.collect", "cback.sha256", "first.tar", "second.tar"])

    def test_file_without_a_type_is_not_fetched(self):
        for case in ("type: no attributes", "type: no type", "attributes: none of a type"):
            with self.subTest(case):
                self.assertNotIn("strange", self.tree_of(case))

    def test_file_that_never_ends_is_cut_at_its_size(self):
        sizes = {name: path.stat().st_size for name, path in self.tree_of(
            "file never ends").items() if name.endswith(".tar")}
        self.assertEqual(sizes, {"first.tar": 1000, "second.tar": 100_000})

    def test_odd_bytes_arrive_exactly(self):
        for case in ("names of odd bytes", "names that turn the text", "names that are almost paths",
                     "names of our own",
                     "names that differ by case", "names that differ by normalisation", "long path that is one"):
            with self.subTest(case):
                names = {os.fsencode(name) for name in self.tree_of(case)} - {b"cback.sha256"}
                self.assertEqual(names, {*evil_sftp.CASES[case].files, b"cback.collect"})

    def test_odd_name_comes_back_from_the_document(self):
        (skipped,) = self.siege.told("fifo with odd name")["skipped"]
        self.assertEqual((unescape(skipped["name"]), skipped["reason"]), (b"\xff\\pipe", "fifo"))
        self.assertEqual(skipped["name"], "\\xff\\\\pipe")

    def test_modes_and_times_are_ours(self):
        tree = self.tree_of("odd modes and times")
        modes = {name: stat.S_IMODE(tree[name].stat().st_mode) for name in ("setuid", "open", "epoch", "future")}
        self.assertEqual(modes, {"setuid": 0o755, "open": 0o755, "epoch": 0o644, "future": 0o644})
        for name in modes:
            self.assertLess(abs(tree[name].stat().st_mtime - time.time()), 300, name)

    def test_changed_file_is_the_new_one(self):
        self.assertEqual(self.tree_of("file changes once")["first.tar"].read_bytes(), b"new" * 1000)

    def test_symlink_in_the_place_of_the_marker_is_replaced(self):
        self.assertTrue(self.pool.is_marked("stage marker is a symlink"))

    def test_entries_that_are_left_out_are_counted_though_not_all_are_listed(self):
        told = self.siege.told("many pipes with long names")
        self.assertLess(sum(len(skipped["name"]) for skipped in told["skipped"]), 1 << 20)
        self.assertIn("more entries were left out", self.log_of("many pipes with long names"))

    def test_every_case_has_a_verdict(self):
        self.assertEqual(set(evil_sftp.CASES), set(LIES) | set(LARGE) | set(VERY_LARGE))


hostile.add_tests(Lies)


class Large(hostile.HostileTest):
    """At the limits of what is taken from a peer."""
    verdicts = LARGE
    figures = FIGURES
    worker = 512

    @classmethod
    def make_siege(cls):
        return Siege(EvilPool(cls.verdicts))


hostile.add_tests(Large)


class AfterALie(unittest.TestCase):
    """What a second run makes of it, when the peer has become honest."""

    def setUp(self):
        self.pool = EvilPool(["marker refused", "drop after marker"])
        self.addCleanup(self.pool.__exit__)

    def test_marker_is_tried_again(self):
        """P43: nobody knows whether it is there, so the next run looks."""
        first = self.pool.stage()
        self.assertEqual(first.exit, 7, str(first))
        for case in self.pool.evil:
            self.assertIn("the data is staged and complete", first.message(self.pool.evil[case].name))
            self.pool.answer_with(case, "honest")
        again = self.pool.stage()
        self.assertEqual(again.exit, 0, str(again))
        for case, peer in self.pool.evil.items():
            self.assertTrue(self.pool.is_marked(case), str(again))
            self.assertEqual(check_manifest(again.day / peer.name), "", str(again))


class Shown(PoolTest):
    """P6: what a person sees of them without --json."""

    def test_nothing_reaches_a_terminal_as_it_came(self):
        pool = EvilPool(["name: escape sequence", "escapes in status text", "long names for people", "fifo with odd name",
                         "manifest: escape sequence", "noise on standard error", "names that turn the text"])
        self.addCleanup(pool.__exit__)
        result = pool.run("stage", "--progress", "always")
        self.assert_exit(result, 7)
        self.assertIn("evil-fifo-with-odd-name", result.stdout)
        self.assert_printable(result)


class SpecialFiles(unittest.TestCase):
    def test_fail_where_they_shall(self):
        pool = EvilPool(["type: fifo"], special_files="fail")
        self.addCleanup(pool.__exit__)
        result = pool.stage()
        (peer,) = pool.evil.values()
        self.assertEqual(result.peer(peer.name)["error"]["kind"], "permanent", str(result))
        self.assertIn("strange", result.message(peer.name))


@unittest.skipUnless(IS_ROOT, "SKIPPED LOUDLY: needs root, for a small disk")
class SmallDisk(hostile.HostileTest):
    """P49: a disk that a peer could fill, with inodes that it could use up."""
    figures = FIGURES
    verdicts = {**permanent("P49", "large directory", words=("disk full", "inodes")),
                **permanent("P49", "sizes of petabytes", words=("disk full", "bytes")),
                **staged("", "honest")}

    @classmethod
    def make_siege(cls):
        pool = EvilPool(cls.verdicts, minimum_free="10%")
        pool.staging.rmdir()
        mounted = pool.make_directory("small")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=3000", "peerstage-test", mounted], check=True)
        cls.addClassCleanup(subprocess.run, ["umount", "--lazy", mounted], check=True)
        pool.staging = mounted / "staging"
        pool.make_directory("small/staging", pool.user)
        return Siege(pool)


hostile.add_tests(SmallDisk)


@unittest.skipUnless(LONG, "only with PEERSTAGE_FAULTS=long")
class VeryLarge(hostile.HostileTest):
    """As much as is still taken, and honest."""
    verdicts = VERY_LARGE
    figures = FIGURES
    worker = 512
    deadline = 600

    @classmethod
    def make_siege(cls):
        return Siege(EvilPool(cls.verdicts, deadline="600s"))


hostile.add_tests(VeryLarge)


def tearDownModule():
    print(f"\n{FIGURES}", flush=True)


if __name__ == "__main__":
    unittest.main()
