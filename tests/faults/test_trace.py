#!/usr/bin/python3
"""The order of a run's system calls is safe; and trace.py sees when it is not: each sync of a real run is left out,
done too late and made to fail, and each of the other rules is broken once."""
import dataclasses
import sys
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "system")]
from case import Pool, PoolTest  # noqa: E402
from trace import Call, Trace, calls_of, path_of_descriptor, problems_of  # noqa: E402

SYNCS = ("fsync", "fdatasync", "syncfs")


class TraceTest(PoolTest):
    def traced(self, pool, code=0):
        """The calls of one run, which must be in order."""
        try:
            with Trace(pool) as trace:
                result = pool.stage(wrapper=trace.wrapper)
        except RuntimeError as error:
            self.skipTest(str(error))
        if "PTRACE" in result.stderr or "strace: " in result.stderr:
            self.skipTest(f"strace cannot be used here: {result.stderr}")
        self.assert_exit(result, code)
        calls = sorted(trace.calls(), key=lambda call: call.ended)
        self.assertEqual(problems_of(calls, pool), [], str(result))
        return calls


class Order(TraceTest):
    def test_a_first_run_and_one_that_replaces_are_in_order(self):
        pool = self.make_pool()
        for peer in (pool.local("near"), pool.remote("far")):
            peer.write_all({"a.tar": b"a" * 30_000, "empty": b"", "sub/deep/b": b"beta"})
            peer.ready()
        first = self.traced(pool)
        for peer in pool.peers:
            peer.write("sub/new", b"new")
            peer.write("empty", b"not empty any more")
        second = self.traced(pool)
        third = self.traced(pool)   # nothing to do
        print(f"\nfaults: order: {len(first)}, {len(second)} and {len(third)} calls judged, 0 violations", flush=True)

    def test_many_files_are_in_order(self):
        """They are synced together."""
        pool = self.make_pool()
        for peer in (pool.local("near"), pool.remote("far")):
            peer.write_all({f"d{n % 3}/f{n}": b"%d" % n for n in range(60)})
            peer.ready()
        calls = self.traced(pool)
        self.assertIn("syncfs", {call.name for call in calls})

    def test_a_run_that_is_followed_by_one_after_a_kill_is_in_order(self):
        pool = self.make_pool(bandwidth_limit="1 MB")
        far = pool.remote("far", {"big": bytes(range(256)) * 12_000})
        process = pool.start("stage", "--json")
        pool.wait_until(process, lambda: pool.unfinished_bytes() > 0, "bytes arrive")
        process.kill()
        pool.finish(process)
        pool.staging_settings.clear()
        pool.staging_settings |= {"retries": 0, "minimum_free": 0}
        self.traced(pool)
        self.assert_marked(far)

    def test_a_peer_that_fails_is_in_order(self):
        pool = self.make_pool()
        pool.remote("far", {"a": b"a"})
        pool.local("near", {"a": b"a"}).write("cback.sha256", b"0" * 64 + b"  a\n")
        self.traced(pool, code=7)


class Broken(TraceTest):
    """A recorded run, and what would have been wrong with it."""

    @classmethod
    def setUpClass(cls):
        cls.recorded = {}

    def record(self, kind, files=3):
        """A run with one peer, so that no other one's sync helps; recorded once for all tests."""
        if (kind, files) not in self.recorded:
            pool = Pool(retries=0, minimum_free=0)
            self.addClassCleanup(pool.__exit__)
            peer = getattr(pool, kind)("peer")
            peer.write_all({f"sub/f{n}": b"content %d" % n for n in range(files)})
            peer.ready()
            self.recorded[kind, files] = pool, self.traced(pool)
        pool, calls = self.recorded[kind, files]
        return pool, list(calls)

    def assert_names(self, calls, pool, promise):
        """This one, and no other."""
        problems = problems_of(calls, pool)
        self.assertEqual({problem.partition(":")[0] for problem in problems}, {promise}, problems)

    def syncs(self, pool, calls):
        """Those of a first run, every one of which is needed, and where they are."""
        found = []
        for at, call in enumerate(calls):
            path = path_of_descriptor(call.arguments[0]) if call.name in SYNCS else None
            if path is not None and path.startswith(str(pool.staging)):
                found.append((at, path))
        return found

    def variants(self, calls, at):
        call = calls[at]
        end = calls[-1].ended + 1
        yield "left out", calls[:at] + calls[at + 1:]
        yield "too late", calls[:at] + calls[at + 1:] + [dataclasses.replace(call, began=end, ended=end)]
        yield "failed", calls[:at] + [dataclasses.replace(call, result=-1)] + calls[at + 1:]

    def test_each_sync_of_a_first_run_is_missed(self):
        tried = 0
        for kind, files in (("local", 3), ("remote", 3), ("local", 60), ("remote", 60)):
            pool, calls = self.record(kind, files)
            for at, path in self.syncs(pool, calls)[:-1]:   # after the last one, of the day's marker, nobody is told
                is_made_good = any(call.name == "syncfs" for call in calls[at + 1:])
                for what, broken in self.variants(calls, at):
                    if is_made_good and what != "failed":
                        continue   # all of the file system was synced later, and in time
                    with self.subTest(f"{kind}, {files} files, {what}: {calls[at]}"):
                        self.assert_names(broken, pool, "I2" if path.endswith("/.marker") else "I3")
                        tried += 1
        print(f"\nfaults: order: {tried} syncs left out, late or failed, each of them seen", flush=True)
        self.assertGreater(tried, 50)

    def first(self, calls, name, word):
        return next(at for at, call in enumerate(calls) if call.name == name and word in " ".join(call.arguments)
                    and call.result >= 0)

    def moved(self, calls, at, after):
        """The call at one place happens right after the one at another."""
        time = calls[after].ended + 1e-7
        return [*calls[:at], dataclasses.replace(calls[at], began=time, ended=time), *calls[at + 1:]]

    def added(self, calls, at, name, *arguments, pid=None, result=0):
        """One more call, after the one at a place, by the same process."""
        time = calls[at].ended + 1e-7
        return [*calls, Call(pid or calls[at].pid, name, list(arguments), result, time, time)]

    def test_a_write_between_sync_and_publishing(self):
        pool, calls = self.record("local")
        at = self.first(calls, "fsync", "/.peerstage/peer/")
        broken = self.added(calls, at, "write", calls[at].arguments[0], '""', "7", result=7)
        self.assert_names(broken, pool, "I3")

    def test_a_write_after_publishing(self):
        pool, calls = self.record("local")
        published = f"7<{pool.staging}/{pool.staged_day()}/peer/sub/f1>"
        broken = self.added(calls, len(calls) - 1, "write", published, '""', "7", result=7)
        self.assert_names(broken, pool, "I1")

    def test_a_marker_before_publishing(self):
        for kind in ("local", "remote"):
            with self.subTest(kind):
                pool, calls = self.record(kind)
                marker = self.first(calls, "openat", 'cback.stage" O_')
                mkdir = self.first(calls, "mkdirat", "cback.peerstage.peer")
                self.assert_names(self.moved(calls, marker, mkdir), pool, "I3")

    def test_a_marker_that_is_written_right_after_the_rename(self):
        """As a program would that forgets the day's sync."""
        for kind in ("local", "remote"):
            with self.subTest(kind):
                pool, calls = self.record(kind)
                marker = self.first(calls, "openat", 'cback.stage" O_')
                rename = self.first(calls, "renameat2", '"cback.peerstage.peer"')
                self.assert_names(self.moved(calls, marker, rename), pool, "I3")

    def test_a_day_that_is_marked_before_its_peer_is_durable(self):
        pool, calls = self.record("local")
        marks = [self.first(calls, name, word) for name, word in (
            ("openat", '".marker"'), ("fsync", ".marker"), ("renameat2", '".marker"'))]
        rename = self.first(calls, "renameat2", '"cback.peerstage.peer"')
        broken = list(calls)
        for step, at in enumerate(marks):
            time = calls[rename].ended + (step + 1) * 1e-8
            broken[at] = dataclasses.replace(broken[at], began=time, ended=time)
        self.assert_names(broken, pool, "I2")

    def test_a_file_that_is_too_open_before_it_gets_its_mode(self):
        pool, calls = self.record("local")
        at = next(n for n, call in enumerate(calls) if call.name == "openat" and "cback.sha256" in call.arguments[1]
                  and "O_CREAT" in call.arguments[2])
        broken = list(calls)
        broken[at] = dataclasses.replace(calls[at], arguments=[*calls[at].arguments[:3], "0666"])
        self.assert_names(broken, pool, "I6")

    def test_a_directory_that_is_too_open_for_a_moment(self):
        pool, calls = self.record("local")
        at = self.first(calls, "mkdirat", "cback.peerstage.peer")
        broken = self.added(calls, at, "fchmodat", calls[at].arguments[0], calls[at].arguments[1], "0777")
        self.assert_names(broken, pool, "I6")

    def test_a_change_elsewhere(self):
        pool, calls = self.record("local")
        at = self.first(calls, "mkdirat", "cback.peerstage.peer")
        outside = f"{pool.canary}/precious"
        for name, *arguments in (("unlink", f'"{outside}"'), ("chmod", f'"{outside}"', "0600"),
                                 ("mkdir", '"/tmp/x"', "0700"),
                                 ("openat", "AT_FDCWD</>", f'"{outside}"', "O_WRONLY|O_TRUNC"),
                                 ("openat", "AT_FDCWD</>", '"/tmp/y"', "O_RDWR|O_CREAT", "0600"),
                                 ("write", f"3<{outside}>", '""', "1"), ("fchown", f"3<{outside}>", "0", "0"),
                                 ("renameat2", calls[at].arguments[0], '"a"', "AT_FDCWD</tmp>", '"b"', "0"),
                                 ("linkat", "AT_FDCWD</>", f'"{outside}"', "AT_FDCWD</tmp>", '"b"', "0"),
                                 ("symlinkat", '"/etc/passwd"', calls[at].arguments[0], '"link"'),
                                 ("mknodat", calls[at].arguments[0], '"fifo"', "S_IFIFO|0600")):
            with self.subTest(name, arguments=arguments):
                self.assert_names(self.added(calls, at, name, *arguments), pool, "I5")

    def test_a_change_without_the_lock(self):
        pool, calls = self.record("local")
        lock = next(at for at, call in enumerate(calls) if call.name == "fcntl" and "F_OFD_SETLK" in call.arguments)
        self.assert_names(calls[:lock] + calls[lock + 1:], pool, "I11")

    def test_two_writers_of_one_directory(self):
        """Another run gets the lock although the first one still writes."""
        pool, calls = self.record("local")
        lock = next(at for at, call in enumerate(calls) if call.name == "fcntl" and "F_OFD_SETLK" in call.arguments)
        at = self.first(calls, "mkdirat", "cback.peerstage.peer")
        broken = self.added(calls, at, "execve", '"/usr/bin/peerstage"', "[]", pid=4_000_001)
        broken = [*broken, dataclasses.replace(calls[lock], pid=4_000_001, began=calls[at].ended + 2e-7,
                                               ended=calls[at].ended + 2e-7)]
        self.assert_names(broken, pool, "I11")


class Lines(unittest.TestCase):
    def test_calls_that_are_told_in_two_halves(self):
        text = ("7 1.000000 fsync(3</s/a> <unfinished ...>\n"
                "8 1.000100 write(4</s/b>, \"\"..., 5) = 5 <0.000010>\n"
                "7 1.000200 <... fsync resumed>)            = -1 EIO (Input/output error) <0.000200>\n")
        write, sync = calls_of([text])
        self.assertEqual((write.name, write.result, write.arguments), ("write", 5, ["4</s/b>", '""...', "5"]))
        self.assertEqual((sync.name, sync.result, sync.began, sync.ended), ("fsync", -1, 1.0, 1.0002))

    def test_names_with_any_bytes(self):
        text = (r'7 1.0 openat(5</s/a\303\244\n,x>, "q\"\\\377, y", O_RDWR|O_CREAT, 0600) = 6</s/z> <0.000010>' "\n"
                r'7 1.1 openat2(5</s>, "a", {flags=O_RDONLY, resolve={X}}, 24) = -1 ENOENT (Not there) <0.000010>' "\n")
        first, second = calls_of([text])
        self.assertEqual(len(first.arguments), 4, first)
        self.assertEqual(path_of_descriptor(first.arguments[0]), "/s/aä\n,x")
        self.assertEqual((first.result, second.result, len(second.arguments)), (6, -1, 4))

    def test_two_traces_are_put_in_order_by_the_end_of_each_call(self):
        early = "7 1.000000 fsync(3</s/a>) = 0 <0.000500>\n"
        late = "9 1.000400 mkdir(\"/s/b\", 0700) = 0 <0.000010>\n"
        ends = {call.name: call.ended for call in calls_of([early, late])}
        self.assertLess(ends["mkdir"], ends["fsync"])


if __name__ == "__main__":
    unittest.main()
