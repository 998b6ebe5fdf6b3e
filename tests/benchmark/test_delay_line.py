#!/usr/bin/python3
"""delay_line carries what it is given, unchanged and in order, and ends as its ends do."""
import hashlib
import random
import re
import socket
import struct
import subprocess
import threading
import time
import unittest
from pathlib import Path

from line import BLOCK, DelayLine, LineKind, connect, delay_line_program, echo, server

KINDS = [LineKind.parse(text) for text in ("0", "20", "20@40")]
DATA = random.Random(1).randbytes(12 << 20)


def all_of(near):
    return b"".join(iter(lambda: near.recv(BLOCK), b""))


class DelayLineTest(unittest.TestCase):
    def test_both_ways_at_once(self):
        for kind in KINDS:
            with self.subTest(str(kind)), server(echo) as target, DelayLine(target, kind) as line, \
                    connect(line.address) as near:
                def send():
                    near.sendall(DATA)
                    near.shutdown(socket.SHUT_WR)
                sender = threading.Thread(target=send)
                sender.start()
                arrived = all_of(near)
                sender.join()
                self.assertEqual(hashlib.sha256(arrived).digest(), hashlib.sha256(DATA).digest())
                self.assertEqual(line.counters(), (len(DATA), len(DATA), 1))

    def test_pieces_of_all_sizes(self):
        sizes = [1, 2, 1447, 4096, 65535, 262143, 262144, 262145, 1]
        with server(echo) as target, DelayLine(target, LineKind(2)) as line, connect(line.address) as near:
            for size in sizes * 3:
                near.sendall(DATA[:size])
                self.assertEqual(near.recv(size, socket.MSG_WAITALL), DATA[:size])

    def test_half_closed_by_client_still_hears_the_server(self):
        def answer_at_end(caller):
            caller.sendall(str(len(all_of(caller))).encode())

        for kind in KINDS:
            with self.subTest(str(kind)), server(answer_at_end) as target, DelayLine(target, kind) as line, \
                    connect(line.address) as near:
                near.sendall(DATA[:1000])
                near.shutdown(socket.SHUT_WR)
                self.assertEqual(all_of(near), b"1000")

    def test_half_closed_by_server_still_hears_the_client(self):
        heard = []
        heard_all = threading.Event()

        def end_at_once(caller):
            caller.shutdown(socket.SHUT_WR)
            heard.append(all_of(caller))
            heard_all.set()

        with server(end_at_once) as target, DelayLine(target, LineKind(20)) as line, connect(line.address) as near:
            self.assertEqual(all_of(near), b"")
            near.sendall(DATA)
            near.shutdown(socket.SHUT_WR)
            self.assertTrue(heard_all.wait(20))
            self.assertEqual(heard, [DATA])

    def test_many_connections_at_once(self):
        for kind in KINDS:
            with self.subTest(str(kind)), server(echo) as target, DelayLine(target, kind) as line:
                arrived = {}

                def converse(number):
                    piece = DATA[number * 1000:number * 1000 + 100_000]
                    with connect(line.address) as near:
                        near.sendall(piece)
                        near.shutdown(socket.SHUT_WR)
                        arrived[number] = all_of(near) == piece

                threads = [threading.Thread(target=converse, args=[number]) for number in range(40)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual(arrived, dict.fromkeys(range(40), True))
                self.assertEqual(line.counters(), (4_000_000, 4_000_000, 40))

    def test_reset_is_passed_on(self):
        def reset(caller):
            caller.recv(1)
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        with server(reset) as target, DelayLine(target, LineKind(2)) as line, connect(line.address) as near:
            near.sendall(b"?")
            with self.assertRaises(ConnectionResetError):
                near.recv(1)
        # and the other way round
        broken = threading.Event()

        def notice(caller):
            caller.sendall(b"!")
            try:
                all_of(caller)
            except ConnectionResetError:
                broken.set()

        with server(notice) as target, DelayLine(target, LineKind(2)) as line:
            with connect(line.address) as near:
                near.recv(1)
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.assertTrue(broken.wait(20))

    def test_target_that_is_not_there(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            target = listener.getsockname()
        with DelayLine(target, LineKind(2)) as line, connect(line.address) as near:
            with self.assertRaises(ConnectionResetError):
                near.recv(1)

    def test_reader_that_does_not_read_holds_up_the_sender_not_the_memory(self):
        sent = [0]

        def pour(caller):
            while True:
                sent[0] += caller.send(DATA[:BLOCK])

        with server(pour) as target, DelayLine(target, LineKind(0)) as line, connect(line.address) as near:
            near.recv(1)
            before, since = -1, time.monotonic()
            while time.monotonic() - since < 0.5:   # until nothing moves any more
                if sent[0] != before:
                    before, since = sent[0], time.monotonic()
                time.sleep(0.02)
            status = Path(f"/proc/{line.process.pid}/status").read_text()
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10
            self.assertGreaterEqual(sent[0], 128 << 20)
            self.assertLess(peak, 160 << 20)
            left = sent[0]
            while left > 64 << 20:   # and it flows again
                left -= len(near.recv(BLOCK))

    def test_other_machines_are_out_of_reach(self):
        for arguments in (["10.0.0.1:22"], ["127.0.0.1:22", "--listen", "0.0.0.0"], ["127.0.0.1"], [],
                          ["127.0.0.1:22", "--delay", "1.5"], ["127.0.0.1:22", "--delay"], ["127.0.0.1:70000"]):
            with self.subTest(arguments):
                ended = subprocess.run([delay_line_program(), *arguments], capture_output=True, text=True,
                                       stdin=subprocess.DEVNULL)
                self.assertEqual(ended.returncode, 2, ended.stderr)


if __name__ == "__main__":
    unittest.main()
