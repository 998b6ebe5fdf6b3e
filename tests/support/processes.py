"""Processes of a test: nothing that a test started outlives it."""
import os
import signal
import socket
import time
from pathlib import Path


def children(pid):
    """The pids below `pid`, deepest last."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = [], [pid]
    while todo:
        todo = [child for parent in todo for child in parents.get(parent, [])]
        found += todo
    return found


def kill_tree(process):
    """Ends a subprocess.Popen and everything below it, by pid."""
    below = children(process.pid)
    if process.poll() is None:
        process.kill()
    process.wait()
    for pid in below:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def wait_until(condition, what, seconds=20):
    """Waits for a state that nobody tells us about; fails loudly."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def free_port(address="127.0.0.1"):
    with socket.socket() as listener:
        listener.bind((address, 0))
        return listener.getsockname()[1]
