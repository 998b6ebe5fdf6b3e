#!/usr/bin/python3
"""Killed at any moment: nothing half is visible, nothing that was there is lost, and the next run finishes.

PEERSTAGE_CRASHES=N sets the number of kills, PEERSTAGE_SEED=N repeats a run.
"""
import os
import random
import shutil
import time
import unittest

from case import PoolTest
from pool import check_manifest, snapshot
from processes import kill_tree

CRASHES = int(os.environ.get("PEERSTAGE_CRASHES", "30"))
SEED = int(os.environ.get("PEERSTAGE_SEED", str(random.randrange(10**6))))


class CrashTest(PoolTest):
    def setUp(self):
        print(f"PEERSTAGE_SEED={SEED}", flush=True)
        self.random = random.Random(SEED)
        self.pool = self.make_pool()
        files = {f"d{n % 3}/f{n}": self.random.randbytes(self.random.choice([0, 10, 5000, 200_000])) for n in range(40)}
        self.pool.local("near", files)
        self.pool.remote("far", files)
        self.pool.write_known_hosts()

    def check_disk(self, when, was_killed):
        """What is visible is whole, and a marker means what it says."""
        self.assertEqual(self.pool.violations(was_killed), [], when)
        days = {os.path.dirname(name) for name, entry in self.pool.visible_files().items()
                if name.count("/") == 3 and entry.kind == "directory"}
        (day,) = days or {None}
        published = {peer.name: self.pool.staging / day / peer.name for peer in self.pool.peers
                     if day and (self.pool.staging / day / peer.name).is_dir()}
        for name, place in published.items():
            self.assertEqual(check_manifest(place), "", f"{when}: {name}")
        for peer in self.pool.peers:
            if peer.marker.exists():
                self.assertIn(peer.name, published, f"{when}: {peer.name} was told that it is staged")
                tree = {n: entry.sha256 for n, entry in snapshot(published[peer.name]).items() if entry.kind == "file"}
                for file, digest in peer.content().items():
                    self.assertEqual(tree.get(file), digest, f"{when}: {peer.name}/{file}")
        if day and (self.pool.staging / day / "cback.stage").exists():
            self.assertEqual(set(published), {peer.name for peer in self.pool.peers}, when)

    def forget_markers(self):
        for peer in self.pool.peers:
            peer.marker.unlink(missing_ok=True)

    def test_killed_at_random_moments(self):
        whole = self.pool.stage()
        self.assert_exit(whole, 0)
        for number in range(CRASHES):
            if number % 5 == 0:   # from nothing; else onto what stands there
                for name in os.listdir(self.pool.staging):
                    shutil.rmtree(self.pool.staging / name)
            self.forget_markers()
            for peer in self.pool.peers:
                peer.write("changing", self.random.randbytes(100_000 + number))
            process = self.pool.start("stage", "--json")
            moment = self.random.uniform(0, whole.seconds * 1.1)
            time.sleep(moment)   # the moment is the point of this test
            kill_tree(process)
            when = f"seed {SEED}, kill {number} after {moment:.3f} s"
            self.check_disk(when, was_killed=True)
            again = self.pool.stage()
            self.assert_exit(again, 0)
            self.check_disk(f"{when}, next run", was_killed=False)
            for peer in self.pool.peers:
                self.assert_marked(peer)
            self.assertEqual(self.pool.leftovers(), [], when)


if __name__ == "__main__":
    unittest.main()
