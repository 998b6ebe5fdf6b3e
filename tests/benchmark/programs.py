"""The programs, each with the same work: what to start, and where the result stands then."""
import dataclasses
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from pool import IS_ROOT, PoolPeer, binary  # noqa: E402
from works import MANIFEST, MARKER  # noqa: E402

GCM = "aes128-gcm@openssh.com"
AT_A_TIME = 8


@dataclasses.dataclass(frozen=True)
class Job:
    """One piece of work, as a program gets it."""
    source: Path        # SOURCE/PEER/FILE, here or at the other end of the route
    destination: Path   # empty at first
    peers: list
    route: "Route | None"   # None: the source is on this machine
    stand: "Stand"

    @property
    def only_peer(self):
        (peer,) = self.peers
        return peer

    def from_there(self, path):
        """As scp and rsync want it."""
        return f"server:{shlex.quote(str(path))}"

    def ssh(self, *options):
        """To be used with the host "server", which stands for whatever is at the end of the route."""
        return ["ssh", "-F", str(self.route.ssh_config), *options]


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    command: Callable            # Job to a list of words; may write files of the stand
    modes: frozenset             # "one": works of one peer, "many": of many, "local": both, on this machine
    can_repeat: bool = False     # a second time brings what has changed
    packages: tuple = ()
    own_files: frozenset = frozenset()   # what it adds to a peer's directory, or has reasons to leave out
    is_in_days: bool = False     # the result stands in DESTINATION/YEAR/MONTH/DAY/PEER, else in DESTINATION/PEER
    needs_root: bool = False

    def place(self, destination, peer):
        if not self.is_in_days:
            return destination / peer
        (place,) = destination.glob(f"[0-9]*/[0-9]*/[0-9]*/{peer}")
        return place


def shell(line):
    return ["bash", "-o", "pipefail", "-c", line]


# --- peerstage, and the master that it can replace


def peerstage(job):
    pool = job.stand.pool
    reached = {} if job.route is None else {"address": job.route.address[0], "port": job.route.address[1],
                                            "backup_user": pool.caller}
    kind = "local" if job.route is None else "remote"
    pool.peers = [PoolPeer(pool, name, kind, job.source / name, reached) for name in job.peers]
    pool.staging = job.destination
    pool.ssh_settings = {"known_hosts": job.stand.known_hosts}
    pool.write_config()
    return [binary(), "-c", pool.config, "-l", pool.log, "stage"]


def cback3(job):
    """As root, for Cedar Backup wants to become the backup user by su, and that one mostly has no shell."""
    pool = job.stand.cedar
    pool.peers = [PoolPeer(pool, name, "remote", job.source / name, {"backup_user": pool.caller}) for name in job.peers]
    pool.staging = job.destination
    pool.options["rcp_command"] = f"/usr/bin/scp -B -F {job.route.ssh_config} -c {GCM}"
    pool.write_config()
    return ["cback3", "-c", pool.config, "-l", pool.log, "stage"]


# --- one peer


def scp(*options):
    return lambda job: ["scp", *options, "-q", "-r", "-B", "-F", job.route.ssh_config, "-c", GCM,
                        job.from_there(job.source / job.only_peer), job.destination]


def sftp(job):
    batch = job.stand.directory / "sftp-batch"
    batch.write_text(f"get -r {job.source / job.only_peer} {job.destination}/\n")
    return ["sftp", "-q", "-F", job.route.ssh_config, "-c", GCM, "-b", batch, "server"]


def rsync(*options):
    return lambda job: ["rsync", "-a", "-e", shlex.join(job.ssh(*options)), job.from_there(f"{job.source}/"),
                        job.destination]


def lftp(job):
    connect = shlex.join(job.ssh("-a", "-x", "-c", GCM))
    return ["lftp", "-c", f'set sftp:connect-program "{connect}"; set cmd:fail-exit yes; open sftp://server; '
                          f"mirror --parallel={AT_A_TIME} {job.source / job.only_peer} "
                          f"{job.destination / job.only_peer}"]


def rclone(job):
    host, port = job.route.address
    pool = job.stand.pool
    return ["rclone", "copy", "--config", "/dev/null", "--transfers", AT_A_TIME,
            f":sftp,host={host},port={port},user={pool.caller},key_file={pool.key},"
            f"known_hosts_file={job.stand.known_hosts}:{job.source / job.only_peer}",
            job.destination / job.only_peer]


def tar(job):
    far = shlex.join(job.ssh("-c", GCM, "server", f"tar cf - -C {shlex.quote(str(job.source))} {job.only_peer}"))
    return shell(f"{far} | tar xf - -C {shlex.quote(str(job.destination))}")


# --- many peers


def parallel_rsync(job):
    names = job.stand.directory / "names"
    names.write_text("".join(f"{peer}\n" for peer in job.peers))
    return ["xargs", "-a", names, "-P", AT_A_TIME, "-I", "{}", "rsync", "-a", "-e", shlex.join(job.ssh("-c", GCM)),
            f"server:{job.source}/{{}}/", f"{job.destination}/{{}}/"]


# --- on this machine


def cp(job):
    return ["cp", "-a", f"{job.source}/.", job.destination]


def local_rsync(job):
    return ["rsync", "-a", f"{job.source}/", job.destination]


ONE, MANY, LOCAL = frozenset({"one"}), frozenset({"many"}), frozenset({"local"})
PROGRAMS = {program.name: program for program in (
    Program("peerstage", peerstage, ONE | MANY | LOCAL, can_repeat=True, own_files=frozenset({MANIFEST}),
            is_in_days=True),
    Program("tar", tar, ONE),
    Program("rsync", rsync(), ONE, can_repeat=True, packages=("rsync",)),
    Program("rsync gcm", rsync("-c", GCM), ONE, can_repeat=True, packages=("rsync",)),
    Program("scp", scp(), ONE),
    Program("scp -O", scp("-O"), ONE),
    Program("sftp", sftp, ONE),
    Program("lftp", lftp, ONE, can_repeat=True, packages=("lftp",)),
    Program("rclone", rclone, ONE, can_repeat=True, packages=("rclone",)),
    Program("cback3", cback3, ONE | MANY, can_repeat=True, packages=("cedar-backup3",), own_files=frozenset({MARKER}),
            is_in_days=True, needs_root=True),
    Program("8 rsyncs", parallel_rsync, MANY, can_repeat=True, packages=("rsync",)),
    Program("cp", cp, LOCAL),
    Program("rsync here", local_rsync, LOCAL, packages=("rsync",)),
)}
ABOUT = {
    "peerstage": "`peerstage stage`, release build, nothing configured but how to reach the peers",
    "tar": f"`ssh -c {GCM} … tar cf - | tar xf -`",
    "rsync": "`rsync -a`, with the cipher that ssh chooses itself",
    "rsync gcm": f"`rsync -a -e 'ssh -c {GCM}'`",
    "scp": f"`scp -r -c {GCM}` (speaks SFTP)",
    "scp -O": f"`scp -O -r -c {GCM}` (speaks the old protocol)",
    "sftp": f"`sftp -c {GCM} -b`, `get -r`",
    "lftp": f"`lftp`, `mirror --parallel={AT_A_TIME}` over SFTP, `ssh -c {GCM}`",
    "rclone": f"`rclone copy --transfers {AT_A_TIME}` from an sftp remote; an SSH client of its own",
    "cback3": f"`cback3 stage` with `scp -B -c {GCM}`: peers one after another, and nothing below a collect directory",
    "8 rsyncs": f"`xargs -P {AT_A_TIME}`, a `rsync -a -e 'ssh -c {GCM}'` for each peer",
    "cp": "`cp -a`",
    "rsync here": "`rsync -a` from directory to directory",
}


def can_run(program):
    return IS_ROOT or not program.needs_root
