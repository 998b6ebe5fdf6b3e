#!/usr/bin/python3
"""The injector itself: it counts what strace counts, and brings about what it is told, at that call and nowhere else."""
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "system")]
from injection import Injection  # noqa: E402
from processes import children, wait_until  # noqa: E402

# Takes a lock as the staging directory has it, then does as many calls of each kind in a thread and in two other processes.
COMMAND = """
import errno, fcntl, os, struct, sys, threading
def work(name):
    for n in range(ROUNDS):
        file = os.open(f"{name}{n}", os.O_CREAT | os.O_RDWR, 0o600)
        for _ in range(3):
            try:
                written = os.write(file, b"0123456789")
                if written != 10:
                    print(f"short {written}")
            except OSError as error:
                print(errno.errorcode[error.errno])
        try:
            os.fsync(file)
        except OSError as error:
            print(errno.errorcode[error.errno])
        try:
            os.close(file)
        except OSError as error:
            print("close", errno.errorcode[error.errno])
os.write(2, b"not counted, nobody has asked for the lock")
lock = os.open("lock", os.O_CREAT | os.O_RDWR, 0o600)
fcntl.fcntl(lock, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
workers = []
for name in "ab":
    workers.append(os.fork())
    if not workers[-1]:
        work(name)
        sys.stdout.flush()
        os._exit(0)
thread = threading.Thread(target=work, args=("thread",))
thread.start()
thread.join()
for pid in workers:
    print("worker", os.waitpid(pid, 0)[1])
"""


class InjectTest(unittest.TestCase):
    def setUp(self):
        self.place = Path(tempfile.mkdtemp(prefix="peerstage-"))
        self.addCleanup(shutil.rmtree, self.place)

    def command(self, rounds=3):
        return ["/usr/bin/python3", "-S", "-E", "-c", COMMAND.replace("ROUNDS", str(rounds))]

    def run_with(self, fault, point=0, rounds=3):
        """(exit status, lines of output, report)."""
        with Injection(fault, point) as injection:
            run = subprocess.run([*map(str, injection.how["wrapper"]), *self.command(rounds)], cwd=self.place,
                                 pass_fds=injection.how["pass_fds"], capture_output=True, text=True, timeout=30)
            return run.returncode, run.stdout.splitlines(), injection.report

    def test_counts_what_strace_counts_in_threads_and_processes(self):
        if not shutil.which("strace"):
            self.skipTest("needs strace")
        for fault, calls in (("count:fsync", "fsync"), ("count:write", "write"), ("ENOSPC:openat", "openat"),
                             ("EMFILE:openat", "openat"), ("EIO:close", "close")):
            with self.subTest(fault):
                trace = self.place / "trace"
                subprocess.run(["strace", "-f", "-y", "-qq", "-e", f"trace={calls},fcntl", "-o", trace, *self.command()],
                               cwd=self.place, capture_output=True, check=True)
                after_lock = trace.read_text().partition("F_OFD_SETLK")[2]
                lines = [line for line in after_lock.splitlines() if re.search(rf"\b{calls}\(", line)]
                if fault == "ENOSPC:openat":
                    lines = [line for line in lines if "O_CREAT" in line]
                if fault == "EIO:close":
                    lines = [line for line in lines if re.search(rf"close\(\d+<{self.place}", line)]
                word, _, only = fault.partition(":")
                report = self.run_with(word, f"0:{only}")[2]
                self.assertEqual(report.calls, len(lines))
                self.assertGreater(report.calls, 8)
                self.assertEqual(report.hits, 0)

    def test_hits_the_call_that_was_named_and_no_other(self):
        for fault, call, said in (("ENOSPC", "write", "ENOSPC"), ("EIO", "fsync", "EIO"), ("EINTR", "fsync", None),
                                  ("EIO", "close", "close EIO"), ("short", "write", "short 5")):
            with self.subTest(fault=fault, call=call):
                code, lines, report = self.run_with(fault, f"4:{call}")
                self.assertEqual((code, report.hits, report.call), (0, 1, call))
                self.assertIn(str(self.place), report.subject)
                # Python makes an interrupted call again by itself.
                self.assertEqual([line for line in lines if not line.startswith("worker")], [said] if said else [])

    def test_hits_all_calls_from_then_on(self):
        code, lines, report = self.run_with("EROFS+", "5:write")
        self.assertEqual(lines.count("EROFS"), report.calls - 4)
        self.assertEqual(code, 0)

    def test_interrupts_every_second_call_from_then_on(self):
        code, lines, report = self.run_with("EINTR+", "1:write")
        self.assertEqual((code, report.hits * 2), (0, report.calls))
        self.assertEqual(lines, ["worker 0"] * 2)

    def test_kills_the_process_that_makes_the_call(self):
        code, lines, report = self.run_with("kill", "1:fsync")
        self.assertEqual(report.hits, 1)
        if report.first_process:
            self.assertEqual(code, 137)
        else:
            self.assertEqual((code, sorted(lines)), (0, ["worker 0", "worker 9"]))

    def test_kills_everything(self):
        code, lines, report = self.run_with("kill-all", "5:write", rounds=1000)
        self.assertEqual((code, lines, report.hits), (137, [], 1))
        self.assertLess(len(list(self.place.iterdir())), 100)

    def test_says_that_the_call_was_not_reached(self):
        code, lines, report = self.run_with("kill", "100000")
        self.assertEqual((code, lines, report.hits), (0, ["worker 0"] * 2, 0))

    def test_stops_everything_until_it_may_end(self):
        with Injection("stop", "30:write") as injection:
            process = subprocess.Popen([*map(str, injection.how["wrapper"]), *self.command(rounds=10**6)], cwd=self.place,
                                       pass_fds=injection.how["pass_fds"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            self.assertEqual(injection.wait().hits, 1)
            of_command = children(process.pid)
            self.assertEqual(len(of_command), 3)
            before = self.states(of_command)
            time.sleep(0.1)   # in which they would go on
            self.assertEqual(self.states(of_command), before)
            process.terminate()
            self.assertEqual(process.wait(30), 137)
            wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in of_command), "all of it is gone")

    def states(self, pids):
        """What they have made so far, and whether each thread of them is stopped by its tracer."""
        for task in (task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()):
            self.assertEqual((task / "stat").read_text().rpartition(")")[2].split()[0], "t")
        return sorted((path.name, path.stat().st_size) for path in self.place.iterdir())


if __name__ == "__main__":
    unittest.main()
