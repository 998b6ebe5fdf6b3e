"""One run of a program: how long, with and without making its data durable, how much CPU, how much memory."""
import dataclasses
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from processes import kill_tree  # noqa: E402

POLL_MILLISECONDS = 20


@dataclasses.dataclass
class Run:
    exit: int
    output: str
    seconds: float
    synced: float        # the same, and then `sync -f` of the destination
    cpu: float           # of the program and all that it started and waited for, user and system
    memory: int          # most that the program itself held, bytes
    memory_below: int    # most that one process below it held; what ends within a moment may be missed
    over_limit: bool     # it was ended because it took too long; the times are that limit


class Memory:
    """The peaks of a tree of processes, as far as one looks often enough (the kernel forgets them at the end)."""

    def __init__(self, pid):
        self._pid = pid
        self.top = self.below = 0

    def look(self):
        self.top = max(self.top, peak_of(self._pid))
        todo = children_of(self._pid)
        while todo:
            pid = todo.pop()
            self.below = max(self.below, peak_of(pid))
            todo += children_of(pid)


def peak_of(pid):
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) << 10 if found else 0


def children_of(pid):
    """None of a process that ends while one looks."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    except OSError:
        pass
    return found


def cpu_of_children(pid):
    """Seconds of those below `pid` that have ended and were waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def measure(command, destination, environment, limit):
    """Runs it; at most `limit` seconds."""
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, env=environment, cwd="/", umask=0o022,
                                   start_new_session=True)
        memory = Memory(process.pid)
        end = os.pidfd_open(process.pid)
        try:
            poll = select.poll()
            poll.register(end, select.POLLIN)
            over_limit = False
            while not poll.poll(POLL_MILLISECONDS):
                memory.look()
                if time.perf_counter() - began > limit:
                    over_limit = True
                    break
            seconds = time.perf_counter() - began
            if over_limit:
                kill_tree(process)
                return Run(process.returncode, "", limit, limit, 0.0, memory.top, memory.below, True)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            if process.returncode is None:
                kill_tree(process)
            raise
        finally:
            os.close(end)
        subprocess.run(["sync", "-f", destination], check=True)
        synced = time.perf_counter() - began
        output.seek(0)
        return Run(process.returncode, output.read().decode(errors="replace"), seconds, synced,
                   usage.ru_utime + usage.ru_stime, memory.top, memory.below, False)
