#!/usr/bin/python3
"""Medians, ratios and bars, from rows that are written here."""
import unittest
import xml.dom.minidom

from figures import AGAIN, FIRST, LOCAL, MIB, Report, bars, ratio, summary
from plot import svg
from report import markdown, table
from works import log_normal_sizes, works


def row(program, *times, mode=FIRST, work="small", line="0 ms", limit=None, **values):
    run = {"cpu": 1.0, "server_cpu": 0.5, "memory": 10 * MIB, "memory_below": 20 * MIB, "sent": None, **values}
    return {"mode": mode, "work": work, "line": line, "program": program, "failure": None,
            "runs": [{**run, "seconds": time - 0.5, "synced": time, "over_limit": time == limit} for time in times]}


def report(*rows, **line):
    lines = [{"name": "0 ms", "milliseconds": 0, "round_trip_ms": 0.03, "megabytes_a_second": 2000.0},
             {"name": "50 ms", "milliseconds": 50, "round_trip_ms": 50.1, "megabytes_a_second": 100.0}]
    kinds = {name: {"about": "", "peers": 1, "files": 10, "bytes": 800_000_000} for name in works()}
    return {"rows": list(rows), "lines": lines, "works": kinds, "machine": {"cores": 2}, "ciphers": {}}


class SummaryTest(unittest.TestCase):
    def test_median_and_spread(self):
        for times, median in (((3.0, 1.0, 2.0), 2.0), ((4.0, 1.0, 2.0, 3.0), 2.5), ((5.0,), 5.0)):
            with self.subTest(times):
                found = summary(row("scp", *times))
                self.assertEqual((found.median, found.least, found.most, found.is_at_least),
                                 (median, min(times), max(times), False))

    def test_without_the_sync(self):
        self.assertEqual(summary(row("scp", 1.0, 2.0, 3.0), "seconds").median, 1.5)

    def test_median_among_runs_that_were_ended_is_at_least_that(self):
        for times, is_at_least in (((9.0,), True), ((1.0, 9.0), True), ((1.0, 2.0, 9.0), False)):
            with self.subTest(times):
                self.assertEqual(summary(row("scp", *times, limit=9.0)).is_at_least, is_at_least)

    def test_nothing_is_known_of_what_failed_or_never_ran(self):
        self.assertIsNone(summary(None))
        self.assertIsNone(summary(row("scp")))
        self.assertIsNone(summary({**row("scp", 1.0), "failure": "exit 1"}))

    def test_ratio(self):
        one, two = summary(row("a", 1.0)), summary(row("b", 2.0))
        self.assertEqual((ratio(two, one), ratio(one, two), ratio(one, None), ratio(None, one)), (2.0, 0.5, None, None))
        self.assertIsNone(ratio(two, summary(row("a", 1.0, limit=1.0))))

    def test_ratio_to_the_fastest_of_several(self):
        found = Report(report(row("peerstage", 2.0), row("rsync", 8.0), row("rsync gcm", 5.0)))
        self.assertEqual(found.ratio(FIRST, "small", "0 ms", ("rsync", "rsync gcm", "scp")), 2.5)
        self.assertIsNone(found.ratio(FIRST, "small", "0 ms", ("scp",)))


class BarsTest(unittest.TestCase):
    def bar(self, text, *rows, work="small", line="0 ms"):
        (found,) = [bar for bar in bars(report(*rows)) if text in bar.text and (bar.work, bar.line) == (work, line)]
        return found.is_met

    def test_nothing_measured_is_neither_met_nor_missed(self):
        self.assertEqual({bar.is_met for bar in bars(report())}, {None})

    def test_against_others(self):
        cases = [("tar", "tar", 1.0, True, {}), ("tar", "tar", 0.99, False, {}),
                 ("rsync", "rsync", 1.3, True, {}), ("rsync", "rsync", 1.29, False, {}),
                 ("cback3", "cback3", 20.0, True, {"work": "pool"}),
                 ("cback3", "cback3", 19.9, False, {"work": "pool"}),
                 ("eight", "8 rsyncs", 1.9, False, {"work": "pool"}),
                 ("scp", "scp", 3.0, True, {"work": "big", "line": "50 ms"}),
                 ("scp", "scp", 2.9, False, {"work": "big", "line": "50 ms"})]
        for text, rival, time, is_met, where in cases:
            with self.subTest(rival, time=time):
                rows = row("peerstage", 1.0, **where), row(rival, time, **where)
                self.assertIs(self.bar(text, *rows, **where), is_met)

    def test_a_second_time(self):
        rows = row("peerstage", 1.0, mode=AGAIN, sent=5000), row("rsync", 1.0, mode=AGAIN)
        self.assertIs(self.bar("rsync", *rows, work="small, again"), True)
        self.assertIs(self.bar("no data", *rows, work="small, again"), True)
        much = row("peerstage", 1.0, mode=AGAIN, sent=700_000)
        self.assertIs(self.bar("no data", much, work="small, again"), False)

    def test_on_this_machine(self):
        rows = row("peerstage", 1.0, mode=LOCAL, line="here"), row("cp", 0.9, mode=LOCAL, line="here")
        self.assertIs(self.bar("cp -a", *rows, work="small, local", line="here"), False)

    def test_share_of_the_line(self):
        for time, is_met in ((10.0, True), (10.1, False)):   # 800 MB at 100 MB/s
            subject = row("peerstage", time, work="big", line="50 ms")
            self.assertIs(self.bar("lets through", subject, work="big", line="50 ms"), is_met)

    def test_memory_is_the_most_of_all_rows_of_ours(self):
        large = {"memory": 41 * MIB, "memory_below": 65 * MIB}
        for rows, is_met in (([row("peerstage", 1.0), row("scp", 1.0, **large)], True),
                             ([row("peerstage", 1.0), row("peerstage", 1.0, work="big", **large)], False)):
            for whose in ("supervisor", "worker"):
                self.assertIs(self.bar(whose, *rows, work="all", line="all"), is_met)


class ShownTest(unittest.TestCase):
    def setUp(self):
        self.report = report(row("peerstage", 1.0, 2.0, 3.0), row("rsync", 4.0, 6.0, 5.0), row("scp", 9.0, limit=9.0),
                             {**row("tar"), "failure": "exit 1: <sorry>"})

    def test_tables(self):
        text = markdown(self.report)
        for words in (" 2.00 (1.00..3.00) |", " 5.00 (4.00..6.00) 2.50x |", " over 9.00 >4.50x |", " failed |",
                      "<sorry>", " 1.50 (0.50..2.50) |"):
            self.assertIn(words, text)

    def test_columns(self):
        self.assertEqual(table(["a", "b"], [["long", 1]]), "| a    | b |\n|------|--:|\n| long | 1 |\n")

    def test_picture_has_a_bar_for_each_program_that_did_it(self):
        drawn = xml.dom.minidom.parseString(svg(self.report))
        bars_drawn = [rect for rect in drawn.getElementsByTagName("rect") if "bar" in rect.getAttribute("class")]
        widths = [float(rect.getAttribute("width")) for rect in bars_drawn]
        self.assertEqual(len(widths), 3)
        self.assertAlmostEqual(widths[1] / widths[0], 2.5, 1)


class WorksTest(unittest.TestCase):
    def test_sizes(self):
        sizes = {name: (len(work.peers), work.files, work.size >> 20) for name, work in works().items()}
        self.assertEqual({**sizes, "collect": sizes["collect"][:2]},
                         {"small": (1, 10_000, 39), "mid": (1, 200, 200), "big": (1, 1, 4096), "collect": (1, 12),
                          "pool": (100, 300, 500)})

    def test_archives_are_the_same_each_time_and_below_the_largest(self):
        sizes = log_normal_sizes(12, 60, 1.2)
        self.assertEqual(sizes, sorted(sizes))
        self.assertTrue(400 < sizes[-1] < 500, sizes)


if __name__ == "__main__":
    unittest.main()
