#!/usr/bin/python3
"""The same pool, staged by Cedar Backup itself and by us: the same tree, from the same file."""
import datetime
import shutil
import subprocess
import unittest
from pathlib import Path

from case import PoolTest, needs_root
from pool import MANIFEST, snapshot

CBACK = Path("/usr/bin/cback3")
FILES = {"etc.tar.gz": b"etc" * 5000, "home.tar.bz2": b"home", "name with blanks.tar": b"b", "empty": b""}


@needs_root
@unittest.skipUnless(CBACK.exists(), "needs cback3")
class CedarTest(PoolTest):
    def setUp(self):
        """A configuration in Cedar's own words, and a backup user with a shell and a key, as Cedar needs."""
        self.pool = pool = self.make_pool()
        self.near = pool.local("near", FILES)
        self.far = pool.remote("far", FILES)
        for kind in (self.near, self.far):
            kind.write("private.tar", b"p", 0o600)
            kind.write("script", b"s", 0o755)
        address = self.far.elements.pop("address")
        self.far.elements.pop("port")
        home = pool.make_directory("home-of-backup", pool.user)
        pool.known_hosts.write_text(f"[{address}]:{pool.sshd.port} {pool.sshd.host_key}\n")
        ssh_config = pool.directory / "ssh_config"
        ssh_config.write_text(f"Host far\n  HostName {address}\n  Port {pool.sshd.port}\n  IdentityFile {pool.key}\n"
                              f"  UserKnownHostsFile {pool.known_hosts}\n")
        pool.write_known_hosts = lambda: None
        pool.ssh_settings = {"identity_file": None, "known_hosts": None}
        pool.options["rcp_command"] = f"/usr/bin/scp -B -F {ssh_config}"
        pool.key.chmod(0o600)
        self.cedar_staging = pool.make_directory("cedar-staging", pool.user)
        self.prefix = self.passwd_entry(pool, home, "/bin/sh")

    def run_cedar(self):
        ours = self.pool.staging
        self.pool.staging = self.cedar_staging
        self.pool.write_config()
        self.pool.staging = ours
        log = self.pool.directory / "cback3.log"
        result = subprocess.run(
            [*self.prefix, CBACK, "-c", self.pool.config, "-l", log, "-d", "stage"], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=120, env={**self.pool.environment(), "LANG": "C.UTF-8"}, umask=0o022)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertNotIn("ERROR", log.read_text(), log.read_text())

    def tree(self, staging):
        """What Cedar's users see: names, kinds, modes of files, owners, contents; our manifests left out."""
        day = staging / f"{datetime.date.today():%Y/%m/%d}"
        return {name: entry.content() for name, entry in snapshot(day).items() if Path(name).name != MANIFEST}

    def remove_peer_markers(self):
        for peer in (self.near, self.far):
            peer.marker.unlink()

    def test_same_tree(self):
        self.run_cedar()
        self.assert_marked(self.near)
        self.assert_marked(self.far)
        self.remove_peer_markers()
        result = self.pool.stage(wrapper=self.prefix)
        self.assert_exit(result, 0)
        self.assert_marked(self.near)
        self.assert_marked(self.far)
        cedar, ours = self.tree(self.cedar_staging), self.tree(self.pool.staging)
        self.assertIn("far/etc.tar.gz", cedar)
        self.assertEqual(ours, cedar)

    def test_we_go_on_with_a_day_that_cedar_began(self):
        """And neither fetch again what is there nor lose it."""
        self.run_cedar()
        shutil.copytree(self.cedar_staging, self.pool.staging, dirs_exist_ok=True)
        for path in [self.pool.staging, *self.pool.staging.rglob("*")]:
            shutil.chown(path, self.pool.user, self.pool.group)
        self.far.write("later.tar", b"later")
        result = self.pool.stage(wrapper=self.prefix)
        self.assert_exit(result, 0)
        self.assert_staged(self.pool, result, self.near)
        self.assert_staged(self.pool, result, self.far)

    def test_cedar_stages_over_our_day(self):
        """A user can go back at any time."""
        result = self.pool.stage(wrapper=self.prefix)
        self.assert_exit(result, 0)
        shutil.copytree(self.pool.staging, self.cedar_staging, dirs_exist_ok=True)
        for path in [self.cedar_staging, *self.cedar_staging.rglob("*")]:
            shutil.chown(path, self.pool.user, self.pool.group)
        self.far.write("new-name.tar", b"new")
        self.run_cedar()
        self.assertIn("far/new-name.tar", self.tree(self.cedar_staging))


if __name__ == "__main__":
    unittest.main()
