#!/usr/bin/python3
"""Exchanges a directory for a symbolic link and back, as fast as it goes, as somebody else:

    python3 swapper.py USER PATH DECOY

until its standard input ends; then it puts everything back and prints how often it did. Whoever owns the tree may do that at
any moment."""
import ctypes
import os
import pwd
import select
import subprocess
import sys
from pathlib import Path

AT_FDCWD, EXCHANGE = -100, 2      # RENAME_EXCHANGE (renameat2(2))
RENAMEAT2 = ctypes.CDLL(None).renameat2


class Swapper:
    """With a running one: `with Swapper(user, path, target) as swapper: ...; swapper.swaps`. The link stands beside `path`
    while the directory has its name."""

    def __init__(self, user, path, target):
        self.user, self.path, self.decoy = user, Path(path), Path(path).with_name(f".decoy-{Path(path).name}")
        self.decoy.symlink_to(target)
        self.swaps = 0

    def __enter__(self):
        self._process = subprocess.Popen([sys.executable, "-B", str(Path(__file__).resolve()), self.user, self.path, self.decoy],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "ready\n":
            raise AssertionError("the swapper did not begin")
        return self

    def __exit__(self, *unused):
        out, _ = self._process.communicate()
        self.swaps = int(out)
        self.decoy.unlink(missing_ok=True)


def exchange(first, second):
    """Whether it could be."""
    return RENAMEAT2(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), EXCHANGE) == 0


def main(user, path, decoy):
    if os.geteuid() == 0:
        account = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    print("ready", flush=True)
    swaps, is_over = 0, False
    while not is_over:
        for _ in range(200):
            swaps += exchange(path, decoy)
        is_over = bool(select.select([sys.stdin], [], [], 0)[0])
    if os.path.islink(path):
        exchange(path, decoy)
    print(swaps)


if __name__ == "__main__":
    main(*sys.argv[1:])
