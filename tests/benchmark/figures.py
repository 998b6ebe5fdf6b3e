"""From what was measured to what is said of it: medians, spread, ratios, and which of the bars are met.

A report is what --json writes: {"lines": [...], "works": {...}, "rows": [...]}. A row is one program at one work over
one line: {"mode", "work", "line", "program", "runs": [...], "failure"}. A run is {"seconds", "synced", "cpu",
"server_cpu", "memory", "memory_below", "sent", "over_limit"}, sizes in bytes.
"""
import dataclasses
import statistics

FIRST, AGAIN, LOCAL = "first", "again", "local"
HERE = "here"   # the line of what is on this machine
SUBJECT = "peerstage"
MIB = 1 << 20
MEGABYTE = 1_000_000


@dataclasses.dataclass(frozen=True)
class Summary:
    median: float
    least: float
    most: float
    is_at_least: bool = False   # the median is that of runs that were ended at the limit: it would be more


def summary(row, field="synced"):
    """None where there are no runs, or where it failed."""
    if row is None or row.get("failure") or not row["runs"]:
        return None
    runs = sorted(row["runs"], key=lambda run: (run["over_limit"], run[field]))
    values = [run[field] for run in runs]
    # Half of them and more were ended: then nobody knows the median.
    is_at_least = runs[len(runs) // 2]["over_limit"]
    return Summary(statistics.median(values), min(values), max(values), is_at_least)


def ratio(other, subject):
    """How many times as long the other one takes; None where one of the two is not known."""
    if other is None or subject is None or subject.median == 0 or subject.is_at_least:
        return None
    return other.median / subject.median


def most(row, field):
    return max((run[field] for run in row["runs"] if run[field] is not None), default=None)


@dataclasses.dataclass(frozen=True)
class Bar:
    line: str
    work: str
    text: str
    value: str
    is_met: bool | None   # None: not measured


class Report:
    """The rows of a report, found by what they are about."""

    def __init__(self, report):
        self.report = report
        self.rows = {(row["mode"], row["work"], row["line"], row["program"]): row for row in report["rows"]}

    def row(self, mode, work, line, program):
        return self.rows.get((mode, work, line, program))

    def ratio(self, mode, work, line, programs, field="synced"):
        """To the fastest of those programs that were measured."""
        subject = summary(self.row(mode, work, line, SUBJECT), field)
        found = [ratio(summary(self.row(mode, work, line, program), field), subject) for program in programs]
        return min((value for value in found if value is not None), default=None)

    def lines(self, *milliseconds):
        return [line for line in self.report["lines"] if line["milliseconds"] in milliseconds]


RSYNCS = ("rsync", "rsync gcm")
ALL_WORKS = ("small", "mid", "big", "collect", "pool")


def bars(report):
    """What peerstage has to show, one entry each; those that nothing was measured for included."""
    report = Report(report)
    found = []

    def faster(line, mode, work, rival, programs, factor):
        value = report.ratio(mode, work, line, programs)
        times = "" if factor == 1 else f"{factor:g} times "
        found.append(Bar(line, work if mode == FIRST else f"{work}, {mode}", f"at least {times}as fast as {rival}",
                         "" if value is None else f"{value:.2f}", None if value is None else value >= factor))

    for line in (line["name"] for line in report.lines(0)):
        for work in ("small", "mid", "big", "collect"):
            faster(line, FIRST, work, "tar over ssh", ("tar",), 1)
        faster(line, FIRST, "small", "rsync", RSYNCS, 1.3)
        faster(line, FIRST, "pool", "cback3", ("cback3",), 20)
        faster(line, FIRST, "pool", "eight rsyncs", ("8 rsyncs",), 2)
        for work in ALL_WORKS:
            faster(line, AGAIN, work, "rsync", ("8 rsyncs",) if work == "pool" else RSYNCS, 1)
            found.append(nothing_sent(report, line, work))
    for line in report.lines(50, 150):
        for work in ("big", "collect"):
            faster(line["name"], FIRST, work, "scp", ("scp", "scp -O"), 3)
            faster(line["name"], FIRST, work, "rsync", RSYNCS, 3)
            found.append(share_of_line(report, line, work))
        faster(line["name"], FIRST, "small", "rsync", RSYNCS, 1)
    for work in ALL_WORKS:
        faster(HERE, LOCAL, work, "cp -a", ("cp",), 1)
    subject = [row for row in report.report["rows"] if row["program"] == SUBJECT and row["runs"]]
    found.append(memory(subject, "the supervisor", "memory", 40))
    found.append(memory(subject, "a worker", "memory_below", 64))
    return found


def allowance(work):
    """What a server may say where no file is sent: the listing, and what making a connection takes."""
    return 512 * work["files"] + 65536 * work["peers"]


def nothing_sent(report, line, work):
    row = report.row(AGAIN, work, line, SUBJECT)
    sent = most(row, "sent") if row else None
    text, value, is_met = "no data sent", "", None
    if sent is not None:
        allowed = allowance(report.report["works"][work])
        value, is_met = f"{sent} bytes in all; names and connections may take {allowed}", sent <= allowed
    return Bar(line, f"{work}, {AGAIN}", text, value, is_met)


def share_of_line(report, line, work):
    value, is_met = "", None
    subject = summary(report.row(FIRST, work, line["name"], SUBJECT))
    if subject is not None and line.get("megabytes_a_second"):
        rate = report.report["works"][work]["bytes"] / subject.median / MEGABYTE
        share = rate / line["megabytes_a_second"]
        value, is_met = f"{share:.0%}: {rate:.0f} of {line['megabytes_a_second']:.0f} MB/s", share >= 0.8
    return Bar(line["name"], work, "at least 80 % of what the line lets through", value, is_met)


def memory(rows, whose, field, limit):
    peaks = [(most(row, field), row) for row in rows]
    text = f"{whose} holds at most {limit} MiB"
    if not peaks:
        return Bar("all", "all", text, "", None)
    peak, row = max(peaks, key=lambda pair: pair[0])
    return Bar("all", "all", text, f"{peak / MIB:.1f} MiB ({row['work']}, {row['mode']}, {row['line']})",
               peak <= limit * MIB)
