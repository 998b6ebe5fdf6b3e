"""One fault in the middle of a run: what tests/faults/inject.cpp is told, and what it tells."""
import dataclasses
import json
import os
import select
import unittest
from pathlib import Path

from pool import binary

IMPOSSIBLE = 97


def injector():
    """$PEERSTAGE_INJECT, else the one that was built with the program."""
    named = os.environ.get("PEERSTAGE_INJECT")
    path = Path(named) if named else binary().parent / "inject"
    if not path.exists():
        raise SystemExit(f"no {path}: build the target inject, or name it in $PEERSTAGE_INJECT")
    return path


@dataclasses.dataclass(frozen=True)
class Report:
    """How many calls were counted, and which of them the fault hit; see inject.cpp."""
    calls: int
    hits: int
    call: str = ""
    subject: str = ""
    pid: int = 0
    first_process: bool = False   # not one of the workers

    def __str__(self):
        if not self.hits:
            return f"not reached, {self.calls} calls"
        who = "the supervisor" if self.first_process else "a worker"
        return f"{self.call}({self.subject}) in {who}, {self.hits} hits in {self.calls} calls"


class Injection:
    """`fault` at the counted call `point` (N or "N:CALL") of what is run with `how`:

        with Injection("EIO", 7) as injection:
            result = pool.stage(**injection.how)
        injection.report
    """

    def __init__(self, fault, point):
        self.fault, self.point = fault, point

    def __enter__(self):
        self._read, self._write = os.pipe()
        self.how = {"wrapper": [injector(), self._write, self.fault, self.point], "pass_fds": (self._write,)}
        self._report = None
        return self

    def __exit__(self, *unused):
        self._close_our_writer()
        os.close(self._read)

    def _close_our_writer(self):
        if self._write is not None:
            os.close(self._write)
            self._write = None

    def wait(self, seconds=60):
        """What it tells: at the end of the run, or when everything has stopped."""
        if self._report is None:
            self._close_our_writer()
            if not select.select([self._read], [], [], seconds)[0]:
                raise AssertionError(f"{self.fault} at {self.point}: nothing told after {seconds} s")
            line = os.read(self._read, 1 << 16)
            if not line:
                raise unittest.SkipTest("no process may be traced here, or the injector was killed")
            self._report = Report(**json.loads(line))
        return self._report

    @property
    def report(self):
        return self.wait()
