#!/usr/bin/python3
"""A peer that lies in its SFTP answers: the right verdict, in bounded time, and nothing happens to anything else.

One test a case of tests/support/evil_sftp.py; the number is that of the fault in the list of faults (P1...P47).
"""
import os
import resource
import stat
import time
import unittest

from case import PoolTest
from pool import SUPPORT, Pool, check_manifest, sha256, unescape

import sys
sys.path.insert(0, str(SUPPORT))
import evil_sftp  # noqa: E402

ANY_FAILURE = ("hostile", "permanent", "transient")
BROKEN_LINE = ("hostile", "transient")
IDLE_TIMEOUT = 2


class EvilPool(Pool):
    """One address of the sshd answers with the evil server."""

    def sshd_settings(self, addresses):
        self.evil_address = addresses[0]
        self.state = self.make_directory("evil")
        script = SUPPORT / "evil_sftp.py"
        return (f"Match LocalAddress {self.evil_address}\n"
                f'  ForceCommand exec /usr/bin/python3 -B {script} "$(cat {self.state}/case)" {self.state}\n')

    def evil(self, case):
        peer = self.remote("evil")
        assert peer.address == self.evil_address
        (self.state / "case").write_text(case)
        peer.collect = "/collect"
        server = evil_sftp.CASES[case](self.state)
        self.versions |= {sha256(data) for data in server.other_versions}
        self.versions |= {sha256(node.data) for node in server.tree.values()}
        return peer

    def is_marked(self):
        return (self.state / "made.cback.stage").exists()


# case: (number, status, kinds of error, reason of the skipped entry "strange" or None)
HOSTILE_NAME = ("failed", ("hostile",))
VERDICTS = {
    "honest": ("", "staged"),
    "name: dotdot path": ("P1", *HOSTILE_NAME),
    "name: absolute path": ("P1", *HOSTILE_NAME),
    "name: inner slash": ("P1", *HOSTILE_NAME),
    "name: only slash": ("P1", *HOSTILE_NAME),
    "name: dot": ("P2", "staged"),
    "name: dotdot": ("P2", "staged"),
    "name: empty name": ("P3", *HOSTILE_NAME),
    "name: nul in name": ("P4", *HOSTILE_NAME),
    "name: newline": ("P5", *HOSTILE_NAME),
    "name: return": ("P5", *HOSTILE_NAME),
    "name: tab": ("P5", *HOSTILE_NAME),
    "name: bell": ("P5", *HOSTILE_NAME),
    "name: delete": ("P5", *HOSTILE_NAME),
    "name: c1 control": ("P5", *HOSTILE_NAME),
    "name: escape sequence": ("P6", *HOSTILE_NAME),
    "escapes in status text": ("P6", "failed", ANY_FAILURE),
    "names of odd bytes": ("P7 P8", "staged"),
    "name: 256 bytes": ("P9", "failed", ("permanent", "hostile")),
    "name: 64k bytes": ("P9", "failed", ("permanent", "hostile")),
    "name: same name twice": ("P10", *HOSTILE_NAME),
    "odd modes and times": ("P14", "staged"),
    "endless depth": ("P15", "failed", ("permanent", "hostile")),
    "endless listing": ("P16", "failed", ("permanent", "hostile")),
    "listing fails midway": ("P17", "failed", ANY_FAILURE),
    "empty name reply": ("P17", "failed", ANY_FAILURE),
    "drop during listing": ("P17", "failed", BROKEN_LINE),
    "large directory": ("P18", "staged"),
    "file grows": ("P19 P22", "failed", ("transient", "permanent")),
    "file ends early": ("P20", "failed", ANY_FAILURE),
    "empty data for ever": ("P20", "failed", ANY_FAILURE),
    "more data than asked": ("P21", "failed", ("hostile",)),
    "file changes once": ("P22", "staged"),
    "file always changes": ("P22", "failed", ("transient", "permanent")),
    "file vanishes": ("P23", "failed", ("transient", "permanent")),
    "file unreadable": ("P23", "failed", ("permanent",)),
    "short reads": ("P24", "staged"),
    "reordered replies": ("P25", "staged"),
    "unknown id": ("P25", "failed", ("hostile",)),
    "duplicate id": ("P25", "failed", ("hostile",)),
    "wrong type": ("P25", "failed", ("hostile",)),
    "ok instead of data": ("P25", "failed", ANY_FAILURE),
    "packet of 256 MiB": ("P26", "failed", ("hostile",)),
    "packet of no bytes": ("P26", "failed", ("hostile",)),
    "string longer than packet": ("P26", "failed", ("hostile",)),
    "truncated packet": ("P26", "failed", ("hostile",)),
    "noise": ("P26", "failed", ANY_FAILURE),
    "drips at INIT": ("P27", "failed", BROKEN_LINE),
    "drips at READDIR": ("P27", "failed", BROKEN_LINE),
    "drips at READ": ("P27", "failed", BROKEN_LINE),
    "silent at INIT": ("P28", "failed", ("transient",)),
    "silent at LSTAT": ("P28", "failed", ("transient",)),
    "silent at OPENDIR": ("P28", "failed", ("transient",)),
    "silent at READDIR": ("P28", "failed", ("transient",)),
    "silent at OPEN": ("P28", "failed", ("transient",)),
    "silent at READ": ("P28", "failed", ("transient",)),
    "marker directory": ("P42", "not_ready", ("not_ready",)),
    "marker symlink": ("P42", "not_ready", ("not_ready",)),
    "version 2": ("P47", "failed", ("permanent", "hostile")),
    "version 6": ("P47", "failed", ("permanent", "hostile")),
    "noise before version": ("P47", "failed", ANY_FAILURE),
    "ends before version": ("P47", "failed", ANY_FAILURE),
    "many extensions": ("P47", "staged"),
}

SKIPPED = {"type: symlink": "symlink", "type: fifo": "fifo", "type: socket": "socket",
           "type: character device": "device", "type: block device": "device"}


class HostileTest(PoolTest):
    pool_type = EvilPool

    @classmethod
    def tearDownClass(cls):
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        assert peak < 512, f"a process of these tests used {peak} MiB"

    def stage(self, case, **staging):
        """Stages the evil peer and a good one; what must hold in every case is checked here."""
        pool = self.make_pool(deadline="20s", **staging)
        pool.ssh_settings = {"idle_timeout": f"{IDLE_TIMEOUT}s", "connect_timeout": "5s"}
        evil = pool.evil(case)
        good = pool.remote("good", {"data.tar": b"good", "sub/more": b"more"})
        result = pool.stage()
        self.assertLess(result.seconds, 30, str(result))
        self.assertEqual(result.peer("good")["status"], "staged", str(result))
        self.assert_staged(pool, result, good)
        self.assert_marked(good)
        self.assert_sound(pool, result)
        self.assert_printable(result)
        return pool, evil, result

    def check(self, case, status, kinds=()):
        pool, evil, result = self.stage(case)
        verdict = result.peer("evil")
        self.assertEqual(verdict["status"], status, str(result))
        self.assertEqual(pool.is_marked(), status == "staged", str(result))
        self.assert_exit(result, {"staged": 0, "failed": 7, "not_ready": 8}[status])
        if status == "staged":
            self.assertIsNone(verdict["error"], str(result))
            self.assertEqual(check_manifest(result.day / "evil"), "", str(result))
        else:
            self.assertIn(verdict["error"]["kind"], kinds, str(result))
            self.assertLess(len(verdict["error"]["message"]), 2000, str(result))
            self.assertIsNone(pool.staged(result, evil), str(result))
            self.assertFalse((result.day / "cback.stage").exists(), str(result))
        return pool, evil, result

    def test_skipped_types(self):
        """P12, P13: what is no regular file is left out, and said so."""
        for case, reason in SKIPPED.items():
            with self.subTest(case):
                pool, evil, result = self.check(case, "staged")
                self.assertEqual(result.peer("evil")["skipped"], [{"name": "strange", "reason": reason}], str(result))
                self.assertEqual(sorted(pool.staged(result, evil)), ["cback.collect", "first.tar", "second.tar"])

    def test_special_files_fail(self):
        pool, evil, result = self.stage("type: fifo", special_files="fail")
        self.assert_failed(result, "evil", "permanent", "strange", "fifo")

    def test_attributes_missing(self):
        """P13, P21: a file without a type or without a size is never fetched."""
        for case in ("type: no attributes", "type: no size", "type: no type"):
            with self.subTest(case):
                pool, evil, result = self.stage(case)
                self.assertIn(result.peer("evil")["status"], ("staged", "failed"), str(result))
                self.assertNotIn("strange", pool.staged(result, evil) or {}, str(result))

    def test_file_that_never_ends_is_cut_at_its_size(self):
        """P19."""
        pool, evil, result = self.stage("file never ends")
        staged = pool.staged(result, evil)
        if staged is not None:
            self.assertEqual(staged["first.tar"], sha256(b"1" * 1000))
            self.assertEqual((result.day / "evil" / "second.tar").stat().st_size, 100_000)

    def test_marker_refused_keeps_the_data(self):
        """P43: the data is there and complete; the peer counts as failed and is tried again."""
        pool, evil, result = self.stage("marker refused")
        self.assert_exit(result, 7)
        self.assert_failed(result, "evil", "permanent", "cback.stage")
        self.assertEqual(check_manifest(result.day / "evil"), "", str(result))
        (pool.state / "case").write_text("honest")
        again = pool.stage()
        self.assert_exit(again, 0)
        self.assertTrue(pool.is_marked(), str(again))

    def test_drop_after_the_marker_was_made(self):
        """P43: nobody knows whether it is there, so the next run looks."""
        pool, evil, result = self.stage("drop after marker")
        self.assert_exit(result, 7)
        (pool.state / "case").write_text("honest")
        again = pool.stage()
        self.assert_exit(again, 0)

    def test_odd_bytes_arrive_exactly(self):
        pool, evil, result = self.check("names of odd bytes", "staged")
        names = {os.fsencode(name) for name in pool.staged(result, evil)}
        self.assertEqual(names, {*evil_sftp.OddNames.files, b"cback.collect"})

    def test_odd_name_comes_back_from_the_document(self):
        pool, evil, result = self.check("fifo with odd name", "staged")
        (skipped,) = result.peer("evil")["skipped"]
        self.assertEqual((unescape(skipped["name"]), skipped["reason"]), (b"\xff\\pipe", "fifo"))
        self.assertEqual(skipped["name"], "\\xff\\\\pipe")

    def test_modes_and_times_are_ours(self):
        pool, evil, result = self.check("odd modes and times", "staged")
        place = result.day / "evil"
        modes = {name: stat.S_IMODE((place / name).stat().st_mode) for name in ("setuid", "open", "epoch", "future")}
        self.assertEqual(modes, {"setuid": 0o755, "open": 0o755, "epoch": 0o644, "future": 0o644})
        for name in modes:
            self.assertLess(abs((place / name).stat().st_mtime - time.time()), 300, name)

    def test_changed_file_is_the_new_one(self):
        pool, evil, result = self.check("file changes once", "staged")
        self.assertEqual(pool.staged(result, evil)["first.tar"], sha256(b"new" * 1000))

    def test_every_case_has_a_verdict(self):
        elsewhere = {"type: no attributes", "type: no size", "type: no type", "file never ends", "marker refused",
                     "drop after marker", "fifo with odd name", *SKIPPED}
        self.assertEqual(set(evil_sftp.CASES), set(VERDICTS) | elsewhere)


def add_tests():
    for case, (number, *verdict) in VERDICTS.items():
        def test(self, case=case, verdict=verdict):
            self.check(case, *verdict)
        test.__doc__ = f"{number} {case}: {verdict[0]}"
        name = "test_" + "".join(c if c.isalnum() else "_" for c in f"{number} {case}".strip())
        setattr(HostileTest, name, test)


add_tests()

if __name__ == "__main__":
    unittest.main()
