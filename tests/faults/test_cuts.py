#!/usr/bin/python3
"""P29, P40: the line to a peer is cut, or goes silent, after the Nth byte of a short session, of what the peer sends or of what
it is sent. Nothing half is visible, the next run finishes; and with retries the run itself does."""
import unittest

from sweep import IS_LONG, SweepTest, spread
from delay_proxy import FROM_TARGET, TO_TARGET, DelayProxy

WHOSE = {FROM_TARGET: "what the peer sends", TO_TARGET: "what the peer is sent"}
STEP = 16      # bytes; no packet of SSH is shorter, so that each is cut
SHORT, FEW = 12, 4
LONG_STALLS = 60


class CutTest(SweepTest):
    def set_up(self, **staging):
        self.pool = self.make_sweep_pool(**staging)
        self.pool.ssh_settings["idle_timeout"] = "1s"
        (far,) = [peer for peer in self.pool.peers if peer.kind == "remote"]
        self.proxy = DelayProxy((far.address, 0), (far.address, self.pool.sshd.port))
        self.proxy.__enter__()
        self.addCleanup(self.proxy.__exit__)
        far.elements["port"] = self.proxy.address[1]
        self.checker = self.new_checker()
        self.first_run()
        self.save()

    def setUp(self):
        pass   # each test has its own settings

    def session_bytes(self, count):
        """How much one whole session is."""
        self.restore()
        self.proxy.begin_again()
        self.assert_exit(self.pool.stage(), 0)
        return self.proxy.from_target if count == FROM_TARGET else self.proxy.to_target

    def disturbed_line(self, **how):
        self.restore()
        self.checker.before()
        self.proxy.begin_again(**how)
        result = self.pool.stage()
        has_fired = self.proxy.has_fired
        self.proxy.begin_again()
        return result, has_fired

    def lose(self, n, **how):
        """The peer fails, and the next run mends it."""
        result, has_fired = self.disturbed_line(**how)
        problems = self.checker.after_fault(result, within=30)
        return has_fired, f"{n} bytes", problems + self.problems_afterwards()

    def recover(self, n, **how):
        """The run itself mends it."""
        result, has_fired = self.disturbed_line(**how)
        problems = self.checker.after_clean(result, within=30)
        if result.exit != 0:
            problems.append(f"exit {result.exit}{result}")
        return has_fired, f"{n} bytes", problems

    def points_of(self, count, short, long=None):
        size = self.session_bytes(count) * 19 // 20   # sessions are not all of one length
        return range(1, size, STEP) if IS_LONG and not long else spread(size - 1, long if IS_LONG else short)

    def test_line_cut_after_each_byte_costs_one_run(self):
        self.set_up()
        for count, whose in WHOSE.items():
            with self.subTest(whose):
                self.sweep(f"cuts, {whose}", lambda n, count=count: self.lose(n, cut=n, count=count),
                           self.points_of(count, SHORT), until_survival=False)

    def test_line_cut_after_each_byte_is_made_good_by_a_retry(self):
        self.set_up(retries=2, retry_delay="10ms")
        for count, whose in WHOSE.items():
            with self.subTest(whose):
                self.sweep(f"cuts with retries, {whose}", lambda n, count=count: self.recover(n, cut=n, count=count),
                           self.points_of(count, SHORT), until_survival=False)

    def test_line_that_goes_silent_costs_one_run_and_ends_at_the_idle_timeout(self):
        self.set_up()
        for count, whose in WHOSE.items():
            with self.subTest(whose):
                self.sweep(f"stalls, {whose}", lambda n, count=count: self.lose(n, stall=n, count=count),
                           self.points_of(count, FEW, LONG_STALLS), until_survival=False)


if __name__ == "__main__":
    unittest.main()
