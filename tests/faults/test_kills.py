#!/usr/bin/python3
"""L17: killed in front of one system call after the other. Nothing half is visible, the next run finishes, and the one
after it changes nothing."""
import dataclasses
import unittest

from sweep import SweepTest

WORKER_PUBLISHES = "2:renameat2"
SHORT = 20


class KillTest(SweepTest):
    def kill(self, fault, point):
        result, report = self.disturbed(fault, point)
        if report.hits and (report.first_process or fault == "kill-all"):
            result = dataclasses.replace(result, exit=None)   # that of who was killed
        problems = self.checker.after_fault(result)
        return bool(report.hits), report, problems + self.problems_afterwards()

    def sweep_of(self, name, fault="kill"):
        self.save()
        self.sweep(name, lambda n: self.kill(fault, n), self.points(fault, SHORT))

    def test_killed_in_a_first_run(self):
        self.first_run()
        self.sweep_of("kills, first run")

    def test_killed_in_a_run_that_replaces_a_day(self):
        self.replacing_run()
        self.sweep_of("kills, replacing run")

    def test_killed_in_a_run_that_takes_files_from_the_day_before(self):
        self.reusing_run()
        self.sweep_of("kills, reusing run")

    def test_killed_in_a_run_that_only_tells_the_peers(self):
        self.marking_run()
        self.sweep_of("kills, marking run")

    def test_all_processes_killed_at_once_in_a_run_that_replaces_a_day(self):
        self.replacing_run()
        self.sweep_of("kills of everything, replacing run", "kill-all")

    def test_a_worker_that_is_killed_while_it_publishes_leaves_nothing_in_the_day(self):
        self.first_run()
        self.save()
        result, report = self.disturbed("kill", WORKER_PUBLISHES)
        self.assertEqual((report.hits, report.first_process), (1, False), report)
        self.assertEqual(self.checker.after_fault(result), [])
        self.assert_sound(self.pool, result)


if __name__ == "__main__":
    unittest.main()
