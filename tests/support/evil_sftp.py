#!/usr/bin/python3
"""An SFTP version 3 server that lies, to be run by a real sshd as ForceCommand or subsystem.

usage: evil_sftp.py CASE STATE

Everything it serves is in memory below /collect. CASE says how it misbehaves (see CASES); STATE is a directory: a file that a
client creates appears there too (so a test can see a marker), and STATE/requests gets a line for each request.
Everything else, exec requests included, is refused.
"""
import itertools
import os
import select
import stat
import struct
import sys
import time
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


class Server:
    """Honest. A case derives from it and lies in one thing."""
    files = {b"first.tar": b"1" * 1000, b"second.tar": b"2" * 100_000}
    other_versions = ()   # contents that may be fetched although `files` has others

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

    def attributes(self, request, attributes):
        self.reply(request, ATTRS, attributes.pack())

    def names(self, request, entries):
        """`entries`: (name, Attributes)."""
        body = b"".join(string(name) + string(self.long_name(name)) + attributes.pack() for name, attributes in entries)
        self.reply(request, NAME, struct.pack(">I", len(entries)) + body)

    def long_name(self, name):
        return b"-rw-r--r-- 1 root root 0 Jan 1 00:00 " + name

    def serve(self):
        buffer = b""
        while True:
            piece = os.read(0, 1 << 16)
            if not piece:
                return
            buffer += piece
            while len(buffer) >= 4 and len(buffer) >= 4 + struct.unpack(">I", buffer[:4])[0]:
                length = struct.unpack(">I", buffer[:4])[0]
                request, buffer = Request(buffer[4:4 + length]), buffer[4 + length:]
                self.log(request)
                self.handle(request)
            if not select.select([0], [], [], 0)[0]:
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
        self.send(VERSION, struct.pack(">I", 3) + string(b"posix-rename@openssh.com") + string(b"1") +
                  string(b"fsync@openssh.com") + string(b"1"))

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
            self.attributes(request, Attributes(0, stat.S_IFDIR | 0o755))
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
        self.reply(request, HANDLE, string(self.new_handle(self.pages(path))))

    def pages(self, path):
        """Yields the pages of a listing: lists of (name, Attributes)."""
        yield list(self.listing(path).items())

    def listing(self, path):
        found = {}
        for other, node in self.tree.items():
            if other.startswith(path + b"/"):
                name, slash, _ = other[len(path) + 1:].partition(b"/")
                found[name] = Attributes(0, stat.S_IFDIR | 0o755) if slash else node.attributes
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
            self.reply(request, HANDLE, string(self.new_handle(path)))

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


# --- the cases

CASES = {"honest": Server}


def case(name):
    def register(server):
        CASES[name] = server
        return server
    return register


def listed(name, attributes=None):
    """A case whose listing holds one more entry, of the given name."""
    class Listed(Server):
        def pages(self, path):
            yield list(self.listing(path).items()) + ([(name, attributes or Attributes(5))] if path == ROOT else [])

        def answer_read(self, request, path, offset, length):
            if path not in self.tree:
                self.reply(request, DATA, string(b"evil!"[offset:offset + length]))
            else:
                super().answer_read(request, path, offset, length)

        def on_open(self, request):
            body = request.body
            path, flags = request.string(), request.number()
            if path not in self.tree and not flags & 8:
                self.reply(request, HANDLE, string(self.new_handle(path)))
            else:
                request.body = body
                super().on_open(request)
    return Listed


for label, bad_name in {
        "dotdot path": b"../../../../etc/cron.d/evil", "absolute path": b"/etc/evil", "inner slash": b"a/b",
        "only slash": b"/", "empty name": b"", "nul in name": b"ok\0../../evil", "newline": b"a\nb", "return": b"a\rb",
        "tab": b"a\tb", "bell": b"a\ab", "delete": b"a\x7fb", "c1 control": "a\u009bb".encode(),
        "escape sequence": b"\x1b]0;owned\a\x1b[31mred", "256 bytes": b"x" * 256, "64k bytes": b"y" * 65000,
        "dot": b".", "dotdot": b"..", "same name twice": b"first.tar"}.items():
    CASES["name: " + label] = listed(bad_name)

for label, attributes in {
        "symlink": Attributes(9, stat.S_IFLNK | 0o777), "fifo": Attributes(0, stat.S_IFIFO | 0o644),
        "socket": Attributes(0, stat.S_IFSOCK | 0o644), "character device": Attributes(0, stat.S_IFCHR | 0o644),
        "block device": Attributes(0, stat.S_IFBLK | 0o644), "no attributes": Attributes(None, None, None),
        "no size": Attributes(None), "no type": Attributes(5, None)}.items():
    CASES["type: " + label] = listed(b"strange", attributes)


@case("names of odd bytes")
class OddNames(Server):
    files = {b"\xff\xfe.tar": b"no UTF-8", "é ☃".encode(): b"UTF-8", b"x" * 255: b"long", b"-rf": b"dash", b" ": b"blank",
             b"back\\slash": b"backslash", b"$(touch x);'\"": b"shell"}


@case("fifo with odd name")
class OddFifo(Server):
    def change_tree(self):
        self.tree[ROOT + b"/\xff\\pipe"] = Node(mode=stat.S_IFIFO | 0o600)


@case("escapes in status text")
class StatusEscapes(Server):
    def on_open(self, request):
        self.status(request, FAILURE, b"\x1b[2Jcleared\r\nLog: all is well\x00\xff" + b"!" * 100_000)


@case("odd modes and times")
class OddModes(Server):
    def change_tree(self):
        self.tree[ROOT + b"/setuid"] = Node(b"s", stat.S_IFREG | 0o6755)
        self.tree[ROOT + b"/open"] = Node(b"o", stat.S_IFREG | 0o1777)
        self.tree[ROOT + b"/epoch"] = Node(b"e", modified=0)
        self.tree[ROOT + b"/future"] = Node(b"f", modified=2**32 - 1)


@case("marker directory")
class MarkerDirectory(Server):
    def change_tree(self):
        del self.tree[ROOT + b"/cback.collect"]
        self.tree[ROOT + b"/cback.collect/x"] = Node(b"x")


@case("marker symlink")
class MarkerSymlink(Server):
    def change_tree(self):
        self.tree[ROOT + b"/cback.collect"] = Node(mode=stat.S_IFLNK | 0o777)


@case("endless depth")
class EndlessDepth(Server):
    def on_lstat(self, request):
        path = request.string()
        if path.endswith(b"/d"):
            self.attributes(request, Attributes(0, stat.S_IFDIR | 0o755))
        else:
            request.body = string(path)
            super().on_lstat(request)

    def on_opendir(self, request):
        self.reply(request, HANDLE, string(self.new_handle(self.pages(request.string()))))

    def pages(self, path):
        yield [*self.listing(path).items(), (b"d", Attributes(0, stat.S_IFDIR | 0o755))]


@case("endless listing")
class EndlessListing(Server):
    def pages(self, path):
        yield list(self.listing(path).items())
        for page in itertools.count():
            yield [(b"f%d.%d" % (page, n), Attributes(0)) for n in range(500)]

    def long_name(self, name):
        return b""


@case("listing fails midway")
class ListingFails(Server):
    def on_readdir(self, request):
        handle = request.string()
        page = next(self.handles[handle], None)
        if page is None:
            self.status(request, FAILURE, b"disk error")
        else:
            self.names(request, page)


@case("empty name reply")
class EmptyNameReply(Server):
    def on_readdir(self, request):
        page = next(self.handles[request.string()], None)
        self.names(request, page or [])


@case("drop during listing")
class DropDuringListing(Server):
    def on_readdir(self, request):
        page = next(self.handles[request.string()], None)
        if page is None:
            sys.exit(0)
        self.names(request, page)


@case("large directory")
class LargeDirectory(Server):
    files = {b"file%05d" % n: b"%d" % n for n in range(5000)}

    def pages(self, path):
        everything = list(self.listing(path).items())
        for start in range(0, len(everything), 100):
            yield everything[start:start + 100]


@case("file never ends")
class NeverEnds(Server):
    other_versions = (b"1" * 100_000,)

    def answer_read(self, request, path, offset, length):
        self.reply(request, DATA, string(b"1" * min(length, 65536)))


@case("file grows")
class Grows(Server):
    """Larger at each look."""
    grown = itertools.count(1)

    def look(self, node):
        node.data += b"+" * next(self.grown)
        node.attributes.size = len(node.data)

    def on_lstat(self, request):
        self.look(self.tree[ROOT + b"/first.tar"])
        super().on_lstat(request)

    on_stat = on_lstat

    def on_fstat(self, request):
        self.look(self.tree[ROOT + b"/first.tar"])
        super().on_fstat(request)

    def on_opendir(self, request):
        self.look(self.tree[ROOT + b"/first.tar"])
        super().on_opendir(request)


@case("file ends early")
class EndsEarly(Server):
    def answer_read(self, request, path, offset, length):
        if offset + length > 500:
            length = max(0, 500 - offset)
        super().answer_read(request, path, offset, length)


@case("empty data for ever")
class EmptyData(Server):
    def answer_read(self, request, path, offset, length):
        self.reply(request, DATA, string(b""))


@case("more data than asked")
class MoreData(Server):
    def answer_read(self, request, path, offset, length):
        self.reply(request, DATA, string(b"1" * (length + 1)))


@case("file changes once")
class ChangesOnce(Server):
    """Another content and another time from the first read on; kept over connections by a file."""
    other_versions = (b"new" * 1000,)

    def change_tree(self):
        if (self.state / "changed").exists():
            self.change()

    def change(self):
        self.tree[ROOT + b"/first.tar"] = Node(b"new" * 1000, modified=1_700_000_100)

    def answer_read(self, request, path, offset, length):
        super().answer_read(request, path, offset, length)
        if path.endswith(b"/first.tar") and not (self.state / "changed").exists():
            (self.state / "changed").touch()
            self.change()


@case("file always changes")
class AlwaysChanges(Server):
    def answer_read(self, request, path, offset, length):
        super().answer_read(request, path, offset, length)
        self.tree[path].attributes.modified += 1


@case("file vanishes")
class Vanishes(Server):
    def on_open(self, request):
        body = request.body
        if request.string().endswith(b"/first.tar"):
            self.status(request, NO_SUCH_FILE, b"No such file")
        else:
            request.body = body
            super().on_open(request)


@case("file unreadable")
class Unreadable(Server):
    def on_open(self, request):
        body = request.body
        if request.string().endswith(b"/first.tar"):
            self.status(request, PERMISSION_DENIED, b"Permission denied")
        else:
            request.body = body
            super().on_open(request)


@case("short reads")
class ShortReads(Server):
    files = {b"data": bytes(n * 7 % 251 for n in range(300_000)), b"tiny": b"t"}

    def answer_read(self, request, path, offset, length):
        super().answer_read(request, path, offset, max(1, min(length, 7919 + offset % 1000)))


@case("reordered replies")
class Reordered(Server):
    files = {b"file%d" % n: bytes(i * (n + 3) % 256 for i in range(200_000)) for n in range(8)}

    def __init__(self, state):
        super().__init__(state)
        self.waiting = []

    def handle(self, request):
        if request.kind in (INIT, READDIR):
            self.idle()
            super().handle(request)
        else:
            self.waiting.append(request)

    def idle(self):
        kept, self.waiting = self.waiting, []
        for request in reversed(kept):
            super().handle(request)


def wrong_reply(change):
    """A case in which each answer to a READ is spoilt by `change(server, request)`."""
    class Wrong(Server):
        def answer_read(self, request, path, offset, length):
            change(self, request)
    return Wrong


def unknown_id(server, request):
    request.id ^= 0x40000000
    server.status(request, EOF)


def duplicate_id(server, request):
    server.reply(request, DATA, string(b"1"))
    server.reply(request, DATA, string(b"1"))


CASES["unknown id"] = wrong_reply(unknown_id)
CASES["duplicate id"] = wrong_reply(duplicate_id)
CASES["wrong type"] = wrong_reply(lambda server, request: server.reply(request, HANDLE, string(b"h")))
CASES["ok instead of data"] = wrong_reply(lambda server, request: server.status(request, OK))
CASES["packet of 256 MiB"] = wrong_reply(lambda server, request: server.send_raw(struct.pack(">IB", 256 << 20, DATA)))
CASES["packet of no bytes"] = wrong_reply(lambda server, request: server.send_raw(struct.pack(">I", 0)))
CASES["string longer than packet"] = wrong_reply(
    lambda server, request: server.reply(request, DATA, struct.pack(">I", 1 << 30) + b"1"))
CASES["truncated packet"] = wrong_reply(lambda server, request: server.send(DATA, b"\0\0"))
CASES["noise"] = wrong_reply(lambda server, request: server.send_raw(b"bash: warning: setlocale\n" * 10))


def versioned(reply):
    class Versioned(Server):
        def on_init(self, request):
            reply(self)
    return Versioned


CASES["version 2"] = versioned(lambda server: server.send(VERSION, struct.pack(">I", 2)))
CASES["version 6"] = versioned(lambda server: server.send(VERSION, struct.pack(">I", 6)))
CASES["noise before version"] = versioned(lambda server: server.send_raw(b"Welcome to web1!\n"))
CASES["ends before version"] = versioned(lambda server: sys.exit(1))
CASES["many extensions"] = versioned(lambda server: server.send(
    VERSION, struct.pack(">I", 3) + b"".join(string(b"x%d@evil" % n) + string(b"1") for n in range(2000))))


def silent_at(kind):
    class Silent(Server):
        def handle(self, request):
            if request.kind != kind:
                super().handle(request)
                return
            while os.read(0, 1 << 16):   # until the client has gone
                pass
            sys.exit()
    return Silent


def dripping_at(kind):
    """The answer never gets whole: one byte at a time."""
    class Dripping(Server):
        def handle(self, request):
            if request.kind == kind:
                for byte in string(bytes([STATUS]) + struct.pack(">II", request.id or 0, FAILURE) + bytes(3600)):
                    self.send_raw(bytes([byte]))
                    time.sleep(0.2)
            super().handle(request)
    return Dripping


for kind in (INIT, OPENDIR, READDIR, OPEN, READ, LSTAT):
    CASES[f"silent at {NAMES[kind]}"] = silent_at(kind)
for kind in (INIT, READDIR, READ):
    CASES[f"drips at {NAMES[kind]}"] = dripping_at(kind)


@case("marker refused")
class MarkerRefused(Server):
    def on_open(self, request):
        body = request.body
        request.string()
        if request.number() & 8:
            self.status(request, PERMISSION_DENIED, b"Permission denied")
        else:
            request.body = body
            super().on_open(request)


@case("drop after marker")
class DropAfterMarker(Server):
    """The marker is there, but the peer never says so."""

    def make(self, path):
        super().make(path)
        sys.exit(0)


def main():
    command = os.environ.get("SSH_ORIGINAL_COMMAND", "sftp")
    if "sftp" not in command:
        sys.exit(f"refused: {command}")
    name, state = sys.argv[1:]
    CASES[name](state).serve()


if __name__ == "__main__":
    main()
