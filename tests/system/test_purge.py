#!/usr/bin/python3
"""Purging, from outside: by the same rule as Cedar Backup's own program where that rule is right, by a better one where
it is not; and the verdict about a machine."""
import json
import os
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path
from xml.sax.saxutils import escape

from case import PoolTest, needs_root
from pool import IS_ROOT, send, snapshot

CBACK = Path("/usr/bin/cback3")
needs_cback3 = unittest.skipUnless(CBACK.exists(), "needs cback3")
DAY = 86_400
MINUTE = 60


def names(directory):
    """Everything below it, without reading a file or following a link: both would make it young."""
    found = []
    for entry in os.scandir(directory):
        found.append(entry.name)
        if entry.is_dir(follow_symlinks=False):
            found += [f"{entry.name}/{name}" for name in names(entry.path)]
    return sorted(found)


class PurgeTest(PoolTest):
    def setUp(self):
        self.pool = self.make_pool()
        self.near = self.pool.local("near")
        self.now = time.time() - 2  # Cedar takes the time of day in whole seconds
        self.data = self.pool.make_directory("data")
        self.purge_dirs((self.data, 7))

    def purge_dirs(self, *directories):
        self.pool.top_elements = "<purge>" + "".join(
            f"<dir><abs_path>{escape(str(path))}</abs_path><retain_days>{days}</retain_days></dir>"
            for path, days in directories) + "</purge>\n"

    def age(self, path, accessed, modified=None):
        """So many seconds ago, of the thing itself."""
        modified = accessed if modified is None else modified
        os.utime(path, (self.now - accessed, self.now - modified), follow_symlinks=False)

    def file(self, path, *ages, data=b"x"):
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.age(path, *ages)
        return path

    def directory(self, path, *ages):
        Path(path).mkdir(parents=True, exist_ok=True)
        self.age(path, *ages)

    def link(self, path, target, *ages):
        os.symlink(target, path)
        self.age(path, *ages)

    def purge(self, *arguments, **how):
        return self.pool.run("purge", *arguments, **how)

    def cedar_purge(self):
        self.pool.write_config()
        result = subprocess.run(
            [CBACK, "-c", self.pool.config, "-l", self.pool.directory / "cback3.log", "purge"], capture_output=True,
            text=True, stdin=subprocess.DEVNULL, timeout=60, env=self.pool.environment())
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


@needs_cback3
class AgainstCedarTest(PurgeTest):
    def make_tree(self, top):
        """Where both programs should do the same: every age of files, links that go in any case, one empty level."""
        ages = {"now": 0, "ahead": -5 * DAY, "hour": 3600, "day-less": DAY - 2 * MINUTE, "day": DAY,
                "two-days": 2 * DAY, "week-less": 7 * DAY - 2 * MINUTE, "week": 7 * DAY, "month": 30 * DAY,
                "years": 4000 * DAY}
        for read, accessed in ages.items():
            for written, modified in ages.items():
                self.file(top / "files" / f"{read}-{written}", accessed, modified)
                self.file(top / "more" / written / read, accessed, modified)
        self.file(os.fsdecode(os.fsencode(top / "files") + b"/na\xffme\n"), 30 * DAY)
        self.file(top / "files" / ".hidden", 30 * DAY)
        self.file(top / "kept" / "young", 0)
        self.link(top / "to-file", "kept/young", 4000 * DAY)
        self.link(top / "to-directory", "kept", 4000 * DAY)
        for level in ("empty", "more/empty"):
            self.directory(top / level, 4000 * DAY)
        # Whatever the file system says of these, neither program has a reason to remove them.
        for place in ("files", "kept"):
            self.age(top / place, 0)

    def compare(self, retain_days):
        ours = self.pool.make_directory(f"ours-{retain_days}")
        cedars = self.pool.make_directory(f"cedars-{retain_days}")
        for top in (ours, cedars):
            self.make_tree(top)
        before = names(ours)
        self.purge_dirs((cedars, retain_days))
        self.cedar_purge()
        self.purge_dirs((ours, retain_days))
        result = self.purge()
        self.assert_exit(result, 0)
        self.assertLess(len(names(ours)), len(before))
        self.assertEqual(names(ours), names(cedars), str(result))

    def test_same_files_after_a_day(self):
        self.compare(1)

    def test_same_files_after_a_week(self):
        self.compare(7)

    def test_same_files_after_a_month(self):
        self.compare(30)

    def test_same_files_after_years(self):
        self.compare(4000)

    def test_files_when_nothing_is_retained(self):
        """But Cedar leaves all levels of directories but the last, and by chance links whose target went first."""
        for name in ("ours", "cedars"):
            self.make_tree(self.pool.make_directory(name))
        self.purge_dirs((self.pool.directory / "cedars", 0))
        self.cedar_purge()
        self.purge_dirs((self.pool.directory / "ours", 0))
        self.assert_exit(self.purge(), 0)
        self.assertEqual(names(self.pool.directory / "ours"), [])
        left = self.pool.directory / "cedars"
        self.assertEqual([name for name in names(left) if (left / name).is_file()], [])

    def make_odd_tree(self, top):
        self.file(top / "2026/11/01/host/etc.tar", 30 * DAY)
        self.link(top / "dangling", "nowhere", 30 * DAY)
        self.link(top / "young-link", "stays", 0)
        self.file(top / "stays", 0)
        os.mkfifo(top / "fifo")
        self.age(top / "fifo", 30 * DAY)
        self.directory(top / "made-just-now", 0)

    def test_what_is_better_here(self):
        cedars, ours = (self.pool.make_directory(name) for name in ("cedars", "ours"))
        for top in (cedars, ours):
            self.make_odd_tree(top)
        self.purge_dirs((cedars, 7))
        self.cedar_purge()
        self.assertEqual(names(cedars), ["2026", "2026/11", "2026/11/01", "dangling", "fifo", "stays"])
        self.purge_dirs((ours, 7))
        self.assert_exit(self.purge(), 0)
        self.assertEqual(names(ours), ["made-just-now", "stays", "young-link"])

    def test_data_that_was_never_staged_is_lost_there_and_kept_here(self):
        def make(top):
            self.file(top / "etc.tar.gz", 9 * DAY, data=b"the only copy")
            self.file(top / "cback.collect", 9 * DAY)

        def collect_section(top):
            return (f"<collect><collect_dir>{top}</collect_dir><collect_mode>daily</collect_mode><archive_mode>tar"
                    f"</archive_mode><file><abs_path>/etc/hostname</abs_path></file></collect>\n")

        cedars, ours = (self.pool.make_directory(name) for name in ("cedars", "ours"))
        for top, purge in ((cedars, self.cedar_purge), (ours, self.purge)):
            make(top)
            self.purge_dirs((top, 7))
            self.pool.top_elements += collect_section(top)
            result = purge()
        self.assertEqual(names(cedars), [])
        self.assertEqual(names(ours), ["cback.collect", "etc.tar.gz"])
        self.assert_exit(result, 0)
        self.assertIn("[WARNING] kept 1 file of the collect directory", result.log)


class OwnTest(PurgeTest):
    def test_every_removal_is_logged(self):
        file = self.file(self.data / "a/old\n", 9 * DAY, data=b"12345")
        result = self.purge()
        self.assert_exit(result, 0)
        self.assertIn(f"[INFO   ] removed the file {self.data}/a/old\\x0a, 9 days old, 5 bytes\n", result.log)
        self.assertIn(f"[INFO   ] removed the directory {self.data}/a\n", result.log)
        self.assert_printable(result)
        self.assertFalse(file.exists())

    def test_dry_run_changes_nothing(self):
        self.file(self.data / "a/old", 9 * DAY)
        self.directory(self.data / "empty", 9 * DAY)
        before = names(self.data), os.stat(self.data).st_mtime_ns, os.stat(self.data / "empty").st_atime_ns
        result = self.purge("--dry-run")
        self.assert_exit(result, 0)
        self.assertEqual((names(self.data), os.stat(self.data).st_mtime_ns, os.stat(self.data / "empty").st_atime_ns),
                         before)
        self.assertIn(f"would remove the file {self.data}/a/old", result.log)
        self.assertIn(f"would remove the directory {self.data}/empty", result.log)

    def test_missing_directory_stops_nothing(self):
        file = self.file(self.data / "old", 9 * DAY)
        self.purge_dirs((self.pool.directory / "missing", 7), (self.data, 7))
        result = self.purge()
        self.assert_exit(result, 7)
        self.assertFalse(file.exists())
        self.assertIn("missing: No such file or directory", result.log)

    def test_without_a_section_there_is_nothing_to_do(self):
        self.pool.top_elements = ""
        result = self.purge()
        self.assert_exit(result, 6)
        self.assertIn("has no purge section", result.log)

    def test_signal_ends_it_cleanly(self):
        count = 40_000
        for number in range(count):
            path = self.data / str(number)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            self.age(path, 9 * DAY)
        process = self.pool.start("purge")
        self.pool.wait_until(process, lambda: "removed the file" in self.pool.log_text(), "it removed something")
        send(process, signal.SIGTERM)
        result = self.pool.finish(process)
        self.assert_exit(result, 5)
        left = len(names(self.data))
        self.assertTrue(0 < left < count, left)
        self.assertEqual(result.log.count("removed the file"), count - left)
        self.assertIn("interrupted", result.log)

    def test_from_stage_to_purge(self):
        """What was collected goes when a master has it, and not before."""
        self.near.write_all({"etc.tar": b"e", "home.tar": b"h"})
        self.near.ready()
        self.purge_dirs((self.near.collect, 0))
        result = self.purge()
        self.assert_exit(result, 0)
        self.assertEqual(names(self.near.collect), ["cback.collect", "etc.tar", "home.tar"])
        self.assert_exit(self.pool.stage(), 0)
        # A collect that is not staged yet, on top of one that is.
        later = self.near.write("later.tar", b"l")
        self.assert_exit(self.purge(), 0)
        self.assertEqual(names(self.near.collect), ["cback.collect", "cback.stage", "later.tar"])
        self.assertEqual(later.read_bytes(), b"l")
        self.assert_exit(self.pool.stage(), 0)
        self.assert_exit(self.purge(), 0)
        self.assertEqual(names(self.near.collect), [])

    def test_staging_directory_of_a_master(self):
        """What is ours stays, what is young stays, and staging goes on."""
        self.near.write_all({"etc.tar": b"e"})
        self.near.ready()
        staged = self.pool.stage()
        self.assert_exit(staged, 0)
        self.file(self.pool.staging / "2020/02/29/near/etc.tar", 30 * DAY)
        self.purge_dirs((self.pool.staging, 1))
        before = snapshot(staged.day)
        self.assert_exit(self.purge(), 0)
        self.assertEqual(snapshot(staged.day), before)
        self.assertFalse((self.pool.staging / "2020").exists())
        self.purge_dirs((self.pool.staging, 0))
        self.assert_exit(self.purge(), 0)
        self.assertEqual(names(self.pool.staging), [".peerstage", ".peerstage/.lock"])
        again = self.pool.stage()
        self.assert_exit(again, 0)
        self.assert_staged(self.pool, again, self.near)

    @needs_root
    def test_tree_of_somebody_else_leads_nowhere(self):
        """Its owner may put there what he likes: links to elsewhere are removed as links."""
        victim = self.file(self.pool.directory / "victim/precious", 90 * DAY)
        self.link(self.data / "link", victim.parent, 90 * DAY)
        os.lchown(self.data / "link", 65534, 65534)
        shutil.chown(self.data, 65534, 65534)
        self.assert_exit(self.purge(), 0)
        self.assertEqual(names(self.data), [])
        self.assertTrue(victim.exists())


class ValidateTest(PoolTest):
    def validate(self, pool):
        # On the screen the action tells by a table; the log has the findings.
        return pool.run("validate")

    def test_sound_machine_is_valid(self):
        pool = self.make_pool()
        pool.local("near", {"a": b"a"})
        pool.remote("far", {"a": b"a"})
        pool.top_elements = "<reference><author>a</author></reference>\n"
        before = snapshot(pool.directory)
        result = self.validate(pool)
        self.assert_exit(result, 0)
        written = {"cback.conf", "known_hosts", "peerstage.log"}
        self.assertEqual({name: entry for name, entry in snapshot(pool.directory).items()
                          if name not in written and not name.startswith("sshd")},
                         {name: entry for name, entry in before.items()
                          if name not in written and not name.startswith("sshd")})

    def test_machine_that_is_not_as_it_should_be_is_not_valid(self):
        pool = self.make_pool()
        near = pool.local("near")
        far = pool.remote("far")
        pool.unknown_hosts.add(far.address)
        shutil.rmtree(near.collect)
        result = self.validate(pool)
        self.assert_exit(result, 4)
        for words in (f"{near.collect} of the local peer near does not exist", "run peerstage trust far"):
            self.assertIn(words, result.log)

    @needs_root
    def test_key_that_the_backup_user_cannot_read(self):
        pool = self.make_pool()
        pool.remote("far", {"a": b"a"})
        os.chown(pool.key, 0, 0)
        pool.key.chmod(0o600)
        result = self.validate(pool)
        self.assert_exit(result, 4)
        self.assertIn("Permission denied", result.log)
        # The verdict is that of staging.
        self.assert_exit(pool.stage(), 7)


if __name__ == "__main__":
    unittest.main()
