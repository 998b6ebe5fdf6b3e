"""What is on a disk, read once and cheaply: thousands of times in one sweep."""
import dataclasses
import hashlib
import os
import re
import stat
import time

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "FIFO",
         stat.S_IFSOCK: "socket", stat.S_IFBLK: "device", stat.S_IFCHR: "device"}
# Two changes within one tick of the clock may have one ctime: what is younger than this may change without a trace.
TICK = 20_000_000


@dataclasses.dataclass(frozen=True)
class Item:
    """One entry of a tree."""
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int      # in nanoseconds, as the next
    ctime: int
    device: int
    inode: int
    links: int
    sha256: str     # of a file; of a symlink its target

    def content(self):
        return self.kind, self.size, self.sha256

    def committed(self):
        """What must stay of what was committed."""
        return self.kind, self.size, self.sha256, self.mode, self.uid, self.gid

    def at_rest(self):
        """What stays when nobody touches it. A directory's times change with what comes and goes in it."""
        return (*self.committed(), self.mtime, self.inode) if self.kind == "file" else self.committed()


class Disk:
    """Reads trees. Content is read again only when inode or ctime changed."""

    def __init__(self):
        self._sums = {}

    def forget(self):
        """After a power cut the same inode may hold something else."""
        self._sums.clear()

    def sum(self, path, info):
        known = self._sums.get((info.st_dev, info.st_ino, info.st_ctime_ns, info.st_size))
        if known is None:
            now = time.time_ns()
            with open(path, "rb") as file:
                known = hashlib.file_digest(file, "sha256").hexdigest()
            if abs(now - info.st_ctime_ns) > TICK:
                self.remember(info, known)
        return known

    def remember(self, info, digest):
        self._sums[info.st_dev, info.st_ino, info.st_ctime_ns, info.st_size] = digest

    def item(self, path):
        """None: nothing is there."""
        try:
            info = os.lstat(path)
            kind = KINDS[stat.S_IFMT(info.st_mode)]
            content = self.sum(path, info) if kind == "file" else os.readlink(path) if kind == "symlink" else ""
        except FileNotFoundError:
            return None
        return Item(kind, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, info.st_size if kind == "file" else 0,
                    info.st_mtime_ns, info.st_ctime_ns, info.st_dev, info.st_ino, info.st_nlink, content)

    def tree(self, root, without=()):
        """{relative path: Item} of everything below `root`; `without` are paths that are not entered."""
        found, todo = {}, [""]
        while todo:
            directory = todo.pop()
            try:
                names = os.listdir(os.path.join(root, directory))
            except (FileNotFoundError, NotADirectoryError):
                continue
            for name in names:
                path = os.path.join(directory, name)
                item = None if path in without else self.item(os.path.join(root, path))
                if item is None:
                    continue
                found[path] = item
                if item.kind == "directory":
                    todo.append(path)
        return found


LINE = re.compile(rb"(\\?)([0-9a-f]{64})  (.+)")
ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}


def parse_manifest(data):
    """{relative path: sha256} of what `sha256sum -c` understands; a ValueError says what is wrong."""
    if data and not data.endswith(b"\n"):
        raise ValueError("its last line is cut off")
    sums = {}
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        match = LINE.fullmatch(line)
        if not match:
            raise ValueError(f"line {number} is no sum and name: {line!r}")
        escaped, digest, name = match.groups()
        if escaped:
            name = re.sub(rb"\\(.)", lambda m: ESCAPES[m[0]], name)
        name = name.removeprefix(b"./")   # before a name that is a word of sha256sum's own
        if os.fsdecode(name) in sums:
            raise ValueError(f"line {number} names {name!r} again")
        sums[os.fsdecode(name)] = digest.decode()
    return sums
