#!/usr/bin/python3
"""`peerstage verify`: staged files are read again; what is damaged is found, and nothing is touched."""
import json
import os
import subprocess
import unittest

from case import PoolTest, needs_root
from pool import binary, snapshot


class VerifyTest(PoolTest):
    def staged_pool(self, **files):
        """A pool with two peers, staged."""
        pool = self.make_pool()
        pool.local("one", {"a": b"alpha" * 1000, "sub/b": b"beta", **files})
        pool.local("two", {"c": b"gamma"})
        staged = pool.stage()
        self.assert_exit(staged, 0)
        pool.day = staged.day
        return pool

    def verify(self, pool, *arguments, **how):
        return pool.run("verify", *arguments, **how)

    def problems(self, result):
        return {(day["peer"], each["name"]): each["problem"] for day in result.json["days"] for each in day["problems"]}

    def test_nothing_wrong(self):
        pool = self.staged_pool()
        before = snapshot(pool.staging)
        date = "-".join(pool.day.parts[-3:])
        result = self.verify(pool, "--json")
        self.assert_exit(result, 0)
        self.assertEqual(result.json, {
            "version": 1, "status": "ok", "error": None,
            "days": [{"date": date, "peer": "one", "files": 3, "bytes": 5004, "problems": []},
                     {"date": date, "peer": "two", "files": 2, "bytes": 5, "problems": []}]})
        for_people = self.verify(pool)
        self.assert_exit(for_people, 0)
        self.assertIn(f"{date} one: 3 files, 4.9 KB, ok\n", for_people.stdout)
        self.assertRegex(for_people.stdout, r"verified 2 days of peers, 5 files, .*/s: everything is as it was staged\n$")
        self.assertEqual(for_people.stderr, "")
        self.assert_unchanged_since(before, pool.staging, result)
        self.assertFalse(pool.leftovers())

    def test_what_was_changed_is_named(self):
        pool = self.staged_pool(cut=b"x" * 100, gone=b"g", link=b"l", fifo=b"f")
        one = pool.day / "one"
        data = bytearray((one / "a").read_bytes())
        data[2000] ^= 1
        (one / "a").write_bytes(data)
        os.truncate(one / "cut", 50)
        (one / "gone").unlink()
        for name in ("link", "fifo"):
            (one / name).unlink()
        (one / "link").symlink_to(pool.canary / "precious")
        os.mkfifo(one / "fifo")
        (one / "added\n\x1b[31m").write_bytes(b"")
        result = self.verify(pool, "--json")
        self.assert_exit(result, 7)
        self.assertEqual(result.json["status"], "damaged")
        self.assertEqual(self.problems(result), {
            ("one", "a"): "damaged", ("one", "cut"): "damaged", ("one", "gone"): "missing", ("one", "link"): "damaged",
            ("one", "fifo"): "damaged", ("one", "added\\x0a\\x1b[31m"): "extra"})
        for_people = self.verify(pool)
        self.assert_exit(for_people, 7)
        self.assert_printable(for_people)
        self.assertIn(f"one: damaged: {one}/a is damaged", for_people.stdout)
        self.assertIn("4 damaged, 1 missing, 1 extra\n", for_people.stdout)

    def test_added_files_alone_are_no_damage(self):
        pool = self.staged_pool()
        (pool.day / "one" / "added").write_bytes(b"")
        result = self.verify(pool, "--json")
        self.assert_exit(result, 0)
        self.assertEqual(self.problems(result), {("one", "added"): "extra"})

    def test_one_date_and_one_peer(self):
        pool = self.staged_pool()
        (pool.day / "one" / "a").unlink()
        date = "-".join(pool.day.parts[-3:])
        self.assert_exit(self.verify(pool, date, "--peer", "two"), 0)
        self.assert_exit(self.verify(pool, date, "--peer", "one"), 7)
        for arguments in (("2001-01-01",), ("--peer", "three"), (date, "--peer", "two", "--peer", "three")):
            with self.subTest(arguments):
                result = self.verify(pool, "--json", *arguments)
                self.assert_exit(result, 6)
                self.assertEqual(result.json["status"], "error")
                self.assertIn(arguments[-1], result.json["error"])

    def test_nothing_there(self):
        pool = self.make_pool()
        pool.local("one")
        self.assert_exit(self.verify(pool), 6)
        pool.staging.rmdir()
        result = self.verify(pool)
        self.assert_exit(result, 6)
        self.assertIn(str(pool.staging), result.stderr)
        pool.write_config()
        pool.config.write_text("<cb_config/>")
        self.assert_exit(self.verify(pool, write=False), 4)

    def test_no_trace_not_even_access_times(self):
        pool = self.staged_pool()
        files = [path for path in pool.day.rglob("*") if path.is_file()]
        for path in files:
            os.utime(path, (1_000_000, 2_000_000))  # older than its change: the next read would be noted
        before = {path: path.stat() for path in files}
        self.assert_exit(self.verify(pool), 0)
        self.assertEqual({path: path.stat() for path in files}, before)

    def test_the_disk_is_read_and_not_the_memory(self):
        """Afterwards nothing of a file is in the page cache."""
        pool = self.staged_pool(big=os.urandom(20 << 20))
        big = pool.day / "one" / "big"
        if not self.cached_pages(big):
            self.skipTest("fincore does not see the page cache of this file system")
        self.assert_exit(self.verify(pool), 0)
        self.assertEqual(self.cached_pages(big), 0)

    def cached_pages(self, path):
        try:
            told = subprocess.run(["fincore", "--json", "--bytes", path], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipTest(f"needs fincore: {error}")
        return int(json.loads(told.stdout)["fincore"][0]["pages"])

    def test_while_the_day_is_staged_again(self):
        pool = self.staged_pool(**{f"f{n}": b"%d" % n for n in range(300)})
        stage = [str(binary()), "-q", "-c", str(pool.config), "-l", str(pool.log), "stage"]
        for n in range(15):
            pool.peers[0].write("a", b"version %d" % n)
            with subprocess.Popen(stage, env=pool.environment()) as staging:
                result = self.verify(pool, "--json", write=False)
            self.assertEqual(staging.returncode, 0)
            self.assert_exit(result, 0)

    @needs_root
    def test_as_somebody_else(self):
        """What he may not read is unreadable to him, and no damage is invented."""
        pool = self.staged_pool()
        result = self.verify(pool, "--json", wrapper=["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"])
        self.assert_exit(result, 7)
        self.assertEqual(set(self.problems(result).values()), {"bad_manifest"})
        result = self.verify(pool, "--json", wrapper=[
            "setpriv", f"--reuid={pool.user}", f"--regid={pool.group}", "--clear-groups"])
        self.assert_exit(result, 0)

    @needs_root
    def test_root_reads_what_the_backup_user_cannot(self):
        pool = self.staged_pool()
        os.chmod(pool.day / "one" / "a", 0)
        os.chmod(pool.staging, 0o700)
        os.chown(pool.staging, 0, 0)
        self.assert_exit(self.verify(pool), 0)


if __name__ == "__main__":
    unittest.main()
