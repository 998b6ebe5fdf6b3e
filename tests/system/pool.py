"""A whole backup pool on this machine: peers, a real sshd, a configuration, and the program run on it.

    with Pool() as pool:
        web1 = pool.remote("web1", {"etc.tar": b"..."})
        result = pool.stage()
        assert result.exit == 0, result

Works as root (then the backup user is `backup`) and as an ordinary user. Everything that was started is ended, and
everything that was made is removed.
"""
import dataclasses
import grp
import hashlib
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SUPPORT = HERE.parent / "support"
sys.path.insert(0, str(SUPPORT))
from processes import kill_tree, wait_for_end, wait_until  # noqa: E402
from sshd import Sshd, make_key  # noqa: E402

IS_ROOT = os.geteuid() == 0
DEADLINE = 60  # seconds for one run of the program, unless a test says otherwise
MARKERS_OF_OTHERS = ("cback.store", "cback.encrypt", "cback.split", "cback.amazons3")
MANIFEST = "cback.sha256"
# Commands of our own that write no log.
OWN_COMMANDS = {"check", "trust", "schedule", "history", "files", "verify", "status", "run", "cancel", "pause", "exec",
                "resume", "reload"}


def binary():
    """$PEERSTAGE, else the newest build."""
    named = os.environ.get("PEERSTAGE")
    if named:
        return Path(named)
    built = sorted(ROOT.glob("build/*/bin/peerstage"), key=lambda path: path.stat().st_mtime)
    if not built:
        raise SystemExit("no build/*/bin/peerstage: run scripts/test, or name a program in $PEERSTAGE")
    return built[-1]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def unescape(text):
    r"""The bytes behind a name in JSON or in the log: `\\` is a backslash, `\xHH` a byte."""
    out, at = bytearray(), 0
    while at < len(text):
        if text[at] != "\\":
            out += text[at].encode()
            at += 1
        elif text[at + 1] == "\\":
            out += b"\\"
            at += 2
        elif text[at + 1] == "x":
            out.append(int(text[at + 2:at + 4], 16))
            at += 4
        else:
            raise ValueError(f"not an escape: {text[at:]}")
    return bytes(out)


@dataclasses.dataclass(frozen=True)
class Entry:
    """What a tree holds under one name."""
    kind: str          # "file", "directory", "symlink", "other"
    mode: int
    owner: tuple       # (user name, group name)
    sha256: str = ""   # of a file
    changed: int = 0   # ctime in nanoseconds, for `unchanged` comparisons only

    def content(self):
        return self.kind, self.mode, self.owner, self.sha256


def name_of(table, number):
    try:
        return table(number)[0]
    except KeyError:
        return str(number)


def snapshot(root):
    """{relative path: Entry} of everything below `root`; names that are no UTF-8 keep their bytes (surrogates)."""
    tree = {}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(directory, name)
            info = os.lstat(path)
            kind = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}.get(
                stat.S_IFMT(info.st_mode), "other")
            content = ""
            if kind == "file":
                with open(path, "rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
            owner = name_of(pwd.getpwuid, info.st_uid), name_of(grp.getgrgid, info.st_gid)
            tree[os.path.relpath(path, root)] = Entry(kind, stat.S_IMODE(info.st_mode), owner, content, info.st_ctime_ns)
    return tree


@dataclasses.dataclass
class Result:
    """One run of the program."""
    command: list
    exit: int
    stdout: str
    stderr: str
    log: str          # what this run added
    seconds: float

    @property
    def json(self):
        try:
            return json.loads(self.stdout)
        except ValueError as error:
            raise AssertionError(f"not one JSON document on stdout: {error}{self}") from None

    def peer(self, name):
        (found,) = [peer for peer in self.json["peers"] if peer["name"] == name]
        return found

    def statuses(self):
        return {peer["name"]: peer["status"] for peer in self.json["peers"]}

    def message(self, name):
        return self.peer(name)["error"]["message"]

    @property
    def day(self):
        return Path(self.json["run"]["daily_dir"])

    def __str__(self):
        return (f"\n$ {' '.join(map(str, self.command))}\nexit {self.exit} after {self.seconds:.1f} s"
                f"\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}\n--- log\n{self.log}")


class PoolPeer:
    """A peer with a collect directory that the test may write to."""

    def __init__(self, pool, name, kind, collect, elements):
        self.pool, self.name, self.kind, self.collect = pool, name, kind, Path(collect)
        self.elements = elements   # of <peer>, in addition to type, name and collect_dir
        self.written = []          # every name that was written, in order

    @property
    def address(self):
        return self.elements["address"]

    @property
    def marker(self):
        """What tells the peer that it is staged."""
        return self.collect / "cback.stage"

    def write(self, name, data=b"", mode=0o644):
        """A file of the collect directory, with the directories above it. It looks as if it had been there for hours: a
        file that was changed a moment ago might change again unseen, so it is never continued by a later run."""
        path = self.collect / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
        self.pool.time_of_files += 1
        os.utime(path, (self.pool.time_of_files, self.pool.time_of_files))
        self.written.append(os.path.relpath(path, self.collect))
        self.pool.had(self.name, self.written[-1], sha256(data))
        return path

    def write_all(self, files):
        for name, data in files.items():
            self.write(name, data)

    def ready(self):
        self.write("cback.collect")
        return self

    def content(self):
        """{relative path: sha256} of what has to be staged: all regular files but the master's marker."""
        return {name: entry.sha256 for name, entry in snapshot(self.collect).items()
                if entry.kind == "file" and name not in ("cback.stage", MANIFEST)}


class Pool:
    def __init__(self, **staging):
        self.staging_settings = staging
        self.ssh_settings = {}
        self.directory = Path(tempfile.mkdtemp(prefix="peerstage-"))
        self.directory.chmod(0o755)   # the backup user has to get through
        self.caller = pwd.getpwuid(os.geteuid()).pw_name
        self.user = "backup" if IS_ROOT else self.caller
        self.group = grp.getgrgid(pwd.getpwnam(self.user).pw_gid).gr_name
        self.staging = self.make_directory("staging", self.user)
        self.working = self.make_directory("work", self.user)
        self.home = self.make_directory("home")
        self.config = self.directory / "cback.conf"
        self.log = self.directory / "peerstage.log"
        self.known_hosts = self.directory / "known_hosts"
        self.key = self.directory / "id_ed25519"
        self.peers = []
        self.options = {"rcp_command": "/usr/bin/scp -B", "starting_day": "monday"}
        self.option_elements = ""   # more of <options>, as XML
        self.top_elements = ""      # more sections, as XML
        self.peerstage_elements = ""  # more of <peerstage>, as XML
        self.versions = {}          # {(peer, path): every sha256 that it ever had}
        self.versions_anywhere = set()  # those of peers that are not directories on this machine
        self.known_hosts_given = None   # what the last run that was started found there
        self.umask = 0o022              # of the last run that was started
        self.time_of_files = int(time.time()) - 100_000
        self.unknown_hosts = set()  # addresses that are left out of known_hosts
        self.canary = self.make_directory("canary")
        (self.canary / "precious").write_bytes(b"nobody may touch this")
        self.canary_before = snapshot(self.canary)
        self._sshd = None
        self._running = []
        self.sessions = set()           # of processes: those of each run
        self._key_made = False

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for process in self._running:
            kill_tree(process)
        if self._sshd is not None:
            self._sshd.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- what the pool consists of

    def make_directory(self, name, owner=None, mode=0o755):
        path = self.directory / name
        path.mkdir(parents=True)
        path.chmod(mode)
        if owner and IS_ROOT:
            shutil.chown(path, owner, pwd.getpwnam(owner).pw_gid)
        return path

    def make_user_key(self):
        """The key that the peers let in, readable for the backup user."""
        if not self._key_made:
            public = make_key(self.key)
            (self.directory / "authorized_keys").write_text(public + "\n")
            if IS_ROOT:
                shutil.chown(self.key, self.user)
            self._key_made = True

    @property
    def sshd(self):
        """The server that all remote peers are behind; started when first asked for."""
        if self._sshd is None:
            self.make_user_key()
            addresses = [f"127.{os.getpid() >> 8 & 127 | 128}.{os.getpid() & 255}.{n}" for n in range(1, 13)]
            self._sshd = Sshd(self.directory / "sshd", addresses, self.sshd_settings(addresses),
                              self.directory / "authorized_keys")
            self._sshd.start()
            self._free_addresses = iter(addresses)
        return self._sshd

    def sshd_settings(self, addresses):
        """Lines of sshd_config of this pool; for derived pools."""
        return ""

    def local(self, name, files=None, **elements):
        peer = PoolPeer(self, name, "local", self.make_directory(f"peers/{name}"), elements)
        return self._add(peer, files)

    def remote(self, name, files=None, **elements):
        elements.setdefault("port", self.sshd.port)
        if "address" not in elements:
            elements["address"] = next(self._free_addresses)
        elements.setdefault("backup_user", self.caller)
        peer = PoolPeer(self, name, "remote", self.make_directory(f"peers/{name}"), elements)
        return self._add(peer, files)

    def _add(self, peer, files):
        """With `files`, the peer is ready."""
        self.peers.append(peer)
        if files is not None:
            peer.write_all(files)
            peer.ready()
        return peer

    def had(self, peer, path, digest):
        """Remembers that a source has, or had, this content."""
        self.versions.setdefault((peer, path), set()).add(digest)

    def versions_of(self, peer, path):
        return self.versions.get((peer, path), set()) | self.versions_anywhere

    def has_sshd(self):
        return self._sshd is not None

    # --- the configuration

    def write_known_hosts(self):
        lines = [f"[{peer.address}]:{peer.elements['port']} {self.sshd.host_key}\n" for peer in self.peers
                 if peer.kind == "remote" and peer.elements.get("address")
                 and peer.address not in self.unknown_hosts]
        self.known_hosts.write_text("".join(lines))

    def write_config(self):
        def elements(values):
            return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in values.items()
                           if value is not None)

        peers = "\n".join(
            f"  <peer><name>{escape(peer.name)}</name><type>{peer.kind}</type>"
            f"<collect_dir>{escape(str(peer.collect))}</collect_dir>{elements(peer.elements)}</peer>"
            for peer in self.peers)
        options = {"working_dir": self.working, "backup_user": self.user, "backup_group": self.group, **self.options}
        ssh = self.ssh_settings
        if any(peer.kind == "remote" for peer in self.peers):
            ssh = {"identity_file": self.key, "known_hosts": self.known_hosts, **ssh}
        self.config.write_text(
            f'<?xml version="1.0"?>\n<cb_config>\n<options>{elements(options)}{self.option_elements}</options>\n<peers>\n{peers}\n</peers>\n'
            f"<stage><staging_dir>{escape(str(self.staging))}</staging_dir></stage>\n{self.top_elements}"
            f"<peerstage><staging>{elements(self.staging_settings)}</staging><ssh>{elements(ssh)}</ssh>{self.peerstage_elements}</peerstage>\n"
            "</cb_config>\n")

    # --- running the program

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8",
                **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}}

    def start(self, *arguments, wrapper=(), umask=0o022, write=True, pass_fds=()):
        """The program as a process; its output goes to files, so that it never waits for us."""
        if write:
            if any(peer.kind == "remote" for peer in self.peers):
                self.write_known_hosts()
            self.write_config()
        self.known_hosts_given = self.known_hosts.read_bytes() if self.known_hosts.exists() else b""
        self.umask = umask
        self._outputs = [tempfile.TemporaryFile() for _ in range(2)]
        log = [] if OWN_COMMANDS & set(arguments[:1]) else ["-l", str(self.log)]
        command = [*map(str, wrapper), str(binary()), "-c", str(self.config), *log, *map(str, arguments)]
        log_from = self.log.stat().st_size if self.log.exists() else 0
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._outputs[0],
                                   stderr=self._outputs[1], env=self.environment(), umask=umask, cwd="/",
                                   start_new_session=True, pass_fds=pass_fds)
        process.log_from = log_from
        process.started_at = time.monotonic()
        process.outputs = self._outputs
        self._running.append(process)
        self.sessions.add(process.pid)
        return process

    def forget_ended_sessions(self):
        """Numbers of processes are used again."""
        self.sessions = {process.pid for process in self._running}

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_until(self, process, condition, what):
        """Waits for something that the running program does."""
        def happened():
            if condition():
                return True
            if process.poll() is not None:
                raise AssertionError(f"ended before {what}: {self._result(process)}")
            return False
        wait_until(happened, what)

    def finish(self, process, deadline=DEADLINE):
        """Waits for it; a program that hangs is a failed test."""
        has_ended = wait_for_end(process, deadline)
        if not has_ended:
            kill_tree(process)
        if process in self._running:
            self._running.remove(process)
        if not has_ended:
            raise AssertionError(f"still running after {deadline} s: {self._result(process)}")
        result = self._result(process)
        for output in process.outputs:
            output.close()
        return result

    def _result(self, process):
        texts = []
        for output in process.outputs:
            output.seek(0)
            texts.append(output.read().decode("utf-8", "surrogateescape"))
        log = self.log.read_bytes()[process.log_from:] if self.log.exists() else b""
        return Result(process.args, process.returncode, *texts, log.decode("utf-8", "surrogateescape"),
                      time.monotonic() - process.started_at)

    def run(self, *arguments, deadline=DEADLINE, **how):
        return self.finish(self.start(*arguments, **how), deadline)

    def stage(self, *arguments, **how):
        return self.run("stage", "--json", *arguments, **how)

    # --- what must be true whatever happened

    def staged(self, result, peer):
        """{relative path: sha256} of the peer's day, our manifest left out; None when there is no such day."""
        place = result.day / peer.name
        if not place.is_dir():
            return None
        return {name: entry.sha256 for name, entry in snapshot(place).items()
                if entry.kind == "file" and name != MANIFEST}

    def staged_day(self):
        """The only day that there is, as YYYY/MM/DD."""
        (day,) = self.staging.glob("[0-9]*/*/*")
        return str(day.relative_to(self.staging))

    def leftovers(self):
        """What is left of unfinished work below STAGING/.peerstage, the lock aside."""
        own = self.staging / ".peerstage"
        return sorted(name for name, entry in snapshot(own).items()
                      if entry.kind != "directory" and not name.endswith("lock")) if own.is_dir() else []

    def unfinished_bytes(self):
        """How much of unfinished transfers is there."""
        own = self.staging / ".peerstage"
        return sum(path.stat().st_size for path in map(own.joinpath, self.leftovers()) if path.exists())

    def visible_files(self):
        """Every file below a day of a peer: {path: Entry}."""
        return {name: entry for name, entry in snapshot(self.staging).items() if not name.startswith(".peerstage")}


def check_manifest(directory):
    """What `sha256sum -c` says about a peer's day; "" when all is well and every file is named."""
    result = subprocess.run(["sha256sum", "--strict", "--quiet", "-c", MANIFEST], cwd=directory, capture_output=True,
                            text=True)
    if result.returncode:
        return result.stdout + result.stderr
    files = {name for name, entry in snapshot(directory).items() if entry.kind == "file" and name != MANIFEST}
    lines = (Path(directory) / MANIFEST).read_bytes().splitlines()
    if len(lines) != len(files):
        return f"{len(lines)} lines for {len(files)} files"
    return ""


def is_day(text):
    return len(text) == 10 and time.strptime(text, "%Y-%m-%d") is not None


def send(process, number=signal.SIGTERM):
    os.kill(process.pid, number)
