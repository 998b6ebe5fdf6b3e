"""The units under a real systemd: what they may do, how they end, and what they tell."""
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import systemd  # noqa: E402
from case import PoolTest, Pool, check_manifest  # noqa: E402
from pool import binary, snapshot  # noqa: E402
from processes import wait_until  # noqa: E402

LACKING = systemd.why_not()
UNITS = ("peerstaged.service", "peerstage-stage.service", "peerstage-stage@.service")
HIGHEST_EXPOSURE = 2.0
MESSAGE_IDS = {name: number for name, number in (
    line.split(" = ") for line in (
        line.strip().removeprefix("inline constexpr std::string_view ").removesuffix(";").replace('"', "")
        for line in (systemd.ROOT / "daemon/message_ids.h").read_text().splitlines()) if " = " in line)}


class PoolOfService(Pool):
    """A pool that a service of the backup user stages. It stands where PrivateTmp= hides nothing."""

    def __init__(self, **staging):
        super().__init__(**staging)
        place = Path("/srv") / self.directory.name
        shutil.move(self.directory, place)
        for name, value in vars(self).items():
            if isinstance(value, Path) and value.is_relative_to(self.directory) and name != "directory":
                setattr(self, name, place / value.relative_to(self.directory))
        self.directory = place

    def config_text(self):
        if any(peer.kind == "remote" for peer in self.peers):
            self.write_known_hosts()
        self.write_config()
        return self.config.read_text()


@unittest.skipIf(LACKING, LACKING)
class UnderSystemd(PoolTest):
    pool_type = PoolOfService

    def setUp(self):
        self.systemd = systemd.Systemd()
        self.systemd.__enter__()
        self.addCleanup(self.systemd.__exit__)

    def make_pool_of_both_kinds(self, **staging):
        """Peers whose files nobody but root may read."""
        pool = self.make_pool(**staging)
        for peer in (pool.local("here", {"data": b"local"}), pool.remote("there", {"data": b"remote", "sub/more": b"x"})):
            if peer.kind == "local":
                peer.collect.chmod(0o700)
        return pool

    def assert_ok(self, result):
        self.assertEqual(result.returncode, 0, f"{result}{self.systemd.what_happened()}")

    def assert_pool_staged(self, pool, user="backup"):
        days = list(pool.staging.glob("20??/??/??"))
        self.assertEqual(len(days), 1, self.systemd.what_happened())
        for peer in pool.peers:
            staged = {name: entry.sha256 for name, entry in snapshot(days[0] / peer.name).items()
                      if entry.kind == "file" and name != "cback.sha256"}
            self.assertEqual(staged, peer.content(), f"{peer.name}{self.systemd.what_happened()}")
            self.assertEqual(check_manifest(days[0] / peer.name), "")
            self.assert_marked(peer)
        owners = {entry.owner[0] for entry in pool.visible_files().values()}
        self.assertEqual(owners, {user}, self.systemd.what_happened())
        self.assert_sound(pool)


class TheUnits(unittest.TestCase):
    """What systemd-analyze says about them."""

    def setUp(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        self.build = binary().resolve().parent.parent / "systemd"

    def test_are_less_exposed_than_what_was_agreed(self):
        for unit in UNITS:
            with self.subTest(unit):
                result = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", self.build / unit],
                                        capture_output=True, text=True)
                score = float(result.stdout.splitlines()[-1].split(": ")[1].split()[0])
                self.assertLessEqual(score, HIGHEST_EXPOSURE, result.stdout)
                self.assertEqual(result.stderr, "")


class OneShot(UnderSystemd):
    def test_unit_files_are_clean(self):
        place = self.systemd.prefix / "lib/systemd/system"
        units = [place / name for name in ("peerstaged.service", "peerstaged.socket", "peerstage-stage.service",
                                           "peerstage-stage.timer", "peerstage-stage@pool.service",
                                           "peerstage-stage@pool.timer")]
        result = self.systemd.run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    def test_stages_local_and_remote_peers_that_only_root_could_read(self):
        pool = self.make_pool_of_both_kinds()
        self.systemd.write("/etc/peerstage.conf", pool.config_text())
        self.assert_ok(self.systemd.ctl("start", "peerstage-stage.service"))
        self.assert_pool_staged(pool)
        log = self.systemd.path("/var/log/peerstage/peerstage.log").read_text()
        self.assertNotIn("WARNING", log)
        self.assertNotIn("ERROR", log)

    def test_confines_its_workers_as_a_run_by_hand_does(self):
        pool = self.make_pool_of_both_kinds()
        self.systemd.write("/etc/peerstage.conf", pool.config_text())
        program = self.systemd.prefix / "bin/peerstage"
        self.systemd.drop_in("peerstage-stage.service", "[Service]\nExecStart=\n"
                             f"ExecStart={program} --progress never -d --logfile %L/peerstage/peerstage.log stage\n")
        self.assert_ok(self.systemd.ctl("start", "peerstage-stage.service"))
        by_hand = pool.run("-d", "--full", "stage")
        log = self.systemd.path("/var/log/peerstage/peerstage.log").read_text()
        self.assertEqual("Landlock" in log, "Landlock" in by_hand.log, log)

    def test_of_an_instance_has_its_own_configuration_and_log(self):
        pool = self.make_pool_of_both_kinds()
        self.systemd.write("/etc/peerstage/second.conf", pool.config_text())
        self.assert_ok(self.systemd.ctl("start", "peerstage-stage@second.service"))
        self.assert_pool_staged(pool)
        self.assertTrue(self.systemd.path("/var/log/peerstage/second.log").exists())

    def test_fails_with_the_status_of_the_run(self):
        pool = self.make_pool()
        pool.local("late")
        self.systemd.write("/etc/peerstage.conf", pool.config_text())
        self.assertNotEqual(self.systemd.ctl("start", "peerstage-stage.service").returncode, 0)
        self.assertEqual(self.systemd.show("peerstage-stage.service", "ExecMainStatus"), {"ExecMainStatus": "8"})

    def test_takes_turns_with_runs_by_hand(self):
        pool = self.make_pool_of_both_kinds()
        self.systemd.write("/etc/peerstage.conf", pool.config_text())
        self.assert_exit(pool.stage(), 0)
        pool.peers[0].write("data", b"changed")
        self.assert_ok(self.systemd.ctl("start", "peerstage-stage.service"))
        self.assert_pool_staged(pool)
        pool.peers[1].write("data", b"changed, too")
        self.assert_exit(pool.stage(), 0)
        self.assert_pool_staged(pool)

    def test_tells_the_journal_each_line_once(self):
        pool = self.make_pool()
        pool.local("late")
        self.systemd.write("/etc/peerstage.conf", pool.config_text())
        self.systemd.ctl("start", "peerstage-stage.service")
        entries = self.systemd.journal("SYSLOG_IDENTIFIER=peerstage")
        messages = [entry["MESSAGE"] for entry in entries]
        (verdict,) = [entry for entry in entries if entry["MESSAGE"] == "done with status 8"]
        self.assertEqual((verdict["PRIORITY"], verdict["_SYSTEMD_UNIT"]), ("6", "peerstage-stage.service"))
        self.assertEqual(sorted(set(messages)), sorted(messages), self.systemd.what_happened())

    def test_does_not_wait_for_a_journald_that_hangs(self):
        pool = self.make_pool_of_both_kinds()
        self.systemd.write("/etc/peerstage.conf", pool.config_text())
        self.assert_ok(self.systemd.ctl("kill", "--signal=STOP", "systemd-journald.service"))
        started = self.systemd.ctl("start", "peerstage-stage.service", timeout=20)
        self.systemd.ctl("kill", "--signal=CONT", "systemd-journald.service")
        self.assert_ok(started)
        self.assert_pool_staged(pool)

    def test_is_staged_for_root_with_the_documented_drop_in(self):
        pool = self.make_pool_of_both_kinds()
        self.systemd.write("/etc/peerstage.conf", pool.config_text())
        self.systemd.drop_in("peerstage-stage.service", documented("as root"))
        self.assert_ok(self.systemd.ctl("start", "peerstage-stage.service"))
        self.assert_pool_staged(pool)

    def test_of_remote_peers_needs_no_capability(self):
        pool = self.make_pool()
        pool.remote("there", {"data": b"remote"})
        self.systemd.write("/etc/peerstage.conf", pool.config_text())
        self.systemd.drop_in("peerstage-stage.service", documented("remote peers only"))
        self.assert_ok(self.systemd.ctl("start", "peerstage-stage.service"))
        self.assert_pool_staged(pool)

    def test_is_confined_to_named_directories_with_the_documented_drop_in(self):
        pool = self.make_pool_of_both_kinds()
        self.systemd.write("/etc/peerstage.conf", pool.config_text())
        text = documented("these directories only").replace("/srv/staging", str(pool.staging))
        self.systemd.drop_in("peerstage-stage.service", text)
        self.assertNotEqual(self.systemd.ctl("start", "peerstage-stage.service").returncode, 0)
        self.systemd.drop_in("peerstage-stage.service", text.replace("/srv/collect", str(pool.peers[0].collect)))
        self.assert_ok(self.systemd.ctl("start", "peerstage-stage.service"))
        self.assert_pool_staged(pool)


class Logind(UnderSystemd):
    def held_by(self, user):
        """What the test program says when it takes a lock as this user."""
        program = binary().resolve().parent / "service_test"
        if not program.exists():
            self.skipTest("service_test is not built")
        self.assert_ok(self.systemd.ctl("start", "dbus.service", "systemd-logind.service"))
        return self.systemd.run("systemd-run", "--wait", "--pipe", "--quiet", f"--uid={user}", program,
                                "--gtest_filter=Inhibitor.is_held_until_its_descriptor_is_closed").stdout

    def test_keeps_the_machine_awake_for_root(self):
        self.assertIn("[  PASSED  ] 1 test.", self.held_by("root"))

    def test_keeps_the_machine_awake_for_the_service(self):
        rules = self.systemd.prefix / "share/polkit-1/rules.d/peerstage.rules"
        if not Path("/usr/lib/polkit-1/polkitd").exists():
            self.skipTest("polkit is not installed")
        self.systemd.run("cp", rules, "/etc/polkit-1/rules.d/")
        self.assertIn("[  PASSED  ] 1 test.", self.held_by("backup"))

    def test_refuses_other_users(self):
        self.assertIn("this machine is not kept from sleeping: ", self.held_by("daemon"))


def documented(title):
    """The drop-in of docs/operations.md that begins with this comment."""
    blocks = (systemd.ROOT / "docs/operations.md").read_text().split("```")
    (block,) = [block for block in blocks if block.startswith(f"ini\n# {title}\n")]
    return block.removeprefix("ini\n")


if __name__ == "__main__":
    unittest.main()
