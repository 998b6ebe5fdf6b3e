#!/usr/bin/python3
"""The stage action from outside: what stands where afterwards, what it says, how it ends."""
import datetime
import itertools
import os
import re
import signal
import socket
import stat
import time
import unittest
from pathlib import Path

from case import PoolTest, needs_root
from pool import IS_ROOT, MANIFEST, MARKERS_OF_OTHERS, send, sha256, snapshot

FILES = {"etc.tar.gz": b"etc" * 1000, ".hidden": b"h", "home/anna/mail.tar": b"m" * 70_000, "empty": b""}
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d \S+ --> \[(DEBUG  |INFO   |WARNING|ERROR  )\] \S.*")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def days(pool):
    """The pool's days only, without our own directory."""
    return pool.visible_files()


def lock_is_held(pool):
    inodes = {line.split()[5].split(":")[2] for line in Path("/proc/locks").read_text().splitlines() if "->" not in line}
    return any(str(path.stat().st_ino) in inodes for path in (pool.staging / ".peerstage").rglob("*lock*")) or \
        str(pool.staging.stat().st_ino) in inodes


class Pools(PoolTest):
    def mixed_pool(self, **staging):
        pool = self.make_pool(**staging)
        pool.near = pool.local("near", FILES)
        pool.far = pool.remote("far", FILES)
        return pool


class FirstRun(Pools):
    def test_mixed_pool_is_staged(self):
        pool = self.mixed_pool()
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_statuses(result, near="staged", far="staged")
        for peer in (pool.near, pool.far):
            self.assert_staged(pool, result, peer, {"cback.collect": sha256(b""),
                                                    **{name: sha256(data) for name, data in FILES.items()}})
            self.assert_marked(peer)
        self.assertTrue((result.day / "cback.stage").is_file())
        self.assertEqual((result.day / "cback.stage").stat().st_size, 0)
        self.assertEqual(sorted(os.listdir(result.day)), ["cback.stage", "far", "near"])
        self.assertEqual(pool.leftovers(), [])
        self.assert_sound(pool, result)

    def test_document(self):
        pool = self.mixed_pool()
        before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        day = datetime.date.today()
        result = pool.stage()
        document = result.json
        self.assertEqual(sorted(document), ["peers", "run", "version"])
        self.assertEqual(document["version"], 1)
        run = document["run"]
        self.assertEqual(sorted(run), sorted(
            ["id", "action", "date", "started", "finished", "daily_dir", "status", "exit_code", "error"]))
        self.assertEqual((run["action"], run["status"], run["exit_code"], run["error"]), ("stage", "ok", 0, None))
        self.assertEqual(run["date"], str(day))
        self.assertEqual(run["daily_dir"], f"{pool.staging}/{day:%Y/%m/%d}")
        self.assertTrue(run["id"])
        started, finished = (datetime.datetime.fromisoformat(run[name].replace("Z", "+00:00"))
                             for name in ("started", "finished"))
        self.assertTrue(run["started"].endswith("Z") and run["finished"].endswith("Z"))
        self.assertLessEqual(before, started)
        self.assertLessEqual(started, finished)
        self.assertEqual([peer["name"] for peer in document["peers"]], ["near", "far"])
        for peer, kind in zip(document["peers"], ("local", "remote")):
            self.assertGreaterEqual(peer.pop("seconds"), 0)
            size = sum(map(len, FILES.values()))
            self.assertEqual(peer, {"name": peer["name"], "type": kind, "status": "staged", "files": 5, "bytes": size,
                                    "reused_files": 0, "attempts": 1, "skipped": [], "error": None})

    def test_local_peers_come_first_as_in_cedar(self):
        pool = self.make_pool()
        pool.remote("r1", {}), pool.local("l1", {}), pool.remote("r2", {}), pool.local("l2", {})
        self.assertEqual(list(pool.stage().statuses()), ["l1", "l2", "r1", "r2"])

    def test_local_and_remote_give_the_same_tree(self):
        pool = self.mixed_pool()
        for peer in (pool.near, pool.far):
            peer.write("deep/er/file", b"deep", 0o600)
            peer.write("run.sh", b"#!/bin/sh", 0o755)
            peer.write("locked", b"locked", 0o400)
        result = pool.stage()
        self.assert_exit(result, 0)
        trees = [{name: entry.content() for name, entry in snapshot(result.day / peer).items()}
                 for peer in ("near", "far")]
        self.assertEqual(trees[0], trees[1])

    def test_modes_follow_the_source_and_the_umask(self):
        modes = {"private": 0o600, "plain": 0o644, "shared": 0o664, "script": 0o777, "setuid": 0o4755}
        for umask in (0o022, 0o077, 0o000):
            with self.subTest(umask=oct(umask)):
                pool = self.mixed_pool()
                for peer, (name, mode) in itertools.product((pool.near, pool.far), modes.items()):
                    peer.write(name, b"x", mode)
                result = pool.stage(umask=umask)
                self.assert_exit(result, 0)
                for peer in ("near", "far"):
                    found = {name: stat.S_IMODE((result.day / peer / name).stat().st_mode) for name in modes}
                    self.assertEqual(found, {name: mode & 0o777 & ~umask for name, mode in modes.items()}, peer)

    def test_configured_permissions_win(self):
        pool = self.mixed_pool(permissions="640")
        result = pool.stage(umask=0o077)
        self.assert_exit(result, 0)
        for peer, name in itertools.product(("near", "far"), FILES):
            self.assertEqual(stat.S_IMODE((result.day / peer / name).stat().st_mode), 0o640, f"{peer}/{name}")

    @needs_root
    def test_everything_belongs_to_the_backup_user(self):
        pool = self.mixed_pool()
        result = pool.stage()
        self.assert_exit(result, 0)
        owners = {name: entry.owner for name, entry in days(pool).items() if entry.owner != (pool.user, pool.group)}
        self.assertEqual(owners, {}, str(result))

    @needs_root
    def test_staging_directory_of_root(self):
        pool = self.mixed_pool()
        os.chown(pool.staging, 0, 0)
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assertEqual(snapshot(pool.staging)[str(result.day.relative_to(pool.staging))].owner,
                         (pool.user, pool.group))

    @needs_root
    def test_local_files_that_only_root_can_read(self):
        pool = self.make_pool()
        near = pool.local("near", {})
        near.write("shadow", b"secret", 0o600)
        near.collect.chmod(0o700)
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(pool, result, near)

    def test_staging_directory_is_made(self):
        pool = self.mixed_pool()
        os.rmdir(pool.staging)
        pool.staging = pool.working / "deep" / "staging"
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(pool, result, pool.far)

    def test_staged_files_are_young(self):
        """Purge counts from the time of staging."""
        pool = self.mixed_pool()
        for peer in (pool.near, pool.far):
            os.utime(peer.collect / "etc.tar.gz", (0, 0))
        result = pool.stage()
        for peer in ("near", "far"):
            self.assertLess(abs(time.time() - (result.day / peer / "etc.tar.gz").stat().st_mtime), 60)

    def test_source_is_left_as_it_was(self):
        pool = self.mixed_pool()
        before = {peer.name: snapshot(peer.collect) for peer in (pool.near, pool.far)}
        pool.stage()
        for peer in (pool.near, pool.far):
            after = snapshot(peer.collect)
            self.assertEqual(after.pop("cback.stage").sha256, sha256(b""))
            self.assertEqual(after, before[peer.name])

    def test_peer_with_nothing_but_its_marker(self):
        pool = self.make_pool()
        pool.local("near", {}), pool.remote("far", {})
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assertEqual([peer["files"] for peer in result.json["peers"]], [1, 1])

    def test_collect_directory_with_blanks_and_quotes(self):
        pool = self.make_pool()
        for number, kind in enumerate((pool.local, pool.remote)):
            peer = kind(f"p{number}")
            peer.collect = pool.make_directory(f"peers/a b'$(c)\"{number}")
            peer.write("data", b"d")
            peer.ready()
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_statuses(result, p0="staged", p1="staged")

    def test_large_file(self):
        pool = self.make_pool()
        block = bytes(range(256)) * 4096
        far = pool.remote("far", {"big": block * 40})
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(pool, result, far)

    def test_many_peers(self):
        pool = self.make_pool(parallel_peers=4)
        for number in range(12):
            pool.remote(f"r{number}", {"data": b"%d" % number})
            pool.local(f"l{number}", {"data": b"%d" % number})
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assertEqual(set(result.statuses().values()), {"staged"})
        for peer in pool.peers:
            self.assert_staged(pool, result, peer)

    def test_several_connections_to_one_peer(self):
        pool = self.make_pool(connections_per_peer=3)
        far = pool.remote("far", {f"file{n}": bytes([n]) * 100_000 for n in range(30)})
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(pool, result, far)

    def test_bandwidth_limit(self):
        pool = self.make_pool(bandwidth_limit="1 MB")
        pool.remote("far", {"data": b"x" * (3 << 20)})
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assertGreater(result.seconds, 1.5)


class Rerun(Pools):
    def test_nothing_new(self):
        pool = self.mixed_pool()
        pool.stage()
        before = days(pool)
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_statuses(result, near="unchanged", far="unchanged")
        self.assertEqual([(peer["files"], peer["reused_files"]) for peer in result.json["peers"]], [(5, 5)] * 2)
        self.assertEqual(days(pool), before, str(result))
        self.assert_marked(pool.near)
        self.assert_marked(pool.far)

    def test_changed_added_and_gone(self):
        pool = self.mixed_pool()
        pool.stage()
        for peer in (pool.near, pool.far):
            peer.write("etc.tar.gz", b"changed")
            peer.write("added.tar", b"added")
            (peer.collect / "empty").unlink()
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_statuses(result, near="staged", far="staged")
        for peer in (pool.near, pool.far):
            self.assert_staged(pool, result, peer, {**peer.content(), "empty": sha256(b"")})
        self.assertEqual([(peer["files"], peer["reused_files"]) for peer in result.json["peers"]], [(6, 4)] * 2)
        self.assert_sound(pool, result)

    def test_what_has_not_changed_since_yesterday_is_taken_from_there(self):
        pool = self.mixed_pool()
        today = pool.stage().day
        yesterday = pool.staging / (datetime.date.today() - datetime.timedelta(days=1)).strftime("%Y/%m/%d")
        yesterday.parent.mkdir(parents=True, exist_ok=True)
        today.rename(yesterday)
        before = snapshot(yesterday)
        for peer in (pool.near, pool.far):
            peer.marker.unlink()
            peer.write("etc.tar.gz", b"changed")
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_statuses(result, near="staged", far="staged")
        self.assertEqual([(peer["files"], peer["reused_files"]) for peer in result.json["peers"]], [(5, 4)] * 2)
        for peer in (pool.near, pool.far):
            self.assert_staged(pool, result, peer)
            self.assert_marked(peer)
        self.assertEqual(snapshot(yesterday), before)
        self.assert_sound(pool, result)

    def test_change_of_the_same_size(self):
        pool = self.mixed_pool()
        pool.stage()
        for peer in (pool.near, pool.far):
            path = peer.write("etc.tar.gz", b"ETC" * 1000)
            os.utime(path, (time.time() + 100, time.time() + 100))
        result = pool.stage()
        for peer in (pool.near, pool.far):
            self.assert_staged(pool, result, peer)

    def test_marker_that_was_lost_comes_back(self):
        pool = self.mixed_pool()
        pool.stage()
        for peer in (pool.near, pool.far):
            peer.marker.unlink()
        self.assert_exit(pool.stage(), 0)
        self.assert_marked(pool.near)
        self.assert_marked(pool.far)

    def test_markers_of_other_tools_go_when_the_day_changes(self):
        pool = self.mixed_pool()
        day = pool.stage().day
        for name in MARKERS_OF_OTHERS:
            (day / name).touch()
        unchanged = pool.stage()
        self.assertEqual([name for name in MARKERS_OF_OTHERS if (day / name).exists()], list(MARKERS_OF_OTHERS))
        pool.far.write("more", b"more")
        changed = pool.stage()
        self.assertEqual([name for name in MARKERS_OF_OTHERS if (day / name).exists()], [])
        for name in MARKERS_OF_OTHERS:
            self.assertIn(name, changed.log)
            self.assertNotIn(name, unchanged.log)

    def test_unrelated_things_in_the_day_stay(self):
        pool = self.mixed_pool()
        day = pool.stage().day
        (day / "other").mkdir()
        (day / "other" / "file").write_bytes(b"")
        pool.far.write("more", b"more")
        self.assert_exit(pool.stage(), 0)
        self.assertTrue((day / "other" / "file").exists())


class Readiness(Pools):
    def test_not_ready(self):
        pool = self.mixed_pool()
        for peer in (pool.near, pool.far):
            (peer.collect / "cback.collect").unlink()
        third = pool.local("third", {"data": b"d"})
        result = pool.stage()
        self.assert_exit(result, 8)
        self.assert_statuses(result, near="not_ready", far="not_ready", third="staged")
        self.assertEqual(result.json["run"]["status"], "not_ready")
        self.assertEqual(result.peer("near")["error"]["kind"], "not_ready")
        self.assertEqual(sorted(os.listdir(result.day)), ["third"])
        self.assert_marked(third)
        self.assert_marked(pool.far, False)

    def test_collect_directory_missing(self):
        pool = self.mixed_pool()
        for peer in (pool.near, pool.far):
            peer.collect = peer.collect / "missing"
        result = pool.stage()
        self.assert_exit(result, 8)
        self.assert_statuses(result, near="not_ready", far="not_ready")

    def test_only_a_regular_file_is_a_marker(self):
        for make in (lambda path: path.mkdir(), lambda path: path.symlink_to("etc.tar.gz"), os.mkfifo):
            pool = self.mixed_pool()
            for peer in (pool.near, pool.far):
                path = peer.collect / "cback.collect"
                path.unlink()
                make(path)
            self.assert_statuses(pool.stage(), near="not_ready", far="not_ready")

    def test_ignore_failures(self):
        today, other = WEEKDAYS[datetime.date.today().weekday()], WEEKDAYS[datetime.date.today().weekday() - 1]
        table = {  # ignore_failures: (ordinary day, starting day or --full)
            None: ("not_ready", "not_ready"), "none": ("not_ready", "not_ready"), "all": ("ignored", "ignored"),
            "daily": ("ignored", "not_ready"), "weekly": ("not_ready", "ignored")}
        for mode, (ordinary, start) in table.items():
            for starting_day, full, expected in ((other, (), ordinary), (today, (), start), (other, ("--full",), start)):
                with self.subTest(ignore_failures=mode, starting_day=starting_day, full=full):
                    pool = self.make_pool()
                    pool.options["starting_day"] = starting_day
                    pool.local("late", ignore_failures=mode)
                    pool.local("good", {})
                    result = pool.stage(*full)
                    self.assert_statuses(result, late=expected, good="staged")
                    self.assert_exit(result, 0 if expected == "ignored" else 8)
                    self.assertEqual((result.day / "cback.stage").exists(), expected == "ignored")

    def test_ignore_failures_does_not_cover_failures(self):
        pool = self.make_pool(special_files="fail")
        bad = pool.local("bad", {}, ignore_failures="all")
        os.mkfifo(bad.collect / "pipe")
        self.assert_exit(pool.stage(), 7)

    def test_failed_is_worse_than_not_ready(self):
        pool = self.make_pool(special_files="fail")
        os.mkfifo(pool.local("bad", {}).collect / "pipe")
        pool.local("late")
        result = pool.stage()
        self.assert_exit(result, 7)
        self.assertEqual(result.json["run"]["status"], "failed")

    def test_waits_for_a_late_peer(self):
        for kind in ("local", "remote"):
            with self.subTest(kind):
                pool = self.make_pool(wait_for_collect="60s", poll_interval="100ms")
                late = getattr(pool, kind)("late")
                late.write("data", b"late")
                process = pool.start("stage", "--json")
                pool.wait_until(process, lambda pool=pool: lock_is_held(pool), "the lock is held")
                late.ready()
                result = pool.finish(process)
                self.assert_exit(result, 0)
                self.assert_staged(pool, result, late)

    def test_gives_up_waiting(self):
        pool = self.make_pool(wait_for_collect="1s", poll_interval="100ms")
        pool.local("late")
        result = pool.stage()
        self.assert_exit(result, 8)
        self.assertGreater(result.seconds, 0.9)


class DailyIndicator(Pools):
    def day_is_marked(self, setting, ready, late):
        pool = self.make_pool(daily_indicator=setting)
        for name in ready:
            pool.local(name, {"data": b"d"})
        for name in late:
            pool.local(name)
        result = pool.stage()
        return (result.day / "cback.stage").exists()

    def test_table(self):
        for setting, all_ready, some_ready, none_ready in (
                (None, True, False, False), ("complete", True, False, False), ("any", True, True, False),
                ("always", True, True, True)):
            with self.subTest(setting):
                self.assertEqual(self.day_is_marked(setting, ["a", "b"], []), all_ready)
                self.assertEqual(self.day_is_marked(setting, ["a"], ["b"]), some_ready)
                self.assertEqual(self.day_is_marked(setting, [], ["a", "b"]), none_ready)

    def test_day_becomes_complete_with_the_last_peer(self):
        pool = self.make_pool()
        pool.local("early", {})
        late = pool.local("late")
        day = pool.stage().day
        self.assertFalse((day / "cback.stage").exists())
        late.ready()
        self.assert_exit(pool.stage(), 0)
        self.assertTrue((day / "cback.stage").exists())


class Entries(Pools):
    def add_special_files(self, peer):
        os.mkfifo(peer.collect / "pipe")
        (peer.collect / "link").symlink_to("etc.tar.gz")
        (peer.collect / "dangling").symlink_to("/nowhere")
        (peer.collect / "up").symlink_to(peer.pool.canary)
        here = os.getcwd()
        os.chdir(peer.collect / "home")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("sock")
        os.chdir(here)

    def test_special_files_are_skipped_and_told(self):
        pool = self.mixed_pool()
        for peer in (pool.near, pool.far):
            self.add_special_files(peer)
        result = pool.stage()
        self.assert_exit(result, 0)
        for peer in (pool.near, pool.far):
            told = {(entry["name"], entry["reason"]) for entry in result.peer(peer.name)["skipped"]}
            self.assertEqual(told, {("pipe", "fifo"), ("link", "symlink"), ("dangling", "symlink"), ("up", "symlink"),
                                    ("home/sock", "socket")}, peer.name)
            self.assert_staged(pool, result, peer)
        self.assert_sound(pool, result)

    def test_special_files_fail(self):
        pool = self.mixed_pool(special_files="fail")
        os.mkfifo(pool.near.collect / "pipe")
        os.mkfifo(pool.far.collect / "home/pipe")
        result = pool.stage()
        self.assert_exit(result, 7)
        self.assert_failed(result, "near", "permanent", "pipe", "fifo")
        self.assert_failed(result, "far", "permanent", "home/pipe", "fifo")
        self.assertEqual(os.listdir(result.day) if result.day.exists() else [], [])

    def test_subdirectories(self):
        with self.subTest("skip"):
            pool = self.mixed_pool(subdirectories="skip")
            result = pool.stage()
            self.assert_exit(result, 0)
            for peer in (pool.near, pool.far):
                self.assertEqual(result.peer(peer.name)["skipped"], [{"name": "home", "reason": "directory"}])
                self.assertEqual(sorted(pool.staged(result, peer)),
                                 [".hidden", "cback.collect", "empty", "etc.tar.gz"])
        with self.subTest("fail"):
            pool = self.mixed_pool(subdirectories="fail")
            result = pool.stage()
            self.assert_exit(result, 7)
            self.assert_failed(result, "near", "permanent", "home")
            self.assert_failed(result, "far", "permanent", "home")

    def test_unreadable_file_fails_its_peer_only(self):
        if IS_ROOT:
            self.skipTest("root can read everything, and logs in as root")
        pool = self.mixed_pool()
        pool.far.write("secret", b"s", 0o000)
        result = pool.stage()
        self.assert_exit(result, 7)
        self.assert_failed(result, "far", "permanent", "secret")
        self.assert_staged(pool, result, pool.near)

    def test_names_that_are_hard_to_print(self):
        pool = self.make_pool()
        files = {b"\xff\xfe": b"1", "é☃".encode(): b"2", b"back\\slash": b"3", b"x" * 255: b"4", b" blank ": b"5",
                 b"$(touch x)`'\"": b"6", b"-rf": b"7"}
        near, far = pool.local("near", files), pool.remote("far", files)
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(pool, result, near)
        self.assert_staged(pool, result, far)

    def test_control_characters_in_names_are_refused(self):
        pool = self.make_pool()
        for number, kind in enumerate((pool.local, pool.remote)):
            kind(f"p{number}", {b"line\nbreak": b"1"})
        result = pool.stage()
        self.assert_exit(result, 7)
        self.assert_statuses(result, p0="failed", p1="failed")
        self.assert_printable(result)


class Verification(Pools):
    def with_manifest(self, lines, **staging):
        pool = self.mixed_pool(**staging)
        for peer in (pool.near, pool.far):
            (peer.collect / MANIFEST).write_text("".join(f"{digest}  {name}\n" for name, digest in lines.items()))
        return pool

    def test_good_manifest_of_the_peer(self):
        pool = self.with_manifest({"etc.tar.gz": sha256(FILES["etc.tar.gz"]),
                                   "home/anna/mail.tar": sha256(FILES["home/anna/mail.tar"])})
        result = pool.stage()
        self.assert_exit(result, 0)
        for peer in (pool.near, pool.far):
            self.assert_staged(pool, result, peer)
        self.assertEqual([peer["files"] for peer in result.json["peers"]], [5, 5])

    def test_manifest_that_names_another_sum(self):
        pool = self.with_manifest({"etc.tar.gz": sha256(b"something else")})
        result = pool.stage()
        self.assert_exit(result, 7)
        for peer in (pool.near, pool.far):
            self.assertEqual(result.peer(peer.name)["status"], "failed", str(result))
            self.assertIn("etc.tar.gz", result.message(peer.name))
            self.assertIsNone(pool.staged(result, peer))
            self.assert_marked(peer, False)

    def test_manifest_that_names_a_missing_file(self):
        pool = self.with_manifest({"gone.tar": sha256(b"gone")})
        result = pool.stage()
        self.assert_exit(result, 7)
        for peer in (pool.near, pool.far):
            self.assertIn("gone.tar", result.message(peer.name))

    def test_manifest_is_not_looked_at_when_not_asked(self):
        pool = self.with_manifest({"etc.tar.gz": sha256(b"something else")}, verify="none")
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(pool, result, pool.far)

    def test_checksum_asks_the_peer(self):
        pool = self.mixed_pool(verify="checksum")
        for peer in (pool.near, pool.far):
            peer.write(b"odd ' name\xff", b"odd")
        result = pool.stage()
        self.assert_exit(result, 0)
        self.assert_staged(pool, result, pool.far)
        self.assertIn("Starting session: command", pool.sshd.log_text())


class CommandLine(Pools):
    def test_one_peer_only(self):
        pool = self.mixed_pool()
        result = pool.stage("--peer", "far")
        self.assert_exit(result, 0)
        self.assert_statuses(result, far="staged")
        self.assertFalse((result.day / "near").exists())
        self.assert_marked(pool.near, False)

    def test_unknown_peer(self):
        pool = self.mixed_pool()
        result = pool.stage("--peer", "nobody")
        self.assertIn(result.exit, (2, 4), str(result))
        self.assertIn("nobody", result.stderr + result.stdout)
        self.assertEqual(days(pool), {})

    def test_dry_run_changes_nothing(self):
        pool = self.mixed_pool()
        pool.write_known_hosts(), pool.write_config()
        before = snapshot(pool.staging), snapshot(pool.directory / "peers")
        result = pool.stage("--dry-run", write=False)
        self.assert_exit(result, 0)
        self.assertEqual(sorted(result.statuses()), ["far", "near"])
        self.assertEqual((snapshot(pool.staging), snapshot(pool.directory / "peers")), before, str(result))

    def test_dry_run_says_so_and_waits_for_nobody(self):
        pool = self.make_pool(wait_for_collect="1h")
        pool.local("near", {})
        pool.local("late")
        result = pool.stage("--dry-run")
        self.assert_exit(result, 8)
        self.assertEqual(result.statuses(), {"near": "staged", "late": "not_ready"})
        self.assertIn("peer near: would stage 1 files", result.log)
        self.assertIn("dry run: nothing is changed anywhere", result.log)

    def test_switches_before_and_after_the_action(self):
        for arguments in (("--json", "stage"), ("stage", "--json"), ("--json", "--full", "stage"), ("stage", "--json", "-f")):
            pool = self.make_pool()
            pool.local("near", {})
            result = pool.run(*arguments)
            self.assert_exit(result, 0)
            self.assertEqual(result.statuses(), {"near": "staged"})

    def test_plain_output_says_what_happened(self):
        pool = self.mixed_pool()
        (pool.near.collect / "cback.collect").unlink()
        result = pool.run("stage", "--progress", "always")
        self.assert_exit(result, 8)
        self.assertIn("far", result.stdout + result.stderr)
        self.assertIn("near", result.stdout + result.stderr)
        self.assert_printable(result)

    def test_version_and_help_need_nothing(self):
        pool = self.make_pool()
        version = pool.run("--version", write=False)
        self.assert_exit(version, 0)
        self.assertRegex(version.stdout, r"\d+\.\d+\.\d+")
        usage = pool.run("--help", write=False)
        self.assert_exit(usage, 0)
        self.assertIn("stage", usage.stdout + usage.stderr)
        self.assertFalse(pool.log.exists())

    def test_wrong_command_lines(self):
        pool = self.make_pool()
        pool.local("near", {})
        for arguments in (("--nonsense", "stage"), (), ("stage", "--progress", "sometimes"), ("-c", "", "stage"),
                          ("-M", "-N", "stage"), ("--mode", "999", "stage"), ("--owner", "root", "stage")):
            with self.subTest(arguments):
                result = pool.run(*arguments)
                self.assert_exit(result, 2)
                self.assertNotEqual(result.stderr, "")
        self.assertEqual(days(pool), {})

    def test_unknown_action(self):
        pool = self.make_pool()
        pool.local("near", {})
        result = pool.run("juggle", "--json")
        self.assert_exit(result, 4)
        self.assertFalse(result.json["valid"])
        self.assertIn("juggle", result.json["findings"][0]["message"])

    def test_an_action_asked_for_twice_gives_one_document(self):
        pool = self.mixed_pool()
        result = pool.run("stage", "stage", "--json")
        self.assert_exit(result, 0)
        first, second = (action["result"]["peers"] for action in result.json["actions"])
        self.assertEqual({peer["status"] for peer in first}, {"staged"})
        self.assertEqual({peer["status"] for peer in second}, {"unchanged"})

    def test_a_configuration_without_a_stage_section_has_a_document_with_its_date(self):
        pool = self.mixed_pool()
        pool.write_config()
        text = pool.config.read_text()
        pool.config.write_text(text[:text.index("<stage>")] + "<purge/>" + text[text.index("</stage>") + len("</stage>"):])
        pool.write_config = lambda: None
        result = pool.run("stage", "--json")
        self.assert_exit(result, 6)
        self.assertEqual(result.json["run"]["date"], f"{datetime.date.today():%Y-%m-%d}")
        self.assertIn("stage section", result.json["run"]["error"])

    def test_check(self):
        pool = self.mixed_pool()
        result = pool.run("check", "--json")
        self.assert_exit(result, 0)
        self.assertEqual(result.json, {"valid": True, "findings": []})

    def test_check_of_a_bad_configuration(self):
        pool = self.mixed_pool()
        pool.write_config()
        pool.config.write_text(pool.config.read_text().replace("<type>local</type>", "<type>lcoal</type>"))
        for arguments in (("check", "--json"), ("stage", "--json")):
            result = pool.run(*arguments, write=False)
            self.assert_exit(result, 4)
            self.assertFalse(result.json["valid"])
            (finding,) = [each for each in result.json["findings"] if each["severity"] == "error"]
            self.assertEqual(sorted(finding), ["element", "file", "line", "message", "severity"])
            self.assertEqual((finding["file"], finding["line"]), (str(pool.config), 5))
            self.assertIn("lcoal", finding["message"])
        self.assertEqual(days(pool), {})

    def test_all_findings_are_told(self):
        pool = self.mixed_pool()
        pool.top_elements = "<nonsense/>"
        pool.staging_settings.update(parallel_peers=0, retrys=3)
        result = pool.run("check", "--json")
        self.assert_exit(result, 4)
        errors = [each["element"] for each in result.json["findings"] if each["severity"] == "error"]
        self.assertEqual(errors, ["peerstage/staging/parallel_peers", "peerstage/staging/retrys"], str(result))
        self.assertTrue(any("nonsense" in each["element"] for each in result.json["findings"]
                            if each["severity"] == "warning"), str(result))

    def test_dangerous_peer_names(self):
        for name in ("..", "a/b", "-x", ".hidden", "cback.stage", "a b"):
            pool = self.make_pool()
            pool.local("near", {}).name = name
            self.assert_exit(pool.stage(), 4)

    @needs_root
    def test_configuration_that_others_can_write(self):
        pool = self.make_pool()
        pool.local("near", {})
        pool.write_config()
        pool.config.chmod(0o666)
        result = pool.stage(write=False)
        self.assert_exit(result, 4)
        self.assertEqual(days(pool), {})


class Endings(Pools):
    def test_log_that_cannot_be_opened(self):
        pool = self.make_pool()
        pool.local("near", {})
        pool.log = pool.config / "peerstage.log"
        pool.write_config()
        result = pool.run("stage", write=False)
        self.assert_exit(result, 3)
        self.assertEqual(days(pool), {})

    def test_staging_directory_unusable(self):
        pool = self.make_pool()
        pool.local("near", {})
        pool.staging.rmdir()
        pool.staging.write_bytes(b"a file")
        result = pool.stage()
        self.assert_exit(result, 6)
        self.assertEqual((result.json["run"]["status"], result.json["run"]["exit_code"]), ("error", 6))
        self.assertIn(str(pool.staging), result.json["run"]["error"])

    def test_file_in_place_of_the_day(self):
        pool = self.make_pool()
        near = pool.local("near", {})
        (pool.staging / f"{datetime.date.today():%Y}").write_bytes(b"a file")
        result = pool.stage()
        self.assertIn(result.exit, (6, 7), str(result))
        self.assert_marked(near, False)

    def test_symlink_in_place_of_a_peer(self):
        """What stands there is neither followed nor filled."""
        pool = self.make_pool()
        near, far = pool.local("near", {"data": b"n"}), pool.remote("far", {"data": b"f"})
        day = pool.staging / f"{datetime.date.today():%Y/%m/%d}"
        day.mkdir(parents=True)
        (day / "near").symlink_to(pool.canary)
        (day / "far").symlink_to(pool.canary)
        result = pool.stage()
        self.assertEqual(sorted(os.listdir(pool.canary)), ["precious"], str(result))
        self.assert_exit(result, 7)
        self.assert_marked(near, False)
        self.assert_marked(far, False)

    @needs_root
    def test_unknown_backup_user_or_group(self):
        for name in ("backup_user", "backup_group"):
            pool = self.mixed_pool()
            pool.options[name] = "no-such-name"
            result = pool.stage()
            self.assert_exit(result, 6)
            self.assertIn("no-such-name", result.json["run"]["error"])
            self.assertEqual(snapshot(pool.staging), {})

    def test_second_run_at_the_same_time(self):
        pool = self.make_pool(wait_for_collect="60s", poll_interval="100ms")
        late = pool.local("late")
        first = pool.start("stage", "--json")
        pool.wait_until(first, lambda: lock_is_held(pool), "the lock is held")
        second = pool.stage()
        self.assert_exit(second, 75)
        self.assertEqual((second.json["run"]["status"], second.json["run"]["exit_code"]), ("error", 75))
        self.assertEqual(second.json["peers"], [])
        late.ready()
        self.assert_exit(pool.finish(first), 0)

    def test_interrupted_while_waiting(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                pool = self.make_pool(wait_for_collect="60s")
                good = pool.local("good", {"data": b"d"})
                pool.local("late")
                process = pool.start("stage", "--json")
                pool.wait_until(process, lambda pool=pool: "good: staged" in pool.log_text(), "the good peer is staged")
                send(process, number)
                result = pool.finish(process, deadline=10)
                self.assert_exit(result, 5)
                self.assertEqual((result.json["run"]["status"], result.json["run"]["exit_code"]), ("interrupted", 5))
                self.assert_statuses(result, good="staged", late="cancelled")
                self.assert_staged(pool, result, good)
                self.assertFalse((result.day / "cback.stage").exists())

    def test_interrupted_while_publishing(self):
        pool = self.make_pool()
        near = pool.local("near", {f"d{n % 20}/f{n}": b"x" for n in range(2000)})
        process = pool.start("stage", "--json")
        unfinished = pool.staging / time.strftime("%Y/%m/%d") / "cback.peerstage.near"
        pool.wait_until(process, unfinished.exists, "it publishes")
        send(process)
        result = pool.finish(process, 20)
        self.assert_exit(result, 5)
        self.assertFalse(unfinished.exists(), str(result))
        self.assert_exit(pool.stage(), 0)
        self.assertEqual(pool.staged(result, near), near.content())

    def test_interrupted_while_fetching(self):
        pool = self.make_pool(bandwidth_limit="200 KB")
        far = pool.remote("far", {"data": os.urandom(4 << 20)})
        process = pool.start("stage", "--json")
        pool.wait_until(process, lambda: pool.unfinished_bytes() > 0, "bytes arrive")
        send(process)
        result = pool.finish(process, deadline=10)
        self.assert_exit(result, 5)
        self.assert_statuses(result, far="cancelled")
        self.assertIsNone(pool.staged(result, far))
        self.assert_marked(far, False)
        pool.staging_settings["bandwidth_limit"] = 0
        again = pool.stage()
        self.assert_exit(again, 0)
        self.assert_staged(pool, again, far)
        self.assertEqual(pool.leftovers(), [])

    def test_log_lines(self):
        pool = self.mixed_pool()
        (pool.near.collect / "cback.collect").unlink()
        result = pool.stage()
        lines = result.log.splitlines()
        self.assertGreater(len(lines), 2)
        self.assertEqual([line for line in lines if not LOG_LINE.fullmatch(line)], [])
        self.assertTrue(any("near" in line and "[ERROR  ]" in line for line in lines), result.log)
        self.assertTrue(any("far" in line and "[INFO   ]" in line for line in lines), result.log)
        self.assertEqual(stat.S_IMODE(pool.log.stat().st_mode), 0o640)
        if IS_ROOT:
            self.assertEqual((pool.log.owner(), pool.log.group()), ("root", "adm"))

    def test_log_of_a_quiet_run_has_no_errors(self):
        result = self.mixed_pool().stage()
        self.assert_exit(result, 0)
        self.assertIn("[INFO", result.log)
        self.assertNotIn("[ERROR", result.log)
        self.assertNotIn("[WARNING", result.log)

    def test_each_failure_is_logged_once(self):
        pool = self.make_pool(special_files="fail")
        os.mkfifo(pool.local("near", {}).collect / "pipe")
        result = pool.stage()
        self.assertEqual(len([line for line in result.log.splitlines() if "[ERROR" in line and "pipe" in line]), 1)

    def test_no_process_is_left(self):
        pool = self.mixed_pool()
        self.assert_exit(pool.stage(), 0)
        mine = [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline")
                if str(pool.config).encode() in read_or_nothing(path)]
        self.assertEqual(mine, [])


def read_or_nothing(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    unittest.main()
