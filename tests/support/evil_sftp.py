#!/usr/bin/python3
"""An SFTP server that lies, to be run by a real sshd as ForceCommand, as command= of a key, or as subsystem.

usage: evil_sftp.py CASE STATE

CASE says how it misbehaves (see CASES); STATE is the directory of sftp_server.Server. Whatever else is asked for, exec
requests included, is refused.
"""
import hashlib
import itertools
import os
import signal
import stat
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from sftp_server import *  # noqa: E402,F403
from sftp_server import DIRECTORY, NAMES, Attributes, Node, Server, string  # noqa: E402

CASES = {"honest": Server}


def case(name):
    def register(server):
        CASES[name] = server
        return server
    return register


def listed(name, attributes=None):
    """A case whose listing holds one more entry, of the given name."""
    class Listed(Server):
        other_versions = (b"evil!",)

        def pages(self, path):
            yield list(self.listing(path).items()) + ([(name, attributes or Attributes(5))] if path == ROOT else [])

        def answer_read(self, request, path, offset, length):
            if path not in self.tree:
                self.reply(request, DATA, string(b"evil!"[offset:offset + length]))
            else:
                super().answer_read(request, path, offset, length)

        def on_open(self, request):
            if request.path not in self.tree and not request.creates:
                self.handle_is(request, self.new_handle(request.path))
            else:
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
    files = {b"\xff\xfe.tar": b"no UTF-8", "é ☃".encode(): b"UTF-8", b"x" * 255: b"long", b"-rf": b"dash",
             b" ": b"blank",
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
        if request.path.endswith(b"/d"):
            self.attributes(request, DIRECTORY)
        else:
            super().on_lstat(request)

    def on_opendir(self, request):
        self.handle_is(request, self.new_handle(self.pages(request.string())))

    def pages(self, path):
        yield [*self.listing(path).items(), (b"d", DIRECTORY)]


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
    files = {b"file%05d" % n: b"%d" % n for n in range(3000)}

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
        if request.path.endswith(b"/first.tar"):
            self.status(request, NO_SUCH_FILE, b"No such file")
        else:
            super().on_open(request)


@case("file unreadable")
class Unreadable(Server):
    def on_open(self, request):
        if request.path.endswith(b"/first.tar"):
            self.status(request, PERMISSION_DENIED, b"Permission denied")
        else:
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
                for byte in string(bytes([STATUS]) + struct.pack(">II", request.id or 0, FAILURE) + bytes(1 << 16)):
                    self.send_raw(bytes([byte]))
                    time.sleep(0.2)
            super().handle(request)
    return Dripping


for kind in (INIT, LSTAT, OPENDIR, READDIR, OPEN, READ, CLOSE, EXTENDED):
    CASES[f"silent at {NAMES[kind]}"] = silent_at(kind)
    CASES[f"drips at {NAMES[kind]}"] = dripping_at(kind)


@case("marker refused")
class MarkerRefused(Server):
    def on_open(self, request):
        if request.creates:
            self.status(request, PERMISSION_DENIED, b"Permission denied")
        else:
            super().on_open(request)


@case("drop after marker")
class DropAfterMarker(Server):
    """The marker is there, but the peer never says so."""

    def make(self, path):
        super().make(path)
        sys.exit(0)


# --- handles

def handles_of(make):
    """A case whose handles are `make(number)`; they are all good ones."""
    class Handles(Server):
        files = {b"data.tar": b"1" * 1000}

        def new_handle(self, thing):
            handle = make(next(self.numbers))
            self.handles[handle] = thing
            return handle
    return Handles


CASES["handle: odd bytes"] = handles_of(lambda number: b"\0\xff\x1b[2J/../%d" % number)
CASES["handle: 256 bytes"] = handles_of(lambda number: b"%0256d" % number)
CASES["handle: 257 bytes"] = handles_of(lambda number: b"%0257d" % number)
CASES["handle: 200 KiB"] = handles_of(lambda number: b"%0204800d" % number)


@case("handle: one for all files")
class OneHandle(Server):
    """Whoever reads is given the content of the file that was opened last, up to the size that was told."""
    other_versions = (b"2" * 1000,)

    def new_handle(self, thing):
        self.handles[b"h"] = thing
        return b"h"

    def on_close(self, request):
        self.status(request, OK)


@case("handle: no bytes")
class NoHandle(OneHandle):
    files = {b"data.tar": b"1" * 1000}

    def new_handle(self, thing):
        self.handles[b""] = thing
        return b""


# --- answers that do not fit their questions

def at(kind, act, and_then_honest=False):
    """`act(server, request)` instead of, or before, the honest answer to requests of this kind."""
    class Acting(Server):
        def handle(self, request):
            if request.kind == kind:
                act(self, request)
            if request.kind != kind or and_then_honest:
                super().handle(request)
    return Acting


ANSWERS = {STATUS: struct.pack(">I", OK) + string(b"") * 2, HANDLE: string(b"h"), DATA: string(b"1"),
           NAME: struct.pack(">I", 1) + string(b"n") + string(b"n") + struct.pack(">I", 0),
           ATTRS: struct.pack(">I", 0), VERSION: b"", EXTENDED + 1: b"", 0: b"", 255: b"",
           OPEN: string(b"/collect/first.tar")}
for kind, fitting in {LSTAT: ATTRS, OPENDIR: HANDLE, READDIR: NAME, OPEN: HANDLE, READ: DATA, CLOSE: STATUS}.items():
    for answer, body in ANSWERS.items():
        if answer != fitting:
            label = NAMES.get(answer, f"type {answer}")
            CASES[f"{label} in answer to {NAMES[kind]}"] = at(
                kind, lambda server, request, answer=answer, body=body: server.reply(request, answer, body))

CASES["status: code of 2^32-1"] = at(
    OPEN, lambda server, request: server.reply(request, STATUS, struct.pack(">I", 2**32 - 1) + string(b"") * 2))
CASES["status: no code"] = at(READDIR, lambda server, request: server.reply(request, STATUS, b""))
CASES["status: text longer than the packet"] = at(
    READDIR, lambda server, request: server.reply(request, STATUS, struct.pack(">II", EOF, 1 << 31)))
CASES["id of no request"] = at(LSTAT, lambda server, request: server.send(ATTRS, struct.pack(">II", 77, 0)), True)
CASES["packet without id"] = at(LSTAT, lambda server, request: server.send(STATUS, b""))
CASES["reads answered twice after the close"] = at(
    CLOSE, lambda server, request: server.send(DATA, struct.pack(">I", 1) + string(b"1")), True)
CASES["close answered twice"] = at(CLOSE, lambda server, request: server.status(request, OK), True)


@case("status without text")
class NoText(Server):
    """As servers of old do."""

    def status(self, request, code, text=b""):
        self.reply(request, STATUS, struct.pack(">I", code))


@case("answer before the question")
class EarlyAnswer(Server):
    """The answers to all first questions are there before the first of them."""

    def on_init(self, request):
        super().on_init(request)
        for early in range(64):
            self.send(ATTRS, struct.pack(">I", early) + Attributes(0).pack())


@case("pours out answers for ever")
class Pours(Server):
    """Ids of all kinds, without reading a thing."""

    def on_lstat(self, request):
        for number in itertools.count():
            self.send(STATUS, struct.pack(">II", number & 0xFFFFFFFF, EOF))


# --- listings

def name_packet(count, *entries, rest=b""):
    body = struct.pack(">I", count) + b"".join(string(name) + string(b"") + Attributes(0).pack() for name in entries)
    return at(READDIR, lambda server, request: server.reply(request, NAME, body + rest))


CASES["names: a million announced, one sent"] = name_packet(1_000_000, b"one")
CASES["names: 2^32-1 announced, none sent"] = name_packet(2**32 - 1)
CASES["names: one announced, two sent"] = name_packet(1, b"one", b"two")
CASES["names: bytes behind the last"] = name_packet(1, b"one", rest=b"\0")
CASES["names: cut within attributes"] = at(READDIR, lambda server, request: server.reply(
    request, NAME, struct.pack(">I", 1) + string(b"one") + string(b"") + struct.pack(">II", 5, 0)))


class RawAttributes(Attributes):
    def __init__(self, packed):
        super().__init__()
        self.packed = packed

    def pack(self):
        return self.packed


FULL = struct.pack(">IQIIIII", 0xF, 5, 0, 0, REGULAR, 1_700_000_000, 1_700_000_000)
CASES["attributes: owner as well"] = listed(b"strange", RawAttributes(FULL))
CASES["attributes: extended"] = listed(b"strange", RawAttributes(
    struct.pack(">I", 0x8000000F) + FULL[4:] + struct.pack(">I", 2) + string(b"acl@evil") + string(b"x" * 1000) +
    string(b"") * 2))
CASES["attributes: 2^32-1 extended"] = listed(b"strange", RawAttributes(
    struct.pack(">I", 0x8000000F) + FULL[4:] + struct.pack(">I", 2**32 - 1)))
CASES["attributes: unknown flags"] = listed(b"strange", RawAttributes(struct.pack(">I", 0x7FFFFFFF) + FULL[4:]))
CASES["attributes: none of a type"] = listed(b"strange", Attributes(5, 0o644))

for label, sizes in {"2^63": (2**63,), "2^64-1": (2**64 - 1,), "that add up to 2^64": (2**63, 2**63),
                     "that add up to little": (2**64 - 10, 20), "of petabytes": (10**15,) * 5}.items():
    class Sizes(Server):
        sizes = sizes

        def change_tree(self):
            for number, size in enumerate(self.sizes):
                self.tree[ROOT + b"/huge%d" % number] = Node(b"x", size=size)
    CASES[f"sizes {label}"] = Sizes


@case("long names for people")
class LongNames(Server):
    def long_name(self, name):
        return b"\x1b[2J\x1b]0;owned\a" * 4000


@case("listing changes at each look")
class ListingChanges(Server):
    looks = itertools.count()

    def pages(self, path):
        yield [*self.listing(path).items(), (b"new%d" % next(self.looks), Attributes(0))]

    def on_open(self, request):
        self.tree.setdefault(request.path, Node())
        super().on_open(request)


@case("file becomes a directory")
class BecomesDirectory(Server):
    other_versions = (b"i",)

    def on_close(self, request):
        super().on_close(request)
        if self.tree.pop(ROOT + b"/first.tar", None):
            self.tree[ROOT + b"/first.tar/inner"] = Node(b"i")


@case("directory becomes a file")
class BecomesFile(Server):
    files = {b"sub/inner": b"i", b"first.tar": b"1" * 1000}

    def on_opendir(self, request):
        if request.path.rstrip(b"/").endswith(b"/sub"):
            self.tree[ROOT + b"/sub"] = Node(b"f")
            self.status(request, FAILURE, b"Not a directory")
        else:
            super().on_opendir(request)


@case("directory that holds all others")
class HoldsAll(EndlessDepth):
    """Each has two of its kind below."""

    def on_lstat(self, request):
        if os.path.basename(request.path) in (b"d", b"e"):
            self.attributes(request, DIRECTORY)
        else:
            super().on_lstat(request)

    def pages(self, path):
        yield [*self.listing(path).items(), (b"d", DIRECTORY), (b"e", DIRECTORY)]


@case("path of 5000 bytes")
class LongPath(EndlessDepth):
    def on_lstat(self, request):
        self.attributes(request, DIRECTORY if request.path.endswith(b"d") else self.tree[request.path].attributes)

    def pages(self, path):
        yield [*self.listing(path).items(), (b"d" * 250, DIRECTORY)]


def served(*names, content=b"served"):
    """A case that honestly serves files with these names."""
    class Served(Server):
        files = dict.fromkeys(names, content)
    return Served


CASES["names that differ by case"] = served(b"data", b"Data", b"DATA", b"sub/x", b"SUB/x")
CASES["names that differ by normalisation"] = served(
    "\u00e9".encode(), "e\u0301".encode(), "\u212b".encode(), "\u00c5".encode())
CASES["names that turn the text"] = served("a\u202egnp.exe".encode(
), "\u2066b\u2069".encode(), "c\u200b\ufeff".encode(), "d\u2028e".encode())
CASES["names that are almost paths"] = served(b"...", b"..\\..\\evil", b"\xc0\xaf", b"~", b"~root", b".hidden", b"-",
                                              b"%2e%2e%2f",
                                              b"\x9b31m", b"CON", b"nul")
CASES["names of our own"] = served(b".peerstage/.lock", b".peerstage/evil/x", b"cback.peerstage.evil/x",
                                   b"cback.peerstage-old.evil",
                                   b"cback.store", b"cback.encrypt", b"cback.amazons3", b"sub/cback.sha256",
                                   b"sub/cback.stage", b"sub/cback.collect")
CASES["long path that is one"] = served(b"/".join([b"d" * 200] * 19 + [b"f"]))


@case("stage marker is a directory")
class StageDirectory(Server):
    def change_tree(self):
        self.tree[ROOT + b"/cback.stage/x"] = Node(b"x")


@case("stage marker is full")
class StageFull(Server):
    """It stays as long as it is, whatever is asked."""

    def change_tree(self):
        self.tree[ROOT + b"/cback.stage"] = Node(b"x" * 100)

    def make(self, path):
        pass


@case("stage marker is a symlink")
class StageSymlink(Server):
    """It has to go, not what it points to."""

    def change_tree(self):
        self.tree.setdefault(ROOT + b"/cback.stage", Node(b"/etc/passwd", stat.S_IFLNK | 0o777))

    def on_open(self, request):
        if request.creates and request.path in self.tree:
            self.status(request, FAILURE, b"it is written through a symlink")
        else:
            super().on_open(request)


@case("stage marker cannot be synced")
class StageUnsynced(Server):
    def on_extended(self, request):
        self.status(request, FAILURE, b"disk error")


@case("collect marker of 8 MiB")
class LargeMarker(Server):
    def change_tree(self):
        self.tree[ROOT + b"/cback.collect"] = Node(b"m" * (8 << 20))


@case("collect marker of a pebibyte")
class HugeMarker(Server):
    def change_tree(self):
        self.tree[ROOT + b"/cback.collect"] = Node(size=1 << 50)


@case("collect marker is a pipe")
class PipeMarker(Server):
    def change_tree(self):
        self.tree[ROOT + b"/cback.collect"] = Node(mode=stat.S_IFIFO | 0o644)


@case("collect marker without attributes")
class NakedMarker(Server):
    def change_tree(self):
        self.tree[ROOT + b"/cback.collect"].attributes = Attributes(None, None, None)


@case("many pipes with long names")
class ManyPipes(Server):
    """Each is told of when it is left out."""
    above = ROOT + b"/" + b"/".join([b"d" * 250] * 14)

    def change_tree(self):
        for number in range(10_000):
            self.tree[self.above + b"/%0250d" % number] = Node(mode=stat.S_IFIFO | 0o600)

    def listing(self, path):
        if path == self.above:
            return {name.rpartition(b"/")[2]: node.attributes for name,
                    node in self.tree.items() if name.startswith(path)}
        if self.above.startswith(path + b"/"):
            own = {b"cback.collect": Attributes(0)} if path == ROOT else {}
            return {b"d" * 250: DIRECTORY, **own}
        return {}

    def pages(self, path):
        everything = list(self.listing(path).items())
        for start in range(0, len(everything), 500):
            yield everything[start:start + 500]

    def long_name(self, name):
        return b""


# --- content

def reads(answer, length=100_000):
    """A case in which `answer(server, request, offset, length)` serves the content of /collect/data."""
    class Reads(Server):
        files = {b"data": bytes(n * 7 % 251 for n in range(length))}

        def answer_read(self, request, path, offset, length):
            answer(self, request, offset, length)

        def honest(self, request, offset, length):
            super().answer_read(request, ROOT + b"/data", offset, length)
    return Reads


def ends_then_goes_on(server, request, offset, length):
    if offset < 40_000:
        server.status(request, EOF, b"End of file")
    else:
        server.honest(request, offset, length)


def one_byte_a_second(server, request, offset, length):
    time.sleep(1)
    server.honest(request, offset, 1)


def dies(server, request, offset, length):
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_packet(server, request, offset, length):
    server.send_raw(struct.pack(">I", 30_000) + b"half")
    sys.exit()


def end_of_output(server, request, offset, length):
    """The channel ends, but does not close."""
    os.close(1)
    while os.read(0, 1 << 16):
        pass
    sys.exit()


CASES["end in the middle, then data"] = reads(ends_then_goes_on)
CASES["single bytes"] = reads(lambda server, request, offset, length: server.honest(request, offset, 1), length=3000)
CASES["a byte a second"] = reads(one_byte_a_second)
CASES["killed while it is read"] = reads(dies)
CASES["half a packet"] = reads(half_a_packet)
CASES["end of output while it is read"] = reads(end_of_output)
CASES["disk error while it is read"] = reads(
    lambda server, request, offset, length: server.status(request, FAILURE, b"Input/output error"))
CASES["content longer than the packet"] = reads(
    lambda server, request, offset, length: server.reply(request, DATA, struct.pack(">I",
                                                                                    length) + b"1" * (length - 1)))
CASES["bytes behind the content"] = reads(
    lambda server, request, offset, length: server.reply(request, DATA, string(b"1" * length) + b"1"))
CASES["content of no known size"] = reads(lambda server, request, offset, length: server.send_raw(
    struct.pack(">IBI", 0xFFFFFFFF, DATA, request.id)))


@case("content empty of all")
class AllEmpty(Server):
    def answer_read(self, request, path, offset, length):
        self.status(request, EOF, b"End of file")


@case("an entry a second")
class SlowListing(Server):
    def pages(self, path):
        yield list(self.listing(path).items())
        for number in itertools.count():
            time.sleep(1)
            yield [(b"slow%d" % number, Attributes(0))]


@case("opens one at a time")
class OneAtATime(Server):
    files = {b"file%02d" % number: b"%d" % number * 500 for number in range(40)}

    def on_open(self, request):
        if self.handles:
            self.status(request, FAILURE, b"Too many open files")
        else:
            super().on_open(request)

    def new_handle(self, thing):
        return super().new_handle(thing)


@case("opens nothing")
class OpensNothing(Server):
    files = {b"file%02d" % number: b"%d" % number * 500 for number in range(40)}

    def on_open(self, request):
        self.status(request, FAILURE, b"Too many open files")


@case("noise on standard error")
class NoiseOnError(Server):
    """As fast as it gets rid of it."""

    def answer_read(self, request, path, offset, length):
        for _ in range(50):
            os.write(2, b"\x1b[31mhelp\x1b]0;me\a " * 4000)
        super().answer_read(request, path, offset, length)


# --- limits@openssh.com

def limited(*limits, answer=None):
    class Limited(Server):
        extensions = (*Server.extensions, b"limits@openssh.com")
        files = {b"data": b"d" * 20_000, b"more": b"m" * 20}

        def on_extended(self, request):
            if request.path != b"limits@openssh.com":
                super().on_extended(request)
            elif answer is None:
                self.reply(request, EXTENDED + 1, struct.pack(">QQQQ", *limits))
            else:
                answer(self, request)
    return Limited


CASES["limits: all 0"] = limited(0, 0, 0, 0)
CASES["limits: all 1"] = limited(1, 1, 1, 1)
CASES["limits: all 2^64-1"] = limited(*(2**64 - 1,) * 4)
CASES["limits: refused"] = limited(answer=lambda server, request: server.status(request, UNSUPPORTED))
CASES["limits: cut"] = limited(answer=lambda server, request: server.reply(request, EXTENDED + 1, bytes(20)))
CASES["limits: never told"] = limited(answer=lambda server, request: None)
CASES["limits: told as a name"] = limited(answer=lambda server, request: server.names(request, [(b"n", Attributes(0))]))

CASES["version 2^32-1"] = versioned(lambda server: server.send(VERSION, struct.pack(">I", 2**32 - 1)))
CASES["version of no bytes"] = versioned(lambda server: server.send(VERSION, b""))
CASES["version of 4 MiB"] = versioned(lambda server: server.send(
    VERSION, struct.pack(">I", 3) + string(b"x" * (4 << 20)) * 2))
CASES["version with half an extension"] = versioned(
    lambda server: server.send(VERSION, struct.pack(">I", 3) + string(b"x@evil")))
CASES["version said twice"] = versioned(lambda server: [server.send(VERSION, struct.pack(">I", 3)) for _ in range(2)])
CASES["handle instead of version"] = versioned(lambda server: server.send(HANDLE, struct.pack(">I", 3) + string(b"h")))


# --- cback.sha256 of the peer

def sums(*lines):
    """A case with a manifest of these lines."""
    class Sums(Server):
        files = {**Server.files, b"cback.sha256": b"".join(line + b"\n" for line in lines)}
    return Sums


def line(name, data=None):
    return hashlib.sha256(Server.files.get(name, b"") if data is None else data).hexdigest().encode() + b"  " + name


RIGHT = [line(name) for name in Server.files]
CASES["manifest: right"] = sums(*RIGHT)
CASES["manifest: empty"] = sums()
CASES["manifest: wrong sum"] = sums(line(b"first.tar", b"else"), *RIGHT[1:])
CASES["manifest: dotdot"] = sums(*RIGHT, line(b"../../../../etc/passwd"))
CASES["manifest: absolute"] = sums(*RIGHT, line(b"/etc/passwd"))
CASES["manifest: escape sequence"] = sums(*RIGHT, line(b"\x1b[2J"))
CASES["manifest: newline"] = sums(*RIGHT, b"\\" + line(b"a\\nb"))
CASES["manifest: file that is not there"] = sums(*RIGHT, line(b"third.tar"))
CASES["manifest: two sums for a name"] = sums(*RIGHT, line(b"first.tar", b"else"))
CASES["manifest: binary"] = sums(bytes(range(256)) * 100)
CASES["manifest: one line of 8 MiB"] = sums(line(b"x" * (8 << 20)))
CASES["manifest: names itself"] = sums(*RIGHT, line(b"cback.sha256"))


@case("manifest: of 2 GiB")
class HugeManifest(Server):
    def change_tree(self):
        self.tree[ROOT + b"/cback.sha256"] = Node(b"x", size=2 << 30)


@case("manifest: shorter than promised")
class ShortManifest(Server):
    def change_tree(self):
        self.tree[ROOT + b"/cback.sha256"] = Node(b"".join(line + b"\n" for line in RIGHT), size=10_000)


for label, mode in {"symlink": stat.S_IFLNK, "pipe": stat.S_IFIFO}.items():
    class OddManifest(Server):
        mode = mode

        def change_tree(self):
            self.tree[ROOT + b"/cback.sha256"] = Node(b"", mode=self.mode | 0o644)
    CASES[f"manifest: is a {label}"] = OddManifest
CASES["manifest: is a directory"] = served(b"cback.sha256/x")


# --- as much as there may be

@case("a manifest of 60 MiB")
class LargeManifest(Server):
    def change_tree(self):
        lines = (b"%064d  %0400d\n" % (number, number) for number in range(134_000))
        self.tree[ROOT + b"/cback.sha256"] = Node(b"".join(lines))


@case("a million lines of manifest")
class ManyLines(Server):
    def change_tree(self):
        self.tree[ROOT + b"/cback.sha256"] = Node(b"".join(b"%064d  %07d\n" %
                                                  (number, number) for number in range(900_000)))


def many_files(count):
    """Empty ones, told as fast as they are asked for."""
    class ManyFiles(Server):
        def change_tree(self):
            self.others = list(self.listing(ROOT).items())

        def pages(self, path):
            yield self.others
            for start in range(0, count, 500):
                yield [(b"file%07d" % number, Attributes(0)) for number in range(start, start + 500)]

        def long_name(self, name):
            return b""

        def on_open(self, request):
            if not request.creates:
                self.tree.setdefault(request.path, Node())
            super().on_open(request)
    return ManyFiles


CASES["100,000 files"] = many_files(100_000)
CASES["300,000 files"] = many_files(300_000)


@case("endless long names")
class EndlessLongNames(EndlessListing):
    def pages(self, path):
        yield list(self.listing(path).items())
        for page in itertools.count():
            yield [(b"%0250d" % (page * 200 + number), Attributes(0)) for number in range(200)]


@case("collect marker of 1 GiB")
class GibibyteMarker(Server):
    other_sums = ("49bc20df15e412a64472421e13fe86ff1c5165e18b2afccf160d4dc19fe68a14",)   # of so many zeros

    def change_tree(self):
        self.tree[ROOT + b"/cback.collect"] = Node(size=1 << 30)

    def answer_read(self, request, path, offset, length):
        if path.endswith(b"/cback.collect"):
            self.reply(request, DATA, string(bytes(min(length, (1 << 30) - offset))))
        else:
            super().answer_read(request, path, offset, length)


def main():
    command = os.environ.get("SSH_ORIGINAL_COMMAND", "sftp")
    if "sftp" not in command:
        sys.exit(f"refused: {command}")
    name, state = sys.argv[1:]
    CASES[name](state).serve()


if __name__ == "__main__":
    main()
