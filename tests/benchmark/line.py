"""A line between the programs and the server: none, or a delay_line; and what it is worth, measured like any other."""
import contextlib
import dataclasses
import os
import re
import socket
import statistics
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = 1 << 20
MEGABYTE = 1_000_000


def delay_line_program():
    """$DELAY_LINE, else the one that the release build made."""
    return os.environ.get("DELAY_LINE") or ROOT / "build/release/bin/delay_line"


@dataclasses.dataclass(frozen=True)
class LineKind:
    """`milliseconds` for a round trip, and how many MB/s each way lets through; None: as many as it can."""
    milliseconds: float
    rate: float | None = None

    @classmethod
    def parse(cls, text):
        """"50" or "50@125"."""
        if not (match := re.fullmatch(r"(\d+(?:\.\d+)?)(?:@(\d+(?:\.\d+)?))?", text)):
            raise ValueError(f"{text!r} is no line: MILLISECONDS, or MILLISECONDS@MEGABYTES_A_SECOND")
        return cls(float(match[1]), float(match[2]) if match[2] else None)

    def __str__(self):
        return f"{self.milliseconds:g} ms" + (f", {self.rate:g} MB/s" if self.rate else "")

    @property
    def is_direct(self):
        return self.milliseconds == 0 and self.rate is None


class DelayLine:
    """A running delay_line to `target`. `address` is where its near end is."""

    def __init__(self, target, kind):
        rate = ["--rate", str(round(kind.rate * MEGABYTE))] if kind.rate else []
        self.process = subprocess.Popen(
            [delay_line_program(), "{}:{}".format(*target), "--delay", str(round(kind.milliseconds * 500)), *rate],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"delay_line ended with {self.process.wait()}")
        host, port = line.split(":")
        self.address = host, int(port)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def counters(self):
        """Bytes that came from the target, bytes that went there, and connections, since it was started."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return tuple(map(int, self.process.stdout.readline().split()))


@contextlib.contextmanager
def server(serve):
    """A listener that has each caller served by serve(socket) in a thread; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=attend, args=listener.accept()[:1], daemon=True).start()

        def attend(caller):
            with caller, contextlib.suppress(OSError):
                caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                serve(caller)

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)


def echo(caller):
    while data := caller.recv(BLOCK):
        caller.sendall(data)


def endless(caller):
    data = bytes(BLOCK)
    while True:
        caller.sendall(data)


def connect(address):
    near = socket.create_connection(address)
    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near


def measure(kind, seconds):
    """What a line of this kind is: {"round_trip_ms", "megabytes_a_second"} as two programs at its ends see them; the
    latter is a plain stream from the server once it flows."""
    with server(echo) as target, DelayLine(target, kind) as line, connect(line.address) as near:
        near.sendall(b"?")
        near.recv(1)   # until here the connection was being made
        times = []
        for _ in range(11):
            began = time.perf_counter()
            near.sendall(b"?")
            near.recv(1)
            times.append(time.perf_counter() - began)
    with server(endless) as target, DelayLine(target, kind) as line, connect(line.address) as near:
        buffer = bytearray(BLOCK)
        near.recv_into(buffer)
        flows_at = time.perf_counter() + 0.2 + kind.milliseconds / 1000
        while time.perf_counter() < flows_at:
            near.recv_into(buffer)
        began, received = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - began) < seconds:
            received += near.recv_into(buffer)
    return {"round_trip_ms": statistics.median(times) * 1000, "megabytes_a_second": received / elapsed / MEGABYTE}
