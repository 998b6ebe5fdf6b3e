#!/usr/bin/python3
"""Actions: their order, their hooks, the programs of extensions, and what a run of several comes to."""
import os
import shlex
import signal
import subprocess
import unittest
from pathlib import Path
from xml.sax.saxutils import escape

from case import PoolTest, needs_root
from processes import wait_until

CBACK = Path("/usr/bin/cback3")
FILES = {"etc.tar": b"etc" * 100}


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


class ActionsTest(PoolTest):
    def setUp(self):
        """A pool whose configuration has a section for every action, and something that is called to write down what is
        done when."""
        self.pool = pool = self.make_pool()
        self.peer = pool.local("near", FILES)
        self.said = pool.directory / "said"
        data = pool.make_directory("data")
        (data / "file").write_text("data")
        collect = pool.make_directory("collect", pool.user)
        old = pool.make_directory("old")
        self.collect_section = (
            f"<collect><collect_dir>{collect}</collect_dir><collect_mode>daily</collect_mode>"
            "<archive_mode>tar</archive_mode><ignore_file>.cbignore</ignore_file>"
            f"<dir><abs_path>{data}</abs_path></dir></collect>")
        self.purge_section = (
            f"<purge><dir><abs_path>{old}</abs_path><retain_days>7</retain_days></dir></purge>")
        self.hooks = []
        self.extensions = []
        self.store_section = ""
        self.order_mode = "index"

    def program(self, name, script):
        path = self.pool.directory / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def says(self, word, then=""):
        return self.program(f"say-{word.replace(' ', '-')}", f"echo {shlex.quote(word)} >> {self.said}\n{then}")

    def hook(self, time, action, command):
        self.hooks.append(f"<{time}_action_hook><action>{action}</action><command>{escape(str(command))}</command>"
                          f"</{time}_action_hook>")

    def hooks_that_say(self, *actions):
        for action in actions:
            self.hook("post", action, self.says(f"after {action}"))
            self.hook("pre", action, self.says(f"before {action}"))

    def extension(self, name, order, command=None):
        """`builtins.print` is something that Cedar Backup can call."""
        program = "" if command is None else f"<command>{command}</command>"
        self.extensions.append(f"<action><name>{name}</name><module>builtins</module><function>print</function>"
                               f"{order}{program}</action>")

    def write_sections(self):
        self.pool.option_elements = "".join(self.hooks)
        extensions = (f"<extensions><order_mode>{self.order_mode}</order_mode>{''.join(self.extensions)}</extensions>"
                      if self.extensions else "")
        self.pool.top_elements = self.collect_section + self.purge_section + self.store_section + extensions

    def start(self, *arguments, **how):
        self.write_sections()
        return self.pool.start(*arguments, **how)

    def run_actions(self, *arguments, **how):
        return self.pool.finish(self.start(*arguments, **how))

    def said_lines(self):
        return self.said.read_text().splitlines() if self.said.exists() else []

    def assert_actions(self, result, *expected):
        """(name, managed, exit code) of each that was done or tried."""
        done = [(each["action"], each["managed"], each["exit_code"]) for each in result.json["actions"]]
        self.assertEqual(done, list(expected), str(result))


class OrderTest(ActionsTest):
    def test_actions_and_extensions_run_in_their_order_between_their_hooks(self):
        self.hooks_that_say("purge", "stage", "dump", "collect")
        self.extension("dump", "<index>99</index>", self.says("dump"))
        result = self.run_actions("purge", "stage", "dump", "collect", "--json")
        self.assert_exit(result, 0)
        self.assertEqual(self.said_lines(), [
            "before dump", "dump", "after dump", "before collect", "after collect", "before stage", "after stage",
            "before purge", "after purge"], str(result))
        self.assert_actions(result, *((name, False, 0) for name in ("dump", "collect", "stage", "purge")))
        self.assertEqual((result.json["version"], result.json["exit_code"], result.json["error"]), (1, 0, None))
        (stage,) = [each for each in result.json["actions"] if each["action"] == "stage"]
        self.assertEqual(stage["result"]["peers"][0]["status"], "staged")
        self.assert_marked(self.peer)

    def test_order_by_dependency(self):
        self.order_mode = "dependency"
        self.hooks_that_say("purge", "collect")
        self.extension("late", "<depends><run_after>purge</run_after></depends>", self.says("late"))
        self.extension("early", "<depends><run_before>collect</run_before></depends>", self.says("early"))
        result = self.run_actions("late", "purge", "collect", "early")
        self.assert_exit(result, 0)
        self.assertEqual([line for line in self.said_lines() if "after" not in line],
                         ["early", "before collect", "before purge", "late"], str(result))

    def test_all_is_collect_stage_and_purge_and_has_no_hooks_of_its_own(self):
        self.hooks_that_say("all", "collect", "stage", "purge")
        result = self.run_actions("all", "--json")
        self.assert_exit(result, 0)
        self.assert_actions(result, *((name, False, 0) for name in ("collect", "stage", "purge")))
        self.assertEqual([line for line in self.said_lines() if "before" in line],
                         ["before collect", "before stage", "before purge"])

    def test_an_action_asked_for_twice_runs_twice_with_its_hooks(self):
        self.hooks_that_say("stage")
        self.assert_exit(self.run_actions("stage", "stage"), 0)
        self.assertEqual(self.said_lines(), ["before stage", "after stage"] * 2)

    def test_of_two_stage_actions_the_document_tells_both(self):
        result = self.run_actions("stage", "stage", "--json")
        self.assert_exit(result, 0)
        self.assert_actions(result, ("stage", False, 0), ("stage", False, 0))
        self.assertEqual([each["result"]["peers"][0]["status"] for each in result.json["actions"]],
                         ["staged", "unchanged"])

    def test_managed_actions_come_after_those_here_and_have_no_hooks(self):
        self.hooks_that_say("collect", "purge")
        result = self.run_actions("-M", "collect", "purge", "--json")
        self.assert_exit(result, 0)
        self.assert_actions(result, ("collect", False, 0), ("collect", True, 0), ("purge", False, 0),
                            ("purge", True, 0))
        self.assertEqual(len(self.said_lines()), 4)
        self.said.unlink()
        result = self.run_actions("-N", "all", "--json")
        self.assert_exit(result, 0)
        self.assert_actions(result, *((name, True, 0) for name in ("collect", "stage", "store", "purge")))
        self.assertEqual(self.said_lines(), [])


class RefusalTest(ActionsTest):
    def assert_refused(self, result, *words):
        """With exit status 4, and before anything was done."""
        self.assert_exit(result, 4)
        self.assertFalse(result.json["valid"])
        message = result.json["findings"][-1]["message"]
        for word in words:
            self.assertIn(word, message, str(result))
            self.assertIn(word, result.log)
        self.assertEqual(self.said_lines(), [])
        self.assert_marked(self.peer, False)

    def test_what_cannot_be_done_is_refused_before_anything_is_done(self):
        self.hooks_that_say("collect", "stage", "store", "mysql")
        self.extension("mysql", "<index>50</index>")
        for words, expected in (
                (("collect", "store"), ("cback3 store",)),
                (("store",), ("cback3 store",)),
                (("initialize",), ("cback3 initialize",)),
                (("stage", "mysql"), ("builtins.print", "cback3 mysql", "command")),
                (("stage", "juggle"), ("juggle is unknown", "collect, stage, purge, validate and all", "mysql")),
                (("stage", "all"), ("all cannot be combined",)),
                (("-M", "validate", "validate"), ("validate cannot be combined",))):
            with self.subTest(words):
                self.assert_refused(self.run_actions(*words, "--json"), *expected)

    def test_an_extension_in_python_holds_no_other_action_up(self):
        self.extension("mysql", "<index>50</index>")
        self.assert_exit(self.run_actions("stage"), 0)

    def test_all_with_a_store_section_is_refused(self):
        self.hooks_that_say("collect")
        self.store_section = ("<store><source_dir>/tmp</source_dir><media_type>cdr-74</media_type>"
                              "<device_type>cdwriter</device_type><target_device>/dev/null</target_device></store>")
        self.assert_refused(self.run_actions("all", "--json"), "cback3 store", "collect, stage and purge")

    def test_a_circle_of_dependencies_holds_everything_up(self):
        self.order_mode = "dependency"
        self.hooks_that_say("stage")
        self.extension("a", "<depends><run_before>b</run_before></depends>", self.says("a"))
        self.extension("b", "<depends><run_before>a</run_before></depends>", self.says("b"))
        self.assert_refused(self.run_actions("stage", "--json"), "circle", "a before b before a")

    def test_a_missing_section_is_found_before_anything_is_done(self):
        self.hooks_that_say("collect", "stage")
        self.purge_section = ""
        result = self.run_actions("all", "--json")
        self.assert_exit(result, 6)
        self.assert_actions(result)
        self.assertIn("no purge section", result.json["error"])
        self.assertEqual(self.said_lines(), [])

    def test_a_missing_section_is_told_once(self):
        self.collect_section = self.purge_section = ""
        for words, section in ((("collect",), "collect"), (("purge",), "purge"), (("stage", "purge"), "purge")):
            with self.subTest(words):
                result = self.run_actions(*words)
                self.assert_exit(result, 6)
                self.assertEqual((result.stdout + result.stderr).count(f"has no {section} section"), 1)

    def test_switches_that_have_no_meaning(self):
        self.extension("purge", "<index>50</index>", self.says("purge"))
        for words in (("--dry-run", "collect"), ("--dry-run", "all"), ("-M", "--dry-run", "stage"),
                      ("--dry-run", "purge"), ("--peer", "near", "purge"), ("--peer", "near", "stage", "collect"),
                      ("-M", "-N", "stage")):
            with self.subTest(words):
                self.assert_exit(self.run_actions(*words), 2)
        self.assertEqual(self.said_lines(), [])


class HookTest(ActionsTest):
    def test_a_failing_hook_before_stops_everything(self):
        self.hook("pre", "stage", self.says("one", "for n in $(seq 12); do echo line $n; done; exit 3"))
        self.hook("pre", "stage", self.says("two"))
        self.hooks_that_say("purge")
        result = self.run_actions("stage", "purge", "--json")
        self.assert_exit(result, 6)
        self.assertEqual(self.said_lines(), ["one"])
        self.assert_actions(result, ("stage", False, 6))
        self.assertIn("pre-action hook for the action stage", result.json["actions"][0]["error"])
        self.assertIn("exit status 3", result.json["actions"][0]["error"])
        self.assertNotIn("| line 2\n", result.log)
        self.assertIn("[ERROR  ] | line 3\n", result.log)
        self.assertIn("[ERROR  ] | line 12\n", result.log)
        self.assert_marked(self.peer, False)

    def test_stage_alone_tells_of_a_failing_hook_in_its_own_document(self):
        self.hook("pre", "stage", self.program("fail", "exit 1"))
        result = self.run_actions("stage", "--json")
        self.assert_exit(result, 6)
        self.assertEqual((result.json["run"]["status"], result.json["run"]["exit_code"], result.json["peers"]),
                         ("error", 6, []))
        self.assertIn("pre-action hook", result.json["run"]["error"])

    def test_after_a_failing_hook_what_was_done_remains(self):
        self.hook("post", "stage", self.program("fail", "exit 1"))
        self.hooks_that_say("purge")
        result = self.run_actions("stage", "purge", "--json")
        self.assert_exit(result, 6)
        self.assert_actions(result, ("stage", False, 6))
        stage = result.json["actions"][0]["result"]
        self.assertEqual(stage["peers"][0]["status"], "staged")
        self.assertIn("post-action hook", stage["run"]["error"])
        self.assertEqual(self.said_lines(), [])
        self.assert_marked(self.peer)

    def test_one_that_cannot_be_started_fails(self):
        for command in ("/nonexistent/hook", '""', str(self.pool.directory)):
            with self.subTest(command):
                self.hooks = []
                self.hook("pre", "stage", command)
                result = self.run_actions("stage")
                self.assert_exit(result, 6)
                self.assertIn("pre-action hook", result.stdout)

    def test_words_overrides_and_environment(self):
        self.program("print", 'for word; do echo "<$word>"; done; echo "$LANG,${LC_ALL-unset},$PEERSTAGE_HOOK,'
                              '$PEERSTAGE_ACTION,$PEERSTAGE_FULL,$PEERSTAGE_CONFIG,$PEERSTAGE_STAGING_DIR"')
        self.hooks.append(f"<override><command>print</command><abs_path>{self.pool.directory}/print</abs_path></override>")
        self.hook("pre", "stage", """print a"b  c" $HOME 'x y' ;""")
        result = self.run_actions("-O", "--full", "stage", wrapper=["env", "LC_ALL=C.UTF-8"])
        self.assert_exit(result, 0)
        printed = [line.split("| ", 1)[1] for line in result.log.splitlines() if "] | " in line]
        self.assertEqual(printed, ["<a>", "<b  c>", "<$HOME>", "<'x>", "<y'>", "<;>",
                                   f"C,unset,pre,stage,1,{self.pool.config},{self.pool.staging}"], str(result))

    def test_hooks_are_left_alone_by_a_dry_run(self):
        self.hooks_that_say("stage")
        self.assert_exit(self.run_actions("--dry-run", "stage"), 0)
        self.assertEqual(self.said_lines(), [])

    def test_peers_that_fail_or_are_not_ready_let_the_rest_go_on(self):
        self.hooks_that_say("stage", "purge")
        self.pool.local("late")
        for code in (8, 7):
            with self.subTest(code):
                if code == 7:
                    os.mkfifo(self.pool.local("broken", FILES, special_files="fail").collect / "fifo")
                result = self.run_actions("stage", "purge", "--json")
                self.assert_exit(result, code)
                self.assert_actions(result, ("stage", False, code), ("purge", False, 0))
                self.assertEqual(result.json["exit_code"], code)
                self.assertEqual(self.said_lines(), ["before stage", "after stage", "before purge", "after purge"])
                self.said.unlink()

    def test_a_signal_ends_the_hook_and_the_run(self):
        pids = self.pool.directory / "pids"
        self.hook("pre", "collect", self.program("hang", f"sleep 600 & echo $$ $! > {pids}.new; mv {pids}.new {pids}\n"
                                                         "wait"))
        self.hooks_that_say("stage")
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                process = self.start("collect", "stage", "--json")
                self.pool.wait_until(process, pids.exists, "the hook has begun")
                os.kill(process.pid, number)
                result = self.pool.finish(process)
                self.assert_exit(result, 5)
                self.assert_actions(result, ("collect", False, 5))
                for pid in pids.read_text().split():
                    wait_until(lambda pid=pid: not is_running(pid), f"{pid} ends")
                pids.unlink()
                self.assertEqual(self.said_lines(), [])


class ExtensionTest(ActionsTest):
    def test_its_program_knows_the_run(self):
        self.extension("dump", "<index>50</index>", self.program("dump", "env | grep ^PEERSTAGE_ | sort"))
        result = self.run_actions("-O", "dump", "--json")
        self.assert_exit(result, 0)
        printed = dict(line.split("| ", 1)[1].split("=", 1) for line in result.log.splitlines() if "] | " in line)
        self.assertEqual(printed, {
            "PEERSTAGE_ACTION": "dump", "PEERSTAGE_CONFIG": str(self.pool.config), "PEERSTAGE_FULL": "0",
            "PEERSTAGE_WORKING_DIR": str(self.pool.working), "PEERSTAGE_BACKUP_USER": self.pool.user,
            "PEERSTAGE_BACKUP_GROUP": self.pool.group, "PEERSTAGE_STAGING_DIR": str(self.pool.staging),
            "PEERSTAGE_COLLECT_DIR": str(self.pool.directory / "collect")})
        told = result.json["actions"][0]["result"]
        self.assertEqual((told["program"], told["exit_status"], told["error"]),
                         (str(self.pool.directory / "dump"), 0, None))

    def test_one_that_fails_stops_the_rest(self):
        self.hooks_that_say("dump", "stage")
        self.extension("dump", "<index>50</index>", self.program("dump", "echo it broke >&2; exit 9"))
        result = self.run_actions("stage", "dump", "--json")
        self.assert_exit(result, 6)
        self.assert_actions(result, ("dump", False, 6))
        self.assertEqual(result.json["actions"][0]["result"]["exit_status"], 9)
        self.assertIn("[ERROR  ] | it broke\n", result.log)
        self.assertEqual(self.said_lines(), ["before dump"])

    def test_one_with_the_name_of_a_built_in_action_takes_its_place(self):
        self.extension("stage", "<index>500</index>", self.says("instead"))
        self.hooks_that_say("stage", "purge")
        result = self.run_actions("stage", "purge", "--json")
        self.assert_exit(result, 0)
        self.assertEqual(self.said_lines(), ["before purge", "after purge", "before stage", "instead", "after stage"])
        self.assert_marked(self.peer, False)


@needs_root
@unittest.skipUnless(CBACK.exists(), "needs cback3")
class CedarTest(ActionsTest):
    """The same file and the same words for Cedar Backup and for us: the same hooks, in the same order."""

    def run_cedar(self, *words):
        self.write_sections()
        self.pool.write_config()
        result = subprocess.run(
            [CBACK, "-c", self.pool.config, "-l", self.pool.directory / "cback3.log", *words], capture_output=True,
            text=True, stdin=subprocess.DEVNULL, timeout=120, env=self.pool.environment())
        said = self.said_lines()
        self.said.unlink(missing_ok=True)
        return result.returncode, said

    def run_ours(self, *words):
        result = self.run_actions(*words)
        said = self.said_lines()
        self.said.unlink(missing_ok=True)
        return result.exit, said

    def test_hooks_run_in_the_same_order(self):
        self.hooks_that_say("purge", "stage", "all", "collect", "ext")
        self.hook("pre", "stage", self.says("again"))
        self.extension("ext", "<index>150</index>", "/bin/true")
        for words in (("stage",), ("purge", "ext", "collect"), ("ext", "stage", "ext", "purge", "stage"),
                      ("frob",), ("stage", "validate"), ("validate", "validate"), ("-N", "stage"),
                      ("-M", "purge", "collect")):
            with self.subTest(words):
                cedar = self.run_cedar(*words)
                self.assertEqual(self.run_ours(*words), cedar)

    def test_hooks_fail_alike(self):
        for command in (self.says("fails", "exit 1"), self.says("killed", "kill -9 $$"), "/nonexistent/program",
                        f"{self.says('fine')} with words"):
            with self.subTest(command):
                self.hooks = []
                self.hook("pre", "collect", command)
                self.hook("pre", "collect", self.says("next"))
                self.hook("post", "purge", command)
                self.hook("post", "purge", self.says("last"))
                for words in (("collect", "purge"), ("purge",)):
                    cedar = self.run_cedar(*words)
                    self.assertEqual(self.run_ours(*words), cedar)


if __name__ == "__main__":
    unittest.main()
