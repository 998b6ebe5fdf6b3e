#!/usr/bin/python3
"""Others at work on the staging directory at the same time: its owner, who exchanges directories for links under a run of
root's, or put something where a name of ours will be (L20, L21); a second run (L14, L15); a reload (L32); a purge."""
import grp
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]
from case import PoolTest, needs_root  # noqa: E402
from checker import Checker  # noqa: E402
from daemon import Daemon  # noqa: E402
from disk import Disk  # noqa: E402
from pool import IS_ROOT, binary, snapshot  # noqa: E402
from processes import wait_until  # noqa: E402
from swapper import Swapper, exchange  # noqa: E402

LONG = os.environ.get("PEERSTAGE_FAULTS") == "long"
FILES = {"one": b"first" * 500, "two": b"second" * 900, "below/three": b"third"}


def today():
    return time.strftime("%Y/%m/%d")


class Races(PoolTest):
    def make_pool(self, **staging):
        """Two peers, and a canary that looks like every directory that a swap could put it in the place of."""
        pool = super().make_pool(**staging)
        tree = pool.make_directory("tree", pool.user)   # its owner may exchange the staging directory itself
        pool.staging.rmdir()
        pool.staging = pool.make_directory("tree/staging", pool.user)
        for name in ("near", "far"):
            files = {path: data + name.encode() for path, data in FILES.items()}
            (pool.local if name == "near" else pool.remote)(name, files)
        day = today()
        for level in ("", day, day.rpartition("/")[0], day.split("/")[0]):
            below = os.path.relpath(day, level) if level else day
            for inside in (below, f".peerstage", "."):
                for peer in ("near", "far", "cback.peerstage.near", "cback.peerstage.far"):
                    self.bait(pool, pool.canary / inside / peer)
        (pool.canary / ".peerstage/.lock").touch()
        for entry in ("", *snapshot(pool.canary)):
            # Readable and writable for everybody: only care keeps the run out of it.
            path = pool.canary / entry
            path.chmod(0o777 if path.is_dir() else 0o666)
        self.assertTrue(tree.is_dir())
        return pool

    @staticmethod
    def bait(pool, directory):
        directory.mkdir(parents=True, exist_ok=True)
        for name in ("one", "boot.0", f"publishing.{today().replace('/', '-')}", "0123456789abcdef" * 2, "cback.sha256"):
            (directory / name).write_bytes(b"nobody may touch this")

    def canary(self, pool):
        return Disk().tree(pool.canary)

    def wrong(self, pool, result, canary, linked=None):
        """What must not be, whatever was swapped. `linked`: an entry of the canary that has one more name in the staging
        directory, which may be removed."""
        found = []
        now = self.canary(pool)
        for name in sorted({*canary, *now}):
            if name == linked and name in now and canary[name].at_rest() == now[name].at_rest():
                continue
            if canary.get(name) != now.get(name):
                found.append(f"the canary was touched: {name}: {canary.get(name)} is {now.get(name)}")
        if result.exit < 0 or result.exit not in (0, 6, 7, 75):
            found.append(f"exit {result.exit}")
        for peer in result.json["peers"]:
            if peer["status"] in ("staged", "unchanged") and not self.is_complete(pool, peer["name"]):
                found.append(f"{peer['name']} is said to be {peer['status']}, but its day is not complete")
            if peer["status"] not in ("staged", "unchanged") and not peer["error"]:
                found.append(f"{peer['name']} is {peer['status']} for no reason")
        if result.exit == 0 and any(not self.is_complete(pool, peer.name) for peer in pool.peers):
            found.append("exit 0, but not every peer is complete")
        return [f"{problem}\n{result}" for problem in found]

    def is_complete(self, pool, name):
        place = pool.staging / today() / name
        (peer,) = [peer for peer in pool.peers if peer.name == name]
        staged = {path: entry.sha256 for path, entry in snapshot(place).items() if entry.kind == "file"}
        staged.pop("cback.sha256", None)
        return not place.is_symlink() and staged == peer.content()

    def converge(self, pool):
        """Nobody disturbs any more: one run repairs everything, the next changes nothing."""
        problems = []
        checker = Checker(pool)
        for judge in (checker.after_clean, checker.after_again):
            checker.before()
            problems += judge(pool.stage())
        return problems

    def tell(self, name, rounds, swaps, noticed, problems):
        print(f"faults: races.{name}: {rounds} rounds, {swaps} swaps, noticed in {noticed}, {len(problems)} violations",
              flush=True)
        self.assertEqual(problems, [], "\n".join(problems[:5]))


@needs_root
class Swaps(Races):
    """L20: the tree belongs to the backup user, the run is root's."""

    LEVELS = {"staging": "", "year": "{year}", "month": "{year}/{month}", "day": "{day}", "peer": "{day}/near",
              "remote_peer": "{day}/far", "unpublished": "{day}/cback.peerstage.near", "own": ".peerstage",
              "spool": ".peerstage/near", "remote_spool": ".peerstage/far", "inside": "{day}/near/below"}
    PRESENT = ("staging", "year", "month", "day", "own", "peer", "remote_peer", "inside")

    def path(self, pool, level):
        year, month, _ = today().split("/")
        return pool.staging / self.LEVELS[level].format(day=today(), year=year, month=month)

    def test_directories_that_are_exchanged_for_links_all_the_time_lead_nowhere(self):
        swaps = noticed = rounds = 0
        problems = []
        for level in self.LEVELS:
            of_level = 0
            pool = self.make_pool()
            self.assert_exit(pool.stage(), 0)
            for _ in range(20 if LONG else 2):
                canary = self.canary(pool)
                self.change(pool)
                with Swapper(pool.user, self.path(pool, level), pool.canary) as swapper:
                    result = pool.stage(deadline=30)
                rounds += 1
                of_level += swapper.swaps
                noticed += result.exit != 0
                problems += [f"{level}: {problem}" for problem in self.wrong(pool, result, canary)]
            problems += [f"{level}: afterwards: {problem}" for problem in self.converge(pool)]
            if level in self.PRESENT:
                self.assertGreater(of_level, 0, f"nothing was ever exchanged: {level}")
            swaps += of_level
        self.assertGreater(noticed, 0, "no run ever noticed: was there a race at all?")
        self.tell("swaps", rounds, swaps, noticed, problems)

    def change(self, pool):
        """Something for the next run to publish."""
        for peer in pool.peers:
            peer.write("one", os.urandom(2000))
            peer.write("below/three", os.urandom(100))
            peer.marker.unlink(missing_ok=True)

    # Of the supervisor, which is root: what it does with names, and how many of its calls are passed over each time.
    CALLS = {"openat": 29, "openat2": 7, "mkdirat": 1, "fchown": 1, "unlinkat": 3, "renameat2": 1, "fsync": 3}

    def test_a_directory_that_is_exchanged_between_two_system_calls_leads_nowhere(self):
        if subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode:
            self.skipTest("strace cannot trace here")
        rounds = swaps = noticed = 0
        problems = []
        for level in ("staging", "year", "day", "own", "spool", "peer") if LONG else ("staging", "day", "own"):
            pool = self.make_pool()
            self.assert_exit(pool.stage(), 0)
            for call, step in self.CALLS.items():
                for point in itertools.count(1, 1 if LONG else step):
                    canary = self.canary(pool)
                    self.change(pool)
                    result, was_swapped, was_stopped = self.stage_with_stop(pool, level, call, point)
                    problems += [f"{level} at {call} {point}: {problem}" for problem in self.wrong(pool, result, canary)]
                    if not was_stopped:
                        break
                    rounds, swaps, noticed = rounds + 1, swaps + was_swapped, noticed + (result.exit != 0)
            problems += [f"{level}: afterwards: {problem}" for problem in self.converge(pool)]
        self.assertGreater(swaps, 0)
        self.tell("stops", rounds, swaps, noticed, problems)

    def stage_with_stop(self, pool, level, call, point):
        """One exchange while the supervisor stands at its call number `point`: (result, exchanged, stopped)."""
        path, decoy = self.path(pool, level), self.path(pool, level).with_name(".decoy")
        story = pool.directory / "strace"
        story.unlink(missing_ok=True)
        # -D: the process is the program's own. Without -f: the workers go on.
        process = pool.start("stage", "--json", wrapper=[
            "strace", "-D", "-qq", "-o", story, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGSTOP:when={point}"])
        was_stopped = self.wait_for_stop(process, story)
        was_swapped = False
        if was_stopped:
            if path.exists():
                decoy.symlink_to(pool.canary)
                exchange(path, decoy)
                was_swapped = True
            process.send_signal(signal.SIGCONT)
        result = pool.finish(process, 30)
        if was_swapped:
            if path.is_symlink():
                path.unlink()
            else:  # something new has its name
                shutil.rmtree(path, ignore_errors=True)
            decoy.rename(path)
        return result, was_swapped, was_stopped

    @staticmethod
    def wait_for_stop(process, story):
        """False: it came to its end instead."""
        while process.poll() is None:
            if story.exists() and "stopped by SIGSTOP" in story.read_text(errors="replace"):
                return True
            time.sleep(0.002)
        return False


class Planted(Races):
    """L21: something stands where a name of ours will be."""

    NAMES = (".peerstage", ".peerstage/.lock", ".peerstage/.marker", ".peerstage/near", ".peerstage/far/boot.0",
             ".peerstage/near/publishing.{dashed}", ".peerstage/far/" + "0123456789abcdef" * 2, "{year}", "{year}/{month}",
             "{day}", "{day}/near", "{day}/far", "{day}/cback.peerstage.near", "{day}/cback.peerstage-old.far",
             "{day}/cback.stage")
    KINDS = ("link_to_directory", "link_to_file", "link_to_nothing", "hard_link", "fifo", "directory", "file")

    def plant(self, pool, path, kind):
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in (path.parent, *path.parent.parents):
            if parent == pool.staging.parent:
                break
            if IS_ROOT:
                shutil.chown(parent, pool.user, pool.group)
        target = pool.canary / "near/one"
        if kind == "hard_link":
            os.link(target, path)
            return
        {"link_to_directory": lambda: path.symlink_to(pool.canary), "link_to_file": lambda: path.symlink_to(target),
         "link_to_nothing": lambda: path.symlink_to(pool.canary / "nothing"), "fifo": lambda: os.mkfifo(path, 0o666),
         "directory": lambda: path.mkdir(0o777), "file": lambda: path.write_bytes(b"planted")}[kind]()
        if IS_ROOT:
            os.chown(path, *self.ids(pool), follow_symlinks=False)

    @staticmethod
    def ids(pool):
        return pwd.getpwnam(pool.user).pw_uid, grp.getgrnam(pool.group).gr_gid

    @staticmethod
    def remove(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif os.path.lexists(path):
            path.unlink()

    def test_what_was_put_in_the_place_of_our_names_leads_nowhere(self):
        year, month, _ = today().split("/")
        names = [name.format(day=today(), year=year, month=month, dashed=today().replace("/", "-")) for name in self.NAMES]
        cases = list(itertools.product(names, self.KINDS))
        noticed, problems = 0, []
        pool = self.make_pool()
        for name, kind in cases:
            path = pool.staging / name
            shutil.rmtree(pool.staging / ".peerstage", ignore_errors=True)
            shutil.rmtree(pool.staging / year, ignore_errors=True)
            for peer in pool.peers:
                peer.marker.unlink(missing_ok=True)
            self.plant(pool, path, kind)
            canary = self.canary(pool)
            result = pool.stage(deadline=30)
            noticed += result.exit != 0
            linked = "near/one" if kind == "hard_link" else None
            problems += [f"{name} as {kind}: {problem}" for problem in self.wrong(pool, result, canary, linked)]
            if result.exit:
                self.remove(path)
                again = pool.stage()
                if again.exit:
                    problems.append(f"{name} as {kind}: removed, and still: {again}")
        problems += self.converge(pool)
        self.assertGreater(noticed, 0)
        self.tell("planted", len(cases), len(cases), noticed, problems)


class TwoRuns(Races):
    """L14, L15: one of them goes away and has changed nothing."""

    def setUp(self):
        self.pool = self.make_pool(wait_for_collect="1m", poll_interval="500ms")
        self.late = self.pool.peers[0]
        (self.late.collect / "cback.collect").unlink()

    def first(self):
        process = self.pool.start("stage", "--json")
        self.pool.wait_until(process, self.pool.peers[1].marker.exists, "the first run to be done with one of its peers")
        return process

    def assert_second_goes_away(self, staging=None, wrapper=(), name="two"):
        pool = self.pool
        first = self.first()
        before = Disk().tree(pool.staging)
        if name == "deleted lock":
            (pool.staging / ".peerstage/.lock").unlink()
            before = Disk().tree(pool.staging)
        second = self.second(staging, wrapper)
        problems = []
        if second.exit != 75:
            problems.append(f"exit {second.exit} instead of 75: {second}")
        after = Disk().tree(pool.staging)
        problems += [f"changed: {path}" for path in {*before, *after} if before.get(path) != after.get(path)]
        self.late.ready()
        result = pool.finish(first)
        self.assert_exit(result, 0)
        problems += self.converge(pool)
        print(f"faults: races.{name.replace(' ', '_')}: 1 rounds, 2 runs, {len(problems)} violations", flush=True)
        self.assertEqual(problems, [])

    def second(self, staging, wrapper):
        """Another one, with a configuration of its own."""
        pool = self.pool
        text = pool.config.read_text()
        other = pool.directory / "other.conf"
        other.write_text(text.replace(f"<staging_dir>{pool.staging}<", f"<staging_dir>{staging or pool.staging}<"))
        self.assertIn(str(staging or pool.staging), other.read_text())
        real, pool.config = pool.config, other
        try:
            return pool.finish(pool.start("stage", "--json", write=False, wrapper=wrapper))
        finally:
            pool.config = real
            other.unlink()

    def test_on_one_directory_the_second_goes_away(self):
        self.assert_second_goes_away()

    def test_by_way_of_a_link_the_second_goes_away(self):
        link = self.pool.directory / "link"
        link.symlink_to(self.pool.staging)
        self.addCleanup(link.unlink)
        self.assert_second_goes_away(link, name="by link")

    @needs_root
    def test_by_way_of_a_bind_mount_the_second_goes_away(self):
        place = self.pool.make_directory("bound")
        self.assert_second_goes_away(place, ["unshare", "--mount", "sh", "-c",
                                             f'mount --bind "{self.pool.staging}" "{place}" && exec "$@"', "sh"], "by mount")

    def test_where_the_lock_file_was_removed_the_second_goes_away(self):
        self.assert_second_goes_away(name="deleted lock")

    def test_many_at_once_take_turns_or_go_away(self):
        pool = self.pool
        self.late.ready()
        rounds, winners, problems = (30 if LONG else 5), 0, []
        for _ in range(rounds):
            self.late.write("one", os.urandom(1000))
            pool.write_known_hosts()
            pool.write_config()
            runs = [pool.start("stage", "--json", write=False) for _ in range(4)]
            results = [pool.finish(run) for run in runs]
            exits = sorted(result.exit for result in results)
            winners += exits.count(0)
            if not set(exits) <= {0, 75} or 0 not in exits:
                problems.append(f"they ended with {exits}")
            if not self.is_complete(pool, "near"):
                problems.append("the day is not complete")
        problems += self.converge(pool)
        print(f"faults: races.many_runs: {rounds} rounds, {winners} of {4 * rounds} ran, {len(problems)} violations", flush=True)
        self.assertEqual(problems, [])


class RunAndReload(Races):
    """L32: a run keeps to the configuration with which it began."""

    def test_reloads_during_runs_change_the_next_one_only(self):
        pool = self.make_pool(wait_for_collect="1m", poll_interval="500ms")
        daemon = Daemon(pool).start()
        rounds, reloads, problems = (20 if LONG else 3), 0, []
        late = pool.peers[0]
        for _ in range(rounds):
            for name in ("cback.collect", "cback.stage"):
                (late.collect / name).unlink(missing_ok=True)
            shutil.rmtree(pool.staging / today(), ignore_errors=True)
            run = daemon.start_job()
            wait_until(lambda: (pool.staging / today() / "far/cback.sha256").exists(), "the run to be at work")
            # Another pool, in another place, and back: the run must not care.
            kept = pool.peers, pool.staging
            pool.peers, pool.staging = pool.peers[1:], pool.directory / "elsewhere"
            reloads += self.reload(pool)
            late.ready()
            document = daemon.wait_for(run)
            pool.peers, pool.staging = kept
            reloads += self.reload(pool)
            names = {peer["name"]: peer["status"] for peer in document["peers"]}
            if names != {"near": "staged", "far": "staged"}:
                problems.append(f"the run ended with {names}")
            if not all(self.is_complete(pool, peer.name) for peer in pool.peers):
                problems.append("the day is not complete")
            if (pool.directory / "elsewhere").exists():
                problems.append("the run went to another place")
        self.assert_exit(daemon.stop(), 0)
        print(f"faults: races.reload: {rounds} rounds, {reloads} reloads, {len(problems)} violations", flush=True)
        self.assertEqual(problems, [])

    def reload(self, pool):
        pool.write_config()
        result = pool.run("reload", write=False)
        self.assert_exit(result, 0)
        return 1


class RunAndPurge(Races):
    """Old days go, and nothing else, whoever purges while a run is at work."""

    def make_pool(self, **staging):
        pool = super().make_pool(**staging)
        pool.top_elements = (f"<purge><dir><abs_path>{pool.staging}</abs_path><retain_days>1</retain_days></dir></purge>")
        return pool

    def old_day(self, pool, number):
        place = pool.staging / f"2020/01/{number % 28 + 1:02}/near"
        place.mkdir(parents=True, exist_ok=True)
        (place / "file").write_text("old")
        os.utime(place / "file", (0, 0))
        for path in (place, *place.parents):
            if path == pool.staging:
                break
            if IS_ROOT:
                shutil.chown(path, pool.user, pool.group)
            os.utime(path, (0, 0))
        return place

    def purge_while_staging(self, command, name):
        pool = self.make_pool()
        self.assert_exit(pool.stage(), 0)
        rounds, purges, purged, problems = (40 if LONG else 4), 0, 0, []
        for number in range(rounds):
            old = self.old_day(pool, number)
            for peer in pool.peers:
                peer.write("one", os.urandom(3000))
            run = pool.start("stage", "--json")
            while True:
                is_over = run.poll() is not None
                result = subprocess.run([str(word) for word in command(pool)], capture_output=True, text=True,
                                        env=pool.environment(), cwd="/")
                purges += 1
                if result.returncode:
                    problems.append(f"the purge ended with {result.returncode}: {result.stdout}{result.stderr}")
                if is_over:
                    break
            staged = pool.finish(run)
            if staged.exit or not all(self.is_complete(pool, peer.name) for peer in pool.peers):
                problems.append(f"the day is not complete: {staged}")
            purged += not (old / "file").exists()
        if purged != rounds:
            problems.append(f"only {purged} of {rounds} old days are gone")
        problems += self.converge(pool)
        print(f"faults: races.{name}: {rounds} rounds, {purges} purges, {len(problems)} violations", flush=True)
        self.assertEqual(problems, [], "\n".join(problems[:5]))

    def test_our_own_purge_takes_old_days_and_nothing_of_a_run(self):
        self.purge_while_staging(lambda pool: [binary(), "-c", pool.config, "-l", pool.directory / "purge.log", "purge"],
                                 "purge")

    @needs_root
    def test_the_purge_of_cedar_backup_takes_old_days_and_nothing_of_a_run(self):
        self.purge_while_staging(
            lambda pool: ["cback3", "-c", pool.config, "-l", pool.directory / "cback3.log", "purge"], "cedar_purge")


if __name__ == "__main__":
    unittest.main()
