"""A real OpenSSH server on loopback addresses, with keys of its own; works as root and as anyone else."""
import os
import pwd
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from processes import children, free_port, kill_tree, wait_until  # noqa: E402

SSHD = "/usr/sbin/sshd"


def make_key(path, kind="ed25519", passphrase=""):
    """A key pair; returns the public half's "type base64"."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", path], check=True)
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])


class Sshd:
    """Listens on `addresses`, all at one port. `settings` are lines of sshd_config that come after our own. With
    DEBUG1, every attempt to log in is in the log, also by methods that are not offered.

    What the user's own ~/.bashrc does is none of the tests' business: bash(1) reads it for the commands of a remote
    shell daemon, unless it takes itself for a shell within another one. There are some that take seconds, or wait for
    a lock that a killed test still holds."""

    def __init__(self, directory, addresses, settings="", authorized_keys=None, log_level="DEBUG1", environment=""):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.addresses = list(addresses)
        self.port = free_port(self.addresses[0])
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.log = self.directory / "sshd.log"
        self.settings = settings
        self.environment = environment   # more NAME=VALUE for those who log in
        self.log_level = log_level
        self.authorized_keys = authorized_keys or self.directory / "authorized_keys"
        self.host_key_path = self.directory / "host_key"
        self.process = None
        self._starts = 0
        self.host_key = make_key(self.host_key_path)

    def new_host_key(self):
        """Another key from now on, as after a reinstallation or with somebody in between."""
        for path in (self.host_key_path, Path(f"{self.host_key_path}.pub")):
            path.unlink()
        self.host_key = make_key(self.host_key_path)
        self.restart()

    def start(self):
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        listen = "".join(f"ListenAddress {address}:{self.port}\n" for address in self.addresses)
        configuration = self.directory / "sshd_config"
        configuration.write_text(
            f"{listen}HostKey {self.host_key_path}\nAuthorizedKeysFile {self.authorized_keys}\n"
            "PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n"
            f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel {self.log_level}\n"
            f"SetEnv SHLVL=1 {self.environment}\nMaxStartups 1000\nMaxSessions 100\nUseDNS no\nPrintMotd no\n"
            "Subsystem sftp internal-sftp\n" + self.settings)
        self._starts += 1
        self.process = subprocess.Popen([SSHD, "-D", "-f", configuration, "-E", self.log],
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        wait_until(self._listens, "sshd to listen")

    def _listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"sshd ended at once: {self.log.read_text()}")
        return self.log_text().count("Server listening on") >= self._starts * len(self.addresses)

    def sessions(self):
        """The pids of the processes that serve connections."""
        return children(self.process.pid) if self.process is not None else []

    def log_size(self):
        return self.log.stat().st_size if self.log.exists() else 0

    def log_text(self, begin=0):
        """What it logged; `begin` is an earlier log_size()."""
        if not self.log.exists():
            return ""
        with open(self.log, "rb") as file:
            file.seek(begin)
            return file.read().decode(errors="replace")

    def stop(self):
        if self.process is not None:
            kill_tree(self.process)
            self.process = None

    def restart(self):
        if self.process is not None:
            self.stop()
            self.start()
