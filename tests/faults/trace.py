"""The order in which a run changed the disk, by its system calls: what a power cut at any moment would leave.

    with Trace(pool) as trace:
        result = pool.stage(wrapper=trace.wrapper)
    problems = trace.problems()      # "I3: sentence", [] when the order is right

Before a tree is renamed into its day, all of it is synced; before a peer is told, its day and all new directories above
it are; nobody writes below STAGING without the lock, or anywhere else at all; no mode was ever wider than the last one.
The server is traced as well, so that a marker that is written over SFTP is seen where it is written.
"""
import dataclasses
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "system")]
from pool import wait_until  # noqa: E402

OWN, STAGE, UNFINISHED = ".peerstage", "cback.stage", "cback.peerstage"
CALLS = ("open,openat,openat2,creat,write,pwrite64,writev,pwritev,pwritev2,truncate,ftruncate,fallocate,"
         "copy_file_range,sendfile,fsync,fdatasync,syncfs,rename,renameat,renameat2,link,linkat,unlink,unlinkat,"
         "rmdir,mkdir,mkdirat,symlink,symlinkat,mknod,mknodat,chmod,fchmod,fchmodat,chown,lchown,fchown,fchownat,"
         "setxattr,lsetxattr,fsetxattr,removexattr,fremovexattr,fcntl,umask,execve,clone,clone3,fork,vfork")
STRACE = ["strace", "-f", "-yy", "-ttt", "-T", "-s", "0", "--seccomp-bpf", "-e", f"trace={CALLS}"]


class Trace:
    """Of one run, or of several at once, and of the pool's server."""

    def __init__(self, pool):
        self.pool = pool
        self._program, self._server = pool.directory / "trace.program", pool.directory / "trace.server"
        self._files = [self._program]
        self._attached = None

    @property
    def wrapper(self):
        return [*STRACE, "-o", self._program]

    def __enter__(self):
        if self.pool.has_sshd():
            self._files.append(self._server)
            command = [part for part in STRACE if part != "--seccomp-bpf"]   # of no use for what runs already
            self._attached = subprocess.Popen([*command, "-o", self._server, "-p", str(self.pool.sshd.process.pid)],
                                              stderr=subprocess.PIPE, start_new_session=True)
            line = self._attached.stderr.readline()
            if b"attached" not in line:
                raise unavailable(line)
        return self

    def __exit__(self, *unused):
        if self._attached is not None:
            wait_until(lambda: not self.pool.sshd.sessions(), "the sessions of sshd to end")
            self._attached.send_signal(signal.SIGINT)
            self._attached.wait()
            self._attached.stderr.close()

    def texts(self):
        return [path.read_text(errors="surrogateescape") for path in self._files]

    def calls(self):
        return calls_of(self.texts())

    def problems(self):
        return problems_of(self.calls(), self.pool)


def unavailable(why):
    return RuntimeError(f"strace cannot be used here: {why!r}")


def problems_of(calls, pool):
    """The violations of order, in calls in any order."""
    return list(dict.fromkeys(Replay(pool).play(sorted(calls, key=lambda call: call.ended))))


# --- what strace writes

@dataclasses.dataclass
class Call:
    """One system call. It began at one time and had its effect until the other."""
    pid: int
    name: str
    arguments: list
    result: int
    began: float
    ended: float

    def __str__(self):
        return f"{self.name}({', '.join(self.arguments)}) = {self.result}, pid {self.pid}, at {self.ended:.6f}"


LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")
WHOLE = re.compile(r"(\w+)\((.*)\) += (-?\w+)(.*?)(?: <(\d+\.\d+)>)?", re.DOTALL)
RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)", re.DOTALL)
ARGUMENT = re.compile(r"""\s*((?: "(?:[^"\\]|\\.)*" | <[^>]*> | \{[^{}]*(?:\{[^{}]*\}[^{}]*)*\} | \[[^\]]*\]
                              | [^,"<{\[] )+)(?:,|$)""", re.VERBOSE)
ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-f]{2}|.)", re.DOTALL)
LETTERS = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f", "a": "\a", "b": "\b"}


def calls_of(texts):
    """Every finished call of what several strace wrote."""
    calls = []
    for text in texts:
        begun = {}
        for line in text.split("\n"):
            match = LINE.fullmatch(line)
            if not match:
                continue
            pid, time, rest = int(match[1]), float(match[2]), match[3]
            began = time
            if rest.endswith("<unfinished ...>"):
                begun[pid] = time, rest.removesuffix("<unfinished ...>").rstrip()
                continue
            resumed = RESUMED.fullmatch(rest)
            if resumed:
                began, first = begun.pop(pid, (time, ""))
                rest = first + resumed[1].lstrip() if resumed[1].lstrip().startswith(")") else first + " " + resumed[1]
            whole = WHOLE.fullmatch(rest)
            if whole and re.fullmatch(r"-?[1-9]\d*|0", whole[3]):
                ended = time if resumed else began + float(whole[5] or 0)
                calls.append(Call(pid, whole[1], arguments_of(whole[2]), int(whole[3]), began, ended))
            elif whole and whole[1] == "umask":
                calls.append(Call(pid, whole[1], arguments_of(whole[2]), 0, began, began))
    return calls


def arguments_of(text):
    return [match[1].strip() for match in ARGUMENT.finditer(text)]


def unescape(text):
    """What a path is that strace wrote; bytes that are no UTF-8 are surrogates."""
    def byte(match):
        code = match[1]
        if code[0] in "01234567":
            return chr(int(code, 8))
        return chr(int(code[1:], 16)) if code[0] == "x" and len(code) == 3 else LETTERS.get(code, code)
    if "\\" not in text:
        return text
    return os.fsdecode(ESCAPE.sub(byte, text).encode("latin-1", "replace"))


def path_of_descriptor(argument):
    """The path behind `7</a/b>`; None for what has none: sockets, pipes, what is deleted."""
    match = re.match(r"(?:\d+|AT_FDCWD)<(/.*)>$", argument)
    return unescape(match[1]) if match else None


def path_of(directory, name):
    """Of a descriptor and a name relative to it."""
    quoted = re.match(r'"(.*)"$', name, re.DOTALL)
    if not quoted:
        return None
    name = unescape(quoted[1])
    if name.startswith("/"):
        return os.path.normpath(name)
    base = path_of_descriptor(directory)
    return os.path.normpath(os.path.join(base, name)) if base else None


# --- the disk, as a power cut would leave it

class Node:
    """A file or directory. What was there before the trace began is believed to be durable."""

    def __init__(self, mode=None, is_directory=False):
        self.modes = [] if mode is None else [mode]
        self.is_directory = is_directory
        self.children = {}
        self.unsynced = None      # the call that changed its content or attributes since the last sync
        self.lost = None          # the failed sync after which nobody knows what is on the disk
        self.entries = {}         # names in it that changed since the last sync: the calls
        self.is_published = False

    def below(self, path=""):
        yield path, self
        for name, child in self.children.items():
            yield from child.below(f"{path}/{name}")


class Replay:
    """Makes the calls again, on a model of the disk, and tells where it is not safe."""

    def __init__(self, pool):
        self.staging = str(pool.staging)
        self.umask = pool.umask
        self.peers = {peer.name: str(peer.marker) for peer in pool.peers}
        self.may_change = {str(pool.log), *self.peers.values()}
        self.without_lock = {self.staging, f"{self.staging}/{OWN}", f"{self.staging}/{OWN}/.lock"}
        self.root = Node(is_directory=True)
        self.parents = {}         # of processes
        self.runs = {}            # the program's processes: the first one of their run
        self.holder = None        # of the lock: a run
        self.umasks = {}
        self.published = {}       # peer: the path of its day, as of this trace
        self.told = {}            # peer: the call that told it, before a day of it appeared
        self.accused = set()      # peers of which it was told already

    def play(self, calls):
        for call in calls:
            handler = getattr(self, f"on_{call.name}", None)
            if handler:
                yield from handler(call) or ()
        yield from self.too_open()

    # --- nodes

    def node(self, path):
        """None outside of the staging directory."""
        if path is None or not (path + "/").startswith(self.staging + "/"):
            return None
        node = self.root
        for part in path[len(self.staging):].split("/"):
            if part:
                node = node.children.setdefault(part, Node(is_directory=True))
        return node

    def put(self, path, node, call):
        parent = self.node(os.path.dirname(path))
        name = os.path.basename(path)
        if node is None:
            parent.children.pop(name, None)
        else:
            parent.children[name] = node
        parent.entries[name] = call

    def is_published(self, path):
        """Is it the path of something in a peer's day?"""
        parts = path[len(self.staging) + 1:].split("/")
        return len(parts) > 4 and parts[0] != OWN and not parts[3].startswith(UNFINISHED)

    def shown(self, path):
        return path.replace(self.staging, "STAGING", 1)

    # --- processes

    def child(self, call):
        if call.result > 0:
            self.parents[call.result] = call.pid
            self.umasks[call.result] = self.umasks.get(call.pid, self.umask)

    on_clone = on_clone3 = on_fork = on_vfork = child

    def on_execve(self, call):
        if call.result == 0 and call.arguments[0].endswith('/peerstage"'):
            self.runs[call.pid] = call.pid

    def run_of(self, pid):
        """None: it is not the program, but the server, say."""
        while pid is not None and pid not in self.runs:
            pid = self.parents.get(pid)
        return pid

    def on_umask(self, call):
        self.umasks[call.pid] = int(call.arguments[0], 8)

    def on_fcntl(self, call):
        lock = os.path.join(self.staging, OWN, ".lock")
        if call.arguments[1] == "F_OFD_SETLK" and call.result == 0 and path_of_descriptor(call.arguments[0]) == lock:
            self.holder = self.run_of(call.pid)

    # --- where may be written

    def changes(self, call, *paths):
        """The rules for every change of anything by the program."""
        run = self.run_of(call.pid)
        if run is None or call.result < 0:
            return
        for path in paths:
            if path is None or path in self.may_change or path.startswith(("/dev/", "/proc/self/")):
                continue
            if self.node(path) is None:
                yield f"I5: {path}: is changed, outside of the staging directory: {call}"
            elif run != self.holder and path not in self.without_lock:
                yield f"I11: {self.shown(path)}: is changed without the lock: {call}"

    # --- content

    def opened(self, call, path, flags, mode):
        if call.result < 0 or path is None:
            return
        if not re.search("O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", flags):
            return
        if path in self.peers.values() and re.search("O_CREAT|O_TRUNC", flags):
            yield from self.marked(path, call)
        if "O_CREAT" in flags or "O_TRUNC" in flags:
            yield from self.changes(call, path)
        node = self.node(path)
        if node is not None and "O_CREAT" in flags and ("O_EXCL" in flags or not node.modes):
            created = Node(mode & ~self.umasks.get(call.pid, self.umask))
            created.unsynced = call
            self.put(path, created, call)
        elif node is not None and "O_TRUNC" in flags:
            yield from self.dirtied(call, path)

    def on_openat(self, call):
        mode = int(call.arguments[3], 8) if len(call.arguments) > 3 else 0
        return self.opened(call, path_of(*call.arguments[:2]), call.arguments[2], mode)

    def on_open(self, call):
        mode = int(call.arguments[2], 8) if len(call.arguments) > 2 else 0
        return self.opened(call, path_of("", call.arguments[0]), call.arguments[1], mode)

    def on_openat2(self, call):
        mode = re.search(r"mode=(0\d*)", call.arguments[2])
        return self.opened(call, path_of(*call.arguments[:2]), call.arguments[2], int(mode[1], 8) if mode else 0)

    def dirtied(self, call, path):
        yield from self.changes(call, path)
        node = self.node(path)
        if node is None or call.result < 0:
            return
        node.unsynced = call
        if self.is_published(path) or node.is_published:
            yield f"I1: {self.shown(path)}: is changed after it was published: {call}"

    def on_descriptor(self, call):
        return self.dirtied(call, path_of_descriptor(call.arguments[0]))

    on_write = on_pwrite64 = on_writev = on_pwritev = on_pwritev2 = on_ftruncate = on_fallocate = on_descriptor
    on_fsetxattr = on_fremovexattr = on_descriptor

    def on_copy_file_range(self, call):
        return self.dirtied(call, path_of_descriptor(call.arguments[2]))

    def on_sendfile(self, call):
        return self.dirtied(call, path_of_descriptor(call.arguments[0]))

    def on_path(self, call):
        return self.dirtied(call, path_of("", call.arguments[0]))

    on_truncate = on_setxattr = on_lsetxattr = on_removexattr = on_path

    # --- attributes

    def chmod(self, call, path, mode):
        node = self.node(path)
        if node is not None and call.result == 0:
            node.modes.append(mode)
        return self.attribute(call, path)

    def attribute(self, call, path):
        """Of a directory it is durable when its parent or itself is synced; of a file like its content."""
        yield from self.changes(call, path)
        node = self.node(path)
        if node is not None and call.result == 0:
            node.unsynced = call

    def on_fchmod(self, call):
        return self.chmod(call, path_of_descriptor(call.arguments[0]), int(call.arguments[1], 8))

    def on_chmod(self, call):
        return self.chmod(call, path_of("", call.arguments[0]), int(call.arguments[1], 8))

    def on_fchmodat(self, call):
        return self.chmod(call, path_of(*call.arguments[:2]), int(call.arguments[2], 8))

    def on_fchown(self, call):
        return self.attribute(call, path_of_descriptor(call.arguments[0]))

    def on_chown(self, call):
        return self.attribute(call, path_of("", call.arguments[0]))

    on_lchown = on_chown

    def on_fchownat(self, call):
        return self.attribute(call, path_of(*call.arguments[:2]) or path_of_descriptor(call.arguments[0]))

    # --- syncs

    def on_fsync(self, call):
        node = self.node(path_of_descriptor(call.arguments[0]))
        if node is not None:
            self.synced(node, call)

    on_fdatasync = on_fsync

    def synced(self, node, call):
        if call.result != 0:
            node.lost = call
        elif node.unsynced is None or node.unsynced.ended <= call.began:
            node.unsynced = None
            node.entries = {name: change for name, change in node.entries.items() if change.ended > call.began}

    def on_syncfs(self, call):
        if self.node(path_of_descriptor(call.arguments[0])) is None:
            return
        for _, node in self.root.below():
            if node.unsynced is not None or node.entries:
                self.synced(node, call)

    # --- names

    def on_mkdirat(self, call):
        return self.made(call, path_of(*call.arguments[:2]), int(call.arguments[2], 8))

    def on_mkdir(self, call):
        return self.made(call, path_of("", call.arguments[0]), int(call.arguments[1], 8))

    def made(self, call, path, mode):
        yield from self.changes(call, path)
        if call.result == 0 and self.node(path) is not None:
            node = Node(mode & ~self.umasks.get(call.pid, self.umask), is_directory=True)
            self.put(path, node, call)

    def on_unlinkat(self, call):
        return self.removed(call, path_of(*call.arguments[:2]))

    def on_unlink(self, call):
        return self.removed(call, path_of("", call.arguments[0]))

    on_rmdir = on_unlink

    def removed(self, call, path):
        yield from self.changes(call, path)
        if call.result == 0 and self.node(path) is not None:
            self.put(path, None, call)

    def on_linkat(self, call):
        old, new = path_of(*call.arguments[:2]), path_of(*call.arguments[2:4])
        yield from self.changes(call, new)
        if call.result == 0 and self.node(new) is not None:
            kept = self.node(old)
            kept.is_published = kept.is_published or self.is_published(old)
            self.put(new, kept, call)

    def on_symlinkat(self, call):
        return self.strange(call, path_of(*call.arguments[1:3]))

    def on_symlink(self, call):
        return self.strange(call, path_of("", call.arguments[1]))

    def on_mknodat(self, call):
        return self.strange(call, path_of(*call.arguments[:2]))

    def on_mknod(self, call):
        return self.strange(call, path_of("", call.arguments[0]))

    def strange(self, call, path):
        if call.result == 0 and self.run_of(call.pid) is not None:
            yield f"I5: {path}: is made, and is no file or directory: {call}"

    def on_renameat2(self, call):
        old, new = path_of(*call.arguments[:2]), path_of(*call.arguments[2:4])
        return self.renamed(call, old, new, "RENAME_EXCHANGE" in "".join(call.arguments[4:]))

    on_renameat = on_renameat2

    def on_rename(self, call):
        return self.renamed(call, path_of("", call.arguments[0]), path_of("", call.arguments[1]), False)

    def renamed(self, call, old, new, exchanges):
        yield from self.changes(call, old, new)
        if call.result != 0 or None in (old, new) or self.node(old) is None or self.node(new) is None:
            return
        moved, replaced = self.node(old), self.node(new)
        self.put(new, moved, call)
        self.put(old, replaced if exchanges else None, call)
        parts = new[len(self.staging) + 1:].split("/")
        if len(parts) == 4 and parts[0] != OWN and not parts[3].startswith(UNFINISHED):
            yield from self.appeared(call, new, parts[3], moved)

    # --- what the order is for

    def appeared(self, call, path, name, node):
        """A name became visible in a day: a peer's tree, or the marker of the day."""
        for problem in self.fragile(node):
            self.accused.add(name)
            yield f"{'I2' if name == STAGE else 'I3'}: {self.shown(path)}: is published before {problem}; {call}"
        for _, inner in node.below():
            inner.is_published = True
        if name == STAGE:
            for peer, place in self.published.items():
                if os.path.dirname(place) == os.path.dirname(path) and peer not in self.accused:
                    for problem in self.fragile_place(place):
                        yield f"I2: {self.shown(path)}: marks the day before {peer} is durable: {problem}; {call}"
            return
        self.published[name] = path
        if name in self.told:
            self.accused.add(name)
            yield f"I3: {self.shown(path)}: {name} is told before it is published: {self.told[name]}; {call}"

    def marked(self, marker, call):
        """A peer was told that it is staged: from now on it may delete what it has."""
        peer = next(name for name, path in self.peers.items() if path == marker)
        place = self.published.get(peer)
        if place is None:
            self.told[peer] = call   # its day was there before, unless it comes later
            return
        for problem in self.fragile_place(place):
            self.accused.add(peer)
            yield f"I3: {self.shown(place)}: {peer} is told before {problem}; {call}"

    def fragile_place(self, place):
        """What a power cut would take of it, or of the way to it."""
        node = self.root
        for name in place[len(self.staging) + 1:].split("/"):
            if node.lost is not None:
                yield f"the directory of {name} was ever synced: {node.lost}"
            elif name in node.entries:
                yield f"the directory of {name} is synced after {node.entries[name]}"
            node = node.children[name]
        yield from self.fragile(node)

    @staticmethod
    def fragile(node):
        for path, inner in node.below():
            what = path.lstrip("/") or "it"
            if inner.lost is not None:
                yield f"{what} was ever synced: {inner.lost}"
            elif inner.unsynced is not None:
                yield f"{what} is synced after {inner.unsynced}"
            for name, change in inner.entries.items():
                yield f"the name {name} in {what} is synced after {change}"

    def too_open(self):
        """The last mode of everything that still stands, against all that it had before."""
        for path, node in self.root.below():
            for mode in node.modes:
                if mode & ~node.modes[-1] & 0o7077:
                    yield f"I6: STAGING{path}: had mode {mode:o} on its way to {node.modes[-1]:o}"
