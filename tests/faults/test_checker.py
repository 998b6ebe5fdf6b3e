#!/usr/bin/python3
"""The checker itself: each promise is broken on purpose, in several ways, and it must name that one and no other; an
honest pool, whatever happens to it, gives it nothing to say."""
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "system")]
from case import Pool, PoolTest, check_manifest, needs_root  # noqa: E402
from checker import Checker  # noqa: E402
from injection import Injection  # noqa: E402
from pool import kill_tree, make_key, sha256, wait_until  # noqa: E402

BIDI = "\u202e"


class CheckerTest(PoolTest):
    """A pool of two peers that was staged; a test breaks something of it and asks what the checker says."""

    def setUp(self):
        self.pool = self.make_pool()
        self.near = self.pool.local("near", {"a.tar": b"a" * 3000, "empty": b"", "sub/b": b"beta"})
        self.other = self.pool.local("other", {"c": b"gamma"})
        self.checker = Checker(self.pool)
        self.checker.patience = 0.2

    def case(self, *what, **more):
        """A case of its own has a pool of its own."""
        self.setUp()
        return self.subTest(*what, **more)

    def run_once(self, *arguments, **how):
        self.checker.before()
        self.result = self.pool.stage(*arguments, **how)
        return self.result

    def staged(self):
        """The directory of the first peer's day, after a run of which the checker knows the beginning."""
        self.assert_exit(self.run_once(), 0)
        return self.result.day / "near"

    def assert_names(self, promise, problems):
        self.assertEqual({problem.partition(":")[0] for problem in problems}, {promise}, "\n" + "\n".join(problems))

    def assert_seen(self, promise):
        """After a fault as well as after a run that should have been clean."""
        self.assert_names(promise, self.checker.after_fault(self.result))
        self.assert_names(promise, self.checker.after_clean(self.result))

    def change(self, path, data):
        """Other content, and nothing else."""
        path.write_bytes(data)

    def without_line(self, day, name):
        """The manifest as if there were no such file."""
        manifest = day / "cback.sha256"
        self.change(manifest, b"".join(line for line in manifest.read_bytes().splitlines(True) if name not in line))


class Honest(CheckerTest):
    def test_a_first_run_one_more_and_one_that_replaces(self):
        self.pool.remote("far", {"c.tar": b"c" * 30_000, "sub/d": b"delta"})
        self.assertEqual(self.checker.after_clean(self.run_once()), [])
        self.assertEqual(self.checker.after_again(self.run_once()), [])
        for peer in self.pool.peers:
            peer.write("sub/new", b"new")
            peer.write("empty", b"not empty any more")
        self.assertEqual(self.checker.after_clean(self.run_once()), [])
        self.assertEqual(self.checker.after_again(self.run_once()), [])

    def test_files_that_the_source_has_no_more_stay(self):
        self.staged()
        (self.near.collect / "a.tar").unlink()
        self.near.write("new", b"new")
        self.assertEqual(self.checker.after_clean(self.run_once()), [])

    def test_earlier_days_and_strange_files_of_others_in_today(self):
        day = self.staged()
        earlier = self.pool.staging / "2020/01/02"
        earlier.parent.mkdir(parents=True)
        subprocess.run(["cp", "-a", day.parent, earlier], check=True)
        (day / "of-another-tool").write_bytes(b"x")
        (day.parent / "cback.store").touch()
        (self.pool.staging / "notes").write_bytes(b"of the administrator")
        self.near.write("new", b"new")
        self.assertEqual(self.checker.after_clean(self.run_once()), [])
        self.assertEqual(self.checker.after_again(self.run_once()), [])

    def test_names_of_any_bytes(self):
        self.near.write(b"\xff\xfe raw", b"1")
        self.near.write("back\\slash", b"2")
        self.near.write(f"äöü {BIDI}.txt", b"3")
        os.symlink("a.tar", self.near.collect / "li\\nk")
        os.mkfifo(os.fsencode(self.near.collect) + b"/fifo\xff")
        self.assertEqual(self.checker.after_clean(self.run_once()), [])
        self.assertEqual(len(self.result.peer("near")["skipped"]), 2)

    def test_modes_and_owners_of_every_kind(self):
        for settings, umask in (({}, 0o022), ({"permissions": "640"}, 0o022), ({"permissions": "444"}, 0o077),
                                ({}, 0o077), ({}, 0)):
            with self.subTest(settings, umask=oct(umask)):
                pool = self.make_pool(**settings)
                near = pool.local("near", {"a": b"a", "sub/b": b"b"})
                near.write("private", b"p", 0o600)
                near.write("open", b"o", 0o4777)
                near.write("read-only", b"r", 0o444)
                checker = Checker(pool)
                checker.before()
                self.assertEqual(checker.after_clean(pool.stage(umask=umask)), [])

    def test_many_files(self):
        self.near.write_all({f"d{n}/f": b"%d" % n for n in range(100)})
        self.assertEqual(self.checker.after_clean(self.run_once()), [])

    def test_peers_that_fail_are_absent_or_ignored(self):
        self.near.write("cback.sha256", b"0" * 64 + b"  a.tar\n")      # fails
        self.pool.local("absent").write("x", b"x")                     # not ready
        self.pool.local("unimportant", ignore_failures="all").write("x", b"x")
        self.pool.remote("unknown", {"x": b"x"})
        self.pool.unknown_hosts.add(self.pool.peers[-1].address)
        self.assert_exit(self.run_once(), 7)
        self.assertEqual(self.checker.after_fault(self.result), [])

    def test_a_wrong_command_line_and_a_wrong_configuration(self):
        self.assertEqual(self.checker.after_fault(self.run_once("--nonsense")), [])
        self.pool.options["starting_day"] = "someday"
        self.assertEqual(self.checker.after_fault(self.run_once()), [])

    def test_a_directory_that_another_run_holds(self):
        self.pool.staging_settings["wait_for_collect"] = "60s"
        self.pool.local("late").write("x", b"x")
        first = self.pool.start("stage", "--json")
        self.pool.wait_until(first, self.near.marker.exists, "the first peer is staged")
        self.checker.before()
        result = self.pool.stage()
        self.assert_exit(result, 75)
        # The first run is still there, and has its lock.
        problems = self.checker.after_fault(result)
        self.assert_names("I9", [problem for problem in problems if "/.lock: is held" not in problem])
        first.send_signal(signal.SIGTERM)
        self.assertEqual(self.checker.after_fault(self.pool.finish(first)), [])

    def test_a_run_that_is_killed_here_and_there(self):
        """The sweeps do this in earnest; here it is about what the checker lets pass."""
        self.pool.remote("far", {"c.tar": b"c" * 100_000})
        self.staged()
        points = 0
        for number in range(40, 300, 30):
            for peer in self.pool.peers:
                peer.write("changing", b"%d" % number)
                peer.marker.unlink(missing_ok=True)
            with Injection("kill", number) as injection:
                killed = self.run_once(**injection.how)
                self.assertEqual(injection.report.hits, 1)
            self.assertEqual(self.checker.after_fault(dataclasses.replace(killed, exit=None)), [], str(killed))
            self.assertEqual(self.checker.after_power_cut(), [])
            self.assertEqual(self.checker.after_clean(self.run_once()), [])
            points += 1
        self.assertEqual(self.checker.after_again(self.run_once()), [])
        self.assertGreater(points, 5)

    def test_files_that_change_while_the_run_goes_on(self):
        self.near.write("big", bytes(1_000_000))
        self.pool.staging_settings["bandwidth_limit"] = "1 MB"
        self.checker.before()
        process = self.pool.start("stage", "--json")
        self.pool.wait_until(process, lambda: self.pool.unfinished_bytes() > 0, "bytes arrive")
        self.near.write("a.tar", b"another")
        self.assertEqual(self.checker.after_fault(self.pool.finish(process)), [])


class I1NoHalfVisibleFile(CheckerTest):
    def test_a_file_of_other_content(self):
        big = b"a" * 3000
        for what, data in (("truncated", big[:1000]), ("cut to nothing", b""), ("longer", big + b"a"),
                           ("with a hole", bytes(1000) + big[1000:]), ("content of its neighbour", b"beta"),
                           ("mixed of two versions", big[:1500] + b"A" * 1500)):
            with self.case(what):
                self.change(self.staged() / "a.tar", data)
                self.assert_seen("I1")

    def test_a_half_file_that_is_in_the_manifest(self):
        day = self.staged()
        self.change(day / "a.tar", b"half")
        manifest = day / "cback.sha256"
        self.change(manifest, manifest.read_bytes().replace(sha256(b"a" * 3000).encode(), sha256(b"half").encode()))
        self.assert_seen("I1")

    def test_a_file_that_nobody_knows(self):
        for place in ("", "../../../", "../", "../../../2026x/", "sub/"):
            with self.case(place):
                day = self.staged()
                path = Path(os.path.normpath(day / place / "strange"))
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(b"strange")
                shutil.chown(path, self.pool.user, self.pool.group)
                self.assertIn("I1", {p[:2] for p in self.checker.after_fault(self.result)})
                path.unlink()

    def test_half_a_file_after_a_power_cut_when_nobody_was_told(self):
        day = self.staged()
        self.near.marker.unlink()
        self.change(day / "a.tar", bytes(3000))
        self.assert_names("I1", self.checker.after_power_cut())


class I2MarkerMeansComplete(CheckerTest):
    def test_a_manifest_that_lacks_a_file(self):
        self.without_line(self.staged(), b"a.tar")
        self.assert_seen("I2")

    def test_a_manifest_that_names_one_too_many(self):
        manifest = self.staged() / "cback.sha256"
        self.change(manifest, manifest.read_bytes() + b"0" * 64 + b"  more\n")
        self.assert_seen("I2")

    def test_a_manifest_with_a_wrong_sum(self):
        manifest = self.staged() / "cback.sha256"
        self.change(manifest, manifest.read_bytes().replace(sha256(b"beta").encode(), b"0" * 64))
        self.assert_seen("I2")

    def test_a_manifest_that_is_missing_or_no_manifest(self):
        for text in (None, b"", b"nonsense\n", b"0" * 64 + b"  a.tar", b"0" * 64 + b"  a\n" + b"1" * 64 + b"  a\n"):
            with self.case(text):
                self.staged()
                manifest = self.result.day / "near/cback.sha256"
                manifest.unlink() if text is None else self.change(manifest, text)
                self.assertNotEqual(check_manifest(self.result.day / "near"), "", "coreutils think otherwise")
                self.assert_seen("I2")

    def test_a_file_that_is_missing(self):
        (self.staged() / "sub/b").unlink()
        self.assert_seen("I2")

    def test_a_file_that_is_missing_in_day_and_manifest(self):
        day = self.staged()
        (day / "sub/b").unlink()
        self.without_line(day, b"sub/b")
        self.assert_seen("I2")

    def test_an_earlier_version_of_a_file(self):
        self.near.write("sub/b", b"older")
        self.near.write("sub/b", b"newer")
        day = self.staged()
        self.near.marker.unlink()   # with it, it would be I3
        self.change(day / "sub/b", b"older")
        manifest = day / "cback.sha256"
        self.change(manifest, manifest.read_bytes().replace(sha256(b"newer").encode(), sha256(b"older").encode()))
        self.result = None
        self.assert_names("I2", self.checker.after_fault())

    def test_a_day_that_is_marked_with_one_peer_missing(self):
        shutil.rmtree(self.staged())
        self.near.marker.unlink()
        self.assert_names("I2", self.checker.after_fault())

    def test_an_old_day_that_stays_after_a_clean_run(self):
        """A run that says that it is done, and brought nothing."""
        day = self.staged()
        saved = self.pool.directory / "saved"
        self.checker.ignored.add("saved")
        subprocess.run(["cp", "-a", day, saved], check=True)
        self.near.write("sub/b", b"newer")
        self.near.marker.unlink()
        self.run_once()
        shutil.rmtree(day)
        subprocess.run(["cp", "-a", saved, day], check=True)
        self.near.marker.unlink()
        problems = self.checker.after_clean(dataclasses.replace(self.result, stdout="", exit=None))
        self.assertIn("I2", {problem[:2] for problem in problems}, problems)


class I3ToldMeansDurable(CheckerTest):
    def test_a_peer_that_was_told_and_is_in_no_day(self):
        self.staged()
        shutil.rmtree(self.result.day.parent.parent)
        self.assert_names("I3", self.checker.after_fault())
        self.assert_names("I3", self.checker.after_power_cut())

    def test_a_peer_that_was_told_of_an_earlier_version(self):
        self.near.write("sub/b", b"older")
        self.near.write("sub/b", b"newer")
        day = self.staged()
        self.change(day / "sub/b", b"older")
        manifest = day / "cback.sha256"
        self.change(manifest, manifest.read_bytes().replace(sha256(b"newer").encode(), sha256(b"older").encode()))
        self.assertIn("I3", {problem[:2] for problem in self.checker.after_fault()})
        self.assert_names("I3", self.checker.after_power_cut())

    def test_what_a_power_cut_takes_from_a_peer_that_was_told(self):
        for what, damage in (("a file is empty", lambda day: self.change(day / "a.tar", b"")),
                             ("a file has zeros", lambda day: self.change(day / "a.tar", bytes(3000))),
                             ("a file is gone", lambda day: (day / "a.tar").unlink()),
                             ("the manifest is empty", lambda day: self.change(day / "cback.sha256", b"")),
                             ("the manifest is gone", lambda day: (day / "cback.sha256").unlink()),
                             ("the tree is gone", shutil.rmtree),
                             ("a subdirectory is gone", lambda day: shutil.rmtree(day / "sub"))):
            with self.case(what):
                day = self.staged()
                (day.parent / "cback.stage").unlink()
                damage(day)
                self.assert_names("I3", self.checker.after_power_cut())

    def test_content_that_a_power_cut_changed_behind_the_same_inode_and_times(self):
        """As when a file system comes back without what it never wrote."""
        day = self.staged()
        self.assertEqual(self.checker.after_fault(self.result), [])
        path = day / "a.tar"
        known = self.checker.disk.sum(path, path.stat())
        self.change(path, b"A" * 3000)
        self.checker.disk.remember(path.stat(), known)   # as if the change had not shown
        self.assertEqual(self.checker.after_fault(self.result), [])
        self.assert_names("I3", self.checker.after_power_cut())


class I4NothingLost(CheckerTest):
    def setUp(self):
        super().setUp()
        day = self.staged()
        self.earlier = self.pool.staging / "2020/01/02/near"
        self.earlier.parent.mkdir(parents=True)
        subprocess.run(["cp", "-a", day, self.earlier], check=True)
        self.near.write("new", b"new")

    def test_an_earlier_day_that_changed(self):
        for what, name, change in (("content", "a.tar", lambda path: self.change(path, b"A" * 3000)),
                                   ("mode", "a.tar", lambda path: path.chmod(0o600)),
                                   ("manifest", "cback.sha256", lambda path: self.change(path, b"")),
                                   ("a file more", "more", Path.touch),
                                   ("a file less", "sub/b", Path.unlink),
                                   ("mode of a directory", "sub", lambda path: path.chmod(0o700)),
                                   ("a peer more", "../peer", Path.mkdir),
                                   ("all of it gone", "..", shutil.rmtree)):
            with self.case(what):
                self.run_once()
                change(Path(os.path.normpath(self.earlier / name)))
                self.assert_seen("I4")

    @needs_root
    def test_an_earlier_day_that_belongs_to_somebody_else_now(self):
        self.run_once()
        os.chown(self.earlier / "a.tar", 1, 1)
        self.assert_seen("I4")

    def test_a_file_of_today_that_a_second_run_lost(self):
        (self.near.collect / "a.tar").unlink()   # the source has it no more: the day is the last copy
        self.run_once()
        day = self.result.day / "near"
        (day / "a.tar").unlink()
        self.without_line(day, b"a.tar")
        self.assert_seen("I4")

    def test_the_source_is_changed(self):
        for what, name, change in (("content", "sub/b", lambda path: self.change(path, b"BETA")),
                                   ("mtime", "sub/b", lambda path: os.utime(path, (1, 1))),
                                   ("mtime of a directory", "sub", lambda path: os.utime(path, (1, 1))),
                                   ("mode", "sub/b", lambda path: path.chmod(0o600)),
                                   ("a file more", "strange", Path.touch),
                                   ("cback.collect gone", "cback.collect", Path.unlink),
                                   ("a file less", "sub/b", Path.unlink)):
            with self.case(what):
                self.run_once()
                change(self.near.collect / name)
                self.assert_names("I4", self.checker.after_fault(self.result))

    def test_a_source_that_is_replaced_by_the_same(self):
        self.run_once()
        path = self.near.collect / "a.tar"
        subprocess.run(["cp", "-a", path, f"{path}.new"], check=True)
        os.rename(f"{path}.new", path)
        self.assert_seen("I4")


class I5Containment(CheckerTest):
    def test_an_entry_that_is_no_file_and_no_directory(self):
        def bind(path):
            with socket.socket(socket.AF_UNIX) as unix:
                unix.bind(str(path))
        for what, make in (("symlink", lambda path: os.symlink("/etc/passwd", path)), ("FIFO", os.mkfifo),
                           ("socket", bind), ("dangling symlink", lambda path: os.symlink("nowhere", path))):
            for place in ("strange", "sub/strange", "../strange", "../../../strange", "../../../../.peerstage/strange"):
                with self.case(what, place=place):
                    path = Path(os.path.normpath(self.staged() / place))
                    make(path)
                    self.assert_names("I5", self.checker.after_fault(self.result))

    def test_a_file_that_became_a_symlink(self):
        path = self.staged() / "a.tar"
        path.unlink()
        path.symlink_to("/etc/passwd")
        self.assert_seen("I5")

    def test_a_file_with_another_name_elsewhere(self):
        os.link(self.staged() / "a.tar", self.pool.directory / "peers/link")
        self.checker.ignored.add("peers/link")
        self.assert_seen("I5")

    @needs_root
    def test_another_file_system(self):
        place = self.staged() / "sub"
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,uid=34,gid=34", "checker", place],
                          capture_output=True).returncode:
            self.skipTest("cannot mount a tmpfs")
        self.addCleanup(subprocess.run, ["umount", "-l", place])
        self.assertIn("I5", {problem[:2] for problem in self.checker.after_fault(self.result)})

    def test_what_is_outside_was_touched(self):
        for what, name, touch in (("content", "canary/precious", lambda path: self.change(path, b"touched")),
                                  ("mode", "canary/precious", lambda path: path.chmod(0o600)),
                                  ("times", "canary/precious", lambda path: os.utime(path, (1, 1))),
                                  ("a file made", "canary/more", Path.touch),
                                  ("a directory made", "home/.cache", Path.mkdir),
                                  ("a temporary file", "work/tmp.1", Path.touch),
                                  ("a core dump", "core.17", Path.touch),
                                  ("a file removed", "canary/precious", Path.unlink)):
            with self.case(what):
                self.staged()
                touch(self.pool.directory / name)
                self.assert_seen("I5")

    def test_what_is_outside_was_touched_and_put_back(self):
        """Its ctime tells."""
        precious = self.pool.canary / "precious"
        mode = precious.stat().st_mode
        self.staged()
        precious.chmod(0o600)
        precious.chmod(mode)
        self.assert_seen("I5")


class I6NeverTooOpen(CheckerTest):
    def test_another_mode_than_configured(self):
        for name, mode in (("a.tar", 0o666), ("a.tar", 0o600), ("a.tar", 0o4644), ("a.tar", 0o2644), ("sub", 0o777),
                           ("sub", 0o1755), ("sub/b", 0o755), ("cback.sha256", 0o644), (".", 0o775), ("..", 0o777),
                           ("../cback.stage", 0o666), ("../../..", 0o777), ("../../../../.peerstage", 0o755),
                           ("../../../../.peerstage/.lock", 0o644)):
            with self.case(name, mode=oct(mode)):
                path = Path(os.path.normpath(self.staged() / name))
                path.chmod(mode)
                self.assert_seen("I6")

    @needs_root
    def test_another_owner(self):
        for name in ("a.tar", "sub", ".", "..", "cback.sha256", "../cback.stage"):
            with self.case(name):
                path = Path(os.path.normpath(self.staged() / name))
                os.chown(path, 0, 0)
                self.assert_seen("I6")

    def test_what_is_unfinished_is_too_open(self):
        self.staged()
        spool = self.pool.staging / ".peerstage/near"
        spool.mkdir(mode=0o700)
        received = spool / ("0" * 32)
        received.write_bytes(b"a")
        received.chmod(0o600)
        for path in (spool, received):
            shutil.chown(path, self.pool.user, self.pool.group)
        self.assertEqual(self.checker.after_fault(self.result), [])
        received.chmod(0o664)
        self.assert_names("I6", self.checker.after_fault(self.result))
        received.chmod(0o600)
        spool.chmod(0o755)
        self.assert_names("I6", self.checker.after_fault(self.result))


class I7TheVerdictIsTrue(CheckerTest):
    def altered(self, change, exit=None):
        document = json.loads(self.result.stdout)
        change(document)
        return dataclasses.replace(self.result, stdout=json.dumps(document),
                                   exit=document["run"]["exit_code"] if exit is None else exit)

    def test_a_document_that_is_not_true(self):
        error = {"kind": "permanent", "message": "something"}

        def run(**values):
            return lambda document: document["run"].update(values)

        def peer(number, **values):
            return lambda document: document["peers"][number].update(values)

        def all_of(*changes):
            return lambda document: [change(document) for change in changes]

        lies = {
            "exit 0 with a failed peer": peer(0, status="failed", error=error),
            "exit 0 with a peer that is not ready": peer(0, status="not_ready", error=error),
            "exit 0 with a peer that was cancelled": peer(0, status="cancelled", error=error),
            "exit 0 with an error of the run": run(error="something"),
            "exit 0 with another status": run(status="failed"),
            "exit 7 and no peer failed": run(exit_code=7, status="failed"),
            "exit 8 and a peer failed": all_of(run(exit_code=8, status="not_ready"),
                                               peer(0, status="failed", error=error)),
            "exit 8 and all are ready": run(exit_code=8, status="not_ready"),
            "exit 75 and a peer failed": all_of(run(exit_code=75, status="error", error="x"),
                                                peer(0, status="failed", error=error)),
            "exit 6 without a cause": run(exit_code=6, status="error"),
            "a peer is missing": lambda document: document["peers"].pop(),
            "a peer is there twice": lambda document: document["peers"].append(document["peers"][0]),
            "a peer that nobody knows": peer(0, name="strange"),
            "a failed peer without a cause": all_of(run(exit_code=7, status="failed"), peer(0, status="failed")),
            "a failed peer with an empty cause": all_of(run(exit_code=7, status="failed"),
                                                        peer(0, status="failed", error={**error, "message": ""})),
            "a staged peer with an error": peer(0, error=error),
            "fewer files than there are": peer(0, files=1),
            "other bytes than there are": peer(0, bytes=17),
        }
        self.staged()
        self.assertEqual(self.checker.after_fault(self.altered(lambda document: None)), [])
        for what, lie in lies.items():
            with self.subTest(what):
                self.assert_names("I7", self.checker.after_fault(self.altered(lie)))

    def test_another_exit_code_than_the_document_has(self):
        self.staged()
        for exit in (1, 5, 7, 8, 75):
            with self.subTest(exit):
                self.assert_seen_of(dataclasses.replace(self.result, exit=exit))

    def assert_seen_of(self, result):
        self.assert_names("I7", self.checker.after_fault(result))

    def test_no_document(self):
        self.staged()
        self.assert_seen_of(dataclasses.replace(self.result, stdout=""))
        self.assert_seen_of(dataclasses.replace(self.result, stdout=self.result.stdout[:100]))

    def test_staged_but_not_there(self):
        shutil.rmtree(self.staged())
        self.near.marker.unlink()
        (self.result.day / "cback.stage").unlink()
        self.assert_seen_of(self.result)

    def test_staged_but_the_peer_was_not_told(self):
        self.staged()
        self.near.marker.unlink()
        self.assert_seen_of(self.result)


class I8BoundedInTime(CheckerTest):
    def test_a_run_that_takes_longer_than_it_may(self):
        self.staged()
        self.assert_names("I8", self.checker.after_fault(self.result, within=self.result.seconds / 2))
        self.assertEqual(self.checker.after_fault(self.result, within=60), [])


class I9NothingRemains(CheckerTest):
    def test_a_process(self):
        self.staged()
        left = subprocess.Popen(["/bin/sh", "-c", "read x", "worker", self.pool.config], stdin=subprocess.PIPE)
        self.addCleanup(left.wait)
        self.addCleanup(left.stdin.close)
        wait_until(lambda: str(self.pool.config) in Path(f"/proc/{left.pid}/cmdline").read_text(), "it to begin")
        self.assert_seen("I9")

    def test_a_process_that_calls_itself_something_else(self):
        self.staged()
        left = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, start_new_session=True)
        self.pool.sessions.add(left.pid)
        self.addCleanup(left.wait)
        self.addCleanup(left.stdin.close)
        self.assert_seen("I9")

    def test_a_zombie(self):
        self.staged()
        program = self.pool.working / "peerstage"
        shutil.copy("/bin/true", program)
        self.checker.ignored.add("work")
        self.checker.outside = self.checker._outside()
        zombie = subprocess.Popen([program], start_new_session=True)
        self.pool.sessions.add(zombie.pid)
        self.addCleanup(zombie.wait)
        wait_until(lambda: ") Z" in Path(f"/proc/{zombie.pid}/stat").read_text(), "it to end")
        self.assert_seen("I9")

    def test_a_session_at_the_server(self):
        far = self.pool.remote("far", {"a": b"a"})
        self.staged()
        self.assertEqual(self.checker.after_clean(self.result), [])
        with socket.create_connection((far.address, self.pool.sshd.port)):
            wait_until(self.pool.sshd.sessions, "the session to begin")
            self.assert_seen("I9")


class I10NobodyIsLetIn(CheckerTest):
    def setUp(self):
        super().setUp()
        self.far = self.pool.remote("far", {"a": b"a"})

    def log_in(self, address, key=None, command=("true",), code=None):
        """As another client would."""
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes",
                   f"IdentityFile={key or self.pool.key}", "PreferredAuthentications=publickey"]
        result = subprocess.run(["ssh", "-F", "none", "-T", "-p", str(self.pool.sshd.port),
                                 *(f"-o{option}" for option in options), f"{self.pool.caller}@{address}", *command],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if code is not None:
            self.assertEqual(result.returncode, code, result.stderr)

    def test_known_hosts_was_changed(self):
        self.staged()
        self.pool.known_hosts.write_text(self.pool.known_hosts.read_text() + "# more\n")
        self.assert_seen("I10")

    def test_known_hosts_is_gone(self):
        self.staged()
        self.pool.known_hosts.unlink()
        self.assert_seen("I10")

    def test_a_login_after_the_host_key_was_refused(self):
        for what in ("unknown", "changed"):
            with self.case(what):
                if what == "unknown":
                    self.pool.unknown_hosts.add(self.far.address)
                else:
                    self.pool.write_config()
                    self.pool.write_known_hosts()
                    self.pool.known_hosts.write_text(self.pool.known_hosts.read_text().replace("AAAA", "AAAAAAAA", 1))
                self.checker.before()
                result = self.pool.stage(write=what == "unknown")
                self.assertEqual(result.statuses()["far"], "failed", str(result))
                self.assertEqual(self.checker.after_fault(result), [], str(result))
                self.log_in(self.far.address, command=("-s", "sftp"))
                self.assert_names("I10", self.checker.after_fault(result))

    def test_a_login_that_is_refused_after_the_host_key_was(self):
        """Even the name of a user is too much."""
        self.pool.unknown_hosts.add(self.far.address)
        self.run_once()
        make_key(self.pool.directory / "sshd/stranger")
        self.log_in(self.far.address, key=self.pool.directory / "sshd/stranger", code=255)
        self.assert_names("I10", self.checker.after_fault(self.result))

    def test_another_way_to_log_in(self):
        for method in ("password", "keyboard-interactive"):
            with self.case(method):
                self.run_once()
                self.try_method(method)
                self.assert_seen("I10")

    def try_method(self, method):
        import paramiko
        transport = paramiko.Transport((self.far.address, self.pool.sshd.port))
        try:
            transport.connect()
            if method == "password":
                transport.auth_password(self.pool.caller, "secret", fallback=False)
            else:
                transport.auth_interactive(self.pool.caller, lambda *unused: [])
        except paramiko.SSHException:
            pass
        finally:
            transport.close()

    def test_a_command_and_a_shell(self):
        for command in (("true",), ()):
            with self.case(command):
                self.run_once()
                self.log_in(self.far.address, command=command)
                self.assert_seen("I10")

    def test_a_login_by_the_key_alone_is_fine(self):
        self.run_once()
        self.assertEqual(self.checker.after_clean(self.result), [])
        self.assertIn("Accepted publickey", self.pool.sshd.log_text())


class I11RecoveryConverges(CheckerTest):
    def give(self, path):
        shutil.chown(path, self.pool.user, self.pool.group)

    def test_something_unfinished_is_left(self):
        day = self.staged()
        spool = self.pool.staging / ".peerstage/near"
        for what, path, mode in (("a spool", spool, 0o700), ("a tree", day.parent / "cback.peerstage.near", 0o755),
                                 ("an old tree", day.parent / "cback.peerstage-old.near", 0o755)):
            with self.subTest(what):
                path.mkdir()
                path.chmod(mode)
                self.give(path)
                self.assertEqual(self.checker.after_fault(self.result), [])
                self.assert_names("I11", self.checker.after_clean(self.result))
                path.rmdir()

    def test_a_strange_directory(self):
        for place in ("strange", "2020/strange", "2020/01/02/strange"):
            with self.case(place):
                day = self.staged()
                path = self.pool.staging / place.replace("2020/01/02", self.pool.staged_day()).replace(
                    "2020", self.pool.staged_day().split("/")[0])
                path.mkdir()
                self.give(path)
                self.assert_seen("I11")

    def test_a_clean_run_that_does_not_stage_a_peer(self):
        self.checker.before()
        sources = self.near.write("cback.sha256", b"0" * 64 + b"  a.tar\n")
        self.checker.before()
        result = self.pool.stage()
        self.assertTrue(sources.exists())
        self.assertEqual(self.checker.after_fault(result), [])
        self.assert_names("I11", self.checker.after_clean(result))

    def test_a_second_run_that_changes_something(self):
        def rewrite(path):
            data = path.read_bytes()
            path.write_bytes(data)

        def replace(path):
            subprocess.run(["cp", "-a", path, f"{path}.new"], check=True)
            os.rename(f"{path}.new", path)
        for what, change in (("mtime of a file", lambda day: os.utime(day / "a.tar", (1, 1))),
                             ("the same content again", lambda day: rewrite(day / "a.tar")),
                             ("another inode", lambda day: replace(day / "a.tar")),
                             ("the manifest again", lambda day: rewrite(day / "cback.sha256")),
                             ("the day's marker again", lambda day: os.utime(day.parent / "cback.stage", (1, 1)))):
            with self.case(what):
                self.staged()
                day = self.staged()
                self.assertEqual(self.checker.after_again(self.result), [])
                change(day)
                self.assert_names("I11", self.checker.after_again(self.result))

    def lock_holder(self):
        """Somebody who has the lock until his input ends."""
        holder = subprocess.Popen(
            [sys.executable, "-c", "import fcntl, struct, sys; file = open(sys.argv[1], 'r+b'); fcntl.fcntl(file, 37, "
             "struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0)); print(flush=True); sys.stdin.read()",
             self.pool.staging / ".peerstage/.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(kill_tree, holder)
        holder.stdout.readline()
        return holder

    def test_the_lock_is_held(self):
        self.staged()
        holder = self.lock_holder()
        self.assert_seen("I11")
        holder.communicate()

    def test_the_lock_of_who_is_just_ending_is_not_held(self):
        self.staged()
        self.checker.patience = 10
        holder = self.lock_holder()
        ending = threading.Timer(0.3, holder.communicate)
        ending.start()
        self.assertEqual(self.checker.after_fault(self.result), [])
        ending.join()


class I12CleanRecords(CheckerTest):
    def add_to_log(self, data):
        with open(self.pool.log, "ab") as log:
            log.write(data)

    def test_a_log_that_is_not_clean(self):
        line = b"2026-11-20T02:30:07 CET --> [INFO   ] "
        for what, data in (("ESC", line + b"\x1b[2J\n"), ("NUL", line + b"a\0b\n"), ("CR", line + b"a\rb\n"),
                           ("TAB", line + b"a\tb\n"), ("DEL", line + b"\x7f\n"), ("C1", line + "\x9b1m\n".encode()),
                           ("bidi", line + f"a{BIDI}b\n".encode()), ("isolate", line + "\u2066\n".encode()),
                           ("no UTF-8", line + b"\xff\n"), ("overlong", line + b"\xc0\x80\n"),
                           ("an injected line", b"anything\n"),
                           ("another level", line.replace(b"INFO   ", b"NOTICE ") + b"x\n"), ("an empty line", b"\n"),
                           ("half a line", line + b"half")):
            with self.case(what):
                self.staged()
                self.add_to_log(data)
                self.assert_seen("I12")

    def test_standard_output_and_error_that_are_not_clean(self):
        self.staged()
        clean = self.result
        for what in ("\x1b[31m", "\x00", BIDI, "\udcff", "\x85"):
            with self.subTest(repr(what)):
                self.result = dataclasses.replace(clean, stderr=clean.stderr + what + "\n")
                self.assert_seen("I12")
                document = json.loads(clean.stdout)
                document["run"]["id"] += what
                self.result = dataclasses.replace(clean, stdout=json.dumps(document))
                self.assert_seen("I12")

    def test_a_name_that_does_not_lead_back(self):
        self.staged()
        clean = self.result
        for name in ("a\\", "a\\q", "a\\x4", "a\\x41", "\ufffd\\xzz", "a\\nb"):
            with self.subTest(name):
                document = json.loads(clean.stdout)
                document["peers"][0]["skipped"] = [{"name": name, "reason": "symlink"}]
                self.result = dataclasses.replace(clean, stdout=json.dumps(document))
                self.assert_seen("I12")

    def test_a_secret(self):
        self.checker.secrets.append("canary-4711")
        line = b"2026-11-20T02:30:07 CET --> [INFO   ] "
        self.pool.remote("far", {"a": b"a"})
        key = self.pool.key.read_text().splitlines()[2].encode()
        for secret in (b"canary-4711", key):
            with self.subTest(secret):
                self.staged()
                clean = self.result
                self.add_to_log(line + b"with " + secret + b"\n")
                self.assert_seen("I12")
                self.pool.log.unlink()
                self.result = dataclasses.replace(clean, stderr=clean.stderr + secret.decode())
                self.assert_seen("I12")


if __name__ == "__main__":
    unittest.main()
