#!/usr/bin/python3
"""SIGKILL at random moments, for the whole process tree, a worker alone, or the supervisor alone: the promises hold,
the next run finishes, and now and then one more, which changes nothing. The same for the daemon, which goes on with
its run.

The series is the same each time, as far as moments can be repeated, so that a change is judged and not its luck.
PEERSTAGE_SEED=N is another one; PEERSTAGE_FAULTS=long makes it a thousand kills, from a new seed each time.
"""
import collections
import os
import random
import shutil
import signal
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system"), str(HERE.parent / "support")]
from case import PoolTest  # noqa: E402
from checker import Checker  # noqa: E402
from daemon import Daemon  # noqa: E402
from delay_proxy import DelayProxy  # noqa: E402
from processes import children, kill_tree, wait_until  # noqa: E402

IS_LONG = os.environ.get("PEERSTAGE_FAULTS") == "long"
KILLS = 1000 if IS_LONG else 30
DAEMON_KILLS = 60 if IS_LONG else 10
SEED = int(os.environ.get("PEERSTAGE_SEED") or (random.randrange(10**6) if IS_LONG else 1))
SIZES = [0, 10, 5000, 40_000]


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


class RandomKills(PoolTest):
    def setUp(self):
        print(f"PEERSTAGE_SEED={SEED}", flush=True)
        self.random = random.Random(SEED)
        self.violations = 0

    def write_some(self, peer, count):
        for n in range(count):
            peer.write(f"d{n % 3}/f{n}", self.random.randbytes(self.random.choice(SIZES)))

    def say(self, problems, when):
        """The first of a violation is told in full."""
        if problems:
            self.violations += 1
            print(f"seed {SEED}, {when}:\n" + "\n".join(problems), flush=True)


class OfARun(RandomKills):
    def setUp(self):
        super().setUp()
        self.pool = self.make_pool(retry_delay="10ms")
        target = self.pool.sshd.addresses[0], self.pool.sshd.port
        self.line = DelayProxy(("127.0.0.1", 0), target).__enter__()
        self.addCleanup(self.line.__exit__)
        self.pool.local("near"), self.pool.remote("far")
        self.pool.remote("cut", address="127.0.0.1", port=self.line.address[1])
        for peer in self.pool.peers:
            self.write_some(peer, 12)
            peer.ready()
        self.checker = Checker(self.pool)
        self.checker.before()
        first = self.pool.stage()
        self.assertEqual(self.checker.after_clean(first), [])
        self.seconds = collections.deque([first.seconds], maxlen=9)   # of undisturbed runs

    # --- what a run may be like

    def from_nothing(self):
        for name in os.listdir(self.pool.staging):
            shutil.rmtree(self.pool.staging / name)

    def replacing(self):
        pass

    def with_retries(self):
        """The line breaks in the middle, once."""
        self.pool.staging_settings["retries"] = 2
        self.line.from_target, self.line.cut = 0, self.random.randrange(1, 60_000)

    def with_connections(self):
        self.pool.staging_settings["connections_per_peer"] = 3

    def prepare(self, kind):
        self.pool.staging_settings.update(retries=0, connections_per_peer=1)
        self.line.cut = None
        for peer in self.pool.peers:
            self.write_some(peer, self.random.randrange(1, 13))
            if self.random.random() < 0.5:
                peer.marker.unlink(missing_ok=True)
        getattr(self, kind)()

    # --- whom it hits; says whether it did

    def hit_all(self, process):
        was_there = process.poll() is None
        kill_tree(process)
        return was_there

    def hit_worker(self, process):
        workers = children(process.pid)
        return bool(workers) and kill(self.random.choice(workers))

    def hit_supervisor(self, process):
        return process.poll() is None and kill(process.pid)

    def one(self, number):
        kind = self.random.choice(["from_nothing", "replacing", "with_retries", "with_connections"])
        whom = self.random.choice(["all", "all", "worker", "supervisor"])
        self.prepare(kind)
        moment = self.random.uniform(0, sorted(self.seconds)[len(self.seconds) // 2])
        self.checker.before()
        process = self.pool.start("stage", "--json")
        time.sleep(moment)   # the moment is the point of this test
        has_hit = getattr(self, f"hit_{whom}")(process)
        when = f"kill {number} of {whom} after {moment:.3f} s, {kind}"
        self.say(self.checker.after_fault(self.pool.finish(process)), when)
        self.line.cut = None
        self.finish_it(when, number % 10 == 0)
        self.counts[whom, kind] += has_hit
        return has_hit

    def finish_it(self, when, and_again):
        self.checker.before()
        clean = self.pool.stage()
        self.seconds.append(clean.seconds)
        self.say(self.checker.after_clean(clean), f"{when}, the next run")
        if and_again:
            self.checker.before()
            self.say(self.checker.after_again(self.pool.stage()), f"{when}, the one after that")

    def test_a_run_that_is_killed_at_a_random_moment_breaks_no_promise(self):
        self.counts, number = collections.Counter(), 0
        while self.counts.total() < KILLS and self.violations < 5:
            number += 1
            self.one(number)
            if number % 100 == 0:
                print(f"after {number} runs: {self.counts.total()} kills, {self.violations} violations", flush=True)
            self.assertLess(number, 100 + 4 * KILLS, "the runs are over before they are killed")
        kills, of_each = self.counts.total(), collections.Counter()
        for words, count in self.counts.items():
            of_each.update({word: count for word in words})
        print(f"faults: random kills: {kills} kills {dict(of_each)}, {number - kills} came too late, seed {SEED}, "
              f"{self.violations} violations", flush=True)
        self.assertEqual(self.violations, 0)


class OfTheDaemon(RandomKills):
    """Killed in the middle of a run and started again, it goes on with the same run, and with nobody who was done."""

    def setUp(self):
        super().setUp()
        self.pool = self.make_pool(parallel_peers=2)
        for number in range(3):
            self.write_some(self.pool.local(f"near{number}", {}), 12)
            self.write_some(self.pool.remote(f"far{number}", {}), 12)
        self.daemon = Daemon(self.pool)
        self.checker = Checker(self.pool)
        self.checker.ignored |= {"state"}
        self.daemon.start()
        began = time.monotonic()
        self.daemon.run_job()
        self.seconds = time.monotonic() - began

    def done(self, run):
        """Those that the catalog has as done."""
        return {name for name, in self.daemon.catalog_rows(
            "select name from run_peer join run on run.number = run_peer.run where id = ? and progress = 'done'", run)}

    def one(self, number):
        for peer in self.pool.peers:
            self.write_some(peer, self.random.randrange(1, 13))
        self.checker.before()
        run = self.daemon.start_job()
        moment = self.random.uniform(0, self.seconds)
        time.sleep(moment)   # the moment is the point of this test
        was_over = self.daemon.over(run) is not None
        kill_tree(self.daemon.process)
        self.pool.finish(self.daemon.process)
        when = f"kill {number} after {moment:.3f} s"
        self.say(self.checker.after_fault(), when)
        done, log_from = self.done(run), len(self.pool.log_text())
        self.peers_done += 0 if was_over else len(done)
        self.checker.before()
        self.daemon.start()
        document = self.daemon.wait_for(run)
        self.say([*self.untrue(document, done, self.pool.log_text()[log_from:])], when)
        return not was_over

    def untrue(self, document, done, log):
        names = [peer["name"] for peer in document["peers"]]
        if sorted(names) != sorted(peer.name for peer in self.pool.peers):
            yield f"the run has the peers {names}"
        if document["run"]["status"] != "ok":
            yield f"the run is {document['run']}"
        for name in done:
            if f"peer {name}: " in log:
                yield f"{name} was done, and is done again: {log}"
        for peer in self.pool.peers:
            if not peer.marker.exists():
                yield f"{peer.name} was not told that it is staged"

    def test_a_daemon_that_is_killed_in_a_run_goes_on_with_it(self):
        hits = number = self.peers_done = 0
        while hits < DAEMON_KILLS and self.violations < 5:
            number += 1
            hits += self.one(number)
            self.assertLess(number, 100 + 4 * DAEMON_KILLS, "the runs are over before they are killed")
        self.daemon.stop()
        self.checker.before()
        self.say(self.checker.after_clean(self.pool.stage()), "a run by hand in the end")
        print(f"faults: daemon kills: {hits} kills, {number - hits} came too late, {self.peers_done} peers were done "
              f"already, seed {SEED}, {self.violations} violations", flush=True)
        self.assertEqual(self.violations, 0)
        self.assertGreater(self.peers_done, 0, "no kill came between two peers")


if __name__ == "__main__":
    unittest.main()
