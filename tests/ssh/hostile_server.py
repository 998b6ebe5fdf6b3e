#!/usr/bin/python3
"""An SSH server on 127.x.y.z that breaks rules: hostile_server.py HOST_KEY_FILE [ADDRESS EVENTS CASE...].

Prints a port for each CASE (see CASES), one without any; ends with its input. EVENTS is a file that gets a line "CASE
NUMBER" for each message that a client sends, until there are too many. A case that breaks no rule of SFTP serves what
sftp_server.Server has. What is done on a channel for a command follows from the command's first word.
"""

import socket
import sys
import threading
import time
from pathlib import Path

import paramiko
from paramiko import common
from paramiko.message import Message

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import sftp_server  # noqa: E402

FLOOD = b"\0" * 32000
ESCAPES = b"\x1b[2J\x1b]0;owned\a\r\nLog: all is well\x9b31m\xe2\x80\xae"
MOST_EVENTS = 300
USERAUTH_BANNER, USERAUTH_INFO_REQUEST, REQUEST_SUCCESS, LOCAL_EXTENSION = 53, 60, 81, 192


def message(kind, *fields):
    result = Message()
    result.add_byte(bytes([kind]) if isinstance(kind, int) else kind)
    for field in fields:
        if isinstance(field, bool):
            result.add_boolean(field)
        elif isinstance(field, int):
            result.add_int(field)
        else:
            result.add_string(field)
    return result


class Server(paramiko.ServerInterface):
    """Lets every key in, and serves files. A case derives from it and breaks one rule."""
    window = 1 << 15
    largest_packet = None   # that the client may send; None: an honest number

    def __init__(self, transport):
        self.transport = transport

    # --- the login

    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        return paramiko.AUTH_SUCCESSFUL

    def message_came(self, kind):
        """For cases: the client has sent a message of this number, which is not dealt with yet."""

    # --- channels

    def check_channel_request(self, kind, channel_id):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        self.start(self.run_command, channel, command.decode())
        return True

    def check_channel_subsystem_request(self, channel, name):
        self.start(self.serve_sftp, channel)
        return True

    def start(self, *call):
        threading.Thread(target=call[0], args=call[1:], daemon=True).start()

    def send(self, *parts):
        self.transport._send_user_message(message(*parts))

    def send_at_once(self, *parts):
        """Also before there is a session, and while keys are exchanged."""
        self.transport._send_message(message(*parts))

    def flood(self, *parts, times=None):
        """Until the client has had enough; not faster than a machine with other tests on it can bear."""
        while times is None or times > 0:
            self.send(*parts)
            if times is None:
                time.sleep(0.0005)
            else:
                times -= 1

    def status(self, channel, value):
        self.send(common.cMSG_CHANNEL_REQUEST, channel.remote_chanid, "exit-status", False, value)

    def signal(self, channel, name="KILL", text=""):
        self.send(common.cMSG_CHANNEL_REQUEST, channel.remote_chanid, "exit-signal", False, name, False, text, "")

    def run_command(self, channel, command):
        channel.event.wait(0.1)  # the answer to the request goes first
        word, *numbers = command.split()
        word, count = word.lstrip("/"), int(numbers[0]) if numbers and numbers[0].isdigit() else 5000
        if word == "status-0":
            self.status(channel, 0)
        elif word == "status-1":
            self.status(channel, 1)
        elif word == "two-statuses":
            self.status(channel, 1)
            self.status(channel, 0)
        elif word == "status-minus-1":
            self.status(channel, 0xFFFFFFFF)
        elif word == "status-and-signal":
            self.status(channel, 0)
            self.signal(channel)
        elif word == "odd-signal":
            self.signal(channel, ESCAPES * 20, ESCAPES * 1000)
        elif word == "status-cut":
            self.send(common.cMSG_CHANNEL_REQUEST, channel.remote_chanid, "exit-status", False)
        elif word == "status-after-end":
            self.send(common.cMSG_CHANNEL_EOF, channel.remote_chanid)
            self.status(channel, 0)
        elif word == "status-after-close":
            self.send(common.cMSG_CHANNEL_CLOSE, channel.remote_chanid)
            self.status(channel, 0)
            return
        elif word == "status-and-silence":
            self.status(channel, 0)
            return
        elif word == "silence":
            return
        elif word == "end-and-silence":
            self.send(common.cMSG_CHANNEL_EOF, channel.remote_chanid)
            return
        elif word == "no-status":
            pass
        elif word == "escapes":
            channel.sendall(ESCAPES * 1000)
            channel.sendall_stderr(ESCAPES * 1000)
            self.status(channel, 1)
        elif word == "flood":
            for _ in range(count):
                self.send(common.cMSG_CHANNEL_DATA, channel.remote_chanid, FLOOD)
            self.status(channel, 0)
        elif word == "flood-error":
            for _ in range(count):
                self.send(common.cMSG_CHANNEL_EXTENDED_DATA, channel.remote_chanid, 1, FLOOD)
            self.status(channel, 0)
        elif word == "flood-for-ever":
            self.flood(common.cMSG_CHANNEL_DATA, channel.remote_chanid, FLOOD)
        elif word == "open-channels":
            for number in range(10 * count):
                self.send(common.cMSG_CHANNEL_OPEN, "auth-agent@openssh.com", number, 1 << 20, 1 << 15)
            self.status(channel, 0)
        elif word == "hang-up":
            self.transport.close()
            return
        channel.close()

    # --- SFTP

    def serve_sftp(self, channel):
        channel.event.wait(0.1)
        Files(self, channel).serve()

    def before(self, channel, request):
        """For cases: what is done before this SFTP request is answered. False: it is not."""
        return True


class Files(sftp_server.Server):
    """The SFTP server on a channel."""

    def __init__(self, server, channel):
        self.server, self.channel = server, channel
        super().__init__("/nonexistent")

    def receive(self):
        return self.channel.recv(1 << 16)

    def is_idle(self):
        return True

    def send_raw(self, data):
        self.channel.sendall(data)

    def log(self, request):
        pass

    def handle(self, request):
        if self.server.before(self.channel, request):
            super().handle(request)

    def make(self, path):
        self.tree[path] = sftp_server.Node()

    def forget(self, path):
        self.tree.pop(path, None)


# --- the cases

class Flooding(Server):
    """That of a server without cases: reads nothing after INIT and sends without regard to the window."""

    def serve_sftp(self, channel):
        channel.event.wait(0.1)
        self.read(channel, 9)
        channel.sendall(b"\0\0\0\5\2\0\0\0\3")
        while True:
            self.send(common.cMSG_CHANNEL_DATA, channel.remote_chanid, FLOOD)

    @staticmethod
    def read(channel, length):
        while length > 0:
            length -= len(channel.recv(length))


CASES = {"honest": Server, "floods SFTP": Flooding}


def case(name):
    def register(server):
        CASES[name] = server
        return server
    return register


def while_reading(name, act, goes_on=True):
    """`act(server, channel)` once, before the first READ is answered."""
    class Acting(Server):
        acted = False

        def before(self, channel, request):
            if request.kind == sftp_server.READ and not self.acted:
                self.acted = True
                act(self, channel)
            return goes_on or not self.acted
    CASES[name] = Acting


def opens_channels(server, channel):
    for kind in ("session", "x11", "forwarded-tcpip", "direct-tcpip", "auth-agent@openssh.com", ESCAPES):
        for number in range(3000):
            server.send(common.cMSG_CHANNEL_OPEN, kind, number, 1 << 20, 1 << 15)


def disconnects(server, text):
    server.send(common.cMSG_DISCONNECT, 11, text, "en")
    time.sleep(60)


def ends(server, channel):
    server.send(common.cMSG_CHANNEL_EOF, channel.remote_chanid)


def closes(server, channel):
    server.send(common.cMSG_CHANNEL_CLOSE, channel.remote_chanid)


def begins_rekeying(server, channel):
    """And leaves it at that."""
    server.transport._send_kex_init()


def starves(server, channel):
    """Keys are asked for without an end."""
    kexinit = message(common.cMSG_KEXINIT)
    kexinit.add_bytes(server.transport._latest_kex_init[1:])
    while True:
        server.transport._send_message(kexinit)
        time.sleep(0.001)


DATA, EXTENDED_DATA, REQUEST = common.cMSG_CHANNEL_DATA, common.cMSG_CHANNEL_EXTENDED_DATA, common.cMSG_CHANNEL_REQUEST
while_reading("data beyond the window", lambda server, channel: server.flood(DATA, channel.remote_chanid, FLOOD))
while_reading("errors beyond the window", lambda server, channel: server.flood(
    EXTENDED_DATA, channel.remote_chanid, 1, FLOOD))
while_reading("extended data of no known kind", lambda server,
              channel: server.flood(EXTENDED_DATA, channel.remote_chanid, 77, FLOOD))
while_reading("data without data", lambda server, channel: server.flood(DATA, channel.remote_chanid, b""))
while_reading("data for no channel", lambda server, channel: server.send(DATA, 4711, FLOOD))
while_reading("data longer than its packet", lambda server, channel: server.send(DATA, channel.remote_chanid, 1 << 30))
while_reading("opens channels towards us", opens_channels)
while_reading("opens channels for ever", lambda server, channel: server.flood(
    common.cMSG_CHANNEL_OPEN, "x11", 1, 1 << 20, 1 << 15))
while_reading("10,000 global requests", lambda server, channel: server.flood(
    common.cMSG_GLOBAL_REQUEST, "hostkeys-00@openssh.com", False, ESCAPES, times=10_000))
while_reading("global requests for ever", lambda server, channel: server.flood(
    common.cMSG_GLOBAL_REQUEST, "tcpip-forward", True, "", 22))
while_reading("answers to no global request", lambda server, channel: server.flood(REQUEST_SUCCESS, times=1000))
while_reading("10,000 times IGNORE", lambda server, channel: server.flood(common.cMSG_IGNORE, ESCAPES, times=10_000))
while_reading("IGNORE for ever", lambda server, channel: server.flood(common.cMSG_IGNORE, FLOOD))
while_reading("DEBUG for ever", lambda server, channel: server.flood(common.cMSG_DEBUG, True, ESCAPES * 500, ""))
while_reading("UNIMPLEMENTED for ever", lambda server, channel: server.flood(common.cMSG_UNIMPLEMENTED, 1))
while_reading("messages of no known kind", lambda server, channel: server.flood(LOCAL_EXTENSION, ESCAPES, times=1000))
while_reading("channel requests for ever", lambda server, channel: server.flood(
    REQUEST, channel.remote_chanid, "auth-agent-req@openssh.com", False))
while_reading("keepalives, then honest", lambda server, channel: server.flood(
    common.cMSG_GLOBAL_REQUEST, "keepalive@openssh.com", True, times=100))
while_reading("window that overflows", lambda server, channel: server.flood(
    common.cMSG_CHANNEL_WINDOW_ADJUST, channel.remote_chanid, 0xFFFFFFFF, times=100))
while_reading("new keys in the middle", lambda server, channel: server.transport.renegotiate_keys())
while_reading("new keys that never come", begins_rekeying, goes_on=False)
while_reading("KEXINIT for ever", starves)
while_reading("NEWKEYS out of turn", lambda server, channel: server.send_at_once(common.cMSG_NEWKEYS))
while_reading("login succeeds again", lambda server, channel: server.send(common.cMSG_USERAUTH_SUCCESS))
while_reading("channel is confirmed again", lambda server, channel: server.send(
    common.cMSG_CHANNEL_OPEN_SUCCESS, channel.remote_chanid, 7, 1 << 20, 1 << 15))
while_reading("channel fails after all", lambda server, channel: server.send(
    common.cMSG_CHANNEL_OPEN_FAILURE, channel.remote_chanid, 1, ESCAPES, "en"))
while_reading("channel ends", ends, goes_on=False)
while_reading("channel ends and goes on", ends)
while_reading("channel is closed", closes, goes_on=False)
while_reading("channel is closed and goes on", closes)
while_reading("exit status of SFTP", lambda server, channel: server.status(channel, 0))
while_reading("exit signal of SFTP", lambda server, channel: server.signal(channel, ESCAPES, ESCAPES * 100))
while_reading("hangs up", lambda server, channel: server.transport.close())
while_reading("disconnects with escapes", lambda server, channel: disconnects(server, ESCAPES * 10))
while_reading("disconnects with 30 KB", lambda server, channel: disconnects(server, b"go away " * 4000))
while_reading("silent in the session", lambda server, channel: None, goes_on=False)


@case("window never opened")
class NoWindow(Server):
    window = 0


@case("window of 64 bytes")
class SmallWindow(Server):
    window = 64


@case("packets of no bytes")
class EmptyPackets(Server):
    largest_packet = 0


@case("packets of one byte")
class SmallPackets(Server):
    largest_packet = 1


@case("channel refused")
class Refuses(Server):
    def check_channel_request(self, kind, channel_id):
        return 4


@case("channel never confirmed")
class NeverConfirms(Server):
    def check_channel_request(self, kind, channel_id):
        time.sleep(600)


@case("subsystem refused")
class NoSubsystem(Server):
    def check_channel_subsystem_request(self, channel, name):
        return False


@case("subsystem never confirmed")
class SilentSubsystem(Server):
    def check_channel_subsystem_request(self, channel, name):
        time.sleep(600)


# The login: what is configured is a key, and nothing else may be tried.

def offers(methods):
    class Offers(Server):
        def get_allowed_auths(self, username):
            return methods

        def check_auth_publickey(self, username, key):
            return paramiko.AUTH_FAILED

        def check_auth_password(self, username, password):
            return paramiko.AUTH_SUCCESSFUL

        def check_auth_none(self, username):
            return paramiko.AUTH_SUCCESSFUL

        def check_auth_interactive(self, username, submethods):
            return paramiko.AUTH_SUCCESSFUL
    return Offers


CASES["only a password"] = offers("password")
CASES["only keyboard-interactive"] = offers("keyboard-interactive")
CASES["password and prompts"] = offers("password,keyboard-interactive,publickey")
CASES["no method"] = offers("")
CASES["3000 methods"] = offers(",".join(f"method{number}" for number in range(3000)))


@case("partial success")
class Partial(Server):
    def get_allowed_auths(self, username):
        return "password,keyboard-interactive"

    def check_auth_publickey(self, username, key):
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL


def at_login(name, act, goes_on=True):
    """`act(server)` when the client asks to be let in."""
    class AtLogin(Server):
        def message_came(self, kind):
            if kind == common.MSG_USERAUTH_REQUEST:
                act(self)
                if not goes_on:
                    time.sleep(600)
    CASES[name] = AtLogin


at_login("login succeeds before the key is shown", lambda server: server.send_at_once(
    common.cMSG_USERAUTH_SUCCESS), goes_on=False)
at_login("login never answered", lambda server: None, goes_on=False)
at_login("prompts instead of an answer", lambda server: server.send_at_once(
    USERAUTH_INFO_REQUEST, "Password", "type it", "", 2, "Password: ", False, "Again: ", False), goes_on=False)
at_login("a thousand prompts", lambda server: [server.send_at_once(
    USERAUTH_INFO_REQUEST, ESCAPES, ESCAPES, "", 1, b"Password: ", False) for _ in range(1000)], goes_on=False)
at_login("banner of 30 KB with escapes", lambda server: server.send_at_once(USERAUTH_BANNER, ESCAPES * 700, ""))
at_login("1000 banners", lambda server: [server.send_at_once(USERAUTH_BANNER, ESCAPES * 100, "") for _ in range(1000)])
at_login("disconnects at the login", lambda server: server.send_at_once(
    common.cMSG_DISCONNECT, 2, b"Too many authentication failures" + ESCAPES, "en"))


@case("banners for ever")
class Banners(Server):
    def message_came(self, kind):
        while kind == common.MSG_USERAUTH_REQUEST:
            self.send_at_once(USERAUTH_BANNER, ESCAPES * 500, "")
            time.sleep(0.001)


@case("service never accepted")
class NoService(Server):
    def message_came(self, kind):
        if kind == common.MSG_SERVICE_REQUEST:
            time.sleep(600)


@case("login refused for ever")
class Refusals(Server):
    """One refusal after another to one question."""

    def message_came(self, kind):
        while kind == common.MSG_USERAUTH_REQUEST:
            self.send_at_once(common.cMSG_USERAUTH_FAILURE, "publickey", False)
            time.sleep(0.001)


# --- the process

class Events:
    def __init__(self, path, name):
        self.file = open(path, "a", encoding="ascii", buffering=1)
        self.name, self.left = name, MOST_EVENTS

    def add(self, kind):
        if self.left > 0:
            self.left -= 1
            self.file.write(f"{self.name} {kind}\n")


def listen_to(transport, server, events):
    """Tells of each message of the client before it is dealt with."""
    read_message = transport.packetizer.read_message

    def read():
        kind, body = read_message()
        if events:
            events.add(kind)
        server.message_came(kind)
        return kind, body
    transport.packetizer.read_message = read


def serve(connection, key, server_class, events):
    transport = paramiko.Transport(connection)
    transport.add_server_key(key)
    server = server_class(transport)
    transport.default_window_size = server.window
    if server.largest_packet is not None:
        transport.default_max_packet_size = server.largest_packet
    listen_to(transport, server, events)
    try:
        transport.start_server(server=server)
    except Exception:
        pass


def accept(listener, *how):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, *how), daemon=True).start()


KEYS = {"ssh-ed25519": paramiko.Ed25519Key, "ssh-rsa": paramiko.RSAKey}


def key_of(path):
    return KEYS[Path(f"{path}.pub").read_text().split()[0]].from_private_key_file(path)


def main():
    key = key_of(sys.argv[1])
    address, events, *cases = sys.argv[2:] or ("127.0.0.1", None, "floods SFTP")
    for name in cases:
        listener = socket.create_server((address, 0), backlog=128)
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=accept, args=(
            listener, key, CASES[name], events and Events(events, name)), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
