"""Evil peers beside good ones: one run of the program has many, and each is judged by itself.

A module makes a HostilePool, adds evil peers, and has them staged by `Siege`, which runs the good peers alone before,
so that it can say whether they noticed anything.
"""
import dataclasses
import re
import shutil
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system"), str(HERE.parent / "support")]
from case import PoolTest  # noqa: E402
from checker import Checker  # noqa: E402
from memory_watch import MemoryWatch  # noqa: E402
from pool import Pool, check_manifest, snapshot  # noqa: E402

DEADLINE = 30        # seconds for each peer
IDLE_TIMEOUT = 6     # a server that is honest and a script needs some time on a busy machine
CONNECT_TIMEOUT = 15
SLACK = 5            # how much later than its deadline a peer may be over
SUPERVISOR = 40      # MiB
# What any peer may make its worker use: the program itself is about 15 MiB, a session keeps up to 32 MiB of answers in
# order and as much in libssh, and the sum is doubled while a buffer grows.
WORKER = 128         # MiB
EXIT = {"staged": 0, "failed": 7, "not_ready": 8}
ANY_FAILURE = ("hostile", "permanent", "transient")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What has to become of an evil peer. `number` is that of the fault in the list of faults."""
    number: str
    status: str
    kinds: tuple = ()      # one of these, of an error
    words: tuple = ()      # what its message says
    leaves_data: bool = False   # a failure that leaves the whole of it in the day

    def __str__(self):
        return f"{self.number}: {self.status}{' ' if self.kinds else ''}{' or '.join(self.kinds)}"


def verdicts(number, status, kinds, *cases, **more):
    return {case: Verdict(number, status, kinds, **more) for case in cases}


def staged(number, *cases):
    return verdicts(number, "staged", (), *cases)


def permanent(number, *cases, **more):
    return verdicts(number, "failed", ("permanent",), *cases, **more)


def transient(number, *cases, **more):
    return verdicts(number, "failed", ("transient",), *cases, **more)


def failed(number, *cases):
    return verdicts(number, "failed", ANY_FAILURE, *cases)


def peer_name(case):
    """What a peer with this case is called."""
    return "evil-" + re.sub("[^a-z0-9]+", "-", case.lower()).strip("-")


class HostilePool(Pool):
    """Some good peers, near and far."""
    open = []   # those whose end is still to come, whatever becomes of the test

    def __init__(self, **staging):
        self.open.append(self)
        super().__init__(**{"retries": 0, "minimum_free": 0,
              "deadline": f"{DEADLINE}s", "parallel_peers": 12, **staging})
        self.ssh_settings = {"idle_timeout": f"{IDLE_TIMEOUT}s", "connect_timeout": f"{CONNECT_TIMEOUT}s"}
        self.good = [self.remote("good-small", {f"file{number}": b"%d" % number for number in range(20)}),
                     self.remote("good-large", {"data.tar": bytes(range(256)) * 40_000, "sub/deep/more": b"more"}),
                     self.local("good-near", {"etc.tar": b"etc" * 1000})]
        self.evil = {}   # case: PoolPeer

    def __exit__(self, *unused):
        if self in self.open:
            self.open.remove(self)
            super().__exit__()

    def add_evil(self, case, **elements):
        """A peer whose place nobody has yet; where it is, is the caller's business."""
        peer = self.remote(peer_name(case), **elements)
        shutil.rmtree(peer.collect)
        self.evil[case] = peer
        return peer

    def state_of_good(self):
        """All that there is to see of them: their trees, what they were told."""
        (day,) = self.staging.glob("[0-9]*/*/*")
        return {peer.name: ({name: entry.content() for name, entry in snapshot(day / peer.name).items()},
                            sorted(path.name for path in peer.collect.iterdir()))
                for peer in self.good}


class Siege:
    """The good peers alone, then all together: what became of it, and what it cost."""

    def __init__(self, pool, *arguments):
        self.pool = pool
        evil, pool.peers[:] = list(pool.evil.values()), list(pool.good)
        alone = pool.stage()
        self.alone = alone, pool.state_of_good()
        shutil.rmtree(pool.staging)
        pool.make_directory(pool.staging.relative_to(pool.directory), pool.user)
        for peer in pool.good:
            peer.marker.unlink()
        pool.peers += evil
        self.checker = Checker(pool, without=[peer.name for peer in evil])
        self.checker.ignored.add("evil")
        self.result = self.run(*arguments)
        self.good_now = pool.state_of_good()

    def run(self, *arguments):
        self.checker.before()
        process = self.pool.start("stage", "--json", *arguments)
        with MemoryWatch(process.pid) as watch:
            result = self.pool.finish(process, 900)
        self.problems = self.checker.after_fault(result)
        self.supervisor, self.worker = watch.own, watch.worst_child
        self.workers = len(watch.children)
        return result

    def told(self, case):
        return self.result.peer(self.pool.evil[case].name)

    def worst_time(self):
        return max((self.result.peer(peer.name)["seconds"] for peer in self.pool.evil.values()), default=0)

    def told_of_good(self, result):
        return {peer.name: {key: value for key, value in result.peer(peer.name).items() if key != "seconds"}
                for peer in self.pool.good}


class Figures:
    """What all sieges of a module together came to: the line at its end."""

    def __init__(self, what):
        self.what = what
        self.cases = self.violations = 0
        self.over = self.worker = self.supervisor = 0.0

    def add(self, siege, deadline=DEADLINE):
        self.cases += len(siege.pool.evil)
        self.over = max(self.over, siege.worst_time() - deadline)
        self.worker, self.supervisor = max(self.worker, siege.worker), max(self.supervisor, siege.supervisor)
        self.violations += len(siege.problems)

    def __str__(self):
        return (f"faults: hostile {self.what}: {self.cases} cases, worst time over its deadline {self.over:.1f} s, "
                f"worst worker {self.worker:.0f} MiB, supervisor {self.supervisor:.0f} MiB, "
                f"{self.violations} violations")


class HostileTest(PoolTest):
    """Derived for each siege; `verdicts` is {case: Verdict}, `make_siege` begins it."""
    verdicts = {}
    figures = None
    worker = WORKER
    supervisor = SUPERVISOR
    deadline = DEADLINE

    @classmethod
    def setUpClass(cls):
        if not hasattr(cls, "make_siege"):
            raise unittest.SkipTest("what others derive from")
        try:
            cls.siege = cls.make_siege()
        except BaseException:
            for pool in list(HostilePool.open):
                pool.__exit__()
            raise
        cls.pool, cls.result = cls.siege.pool, cls.siege.result
        cls.figures.add(cls.siege, cls.deadline)

    @classmethod
    def tearDownClass(cls):
        cls.pool.__exit__()

    def judge(self, case):
        verdict, told = self.verdicts[case], self.siege.told(case)
        place = self.result.day / self.pool.evil[case].name
        what = f"{case}: {told}\n{self.result.stderr}\n{self.log_of(case)}"
        self.assertEqual(told["status"], verdict.status, what)
        self.assertLess(told["seconds"], self.deadline + SLACK, what)
        if verdict.status == "staged":
            self.assertIsNone(told["error"], what)
        else:
            self.assertIn(told["error"]["kind"], verdict.kinds, what)
            self.assertLess(len(told["error"]["message"]), 2000, what)
            for word in verdict.words:
                self.assertIn(word, told["error"]["message"], what)
        if verdict.status == "staged" or verdict.leaves_data:
            self.assertEqual(check_manifest(place), "", what)
        else:
            self.assertFalse(place.exists(), what)
        return told, place

    def log_of(self, case):
        name = self.pool.evil[case].name
        return "".join(line for line in self.result.log.splitlines(True) if name in line)

    def test_good_peers_notice_nothing(self):
        alone, state = self.siege.alone
        self.assert_exit(alone, 0)
        self.assertEqual(self.siege.told_of_good(alone), self.siege.told_of_good(self.result))
        self.assertEqual(state, self.siege.good_now)
        for peer in self.pool.good:
            self.assertLess(self.result.peer(peer.name)["seconds"], self.deadline, str(peer.name))

    def test_promises_hold(self):
        self.assertEqual(self.siege.problems, [])

    def test_verdict_of_the_run_is_that_of_the_worst(self):
        statuses = set(self.result.statuses().values())
        worst = EXIT["failed" if "failed" in statuses else "not_ready" if "not_ready" in statuses else "staged"]
        self.assertEqual(self.result.exit, worst, self.result.stderr)
        self.assertEqual((self.result.day / "cback.stage").exists(), worst == 0)

    def test_memory_is_bounded(self):
        self.assertGreater(self.siege.workers, len(self.pool.peers) * 0.8)  # some are gone before one can look
        self.assertLess(self.siege.worker, self.worker)
        self.assertLess(self.siege.supervisor, self.supervisor)

    def test_everything_shown_is_printable(self):
        self.assert_printable(self.result)


def add_tests(test_class):
    """A test for each case of its table."""
    for case, verdict in test_class.verdicts.items():
        def test(self, case=case):
            self.judge(case)
        test.__doc__ = f"{case}: {verdict}"
        numbers = "_".join(verdict.number.split())
        setattr(test_class, f"test_{numbers}_" + re.sub("[^a-z0-9]+", "_", case.lower()).strip("_"), test)
