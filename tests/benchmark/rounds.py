"""All programs in turns: who does what when, whether it did it, and what it took."""
import datetime
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from figures import AGAIN, FIRST, HERE, LOCAL
from line import LineKind, measure as measure_line
from measuring import cpu_of_children, measure
from stand import cipher_in
from works import MARKER, content, make, warm_up, works

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from pool import binary  # noqa: E402


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def machine(stand, options):
    def output(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / (1 << 20)
    packages = ["openssh-client", "openssh-server", "rsync", "lftp", "rclone", "cedar-backup3", "tar", "coreutils"]
    versions = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}, ", *packages], capture_output=True,
                              text=True).stdout.rstrip(", ")
    place = stand.file_system()
    return {
        "when": f"{datetime.datetime.now():%Y-%m-%d %H:%M}", "processor": processor[1] if processor else "unknown",
        "cores": os.cpu_count(), "memory": f"{memory:.0f} GiB", "kernel": platform.release(),
        "load at the beginning": "{:.1f} {:.1f} {:.1f}".format(*os.getloadavg()),
        "destination": f"{place['fstype']} on {place['source']}, {place['options']}",
        "peerstage": output(binary(), "--version").splitlines()[0], "programs": versions,
        "rounds": options.rounds, "scale": options.scale}


class Bench:
    def __init__(self, stand, programs, options):
        self.stand, self.programs, self.options = stand, programs, options
        self.works = {name: works(options.scale)[name] for name in options.works}
        self.rows = {}
        self.sums = {}   # {work: {peer: content of its source}}

    def report(self):
        report = {"version": 1, "machine": machine(self.stand, self.options), "lines": [], "rows": [], "ciphers": {},
                  "works": {work.name: {"about": work.about, "peers": len(work.peers), "files": work.files,
                                        "bytes": work.size} for work in self.works.values()}}
        for work in self.works.values():
            say(f"making {work.name}")
            make(work, self.source(work))
            self.sums[work.name] = {peer: content(self.source(work) / peer) for peer in work.peers}
        over_lines = [mode for mode in self.options.modes if mode != LOCAL]
        if over_lines:
            report["ciphers"] = self.ciphers()
            self.counted = self.stand.route(LineKind(0)) if AGAIN in over_lines else None
            for kind in self.options.lines:
                say(f"measuring the line: {kind}")
                report["lines"].append({"name": str(kind), "milliseconds": kind.milliseconds, "rate": kind.rate,
                                        **measure_line(kind, 2 * min(1, max(0.1, self.options.scale)))})
            for kind in self.options.lines:
                route = self.stand.route(kind, direct=kind.is_direct)
                for work in self.works.values():
                    self.rounds(work, route, "many" if work.name == "pool" else "one", over_lines)
        if LOCAL in self.options.modes:
            for work in self.works.values():
                self.rounds(work, None, "local", [LOCAL])
        report["rows"] = list(self.rows.values())
        return report

    def source(self, work):
        return self.stand.directory / "data" / work.name

    def ciphers(self):
        """{program: what it agrees on with a server}; shows as well that each of them works."""
        work = works(0.0001)["small"]
        source = self.stand.directory / "try"
        make(work, source)
        route, sshd = self.stand.talkative_route()
        found = {}
        for program in self.programs:
            if program.modes == {"local"}:
                continue
            job = self.stand.job(source, list(work.peers), route)
            logged = len(sshd.log_text())
            run = measure(program.command(job), job.destination, self.stand.environment, 60)
            found[program.name] = cipher_in(sshd.log_text()[logged:])
            remove_markers(job)
            say(f"{program.name}: {found[program.name] or run.output}")
        return found

    def rounds(self, work, route, way, modes):
        """All programs that can do it, in turns."""
        able = [program for program in self.programs if way in program.modes]
        for number in range(self.options.rounds):
            turned = number % max(1, len(able))
            for program in able[turned:] + able[:turned]:
                self.one_turn(work, route, program, modes, f"round {number + 1}/{self.options.rounds}")

    def row(self, work, route, program, mode):
        line = str(route.kind) if route else HERE
        return self.rows.setdefault((mode, work.name, line, program.name), new_row(mode, work.name, line, program.name))

    def one_turn(self, work, route, program, modes, when):
        """Into an empty directory, and perhaps once more. What failed or took too long once is not tried again."""
        again = AGAIN in modes and program.can_repeat
        if modes == [AGAIN] and not again:
            return
        mode = LOCAL if route is None else FIRST
        row = self.row(work, route, program, mode) if mode in modes else new_row(mode, work.name, None, program.name)
        if hopeless(row) or (again and hopeless(self.row(work, route, program, AGAIN))):
            return
        job = self.stand.job(self.source(work), list(work.peers), route)
        remove_markers(job)
        warm_up(job.source)
        done = self.measure_into(row, program, job, f"{when}, {route.kind if route else HERE}, {work.name}, {mode}")
        if not (done and again):
            return
        row = self.row(work, route, program, AGAIN)
        warm_up(job.source)
        os.sync()
        done = self.measure_into(row, program, job, f"{when}, {route.kind}, {work.name}, {AGAIN}")
        if done and len(row["runs"]) == 1 and not route.line:
            row["runs"][0]["sent"] = self.sent_again(program, job)

    def measure_into(self, row, program, job, what):
        """True when it did what it had to."""
        self.stand.wait_for_server()
        command = program.command(job)
        server_cpu = cpu_of_children(self.stand.sshd.process.pid)
        sent = job.route.sent() if job.route else None
        run = measure(command, job.destination, self.stand.environment, self.options.limit)
        self.stand.wait_for_server()
        row["failure"] = None if run.over_limit else failure(program, job, run, self.sums[row["work"]])
        if row["failure"]:
            say(f"{what}: {program.name} FAILED: {row['failure']}")
            return False
        row["runs"].append({
            "seconds": run.seconds, "synced": run.synced, "cpu": run.cpu, "memory": run.memory,
            "memory_below": run.memory_below, "over_limit": run.over_limit,
            "server_cpu": cpu_of_children(self.stand.sshd.process.pid) - server_cpu,
            "sent": None if sent is None else job.route.sent() - sent})
        say(f"{what}: {program.name} " + ("ended at the limit" if run.over_limit else
                                          f"{run.seconds:.2f} s, {run.synced - run.seconds:.2f} s to sync"))
        return not run.over_limit

    def sent_again(self, program, job):
        """Once more, over a line that counts and does nothing else."""
        before = self.counted.sent()
        job = self.stand.same_job(job, self.counted)
        measure(program.command(job), job.destination, self.stand.environment, self.options.limit)
        self.stand.wait_for_server()
        return self.counted.sent() - before


def new_row(mode, work, line, program):
    return {"mode": mode, "work": work, "line": line, "program": program, "runs": [], "failure": None}


def hopeless(row):
    return row["failure"] is not None or any(run["over_limit"] for run in row["runs"])


def remove_markers(job):
    """What tells a peer that it is staged; no program shall have to copy it."""
    for peer in job.peers:
        (job.source / peer / MARKER).unlink(missing_ok=True)


def failure(program, job, run, sums):
    """Why the result is not what the source is ({peer: content}); None: it is."""
    if run.exit != 0:
        return f"exit {run.exit}: {run.output.strip()[-2000:]}"
    own = program.own_files | {MARKER}
    for peer in job.peers:
        try:
            copied = content(program.place(job.destination, peer))
        except ValueError:
            copied = {}
        wrong = sorted(name for name in (sums[peer].keys() | copied.keys()) - own
                       if sums[peer].get(name) != copied.get(name))
        if wrong:
            return (f"{peer}: {len(wrong)} files differ, are missing or too many: {', '.join(wrong[:5])}: "
                    f"{run.output.strip()[-2000:]}")
    return None
