#!/usr/bin/python3
"""The daemon on real pools: jobs that are due, asked for, interrupted and gone on with; reloading; stopping."""
import os
import signal
import sqlite3
import time
import unittest
from pathlib import Path

from case import PoolTest
from daemon import JOB, Daemon
from pool import check_manifest
from processes import children, wait_until

BIG = 40 << 20   # enough to be in the middle of, with the limit below
LIMIT = "4 MB"


def staged_files(daemon, peer):
    """{name: sha256} as the catalog has it for today."""
    document = daemon.pool.run("files", peer, time.strftime("%Y-%m-%d"), "--json")
    assert document.exit == 0, document
    return {entry["name"]: entry["sha256"] for entry in document.json["files"]}


class DaemonTest(PoolTest):
    def make_daemon(self, elements=JOB, **staging):
        self.pool = self.make_pool(**staging)
        return Daemon(self.pool, elements)

    def assert_catalog_is_the_disk(self, daemon, peers):
        for peer in peers:
            files = staged_files(daemon, peer.name)
            self.assertEqual(files, peer.content(), peer.name)

    def day(self):
        return self.pool.staging / time.strftime("%Y/%m/%d")


class Runs(DaemonTest):
    def test_a_job_that_is_asked_for_stages_the_pool(self):
        daemon = self.make_daemon()
        peers = [self.pool.local("near", {"a": b"a" * 1000}), self.pool.remote("far", {"b": b"b", "c/d": b"d"})]
        daemon.start()
        run = daemon.run_job()
        self.assertEqual((run["run"]["status"], run["run"]["job"], run["run"]["trigger"]), ("ok", "nightly", "request"))
        self.assertEqual({peer["name"]: peer["status"] for peer in run["peers"]}, {"near": "staged", "far": "staged"})
        for peer in peers:
            self.assertEqual(check_manifest(self.day() / peer.name), "")
        self.assertTrue((self.day() / "cback.stage").exists())
        self.assert_catalog_is_the_disk(daemon, peers)
        self.assertEqual({peer["name"]: peer["condition"] for peer in daemon.status()["peers"]},
                         {"near": "good", "far": "good"})
        self.assertEqual(daemon.run_job()["peers"][0]["status"], "unchanged")
        self.assert_catalog_is_the_disk(daemon, peers)
        self.assert_sound(self.pool)
        self.assertEqual(daemon.stop().exit, 0)
        self.assertFalse(daemon.socket.exists())

    def test_a_job_is_begun_by_the_clock(self):
        daemon = self.make_daemon(JOB.replace("30 2 * * *", "* * * * *"))
        self.pool.local("near", {"a": b"a"})
        daemon.start()
        wait_until(lambda: daemon.get("/v1/runs")["runs"] and daemon.get("/v1/runs")["runs"][0]["run"]["over"],
                   "a run begun by the clock", 75)
        run = daemon.get("/v1/runs")["runs"][0]["run"]
        self.assertEqual((run["trigger"], run["status"]), ("schedule", "ok"))
        self.assertEqual(daemon.stop().exit, 0)

    def test_a_slot_that_passed_while_the_daemon_was_down_is_made_up_for_also_by_a_job_that_never_ran(self):
        daemon = self.make_daemon(JOB.replace("30 2 * * *", "@hourly"))
        self.pool.local("near", {"a": b"a"})
        daemon.start()
        daemon.stop()
        with sqlite3.connect(daemon.catalog) as database:   # as if that had been some hours ago
            self.assertEqual(database.execute("update job_slot set slot = slot - ?", [7200 * 10**9]).rowcount, 1)
        daemon.start()
        wait_until(lambda: daemon.get("/v1/runs")["runs"], "it is made up for")
        self.assertEqual(daemon.get("/v1/runs")["runs"][0]["run"]["trigger"], "catch_up")
        daemon.stop()

    def test_peers_can_be_staged_by_name_and_a_second_run_waits_for_its_turn(self):
        daemon = self.make_daemon(bandwidth_limit=LIMIT)
        self.pool.local("a", {"big": os.urandom(BIG)})
        self.pool.local("b", {"small": b"b"})
        daemon.start()
        first = daemon.ticket(daemon.post("/v1/runs", {"peers": ["a"], "full": False}))
        second = daemon.ticket(daemon.post("/v1/runs", {"peers": ["b"], "full": False}))
        self.assertNotEqual(first, second)
        wait_until(lambda: daemon.status()["run"] is not None, "the first is going on")
        self.assertEqual([run["id"] for run in daemon.status()["queue"]], [second])
        status, document = daemon.request("POST", "/v1/runs", {"peers": ["nobody"], "full": False})
        self.assertEqual(status, 404, document)
        daemon.post(f"/v1/runs/{first}/cancel")
        self.assertEqual(daemon.wait_for(first)["run"]["status"], "interrupted")
        self.assertEqual(daemon.wait_for(second)["peers"][0]["status"], "staged")
        self.assertFalse((self.day() / "a").exists())
        daemon.stop()

    def test_a_run_waits_while_another_program_has_the_staging_directory(self):
        daemon = self.make_daemon(bandwidth_limit=LIMIT)
        self.pool.local("a", {"big": os.urandom(BIG)})
        daemon.start()
        one_shot = self.pool.start("stage", "--json", write=False)
        wait_until(lambda: list(self.pool.staging.glob(".peerstage/a/*")), "the one-shot run is fetching")
        run = daemon.start_job()
        wait_until(lambda: [entry for entry in daemon.status()["queue"] if entry["why_waiting"]],
                   "the daemon's run waits")
        self.assertIn("another run", daemon.status()["queue"][0]["why_waiting"])
        one_shot.send_signal(signal.SIGTERM)
        self.pool.finish(one_shot)
        self.assertIsNone(daemon.over(run))
        daemon.post(f"/v1/runs/{run}/cancel")
        daemon.stop()


class Interruptions(DaemonTest):
    def interrupted(self, daemon, end):
        """A run of which `small` is done and `big` is not, ended in some way."""
        small = self.pool.local("small", {"a": b"a"})
        big = self.pool.local("big", {f"part{n}": os.urandom(BIG // 8) for n in range(8)})
        daemon.start()
        run = daemon.start_job()
        wait_until(lambda: small.marker.exists() and daemon.status()["run"]["progress"]["arrived"]["files"] >= 2, "in the middle")
        self.marked_at = small.marker.stat().st_mtime_ns
        end()
        self.assertFalse(big.marker.exists())
        return run, small, big

    def assert_goes_on(self, daemon, run, small, big, cause):
        self.pool.staging_settings.pop("bandwidth_limit")
        daemon.start()
        document = daemon.wait_for(run)
        self.assertEqual((document["run"]["status"], document["run"]["id"]), ("ok", run))
        self.assertEqual([entry["cause"] for entry in document["run"]["interruptions"]], [cause])
        self.assertEqual({peer["name"]: peer["status"] for peer in document["peers"]},
                         {"small": "staged", "big": "staged"})
        self.assertEqual(small.marker.stat().st_mtime_ns, self.marked_at, "a peer that was done was done again")
        self.assertEqual(len(daemon.get("/v1/runs")["runs"]), 1)
        self.assert_catalog_is_the_disk(daemon, [small, big])
        self.assertTrue((self.day() / "cback.stage").exists())
        self.assert_sound(self.pool)
        daemon.stop()

    def test_killed_in_the_middle_it_goes_on_where_it_was(self):
        daemon = self.make_daemon(bandwidth_limit=LIMIT)
        run, small, big = self.interrupted(daemon, daemon.kill)
        self.assert_goes_on(daemon, run, small, big, "crash")

    def test_stopped_in_the_middle_it_ends_soon_and_goes_on_at_the_next_start(self):
        daemon = self.make_daemon(bandwidth_limit=LIMIT)
        took = []

        def stop():
            began = time.monotonic()
            result = daemon.stop()
            took.append(time.monotonic() - began)
            self.assertEqual(result.exit, 0, result)
        run, small, big = self.interrupted(daemon, stop)
        self.assertLess(took[0], 10)
        self.assert_goes_on(daemon, run, small, big, "shutdown")

    def test_a_catalog_that_cannot_be_written_at_the_start_costs_no_interrupted_run(self):
        daemon = self.make_daemon(bandwidth_limit=LIMIT)
        _, _, big = self.interrupted(daemon, daemon.kill)
        self.pool.staging_settings.pop("bandwidth_limit")
        other = sqlite3.connect(daemon.catalog, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("begin immediate")
        daemon.start()
        wait_until(big.marker.exists, "the interrupted run goes on")
        other.execute("rollback")
        daemon.stop()

    def test_no_worker_outlives_a_daemon_that_was_killed(self):
        daemon = self.make_daemon(bandwidth_limit=LIMIT)
        self.pool.local("big", {"a": os.urandom(BIG)})
        daemon.start()
        daemon.start_job()
        wait_until(lambda: children(daemon.process.pid), "a worker is there")
        workers = children(daemon.process.pid)
        daemon.process.send_signal(signal.SIGKILL)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "the workers are gone")
        self.pool.finish(daemon.process)

    def test_a_pause_outlives_the_daemon(self):
        daemon = self.make_daemon()
        self.pool.local("a", {"f": b"f"})
        daemon.start()
        daemon.post("/v1/pause")
        daemon.stop()
        daemon.start()
        self.assertTrue(daemon.status()["daemon"]["paused"])
        self.assertIsNone(daemon.status()["jobs"][0]["next_run"])
        daemon.post("/v1/resume")
        self.assertIsNotNone(daemon.status()["jobs"][0]["next_run"])
        daemon.stop()


class Reloading(DaemonTest):
    def test_a_good_file_takes_effect_and_a_bad_one_does_not(self):
        daemon = self.make_daemon()
        self.pool.local("a", {"f": b"f"})
        daemon.start()
        self.pool.local("b", {"g": b"g"})
        self.pool.write_config()
        self.assertEqual(self.pool.run("reload", write=False).exit, 0)
        self.assertEqual([peer["name"] for peer in daemon.status()["peers"]], ["a", "b"])
        self.pool.config.write_text("<cb_config><options/></cb_config>")
        result = self.pool.run("reload", "--socket", str(daemon.socket), write=False)
        self.assertEqual(result.exit, 4, result)
        self.assertIn("cback.conf:1", result.stdout + result.stderr)
        self.assertIn("cback.conf:1", daemon.status()["daemon"]["config_error"])
        self.assertEqual({peer["status"] for peer in daemon.run_job()["peers"]}, {"staged"})
        self.pool.write_config()
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: daemon.status()["daemon"]["config_error"] is None, "SIGHUP reads it again")
        daemon.stop()

    def test_with_a_bad_file_the_daemon_can_still_be_asked(self):
        daemon = self.make_daemon()
        self.pool.local("a", {"f": b"f"})
        daemon.start()
        self.pool.config.write_text(self.pool.config.read_text().replace("30 2 * * *", "99 2 * * *"))
        self.assertEqual(self.pool.run("reload", write=False).exit, 4)
        result = self.pool.run("status", write=False)
        self.assertEqual(result.exit, 0, result)
        self.assertIn("the one before stays in force", result.stdout)
        daemon.stop()

    def test_a_run_that_goes_on_keeps_the_configuration_that_it_began_with(self):
        daemon = self.make_daemon(bandwidth_limit=LIMIT)
        self.pool.local("a", {"big": os.urandom(BIG // 4)})
        daemon.start()
        run = daemon.start_job()
        wait_until(lambda: daemon.status()["run"] is not None, "it is going on")
        self.pool.local("b", {"g": b"g"})
        self.pool.write_config()
        daemon.post("/v1/reload")
        self.assertEqual([peer["name"] for peer in daemon.wait_for(run)["peers"]], ["a"])
        self.assertEqual([peer["name"] for peer in daemon.run_job()["peers"]], ["a", "b"])
        daemon.stop()


class Refusals(DaemonTest):
    def test_a_wrong_configuration_is_told_and_ends_with_4(self):
        daemon = self.make_daemon("<job><name>x</name><schedule>99 * * * *</schedule><actions>stage</actions></job>")
        self.pool.local("a", {"f": b"f"})
        result = self.pool.run("daemon")
        self.assertEqual(result.exit, 4, result)
        self.assertIn("peerstage/daemon/job", result.log)
        self.assertFalse(daemon.catalog.exists())

    def test_a_second_daemon_is_refused(self):
        daemon = self.make_daemon()
        self.pool.local("a", {"f": b"f"})
        daemon.start()
        result = self.pool.run("daemon")
        self.assertEqual(result.exit, 75, result)
        self.assertTrue(daemon.answers())
        daemon.stop()

    def test_a_catalog_that_cannot_be_had_costs_no_run(self):
        daemon = self.make_daemon()
        self.pool.local("a", {"f": b"f"})
        daemon.catalog.mkdir()
        daemon.start()
        self.assertIn("catalog.db", daemon.status()["daemon"]["catalog_error"])
        daemon.start_job()
        wait_until(lambda: daemon.peer("a")["condition"] == "good", "the peer is staged")
        self.assertTrue((self.day() / "cback.stage").exists())
        daemon.stop()


class Notifications(DaemonTest):
    def told(self):
        return self.pool.directory / "told"

    def daemon_that_tells(self):
        daemon = self.make_daemon()
        tell = self.pool.directory / "tell"
        tell.write_text(f"#!/bin/sh\necho $PEERSTAGE_EVENT >> {self.told()}\n")
        tell.chmod(0o755)
        daemon.configure(f"{JOB}<notify><on>failure,recovery</on><command>{tell}</command></notify>")
        return daemon

    def assert_told(self, *events):
        wait_until(lambda: self.told().exists() and self.told().read_text().split() == list(events), f"told: {events}")

    def test_a_recovery_is_told_also_when_the_daemon_was_restarted_after_the_failure(self):
        daemon = self.daemon_that_tells()
        peer = self.pool.local("a")
        daemon.start()
        self.assertEqual(daemon.run_job()["run"]["status"], "not_ready")
        self.assert_told("failure")
        daemon.stop()
        daemon.start()
        peer.ready()
        self.assertEqual(daemon.run_job()["run"]["status"], "ok")
        self.assert_told("failure", "recovery")
        daemon.stop()


class Upkeep(DaemonTest):
    def test_a_catalog_that_is_damaged_is_built_again_from_the_manifests(self):
        daemon = self.make_daemon()
        peers = [self.pool.local("a", {"f": b"f", "g/h": b"h"}), self.pool.local("b", {"i": b"i"})]
        daemon.start()
        daemon.run_job()
        daemon.stop()
        daemon.catalog.write_bytes(b"this is no database" * 1000)
        daemon.start()
        wait_until(lambda: daemon.get("/v1/runs")["runs"], "the catalog is filled again")
        wait_until(lambda: daemon.peer("b")["last_good"], "the peers are known again")
        self.assert_catalog_is_the_disk(daemon, peers)
        self.assertTrue(list(daemon.state.glob("catalog.db.damaged-*")))
        daemon.stop()

    def test_a_catalog_is_built_again_by_a_daemon_whose_configuration_is_named_by_a_relative_path(self):
        daemon = self.make_daemon()
        peer = self.pool.local("near", {"a": b"a" * 1000})
        daemon.start()
        daemon.run_job()
        daemon.stop()
        daemon.catalog.unlink()
        beside = 'program=$0; cd "${2%/*}"; name=${2##*/}; shift 2; exec "$program" -c "$name" "$@"'
        daemon.start(wrapper=["sh", "-c", beside])
        wait_until(lambda: daemon.peer("near")["condition"] == "good", "the catalog is built again")
        self.assert_catalog_is_the_disk(daemon, [peer])
        daemon.stop()

    def test_the_metrics_file_tells_of_the_last_run(self):
        daemon = self.make_daemon()
        self.pool.local("a", {"f": b"f"})
        daemon.start()
        daemon.run_job()
        wait_until(lambda: daemon.metrics.exists() and 'peerstage_peer_last_success' in daemon.metrics.read_text(),
                   "the metrics file is written")
        status, text = daemon.request("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertIn('peer="a"', text)
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
