"""An SFTP version 3 server in memory, on standard input and output: honest, for others to derive from and lie.

Everything it serves is below /collect. It is given a directory of its own: a file that a client creates appears there
too (so a test can see a marker), and `requests` there gets a line for each request. What it does not know is refused.
"""
import itertools
import os
import select
import stat
import struct
from pathlib import Path

INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, \
    REALPATH, STAT, RENAME = range(1, 19)
STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
EXTENDED = 200
NAMES = {number: name for name, number in list(globals().items()) if name.isupper() and isinstance(number, int)}
OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, NO_CONNECTION, CONNECTION_LOST, UNSUPPORTED = range(9)

ROOT = b"/collect"
REGULAR = stat.S_IFREG | 0o644


def string(data):
    return struct.pack(">I", len(data)) + data


class Attributes:
    """What the server says of a file; None leaves the field out."""

    def __init__(self, size=None, mode=REGULAR, modified=1_700_000_000):
        self.size, self.mode, self.modified = size, mode, modified

    def pack(self):
        flags, body = 0, b""
        if self.size is not None:
            flags |= 1
            body += struct.pack(">Q", self.size)
        if self.mode is not None:
            flags |= 4
            body += struct.pack(">I", self.mode)
        if self.modified is not None:
            flags |= 8
            body += struct.pack(">II", self.modified, self.modified)
        return struct.pack(">I", flags) + body


DIRECTORY = Attributes(0, stat.S_IFDIR | 0o755)


class Node:
    def __init__(self, data=b"", mode=REGULAR, **attributes):
        self.data = data
        self.attributes = Attributes(**{"size": len(data), "mode": mode, **attributes})


class Request:
    """A packet from the client, read field by field."""

    def __init__(self, packet):
        self.kind, self.body = packet[0], packet[1:]
        self.id = self.number() if self.kind != INIT else None

    def number(self, form=">I"):
        size = struct.calcsize(form)
        (value,), self.body = struct.unpack(form, self.body[:size]), self.body[size:]
        return value

    def string(self):
        length = self.number()
        value, self.body = self.body[:length], self.body[length:]
        return value

    @property
    def path(self):
        """The string that it begins with, left where it is."""
        (length,) = struct.unpack(">I", self.body[:4])
        return self.body[4:4 + length]

    @property
    def creates(self):
        """Of an OPEN: shall there be a file?"""
        return bool(struct.unpack(">I", self.body[4 + len(self.path):][:4])[0] & 8)


class Server:
    """Honest. A case derives from it and lies in one thing."""
    files = {b"first.tar": b"1" * 1000, b"second.tar": b"2" * 100_000}
    other_versions = ()   # contents that may be fetched although `files` has others
    other_sums = ()       # the same, as sums
    extensions = (b"posix-rename@openssh.com", b"fsync@openssh.com")

    def __init__(self, state):
        self.state = Path(state)
        self.tree = {ROOT + b"/" + name: Node(data) for name, data in self.files.items()}
        self.tree[ROOT + b"/cback.collect"] = Node()
        self.handles = {}
        self.numbers = itertools.count(1)
        for made in self.state.glob("made.*"):
            self.tree[ROOT + b"/" + os.fsencode(made.name[5:])] = Node()
        self.change_tree()

    def change_tree(self):
        """For cases: put something into self.tree."""

    # --- the wire

    def send(self, kind, body):
        self.send_raw(string(bytes([kind]) + body))

    def send_raw(self, data):
        while data:
            data = data[os.write(1, data):]

    def reply(self, request, kind, body):
        self.send(kind, struct.pack(">I", request.id) + body)

    def status(self, request, code, text=b""):
        self.reply(request, STATUS, struct.pack(">I", code) + string(text) + string(b""))

    def handle_is(self, request, handle):
        self.reply(request, HANDLE, string(handle))

    def attributes(self, request, attributes):
        self.reply(request, ATTRS, attributes.pack())

    def names(self, request, entries):
        """`entries`: (name, Attributes)."""
        body = b"".join(string(name) + string(self.long_name(name)) + attributes.pack() for name, attributes in entries)
        self.reply(request, NAME, struct.pack(">I", len(entries)) + body)

    def long_name(self, name):
        return b"-rw-r--r-- 1 root root 0 Jan 1 00:00 " + name

    def receive(self):
        """Some bytes; none at the end."""
        return os.read(0, 1 << 16)

    def is_idle(self):
        """Is nothing there to be received?"""
        return not select.select([0], [], [], 0)[0]

    def serve(self):
        buffer = b""
        while piece := self.receive():
            buffer += piece
            while len(buffer) >= 4 and len(buffer) >= 4 + struct.unpack(">I", buffer[:4])[0]:
                length = struct.unpack(">I", buffer[:4])[0]
                request, buffer = Request(buffer[4:4 + length]), buffer[4 + length:]
                self.log(request)
                self.handle(request)
            if self.is_idle():
                self.idle()

    def log(self, request):
        with open(self.state / "requests", "a", encoding="ascii") as log:
            log.write(f"{NAMES.get(request.kind, request.kind)}\n")

    def idle(self):
        """All requests that came are handled; for cases that keep answers back."""

    def handle(self, request):
        getattr(self, "on_" + NAMES.get(request.kind, "unknown").lower(), self.on_unknown)(request)

    # --- the requests

    def on_unknown(self, request):
        self.status(request, UNSUPPORTED)

    def on_init(self, request):
        self.send(VERSION, struct.pack(">I", 3) + b"".join(string(name) + string(b"1") for name in self.extensions))

    def on_extended(self, request):
        name = request.string()
        if name == b"posix-rename@openssh.com":
            self.on_rename(request)
        elif name == b"fsync@openssh.com":
            self.status(request, OK)
        else:
            self.status(request, UNSUPPORTED)

    def on_realpath(self, request):
        self.names(request, [(request.string(), Attributes(mode=None, modified=None))])

    def on_lstat(self, request):
        path = request.string().rstrip(b"/")
        if path == ROOT or any(other.startswith(path + b"/") for other in self.tree):
            self.attributes(request, DIRECTORY)
        elif path in self.tree:
            self.attributes(request, self.tree[path].attributes)
        else:
            self.status(request, NO_SUCH_FILE, b"No such file")

    on_stat = on_lstat

    def on_opendir(self, request):
        path = request.string().rstrip(b"/")
        if path != ROOT and not any(other.startswith(path + b"/") for other in self.tree):
            self.status(request, NO_SUCH_FILE, b"No such file")
            return
        self.handle_is(request, self.new_handle(self.pages(path)))

    def pages(self, path):
        """Yields the pages of a listing: lists of (name, Attributes)."""
        yield list(self.listing(path).items())

    def listing(self, path):
        found = {}
        for other, node in self.tree.items():
            if other.startswith(path + b"/"):
                name, slash, _ = other[len(path) + 1:].partition(b"/")
                found[name] = DIRECTORY if slash else node.attributes
        return found

    def new_handle(self, thing):
        handle = b"h%d" % next(self.numbers)
        self.handles[handle] = thing
        return handle

    def on_readdir(self, request):
        page = next(self.handles[request.string()], None)
        if page is None:
            self.status(request, EOF, b"End of file")
        else:
            self.names(request, page)

    def on_open(self, request):
        path, flags = request.string(), request.number()
        if flags & 8:  # create
            self.make(path)
        if path not in self.tree:
            self.status(request, NO_SUCH_FILE, b"No such file")
        else:
            self.handle_is(request, self.new_handle(path))

    def make(self, path):
        self.tree[path] = Node()
        if os.path.dirname(path) == ROOT:
            (self.state / f"made.{os.fsdecode(os.path.basename(path))}").touch()

    def forget(self, path):
        self.tree.pop(path, None)
        (self.state / f"made.{os.fsdecode(os.path.basename(path))}").unlink(missing_ok=True)

    def on_read(self, request):
        path, offset, length = self.handles[request.string()], request.number(">Q"), request.number()
        self.answer_read(request, path, offset, length)

    def answer_read(self, request, path, offset, length):
        data = self.tree[path].data[offset:offset + min(length, 65536)]
        if data:
            self.reply(request, DATA, string(data))
        else:
            self.status(request, EOF, b"End of file")

    def on_write(self, request):
        self.status(request, OK)

    def on_fstat(self, request):
        self.attributes(request, self.tree[self.handles[request.string()]].attributes)

    def on_close(self, request):
        self.handles.pop(request.string(), None)
        self.status(request, OK)

    def on_setstat(self, request):
        self.status(request, OK)

    on_fsetstat = on_setstat

    def on_rename(self, request):
        old, new = request.string(), request.string()
        if old not in self.tree:
            self.status(request, NO_SUCH_FILE)
            return
        self.forget(old)
        self.make(new)
        self.status(request, OK)

    def on_remove(self, request):
        path = request.string()
        known = path in self.tree
        self.forget(path)
        self.status(request, OK if known else NO_SUCH_FILE)
