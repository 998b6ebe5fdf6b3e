#!/usr/bin/python3
"""A staging file system that is full, or becomes full: a clear sentence, nothing half, and the next run goes on."""
import os
import subprocess
import unittest

from case import PoolTest, needs_root
from pool import snapshot


@needs_root
class DiskTest(PoolTest):
    def pool_on(self, options, **staging):
        """A pool whose staging directory is a small file system of its own."""
        pool = self.make_pool(**staging)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "peerstage-test", pool.staging],
                                 capture_output=True, text=True)
        if mounted.returncode:
            self.skipTest(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", pool.staging], check=True)
        os.chown(pool.staging, *(getattr(os.stat(pool.working), name) for name in ("st_uid", "st_gid")))
        return pool

    def test_does_not_fit(self):
        """Seen before anything is fetched."""
        for kind in ("local", "remote"):
            with self.subTest(kind):
                pool = self.pool_on("size=4m")
                big = getattr(pool, kind)("big", {"data": os.urandom(8 << 20)})
                small = pool.local("small", {"data": b"s"})
                result = pool.stage()
                self.assert_exit(result, 7)
                self.assert_failed(result, "big", "permanent", "disk full", "8388608", pool.staging)
                self.assertIsNone(pool.staged(result, big))
                self.assert_marked(big, False)
                self.assertFalse((result.day / "cback.stage").exists())
                self.assert_sound(pool, result)
                subprocess.run(["mount", "-o", "remount,size=32m", pool.staging], check=True)
                again = pool.stage()
                self.assert_exit(again, 0)
                self.assert_staged(pool, again, big)
                self.assert_staged(pool, again, small)
                self.assertEqual(pool.leftovers(), [])

    def test_filled_by_somebody_else_in_the_middle(self):
        for kind in ("local", "remote"):
            with self.subTest(kind):
                pool = self.pool_on("size=16m", bandwidth_limit="4 MB")
                big = getattr(pool, kind)("big", {"data": os.urandom(8 << 20)})
                process = pool.start("stage", "--json")
                pool.wait_until(process, lambda pool=pool: pool.unfinished_bytes() > 0, "bytes arrive")
                filler = pool.staging / "filler"
                with self.assertRaises(OSError), open(filler, "wb", buffering=0) as file:
                    while True:
                        file.write(bytes(1 << 20))
                result = pool.finish(process)
                self.assert_exit(result, 7)
                self.assert_failed(result, "big", "permanent", "No space left")
                self.assertIsNone(pool.staged(result, big))
                self.assert_marked(big, False)
                filler.unlink()
                again = pool.stage()
                self.assert_exit(again, 0)
                self.assert_staged(pool, again, big)
                self.assertEqual(pool.leftovers(), [])

    def test_no_inodes_left(self):
        pool = self.pool_on("size=32m,nr_inodes=40")
        many = pool.local("many", {f"f{n}": b"%d" % n for n in range(60)})
        result = pool.stage()
        self.assertIn(result.exit, (6, 7), str(result))
        self.assertIsNone(pool.staged(result, many))
        self.assert_marked(many, False)
        self.assert_sound(pool, result)

    def test_minimum_free_is_kept(self):
        """What does not fit is refused before it is fetched."""
        pool = self.pool_on("size=16m", minimum_free="8 MB")
        big = pool.remote("big", {"data": os.urandom(12 << 20)})
        fits = pool.remote("fits", {"data": os.urandom(1 << 20)})
        result = pool.stage()
        self.assert_exit(result, 7)
        self.assertEqual(result.peer("big")["status"], "failed", str(result))
        self.assertIn("free", result.message("big"))
        self.assert_staged(pool, result, fits)
        self.assert_marked(big, False)
        room = os.statvfs(pool.staging)
        self.assertGreaterEqual(room.f_bavail * room.f_frsize, 8 << 20)

    def test_full_before_the_start(self):
        pool = self.pool_on("size=16m", minimum_free="90%")
        (pool.staging / "other-data").write_bytes(bytes(4 << 20))
        before = snapshot(pool.staging)
        near = pool.local("near", {"data": b"d"})
        result = pool.stage()
        self.assert_exit(result, 6)
        self.assertIn(str(pool.staging), result.json["run"]["error"])
        self.assert_marked(near, False)
        after = {name: entry for name, entry in snapshot(pool.staging).items() if not name.startswith(".peerstage")}
        self.assertEqual(after, before)

    def test_document_that_cannot_be_written_is_no_success(self):
        pool = self.make_pool()
        near = pool.local("near", {"data": b"d"})
        result = pool.stage(wrapper=["/bin/sh", "-c", 'exec "$@" > /dev/full', "sh"])
        self.assert_exit(result, 6)
        self.assertIn("standard output", result.log)
        self.assert_marked(near)

    def test_read_only(self):
        pool = self.pool_on("size=16m")
        near = pool.local("near", {"data": b"d"})
        subprocess.run(["mount", "-o", "remount,ro", pool.staging], check=True)
        result = pool.stage()
        self.assert_exit(result, 6)
        self.assertIn(str(pool.staging), result.json["run"]["error"])
        self.assert_marked(near, False)


if __name__ == "__main__":
    unittest.main()
