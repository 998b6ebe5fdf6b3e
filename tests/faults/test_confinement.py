#!/usr/bin/python3
"""What a worker may do, tried from inside one: confinement_probe.cpp goes into the program as it is, and tries everything in
the process of a worker that has confined itself. What is not refused is listed here, with its reason."""
import datetime
import errno
import grp
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]
from case import PoolTest, needs_root  # noqa: E402
from pool import IS_ROOT, binary, snapshot  # noqa: E402
from system_calls import refusing  # noqa: E402

PROBE = Path(os.environ.get("PEERSTAGE_PROBE", binary().with_name("libconfinement_probe.so")))
ORDINARY_ID = 61234      # of a user whom only a mount namespace knows

# A worker has the day of its run and the unfinished transfers for writing, those of its neighbours as well: it publishes by
# renaming in the day, and Landlock's rules are about whole trees.
OWN_PLACES = {f"write.{place}.{what}" for place in ("today", "spools")
              for what in ("create", "tmpfile", "open", "append", "cut_while_reading", "rename", "link", "mkdir", "fchmod",
                           "unlink")}
# Name servers are asked over datagrams, and daemons of the name service, or an agent, over their sockets. The modules of
# the name service have their settings in /etc, and nobody knows which.
NETWORK = {"network.datagram", "network.unix", "read.etc"}
# Programs: sha256sum, by which a local peer is asked for its sums.
PROGRAMS = {f"process.{what}" for what in ("fork", "execve", "shell", "fexecve")}


class Confinement(PoolTest):
    def make_pool(self, kind="remote", **staging):
        """With one peer; its worker only waits, and is one of those that are attacked. Local peers come first."""
        if not PROBE.exists():
            self.skipTest(f"there is no {PROBE}: build confinement_probe, or name it in $PEERSTAGE_PROBE")
        if re.search("lib[at]san", subprocess.run(["ldd", binary()], capture_output=True, text=True).stdout):
            self.skipTest("a sanitizer has to come first where libraries are put in")
        pool = super().make_pool(**staging)
        getattr(pool, kind)("bystander", {"file": b"of the one who sits"})
        pool.secret = pool.directory / "secret"
        pool.secret.write_text("of root")
        pool.secret.chmod(0o600)
        pool.program = pool.directory / "program"
        shutil.copy("/bin/true", pool.program)
        pool.program.chmod(0o4755 if IS_ROOT else 0o755)
        pool.places = {name: self.place(pool, path) for name, path in {
            "day": pool.staging / "2020/01/01/attacked", "other_day": pool.staging / "2020/01/01/bystander",
            "state": pool.directory / "state", "runtime": pool.directory / "run", "log": pool.directory / "logs",
            "tmp": Path(tempfile.mkdtemp(prefix="peerstage-probe-")), "canary": pool.directory / "bait"}.items()}
        self.addCleanup(shutil.rmtree, pool.places["tmp"])
        return pool

    @staticmethod
    def place(pool, path):
        """Whose rights are no obstacle."""
        path.mkdir(parents=True, exist_ok=True)
        (path / "file").write_text("content")
        for each in (path / "file", path, *path.parents):
            if each == pool.staging or each in (pool.directory, Path("/tmp")):
                break
            if IS_ROOT:
                shutil.chown(each, pool.user, pool.group)
            each.chmod(0o777 if each.is_dir() else 0o666)
        return path

    def listeners(self, pool):
        """(port, path) where somebody listens who has nothing to do with it."""
        tcp = socket.create_server(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        path = pool.directory / "socket"
        here, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        here.bind(str(path))
        path.chmod(0o777)
        abstract.bind(f"\0probe-{port}")
        for each in (here, abstract):
            each.listen()
        for each in (tcp, here, abstract):
            self.addCleanup(each.close)
        return port, path

    def probe(self, pool, *words, wrapper=(), landlock=""):
        """Runs the program with the probe in it: {attempt: errno}, and the result."""
        port, path = self.listeners(pool)
        files = {"config": pool.config, "other_day": pool.places["day"] / "file", "secret": pool.secret,
                 "program": pool.program, "etc": "/etc/hostname", "stray": pool.canary / "precious",
                 "bystanders_source": pool.peers[0].collect / "file"}
        places = dict(pool.places, staging=pool.staging, etc="/etc")
        as_list = lambda names: ":".join(f"{name}={where}" for name, where in names.items())  # noqa: E731
        settings = {"LD_PRELOAD": PROBE, "PROBE_COLLECT": pool.directory / "peers", "PROBE_PLACES": as_list(places),
                    "PROBE_FILES": as_list(files), "PROBE_PORT": port, "PROBE_SOCKET": path,
                    "PROBE_LANDLOCK": landlock}
        before = self.outside(pool)
        result = pool.run(*words, wrapper=[*wrapper, "env", *(f"{name}={value}" for name, value in settings.items())])
        told = [line.split()[1:] for line in result.stderr.splitlines() if line.startswith("probe ")]
        attempts = {name: int(number) for name, number in told}
        self.assertEqual(attempts.pop("end", None), 0, f"the probe did not come to its end: {result}")
        self.touched = {name for name, then in before.items() if self.outside(pool)[name] != then}
        return attempts, result

    @staticmethod
    def outside(pool):
        return {name: snapshot(place) for name, place in pool.places.items() if name not in ("today", "spools")}

    def own_places(self, pool):
        """Where the worker works, with something of somebody else."""
        today = self.today(pool)
        pool.places["today"] = self.place(pool, today / "neighbour")
        pool.places["spools"] = self.place(pool, pool.staging / ".peerstage/neighbour")

    @staticmethod
    def today(pool):
        return pool.staging / datetime.date.today().strftime("%Y/%m/%d")

    def assert_refused(self, name, attempts, allowed):
        let = {attempt for attempt, number in attempts.items() if number == 0}
        who = "root" if IS_ROOT else "user"
        print(f"faults: confinement.{name}.{who}: {len(attempts)} attempts, {len(attempts) - len(let)} refused, "
              f"{len(let & allowed)} allowed on purpose, {len(let - allowed)} violations", flush=True)
        self.assertGreater(len(attempts), 150)
        self.assertEqual(let - allowed, set(), "a worker was let")
        self.assertEqual(allowed - let, set(), "refused by now: take it from the list")
        # A filter or Landlock says so; anything else means that the attempt was no attempt.
        strange = {a: errno.errorcode[n] for a, n in attempts.items()
                   if n not in (0, errno.EPERM, errno.EACCES, errno.ENOSYS, *EXPECTED_ERRORS.get(a, ()))}
        self.assertEqual(strange, {}, "these failed for another reason")


# Refused in their own words.
EXPECTED_ERRORS = {
    "privilege.tty": (errno.ENXIO,), "privilege.kmsg": (errno.ENOENT,), "privilege.mem": (errno.ENOENT,),
    "limit.memory": (errno.ENOMEM,), "privilege.no_new_privs": (errno.EINVAL,),
}


class Staging(Confinement):
    def test_the_worker_of_a_remote_peer_is_let_nothing_but_its_work(self):
        pool = self.make_pool()
        pool.remote("attacked", {"file": b"content"})
        self.own_places(pool)
        attempts, result = self.probe(pool, "stage", "--json")
        self.assert_refused("remote", attempts, OWN_PLACES | NETWORK)
        self.assert_went_on(pool, result)

    def test_the_worker_of_a_local_peer_is_let_nothing_but_its_work(self):
        pool = self.make_pool("local")
        pool.local("attacked", {"file": b"content"})
        self.own_places(pool)
        attempts, result = self.probe(pool, "stage", "--json")
        self.assert_refused("local", attempts, OWN_PLACES)
        self.assert_went_on(pool, result)

    def test_the_worker_that_asks_a_local_peer_for_its_sums_may_run_programs_of_the_system_besides(self):
        pool = self.make_pool("local", verify="checksum")
        pool.local("attacked", {"file": b"content"})
        self.own_places(pool)
        attempts, result = self.probe(pool, "stage", "--json")
        self.assert_refused("checksum", attempts, OWN_PLACES | PROGRAMS)
        self.assert_went_on(pool, result)

    def test_a_worker_of_a_dry_run_changes_nothing_anywhere(self):
        for kind in ("remote", "local"):
            with self.subTest(kind):
                pool = self.make_pool(kind)
                getattr(pool, kind)("attacked", {"file": b"content"})
                self.own_places(pool)
                attempts, result = self.probe(pool, "stage", "--json", "--dry-run")
                let = {name for name, number in attempts.items() if number == 0}
                may = {f"write.{place}.fchmod" for place in ("today", "spools")}
                self.assert_refused(f"dry_{kind}", attempts, may | (NETWORK if kind == "remote" else set()))
                self.assertTrue(let)
                self.assert_exit(result, 0)

    def assert_went_on(self, pool, result):
        self.assert_exit(result, 0)
        self.assert_statuses(result, bystander="staged", attacked="staged")
        self.assertEqual(self.touched, set(), "what is outside was touched")
        for peer in pool.peers:
            self.assert_staged(pool, result, peer)


class Commands(Confinement):
    """Workers without a place."""

    def test_the_worker_of_a_managed_action_is_let_nothing_but_its_work(self):
        pool = self.make_pool()
        pool.options["rsh_command"] = "/usr/bin/ssh"
        pool.options["managed_actions"] = "collect"
        for peer in (pool.peers[0], pool.remote("attacked")):
            peer.elements.update(managed="Y", cback_command="/bin/true")
        attempts, result = self.probe(pool, "-N", "--json", "collect")
        self.assert_refused("managed", attempts, NETWORK)
        self.assert_exit(result, 0)
        self.assertEqual(self.touched, set())

    def test_the_worker_of_a_command_for_a_remote_peer_is_let_nothing_but_its_work(self):
        pool = self.make_pool()
        pool.remote("attacked")
        attempts, result = self.probe(pool, "exec", "--", "true")
        self.assert_refused("exec", attempts, NETWORK)
        self.assert_exit(result, 0)
        self.assertEqual(self.touched, set())


class OlderKernels(Confinement):
    """What a kernel lacks is refused to the program here."""

    def test_without_landlock_the_run_says_so_once_and_other_processes_stay_out_of_reach(self):
        pool = self.make_pool()
        pool.remote("attacked", {"file": b"content"})
        attempts, result = self.probe(pool, "stage", "--json",
                                      wrapper=refusing("landlock_create_ruleset", errno.EOPNOTSUPP))
        self.assert_exit(result, 0)
        self.assertEqual(result.log.count("this kernel has no Landlock"), 1, str(result))
        others = {name for name, number in attempts.items() if number == 0
                  and name.split(".")[0] in ("signal", "process", "lasting", "privilege")}
        self.assertEqual(others, {"privilege.ptmx"}, str(result))  # a file like others
        # What every process may know of every other.
        looks = {name for name, number in attempts.items() if number == 0 and name.startswith("look.")}
        self.assertEqual(looks, {f"look.{who}.cmdline" for who in ("supervisor", "worker")}, str(result))
        self.assertEqual(attempts["write.canary.create"], 0, "Landlock was not missing at all")

    def test_a_landlock_that_does_not_know_cutting_lets_nothing_be_cut(self):
        pool = self.make_pool("local")
        pool.local("attacked", {"file": b"content"})
        self.own_places(pool)
        attempts, result = self.probe(pool, "stage", "--json", landlock=2)
        # Who would cut a file has to be able to write to it.
        while_reading = {f"write.{place}.cut_while_reading" for place in ("today", "spools")}
        self.assert_refused("landlock_2", attempts, OWN_PLACES - while_reading)
        self.assert_exit(result, 0)
        self.assertEqual(self.touched, set(), "what is outside was touched")

    def test_without_filters_the_run_says_so_once(self):
        pool = self.make_pool()
        pool.remote("attacked", {"file": b"content"})
        result = pool.run("stage", "--json", wrapper=refusing("seccomp", errno.ENOSYS))
        self.assert_exit(result, 0)
        self.assertEqual(result.log.count("this kernel has no system call filters"), 1, str(result))
        self.assertEqual(result.log.count("this kernel has no Landlock"), 0, str(result))

    def test_a_command_and_a_managed_action_say_so_too(self):
        pool = self.make_pool()
        pool.options["rsh_command"] = "/usr/bin/ssh"
        pool.options["managed_actions"] = "collect"
        pool.peers[0].elements.update(managed="Y", cback_command="/bin/true")
        without = refusing("landlock_create_ruleset", errno.ENOSYS)
        self.assertIn("no Landlock", pool.run("exec", "--", "true", wrapper=without).stderr)
        self.assertIn("no Landlock", pool.run("-N", "--json", "collect", wrapper=without).log)

    def test_a_kernel_that_has_everything_is_not_mentioned(self):
        pool = self.make_pool()
        result = pool.run("stage", "--json")
        self.assertNotIn("this kernel", result.log + result.stderr)


@needs_root
class AsAnOrdinaryUser(PoolTest):
    def test_all_of_this_holds_where_workers_and_supervisor_are_of_one_user(self):
        with tempfile.TemporaryDirectory() as home:
            os.chown(home, ORDINARY_ID, -1)
            passwd = Path(home, "passwd")
            passwd.write_text(Path("/etc/passwd").read_text()
                              + f"ordinary:*:{ORDINARY_ID}:{grp.getgrnam('nogroup').gr_gid}::{home}:/bin/sh\n")
            command = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', passwd, "setpriv",
                       f"--reuid={ORDINARY_ID}", "--regid=nogroup", "--clear-groups", "/usr/bin/python3", "-B",
                       Path(__file__).resolve()]
            environment = {**os.environ, "HOME": home, "PEERSTAGE": str(binary()), "PEERSTAGE_PROBE": str(PROBE)}
            result = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)
        print("".join(f"{line}\n" for line in result.stdout.splitlines() if line.startswith("faults:")), end="", flush=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
