#!/usr/bin/python3
"""Killed in front of one system call after the other: nothing half is visible, the next run finishes, the one after it
changes nothing.

PEERSTAGE_KILLS=N sets the number of kills of each sweep, spread evenly; 0 is one in front of every call.
"""
import os
import shutil
import subprocess
import unittest

from case import PoolTest
from pool import SUPPORT, check_manifest, snapshot

KILLS = int(os.environ.get("PEERSTAGE_KILLS", "25"))
RAN_TO_ITS_END, IMPOSSIBLE = 99, 97


class KillSweepTest(PoolTest):
    def setUp(self):
        self.pool = self.make_pool()
        self.pool.local("near", {"a.tar": b"a" * 3000, "empty": b"", "sub/b": b"beta"})
        self.pool.remote("far", {"c.tar": b"c" * 300_000, "sub/d": b"delta"})
        self.saved = self.pool.directory / "saved"

    def kill_before(self, n):
        """What kill_at.py says: the call, or None when the run came to its end."""
        run = self.pool.run("stage", "--json", wrapper=["/usr/bin/python3", "-B", SUPPORT / "kill_at.py", n])
        if run.exit == IMPOSSIBLE:
            self.skipTest("ptrace is not allowed here")
        self.assertIn(run.exit, (0, RAN_TO_ITS_END), str(run))
        self.run_went_on = bool(run.stdout)   # it was a worker that was killed
        return None if run.exit == RAN_TO_ITS_END else run.stderr.splitlines()[-1]

    def number_of_calls(self):
        """Of an undisturbed run; halving finds it in a few runs, whichever way the threads happen to go."""
        low, high = 1, 2
        self.restore()
        while self.kill_before(high):
            self.restore()
            low, high = high, high * 2
        while high - low > 8:
            self.restore()
            middle = (low + high) // 2
            low, high = (middle, high) if self.kill_before(middle) else (low, middle)
        return high

    def save(self):
        """Remembers the staging directory and the peers' markers, to begin every run with them."""
        self.markers = {peer.name: peer.marker.exists() for peer in self.pool.peers}
        subprocess.run(["cp", "-a", "--preserve=all", self.pool.staging, self.saved], check=True)

    def restore(self):
        shutil.rmtree(self.pool.staging)
        subprocess.run(["cp", "-a", "--preserve=all", self.saved, self.pool.staging], check=True)
        for peer in self.pool.peers:
            if self.markers[peer.name]:
                peer.marker.touch()
            else:
                peer.marker.unlink(missing_ok=True)

    def trees(self):
        """{peer: {path: sha256}} of what is published."""
        found = {}
        for peer in self.pool.peers:
            for place in self.pool.staging.glob(f"[0-9]*/*/*/{peer.name}"):
                self.assertEqual(check_manifest(place), "", place)
                found[peer.name] = {name: entry.sha256 for name, entry in snapshot(place).items()
                                    if entry.kind == "file" and name != "cback.sha256"}
        return found

    def check_killed(self, before, after):
        self.assertEqual(self.pool.violations(was_killed=not self.run_went_on), [])
        now = self.trees()
        for peer in self.pool.peers:
            self.assertIn(now.get(peer.name), (before.get(peer.name), after[peer.name]), peer.name)
            if peer.marker.exists() and not self.markers[peer.name]:
                self.assertEqual(now.get(peer.name), after[peer.name], f"{peer.name} was told that it is staged")
        if list(self.pool.staging.glob("[0-9]*/*/*/cback.stage")):
            self.assertEqual(set(now), set(after))

    def check_next_runs(self, after):
        again = self.pool.stage()
        self.assert_exit(again, 0)
        self.assertEqual(self.trees(), after, str(again))
        self.assertEqual((self.pool.violations(), self.pool.leftovers()), ([], []), str(again))
        for peer in self.pool.peers:
            self.assert_marked(peer)
        self.assertTrue((again.day / "cback.stage").exists())
        third = self.pool.stage()
        self.assert_exit(third, 0)
        self.assert_statuses(third, **{peer.name: "unchanged" for peer in self.pool.peers})

    def sweep(self, name):
        before, after = self.trees(), {peer.name: peer.content() for peer in self.pool.peers}
        self.save()
        calls = self.number_of_calls()
        points = range(1, calls + 1, max(1, calls // KILLS) if KILLS else 1)
        done = violations = 0
        for n in points:
            self.restore()
            killed = self.kill_before(n)
            done += killed is not None
            try:
                self.check_killed(before, after)
                self.check_next_runs(after)
            except AssertionError as error:
                violations += 1
                print(f"{name}, call {n}, {killed}: {error}", flush=True)
        print(f"{name}: {done} kills at {calls} calls, {violations} violations", flush=True)
        self.assertEqual(violations, 0)
        self.assertGreater(done, len(points) // 2, "the runs ended before they could be killed")

    def test_a_worker_that_is_killed_while_it_publishes_leaves_nothing_in_the_day(self):
        self.assertIsNotNone(self.kill_before("2:renameat2"))
        self.assertTrue(self.run_went_on)
        self.assertEqual(self.pool.violations(), [])

    def test_a_first_run(self):
        self.sweep("first run")

    def test_a_run_that_replaces_a_day(self):
        self.assert_exit(self.pool.stage(), 0)
        for peer in self.pool.peers:
            peer.write("sub/new", b"new")
            peer.write("empty", b"not empty any more")
        self.sweep("replacing run")


if __name__ == "__main__":
    unittest.main()
