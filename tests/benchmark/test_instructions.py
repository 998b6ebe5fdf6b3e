#!/usr/bin/python3
"""Instructions for each file and for each MiB, counted by callgrind: they are the same whatever else the machine does.

Counted is what the program does between a server in memory and the disk (bin/transfer_cost), without the server. What
costs more than is written down here, by more than a compiler or a library may change, fails. Whoever has made it cheaper
writes the new figure down."""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = os.environ.get("TRANSFER_COST", str(Path(__file__).resolve().parents[2] / "build/release/bin/transfer_cost"))
MIB = 1 << 20
TOLERANCE = 0.10

# What is counted, thread by thread, and within it what is not: each name turns the counting over at its beginning and at its
# end, in its thread.
COUNTED = ("peerstage::peers::staging::stage_tree*", "peerstage::peers::staging::FileWriter::hash_batches*",
           "peerstage::peers::staging::FileWriter::write_batches*")
NOT_COUNTED = ("peerstage::test::FakeSftpServer::send*", "peerstage::test::FakeSftpServer::receive*",
               "EVP_DigestUpdate", "EVP_DigestFinal_ex")   # valgrind's processor has no instructions for SHA

# Instructions, as Debian 12's compiler makes them with -O2.
EACH_FILE = 36_900
EACH_MIB = 1_142_000   # of which a million are a copy: "rep movsb" counts once a byte


def instructions(count, size):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        out = Path(directory) / "counts"
        staging = Path(directory) / "staging"
        staging.mkdir()
        toggles = [f"--toggle-collect={name}" for name in (*COUNTED, *NOT_COUNTED)]
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *toggles, PROGRAM, str(count), str(size),
             staging], capture_output=True, text=True, timeout=240)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        staged = [path for path in staging.rglob("file*") if path.stat().st_size == size]
        if len(staged) != count:
            raise AssertionError(f"{len(staged)} of {count} files were staged: nothing was counted that is worth it")
        return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)[1])


class Instructions(unittest.TestCase):
    def check(self, what, count, known):
        print(f"{what}: {count} instructions, {known} are written down", flush=True)
        self.assertLess(count, known * (1 + TOLERANCE), f"{what} costs more than it did")

    def test_of_each_file(self):
        self.check("each file of 4 KiB", (instructions(1500, 4096) - instructions(500, 4096)) // 1000, EACH_FILE)

    def test_of_each_mib(self):
        self.check("each MiB of a file", (instructions(1, 24 * MIB) - instructions(1, 8 * MIB)) // 16, EACH_MIB)


if __name__ == "__main__":
    unittest.main()
