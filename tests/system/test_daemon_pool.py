#!/usr/bin/python3
"""A hundred peers, some of them down, hanging or late; and thousands of runs in one daemon.

PEERSTAGE_RUNS=N sets the number of runs.
"""
import os
import threading
import time
import unittest

from case import PoolTest, measures_memory
from daemon import Daemon
from delay_proxy import DelayProxy
from processes import children, free_port, wait_until

RUNS = int(os.environ.get("PEERSTAGE_RUNS", "2000" if os.environ.get("PEERSTAGE_FAULTS") == "long" else "100"))
WARM_UP = 20
GOOD, DOWN, HANGING, LATE = 70, 10, 10, 10
LATE_BY = 6   # seconds
# Bytes that a server sends before it says nothing any more: its version, the key exchange, the login, the transfer.
STALLS = (0, 20, 500, 1500, 2500, 3200, 3600, 4200, 6000, 12000)


class HundredPeers(PoolTest):
    def add_remote(self, name, files, **elements):
        sshd = self.pool.sshd
        elements = {"address": sshd.addresses[0], "port": sshd.port, **elements}
        return self.pool.remote(name, files, **elements)

    def time_of(self, daemon, peers):
        """Seconds until all of `peers` are staged, and the run."""
        began = time.monotonic()
        run = daemon.start_job()
        wait_until(lambda: self.look(daemon, peers), "all good peers are staged", 120)
        return time.monotonic() - began, run

    def look(self, daemon, peers):
        """Whether they are all staged; and what the state says has to be so at every moment."""
        state = daemon.status()
        self.looks += 1
        conditions = {peer["name"]: peer["condition"] for peer in state["peers"]}
        for peer in peers:
            if conditions[peer.name] == "good":
                self.assertTrue(peer.marker.exists(), f"{peer.name} is said to be good")
        if state["run"] is not None:
            self.assertLessEqual(sum(c in ("connecting", "transferring") for c in conditions.values()), 32)
        return all(conditions[peer.name] == "good" for peer in peers)

    def test_ten_down_ten_hanging_and_ten_late_cost_the_others_little(self):
        self.looks = 0
        self.pool = self.make_pool(parallel_peers=16, wait_for_collect="60s", poll_interval="1s", retries=0)
        self.pool.ssh_settings = {"connect_timeout": "8s", "idle_timeout": "8s"}
        content = os.urandom(200_000)
        good = [self.add_remote(f"good{n}", {"data": content + bytes([n]), "etc/x": b"x"}) for n in range(GOOD)]
        daemon = Daemon(self.pool)
        daemon.start()
        alone, run = self.time_of(daemon, good)
        daemon.wait_for(run)
        daemon.stop()
        for peer in good:
            peer.marker.unlink()
            peer.write("data", content + b"another day" + peer.name.encode())

        closed = free_port(self.pool.sshd.addresses[0])
        down = [self.add_remote(f"down{n}", {"a": b"a"}, port=closed) for n in range(DOWN)]
        late = [self.add_remote(f"late{n}", None) for n in range(LATE)]
        for peer in late:
            peer.write("data", content)
        proxies = [DelayProxy(("127.0.0.1", 0), (self.pool.sshd.addresses[0], self.pool.sshd.port), stall=stall)
                   for stall in STALLS]
        for proxy in proxies:
            proxy.__enter__()
            self.addCleanup(proxy.__exit__)
        hanging = [self.add_remote(f"hanging{n}", {"data": content}, address="127.0.0.1", port=proxy.address[1])
                   for n, proxy in enumerate(proxies)]
        # What hangs and what is down comes first, where it would be in the way most.
        self.pool.peers = hanging + down + late + good
        daemon.start()
        ready = threading.Timer(LATE_BY, lambda: [peer.ready() for peer in late])
        ready.start()
        self.addCleanup(ready.join)
        with_others, run = self.time_of(daemon, good + late)
        document = daemon.wait_for(run, 120)
        print(f"{GOOD} good peers alone {alone:.2f} s; with {DOWN} down, {HANGING} hanging and {LATE} late by {LATE_BY} s "
              f"{with_others:.2f} s, {self.looks} looks at the state", flush=True)

        statuses = {peer["name"]: peer["status"] for peer in document["peers"]}
        expected = {peer.name: "staged" for peer in good + late} | {peer.name: "failed" for peer in down + hanging}
        self.assertEqual(statuses, expected)
        self.assertEqual(document["run"]["status"], "failed")
        for peer in good + late:
            result = self.pool.run("files", peer.name, time.strftime("%Y-%m-%d"), "--json", write=False)
            self.assertEqual({entry["name"]: entry["sha256"] for entry in result.json["files"]}, peer.content())
        self.assert_sound(self.pool)
        daemon.stop()
        self.assertLess(with_others, 1.3 * alone + LATE_BY + 6, "somebody waited for those that hang")


class ManyRuns(PoolTest):
    """Weeks of uptime in a minute: a local and a remote peer with new files for every run, and one that fails."""

    def held(self, daemon):
        """What must not grow by one, and the memory, which may a little, when what comes after a run is done."""
        looks = []

        def is_at_rest():
            time.sleep(0.05)
            looks.append(self.look(daemon))
            return len(looks) > 2 and looks[-1][0] == looks[-2][0] == looks[-3][0]
        wait_until(is_at_rest, "the daemon is at rest")
        return looks[-1]

    def look(self, daemon):
        names = [descriptor.split(":")[0] for descriptor in daemon.descriptors()]
        left = sorted(os.listdir(self.pool.staging / ".peerstage"))
        return (names, daemon.threads(), daemon.mappings(), children(daemon.process.pid), left), daemon.memory()

    @measures_memory
    def test_nothing_grows(self):
        self.pool = self.make_pool(special_files="fail")
        good = [self.pool.local("a", {"f": b"f"}), self.pool.remote("b", {"f": b"f"})]
        os.mkfifo(self.pool.local("c", {}).collect / "pipe")
        daemon = Daemon(self.pool)
        daemon.start()
        held = []
        for number in range(WARM_UP + RUNS + 1):
            if number in (WARM_UP, WARM_UP + RUNS // 2, WARM_UP + RUNS):   # whatever is made once has been made by then
                held.append(self.held(daemon))
            for peer in good:
                peer.write("f", str(number).encode())
            statuses = {peer["name"]: peer["status"] for peer in daemon.run_job()["peers"]}
            self.assertEqual(statuses, {"a": "staged", "b": "staged", "c": "failed"})
        print(f"faults: soak: {RUNS} runs, {' '.join(str(memory // 1024) for _, memory in held)} KiB before, in the "
              f"middle and after, {len(held[0][0][0])} descriptors, {held[0][0][1]} threads, "
              f"{daemon.cpu_seconds():.1f} s of CPU", flush=True)
        for later, memory in held[1:]:
            self.assertEqual(later, held[0][0])
            self.assertLess(memory - held[0][1], 2 << 20)
        self.assertEqual(daemon.catalog_rows("select count(*) from run where is_over = 1"), [(WARM_UP + RUNS + 1,)])
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
