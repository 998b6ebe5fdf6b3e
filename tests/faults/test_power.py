#!/usr/bin/python3
"""L18, I3: the power goes in front of one system call after the other, on ext4 and XFS, while somebody else writes and syncs on
the same file system, or nobody does. What is visible afterwards is whole, a peer that was told that it is staged is, and
the next run finishes.

The file system is shut down without its log being flushed, as xfstests does it; what was not synced by then is gone.
"""
import ctypes
import errno
import fcntl
import os
import shutil
import struct
import subprocess
import threading
import unittest

from sweep import Injection, SweepTest, needs_root
from processes import wait_until

SHUTDOWN, WITHOUT_FLUSHING_THE_LOG = 0x8004587d, 2   # EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN
# ext4 by itself syncs a file that is renamed over another one; we do not lean on that.
KINDS = {"ext4": (["mkfs.ext4", "-q", "-F"], "noauto_da_alloc"), "xfs": (["mkfs.xfs", "-q", "-f"], "defaults")}
SIZE = 512 << 20   # sparse
CLONE_NEWNS, MS_REC, MS_SLAVE = 0x20000, 0x4000, 0x80000
SHORT = 7


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def leave_the_mounts_of_others():
    """From now on nobody gets a copy of what we mount, which would keep a disk alive that has lost its power."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_SLAVE, None):
        raise unittest.SkipTest(f"needs a mount namespace of its own: {os.strerror(ctypes.get_errno())}")


class LossyDisk:
    """A file system of its own whose power can be cut."""

    def __init__(self, kind, image, place):
        make, self.options = KINDS[kind]
        self.place = place
        with open(image, "wb") as file:
            file.truncate(SIZE)
        if not shutil.which(make[0]):
            raise unittest.SkipTest(f"{make[0]} is missing")
        self.device = self._must(*make, image) or self._must("losetup", "--find", "--show", image).strip()
        place.mkdir()
        self.mount()

    @staticmethod
    def _must(*command):
        done = run(*command)
        if done.returncode:
            raise unittest.SkipTest(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
        return done.stdout

    def mount(self):
        self._must("mount", "-o", self.options, self.device, self.place)

    def sync(self):
        run("sync", "-f", self.place)

    def cut(self):
        directory = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(directory, SHUTDOWN, struct.pack("I", WITHOUT_FLUSHING_THE_LOG))
        finally:
            os.close(directory)

    def come_back(self):
        wait_until(lambda: run("umount", self.place).returncode == 0, "the file system to be left by everybody")
        self.mount()

    def remove(self):
        run("umount", "-l", self.place)
        run("losetup", "--detach", self.device)


class OtherWriter:
    """Somebody else who writes and syncs on the same disk, until it is gone."""

    def __init__(self, disk):
        self.place = disk.place / "other"
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self):
        self.place.mkdir(exist_ok=True)
        self._thread.start()

    def __exit__(self, *unused):
        self._ends.set()
        self._thread.join()

    def _write(self):
        number = 0
        while not self._ends.is_set():
            number += 1
            try:
                with open(self.place / str(number % 8), "wb") as file:
                    file.write(b"other" * 1000)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                if error.errno in (errno.EIO, errno.ESHUTDOWN, errno.EROFS):
                    return   # the power is gone
                raise


class Nobody:
    def __enter__(self):
        pass

    def __exit__(self, *unused):
        pass


@needs_root
class PowerTest(SweepTest):
    @classmethod
    def setUpClass(cls):
        leave_the_mounts_of_others()

    def set_up(self, kind):
        """Only the staging directory is on the disk that loses its power: the peers are other machines."""
        self.disk = LossyDisk(kind, self.pool.directory / "image", self.pool.directory / "disk")
        self.addCleanup(self.disk.remove)
        self.checker.ignored |= {"image", "disk"}
        self.pool.staging = self.pool.make_directory("disk/staging", self.pool.user)

    def cut(self, n, other):
        self.restore()
        self.disk.sync()
        self.checker.before()
        with Injection("stop", n) as injection:
            with other():
                process = self.pool.start("stage", "--json", **injection.how)
                report = injection.wait()
                if report.hits:
                    self.disk.cut()
                    process.terminate()
                result = self.pool.finish(process)
        if not report.hits:
            return False, report, self.checker.after_clean(result)
        self.disk.come_back()
        return True, report, self.checker.after_power_cut() + self.problems_afterwards()

    def sweeps(self, kind, name):
        self.save()
        for who, other in (("somebody else syncs", lambda: OtherWriter(self.disk)), ("nobody else syncs", Nobody)):
            with self.subTest(who):
                self.sweep(f"power cuts, {kind}, {name}, {who}", lambda n, other=other: self.cut(n, other),
                           self.points("stop", SHORT))

    def test_power_cut_on_ext4_in_a_first_run(self):
        self.set_up("ext4")
        self.first_run()
        self.sweeps("ext4", "first run")

    def test_power_cut_on_xfs_in_a_first_run(self):
        self.set_up("xfs")
        self.first_run()
        self.sweeps("xfs", "first run")

    def test_power_cut_on_ext4_in_a_run_that_replaces_a_day(self):
        self.set_up("ext4")
        self.replacing_run()
        self.sweeps("ext4", "replacing run")

    def test_power_cut_on_xfs_in_a_run_that_replaces_a_day(self):
        self.set_up("xfs")
        self.replacing_run()
        self.sweeps("xfs", "replacing run")

    def test_what_was_not_synced_is_gone(self):
        """The rig itself: it loses what a power cut loses, and nothing else."""
        for kind in KINDS:
            with self.subTest(kind):
                disk = LossyDisk(kind, self.pool.directory / f"image.{kind}", self.pool.directory / f"disk.{kind}")
                try:
                    (disk.place / "synced").write_bytes(b"synced")
                    disk.sync()
                    (disk.place / "not-synced").write_bytes(b"not synced")
                    disk.cut()
                    disk.come_back()
                    self.assertEqual((disk.place / "synced").read_bytes(), b"synced")
                    self.assertFalse((disk.place / "not-synced").exists())
                finally:
                    disk.remove()


if __name__ == "__main__":
    unittest.main()
