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

    def daemon_config_text(self, daemon=""):
        """With a job that is not due while we look, and these elements of <daemon>."""
        job = ("<job><name>nightly</name><schedule>0 0 1 1 *</schedule><actions>stage</actions><catch_up>N</catch_up>"
               "</job>")
        return self.config_text().replace("</peerstage>", f"<daemon>{job}{daemon}</daemon></peerstage>")

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


# A request to the control socket; prints the status and the document.
ASK = r"""
import http.client, socket, sys
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect("/run/peerstage/control.sock")
connection = Connection("localhost")
connection.request(sys.argv[1], sys.argv[2], sys.argv[3] or None, {"Content-Type": "application/json"})
answer = connection.getresponse()
print(answer.status)
print(answer.read().decode())
"""


class TheDaemon(UnderSystemd):
    def setUp(self):
        super().setUp()
        self.daemon = "peerstaged.service"

    def start(self, pool, daemon=""):
        self.systemd.write("/etc/peerstage.conf", pool.daemon_config_text(daemon))
        self.assert_ok(self.systemd.ctl("start", self.daemon))

    def ask(self, method, path, body="", as_user="root"):
        """(HTTP status, document) of the control socket."""
        result = self.systemd.run("setpriv", f"--reuid={as_user}", f"--regid={as_user}", "--init-groups", "--reset-env",
                                  "/usr/bin/python3", "-c", ASK, method, path, body)
        self.assert_ok(result)
        status, _, document = result.stdout.partition("\n")
        return int(status), json.loads(document)

    def status(self):
        return self.ask("GET", "/v1/status")[1]

    def stage_now(self):
        status, document = self.ask("POST", "/v1/runs", '{"job": "nightly"}')
        self.assertEqual(status, 202, document)

    def wait(self, condition, what, seconds=20):
        try:
            return wait_until(condition, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}{self.systemd.what_happened()}") from None

    def wait_for_run_to_end(self):
        self.wait(lambda: "run" not in self.status() or not self.status()["run"], "the run to end", 60)

    def make_slow_pool(self):
        """Its one peer takes a minute."""
        pool = self.make_pool(bandwidth_limit="200KB")
        pool.remote("slow", {f"part{number}": bytes([number]) * 1_000_000 for number in range(12)})
        return pool

    def stage_slowly(self):
        """A run is going on, and something of it has arrived."""
        pool = self.make_slow_pool()
        self.start(pool)
        self.stage_now()
        self.wait(pool.unfinished_bytes, "the transfer to begin")
        return pool

    def test_is_ready_when_it_can_be_asked(self):
        self.start(self.make_pool_of_both_kinds())
        self.assertEqual(self.ask("GET", "/v1/status")[0], 200)
        shown = self.systemd.show(self.daemon, "ActiveState", "NotifyAccess", "StatusText")
        self.assertEqual((shown["ActiveState"], shown["NotifyAccess"]), ("active", "main"))
        self.assertNotEqual(shown["StatusText"], "")

    def test_stages_local_and_remote_peers_that_only_root_could_read(self):
        pool = self.make_pool_of_both_kinds()
        self.start(pool)
        self.stage_now()
        self.wait(lambda: all(peer.marker.exists() for peer in pool.peers), "the peers to be staged")
        self.wait_for_run_to_end()
        self.assert_pool_staged(pool)

    def test_keeps_its_files_where_the_unit_says(self):
        self.start(self.make_pool_of_both_kinds())
        backup = pwd.getpwnam("backup").pw_uid
        for path, mode in (("/var/lib/peerstage", 0o750), ("/var/log/peerstage", 0o755),
                           ("/var/lib/peerstage/catalog.db", None), ("/var/log/peerstage/peerstage.log", None)):
            with self.subTest(path):
                info = self.systemd.path(path).stat()
                self.assertEqual(info.st_uid, backup)
                self.assertEqual(info.st_mode & 0o007 if mode is None else stat.S_IMODE(info.st_mode), mode or 0)

    def test_passes_neither_capabilities_nor_variables_on(self):
        told = "/var/lib/peerstage/told"
        script = self.systemd.write(
            "/etc/tell", f"#!/bin/sh\n(env; grep Cap /proc/self/status; ls /proc/self/fd) >{told}.new; mv {told}.new {told}\n",
            0o755)
        pool = self.make_pool_of_both_kinds()
        self.start(pool, f"<notify><on>always</on><command>/{script.relative_to(self.systemd.directory)}</command></notify>")
        self.stage_now()
        self.wait(self.systemd.path(told).exists, "the notification")
        text = self.systemd.path(told).read_text()
        for name in ("NOTIFY_SOCKET", "WATCHDOG", "LISTEN_"):
            self.assertNotIn(name, text)
        self.assertIn("PEERSTAGE_RUN=", text)   # it is what the notification was told
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertIn(f"{kind}:\t0000000000000000", text)

    def test_reads_a_good_configuration_again(self):
        pool = self.make_pool_of_both_kinds()
        self.start(pool)
        pool.local("new", {"data": b"new"})
        self.systemd.write("/etc/peerstage.conf", pool.daemon_config_text())
        self.assert_ok(self.systemd.ctl("reload", self.daemon))
        self.assertEqual({peer["name"] for peer in self.status()["peers"]}, {"here", "there", "new"})
        self.assertEqual(self.systemd.state(self.daemon), "active")

    def test_keeps_its_configuration_when_the_new_one_is_bad_and_fails_the_reload(self):
        pool = self.make_pool_of_both_kinds()
        self.start(pool)
        self.systemd.write("/etc/peerstage.conf", "<cb_config><peerstage><nonsense/></peerstage></cb_config>")
        self.assertNotEqual(self.systemd.ctl("reload", self.daemon).returncode, 0)
        self.assertEqual({peer["name"] for peer in self.status()["peers"]}, {"here", "there"})
        told = [entry["MESSAGE"] for entry in self.systemd.journal(f"_SYSTEMD_UNIT={self.daemon}")]
        self.assertIn("peerstage/nonsense", "".join(told))
        self.assertEqual(self.systemd.state(self.daemon), "active")

    def test_with_a_bad_configuration_is_not_started_again_and_again(self):
        self.systemd.write("/etc/peerstage.conf", "<cb_config><peerstage><nonsense/></peerstage></cb_config>")
        self.assertNotEqual(self.systemd.ctl("start", self.daemon).returncode, 0)
        self.assertEqual(self.systemd.show(self.daemon, "ActiveState", "ExecMainStatus", "NRestarts"),
                         {"ActiveState": "failed", "ExecMainStatus": "4", "NRestarts": "0"})
        refusals = self.systemd.journal(f"MESSAGE_ID={MESSAGE_IDS['configuration_refused']}")
        self.assertIn("peerstage/nonsense: this element is not known here", refusals[1]["MESSAGE"])
        self.assertEqual({entry["PRIORITY"] for entry in refusals}, {"3"})

    def test_is_ended_by_the_watchdog_and_started_again_when_its_loop_stands_still(self):
        self.systemd.drop_in(self.daemon, "[Service]\nWatchdogSec=2s\nRestartSec=100ms\n")
        self.start(self.make_pool_of_both_kinds())
        before = self.systemd.main_pid(self.daemon)
        time.sleep(5)   # a watchdog that is not fed ends it now
        self.assertEqual(self.systemd.main_pid(self.daemon), before, self.systemd.what_happened())
        self.systemd.run("kill", "-STOP", before)
        self.wait(lambda: self.systemd.show(self.daemon, "NRestarts", "ActiveState") ==
                  {"NRestarts": "1", "ActiveState": "active"}, "the restart", 30)
        self.assertNotEqual(self.systemd.main_pid(self.daemon), before)
        self.assertEqual(self.ask("GET", "/v1/status")[0], 200)

    def test_that_is_killed_in_a_run_goes_on_with_it(self):
        self.systemd.drop_in(self.daemon, "[Service]\nRestartSec=100ms\n")
        pool = self.stage_slowly()
        self.systemd.run("kill", "-KILL", self.systemd.main_pid(self.daemon))
        self.wait(lambda: self.systemd.show(self.daemon, "NRestarts")["NRestarts"] == "1", "the restart")
        self.wait(lambda: self.systemd.state(self.daemon) == "active" and self.status()["run"], "the run to go on")
        self.assert_sound(pool)

    def test_stops_within_ten_seconds_in_the_middle_of_a_run(self):
        pool = self.stage_slowly()
        begun = time.monotonic()
        self.assert_ok(self.systemd.ctl("stop", self.daemon))
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(self.systemd.show(self.daemon, "ActiveState", "Result", "ExecMainStatus"),
                         {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"})
        self.assertGreater(pool.unfinished_bytes(), 0)   # where it goes on
        self.assert_sound(pool)

    def test_shuts_down_with_the_machine_without_waiting_for_the_run(self):
        pool = self.stage_slowly()
        begun = time.monotonic()
        self.systemd.ctl("poweroff", "--no-wall", "--ignore-inhibitors")
        self.systemd.process.wait(20)
        self.assertLess(time.monotonic() - begun, 15)
        self.assert_sound(pool)

    def test_keeps_the_machine_awake_while_it_stages(self):
        self.assert_ok(self.systemd.ctl("start", "dbus.service", "systemd-logind.service"))
        self.systemd.run("cp", self.systemd.prefix / "share/polkit-1/rules.d/peerstage.rules", "/etc/polkit-1/rules.d/")
        if not Path("/usr/lib/polkit-1/polkitd").exists():
            self.skipTest("polkit is not installed")
        self.assert_ok(self.systemd.ctl("start", "polkit.service"))

        def held():
            lines = self.systemd.run("systemd-inhibit", "--list", "--no-legend").stdout.splitlines()
            return sorted(line.split()[5] for line in lines if line.startswith("peerstage"))

        self.stage_slowly()
        self.assertEqual(held(), ["shutdown", "sleep"], self.systemd.what_happened())
        self.ask("POST", "/v1/cancel")
        self.wait(lambda: held() == [], "the locks to be let go of")

    def test_is_started_by_a_question_and_leaves_the_socket_to_systemd(self):
        self.systemd.write("/etc/peerstage.conf", self.make_pool_of_both_kinds().daemon_config_text())
        self.assert_ok(self.systemd.ctl("start", "peerstaged.socket"))
        self.assertEqual(self.systemd.state(self.daemon), "inactive")
        info = self.systemd.run("stat", "-c", "%A %U:%G", "/run/peerstage/control.sock").stdout.strip()
        self.assertEqual(info, "srw-rw---- root:peerstage")
        self.assertEqual(self.ask("GET", "/v1/status")[0], 200)
        self.assert_ok(self.systemd.ctl("restart", self.daemon))
        self.assertEqual(self.ask("GET", "/v1/status")[0], 200)
        self.assert_ok(self.systemd.ctl("stop", self.daemon))
        self.assertEqual(self.ask("GET", "/v1/status")[0], 200)   # which starts it
        self.assert_ok(self.systemd.ctl("stop", "peerstaged.socket", self.daemon))
        self.assertNotEqual(self.systemd.run("test", "-e", "/run/peerstage/control.sock").returncode, 0)

    def test_makes_its_socket_itself_without_the_socket_unit(self):
        self.assert_ok(self.systemd.ctl("mask", "--runtime", "--now", "peerstaged.socket"))
        self.start(self.make_pool_of_both_kinds(), "<control_group>peerstage</control_group>")
        info = self.systemd.run("stat", "-c", "%A %U:%G", "/run/peerstage/control.sock").stdout.strip()
        self.assertEqual(info, "srw-rw---- backup:peerstage")
        self.assertEqual(self.ask("GET", "/v1/status")[0], 200)

    def test_lets_members_of_the_group_look_and_change_nothing(self):
        self.systemd.run("usermod", "--append", "--groups", "peerstage", "daemon")
        self.start(self.make_pool_of_both_kinds(), "<control_group>peerstage</control_group>")
        self.assertEqual(self.ask("GET", "/v1/status", as_user="daemon")[0], 200)
        self.assertEqual(self.ask("POST", "/v1/pause", as_user="daemon")[0], 403)
        self.assertEqual(self.ask("POST", "/v1/pause")[0], 200)

    def test_tells_the_journal_what_a_line_is_about(self):
        pool = self.make_pool_of_both_kinds()
        pool.local("broken", {"cback.sha256": b"0" * 64 + b"  data\n", "data": b"x"})
        self.start(pool)
        self.stage_now()
        self.wait(lambda: self.systemd.journal(f"MESSAGE_ID={MESSAGE_IDS['run_failed']}"), "the run to fail")
        (begun,) = self.systemd.journal(f"MESSAGE_ID={MESSAGE_IDS['run_begun']}")
        run = begun["PEERSTAGE_RUN"]
        (ended,) = self.systemd.journal(f"MESSAGE_ID={MESSAGE_IDS['run_failed']}", f"PEERSTAGE_RUN={run}")
        self.assertEqual(ended["_SYSTEMD_UNIT"], self.daemon)
        (failed,) = self.systemd.journal(f"MESSAGE_ID={MESSAGE_IDS['peer_failed']}", "PEERSTAGE_PEER=broken")
        self.assertEqual((failed["PRIORITY"], failed["PEERSTAGE_RUN"]), ("3", run))
        self.assertNotEqual(self.systemd.journal("PEERSTAGE_PEER=here"), [])


def documented(title):
    """The drop-in of docs/operations.md that begins with this comment."""
    blocks = (systemd.ROOT / "docs/operations.md").read_text().split("```")
    (block,) = [block for block in blocks if block.startswith(f"ini\n# {title}\n")]
    return block.removeprefix("ini\n")


if __name__ == "__main__":
    unittest.main()
