#!/usr/bin/python3
"""Random pools, random edits, random faults and kills, step for step against a model of what must be visible.

A seed makes a list of actions. A list that fails is shortened as far as it still fails, and printed: it belongs into
REGRESSIONS then. The series is the same each time, so that a change is judged and not its luck. PEERSTAGE_SEED=N begins
with that seed; PEERSTAGE_FAULTS=long goes on for twenty minutes, from a new seed each time.

The lists are our own, and not those of a library for such tests: what hangs on a moment does not fail each time, which
a library takes for a broken test; it goes on for a number of examples and not for a time; and a list can be kept.
"""
import collections
import os
import random
import sys
import time
import traceback
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]
from case import needs_root  # noqa: E402
from model import Day, File, Outcome, Tree, illegal  # noqa: E402
from world import IGNORE, PEER_SETTINGS, SETTINGS, World  # noqa: E402

IS_LONG = os.environ.get("PEERSTAGE_FAULTS") == "long"
SECONDS = 1200 if IS_LONG else 90
SEED = int(os.environ.get("PEERSTAGE_SEED") or (random.randrange(10**6) if IS_LONG else 1))
LENGTH = 40
TRIES = 3   # of a list that failed: what depends on a moment does not fail every time

# What failed once, by what was wrong. Each is a list of actions.
REGRESSIONS = {
    "a file below that is called like the master's marker was purged before it was staged": [
        ("write", 2, 7, 414), ("purge_peer", 2, "peerstage")],
    "what an earlier day holds does not have to be readable once more": [
        ("write", 2, 0, 3), ("ready", 2), ("stage", "none", 0, ""), ("next_day",), ("chmod", 2, 0, 1),
        ("stage", "none", 0, "")],
}


class Actions:
    """A list of actions from a seed. It knows nothing of what comes of them."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def list(self):
        return [*self.beginning(), *(self.one() for _ in range(LENGTH))]

    def beginning(self):
        for who in range(3):
            for _ in range(self.random.randrange(6)):
                yield "write", who, self.number(18), self.number()
            if self.random.random() < 0.85:
                yield "ready", who
            if self.random.random() < 0.4:
                yield "peer_setting", who, "ignore_failures", self.number(len(IGNORE))
        if self.random.random() < 0.3:
            yield "setting", "daily_indicator", self.number(3)

    def number(self, below=1000):
        return self.random.randrange(below)

    def who(self):
        return self.number(3)

    def one(self):
        kinds = {self.edit: 30, self.state: 14, self.breakage: 9, self.configure: 9, self.others: 8, self.run: 30}
        return self.random.choices(list(kinds), list(kinds.values()))[0]()

    def edit(self):
        return self.random.choice([
            ("write", self.who(), self.number(18), self.number()),
            ("write", self.who(), self.number(18), self.number()),
            ("write", self.who(), self.number(20), self.number()), ("delete", self.who(), self.number()),
            ("rename", self.who(), self.number(), self.number(18)), ("touch", self.who(), self.number()),
            ("chmod", self.who(), self.number(), self.number()), ("special", self.who(), self.number(), self.number())])

    def state(self):
        return self.random.choice([
            ("ready", self.who()), ("ready", self.who()), ("collect", self.who()), ("collect", self.who()),
            ("begin_collect", self.who()), ("unmark", self.who()), ("sums", self.who(), "right"),
            ("sums", self.who(), "none"), ("sums", self.who(), "wrong")])

    def breakage(self):
        return self.random.choice([
            ("mend",), ("mend",), ("mend",), ("go", 0), ("go", 2), ("access", "read"), ("access", "nothing"),
            ("access", "write"), ("sshd", "down"), ("sshd", "up"), ("host_key", "new"), ("host_key", "known")])

    def configure(self):
        setting = self.random.choice(list(SETTINGS))
        peers = self.random.choice(sorted(PEER_SETTINGS))
        return self.random.choice([
            ("setting", setting, self.number(3)), ("setting", setting, 0),
            ("peer_setting", self.who(), peers, self.number(4)), ("peer_setting", self.who(), peers, 0),
            ("peer_setting", self.who(), "ignore_failures", self.number(len(IGNORE)))])

    def others(self):
        return self.random.choice([
            ("next_day",), ("next_day",), ("other_marker", self.number(4)), ("other_marker", self.number(4)),
            ("dry_run",), ("purge_staging", "cback3"), ("purge_staging", "peerstage"),
            ("purge_peer", self.who(), "peerstage"), ("purge_peer", self.who(), "peerstage"), ("purge_peer", self.who(), "cback3")])

    def run(self):
        moment = ("kill", "kill_supervisor", "kill_worker", "terminate")
        fault = self.random.choices(["none", *moment, "cut", "full_disk", "full_peer", "midnight", "rival"],
                                    [30, 12, 5, 5, 8, 10, 6, 3, 3, 3])[0]
        strength = {"cut": int(10 ** self.random.uniform(0, 6)), "full_disk": self.number(100),
                    "midnight": self.number(180)}
        options = self.random.choices(["", "far", "full"], [8, 1, 1])[0]
        return "stage", fault, strength.get(fault, self.number(220)), options


def failure_of(actions, counts=None, world_type=World):
    """(the number of the first action after which something is wrong, what), or None."""
    counts = collections.Counter() if counts is None else counts
    with world_type() as world:
        for number, action in enumerate([*actions, ("converge",)]):
            counts[action[:2] if action[0] == "stage" else action[:1]] += 1
            try:
                problems = world.do(action)
            except Exception:
                problems = [traceback.format_exc()]
            if problems:
                return number, f"action {number}, {action}: " + "\n".join(problems)
    return None


def fails(actions):
    return any(failure_of(actions) for _ in range(TRIES))


def shortest(actions, fails=fails, seconds=300):
    """Without every part that it fails without: halves, quarters, and so on down to single actions, as time allows."""
    end, size = time.monotonic() + seconds, len(actions) // 2
    while size:
        for at in range(len(actions) - size, -size, -size):
            shorter = actions[:max(at, 0)] + actions[at + size:]
            if time.monotonic() < end and fails(shorter):
                actions = shorter
        size //= 2
    return actions


def report(seed, actions, failure):
    number, what = failure
    print(f"PEERSTAGE_SEED={seed}\n{what}", flush=True)
    lines = ",\n".join(f"        {action!r}" for action in shortest(actions[:number + 1]))
    print(f"The shortest list that fails so:\n    \"...\": [\n{lines}],", flush=True)


@needs_root
class ModelTest(unittest.TestCase):
    def test_a_pool_is_at_every_step_what_the_model_says(self):
        print(f"PEERSTAGE_SEED={SEED}", flush=True)
        end, seed, counts, violations = time.monotonic() + SECONDS, SEED, collections.Counter(), 0
        while time.monotonic() < end and violations < 3:
            actions = Actions(seed).list()
            failure = failure_of(actions, counts)
            if failure:
                violations += 1
                report(seed, actions, failure)
            seed += 1
        runs = {action[1]: number for action, number in counts.items() if action[0] == "stage"}
        print(f"faults: model: {counts.total()} steps, {seed - SEED} pools, runs {runs}, seed {SEED}, "
              f"{violations} violations", flush=True)
        self.assertEqual(violations, 0)

    def test_what_failed_once(self):
        for name, actions in REGRESSIONS.items():
            with self.subTest(name):
                self.assertIsNone(failure_of(actions))


class Sabotaged(World):
    """Somebody loses a file that is staged."""

    def lose(self):
        tree = self.model.days.get(self.model.today, Day()).trees.get("near")
        if tree:
            (self.place() / "near" / min(tree.files)).unlink(missing_ok=True)
        return self.compare()


class TestOfTheModel(unittest.TestCase):
    OLD, NEW = (Tree({"a": File(content, 1, 0), "b": File("b", 1, 0)}) for content in ("old", "new"))

    def illegal(self, tree, is_told, status, *also):
        before, after = Outcome("", self.OLD, False), Outcome("staged", self.NEW, True)
        return illegal(before, after, Outcome(status, tree, is_told), also)

    def test_a_killed_run_leaves_the_old_or_the_new(self):
        self.assertEqual([self.illegal(tree, told, None, None) for tree, told in (
            (self.OLD, False), (self.NEW, False), (self.NEW, True))], ["", "", ""])
        half = Tree({"a": self.NEW.files["a"]})
        for tree, is_told in ((half, False), (None, False), (self.OLD, True)):
            self.assertNotEqual(self.illegal(tree, is_told, None, None), "", tree)

    def test_a_run_that_nothing_disturbs_leaves_the_new_only_and_tells_the_peer(self):
        self.assertEqual(self.illegal(self.NEW, True, "staged"), "")
        for tree, is_told, status in (
                (self.OLD, False, "failed"), (self.NEW, False, "staged"), (self.OLD, True, "staged")):
            self.assertNotEqual(self.illegal(tree, is_told, status), "", status)

    def test_a_status_that_is_good_is_never_half_true(self):
        self.assertEqual(self.illegal(self.OLD, False, "failed", "failed"), "")
        self.assertNotEqual(self.illegal(self.OLD, False, "staged", "failed"), "")

    @needs_root
    def test_what_is_wrong_is_found_and_the_list_shortened_to_what_it_takes(self):
        run = ("stage", "none", 0, "")
        actions = [("write", 0, 4, 1), ("touch", 0, 0), ("ready", 1), ("write", 1, 3, 2), ("ready", 0), run,
                   ("next_day",), ("unmark", 2), run, ("dry_run",), ("lose",), ("write", 2, 2, 2), run]
        number, what = failure_of(actions, world_type=Sabotaged)
        self.assertEqual(number, actions.index(("lose",)))
        self.assertIn("the peers are", what)
        self.assertEqual(shortest(actions, lambda actions: failure_of(actions, world_type=Sabotaged)),
                         [("ready", 1), run, ("lose",)])


if __name__ == "__main__":
    unittest.main()
