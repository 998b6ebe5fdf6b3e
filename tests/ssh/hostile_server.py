#!/usr/bin/python3
"""An SSH server on 127.0.0.1 that breaks rules: hostile_server.py HOST_KEY_FILE. Prints its port; ends with its input.

What it does on a channel follows from the command, or from the SFTP subsystem: that one answers INIT, then reads
nothing more and sends without regard to the window.
"""

import socket
import sys
import threading

import paramiko
from paramiko import common
from paramiko.message import Message

FLOOD = b"\0" * 32000


def message(kind, *fields):
    result = Message()
    result.add_byte(kind)
    for field in fields:
        if isinstance(field, bool):
            result.add_boolean(field)
        elif isinstance(field, int):
            result.add_int(field)
        else:
            result.add_string(field)
    return result


class Server(paramiko.ServerInterface):
    def __init__(self, transport):
        self.transport = transport

    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind, channel_id):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        self.start(self.run_command, channel, command.decode())
        return True

    def check_channel_subsystem_request(self, channel, name):
        self.start(self.flood_sftp, channel)
        return True

    def start(self, *call):
        threading.Thread(target=call[0], args=call[1:], daemon=True).start()

    def send(self, *parts):
        self.transport._send_user_message(message(*parts))

    def status(self, channel, value):
        self.send(common.cMSG_CHANNEL_REQUEST, channel.remote_chanid, "exit-status", False, value)

    def signal(self, channel):
        self.send(common.cMSG_CHANNEL_REQUEST, channel.remote_chanid, "exit-signal", False, "KILL", False, "", "")

    def run_command(self, channel, command):
        channel.event.wait(0.1)  # the answer to the request goes first
        if command == "status-0":
            self.status(channel, 0)
        elif command == "two-statuses":
            self.status(channel, 1)
            self.status(channel, 0)
        elif command == "status-minus-1":
            self.status(channel, 0xFFFFFFFF)
        elif command == "status-and-signal":
            self.status(channel, 0)
            self.signal(channel)
        elif command == "no-status":
            pass
        elif command == "flood":
            for _ in range(5000):
                self.send(common.cMSG_CHANNEL_DATA, channel.remote_chanid, FLOOD)
            self.status(channel, 0)
        elif command == "open-channels":
            for number in range(50000):
                self.send(common.cMSG_CHANNEL_OPEN, "auth-agent@openssh.com", number, 1 << 20, 1 << 15)
            self.status(channel, 0)
        elif command == "hang-up":
            self.transport.close()
            return
        channel.close()

    def flood_sftp(self, channel):
        channel.event.wait(0.1)
        self.read(channel, 9)
        channel.sendall(b"\0\0\0\5\2\0\0\0\3")
        try:
            while True:
                self.send(common.cMSG_CHANNEL_DATA, channel.remote_chanid, FLOOD)
        except Exception:
            pass

    @staticmethod
    def read(channel, length):
        while length > 0:
            length -= len(channel.recv(length))


def serve(connection, key):
    transport = paramiko.Transport(connection, default_window_size=1 << 15)
    transport.add_server_key(key)
    try:
        transport.start_server(server=Server(transport))
    except Exception:
        pass


def accept(listener, key):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, key), daemon=True).start()


def main():
    key = paramiko.Ed25519Key.from_private_key_file(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=accept, args=(listener, key), daemon=True).start()
    sys.stdin.read()


main()
