#!/usr/bin/python3
"""Commands on many peers: what is shown and where, the document, the exit code, who waits for whom."""
import os
import signal
import time
import unittest
from pathlib import Path

from case import PoolTest, measures_memory, needs_root
from pool import IS_ROOT, send, unescape, wait_until

KEYS = ["name", "status", "exit_status", "signal", "output", "error_output", "output_bytes", "error_bytes", "seconds",
        "error"]


class ExecTest(PoolTest):
    def mixed_pool(self, **staging):
        pool = self.make_pool(**staging)
        pool.near = pool.local("near")
        pool.web1 = pool.remote("web1", group="web")
        pool.web2 = pool.remote("web2", group="web")
        pool.peerstage_elements = "<group><name>web</name><parallel_peers>4</parallel_peers></group>"
        return pool

    def exec(self, pool, *words, **options):
        return pool.run("exec", *words, **options)

    def said(self, process, stream):
        """What it has printed so far; its place in the file is its own."""
        return os.pread(process.outputs[stream].fileno(), 1 << 20, 0).decode()

    def pid_in(self, path):
        wait_until(lambda: path.exists() and path.read_text().strip(), f"{path} to be written")
        return int(path.read_text())

    def assert_ends(self, pid):
        def gone():
            try:
                return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
            except FileNotFoundError:
                return True
        wait_until(gone, f"process {pid} to end")


class Shown(ExecTest):
    def test_each_line_has_the_name_of_its_peer(self):
        pool = self.mixed_pool()
        result = self.exec(pool, "--", "sh", "-c", "echo one; echo two; echo oops >&2; printf end")
        self.assert_exit(result, 0)
        for name in ("near", "web1", "web2"):
            lines = [line for line in result.stdout.splitlines() if line.startswith(f"{name}: ")]
            self.assertEqual(lines, [f"{name}: one", f"{name}: two", f"{name}: end"], str(result))
            self.assertIn(f"{name}: oops\n", result.stderr, str(result))
        self.assertEqual(len(result.stdout.splitlines()), 9, str(result))

    def test_what_could_harm_a_terminal_is_escaped_wherever_it_goes(self):
        pool = self.make_pool()
        pool.remote("web1")
        result = self.exec(pool, "--", "printf", r"a\033[31mb\tc\\d\377\r\n")
        self.assert_exit(result, 0)
        self.assertEqual(result.stdout, "web1: a\\x1b[31mb\tc\\d\\xff\n", str(result))

    def test_gathered_output_stands_in_one_piece(self):
        pool = self.mixed_pool()
        result = self.exec(pool, "--gather", "--", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.05; done")
        self.assert_exit(result, 0)
        lines = result.stdout.splitlines()
        self.assertEqual(len(lines), 12, str(result))
        heads = [line.split()[1] for line in lines[::4]]
        self.assertEqual(sorted(heads), ["near:", "web1:", "web2:"], str(result))
        for at in (0, 4, 8):
            self.assertTrue(lines[at].startswith("=== ") and ": ok (" in lines[at], str(result))
            self.assertEqual(lines[at + 1:at + 4], ["1", "2", "3"], str(result))

    def test_words_arrive_as_they_are(self):
        pool = self.mixed_pool()
        words = ["a b", "", "it's", "$HOME", "*", "\\", "!", "-n", "x\ny", "ä"]
        result = self.exec(pool, "--json", "--", "printf", "<%s>", *words)
        self.assert_exit(result, 0)
        expected = "".join(f"<{word}>" for word in words).encode()
        for name in ("near", "web1", "web2"):
            self.assertEqual(unescape(result.peer(name)["output"]), expected, str(result))


class Judged(ExecTest):
    def test_document(self):
        pool = self.mixed_pool()
        result = self.exec(pool, "--json", "--", "sh", "-c", r"printf 'out\377\033\n'; printf err >&2")
        self.assert_exit(result, 0)
        document = result.json
        self.assertEqual(list(document), ["version", "exit_code", "error", "peers"], str(result))
        self.assertEqual((document["version"], document["exit_code"], document["error"]), (1, 0, None))
        self.assertEqual([peer["name"] for peer in document["peers"]], ["near", "web1", "web2"])
        for peer in document["peers"]:
            self.assertEqual(list(peer), KEYS)
            seconds = peer.pop("seconds")
            self.assertTrue(0 <= seconds < 60)
            self.assertEqual(unescape(peer["output"]), b"out\xff\x1b\n")
            self.assertEqual({key: peer[key] for key in KEYS if key not in ("name", "output", "seconds")},
                             {"status": "ok", "exit_status": 0, "signal": None, "error_output": "err",
                              "output_bytes": 6, "error_bytes": 3, "error": None})
        self.assertEqual(result.stderr, "")

    def test_worst_result_decides(self):
        pool = self.mixed_pool()
        pool.remote("gone", address="127.0.0.99", port=1)
        script = 'case "$SSH_CONNECTION" in *%s*) exit 3;; esac' % pool.web1.address
        result = self.exec(pool, "--json", "--", "sh", "-c", script)
        self.assert_exit(result, 7)
        self.assert_statuses(result, near="ok", web1="failed", web2="ok", gone="unreachable")
        self.assertEqual(result.peer("web1")["exit_status"], 3)
        self.assertIn("exit status 3", result.peer("web1")["error"])
        self.assertIsNone(result.peer("gone")["exit_status"])
        self.assertEqual(result.json["exit_code"], 7)

    def test_signals_missing_commands_and_host_keys(self):
        pool = self.mixed_pool()
        result = self.exec(pool, "--json", "--", "sh", "-c", "kill -TERM $$; sleep 5")
        self.assert_exit(result, 7)
        self.assertEqual((result.peer("near")["signal"], result.peer("near")["exit_status"]), ("TERM", None), str(result))
        # dash, where it is the login shell, makes a status of a signal
        self.assertIn((result.peer("web1")["signal"], result.peer("web1")["exit_status"]), (("TERM", None), (None, 143)))
        result = self.exec(pool, "--json", "--", "/nonexistent/program")
        self.assertEqual({peer["exit_status"] for peer in result.json["peers"]}, {127}, str(result))
        pool.unknown_hosts = {pool.web2.address}
        result = self.exec(pool, "--", "true")
        self.assert_exit(result, 7)
        self.assertRegex(result.stderr, "peerstage exec: web2: unreachable: the host key of .* is not known")

    def test_whoever_fails_is_named_while_it_goes(self):
        pool = self.make_pool()
        pool.remote("web1")
        result = self.exec(pool, "--", "sh", "-c", "exit 4")
        self.assert_exit(result, 7)
        self.assertEqual(result.stderr, "peerstage exec: web1: failed: the command ended with exit status 4\n")

    def test_peers_and_groups_are_chosen(self):
        pool = self.mixed_pool()
        result = self.exec(pool, "--json", "--group", "web", "--", "true")
        self.assert_statuses(result, web1="ok", web2="ok")
        result = self.exec(pool, "--json", "--peer", "near", "--peer", "web2", "--", "true")
        self.assert_statuses(result, near="ok", web2="ok")
        for words in (("--peer", "web9"), ("--group", "db")):
            result = self.exec(pool, *words, "--", "true")
            self.assert_exit(result, 2)
            self.assertIn(f"there is no {words[0][2:]} {words[1]}; the configuration has:", result.stderr)
            result = self.exec(pool, "--json", *words, "--", "true")
            self.assertEqual((result.exit, result.json["exit_code"], result.json["peers"]), (2, 2, []), str(result))

    def test_a_wrong_configuration_is_4(self):
        pool = self.mixed_pool()
        pool.peerstage_elements = "<nonsense/>"
        self.assert_exit(self.exec(pool, "--", "true"), 4)

    def test_a_pool_that_stages_nothing_can_be_asked_too(self):
        pool = self.mixed_pool()
        pool.write_known_hosts()
        pool.write_config()
        text = pool.config.read_text()
        begin, end = text.index("<stage>"), text.index("</stage>") + len("</stage>")
        pool.config.write_text(text[:begin] + "<purge/>" + text[end:])
        self.assert_exit(self.exec(pool, "--", "true", write=False), 0)


class Patience(ExecTest):
    def test_one_that_hangs_does_not_delay_the_others(self):
        pool = self.mixed_pool()
        script = 'case "$SSH_CONNECTION" in *%s*) while [ -d %s ]; do sleep 0.1; done;; esac; echo here' % (
            pool.web1.address, pool.directory)
        process = pool.start("exec", "--timeout", "20s", "--", "sh", "-c", script)

        def shown():
            return self.said(process, 0)
        began = time.monotonic()
        wait_until(lambda: "near: here\n" in shown() and "web2: here\n" in shown(), "the other peers")
        self.assertLess(time.monotonic() - began, 15)
        self.assertIsNone(process.poll(), "web1 is still at it")
        send(process, signal.SIGINT)
        self.assertEqual(process.wait(timeout=20), 5)

    def test_a_command_is_ended_at_its_time(self):
        pool = self.make_pool()
        pool.local("near")
        pool.remote("web1")
        pid = pool.directory / "pid"
        pid.touch()
        pid.chmod(0o666)
        script = f'[ -n "$SSH_CONNECTION" ] || echo $$ >{pid}; while [ -d {pool.directory} ]; do sleep 0.1; done'
        result = self.exec(pool, "--json", "--timeout", "1s", "--", "sh", "-c", script)
        self.assert_exit(result, 7)
        for name in ("near", "web1"):
            self.assertEqual(result.peer(name)["status"], "failed", str(result))
            self.assertIn("did not end within 1000 ms", result.peer(name)["error"])
        self.assert_ends(self.pid_in(pid))

    def test_the_deadline_of_managed_actions_is_the_default(self):
        pool = self.make_pool()
        pool.local("near")
        pool.peerstage_elements = "<managed><deadline>500ms</deadline></managed>"
        result = self.exec(pool, "--", "sleep", "30")
        self.assert_exit(result, 7)
        self.assertIn("did not end within 500 ms", result.stderr)

    def test_an_interruption_ends_all_and_says_what_was_going_on(self):
        pool = self.mixed_pool(parallel_peers=2)
        pids = pool.directory / "pids"
        pids.mkdir()
        pids.chmod(0o777)
        script = f'echo $$ >{pids}/"${{SSH_CONNECTION:-near}}"; while [ -d {pool.directory} ]; do sleep 0.1; done'
        process = pool.start("exec", "--json", "--peer", "near", "--peer", "web1", "--", "sh", "-c", script)
        wait_until(lambda: len(list(pids.iterdir())) == 2, "two commands to run")
        send(process, signal.SIGTERM)
        self.assertEqual(process.wait(timeout=20), 5)
        self.assert_ends(self.pid_in(pids / "near"))
        self.assertIn("interrupted while it went on: near, web1", self.said(process, 1))

    @measures_memory
    def test_a_flood_costs_no_memory(self):
        pool = self.mixed_pool()
        script = "head -c 200000000 /dev/zero & head -c 200000000 /dev/zero >&2; wait"
        wrapper = ["sh", "-c", 'ulimit -d 300000; exec "$@"', "sh"]
        result = self.exec(pool, "--json", "--", "sh", "-c", script, wrapper=wrapper, deadline=180)
        self.assert_exit(result, 0)
        for peer in result.json["peers"]:
            self.assertEqual((peer["output_bytes"], peer["error_bytes"]), (200_000_000, 200_000_000))
            self.assertEqual(len(unescape(peer["output"])), 1 << 20)


class Users(ExecTest):
    def test_who_runs_it(self):
        pool = self.make_pool()
        pool.local("near")
        pool.remote("web1")
        result = self.exec(pool, "--json", "--", "id", "-un")
        self.assert_exit(result, 0)
        self.assertEqual(result.peer("near")["output"], f"{pool.user}\\x0a")
        self.assertEqual(result.peer("web1")["output"], f"{pool.caller}\\x0a")

    @needs_root
    def test_root_may_be_anybody(self):
        pool = self.make_pool()
        pool.local("near")
        pool.remote("web1")
        result = self.exec(pool, "--json", "--user", "daemon", "--", "sh", "-c", "id -un; id -gn; echo $HOME")
        self.assert_exit(result, 0)
        for name in ("near", "web1"):
            self.assertEqual(result.peer(name)["output"], "daemon\\x0adaemon\\x0a/usr/sbin\\x0a", str(result))

    @unittest.skipIf(IS_ROOT, "root may be anybody")
    def test_without_sudo_nobody_else_can_be_had(self):
        pool = self.make_pool()
        pool.local("near")
        pool.remote("web1")
        result = self.exec(pool, "--json", "--user", "daemon", "--", "id")
        self.assert_exit(result, 7)
        for name in ("near", "web1"):
            self.assertIn("<sudo>passwordless</sudo>", result.peer(name)["error"], str(result))


if __name__ == "__main__":
    unittest.main()
