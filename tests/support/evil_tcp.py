"""Servers on a TCP port that are no SSH servers, or only until the first packets: each does to its callers what a
script says.

`with EvilTcp("127.0.0.1", CASES["silent"]) as server: server.port`. A script is given a Line.
"""
import itertools
import random
import socket
import struct
import threading
import time

VERSION = b"SSH-2.0-OpenSSH_9.2p1\r\n"
DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG, SERVICE_ACCEPT = 1, 2, 3, 4, 6
KEXINIT, NEWKEYS, ECDH_REPLY = 20, 21, 31
USERAUTH_SUCCESS, USERAUTH_BANNER, GLOBAL_REQUEST, CHANNEL_OPEN = 52, 53, 80, 90
KINDS = ("curve25519-sha256", "ssh-ed25519", "aes256-ctr", "aes256-ctr",
         "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", "")
ESCAPES = b"\x1b[2J\x1b]0;owned\a\r\nLog: all is well\x9b31m\xe2\x80\xae"


def string(data):
    return struct.pack(">I", len(data)) + data


def packet(kind, body=b"", padding=None):
    """A packet before there are keys."""
    length = len(body) + 2
    if padding is None:
        padding = 8 - (length + 4) % 8
        padding += 8 if padding < 4 else 0
    return struct.pack(">IBB", length + padding, padding, kind) + body + bytes(padding)


def kexinit(**changed):
    """`changed`: number of a list (n0...n9) to what it says."""
    lists = [changed.get(f"n{number}", each) for number, each in enumerate(KINDS)]
    return packet(KEXINIT, bytes(16) + b"".join(string(each.encode() if isinstance(each,
                                                                                   str) else each) for each in lists) +
                  b"\0" + bytes(4))


class Line:
    """One connection."""

    def __init__(self, connection):
        self.connection = connection

    def send(self, data):
        self.connection.sendall(data)

    def drip(self, data, seconds=1.0):
        for byte in data:
            self.send(bytes([byte]))
            time.sleep(seconds)

    def flood(self, pieces):
        """Until the caller has had enough; not faster than a machine with other tests on it can bear."""
        for piece in pieces:
            self.send(piece)
            time.sleep(0.001)

    def read_version(self):
        while self.connection.recv(1) not in (b"\n", b""):
            pass

    def wait_for_end(self):
        """Reads and forgets until the caller hangs up."""
        while self.connection.recv(1 << 16):
            pass

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class EvilTcp:
    def __init__(self, address, script):
        self.script = script
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        self.callers = 0
        self._connections = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *unused):
        for each in (self.listener, *self._connections):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.callers += 1
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self.script(Line(connection))
        except OSError:
            pass   # the caller has gone
        connection.close()


class BlackHole:
    """An address and port from which nothing ever comes back, not even a refusal."""

    def __init__(self, address, port=0):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self._callers = []
        while True:   # until the queue of those who are not accepted is full
            caller = socket.socket()
            caller.settimeout(0.3)
            self._callers.append(caller)
            try:
                caller.connect((address, self.port))
            except TimeoutError:
                return

    def close(self):
        for each in (self.listener, *self._callers):
            each.close()


# --- the scripts

CASES = {}


def case(name):
    def register(script):
        CASES[name] = script
        return script
    return register


def says(*pieces, then=Line.wait_for_end):
    def script(line):
        for piece in pieces:
            line.send(piece)
        then(line)
    return script


def begins(*pieces, then=Line.wait_for_end):
    """After the version lines."""
    def script(line):
        line.send(VERSION)
        line.read_version()
        for piece in pieces:
            line.send(piece)
        then(line)
    return script


def floods(*pieces, version=True):
    """The last one again and again."""
    def script(line):
        if version:
            line.send(VERSION)
            line.read_version()
        for piece in pieces[:-1]:
            line.send(piece)
        line.flood(itertools.repeat(pieces[-1]))
    return script


CASES["silent"] = says()
CASES["accepts and closes"] = says(then=lambda line: None)
CASES["accepts and resets"] = says(then=Line.reset)
CASES["closes after its version"] = says(VERSION, then=lambda line: None)
CASES["resets after its version"] = says(VERSION, then=Line.reset)
CASES["closes its half"] = says(VERSION, then=lambda line: [
                                line.connection.shutdown(socket.SHUT_WR), line.wait_for_end()])
CASES["silent after its version"] = begins()
CASES["silent in its version"] = says(b"SSH-2.0-Op")
CASES["silent after KEXINIT"] = begins(kexinit())
CASES["silent within KEXINIT"] = begins(kexinit()[:100])
CASES["drips its version"] = lambda line: line.drip(VERSION * 20)
CASES["drips lines before its version"] = lambda line: line.drip(b"hello\r\n" * 20)
CASES["drips KEXINIT"] = begins(then=lambda line: line.drip(kexinit()))
CASES["a web server"] = says(
    b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nConnection: close\r\n\r\n<html></html>\r\n", then=lambda line: None)
CASES["TLS"] = says(b"\x15\x03\x01\x00\x02\x02\x46", then=lambda line: None)
CASES["random bytes"] = says(random.Random(1).randbytes(100_000), then=lambda line: None)
CASES["endless lines before the version"] = floods(b"welcome\r\n" * 1000, version=False)
CASES["one endless line"] = floods(b"x" * 10_000, version=False)
CASES["10,000 lines before the version"] = says(b"welcome\r\n" * 10_000, VERSION)
CASES["escapes before the version"] = says(ESCAPES + b"\r\n" + b"SSH-1.0-" + ESCAPES + b"\r\n")
CASES["version 1"] = says(b"SSH-1.5-old\r\n")
CASES["version 3"] = says(b"SSH-3.0-new\r\n")
CASES["version 1.99"] = says(b"SSH-1.99-both\r\n")
CASES["version of 255 bytes"] = says(b"SSH-2.0-" + b"x" * 245 + b"\r\n")
CASES["version of 300 bytes"] = says(b"SSH-2.0-" + b"x" * 300 + b"\r\n")
CASES["version of 8 KiB"] = says(b"SSH-2.0-" + b"x" * 8192 + b"\r\n")
CASES["version of control bytes"] = says(b"SSH-2.0-" + bytes(range(1, 10)) + b"\x1b[2J\x7f\x9b" + b"\r\n")
CASES["version with NUL"] = says(b"SSH-2.0-\0\0evil\r\n")
CASES["version without software"] = says(b"SSH-2.0\r\n")
CASES["version without end"] = says(b"SSH-2.0-OpenSSH_9.2p1")
CASES["packet of 2 GiB"] = begins(struct.pack(">I", 0x7FFFFFFF) + bytes(1000))
CASES["packet of 256 KiB"] = begins(struct.pack(">IB", 262_144, 4) + bytes(300_000))
CASES["packet of no bytes"] = begins(bytes(64))
CASES["packet of one byte"] = begins(struct.pack(">I", 1) + bytes(64))
CASES["padding larger than the packet"] = begins(struct.pack(">IBB", 12, 255, KEXINIT) + bytes(64))
CASES["packet of no known kind"] = begins(packet(255, bytes(20)))
CASES["KEXINIT of no names"] = begins(kexinit(**{f"n{number}": "" for number in range(10)}))
CASES["KEXINIT cut off"] = begins(packet(KEXINIT, bytes(16) + struct.pack(">I", 1000) + b"curve"))
CASES["KEXINIT of half a megabyte"] = begins(
    kexinit(n0="x," * 15_000 + "curve25519-sha256", n1="y," * 15_000 + "ssh-ed25519"))
CASES["KEXINIT with escapes"] = begins(kexinit(n0=ESCAPES, n2=ESCAPES))
CASES["KEXINIT for ever"] = floods(kexinit())
CASES["weak key exchange only"] = begins(kexinit(n0="diffie-hellman-group1-sha1,diffie-hellman-group14-sha1"))
CASES["weak host key only"] = begins(kexinit(n1="ssh-dss,ssh-rsa"))
CASES["weak cipher only"] = begins(kexinit(n2="3des-cbc,aes128-cbc,arcfour", n3="3des-cbc,aes128-cbc,arcfour"))
CASES["no cipher"] = begins(kexinit(n2="none", n3="none"))
CASES["weak MAC only"] = begins(kexinit(n4="hmac-md5,hmac-sha1-96", n5="hmac-md5,hmac-sha1-96"))
CASES["no MAC"] = begins(kexinit(n4="none", n5="none"))
CASES["compression only"] = begins(kexinit(n6="zlib", n7="zlib"))
CASES["garbage for a key"] = begins(kexinit(), packet(ECDH_REPLY, string(b"garbage") * 3))
CASES["key of no bytes"] = begins(kexinit(), packet(ECDH_REPLY, string(b"") * 3))
CASES["key longer than the packet"] = begins(kexinit(), packet(ECDH_REPLY, struct.pack(">I", 1 << 30) + b"x" * 100))
KEY_OF_ZEROS = string(string(b"ssh-ed25519") + string(bytes(32)))
SIGNATURE_OF_ZEROS = string(string(b"ssh-ed25519") + string(bytes(64)))
CASES["key of zeros"] = begins(kexinit(), packet(ECDH_REPLY, KEY_OF_ZEROS + string(bytes(32)) + SIGNATURE_OF_ZEROS))
CASES["new keys without keys"] = begins(packet(NEWKEYS), kexinit(), packet(NEWKEYS))
CASES["success before everything"] = begins(packet(USERAUTH_SUCCESS))
CASES["success after KEXINIT"] = begins(kexinit(), packet(USERAUTH_SUCCESS),
                                        packet(SERVICE_ACCEPT, string(b"ssh-userauth")))
CASES["banner before the keys"] = begins(packet(USERAUTH_BANNER, string(ESCAPES) + string(b"")))
CASES["channel before the keys"] = begins(packet(CHANNEL_OPEN, string(b"session") + bytes(12)))
CASES["IGNORE for ever"] = floods(packet(IGNORE, string(b"x" * 30_000)))
CASES["DEBUG for ever"] = floods(packet(DEBUG, b"\1" + string(ESCAPES * 500) + string(b"")))
CASES["UNIMPLEMENTED for ever"] = floods(packet(UNIMPLEMENTED, bytes(4)) * 1000)
CASES["global requests before the keys"] = floods(
    packet(GLOBAL_REQUEST, string(b"hostkeys-00@openssh.com") + b"\1") * 100)
CASES["disconnects with escapes"] = begins(
    packet(DISCONNECT, struct.pack(">I", 2) + string(ESCAPES * 10) + string(b"en")))
CASES["disconnects with 30 KB"] = begins(packet(DISCONNECT, struct.pack(
    ">I", 12) + string(b"too many connections " * 1500) + string(b"")))
CASES["disconnects with half a packet"] = begins(packet(DISCONNECT, struct.pack(">II", 2, 1 << 30)))
CASES["never reads"] = lambda line: [line.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1), time.sleep(60)]
