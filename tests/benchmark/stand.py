"""Where it is measured: data, a destination on a real file system, a server with keys of its own, and lines to it."""
import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "system"), str(HERE.parent / "support")]
from line import DelayLine  # noqa: E402
from pool import IS_ROOT, Pool  # noqa: E402
from processes import wait_until  # noqa: E402
from programs import Job  # noqa: E402
from sshd import Sshd  # noqa: E402

IN_MEMORY = {"tmpfs", "ramfs"}
MANY_FILES = 1000


@dataclasses.dataclass
class Route:
    """A way to the server. `line` is None where it is the direct one."""
    kind: object
    address: tuple
    line: DelayLine | None
    ssh_config: Path

    def sent(self):
        """Bytes that the server has sent along here so far; None where nobody counts."""
        return self.line.counters()[0] if self.line else None


class Stand:
    def __init__(self, directory):
        """All of it below `directory`; entered as a context."""
        self._ends = contextlib.ExitStack()
        self.directory = Path(tempfile.mkdtemp(prefix="peerstage-bench-", dir=directory))
        self._ends.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.directory.chmod(0o755)
        self.volume = self.directory   # where data comes to rest
        self.known_hosts = self.directory / "known_hosts"
        self.pool = self._ends.enter_context(Pool())
        self.pool.make_user_key()
        self.pool.key.chmod(0o600)
        self.cedar = self._ends.enter_context(Pool())
        self.cedar.user = self.cedar.group = self.cedar.caller
        self.sshd = self._start_sshd("sshd")
        # Debian's programs, and not what somebody has put before them.
        self.environment = {**self.pool.environment(), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._ends.close()

    def _start_sshd(self, name, log_level="VERBOSE"):
        # Commands at the server run in the login shell; what its owner has it do first would be counted for some
        # programs and not for others.
        sshd = Sshd(self.directory / name, ["127.0.0.1"], authorized_keys=self.pool.directory / "authorized_keys",
                    log_level=log_level, environment=f"HOME={self.pool.home}")
        self._ends.callback(sshd.stop)
        sshd.start()
        return sshd

    def use_loop(self, kind):
        """Has the destination on a file system of its own, in a file."""
        image, self.volume = self.directory / "image", self.directory / "volume"
        with open(image, "wb") as file:
            file.truncate(16 << 30)
        subprocess.run([f"mkfs.{kind}", "-q", image], check=True)
        self.volume.mkdir()
        subprocess.run(["mount", "-o", "loop", image, self.volume], check=True)
        self._ends.callback(subprocess.run, ["umount", self.volume], check=True)

    def file_system(self):
        found = subprocess.run(["findmnt", "--json", "-o", "FSTYPE,SOURCE,OPTIONS", "-T", self.volume],
                               capture_output=True, text=True, check=True)
        return json.loads(found.stdout)["filesystems"][0]

    # --- ways to the server

    def route(self, kind, direct=False):
        return self._route(self.sshd, kind, None if direct else self._ends.enter_context(
            DelayLine(("127.0.0.1", self.sshd.port), kind)))

    def talkative_route(self):
        """To a server that logs what it agrees on, and the path of that log."""
        sshd = self._start_sshd("talkative-sshd", "DEBUG1")
        return self._route(sshd, None, None), sshd

    def _route(self, sshd, kind, line):
        address = line.address if line else ("127.0.0.1", sshd.port)
        config = self.directory / f"ssh_config.{address[1]}"
        # The server has one address for all peers, whatever they are called.
        config.write_text(
            f"Host *\n  HostName {address[0]}\n  Port {address[1]}\n  User {self.pool.caller}\n"
            f"  IdentityFile {self.pool.key}\n  IdentitiesOnly yes\n  BatchMode yes\n"
            f"  UserKnownHostsFile {self.known_hosts}\n  GlobalKnownHostsFile /dev/null\n")
        config.chmod(0o644)
        with open(self.known_hosts, "a", encoding="ascii") as file:
            file.write(f"[{address[0]}]:{address[1]} {sshd.host_key}\n")
        return Route(kind, address, line, config)

    # --- one piece of work

    def job(self, source, peers, route):
        """With an empty destination, and nothing left to be written to the disk."""
        destination = self.volume / "destination"
        if destination.exists():
            self.clear(destination)
        destination.mkdir()
        if IS_ROOT:
            shutil.chown(destination, self.pool.user, self.pool.group)
        os.sync()
        return Job(source, destination, peers, route, self)

    def clear(self, destination):
        """Many files are put aside and go with everything else in the end: for minutes, ext4 does not use their inodes
        again (recently_deleted() in ialloc.c), and whoever makes files next pays for looking past them."""
        if sum(len(files) for _, _, files in os.walk(destination)) < MANY_FILES:
            shutil.rmtree(destination)
            return
        aside = destination.with_name("aside")
        aside.mkdir(exist_ok=True)
        os.rename(destination, aside / str(len(os.listdir(aside))))

    def same_job(self, job, route):
        """Over another route, with what is there already."""
        return dataclasses.replace(job, route=route)

    def wait_for_server(self):
        """Until no session is left; what it cost is known then."""
        wait_until(lambda: not self.sshd.sessions(), "the sessions of sshd to end", 60)


def cipher_in(log):
    """What the sessions of a talkative server agreed on; in the direction from the server."""
    found = sorted(set(re.findall(r"kex: server->client cipher: (\S+) MAC: (\S+) ", log)))
    return ", ".join(cipher + ("" if mac == "<implicit>" else f" with {mac}") for cipher, mac in found)
