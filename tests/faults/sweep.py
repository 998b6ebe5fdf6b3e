"""A fault at one point of a run after the other, each followed by the checker, a run that nothing disturbs, and one more.

PEERSTAGE_FAULTS=short (the default) takes a few points, spread evenly; long takes all, until a run survives.
"""
import dataclasses
import datetime
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "system")]
from case import PoolTest, needs_root  # noqa: E402, F401
from checker import Checker  # noqa: E402
from injection import Injection  # noqa: E402

IS_LONG = os.environ.get("PEERSTAGE_FAULTS", "short") == "long"
MOST_TOLD = 5   # violations that are printed in full


def spread(last, points):
    """About so many numbers from 1 to `last`."""
    return sorted({round(1 + n * (last - 1) / max(1, points - 1)) for n in range(min(points, last))})


@dataclasses.dataclass
class Sweep:
    """What came of the points so far."""
    name: str
    points: int = 0
    fired: int = 0
    violations: int = 0
    began: float = dataclasses.field(default_factory=time.monotonic)

    def add(self, point, has_fired, problems):
        self.points += 1
        self.fired += has_fired
        self.violations += bool(problems)
        if problems and self.violations <= MOST_TOLD:
            print(f"{self.name}, {point}:", *problems, sep="\n  ", flush=True)

    def tell(self):
        print(f"faults: {self.name}: {self.points} points, {self.fired} fired, {self.violations} violations "
              f"({time.monotonic() - self.began:.0f} s)", flush=True)


class SweepTest(PoolTest):
    """A local and a remote peer, five files, and an earlier day that nobody may touch."""

    def setUp(self):
        self.pool = self.make_sweep_pool()
        self.checker = self.new_checker()

    def new_checker(self):
        return Checker(self.pool)

    def make_sweep_pool(self, **staging):
        pool = self.make_pool(**staging)
        pool.local("near", {"a.tar": b"a" * 3000, "empty": b"", "sub/b": b"beta"})
        pool.remote("far", {"c.tar": b"c" * 30_000, "sub/d": b"delta"})
        return pool

    # --- what a run finds

    def first_run(self, days_ago=40):
        """Only an earlier day is there, and so early that nothing is taken from it."""
        self.assert_exit(self.pool.stage(), 0)
        today = self.pool.stage().day
        earlier = datetime.date.fromisoformat("-".join(today.parts[-3:])) - datetime.timedelta(days=days_ago)
        place = self.pool.staging / earlier.strftime("%Y/%m/%d")
        place.parent.mkdir(parents=True, exist_ok=True)
        today.rename(place)
        for made in (place.parent, place.parent.parent):
            shutil.copystat(self.pool.staging, made)
            shutil.chown(made, self.pool.user, self.pool.group)
        for leaf in (today.parent, today.parent.parent):
            if leaf != place.parent.parent and not list(leaf.iterdir()):
                leaf.rmdir()
        self.forget_markers()

    def replacing_run(self):
        """The day is there, and some of it is not what the peers have now."""
        self.first_run()
        self.assert_exit(self.pool.stage(), 0)
        for peer in self.pool.peers:
            peer.write("sub/new", b"new")
            peer.write("empty", b"not empty any more")

    def reusing_run(self):
        """Yesterday is there, and most of it is what the peers still have."""
        self.first_run(days_ago=1)
        for peer in self.pool.peers:
            peer.write("sub/new", b"new")

    def marking_run(self):
        """All is staged, and the peers do not know."""
        self.first_run()
        self.assert_exit(self.pool.stage(), 0)
        self.forget_markers()

    def forget_markers(self):
        for peer in self.pool.peers:
            peer.marker.unlink(missing_ok=True)

    def save(self):
        """Remembers the staging directory and the peers' markers, to begin every run with them."""
        self.saved = self.pool.directory / "saved"
        self.checker.ignored.add("saved")
        self.markers = {peer.name: peer.marker.exists() for peer in self.pool.peers}
        subprocess.run(["cp", "-a", self.pool.staging, self.saved], check=True)

    def restore(self):
        for left in self.pool.staging.iterdir():
            shutil.rmtree(left)
        subprocess.run(["cp", "-a", f"{self.saved}/.", self.pool.staging], check=True)
        for peer in self.pool.peers:
            if self.markers[peer.name]:
                peer.marker.touch()
            else:
                peer.marker.unlink(missing_ok=True)

    # --- one point

    def disturbed(self, fault, point):
        """(result, report) of a run with this fault."""
        self.restore()
        self.checker.before()
        with Injection(fault, point) as injection:
            result = self.pool.stage(**injection.how)
            return result, injection.report

    def problems_afterwards(self):
        """What is wrong with a run that nothing disturbs, and with one more."""
        problems = []
        for what, check in (("next run", self.checker.after_clean), ("one more", self.checker.after_again)):
            self.checker.before()
            result = self.pool.stage()
            found = check(result)
            if result.exit != 0:
                found.append(f"exit {result.exit}{result}")
            problems += [f"{what}: {problem}" for problem in found]
        return problems

    # --- all of them

    def sweep(self, name, run_one, points, until_survival=True):
        """`run_one(n)` gives (has it fired, what was the point, problems)."""
        sweep = Sweep(name)
        for n in points:
            try:
                has_fired, point, problems = run_one(n)
            except AssertionError as error:   # a run that hangs, a document that is none
                has_fired, point, problems = True, f"point {n}", [str(error)]
            sweep.add(f"point {n}: {point}", has_fired, problems)
            if until_survival and not has_fired:
                break
        sweep.tell()
        self.assertEqual(sweep.violations, 0)
        self.assertGreaterEqual(sweep.fired, sweep.points * 9 // 10, "the fault did not come")
        return sweep

    def points(self, fault, short, step=1):
        """The numbers of the calls to hit; in the long form each, or one of each `step`, until a run survives."""
        if IS_LONG:
            return range(1, 10**6, step)
        calls = self.disturbed(fault, 0)[1].calls
        return spread(calls - calls // 20, short)   # runs are not all of one length
