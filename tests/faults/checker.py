"""The twelve promises, checked from outside: by the disk, by what each source ever had, by /proc, by what the run said,
and by the log of the server that it talked to. The order of system calls is trace.py's.

    checker = Checker(pool)
    checker.before()                        # takes stock, right before a run
    problems = checker.after_fault(result)  # whatever became of it; "I2: STAGING/...: sentence", [] when all hold
    checker.before()
    problems = checker.after_clean(result)  # a run that nothing disturbed: everything is staged, nothing is left
    checker.before()
    problems = checker.after_again(result)  # one more: not a byte below STAGING is different

Give `result` a `exit` of None when it is that of another program (a wrapper): then only its document counts.
"""
import datetime
import fcntl
import grp
import json
import os
import pwd
import struct
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]
import records  # noqa: E402
import sshd_log  # noqa: E402
from disk import Disk, parse_manifest  # noqa: E402
from pool import MANIFEST, MARKERS_OF_OTHERS, snapshot  # noqa: E402

OWN = ".peerstage"
COLLECT, STAGE = "cback.collect", "cback.stage"
NEW_MARKER = ".marker"              # what becomes the marker of a day
UNFINISHED = "cback.peerstage"      # what a tree that is being built is called begins so
DONE = ("staged", "unchanged")
STATUS_OF_EXIT = {0: "ok", 5: "interrupted", 6: "error", 7: "failed", 8: "not_ready", 75: "error"}
F_OFD_GETLK = 36
MOST = 8                            # problems of one kind that are told


class Checker:
    def __init__(self, pool, without=()):
        """`without` are peers of which only I1, I4 to I6 are asked, because they never do what they should."""
        self.pool = pool
        self.without = set(without)
        self.disk = Disk()
        self.secrets = []           # canaries that a test hid somewhere
        self.ignored = set()        # entries of the pool's directory that a test itself makes
        self.patience = 3           # seconds for processes that are dying

    # --- before a run

    def before(self, changing=()):
        """`changing` are peers whose files somebody changes while the run goes on."""
        pool = self.pool
        self.staging = self.disk.tree(pool.staging)
        self.root = self.disk.item(pool.staging)
        self.sources = {peer.name: self.disk.tree(peer.collect) for peer in pool.peers}
        for peer in pool.peers:
            for name, item in self.sources[peer.name].items():
                if item.kind == "file":
                    pool.had(peer.name, name, item.sha256)
        self.changing = set(changing)
        self.writes = {peer.name: len(peer.written) for peer in pool.peers}
        self.outside = self._outside()
        self.dates = {datetime.date.today()}
        pool.forget_ended_sessions()
        self.log_from = pool.log.stat().st_size if pool.log.exists() else 0
        self.sshd_log_from = pool.sshd.log_size() if pool.has_sshd() else 0

    def _outside(self):
        """Everything of the pool's directory that no run has any business with."""
        pool = self.pool
        own = {pool.staging, pool.config, pool.known_hosts, pool.log, pool.directory / "sshd",
               *(peer.collect for peer in pool.peers)}
        without = {os.path.relpath(path, pool.directory) for path in own} | self.ignored
        return self.disk.tree(pool.directory, without)

    # --- after it

    def after_fault(self, result=None, within=None):
        """What holds whatever happened. `within`: the seconds that the run may have taken."""
        return self._judge(result, within, self._always, clean=False)

    def after_clean(self, result, within=None):
        """What holds after a run that nothing disturbed, whatever happened to the ones before."""
        return self._judge(result, within, self._converged, clean=True)

    def after_again(self, result, within=None):
        """The same, and nothing changed."""
        return self._judge(result, within, self._untouched, clean=True)

    def sound(self, was_killed=False):
        """What can be asked of a disk at any time, without a before()."""
        self.now = self.disk.tree(self.pool.staging)
        self.root = self.disk.item(self.pool.staging)
        self.staging, self.clean = {}, not was_killed
        self.dates = {datetime.date(*map(int, day.split("/"))) for day, _ in self._days(self.now)}
        return self._told([*self._i1(), *self._i5_kinds(), *self._sound_entries()])

    def _sound_entries(self):
        if snapshot(self.pool.canary) != self.pool.canary_before:
            yield f"I5: {self.pool.canary}: was touched, outside of the staging directory"
        for path, item in self.now.items():
            if item.mode & 0o7000:
                yield f"I6: STAGING/{path}: has mode {item.mode:o}"
            if self.clean and is_unfinished(path) and path.split("/")[0] != OWN:
                yield f"I11: STAGING/{path}: was left"

    def after_power_cut(self):
        """The disk as it came back: whoever was told that he is staged is, and nothing half is to be seen."""
        self.disk.forget()
        self.now = self.disk.tree(self.pool.staging)
        self.clean = False
        told = [f"STAGING/{'/'.join(place)}" for place in self._days_of_run()
                if self._peer(place[1]) and self.disk.item(self._peer(place[1]).marker)]
        problems = [*self._i1(), *self._i2(), *self._i3(), *self._i4_days(), *self._i5_kinds()]
        return self._told([f"I3{problem[2:]}" if problem[4:].startswith(tuple(told)) else problem
                           for problem in problems])

    def _judge(self, result, within, more, clean):
        self.dates.add(datetime.date.today())
        remaining = self._wait_for_processes()
        self.now = self.disk.tree(self.pool.staging)
        self.clean = clean
        document = document_of(result)
        if document and document.get("run", {}).get("date"):
            self.dates.add(datetime.date.fromisoformat(document["run"]["date"]))
        problems = [*self._i1(), *self._i2(), *self._i3(), *self._i4_days(), *self._i4_sources(), *self._i5_kinds(),
                    *self._i5_outside(), *self._i6()]
        # What is wrong with a day makes the document wrong about it as well: one cause, one promise.
        self.accused = {place for place in self._days_of_run()
                        if any(problem[4:].startswith(f"STAGING/{'/'.join(place)}") for problem in problems)}
        return self._told([*problems, *self._i7(result, document), *self._i8(result, within), *self._i9(remaining),
                           *self._i10(), *self._i12(result), *more(result, document)])

    @staticmethod
    def _told(problems):
        """The first few of each promise: one cause may have thousands of consequences."""
        told, counts = [], {}
        for problem in dict.fromkeys(problems):
            promise = problem.partition(":")[0]
            counts[promise] = counts.get(promise, 0) + 1
            if counts[promise] <= MOST:
                told.append(problem)
        told += [f"{promise}: and {count - MOST} more" for promise, count in counts.items() if count > MOST]
        return told

    # --- what the tree of a staging directory consists of

    def _days(self, tree):
        """{(day, peer): {path: Item}} of what is published."""
        days = {}
        for path, item in tree.items():
            parts = path.split("/", 4)
            if parts[0] == OWN or len(parts) < 4 or parts[3].startswith("cback."):
                continue
            if len(parts) == 4 and item.kind == "directory":
                days.setdefault(("/".join(parts[:3]), parts[3]), {})
            elif len(parts) == 5:
                days.setdefault(("/".join(parts[:3]), parts[3]), {})[parts[4]] = item
        return days

    def _is_of_run(self, day):
        return day in {date.strftime("%Y/%m/%d") for date in self.dates}

    def _days_of_run(self):
        return {place: tree for place, tree in self._days(self.now).items() if self._is_of_run(place[0])}

    def _manifest(self, place, tree):
        """The sums of a published day; a ValueError says what is wrong."""
        if tree.get(MANIFEST) is None or tree[MANIFEST].kind != "file":
            raise ValueError("there is no manifest")
        return parse_manifest((self.pool.staging / "/".join(place) / MANIFEST).read_bytes())

    def _before(self, place):
        prefix = "/".join(place) + "/"
        return {path[len(prefix):]: item for path, item in self.staging.items() if path.startswith(prefix)}

    def _peer(self, name):
        return next((peer for peer in self.pool.peers if peer.name == name), None)

    def _is_known(self, peer):
        """Do we know what has to come of it?"""
        return (peer is not None and peer.name not in self.without | self.changing
                and len(peer.written) == self.writes[peer.name] and peer.collect.is_dir())

    def _to_be_staged(self, peer):
        """{path: Item} of the files that have to be staged."""
        settings = {**self.pool.staging_settings, **peer.elements}
        flat = settings.get("subdirectories") in ("skip", "fail")
        return {path: item for path, item in self.sources[peer.name].items() if item.kind == "file"
                and path not in (STAGE, MANIFEST) and not (flat and "/" in path)}

    # --- I1

    def _has_been(self, place, path, item):
        """Did the source ever have this?"""
        return item.sha256 in self.pool.versions_of(place[1], path)

    def _i1(self):
        for place, tree in self._days_of_run().items():
            before = self._before(place)
            for path, item in tree.items():
                if item.kind != "file" or path == MANIFEST or self._has_been(place, path, item):
                    continue
                if path in before and before[path].content() == item.content():
                    continue   # somebody else's, and there before
                yield (f"I1: STAGING/{'/'.join(place)}/{path}: holds {item.size} bytes that {place[1]} never had under "
                       "this name")
        for path, item in self.now.items():
            parts = path.split("/")
            is_own = parts[0] == OWN or len(parts) == 4 and parts[3] in (STAGE, *MARKERS_OF_OTHERS)
            is_day = len(parts) > 3 and (len(parts) > 4 or parts[3].startswith(UNFINISHED))
            if item.kind == "file" and not is_own and not is_day and path not in self.staging:
                yield f"I1: STAGING/{path}: is visible, and of no peer"

    # --- I2

    def _i2(self):
        for place, tree in self._days_of_run().items():
            if self._peer(place[1]) is None:
                continue   # I4 and I11 are about those
            for problem in self._incomplete(place, tree):
                yield f"I2: STAGING/{'/'.join(place)}: {problem}"
        yield from self._i2_days()

    def _incomplete(self, place, tree):
        before = self._before(place)
        try:
            sums = self._manifest(place, tree)
        except ValueError as error:
            yield str(error)
            return
        files = {path: item for path, item in tree.items() if item.kind == "file" and path != MANIFEST}
        for path in sorted(sums.keys() - tree.keys()):
            yield f"the manifest names {path!r}, which is not there"
        for path, item in sorted(files.items()):
            if path not in sums:
                # I1 tells of what never was the peer's; what somebody else put there before the run is his.
                if self._has_been(place, path, item) and path not in before:
                    yield f"the manifest does not name {path!r}"
            elif sums[path] != item.sha256 and self._has_been(place, path, item):
                yield f"the manifest has another sum for {path!r}"
        yield from self._not_final(place, tree, files, before)

    def _not_final(self, place, tree, files, before):
        """A run either did nothing to a day, or brought all that the source had."""
        peer = self._peer(place[1])
        if not self._is_known(peer):
            return
        if before and all(path in files and files[path].content() == item.content()
                          for path, item in before.items() if item.kind == "file" and path != MANIFEST):
            if not self.clean or COLLECT not in self.sources[peer.name]:
                return
        for path, item in self._to_be_staged(peer).items():
            there = files.get(path)
            if path not in tree and path not in before:
                yield f"{path!r} of the source is missing"
            elif there and there.sha256 != item.sha256 and self._has_been(place, path, there):
                yield f"{path!r} is not what the source has, but an earlier version"

    def _i2_days(self):
        """The marker of a day: every peer that must be there is."""
        if self.pool.staging_settings.get("daily_indicator", "complete") != "complete":
            return
        for path in self.now:
            parts = path.split("/")
            if len(parts) != 4 or parts[3] != STAGE or not self._is_of_run("/".join(parts[:3])):
                continue
            for peer in self.pool.peers:
                if "ignore_failures" not in peer.elements and "/".join((*parts[:3], peer.name)) not in self.now:
                    yield f"I2: STAGING/{path}: the day is marked, and {peer.name} is not in it"

    # --- I3

    def _marker_is_new(self, peer):
        now, before = self.disk.item(peer.marker), self.sources[peer.name].get(STAGE)
        return now is not None and (before is None or (now.inode, now.ctime) != (before.inode, before.ctime))

    def _i3(self):
        days = self._days_of_run()
        for peer in self.pool.peers:
            if not self._marker_is_new(peer):
                continue
            trees = {place: tree for place, tree in days.items() if place[1] == peer.name}
            if not trees:
                yield f"I3: {peer.name}: was told that it is staged, and is in no day"
                continue
            if not self._is_known(peer):
                continue
            place, tree = max(trees.items(), key=lambda day: day[0])
            for path, item in self._to_be_staged(peer).items():
                there = tree.get(path)
                # A file that was lost or torn after it was staged is I1's, I2's or I5's.
                is_other = there is not None and there.kind == "file" and there.sha256 != item.sha256
                if is_other and self._has_been(place, path, there):
                    yield f"I3: {peer.name}: was told that it is staged, and the day has an earlier version of {path!r}"

    # --- I4

    def _i4_days(self):
        yield from self._lost("staged", {path: item for path, item in self.staging.items()
                                         if path.split("/")[0] != OWN})

    def _lost(self, what, before):
        for path, item in before.items():
            parts = path.split("/")
            now = self.now.get(path)
            day = "/".join(parts[:3])
            if len(parts) > 3 and parts[3].startswith(UNFINISHED):
                continue
            if len(parts) > 3 and not self._is_of_run(day):
                if now is None:
                    yield f"I4: STAGING/{path}: was {what} earlier, and is gone"
                elif now.committed() != item.committed():
                    yield f"I4: STAGING/{path}: was {what} earlier, and is different now: {item} {now}"
            elif now is None and not self._may_go(parts, item):
                yield f"I4: STAGING/{path}: was {what} today, and is gone"
        for path, item in self.now.items():
            parts = path.split("/")
            if len(parts) > 3 and parts[0] != OWN and not self._is_of_run("/".join(parts[:3])) and path not in before:
                if not (parts[3].startswith(UNFINISHED) and not self.clean):
                    yield f"I4: STAGING/{path}: came into a day that is none of this run"

    def _may_go(self, parts, item):
        """The marks of a day that changes, directories above a day that was never filled, an empty day."""
        if len(parts) == 4:
            return parts[3] in MARKERS_OF_OTHERS or parts[3] == STAGE
        return len(parts) < 4 and item.kind == "directory" and not any(
            path.startswith("/".join(parts) + "/") and path.count("/") >= 3 for path in self.staging)

    def _i4_sources(self):
        for peer in self.pool.peers:
            if peer.name in self.changing:
                continue
            own = set()
            for name in peer.written[self.writes[peer.name]:]:
                own |= {name, *map(str, Path(name).parents)}
            before, now = self.sources[peer.name], self.disk.tree(peer.collect)
            for path in sorted((before.keys() | now.keys()) - own - {STAGE}):
                if path not in now or path not in before:
                    yield f"I4: {peer.name}:{path}: {'is gone from' if path in before else 'came into'} the source"
                elif (before[path].at_rest(), before[path].mtime) != (now[path].at_rest(), now[path].mtime):
                    yield f"I4: {peer.name}:{path}: was changed in the source: {before[path]} {now[path]}"

    # --- I5

    def _i5_kinds(self):
        links = {}
        for path, item in self.now.items():
            if item.kind == "file" and item.links > 1:
                links.setdefault((item.device, item.inode), []).append(path)
            if item.kind not in ("file", "directory") and self.staging.get(path) != item:
                yield f"I5: STAGING/{path}: is a {item.kind}"
            if item.device != self.root.device:
                yield f"I5: STAGING/{path}: is on another file system"
        for paths in links.values():
            item = self.now[paths[0]]
            # A day that is replaced shares its files with the tree that is being built.
            unfinished = [path for path in paths if is_unfinished(path)]
            is_replacing = not self.clean and len(paths) == item.links and len(paths) - len(unfinished) <= 1
            if not is_replacing and self.staging.get(paths[0]) != item:
                yield f"I5: STAGING/{paths[0]}: has {item.links} names, {len(paths)} of them here"

    def _i5_outside(self):
        now = self._outside()
        for path in sorted(self.outside.keys() | now.keys()):
            before, after = self.outside.get(path), now.get(path)
            if before is None or after is None:
                what = "removed" if before else "made"
                yield f"I5: {self.pool.directory / path}: was {what}, outside of the staging directory"
            elif (before.at_rest(), before.mtime) != (after.at_rest(), after.mtime) and not self._is_above_own(path):
                yield f"I5: {self.pool.directory / path}: was changed, outside of the staging directory"
            elif before.ctime != after.ctime and not self._is_above_own(path):
                yield f"I5: {self.pool.directory / path}: was touched, outside of the staging directory"

    def _is_above_own(self, path):
        """Directories whose times the test changes by what it writes beside."""
        return path == "peers" or path in self.ignored

    # --- I6

    def _i6(self):
        uid, gid = pwd.getpwnam(self.pool.user).pw_uid, grp.getgrnam(self.pool.group).gr_gid
        for path, item in self.now.items():
            parts = path.split("/")
            if self._is_none_of_the_run(parts, path, item):
                continue
            where = f"I6: STAGING/{path}"
            is_owned = (item.uid, item.gid) == (uid, gid)
            # A run that died between making and handing over leaves its own.
            is_new = is_unfinished(path) or self._is_empty_directory(path)
            may_be_ours = is_new and not self.clean and item.uid == os.geteuid()
            if not is_owned and not may_be_ours:
                yield f"{where}: belongs to {item.uid}:{item.gid}"
            wanted = self._mode(parts, path, item)
            if item.mode & 0o7000:
                yield f"{where}: has mode {item.mode:o}"
            elif is_unfinished(path) and not self.clean:
                if item.mode & ~(wanted | 0o700):
                    yield f"{where}: has mode {item.mode:o}, wider than {wanted:o} even before it is published"
            elif item.mode != wanted:
                yield f"{where}: has mode {item.mode:o} instead of {wanted:o}"

    def _is_none_of_the_run(self, parts, path, item):
        before = self.staging.get(path)
        if item.kind not in ("file", "directory"):
            return True
        if before is not None and before.committed() == item.committed():
            return True   # of before the run; I4 sees to it
        return len(parts) > 3 and parts[0] != OWN and not self._is_of_run("/".join(parts[:3]))

    def _is_empty_directory(self, path):
        return self.now[path].kind == "directory" and not any(other.startswith(path + "/") for other in self.now)

    def _mode(self, parts, path, item):
        """The mode that an entry has in the end."""
        umask = self.pool.umask
        if parts[0] == OWN:
            if len(parts) == 3:
                return self._mode_of_received(parts[1], item)
            if parts[1:] == [NEW_MARKER]:
                return 0o666 & ~umask
            return 0o700 if item.kind == "directory" else 0o600
        if len(parts) < 4:
            return 0o777 & ~umask
        name = parts[3].removeprefix(UNFINISHED).removeprefix("-old").removeprefix(".") \
            if parts[3].startswith(UNFINISHED) else parts[3]
        if len(parts) == 4:
            return 0o666 & ~umask if item.kind == "file" else 0o777 & ~umask | 0o700
        peer = self._peer(name)
        settings = {**self.pool.staging_settings, **(peer.elements if peer else {})}
        permissions = settings.get("permissions")
        permissions = None if permissions is None else int(str(permissions), 8)
        inner = "/".join(parts[4:])
        if inner == MANIFEST:
            return 0o640 & ~umask if permissions is None else permissions
        source = self.sources.get(name, {}).get(inner)
        if permissions is not None:
            return permissions | (permissions & 0o444) >> 2 | 0o700 if item.kind == "directory" else permissions
        if source is None or (peer and len(peer.written) != self.writes[name]) or name in self.changing:
            return item.mode & 0o777   # not known, or not any more
        return source.mode & 0o777 & ~umask | (0o700 if item.kind == "directory" else 0)

    def _mode_of_received(self, peer, item):
        """What is received is private until it has the mode of one of the peer's files."""
        if peer not in self.sources or peer in self.changing | self.without:
            return item.mode & 0o777
        modes = {0o600, *(self._mode(["", "", "", peer, *path.split("/")], path, source)
                          for path, source in self.sources[peer].items() if source.kind == "file")}
        return item.mode if item.mode in modes else 0o600

    # --- I7

    def _i7(self, result, document):
        if result is None or "stage" not in result.command or "--json" not in result.command:
            return
        exit = result.exit if result.exit is None or result.exit >= 0 else None
        if document is None or "run" not in document:
            if exit not in (None, 2, 3, 4):
                yield f"I7: exit {exit}, and no document tells why"
            return
        for problem in self._untrue(exit, document, result):
            yield f"I7: {problem}"

    def _untrue(self, exit, document, result):
        run, peers = document["run"], document["peers"]
        if exit is not None and run["exit_code"] != exit:
            yield f"exit {exit}, and the document says {run['exit_code']}"
        code = run["exit_code"]
        if run["status"] != STATUS_OF_EXIT.get(code):
            yield f"exit code {code} with the status {run['status']}"
        names = sorted(peer["name"] for peer in peers)
        expected = sorted(selected(result.command) or (peer.name for peer in self.pool.peers))
        if names != expected and not (run["status"] == "error" and not peers):
            yield f"the document has the peers {names}, configured are {expected}"
        if run["status"] == "error" and not run["error"]:
            yield "the status is error, without a cause"
        statuses = {peer["status"] for peer in peers}
        if (code == 0) != (statuses <= {*DONE, "ignored"} and not run["error"] and run["status"] == "ok"):
            yield f"exit code {code} with peers that are {sorted(statuses)}"
        elif code == 8 and ("failed" in statuses or "not_ready" not in statuses):
            yield f"exit code 8 with peers that are {sorted(statuses)}"
        elif code == 7 and "failed" not in statuses:
            yield "exit code 7, and no peer failed"
        elif "failed" in statuses and code not in (5, 6, 7):
            yield f"exit code {code}, and a peer failed"
        for peer in peers:
            yield from self._untrue_peer(peer, run, "--dry-run" in result.command)

    def _untrue_peer(self, told, run, is_dry):
        name, status, error = told["name"], told["status"], told["error"]
        if status in DONE and error:
            yield f"{name} is {status}, with the error {error}"
        if status not in DONE and not (error and error.get("kind") and error.get("message")):
            yield f"{name} is {status}, without a cause"
        peer = self._peer(name)
        if status not in DONE or is_dry or peer is None or not peer.collect.is_dir():
            return
        place = os.path.relpath(run["daily_dir"], self.pool.staging), name
        tree = self._days(self.now).get(place)
        if tree is None:
            yield f"{name} is {status}, and is not in the day"
            return
        if self.disk.item(peer.marker) is None:
            yield f"{name} is {status}, and was not told so"
        if place in self.accused:
            return
        sums = self._manifest(place, tree)
        counted = len(sums), sum(tree[path].size for path in sums)
        if counted != (told["files"], told["bytes"]):
            yield (f"{name} has {counted} files and bytes in the day, and the document says "
                   f"{told['files'], told['bytes']}")

    # --- I8

    @staticmethod
    def _i8(result, within):
        if within is not None and result is not None and result.seconds > within:
            yield f"I8: took {result.seconds:.1f} s, and may take {within} s"

    # --- I9

    def _processes(self):
        """Whatever was started with this pool's configuration or by such a process, and zombies of it."""
        marks = os.fsencode(self.pool.config), os.fsencode(self.pool.log)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", "rb") as file:
                    state, parent, _, session = file.read().rpartition(b")")[2].split()[:4]
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    arguments = file.read().split(b"\0")
            except OSError:
                continue   # gone meanwhile
            is_ours = int(session) in self.pool.sessions or any(mark in arguments for mark in marks)
            if is_ours and state not in b"ZX":
                yield f"the process {pid}: {b' '.join(arguments).decode(errors='replace')}"
            elif is_ours and parent != b"1":   # orphans are the init's; a container's may be slow
                yield f"the zombie {pid}"

    def _wait_for_processes(self):
        """What of it does not end by itself."""
        end = time.monotonic() + self.patience
        while True:
            remaining = list(self._processes())
            if self.pool.has_sshd() and not remaining and not self.without:
                remaining += [f"a session of sshd: {pid}" for pid in self.pool.sshd.sessions()]
            if not remaining or time.monotonic() > end:
                return remaining
            time.sleep(0.005)

    def _i9(self, remaining):
        for process in remaining:
            yield f"I9: is still there: {process}"

    # --- I10

    def _i10(self):
        pool = self.pool
        if pool.known_hosts_given is not None and pool.ssh_settings.get("host_key_policy") != "accept-new":
            now = pool.known_hosts.read_bytes() if pool.known_hosts.exists() else b""
            if now != pool.known_hosts_given:
                yield f"I10: {pool.known_hosts}: was changed"
        if not pool.has_sshd():
            return
        refused = {peer.address for peer in pool.peers if peer.kind == "remote" and "address" in peer.elements
                   and not self._is_trusted(peer)}
        text = pool.sshd.log_text(self.sshd_log_from)
        for offence in sshd_log.offences(text, refused, self._may_run_commands()):
            yield f"I10: {offence}"

    def _is_trusted(self, peer):
        """Is the key of its server the one that is known?"""
        pool = self.pool
        if pool.ssh_settings.get("host_key_policy") == "accept-new" or peer.elements["port"] != pool.sshd.port:
            return True
        file = peer.elements.get("known_hosts") or pool.ssh_settings.get("known_hosts")
        given = Path(file).read_bytes() if file else pool.known_hosts_given or b""
        return f"[{peer.address}]:{peer.elements['port']} {pool.sshd.host_key}" in given.decode().splitlines()

    def _may_run_commands(self):
        settings = [self.pool.staging_settings, *(peer.elements for peer in self.pool.peers)]
        return any(each.get("verify") == "checksum" or each.get("managed") for each in settings)

    # --- I11

    def _always(self, result, document):
        """After a fault: what is left is ours, and known, and nobody holds the lock."""
        if self._stays_locked():
            yield f"I11: STAGING/{OWN}/.lock: is held by somebody"
        for path, item in self.now.items():
            parts = path.split("/")
            if parts[0] == OWN or len(parts) > 4 or path in self.staging or item.kind != "directory":
                continue
            if len(parts) == 4 and not self._is_of_run("/".join(parts[:3])):
                continue   # I4 is about those
            is_day = len(parts) < 4 and all(part.isdigit() for part in parts)
            is_peer = len(parts) == 4 and (self._peer(parts[3]) or parts[3].startswith(UNFINISHED))
            if not is_day and not is_peer:
                yield f"I11: STAGING/{path}: is nothing that a run leaves"

    def _stays_locked(self):
        """Who is just ending has lost his command line, by which we find processes, before his lock."""
        end = time.monotonic() + self.patience
        while self._is_locked():
            if time.monotonic() > end:
                return True
            time.sleep(0.005)
        return False

    def _is_locked(self):
        try:
            with open(self.pool.staging / OWN / ".lock", "rb") as file:
                whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
                return struct.unpack("hhqqi4x", fcntl.fcntl(file, F_OFD_GETLK, whole))[0] != fcntl.F_UNLCK
        except OSError:
            return False   # there is none, or what is there I5 tells of

    def _converged(self, result, document):
        yield from self._always(result, document)
        for path, item in self.now.items():
            if is_unfinished(path) and path not in (OWN, f"{OWN}/.lock"):
                yield f"I11: STAGING/{path}: was left"
        for peer in self.pool.peers:
            if not self._is_known(peer) or COLLECT not in self.sources[peer.name]:
                continue
            status = next((told["status"] for told in document_peers(document) if told["name"] == peer.name), None)
            if status not in DONE:
                yield f"I11: {peer.name}: is {status} although nothing disturbed the run: {result}"

    def _untouched(self, result, document):
        yield from self._converged(result, document)
        for path in sorted(self.staging.keys() | self.now.keys()):
            before, now = self.staging.get(path), self.now.get(path)
            if before is None or now is None:
                yield f"I11: STAGING/{path}: {'came' if now else 'went'} with a run that had nothing to do"
            elif before.at_rest() != now.at_rest():
                yield f"I11: STAGING/{path}: was changed by a run that had nothing to do: {before} {now}"

    # --- I12

    def _i12(self, result):
        pool = self.pool
        log = b""
        if pool.log.exists():
            with open(pool.log, "rb") as file:
                file.seek(self.log_from)
                log = file.read()
        secrets = [*self.secrets, *records.secrets_of_key(pool.key)]
        for problem in records.unclean(log.decode("utf-8", "surrogateescape"), result, secrets):
            yield f"I12: {problem}"


def is_unfinished(path):
    """Is it below what a run keeps for itself, or in a tree that is not published?"""
    parts = path.split("/")
    return parts[0] == OWN or len(parts) > 3 and parts[3].startswith(UNFINISHED)


def document_of(result):
    try:
        document = json.loads(result.stdout) if result is not None else None
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def document_peers(document):
    return (document or {}).get("peers", [])


def selected(command):
    """The peers that a command line asks for."""
    return [str(command[at + 1]) for at, word in enumerate(command) if word == "--peer"]
