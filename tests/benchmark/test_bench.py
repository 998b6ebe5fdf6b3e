#!/usr/bin/python3
"""scripts/bench in small: it measures what it says, believes nobody, and leaves nothing behind."""
import dataclasses
import json
import os
import shutil
import subprocess
import tempfile
import unittest
import xml.dom.minidom
from pathlib import Path

from line import ROOT
from measuring import Run, measure
from programs import ONE, PROGRAMS, Job, Program, can_run
from rounds import failure
from works import content, make, works

def bench(*arguments):
    return subprocess.run([ROOT / "scripts/bench", *map(str, arguments)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)


class SmokeTest(unittest.TestCase):
    def setUp(self):
        self.place = Path(self.enterContext(tempfile.TemporaryDirectory(dir="/var/tmp")))
        self.place.chmod(0o755)   # the backup user has to get through
        kind = subprocess.run(["stat", "-f", "-c", "%T", self.place], capture_output=True, text=True).stdout.strip()
        if kind == "tmpfs":
            self.skipTest("/var/tmp has no disk behind it")

    def run_bench(self, *arguments):
        """(report, {(mode, work, line, program): its one run}, what was printed)"""
        destination = self.place / "destination"
        destination.mkdir()
        ran = bench("--scale", 0.001, "--rounds", 1, "--destination", destination, "--json", self.place / "json",
                    *arguments)
        self.assertEqual(ran.returncode, 0, ran.stderr + ran.stdout)
        self.assertEqual(list(destination.iterdir()), [])
        report, runs = json.loads((self.place / "json").read_text()), {}
        for row in report["rows"]:
            where = row["mode"], row["work"], row["line"], row["program"]
            (runs[where],) = row["runs"]
            self.assertTrue(0 < runs[where]["seconds"] <= runs[where]["synced"], where)
            self.assertIs(runs[where]["over_limit"], False, where)
        return report, runs, ran.stdout

    def test_one_peer_in_all_modes_over_two_lines(self):
        report, runs, printed = self.run_bench(
            "--lines", "0,10", "--works", "small", "--programs", "peerstage,tar,rsync,cp",
            "--markdown", self.place / "md", "--plot", self.place / "svg")
        self.assertEqual(set(runs), {
            *(("first", "small", line, name) for line in ("0 ms", "10 ms") for name in ("peerstage", "tar", "rsync")),
            *(("again", "small", line, name) for line in ("0 ms", "10 ms") for name in ("peerstage", "rsync")),
            *(("local", "small", "here", name) for name in ("peerstage", "cp"))})
        for (mode, _, _, program), run in runs.items():
            if mode == "again":
                self.assertGreater(run["sent"], 1000)
            if program == "peerstage":
                self.assertGreater(run["memory"], 1 << 20)
        self.assertGreater(runs["first", "small", "10 ms", "tar"]["sent"], 40960)
        self.assertEqual(report["ciphers"]["tar"], "aes128-gcm@openssh.com")
        self.assertEqual((self.place / "md").read_text() + "\n", printed)
        self.assertIn("## What peerstage has to show", printed)
        xml.dom.minidom.parse(str(self.place / "svg"))
        shown = bench("--from", self.place / "json")
        self.assertEqual((shown.returncode, shown.stdout), (0, printed), shown.stderr)

    def test_pool(self):
        names = [name for name in ("peerstage", "cback3", "8 rsyncs") if can_run(PROGRAMS[name])]
        _, runs, _ = self.run_bench("--lines", "0", "--works", "pool", "--modes", "first",
                                    "--programs", ",".join(names))
        self.assertEqual(set(runs), {("first", "pool", "0 ms", name) for name in names})

    def test_destination_without_a_disk(self):
        if subprocess.run(["stat", "-f", "-c", "%T", "/dev/shm"], capture_output=True, text=True).stdout != "tmpfs\n":
            self.skipTest("/dev/shm is no tmpfs")
        ran = bench("--programs", "cp", "--destination", "/dev/shm")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("no disk", ran.stderr)

    def test_unknown_names(self):
        for arguments in (["--works", "small,large"], ["--lines", "soon"], ["--programs", "ftp"]):
            ran = bench(*arguments)
            self.assertEqual(ran.returncode, 2)
            self.assertIn("argument", ran.stderr)


class BelieveNobodyTest(unittest.TestCase):
    """What a program did is judged by what is there."""

    def setUp(self):
        place = Path(self.enterContext(tempfile.TemporaryDirectory()))
        work = works(0.0001)["small"]
        make(work, place / "source")
        (place / "destination").mkdir()
        self.job = Job(place / "source", place / "destination", list(work.peers), None, None)
        self.sums = {"peer": content(place / "source/peer")}
        self.copy = place / "destination/peer"
        self.program = Program("copy", None, ONE)

    def judged(self, exit=0):
        return failure(self.program, self.job, Run(exit, "what it said", 1, 1, 0, 0, 0, False), self.sums)

    def copied(self):
        shutil.copytree(self.job.source / "peer", self.copy)

    def test_whole(self):
        self.copied()
        self.assertIsNone(self.judged())

    def test_exit_status(self):
        self.copied()
        self.assertEqual(self.judged(exit=3), "exit 3: what it said")

    def test_what_can_be_wrong(self):
        def flip():
            data = bytearray((self.copy / "00003.dat").read_bytes())
            data[1000] ^= 1
            (self.copy / "00003.dat").write_bytes(data)

        def link():
            (self.copy / "00003.dat").unlink()
            (self.copy / "00003.dat").symlink_to(self.job.source / "peer/00003.dat")

        wrongs = {"one bit": flip, "one missing": (self.copy / "00003.dat").unlink,
                  "one too many": (self.copy / "surplus").touch, "a link to the source": link,
                  "shorter": lambda: os.truncate(self.copy / "00003.dat", 9),
                  "all missing": lambda: shutil.rmtree(self.copy)}
        for name, do_wrong in wrongs.items():
            with self.subTest(name):
                shutil.rmtree(self.copy, ignore_errors=True)
                self.copied()
                do_wrong()
                self.assertIn("differ", self.judged() or "nothing")

    def test_no_day_there(self):
        self.program = dataclasses.replace(self.program, is_in_days=True)
        self.assertIn("differ", self.judged())


class MeasureTest(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(tempfile.TemporaryDirectory())

    def measured(self, code, limit=60):
        return measure(["/usr/bin/python3", "-c", code], self.place, {"PATH": "/usr/bin:/bin"}, limit)

    def test_exit_and_output(self):
        run = self.measured("import sys; print('said'); sys.exit(3)")
        self.assertEqual((run.exit, run.output, run.over_limit), (3, "said\n", False))

    def test_memory_and_cpu_of_a_process_below(self):
        run = self.measured("import subprocess; subprocess.run(['/usr/bin/python3', '-c', 'import time; "
                            "held = bytearray(100 << 20); end = time.process_time() + 0.3\\n"
                            "while time.process_time() < end: pass'])")
        self.assertEqual(run.exit, 0, run.output)
        self.assertGreater(run.memory_below, 100 << 20)
        self.assertLess(run.memory, 100 << 20)
        self.assertGreaterEqual(run.cpu, 0.3)

    def test_ended_at_the_limit_with_all_below_it(self):
        run = self.measured("import subprocess; subprocess.run(['sleep', '1000'])", limit=0.5)
        self.assertEqual((run.over_limit, run.seconds, run.synced), (True, 0.5, 0.5))


if __name__ == "__main__":
    unittest.main()
