"""A real systemd on this machine, as process 1 of namespaces of its own, with peerstage installed in it.

    with Systemd() as systemd:
        systemd.write("/etc/peerstage.conf", text)
        systemd.ctl("start", "peerstage-stage")

It sees this machine's programs, network and /tmp; /etc, /var, /run, /dev and where we install to are its own, so that
nothing of it is left. Needs root and Linux namespaces: `why_not()` says what is missing.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from pool import IS_ROOT, binary  # noqa: E402
from processes import children, kill_tree, wait_until  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = "/lib/systemd/systemd"
NAMESPACES = ["--mount", "--pid", "--cgroup", "--ipc", "--uts"]

# Runs as the first process of the namespaces; the directory of the rig is $1, where the program is installed to $2.
BEGINNING = r"""
set -eu
mount --make-rprivate /
rig=$1 prefix=$2
mount -t cgroup2 none /sys/fs/cgroup

mkdir "$rig/dev" "$rig/etc" "$rig/var"
mount -t tmpfs -o mode=755 dev "$rig/dev"
for node in null zero full random urandom tty; do
  touch "$rig/dev/$node" && mount --bind "/dev/$node" "$rig/dev/$node"
done
mkdir "$rig/dev/pts" "$rig/dev/shm" "$rig/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$rig/dev/pts"
mount -t tmpfs -o mode=1777 shm "$rig/dev/shm"
ln -s pts/ptmx "$rig/dev/ptmx"
for name in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -s "${name#*:}" "$rig/dev/${name%%:*}"; done

cp -a /etc/. "$rig/etc"
echo 5e7d5ea7f4ba4a3f8d0b6e0fd3a3a3c1 >"$rig/etc/machine-id"
: >"$rig/etc/fstab"
rm -rf "$rig"/etc/systemd/system "$rig"/etc/peerstage*
mkdir "$rig/etc/systemd/system"
mkdir "$rig"/var/{lib,log,cache,spool,tmp}
chmod 1777 "$rig/var/tmp"
ln -s /run "$rig/var/run"
# What a machine does at its beginning is done; of all that only the journal is wanted here.
for unit in /lib/systemd/system/{sysinit,local-fs,timers,sockets,basic}.target.wants/*; do
  case ${unit##*/} in
    systemd-journald.* | systemd-journald-dev-log.socket | dbus.socket) ;;
    *.target) ;;
    *) ln -sf /dev/null "$rig/etc/systemd/system/${unit##*/}" ;;
  esac
done
ln -sf /dev/null "$rig/etc/systemd/system/systemd-remount-fs.service"
cat >"$rig/etc/systemd/system/rig.target" <<END
[Unit]
Requires=basic.target
After=basic.target
END
mkdir -p "$rig/etc/systemd/journald.conf.d" "$rig/etc/systemd/system.conf.d"
# Looking for leaks takes ptrace, which our units have no use for otherwise. Only sanitizers read this.
printf '[Manager]\nDefaultEnvironment=ASAN_OPTIONS=detect_leaks=0\n' >"$rig/etc/systemd/system.conf.d/rig.conf"
printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitBurst=0\n' >"$rig/etc/systemd/journald.conf.d/rig.conf"

mount --rbind "$rig/dev" /dev
mount --bind "$rig/etc" /etc
mount --bind "$rig/var" /var
mount -t tmpfs -o mode=755 run /run
mount --bind "$rig/root$prefix" "$prefix"
systemd-sysusers
systemd-tmpfiles --create "$prefix/lib/tmpfiles.d/peerstage.conf"
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=peerstage-test \
  /lib/systemd/systemd --system --unit=rig.target --log-target=console --show-status=no
"""


def cgroup_root():
    """Where the unified hierarchy is mounted; None when it is not."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == "cgroup2":
            return Path(before.split()[4])
    return None


def own_cgroup():
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line[3:].lstrip("/")
    return ""


def why_not():
    """What this machine lacks for a systemd of our own; "" when it lacks nothing."""
    if not IS_ROOT:
        return "needs root"
    if not Path(PROGRAM).exists():
        return "systemd is not installed"
    if cgroup_root() is None:
        return "there is no unified hierarchy of control groups (cgroup2)"
    tried = subprocess.run(["unshare", "--fork", *NAMESPACES, "--mount-proc", "mount", "-t", "tmpfs", "none", "/run"],
                           capture_output=True, text=True)
    return f"namespaces cannot be had: {tried.stderr.strip()}" if tried.returncode else ""


def prefix_of(build):
    """Where the units expect the program; ours stands over it, so it must not be where the system's programs are."""
    for line in (build / "CMakeCache.txt").read_text().splitlines():
        if line.startswith("CMAKE_INSTALL_PREFIX:"):
            prefix = Path(line.partition("=")[2])
            if prefix in (Path("/"), Path("/usr")):
                raise unittest.SkipTest(f"the build is meant for {prefix}, which cannot be replaced")
            return prefix
    raise AssertionError(f"{build} is no build directory")


class Systemd:
    def __init__(self):
        self.build = binary().resolve().parent.parent
        self.prefix = prefix_of(self.build)
        self.directory = Path(tempfile.mkdtemp(prefix="peerstage-systemd-"))
        self.directory.chmod(0o755)
        self.cgroup = cgroup_root() / own_cgroup() / self.directory.name
        self.console = self.directory / "console"
        self.process = None

    def __enter__(self):
        try:
            self._install()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        if self.process is not None:
            kill_tree(self.process)   # process 1 takes all others of its namespace with it
        if self.cgroup.exists():
            wait_until(lambda: "populated 0" in (self.cgroup / "cgroup.events").read_text(), "the last process to end")
            for group, _, _ in os.walk(self.cgroup, topdown=False):
                os.rmdir(group)
        shutil.rmtree(self.directory)

    def _install(self):
        """As an administrator would; what is there is the program that the other tests run."""
        root = self.directory / "root"
        subprocess.run(["cmake", "--install", self.build], check=True, capture_output=True,
                       env={**os.environ, "DESTDIR": str(root)})
        installed = root / self.prefix.relative_to("/") / "bin" / "peerstage"
        shutil.copy(binary(), installed)
        installed.chmod(0o755)

    def _start(self):
        self.cgroup.mkdir()
        first = ["unshare", "--fork", "--kill-child", *NAMESPACES, "--mount-proc", "bash", "-c", BEGINNING, "rig",
                 str(self.directory), str(self.prefix)]
        # Into its control group first, so that this is the root of what it sees.
        enter = f'echo $$ >"{self.cgroup}/cgroup.procs"; exec "$@"'
        with open(self.console, "wb") as console:
            self.process = subprocess.Popen(["sh", "-c", enter, "sh", *first], stdin=subprocess.DEVNULL, stdout=console,
                                            stderr=console, start_new_session=True, cwd="/")
        wait_until(self._is_up, "systemd to start", 60)

    def _is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"systemd did not start:\n{self.console.read_text(errors='replace')}")
        below = children(self.process.pid)
        if not below:
            return False
        self.pid = below[0]
        if Path(f"/proc/{self.pid}/comm").read_text().strip() != "systemd":
            return False
        return self.run("systemctl", "is-active", "rig.target").stdout.strip() == "active"

    # --- inside

    def path(self, inside):
        """Where a file of /etc or /var of the namespaces is."""
        return self.directory / str(inside).lstrip("/")

    def write(self, inside, text, mode=0o644):
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def run(self, *command, timeout=60):
        """A command inside, to its end."""
        return subprocess.run(["nsenter", "--target", str(self.pid), *NAMESPACES, *map(str, command)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, cwd="/")

    def ctl(self, *arguments, timeout=60):
        return self.run("systemctl", *arguments, timeout=timeout)

    def show(self, unit, *properties):
        """{property: value} as `systemctl show` has it."""
        lines = self.ctl("show", unit, *(f"--property={name}" for name in properties)).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines)

    def state(self, unit):
        return self.show(unit, "ActiveState")["ActiveState"]

    def main_pid(self, unit):
        """As the namespaces have it: for `run("kill", ...)`."""
        return int(self.show(unit, "MainPID")["MainPID"])

    def drop_in(self, unit, text):
        self.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        self.ctl("daemon-reload")

    def journal(self, *matches):
        """The entries that match, as dictionaries."""
        self.run("journalctl", "--sync")
        lines = self.run("journalctl", "--output=json", "--all", "--no-pager", *matches).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def what_happened(self):
        """For the message of a test that failed."""
        return (f"\n--- journal\n{self.run('journalctl', '--no-pager', '--all').stdout[-8000:]}"
                f"\n--- console\n{self.console.read_text(errors='replace')[-2000:]}")


if __name__ == "__main__":   # for looking around: python3 tests/system/systemd.py [COMMAND...]
    lacking = why_not()
    if lacking:
        sys.exit(lacking)
    with Systemd() as rig:
        subprocess.run(["nsenter", "--target", str(rig.pid), *NAMESPACES, *(sys.argv[1:] or ["bash"])])
