#!/usr/bin/python3
"""L1 to L4, L6, L8: one system call after the other fails, once, or from then on with all that can fail so. Interruptions
and short writes change nothing at all; of everything else the run tells the truth, and the next one mends it."""
import unittest

from sweep import IS_LONG, SweepTest

ERRORS = ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE")
NO_ERRORS = ("EINTR", "short")
SHORT = 5
STEP_OF_LASTING = 3   # what fails from one call on fails at the next ones, too


class ErrorTest(SweepTest):
    def fail(self, fault, point):
        """An error: the verdict is true, and the next run converges."""
        result, report = self.disturbed(fault, point)
        problems = self.checker.after_fault(result)
        return bool(report.hits), report, problems + self.problems_afterwards()

    def disturb(self, fault, point):
        """No error: all is as if nothing had been."""
        result, report = self.disturbed(fault, point)
        problems = self.checker.after_clean(result)
        if result.exit != 0:
            problems.append(f"exit {result.exit}{result}")
        return bool(report.hits), report, problems

    def sweeps(self, name, errors, run_one):
        self.save()
        for error in errors:
            for fault, how_often, step in ((error, "once", 1), (f"{error}+", "from then on", STEP_OF_LASTING)):
                with self.subTest(fault):
                    self.sweep(f"{error} {how_often}, {name}", lambda n, fault=fault: run_one(fault, n),
                               self.points(fault, SHORT, step))

    def test_errors_in_a_first_run(self):
        self.first_run()
        self.sweeps("first run", ERRORS, self.fail)

    def test_errors_in_a_run_that_replaces_a_day(self):
        self.replacing_run()
        self.sweeps("replacing run", ERRORS, self.fail)

    def test_errors_in_a_run_that_takes_files_from_yesterday(self):
        self.reusing_run()
        self.sweeps("run that takes files from yesterday", ERRORS, self.fail)

    @unittest.skipUnless(IS_LONG, "in the long form only")
    def test_errors_in_a_run_that_only_tells_the_peers(self):
        self.marking_run()
        self.sweeps("marking run", ERRORS, self.fail)

    def test_interruptions_and_short_writes_in_a_first_run(self):
        self.first_run()
        self.sweeps("first run", NO_ERRORS, self.disturb)

    def test_interruptions_and_short_writes_in_a_run_that_replaces_a_day(self):
        self.replacing_run()
        self.sweeps("replacing run", NO_ERRORS, self.disturb)


if __name__ == "__main__":
    unittest.main()
