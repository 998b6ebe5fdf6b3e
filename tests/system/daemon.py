"""A daemon on a pool: started, asked over its control socket, stopped, killed.

    with Pool() as pool:
        pool.local("web1", {"etc.tar": b"..."})
        daemon = Daemon(pool, "<job><name>nightly</name><schedule>30 2 * * *</schedule><actions>stage</actions></job>")
        daemon.start()
        run = daemon.run_job("nightly")
        assert run["run"]["status"] == "ok"
"""
import http.client
import json
import os
import signal
import socket
import sqlite3
import time
from pathlib import Path

from processes import wait_until

JOB = "<job><name>nightly</name><schedule>30 2 * * *</schedule><actions>stage</actions></job>"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Daemon:
    def __init__(self, pool, elements=JOB):
        self.pool = pool
        self.state = pool.make_directory("state")
        self.socket = self.state / "control.sock"
        self.catalog = self.state / "catalog.db"
        self.metrics = self.state / "peerstage.prom"
        self.process = None
        self.configure(elements)

    def configure(self, elements):
        self.pool.peerstage_elements = (
            f"<daemon>{elements}<catalog>{self.catalog}</catalog><control_socket>{self.socket}</control_socket>"
            f"<metrics_file>{self.metrics}</metrics_file></daemon>")

    # --- its life

    def start(self, **how):
        self.process = self.pool.start("daemon", **how)
        self.pool.wait_until(self.process, self.answers, "the daemon answers")
        return self

    def answers(self):
        try:
            return self.get("/v1/status")["daemon"]["pid"] == self.process.pid
        except (OSError, http.client.HTTPException):
            return False

    def stop(self, deadline=15):
        """In good order, as systemd does it."""
        self.process.send_signal(signal.SIGTERM)
        return self.pool.finish(self.process, deadline)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return self.pool.finish(self.process)

    # --- asking it

    def request(self, method, target, body=None, timeout=10):
        """(status, document)"""
        connection = UnixConnection(self.socket, timeout)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, target, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            data = answer.read()
            is_json = answer.headers.get("Content-Type", "").startswith("application/json")
            return answer.status, json.loads(data) if is_json else data.decode()
        finally:
            connection.close()

    def get(self, target):
        status, document = self.request("GET", target)
        assert status == 200, (status, document)
        return document

    def post(self, target, body=None):
        status, document = self.request("POST", target, body)
        assert status in (200, 202), (status, document)
        return document

    def status(self):
        return self.get("/v1/status")

    def peer(self, name):
        (found,) = [peer for peer in self.status()["peers"] if peer["name"] == name]
        return found

    def start_job(self, name="nightly"):
        return self.ticket(self.post("/v1/runs", {"job": name}))

    @staticmethod
    def ticket(document):
        return document["run"]["id"] if isinstance(document.get("run"), dict) else document["id"]

    def over(self, run):
        """The document of a run that is over, else None."""
        status, document = self.request("GET", f"/v1/runs/{run}")
        return document if status == 200 and document["run"]["over"] else None

    def wait_for(self, run, seconds=60):
        found = []

        def is_over():
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended: {self.pool._result(self.process)}")
            document = self.over(run)
            found[:] = [document] if document else []
            return bool(found)
        wait_until(is_over, f"run {run} is over", seconds)
        return found[0]

    def run_job(self, name="nightly", seconds=60):
        return self.wait_for(self.start_job(name), seconds)

    # --- what it holds

    def descriptors(self):
        return sorted(os.readlink(f"/proc/{self.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{self.process.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def mappings(self):
        """How many files are mapped, and how often."""
        lines = Path(f"/proc/{self.process.pid}/maps").read_text().splitlines()
        return len([line for line in lines if "/" in line])

    def memory(self):
        """Resident, in bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def catalog_rows(self, query, *values):
        with sqlite3.connect(f"file:{self.catalog}?mode=ro", uri=True) as database:
            return database.execute(query, values).fetchall()
