"""What every module of system tests shares: assertions that show the run when they fail."""
import os
import subprocess
import sys
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "faults")]
from checker import Checker  # noqa: E402
from pool import IS_ROOT, Pool, check_manifest, snapshot  # noqa: E402

needs_root = unittest.skipUnless(IS_ROOT, "needs root")
measures_memory = unittest.skipIf(os.environ.get("PEERSTAGE_SANITIZE"), "sanitizers keep memory that the program has freed")


class PoolTest(unittest.TestCase):
    maxDiff = None
    pool_type = Pool

    def make_pool(self, **staging):
        """A pool that lives as long as the test; nothing is tried twice unless the test asks for it."""
        pool = self.pool_type(**{"retries": 0, "minimum_free": 0, **staging})
        self.addCleanup(pool.__exit__)
        return pool

    def assert_exit(self, result, code):
        self.assertEqual(result.exit, code, str(result))

    def assert_statuses(self, result, **expected):
        self.assertEqual(result.statuses(), expected, str(result))

    def assert_failed(self, result, name, kind, *words):
        """The peer failed for a reason that says these words."""
        peer = result.peer(name)
        self.assertEqual((peer["status"], peer["error"]["kind"]), ("failed", kind), str(result))
        for word in words:
            self.assertIn(str(word), peer["error"]["message"], str(result))

    def assert_staged(self, pool, result, peer, expected=None):
        """The peer's day holds exactly what the peer has (or `expected`), proven by its manifest."""
        expected = peer.content() if expected is None else expected
        self.assertEqual(pool.staged(result, peer), expected, str(result))
        self.assertEqual(check_manifest(result.day / peer.name), "", str(result))

    def assert_marked(self, peer, marked=True):
        self.assertEqual(peer.marker.exists(), marked, f"cback.stage of {peer.name}")

    def assert_sound(self, pool, result=None):
        """The promises that hold after whatever happened."""
        self.assertEqual(Checker(pool).sound(), [], str(result))

    def assert_printable(self, result):
        """No byte of a peer reaches a person's terminal or the log as a control character."""
        for name in ("stdout", "stderr", "log"):
            strange = [c for c in getattr(result, name)
                       if (c < " " and c != "\n") or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff"
                       or "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069"]
            self.assertEqual(strange, [], f"{name}: {result}")

    def assert_unchanged_since(self, before, directory, result=None):
        """Not one byte, mode, owner or time of change differs."""
        self.assertEqual(snapshot(directory), before, str(result))

    def passwd_entry(self, pool, home, shell=None):
        """A command prefix: what it runs sees another home (and shell) for the backup user. The machine is not changed."""
        changed = []
        for line in Path("/etc/passwd").read_text().splitlines():
            fields = line.split(":")
            if fields[0] == pool.user:
                fields[5], fields[6] = str(home), shell or fields[6]
            changed.append(":".join(fields))
        passwd = pool.directory / "passwd"
        passwd.write_text("\n".join(changed) + "\n")
        prefix = ["unshare", "--mount", "sh", "-c", f'mount --bind "{passwd}" /etc/passwd && exec "$@"', "sh"]
        if subprocess.run([*prefix, "true"], capture_output=True).returncode:
            self.skipTest("needs a mount namespace of its own")
        return prefix
