"""Managed actions: what a peer is told to do, at one go and in the flow of the daemon's jobs."""
import os
import re
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from case import IS_ROOT, PoolTest  # noqa: E402
from daemon import Daemon  # noqa: E402

# What stands in for cback3 on a peer. Its first word is the peer's directory, the rest is what the master asked for. What
# it does is in files there, one for an action; `calls` has each call, word by word.
CBACK = r"""#!/bin/sh
home=$1
shift
printf '%s\n' "$(date +%s.%N) begins $*" >> "$home/calls"
for last; do :; done
if [ -e "$home/$last.sh" ]; then . "$home/$last.sh"; fi
printf '%s\n' "$(date +%s.%N) ends $*" >> "$home/calls"
"""

# Until the pool is gone: nothing may outlive its test.
HANGS = "while [ -d $home ]; do sleep 0.2; done; exit"


class ManagedTest(PoolTest):
    def make_pool(self, **staging):
        pool = super().make_pool(**staging)
        self.cback = pool.directory / "cback"
        self.cback.write_text(CBACK)
        self.cback.chmod(0o755)
        pool.options["rsh_command"] = "/usr/bin/ssh"
        pool.options["managed_actions"] = "collect,purge"
        pool.option_elements = ""
        return pool

    def managed(self, pool, name, files=None, **elements):
        """A peer that is managed; `peer.home` is where its stand-in of cback3 looks."""
        home = pool.make_directory(f"homes/{name}", mode=0o777)
        peer = pool.remote(name, files, managed="Y", cback_command=f"{self.cback} {home}", **elements)
        peer.home = home
        return peer

    def does(self, peer, action, script):
        (peer.home / f"{action}.sh").write_text(script)

    def calls(self, peer):
        """["begins collect", "ends collect", ...]"""
        path = peer.home / "calls"
        return [line.split(" ", 1)[1] for line in path.read_text().splitlines()] if path.exists() else []

    def only(self, pool, *words, **how):
        return pool.run("-N", "--json", *words, **how)

    def outcome(self, result, name, action=0):
        done = result.json["actions"][action]
        self.assertTrue(done["managed"], str(result))
        (found,) = [peer for peer in done["result"]["peers"] if peer["name"] == name]
        return found


class OneShot(ManagedTest):
    def test_actions_reach_the_peers_that_list_them(self):
        pool = self.make_pool()
        web1 = self.managed(pool, "web1")
        web2 = self.managed(pool, "web2", managed_actions="purge")
        result = self.only(pool, "collect", "purge")
        self.assert_exit(result, 0)
        self.assertEqual(self.calls(web1), ["begins collect", "ends collect", "begins purge", "ends purge"])
        self.assertEqual(self.calls(web2), ["begins purge", "ends purge"])
        self.assertEqual([peer["name"] for peer in result.json["actions"][0]["result"]["peers"]], ["web1"])

    def test_the_command_is_byte_for_byte_that_of_cedar_backup(self):
        pool = self.make_pool()
        seen = pool.directory / "seen"
        seen.touch(mode=0o666)
        seen.chmod(0o666)
        web1 = pool.remote("web1", managed="Y", cback_command="/usr/bin/cback3  -c '/etc/x y.conf'")
        keys = pool.directory / "authorized_keys"
        keys.write_text(f'command="printf \'%s|\' \\"$SSH_ORIGINAL_COMMAND\\" >> {seen}" {keys.read_text()}')
        self.assert_exit(self.only(pool, "collect"), 0)
        self.assert_exit(self.only(pool, "--full", "purge"), 0)
        self.assertEqual(seen.read_text(), "/usr/bin/cback3  -c '/etc/x y.conf' collect|"
                                           "/usr/bin/cback3  -c '/etc/x y.conf' --full purge|")
        self.assertEqual(web1.kind, "remote")

    def test_a_failure_is_told_with_its_status_and_its_last_words(self):
        pool = self.make_pool()
        web1, web2 = self.managed(pool, "web1"), self.managed(pool, "web2")
        self.does(web1, "collect", "echo looking; echo no disk is left >&2; exit 6")
        result = self.only(pool, "collect")
        self.assert_exit(result, 7)
        failed = self.outcome(result, "web1")
        self.assertEqual((failed["status"], failed["exit_status"], failed["signal"]), ("failed", 6, None))
        self.assertIn("exit status 6", failed["error"]["message"])
        self.assertIn("no disk is left", failed["error"]["message"])
        self.assertEqual(self.outcome(result, "web2")["status"], "ok")
        self.assertRegex(result.log, r"\[INFO *\] peer web1: collect: looking")
        self.assertRegex(result.log, r"\[WARNING *\] peer web1: collect: no disk is left")
        self.assertEqual(self.calls(web2), ["begins collect", "ends collect"])

    def test_one_that_dies_by_a_signal_has_no_exit_status(self):
        pool = self.make_pool()
        web1 = self.managed(pool, "web1")
        self.does(web1, "collect", "kill -KILL $$")
        result = self.only(pool, "collect")
        self.assert_exit(result, 7)
        failed = self.outcome(result, "web1")
        self.assertEqual((failed["status"], failed["exit_status"], failed["signal"]), ("failed", None, "KILL"))

    def test_floods_on_both_streams_neither_block_nor_fill_the_log(self):
        pool = self.make_pool()
        web1 = self.managed(pool, "web1")
        self.does(web1, "collect", "yes \"$(printf '\\033[2Jforged\\377')\" | head -c 20000000 &\n"
                                   "head -c 20000000 /dev/zero >&2; wait; echo the last line")
        result = self.only(pool, "collect")
        self.assert_exit(result, 0)
        self.assert_printable(result)
        self.assertIn("lines of its output are left out", result.log)
        self.assertLess(len(result.log), 200_000)

    def test_one_that_hangs_is_ended_by_its_deadline_and_not_asked_again(self):
        pool = self.make_pool(retries=3, retry_delay="100ms")
        web1 = self.managed(pool, "web1")
        self.does(web1, "collect", HANGS)
        pool.peerstage_elements = "<managed><deadline>1s</deadline></managed>"
        result = self.only(pool, "collect")
        self.assert_exit(result, 7)
        self.assertLess(result.seconds, 20, str(result))
        self.assertIn("did not end within", self.outcome(result, "web1")["error"]["message"])
        self.assertEqual(self.calls(web1), ["begins collect"])

    def test_a_peer_that_cannot_be_reached_is_tried_again(self):
        pool = self.make_pool(retries=2, retry_delay="50ms")
        self.managed(pool, "web1", port=1)
        result = self.only(pool, "collect")
        self.assert_exit(result, 7)
        failed = self.outcome(result, "web1")
        self.assertEqual(failed["error"]["kind"], "transient")
        self.assertEqual(result.log.count("trying again in"), 2, str(result))

    def test_rsh_command_says_how_peers_are_reached(self):
        pool = self.make_pool()
        web1 = self.managed(pool, "web1")
        port, web1.elements["port"] = web1.elements["port"], None
        pool.ssh_settings = {"identity_file": None, "known_hosts": None}
        known_hosts = pool.directory / "of_rsh"
        known_hosts.write_text(f"[{web1.address}]:{port} {pool.sshd.host_key}\n")
        pool.options["rsh_command"] = f"ssh -p {port} -i {pool.key} -o UserKnownHostsFile={known_hosts}"
        self.assert_exit(self.only(pool, "collect"), 0)
        self.assertEqual(self.calls(web1), ["begins collect", "ends collect"])

    def own_sections(self, pool):
        """This machine collects and purges as well."""
        own, data, old = (pool.make_directory(name) for name in ("own", "data", "old"))
        (data / "file").write_text("x")
        pool.top_elements = (
            f"<collect><collect_dir>{own}</collect_dir><collect_mode>daily</collect_mode><archive_mode>tar</archive_mode>"
            f"<ignore_file>.ignore</ignore_file><dir><abs_path>{data}</abs_path></dir></collect>"
            f"<purge><dir><abs_path>{old}</abs_path><retain_days>7</retain_days></dir></purge>")
        return own

    def refusal(self, result, name):
        """Why this peer was not told to purge."""
        found = self.outcome(result, name, [action["action"] for action in result.json["actions"]].index("purge") + 1)
        self.assertEqual((found["status"], found["exit_status"]), ("refused", None), str(result))
        return found["error"]["message"]

    def test_a_peer_whose_collect_may_still_be_going_on_is_not_told_to_purge(self):
        pool = self.make_pool()
        self.own_sections(pool)
        web1 = self.managed(pool, "web1", {"a": b"1"})
        web2 = self.managed(pool, "web2", {"a": b"2"})
        self.does(web1, "collect", HANGS)
        pool.peerstage_elements = "<managed><deadline>2s</deadline></managed>"
        result = pool.run("-M", "--json", "collect", "stage", "purge")
        self.assert_exit(result, 7)
        self.assertIn("may still be going on", self.refusal(result, "web1"))
        self.assertEqual(self.calls(web1), ["begins collect"])
        self.assertEqual(self.calls(web2), ["begins collect", "ends collect", "begins purge", "ends purge"])

    def test_a_peer_that_the_same_command_does_not_stage_is_not_told_to_purge(self):
        pool = self.make_pool()
        self.own_sections(pool)
        self.managed(pool, "web1")
        near = pool.make_directory("near")
        (near / "cback.collect").touch()
        staging = pool.make_directory("of_stage", pool.user)
        text = (f"<stage><staging_dir>{staging}</staging_dir><peer><name>near</name><type>local</type>"
                f"<collect_dir>{near}</collect_dir></peer></stage>")
        write_config = pool.write_config

        def with_peers_of_its_own():
            write_config()
            pool.config.write_text(re.sub("<stage>.*</stage>", text, pool.config.read_text()))
        pool.write_config = with_peers_of_its_own
        result = pool.run("-M", "--json", "stage", "purge")
        self.assert_exit(result, 0)
        self.assertIn("was not staged", self.refusal(result, "web1"))

    def test_a_peer_that_may_be_missing_and_is_not_told_to_purge_is_no_failure(self):
        pool = self.make_pool()
        self.own_sections(pool)
        web1 = self.managed(pool, "web1", ignore_failures="all")  # never ready
        result = pool.run("-M", "--json", "stage", "purge")
        self.assert_exit(result, 0)
        self.assertIn("was not staged", self.refusal(result, "web1"))
        self.assertEqual(self.calls(web1), [])
        self.assertRegex(result.log, r"\[WARNING *\] peer web1: the managed action purge was not run")

    def test_a_wrong_rsh_command_is_found_before_anything_is_done(self):
        pool = self.make_pool()
        own = self.own_sections(pool)
        web1 = self.managed(pool, "web1", {"a": b"1"})
        pool.options["rsh_command"] = "/usr/local/bin/mysh"
        result = pool.run("-M", "--json", "collect")
        self.assert_exit(result, 4)
        self.assertFalse(result.json["valid"], str(result))
        self.assertEqual(list(own.iterdir()), [], "this machine has collected")
        self.assertEqual(self.calls(web1), [])

    def test_a_wrapper_as_rsh_command_is_an_error_where_it_is_wanted(self):
        pool = self.make_pool()
        web1 = self.managed(pool, "web1", {"a": b"1"})
        pool.options["rsh_command"] = "/usr/local/bin/mysh"
        result = self.only(pool, "collect")
        self.assert_exit(result, 4)
        self.assertIn("mysh", result.log)
        self.assertEqual(self.calls(web1), [])
        self.assert_exit(pool.stage(), 0)

    def test_a_peer_that_was_not_staged_is_not_told_to_purge(self):
        pool = self.make_pool()
        web1 = self.managed(pool, "web1", {"a": b"1"})
        web2 = self.managed(pool, "web2")   # never ready
        old = pool.make_directory("old")
        pool.top_elements = f"<purge><dir><abs_path>{old}</abs_path><retain_days>7</retain_days></dir></purge>"
        result = pool.run("-M", "--json", "stage", "purge")
        self.assertNotEqual(result.exit, 0, str(result))
        self.assertEqual(self.calls(web1), ["begins purge", "ends purge"])
        self.assertEqual(self.calls(web2), [])
        done = [action for action in result.json["actions"] if action["managed"] and action["action"] == "purge"]
        self.assertEqual({peer["name"]: peer["status"] for peer in done[0]["result"]["peers"]},
                         {"web1": "ok", "web2": "refused"})

    def test_an_interruption_ends_it(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                pool = self.make_pool()
                web1 = self.managed(pool, "web1")
                self.does(web1, "collect", HANGS)
                process = pool.start("-N", "--json", "collect")
                pool.wait_until(process, lambda: self.calls(web1), "the action goes on")
                os.kill(process.pid, number)
                result = pool.finish(process)
                self.assert_exit(result, 5)
                self.assertEqual(self.outcome(result, "web1")["status"], "cancelled")

    def test_twenty_peers_take_as_long_as_the_slowest(self):
        seconds = 4
        pool = self.make_pool(parallel_peers=20)
        pool.sshd
        peers = [self.managed(pool, f"web{n}", address=pool.sshd.addresses[0]) for n in range(20)]
        for peer in peers:
            self.does(peer, "collect", f"sleep {seconds}")
        result = self.only(pool, "collect")
        self.assert_exit(result, 0)
        print(f"\n20 peers of {seconds} s each: {result.seconds:.1f} s", file=sys.stderr)
        self.assertLess(result.seconds, 20 * seconds / 2, "they do not go on side by side")


JOB = ("<job><name>nightly</name><schedule>30 2 * * *</schedule><actions>collect, stage, purge</actions>"
       "<managed>Y</managed></job>")
COLLECTS = "echo new > {collect}/data; touch {collect}/cback.collect"


class Flow(ManagedTest):
    def collecting(self, pool, name, before=""):
        """A peer that has nothing before it collects, and notes at a purge whether it was told to be staged."""
        peer = self.managed(pool, name)
        if IS_ROOT:
            peer.collect.chmod(0o777)
        self.does(peer, "collect", f"{before}\n" + COLLECTS.format(collect=peer.collect))
        self.does(peer, "purge", f"ls {peer.collect} > {peer.home}/at_purge")
        pool.versions_anywhere.add("7aa7a5359173d05b63cfd682e3c38487f3cb4f7f1d60659fe59fab1505977d4c")  # of "new\n"
        return peer

    def run_job(self, pool):
        daemon = Daemon(pool, JOB).start()
        try:
            return daemon.run_job("nightly")
        finally:
            self.daemon_result = daemon.stop()

    def peer_of(self, run, name):
        (found,) = [peer for peer in run["peers"] if peer["name"] == name]
        return found

    def test_each_peer_collects_is_staged_and_purges(self):
        pool = self.make_pool()
        peers = [self.collecting(pool, name) for name in ("web1", "web2")]
        run = self.run_job(pool)
        self.assertEqual(run["run"]["status"], "ok", str(self.daemon_result))
        for peer in peers:
            report = self.peer_of(run, peer.name)
            self.assertEqual(report["status"], "staged")
            self.assertEqual([(action["action"], action["status"], action["exit_status"]) for action in report["actions"]],
                             [("collect", "ok", 0), ("purge", "ok", 0)])
            self.assertEqual(self.calls(peer), ["begins collect", "ends collect", "begins purge", "ends purge"])
            self.assertIn("cback.stage", (peer.home / "at_purge").read_text().split())

    def test_no_peer_waits_for_another(self):
        pool = self.make_pool()
        slow = self.collecting(pool, "slow", "while [ -d $home ] && [ ! -e $home/go ]; do sleep 0.1; done")
        fast = self.collecting(pool, "fast")
        daemon = Daemon(pool, JOB).start()
        daemon.post("/v1/runs", {"job": "nightly"})
        # Not by the clock: one is done to its end while the other still collects.
        pool.wait_until(daemon.process, lambda: "ends purge" in self.calls(fast), "the fast peer is done")
        self.assertEqual(self.calls(slow), ["begins collect"])
        (slow.home / "go").touch()
        pool.wait_until(daemon.process, lambda: "ends purge" in self.calls(slow), "the slow peer is done")
        self.daemon_result = daemon.stop()

    def test_a_peer_that_cannot_be_staged_is_not_purged(self):
        pool = self.make_pool()
        web1 = self.collecting(pool, "web1")
        self.does(web1, "collect", "echo nothing to collect >&2; exit 3")
        run = self.run_job(pool)
        report = self.peer_of(run, "web1")
        self.assertEqual(report["status"], "failed", str(self.daemon_result))
        self.assertIn("exit status 3", report["error"]["message"])
        self.assertIn("not ready", report["error"]["message"])
        self.assertEqual([action["status"] for action in report["actions"]], ["failed", "refused"])
        self.assertEqual(self.calls(web1), ["begins collect"])

    def test_this_machine_collects_before_and_purges_after(self):
        pool = self.make_pool()
        web1 = self.collecting(pool, "web1")
        own, data, old = (pool.make_directory(name) for name in ("own", "data", "old"))
        (data / "file").write_text("x")
        pool.top_elements = (
            f"<collect><collect_dir>{own}</collect_dir><collect_mode>daily</collect_mode><archive_mode>tar</archive_mode>"
            f"<ignore_file>.ignore</ignore_file><dir><abs_path>{data}</abs_path></dir></collect>"
            f"<purge><dir><abs_path>{old}</abs_path><retain_days>7</retain_days></dir></purge>")
        run = self.run_job(pool)
        self.assertEqual(run["run"]["status"], "ok", str(self.daemon_result))
        self.assertEqual([(action["action"], action["status"], action["exit_status"]) for action in run["run"]["actions"]],
                         [("collect", "ok", 0), ("purge", "ok", 0)])
        log = self.daemon_result.log
        places = [log.index(words) for words in ("the action collect of this machine is done", "peer web1: the managed action collect begins",
                                                 "peer web1: the managed action purge is done", "the action purge of this machine begins")]
        self.assertEqual(places, sorted(places))
        self.assertEqual(self.calls(web1), ["begins collect", "ends collect", "begins purge", "ends purge"])

    def test_what_was_done_is_not_repeated_by_a_later_attempt(self):
        pool = self.make_pool(retries=2, retry_delay="50ms")
        web1 = self.collecting(pool, "web1")
        # Commands get through, files do not.
        port, web1.elements["port"] = web1.elements["port"], None
        pool.options["rsh_command"] = f"ssh -p {port} -o UserKnownHostsFile={pool.directory}/of_rsh"
        (pool.directory / "of_rsh").write_text(f"[{web1.address}]:{port} {pool.sshd.host_key}\n")
        pool.ssh_settings = {"known_hosts": None}
        pool.options["rcp_command"] = "scp -P 1"
        run = self.run_job(pool)
        report = self.peer_of(run, "web1")
        self.assertEqual((report["status"], report["attempts"]), ("failed", 3), str(self.daemon_result))
        self.assertEqual([action["status"] for action in report["actions"]], ["ok", "refused"])
        self.assertEqual(self.calls(web1), ["begins collect", "ends collect"])

    def test_twenty_peers_take_as_long_as_the_slowest(self):
        seconds = 4
        pool = self.make_pool(parallel_peers=20)
        pool.sshd
        for n in range(20):
            home = pool.make_directory(f"homes/web{n}", mode=0o777)
            peer = pool.remote(f"web{n}", managed="Y", cback_command=f"{self.cback} {home}",
                               address=pool.sshd.addresses[0])
            peer.home = home
            peer.collect.chmod(0o777)
            self.does(peer, "collect", f"sleep {seconds}\n" + COLLECTS.format(collect=peer.collect))
            self.does(peer, "purge", f"sleep {seconds}")
        start = time.monotonic()
        run = self.run_job(pool)
        took = time.monotonic() - start
        self.assertEqual(run["run"]["status"], "ok", str(self.daemon_result))
        slowest = max(peer["seconds"] for peer in run["peers"])
        print(f"\n20 peers, collect and purge of {seconds} s each, staged between: {took:.1f} s; "
              f"the slowest peer: {slowest:.1f} s", file=sys.stderr)
        self.assertLess(took, 20 * 2 * seconds / 2, "they do not go on side by side")


if __name__ == "__main__":
    unittest.main()
