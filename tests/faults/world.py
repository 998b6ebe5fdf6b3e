"""A real pool and its model: each action is done to both, and whatever a run did is held against what the model says.

An action is a tuple of a name and of small numbers or words, which mean something in every state. So a list of actions
can be made from a seed, shortened, and written down.
"""
import datetime
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system"), str(HERE.parent / "support")]
from checker import Checker, document_of  # noqa: E402
from delay_proxy import DelayProxy  # noqa: E402
from model import COLLECT, DONE, MANIFEST, STAGE  # noqa: E402
from model import Day, File, Model, Outcome, Peer, Tree, illegal, is_hostile  # noqa: E402
from pool import MARKERS_OF_OTHERS, Pool, binary, send, sha256  # noqa: E402
from processes import children, kill_tree  # noqa: E402

FIRST_DAY = datetime.date(2031, 5, 4)   # a Sunday: each list of actions begins on the same day, whenever it is done
NOON = 12 * 3600
NAMES = ["a.tar", "b.tar", "etc/hosts", "etc/deep/er/x", "etc", "cback.other", "sub/cback.sha256", "sub/cback.stage",
         " blank ", "-rf", "é☃", "back\\slash", "$(touch x)`'\"", "x" * 255, "\udcff\udcfe", ".hidden",
         "cback.tar/cback.collect", "sub/" + "y" * 200 + "/z", "line\nbreak"]
SIZES = [0, 1, 300, 5000, 32768, 70_000, 262_144, 1_500_000]
MODES = [0o644, 0o600, 0o755, 0o444, 0o4755]
SETTINGS = {   # of the pool; those of PEER_SETTINGS of a peer as well
    "verify": ("manifest", "none", "checksum"), "subdirectories": ("recurse", "skip", "fail"),
    "special_files": ("skip", "fail"), "daily_indicator": ("complete", "any", "always"),
    "permissions": (None, "640", "600"), "connections_per_peer": (1, 3), "parallel_peers": (8, 1), "retries": (0, 1),
    "minimum_free": (0, "1 KB")}
PEER_SETTINGS = {"verify", "subdirectories", "special_files", "permissions", "connections_per_peer", "retries"}
IGNORE = ("none", "all", "daily", "weekly")
STAGING_BYTES = 64 << 20
LONG_AGO = 20 * 86_400


def content(number):
    """Data of one of the sizes; each number has its own."""
    return random.Random(number).randbytes(SIZES[number % len(SIZES)])


class WorldPool(Pool):
    """A pool on a day of its own: a zone as far away from UTC as it takes to be there at noon. The clock is that of the
    machine, so that the times of files are true."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.zone = self.directory / "zone"
        self.known_key = None

    def set_clock(self, date, second_of_day=NOON):
        now = time.time()
        midnight = datetime.datetime(date.year, date.month, date.day, tzinfo=datetime.timezone.utc).timestamp()
        offset = round(midnight + second_of_day - now)   # whole seconds, as zones have them
        header = b"TZif" + bytes(16) + struct.pack(">6L", 0, 0, 0, 0, 1, 4)   # tzfile(5): one type of time, no change
        self.zone.write_bytes(header + struct.pack(">lBB", offset, 0, 0) + b"DAY\0")

    def environment(self):
        return {**super().environment(), "TZ": f":{self.zone}"}

    def write_known_hosts(self):
        """The key that was shown last, until somebody looks again."""
        current, self.sshd.host_key = self.sshd.host_key, self.known_key or self.sshd.host_key
        super().write_known_hosts()
        self.sshd.host_key = current


class World:
    def __init__(self):
        self.pool = pool = WorldPool(retries=0, retry_delay="10ms", minimum_free=0)
        self.mounted = []
        self.mount(pool.staging, f"size={STAGING_BYTES}", pool.user)
        near = pool.local("near")
        self.mount(near.collect, "size=32m", "root")
        proxy_target = pool.sshd.addresses[0], pool.sshd.port
        self.proxy = DelayProxy(("127.0.0.1", 0), proxy_target).__enter__()
        pool.remote("far", address="127.0.0.1", port=self.proxy.address[1])
        weak = pool.remote("weak", backup_user="backup")   # whose server runs as somebody who may not read everything
        shutil.chown(weak.collect, "backup")
        self.peers = {peer.name: peer for peer in pool.peers}
        self.checker = Checker(pool)
        self.model = Model([Peer("near", "local"), Peer("far", "remote"),
                            Peer("weak", "remote", read_bit=0o004, runs_commands=False)])
        self.model.has_tags = self.takes_attributes(pool.staging)
        self.clock = 0
        self.runs = 0
        self.move_to(FIRST_DAY)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.proxy.__exit__()
        for place in self.mounted:
            subprocess.run(["umount", "-l", place], check=True)
        self.pool.__exit__()

    def mount(self, place, options, owner):
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "peerstage-test", place], check=True)
        self.mounted.append(place)
        place.chmod(0o755)
        shutil.chown(place, owner, self.pool.group if owner != "root" else "root")

    @staticmethod
    def takes_attributes(place):
        probe = place / "probe"
        probe.touch()
        try:
            os.setxattr(probe, "user.peerstage", b"")
        except OSError:
            return False
        finally:
            probe.unlink()
        return True

    def move_to(self, date):
        self.model.today = date
        self.pool.set_clock(date)

    def do(self, action):
        """Sentences about what is wrong after it."""
        self.clock += 1
        return getattr(self, action[0])(*action[1:]) or []

    def both(self, number):
        name = sorted(self.peers)[number % len(self.peers)]
        return self.peers[name], self.model.peers[name]

    # --- what a peer does to its files

    def write(self, who, name, number):
        self.put(*self.both(who), NAMES[name % len(NAMES)], number)

    def put(self, real, peer, name, number):
        if not peer.is_there:
            return
        self.make_room(real, peer, name)
        real.write(os.fsencode(name), content(number), 0o644)
        peer.files[name] = File(sha256(content(number)), len(content(number)), self.pool.time_of_files)
        self.note(peer, name)

    def note(self, peer, name):
        peer.changed_at[name] = self.clock
        peer.directories |= {str(above) for above in Path(name).parents if str(above) != "."}

    def make_room(self, real, peer, name):
        """Whatever is in the way of a file or directory of that name goes."""
        for above in [*map(str, Path(name).parents), name]:
            if above in peer.files or above in peer.specials:
                self.remove(real, peer, above)
        if name in peer.directories:
            shutil.rmtree(real.collect / name)
            for group in (peer.files, peer.specials):
                for path in [path for path in group if path.startswith(name + "/")]:
                    del group[path]
            peer.directories -= {path for path in peer.directories if (path + "/").startswith(name + "/")}

    def remove(self, real, peer, name):
        peer.files.pop(name, None), peer.specials.pop(name, None)
        path = real.collect / name
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    def some_file(self, peer, number):
        names = sorted(peer.files)
        return names[number % len(names)] if names and peer.is_there else None

    def delete(self, who, number):
        real, peer = self.both(who)
        name = self.some_file(peer, number)
        if name is not None:
            self.remove(real, peer, name)

    def rename(self, who, number, to):
        """With its times, as mv does."""
        real, peer = self.both(who)
        name, to = self.some_file(peer, number), NAMES[to % len(NAMES)]
        if name is None or name == to or to.startswith(name + "/") or name.startswith(to + "/"):
            return
        self.make_room(real, peer, to)
        (real.collect / to).parent.mkdir(parents=True, exist_ok=True)
        os.rename(real.collect / name, real.collect / to)
        peer.files[to] = peer.files.pop(name)
        self.note(peer, to)

    def touch(self, who, number):
        """Another time, the same content."""
        real, peer = self.both(who)
        name = self.some_file(peer, number)
        if name == COLLECT:
            self.ready(who)
        if name in (None, COLLECT):
            return
        self.pool.time_of_files += 1
        os.utime(real.collect / name, (self.pool.time_of_files, self.pool.time_of_files))
        peer.files[name] = File(**{**vars(peer.files[name]), "mtime": self.pool.time_of_files})
        self.note(peer, name)

    def chmod(self, who, number, mode):
        real, peer = self.both(who)
        name = self.some_file(peer, number)
        if name is None:
            return
        (real.collect / name).chmod(MODES[mode % len(MODES)])
        peer.files[name] = File(**{**vars(peer.files[name]), "mode": MODES[mode % len(MODES)]})
        self.note(peer, name)

    def special(self, who, name, kind):
        """What is neither file nor directory; a link leads out of the collect directory."""
        real, peer = self.both(who)
        name = [*NAMES, COLLECT][name % (len(NAMES) + 1)]
        if not peer.is_there:
            return
        self.make_room(real, peer, name)
        path = real.collect / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(self.pool.canary / "precious") if kind % 2 else os.mkfifo(path)
        peer.specials[name] = "symlink" if kind % 2 else "fifo"
        self.note(peer, name)

    # --- its markers and its manifest

    def ready(self, who):
        """It finished collecting, and left its old marker where it was."""
        real, peer = self.both(who)
        if peer.is_there:
            self.make_room(real, peer, COLLECT)
            real.ready()
            os.utime(real.collect / COLLECT)   # purging asks whether the master came later
            peer.files[COLLECT] = File(sha256(b""), 0, (real.collect / COLLECT).stat().st_mtime_ns)
            peer.collected_at = self.clock
            self.note(peer, COLLECT)

    def collect(self, who):
        """As `peerstage collect` begins and ends."""
        self.unmark(who)
        self.sums(who, "none")
        self.ready(who)

    def begin_collect(self, who):
        real, peer = self.both(who)
        if peer.is_there and COLLECT in peer.files:
            self.remove(real, peer, COLLECT)

    def unmark(self, who):
        real, peer = self.both(who)
        if peer.is_there:
            real.marker.unlink(missing_ok=True)
            peer.told_at = None

    def sums(self, who, kind):
        real, peer = self.both(who)
        if not peer.is_there:
            return
        path = real.collect / MANIFEST
        path.unlink(missing_ok=True)
        peer.sums = None
        if kind == "none":
            return
        peer.sums = {name: file.sha256 for name, file in peer.files.items() if "\n" not in name and name != COLLECT}
        if kind == "wrong":
            peer.sums[min(peer.sums, default="gone")] = sha256(b"something else")
        path.write_bytes(b"".join(
            (b"\\" if "\\" in name else b"") + digest.encode() + b"  "
            + os.fsencode(name).replace(b"\\", b"\\\\") + b"\n" for name, digest in peer.sums.items()))
        path.chmod(0o644)
        self.note(peer, MANIFEST)

    # --- what breaks, and is mended

    def go(self, who):
        """The collect directory is gone, and comes back."""
        real, peer = self.both(who)
        if real.name == "near":
            return   # it is mounted
        away = real.collect.with_name(real.name + "-away")
        os.rename(*((real.collect, away) if peer.is_there else (away, real.collect)))
        peer.is_there = not peer.is_there

    def access(self, what):
        real, peer = self.peers["weak"], self.model.peers["weak"]
        if peer.is_there:
            real.collect.chmod({"write": 0o755, "read": 0o555, "nothing": 0}[what])
            peer.access = what

    def sshd(self, how):
        if how == "down":
            self.pool.sshd.stop()
        elif self.pool.sshd.process is None:
            self.pool.sshd.start()
        self.model.is_online = how != "down"

    def host_key(self, how):
        """`new`: the machine has another one; `known`: somebody has compared it."""
        server = self.pool.sshd
        if how == "new" and self.model.is_online:
            self.pool.known_key = self.pool.known_key or server.host_key
            server.new_host_key()
            self.model.is_key_known = False
        elif how == "known":
            self.pool.known_key = None
            self.model.is_key_known = True

    def mend(self):
        for number, (name, peer) in enumerate(sorted(self.model.peers.items())):
            if not peer.is_there:
                self.go(number)
        self.access("write")
        self.sshd("up")
        self.host_key("known")

    # --- the configuration

    def setting(self, name, choice):
        value = SETTINGS[name][choice % len(SETTINGS[name])]
        self.pool.staging_settings[name] = value
        self.model.settings[name] = value

    def peer_setting(self, who, name, choice):
        real, peer = self.both(who)
        values = IGNORE if name == "ignore_failures" else (None, *SETTINGS[name])
        real.elements[name] = peer.settings[name] = values[choice % len(values)]
        if peer.settings[name] is None:
            del peer.settings[name], real.elements[name]

    # --- what others do to the staging directory

    def place(self):
        return self.pool.staging / f"{self.model.today:%Y/%m/%d}"

    def other_marker(self, which):
        name = MARKERS_OF_OTHERS[which % len(MARKERS_OF_OTHERS)]
        if self.model.today in self.model.days:
            (self.place() / name).touch()
            self.model.days[self.model.today].others.add(name)

    def next_day(self):
        self.move_to(self.model.today + datetime.timedelta(days=1))

    def purge_staging(self, program):
        """Days before today have become old."""
        old = [date for date in self.model.days if date < self.model.today]
        for date in old:
            for path in [*(self.pool.staging / f"{date:%Y/%m/%d}").rglob("*")]:
                os.utime(path, (time.time() - LONG_AGO,) * 2)
        self.pool.top_elements = self.purge_section(self.pool.staging, 7)
        self.pool.write_config()
        self.pool.top_elements = ""
        problems = self.purge(program, self.pool.config)
        purged = {date: self.model.days.pop(date) for date in old}
        if program == "cback3":
            self.take_over_from_cedar(purged)
        return problems + self.compare()

    def take_over_from_cedar(self, purged):
        """Its purge removes empty directories, however young, level by level, and leaves files with a backslash."""
        there = self.days()
        for date, day in purged.items():
            if date not in there:
                continue
            self.model.days[date] = there[date]
            for name, tree in there[date].trees.items():   # which know when their files were written
                before = day.trees.get(name, Tree()).files
                tree.files |= {path: before[path] for path, file in tree.files.items()
                               if path in before and before[path].sha256 == file.sha256}
        for date, day in self.model.days.items():
            for name, tree in day.trees.items():
                tree.directories = there[date].trees[name].directories

    @staticmethod
    def purge_section(directory, days):
        return f"<purge><dir><abs_path>{directory}</abs_path><retain_days>{days}</retain_days></dir></purge>"

    def purge(self, program, config):
        command = {"cback3": ["cback3"], "peerstage": [str(binary())]}[program]
        log = self.pool.directory / f"{program}.log"
        result = subprocess.run([*command, "-c", config, "-l", log, "purge"], capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=60, env=Pool.environment(self.pool))
        if result.returncode == 0:
            return []
        return [f"{program} purge ended with {result.returncode}: {result.stdout}{result.stderr}"]

    def purge_peer(self, who, program):
        """On the peer, of all that is there: peerstage removes what is staged, Cedar Backup whatever it can."""
        real, peer = self.both(who)
        if not peer.is_there:
            return None
        config = self.pool.directory / "peer.conf"
        working = self.pool.directory / "work-of-peer"
        working.mkdir(exist_ok=True)
        config.write_text(
            "<cb_config><options><starting_day>monday</starting_day>"
            f"<working_dir>{working}</working_dir><backup_user>{self.pool.user}</backup_user>"
            f"<backup_group>{self.pool.group}</backup_group><rcp_command>scp</rcp_command></options>"
            f"<collect><collect_dir>{real.collect}</collect_dir><collect_mode>daily</collect_mode>"
            "<archive_mode>tar</archive_mode><ignore_file>.ignore</ignore_file>"
            f"<file><abs_path>{self.pool.canary}/precious</abs_path></file></collect>"
            f"{self.purge_section(real.collect, 0)}</cb_config>")
        before, is_staged = set(peer.files), {name for name in peer.files if peer.may_be_purged(name)}
        has_manifest = peer.sums is not None and peer.may_be_purged(MANIFEST)   # not one of a later collect
        problems = self.purge(program, config)
        self.look_at_peer(real, peer)
        gone = before - peer.files.keys()
        if program == "cback3":
            return problems
        if COLLECT in gone and (peer.files or is_staged != before):
            problems.append(f"{real.name}: cback.collect was purged, and there is still something for which it speaks")
        if gone - {COLLECT} != is_staged - {COLLECT}:
            problems.append(f"{real.name}: {sorted(gone)} was purged, {sorted(is_staged)} is staged")
        if gone and has_manifest and peer.sums is not None:
            problems.append(f"{real.name}: the purge left a manifest of what is gone")
        return problems

    def look_at_peer(self, real, peer):
        """What is left there after a purge."""
        there = self.checker.disk.tree(real.collect)
        peer.files = {name: file for name, file in peer.files.items() if name in there}
        peer.specials = {name: kind for name, kind in peer.specials.items() if name in there}
        peer.directories = {name for name, item in there.items() if item.kind == "directory"}
        if MANIFEST not in there:
            peer.sums = None
        if STAGE not in there:
            peer.told_at = None

    # --- runs

    def stage(self, fault="none", strength=0, options=""):
        """A run, with what happens to it; `strength` is a moment in ms, a number of bytes, or what the fault needs."""
        arguments = {"full": ["--full"], "far": ["--peer", "far"], "": []}[options]
        self.selected = ["far"] if options == "far" else sorted(self.peers)
        self.is_full = options == "full"
        lift = getattr(self, f"before_{fault}", lambda strength: None)(strength)
        self.take_stock()
        process = self.pool.start("stage", "--json", *arguments)
        getattr(self, f"during_{fault}", lambda process, strength: None)(process, strength)
        result = self.pool.finish(process)
        try:
            return [f"{problem}{result}" for problem in getattr(self, f"judge_{fault}", self.judge)(result, fault)]
        finally:
            if lift:
                lift()

    def take_stock(self):
        self.runs += 1
        self.checker.before()
        self.checker.dates = {self.model.today}

    def dry_run(self):
        """Changes nothing, and knows who is ready."""
        self.take_stock()
        result = self.pool.stage("--dry-run")
        problems = self.checker.after_fault(result) + self.compare()
        if self.checker.staging != self.checker.now:
            problems.append("a dry run changed the staging directory")
        for name, status in result.statuses().items():
            undisturbed = self.model.outcome(self.model.peers[name], self.model.today.weekday() == 0).status
            # What shows only when files are read, asked for or written does not show.
            expected = {undisturbed} if undisturbed in ("not_ready", "ignored") else {undisturbed, *DONE}
            if status not in expected:
                problems.append(f"{name}: is {status} in a dry run, and would be {undisturbed}")
        return [f"{problem}{result}" for problem in problems]

    # What happens before a run, and how it is lifted.

    def before_cut(self, strength):
        self.proxy.from_target, self.proxy.cut = 0, 1 + strength
        return lambda: setattr(self.proxy, "cut", None)

    def before_full_disk(self, strength):
        filler = self.pool.staging / "filler"
        room = os.statvfs(self.pool.staging)
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail - strength) * room.f_frsize)
        return filler.unlink

    def before_full_peer(self, strength):
        """Not one inode is left where the marker goes."""
        room = os.statvfs(self.peers["near"].collect)
        self.limit_inodes(room.f_files - room.f_ffree)
        return lambda: self.limit_inodes(100_000)

    def limit_inodes(self, number):
        subprocess.run(["mount", "-o", f"remount,nr_inodes={number}", self.peers["near"].collect], check=True)

    def before_midnight(self, strength):
        """It comes while the run goes on."""
        time.sleep(max(0.0, 0.8 + strength % 180 / 1000 - time.time() % 1))
        self.pool.set_clock(self.model.today, 86_400 - (1 - time.time() % 1))

    # And while it goes on: the moments are the point.

    def during_kill(self, process, strength):
        time.sleep(strength / 1000)
        kill_tree(process)

    def during_kill_supervisor(self, process, strength):
        time.sleep(strength / 1000)
        process.kill()

    def during_kill_worker(self, process, strength):
        time.sleep(strength / 1000)
        for pid in children(process.pid)[:1]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def during_terminate(self, process, strength):
        time.sleep(strength / 1000)
        if process.poll() is None:
            send(process)

    def during_rival(self, process, strength):
        time.sleep(strength / 1000)
        self.rival = self.pool.start(*process.args[process.args.index("stage"):], write=False)

    # --- what became of it

    def judge_rival(self, result, fault):
        """Of two runs at once each has the lock or says that it has not; the later one finds everything done."""
        rival = self.pool.finish(self.rival)
        ran = [each for each in (result, rival) if each.exit != 75]
        if not ran:
            return [f"two runs at once kept each other from running{rival}"]
        first, *later = sorted(ran, key=lambda each: (each.json["run"]["finished"], each is rival))
        problems = self.judge(first, fault)
        again = {"staged": "unchanged"}
        for each in later:
            expected = {name: again.get(status, status) for name, status in first.statuses().items()}
            if each.statuses() not in (expected, first.statuses()):
                problems.append(f"the later one says {each.statuses()} after {first.statuses()}")
        return problems

    def judge_midnight(self, result, fault):
        """The date is that of the start, whatever the clock shows in the end."""
        evening, morning = self.model.today, self.model.today + datetime.timedelta(days=1)
        document = document_of(result)
        date = document and datetime.date.fromisoformat(document["run"]["date"])
        problems = [] if date in (evening, morning) else [f"the run is of {date}"]
        self.model.today = evening if date == evening else morning
        problems += self.judge(result, fault)
        self.move_to(morning)
        return problems

    def judge(self, result, fault):
        model, document = self.model, document_of(result)
        is_starting_day = self.is_full or model.today.weekday() == 0
        peers = {name: model.peers[name] for name in self.selected}
        before = {name: model.before(peer) for name, peer in peers.items()}
        undisturbed = {name: model.outcome(peer, is_starting_day) for name, peer in peers.items()}
        problems = self.checker.after_fault(result)   # which waits for what is dying
        found = self.found(document)
        also = self.statuses_besides(fault, result, document)
        for name in peers:
            wrong = illegal(before[name], undisturbed[name], found[name], also.get(name, ()))
            problems += [f"{name}: {wrong}"] if wrong else []
        code = model.exit_code(found)
        if document and result.exit not in {code, *self.exits_besides(fault, found)}:
            problems.append(f"exit {result.exit} instead of {code}")
        is_marked = {model.is_day_marked(found, is_starting_day)}
        if not document or result.exit in (5, 6):
            was_done = all(found[name].content() == undisturbed[name].content() for name in peers)
            is_marked = {model.days.get(model.today, Day()).is_marked,
                         was_done and model.is_day_marked(undisturbed, is_starting_day)}
        self.adopt(before, undisturbed, found, is_marked)
        return problems + self.compare()

    def statuses_besides(self, fault, result, document):
        """{peer: what may become of it because of the fault}"""
        everybody = {"kill": [] if document else [None], "kill_supervisor": [] if document else [None],
                     "kill_worker": ["failed"], "full_disk": ["failed", None],
                     "terminate": ["cancelled"] if document else [None]}.get(fault, [])
        some = {"cut": {"far": ["failed"]}, "full_peer": {"near": ["failed"]}}.get(fault, {})
        return {name: everybody + some.get(name, []) for name in self.peers}

    @staticmethod
    def exits_besides(fault, found):
        if any(outcome.status == "cancelled" for outcome in found.values()):
            return {5}
        return {"kill": {-9}, "kill_supervisor": {-9}, "terminate": {5}, "full_disk": {6}}.get(fault, set())

    def days(self):
        """{date: Day} as it stands on the disk; the files know their sums only."""
        days = {}
        for path, item in self.checker.disk.tree(self.pool.staging).items():
            parts = path.split("/", 4)
            if len(parts) < 4 or parts[0] == ".peerstage" or parts[3].startswith("cback.peerstage"):
                continue
            day = days.setdefault(datetime.date(*map(int, parts[:3])), Day())
            if parts[3] == STAGE:
                day.is_marked = True
            elif parts[3].startswith("cback."):
                day.others.add(parts[3])
            else:
                tree = day.trees.setdefault(parts[3], Tree())
                if len(parts) == 5 and item.kind == "directory":
                    tree.directories.add(parts[4])
                elif len(parts) == 5 and parts[4] != MANIFEST:
                    tree.files[parts[4]] = File(item.sha256, item.size, 0)
        return days

    def found(self, document):
        statuses = {peer["name"]: peer["status"] for peer in document["peers"]} if document else {}
        trees = self.days().get(self.model.today, Day()).trees
        return {name: Outcome(statuses.get(name), trees.get(name), self.is_told(name)) for name in self.selected}

    def is_told(self, name):
        peer = self.model.peers[name]
        return self.peers[name].marker.exists() if peer.is_there else peer.told_at is not None

    def adopt(self, before, undisturbed, found, is_marked):
        """The model goes on with what there is, as far as it is right."""
        day = self.model.days.get(self.model.today, Day())
        there = self.days().get(self.model.today, Day())
        has_changed = False
        for name, outcome in found.items():
            if outcome.content() == undisturbed[name].content() != before[name].content():
                day.trees[name] = undisturbed[name].tree
                has_changed = True
            if not outcome.is_told:
                self.model.peers[name].told_at = None
            elif self.is_told_anew(name):
                self.model.peers[name].told_at = self.clock
        day.is_marked = there.is_marked if there.is_marked in is_marked else is_marked.pop()
        # A run that was cut off has perhaps begun to remove them.
        is_over = all(outcome.status in (*DONE, "not_ready", "ignored") for outcome in found.values())
        day.others = set() if has_changed else day.others if is_over else day.others & there.others
        if day.trees or day.is_marked:
            self.model.days[self.model.today] = day

    def is_told_anew(self, name):
        before, now = self.checker.sources[name].get(STAGE), self.checker.disk.item(self.peers[name].marker)
        return now is not None and (before is None or (before.inode, before.mtime) != (now.inode, now.mtime))

    def compare(self):
        """What the disk has and the model has not, and the other way round."""
        problems, there, expected = [], self.days(), self.model.days
        for date in sorted(there.keys() | expected.keys()):
            is_there, should_be = (days.get(date, Day()).content() for days in (there, expected))
            for what, one, other in zip(("peers", "marker", "markers of others"), is_there, should_be):
                if one != other:
                    problems.append(f"{date}: the {what} are {one} instead of {other}")
        for name, peer in self.model.peers.items():
            if self.is_told(name) != (peer.told_at is not None):
                problems.append(f"{name}: its cback.stage is{'' if peer.told_at is None else ' not'} there")
        return problems

    # --- the end

    def converge(self):
        """Nothing is broken any more: one run does everything, and the next one nothing."""
        self.mend()
        for settings in (self.pool.staging_settings, self.model.settings):
            settings.clear()
        self.pool.staging_settings.update(retries=0, minimum_free=0)
        for number, name in enumerate(sorted(self.peers)):
            self.tidy(number, self.peers[name], self.model.peers[name])
        self.selected, self.is_full = sorted(self.peers), False
        if any(self.model.outcome(peer, False).status not in DONE for peer in self.model.peers.values()):
            self.next_day()
        problems = []
        for judge in (self.checker.after_clean, self.checker.after_again):
            self.take_stock()
            result = self.pool.stage()
            problems += [f"{problem}{result}" for problem in judge(result) + self.judge(result, "none")]
        return problems

    def tidy(self, number, real, peer):
        for name in [name for name in [*peer.files, *peer.specials] if is_hostile(name) or name == COLLECT]:
            self.remove(real, peer, name)
        for at in range(len(peer.files)):
            self.chmod(number, at, 0)
        for settings in (real.elements, peer.settings):
            for name in (*PEER_SETTINGS, "ignore_failures"):
                settings.pop(name, None)
        self.sums(number, "right")
        self.ready(number)
