#!/usr/bin/python3
"""What a peer does before it is staged: the same configuration and the same tree, collected by Cedar Backup and by us."""
import datetime
import grp
import hashlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
from pathlib import Path
from xml.sax.saxutils import escape

sys.path.insert(0, str(Path(__file__).resolve().parent))
from pool import DEADLINE, IS_ROOT, binary  # noqa: E402
from processes import wait_until  # noqa: E402

CBACK = Path("/usr/bin/cback3")
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAY = 86400 * 10**9
needs_cback = unittest.skipUnless(CBACK.exists(), "needs cback3")


def elements(values):
    """XML of a dictionary; a list is an element that is repeated, a dictionary one with elements inside."""
    text = ""
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            inside = elements(one) if isinstance(one, dict) else escape(str(one))
            text += f"<{name}>{inside}</{name}>"
    return text


class Machine:
    """A machine that collects into a directory of its own, with one of the two programs."""

    def __init__(self, directory, name, collect, starting_day, own):
        self.directory, self.name = directory / name, name
        self.collect_dir = self.directory / "collect"
        self.working_dir = self.directory / "work"
        self.staging_dir = self.directory / "staging"
        self.config = self.directory / "cback.conf"
        self.log = self.directory / "log"
        self.user = "backup" if IS_ROOT else pwd.getpwuid(os.geteuid()).pw_name
        for path in (self.directory, self.collect_dir, self.working_dir, self.staging_dir):
            path.mkdir()
            path.chmod(0o755)
            if IS_ROOT and path != self.directory:  # whoever owns that could replace the configuration
                shutil.chown(path, self.user, self.group)
        self.collect, self.starting_day, self.own = dict(collect), starting_day, own
        self.purge = []

    @property
    def group(self):
        return grp.getgrgid(pwd.getpwnam(self.user).pw_gid).gr_name

    def write_config(self, **options):
        sections = {
            "options": {"starting_day": self.starting_day, "working_dir": self.working_dir, "backup_user": self.user,
                        "backup_group": self.group, "rcp_command": "/usr/bin/scp -B", **options},
            "collect": {"collect_dir": self.collect_dir, **self.collect},
            "stage": {"staging_dir": self.staging_dir,
                      "peer": {"name": "me", "type": "local", "collect_dir": self.collect_dir}},
            "purge": {"dir": self.purge},
            "peerstage": {"staging": {"minimum_free": 0}, "collect": self.own}}
        self.config.write_text(f"<?xml version='1.0'?><cb_config>{elements(sections)}</cb_config>")

    def start(self, *arguments, program=None, **options):
        self.write_config(**options)
        command = [str(program or binary().resolve()), "-c", str(self.config), "-l", str(self.log), *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                                     **{n: v for n, v in os.environ.items() if n.endswith("SAN_OPTIONS")}},
                                umask=0o022, cwd="/")

    def run(self, *arguments, exit=0, program=None, **options):
        process = self.start(*arguments, program=program, **options)
        out, err = process.communicate(timeout=DEADLINE)
        log = self.log.read_text(errors="replace") if self.log.exists() else ""
        assert process.returncode == exit, f"{process.args}: exit {process.returncode}\n{out!r}\n{err!r}\n{log}"
        return out

    def collect_json(self, *arguments, exit=0, **options):
        """The result of our collect."""
        document = json.loads(self.run("--json", *arguments, "collect", exit=exit, **options))
        (action,) = document["actions"]
        assert (document["exit_code"], action["exit_code"], action["action"]) == (exit, exit, "collect"), document
        return action["result"]

    def cedar(self, *arguments, **how):
        return self.run(*arguments, program=CBACK, **how)

    def archives(self):
        return {path.name: members(path) for path in sorted(self.collect_dir.iterdir())
                if not path.name.startswith("cback.")}

    def ready(self):
        return (self.collect_dir / "cback.collect").exists()

    def files(self):
        """{path: content} of everything in all archives."""
        found = {}
        for path in self.collect_dir.iterdir():
            if not path.name.startswith("cback."):
                with tarfile.open(path) as tar:
                    found |= {"/" + m.name: tar.extractfile(m).read() for m in tar if m.isreg()}
        return found

    def a_day_passes(self):
        """All that was written until now is of yesterday. Ours only; the format is in docs/collect.md."""
        state = self.working_dir / "peerstage.collect"
        lines = state.read_text().splitlines()[:-1]
        for number, line in enumerate(lines):
            words = line.split(" ")
            if words[0] == "published":
                words[2] = str(int(words[2]) - DAY)
            if words[0] == "staged":
                words[1] = str(int(words[1]) - DAY)
            lines[number] = " ".join(words)
        body = "\n".join(lines) + "\n"
        state.write_text(f"{body}sha256 {hashlib.sha256(body.encode()).hexdigest()}\n")
        for path in self.collect_dir.iterdir():
            info = path.stat()
            os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns - DAY))

    def purge_all(self):
        """What a purge with a retain_days of 0 does, whoever does it."""
        for path in self.collect_dir.iterdir():
            path.unlink()


def members(path):
    """What Python finds in an archive, in its order."""
    found = []
    with tarfile.open(path, errors="surrogateescape") as tar:
        for member in tar:
            content = None if member.issym() else tar.extractfile(member)
            found.append((member.name, member.type, member.linkname, member.size, oct(member.mode), member.uid,
                          member.gid, int(member.mtime), content and hashlib.sha256(content.read()).hexdigest()))
    return found


class CollectTest(unittest.TestCase):
    maxDiff = None
    starting_day = DAYS[(datetime.date.today().weekday() + 3) % 7]

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="peerstage-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.directory.chmod(0o755)
        self.tree = self.directory / "tree"
        self.tree.mkdir()

    def write(self, name, content=b"", when=None):
        path = os.path.join(os.fsencode(self.tree), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        if when:
            os.utime(path, (when, when))
        return Path(os.fsdecode(path))

    def link(self, name, target):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def machine(self, collect, name="ours", starting_day=None, **own):
        return Machine(self.directory, name, collect, starting_day or self.starting_day, own)

    def one_dir(self, mode="daily", archive_mode="tar", **more):
        return {"dir": [{"abs_path": self.tree, "mode": mode, "archive_mode": archive_mode, "ignore_file": ".cbignore",
                         **more}]}


class ProgramTest(CollectTest):
    def test_the_document_the_manifest_and_the_owner(self):
        self.write("a", b"content")
        machine = self.machine(self.one_dir(archive_mode="targz"))
        result = machine.collect_json()
        (item,) = result["items"]
        self.assertEqual((item["path"], item["status"], item["files"], item["bytes"], item["error"]),
                         (str(self.tree), "collected", 1, 7, None))
        self.assertTrue(result["marked"])
        self.assertEqual(subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "cback.sha256"],
                                        cwd=machine.collect_dir).returncode, 0)
        self.assertEqual({path.owner() for path in machine.collect_dir.iterdir()}, {machine.user})
        self.assertEqual({path.owner() for path in machine.working_dir.iterdir()}, {machine.user})
        machine.run("stage")
        self.assertTrue((machine.collect_dir / "cback.stage").exists())

    def test_a_table_for_people(self):
        self.write("a", b"content")
        machine = self.machine(self.one_dir())
        out = machine.run("--verbose", "collect").decode()
        self.assertIn("wrote", out)
        self.assertIn(str(self.tree), out)

    def test_exit_codes(self):
        self.write("a", b"content")
        good = self.one_dir()["dir"][0]
        missing = {**good, "abs_path": self.directory / "missing"}
        machine = self.machine({"dir": [missing, good]})
        result = machine.collect_json(exit=7)
        self.assertEqual([item["status"] for item in result["items"]], ["failed", "collected"])
        self.assertFalse(result["marked"] or machine.ready())
        machine.own["incomplete"] = "mark"
        self.assertTrue(machine.collect_json(exit=7)["marked"] and machine.ready())
        machine.collect = {}
        self.assertIn("neither", machine.collect_json(exit=6)["error"])
        self.assertFalse(machine.ready(), "of an earlier collect")
        machine.collect = {"dir": [good]}
        machine.collect_json(exit=0)
        machine.run("--dry-run", "collect", exit=2)
        self.assertTrue(machine.ready(), "nothing was touched")
        shutil.rmtree(machine.collect_dir)
        self.assertIn("collect", machine.collect_json(exit=6)["error"])

    @unittest.skipUnless(IS_ROOT, "needs root")
    def test_a_user_that_does_not_exist_is_found_before_anything_is_collected(self):
        self.write("a")
        machine = self.machine(self.one_dir())
        (machine.collect_dir / "cback.collect").touch()
        result = machine.collect_json(exit=6, backup_user="nobody-of-this-name")
        self.assertIn("nobody-of-this-name", result["error"])
        self.assertEqual(list(machine.collect_dir.iterdir()), [], "the marker was of an earlier collect")

    def test_a_signal_ends_it_in_good_order(self):
        noise = os.urandom(20_000)
        for number in range(1000):
            self.write(f"{number}", noise)
        machine = self.machine(self.one_dir(archive_mode="tarbz2"))
        marker = machine.collect_dir / "cback.collect"
        marker.touch()
        process = machine.start("--json", "collect")
        wait_until(lambda: not marker.exists(), "the collect began")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 5, out)
        self.assertFalse(json.loads(out)["actions"][0]["result"]["marked"])
        self.assertEqual(list(machine.collect_dir.iterdir()), [])

    def test_being_killed_leaves_nothing_that_looks_complete(self):
        noise = os.urandom(20_000)
        for number in range(400):
            self.write(f"{number}", noise)
        machine = self.machine(self.one_dir("incr", archive_mode="tarbz2"))
        marker = machine.collect_dir / "cback.collect"
        marker.touch()
        process = machine.start("collect")
        wait_until(lambda: not marker.exists(), "the collect began")
        process.kill()
        process.communicate(timeout=DEADLINE)
        self.assertFalse(marker.exists())
        machine.collect_json()
        self.assertEqual(len(machine.files()), 400)
        self.assertEqual({path.name for path in machine.working_dir.iterdir()},
                         {"peerstage.collect", "peerstage.lock",
                          next(path.name for path in machine.working_dir.glob("*.digest.pending"))})

    def test_a_full_backup_takes_all(self):
        self.write("a", b"1")
        machine = self.machine(self.one_dir("incr"))
        machine.collect_json()
        machine.run("stage")
        machine.a_day_passes()
        self.assertEqual(machine.collect_json()["items"][0]["status"], "nothing_new")
        self.assertIn(str(self.tree / "a"), {**machine.files()} or {str(self.tree / "a"): 0})
        result = machine.collect_json("--full")
        self.assertEqual(result["items"][0]["files"], 1)


@needs_cback
class LossTest(CollectTest):
    """A change is collected, the master fails, the night's purge comes. Is the change in the next collect?"""

    def play(self, machine, collect):
        a, b = self.write("a", b"first"), self.write("b", b"first")
        collect()
        self.assertEqual(machine.files(), {str(a): b"first", str(b): b"first"})
        return a

    def test_cedar_backup_loses_it(self):
        machine = self.machine(self.one_dir("incr"))
        machine.purge = [{"abs_path": machine.collect_dir, "retain_days": 0}]
        a = self.play(machine, lambda: machine.cedar("collect"))
        machine.cedar("stage")
        machine.cedar("purge")
        a.write_bytes(b"second")
        machine.cedar("collect")
        self.assertEqual(machine.files(), {str(a): b"second"})
        machine.cedar("purge")  # nobody staged it
        machine.cedar("collect")
        self.assertNotIn(str(a), machine.files(), "if it is there, Cedar Backup has become better")

    def test_we_do_not(self):
        machine = self.machine(self.one_dir("incr"))
        machine.purge = [{"abs_path": machine.collect_dir, "retain_days": 0}]
        a = self.play(machine, machine.collect_json)
        machine.run("stage")
        machine.a_day_passes()
        a.write_bytes(b"second")
        machine.collect_json()
        self.assertEqual(machine.files(), {str(a): b"second"})
        machine.cedar("purge")  # the worst that may run there: it asks nobody
        self.assertEqual(list(machine.collect_dir.iterdir()), [])
        machine.collect_json()
        self.assertEqual(machine.files(), {str(a): b"second"})
        machine.run("stage")
        machine.a_day_passes()
        self.assertEqual(machine.collect_json()["items"][0]["status"], "nothing_new")

    def test_a_purge_of_what_was_staged_makes_the_next_collect_no_larger(self):
        machine = self.machine(self.one_dir("incr"))
        machine.purge = [{"abs_path": machine.collect_dir, "retain_days": 0}]
        self.play(machine, machine.collect_json)
        machine.run("stage")
        machine.run("purge")
        self.assertEqual(list(machine.collect_dir.iterdir()), [])
        machine.a_day_passes()
        self.assertEqual(machine.collect_json()["items"][0]["status"], "nothing_new")

    def test_nor_when_cedar_backup_is_the_master(self):
        machine = self.machine(self.one_dir("incr"))
        a = self.play(machine, machine.collect_json)
        machine.cedar("stage")
        machine.a_day_passes()
        a.write_bytes(b"second")
        machine.collect_json()
        self.assertEqual(machine.files(), {str(a): b"second"})
        machine.purge_all()
        machine.collect_json()
        self.assertEqual(machine.files(), {str(a): b"second"})


@needs_cback
class DifferentialTest(CollectTest):
    """The same archives, member by member, with <content>cedar</content>."""

    def both(self, collect, starting_day=None):
        self.cedar = self.machine(collect, "cedar", starting_day)
        self.ours = self.machine(collect, "ours", starting_day, content="cedar")
        return self.compare()

    def compare(self, *switches):
        self.cedar.cedar(*switches, "collect")
        self.ours.run(*switches, "collect")
        cedar, ours = self.cedar.archives(), self.ours.archives()
        self.assertEqual(list(ours), list(cedar))
        for name in cedar:
            # In another order where the target of a link is archived beside it.
            self.assertEqual(sorted(ours[name], key=repr), sorted(cedar[name], key=repr), name)
        self.assertTrue(self.ours.ready())
        return {name: [member[0] for member in found] for name, found in ours.items()}

    def oddities(self, top):
        old = 1_500_000_000
        self.write(f"{top}/file", b"content", old)
        self.write(f"{top}/empty", b"")
        self.write(f"{top}/.hidden/.file", b"hidden")
        self.write(f"{top}/sub/deeper/file", b"deep", old)
        self.write(f"{top}/large", b"x" * 3_000_000)
        self.write(f"{top}/" + "long" * 40 + "/" + "name" * 40, b"long")
        self.write(f"{top}/ünïcödé €", "ü".encode())
        self.write(os.fsencode(top) + b"/latin-\xe9\xff", b"no UTF-8")
        self.write(f"{top}/blank and\ttab\nand newline", b"n")
        self.write(f"{top}/mode", b"m").chmod(0o4751)
        os.link(self.tree / top / "file", self.tree / top / "hard")
        (self.tree / top / "no-entries/inside").mkdir(parents=True)
        self.link(f"{top}/to-file", "file")
        self.link(f"{top}/to-directory", "sub")
        self.link(f"{top}/absolute", str(self.tree / top / "sub" / "deeper"))
        self.link(f"{top}/dangling", "nowhere")
        os.mkfifo(self.tree / top / "fifo")
        if IS_ROOT:
            os.chown(self.tree / top / "sub/deeper/file", 12345, 54321)

    def test_every_oddity_in_every_archive_mode(self):
        for mode in ("tar", "targz", "tarbz2"):
            self.oddities(mode)
        names = self.both({"dir": [{"abs_path": self.tree / mode, "mode": "daily", "archive_mode": mode,
                                    "ignore_file": ".cbignore"} for mode in ("tar", "targz", "tarbz2")]})
        self.assertEqual(len(names), 3)
        self.assertGreater(min(map(len, names.values())), 12)

    def test_exclusions_and_ignore_files(self):
        for name in ("keep", "abs/x", "abs-not", "rel/x", "sub/rel", "pattern-1", "deep/pattern-2/x", "deep/other",
                     "start", "started", "exact", "exactly", "ignored/.cbignore", "ignored/below/x", "trailing/x"):
            self.write(f"d/{name}", name.encode())
        base = str(self.tree / "d")
        names = self.both({
            "collect_mode": "daily", "archive_mode": "tar", "ignore_file": ".cbignore",
            "exclude": {"abs_path": [f"{base}/abs", f"{base}/trailing/"], "pattern": [".*/pattern-[0-9]"]},
            "file": [{"abs_path": f"{base}/abs/x"}],
            "dir": [{"abs_path": base, "exclude": {"rel_path": ["rel"], "pattern": [f"{base}/start|{base}/exact"]}}]})
        (of_file, of_directory) = sorted(names.values(), key=len)
        self.assertEqual(len(of_file), 1)
        self.assertEqual({name[len(base):] for name in of_directory},
                         {"keep", "abs-not", "sub/rel", "deep/other", "exactly", "trailing/x"})

    def test_links_by_depth_and_dereference(self):
        items = []
        for depth, dereference in ((0, "N"), (1, "N"), (2, "N"), (3, "N"), (1, "Y"), (2, "Y")):
            top = f"links{depth}{dereference}"
            self.write(f"{top}/real/one/two/three/file", b"3")
            self.write(f"outside/{top}/a", b"outside")
            self.write(f"outside/{top}/in/b", b"outside")
            self.link(f"{top}/level1", str(self.tree / "outside" / top))
            self.link(f"{top}/real/level2", str(self.tree / "outside" / top))
            self.link(f"{top}/real/one/level3", str(self.tree / "outside" / top))
            self.link(f"{top}/to-file", str(self.tree / "outside" / top / "a"))
            self.link(f"outside/{top}/again", "in")
            items.append({"abs_path": self.tree / top, "link_depth": depth, "dereference": dereference})
        names = self.both({"collect_mode": "daily", "archive_mode": "tar", "ignore_file": ".cbignore", "dir": items})
        self.assertEqual(len({tuple(n.split("/", 4)[-1] for n in found) for found in names.values()}), 6)

    def test_recursion_levels(self):
        items = []
        for level in (0, 1, 2, -1):
            top = f"rec{level}"
            for name in ("a", "one/b", "one/two/c", "one/two/three/d", ".hid/e", "other/f"):
                self.write(f"{top}/{name}", name.encode())
            (self.tree / top / "empty").mkdir()
            self.link(f"{top}/link", "one")
            items.append({"abs_path": self.tree / top, "recursion_level": level})
        names = self.both({"collect_mode": "daily", "archive_mode": "tar", "ignore_file": ".cbignore", "dir": items})
        self.assertGreater(len(names), 12)

    def test_files_as_items(self):
        self.write("file", b"content")
        self.write(" odd name:x", b"content")
        self.link("link", "file")
        names = self.both({"collect_mode": "daily", "archive_mode": "targz", "ignore_file": ".cbignore",
                           "file": [{"abs_path": self.tree / name} for name in ("file", " odd name:x", "link")]})
        self.assertEqual(len(names), 3)

    def test_days_of_the_week(self):
        for mode in ("daily", "weekly", "incr"):
            self.write(f"{mode}/a", b"a")
        items = {"archive_mode": "tar", "ignore_file": ".cbignore",
                 "dir": [{"abs_path": self.tree / mode, "mode": mode} for mode in ("daily", "weekly", "incr")]}
        self.assertEqual(len(self.both(items)), 2)
        self.assertEqual(len(self.compare("--full")), 3)
        shutil.rmtree(self.cedar.directory)
        shutil.rmtree(self.ours.directory)
        self.assertEqual(len(self.both(items, DAYS[datetime.date.today().weekday()])), 3)

    def test_increments(self):
        self.oddities("d")
        self.both({"dir": [{"abs_path": self.tree / "d", "mode": "incr", "archive_mode": "tar",
                            "ignore_file": ".cbignore"}]})

        def is_staged():
            for machine in (self.cedar, self.ours):
                (machine.collect_dir / "cback.stage").touch()
            self.ours.a_day_passes()
            for machine in (self.cedar, self.ours):
                for path in machine.collect_dir.iterdir():
                    if machine is self.cedar or path.name != "cback.stage":
                        path.unlink()

        is_staged()
        self.write("d/file", b"changed")
        self.write("d/new", b"new")
        self.write("d/sub/deeper/file", b"deep", 1_600_000_000)  # touched only
        (self.tree / "d/large").unlink()
        names = self.compare()
        (found,) = names.values()
        self.assertIn("file", {Path(name).name for name in found})
        self.assertNotIn("mode", {Path(name).name for name in found})
        is_staged()
        (found,) = self.compare().values()
        self.assertEqual({Path(name).name for name in found}, {"to-file", "to-directory", "absolute"})

    def test_moving_over_needs_no_full_backup(self):
        self.oddities("d")
        for path in [self.tree / "d" / name for name in ("to-file", "to-directory", "absolute", "dangling")]:
            path.unlink()
        machine = self.machine({"dir": [{"abs_path": self.tree / "d", "mode": "incr", "archive_mode": "targz",
                                         "ignore_file": ".cbignore"}]}, content="cedar")
        machine.cedar("collect")
        self.assertGreater(len(machine.files()), 5)
        machine.cedar("stage")
        changed = self.write("d/sub/deeper/file", b"changed")
        machine.collect_json()
        self.assertEqual(machine.files(), {str(changed): b"changed"})


if __name__ == "__main__":
    unittest.main()
