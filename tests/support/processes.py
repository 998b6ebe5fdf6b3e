"""Processes of a test: nothing that a test started outlives it."""
import os
import select
import signal
import socket
import time


def children(pid):
    """The pids below `pid`, deepest last."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue   # gone meanwhile
        parents.setdefault(int(fields[1]), []).append(int(name))
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


def wait_for_end(process, seconds):
    """Did a subprocess.Popen end within this time? Unlike its own wait, this one knows at once."""
    if process.poll() is not None:
        return True
    pidfd = os.pidfd_open(process.pid)
    try:
        ended = bool(select.select([pidfd], [], [], seconds)[0])
    finally:
        os.close(pidfd)
    return ended and process.wait() is not None


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
