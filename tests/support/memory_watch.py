"""How much memory a program and the processes below it had at most."""
import re
import threading
from pathlib import Path

PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def below(pid):
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


class MemoryWatch:
    """Looks at a process and its children until it ends. What a child takes in its last moment may be missed."""
    EVERY = 0.02

    def __init__(self, pid):
        self.pid = pid
        self.own = 0         # MiB
        self.children = {}   # {pid: MiB}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *unused):
        self._ended.set()
        self._thread.join()

    def _watch(self):
        while not self._ended.wait(self.EVERY):
            self.own = max(self.own, peak(self.pid))
            for child in below(self.pid):
                self.children[child] = max(self.children.get(child, 0), peak(child))

    @property
    def worst_child(self):
        return max(self.children.values(), default=0)


def peak(pid):
    """In MiB; 0 once it has gone."""
    try:
        found = PEAK.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) / 1024 if found else 0
