"""The tables, in Markdown that can be read as it is."""
from figures import AGAIN, FIRST, HERE, LOCAL, MEGABYTE, MIB, SUBJECT, Report, bars, most, ratio, summary
from programs import ABOUT

TITLES = {FIRST: "fetched for the first time", AGAIN: "a second time, nothing changed",
          LOCAL: "from a directory of this machine"}
TIMES = {"synced": "until the data is durable (`sync -f` of the destination after every program)",
         "seconds": "until the program ends (what it syncs itself is in it: peerstage does, the others do not)"}


def table(header, rows, words=(0,)):
    """Columns as wide as what they hold; those of numbers, which are not among `words`, to the right."""
    rows = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]

    def line(cells):
        return "| " + " | ".join(cell.ljust(width) if column in words else cell.rjust(width)
                                 for column, (cell, width) in enumerate(zip(cells, widths))) + " |\n"

    rule = "|" + "|".join("-" * (width + 2) if column in words else "-" * (width + 1) + ":"
                          for column, width in enumerate(widths)) + "|\n"
    return line(rows[0]) + rule + "".join(map(line, rows[1:]))


def seconds(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def time_cell(row, subject, field):
    """MEDIAN (LEAST..MOST) RATIO"""
    if row is None:
        return ""
    if row.get("failure"):
        return "failed"
    found = summary(row, field)
    if found is None:
        return ""
    if found.is_at_least:
        text = f"over {seconds(found.median)}"
    else:
        text = f"{seconds(found.median)} ({seconds(found.least)}..{seconds(found.most)})"
    times = ratio(found, summary(subject, field))
    if times is None or row is subject:
        return text
    return f"{text} {'>' if found.is_at_least else ''}{times:.2f}x"


def cost_cell(row, unused_subject, unused_field):
    """CPU seconds here + at the server, and the memory of the largest processes."""
    if row is None or row.get("failure") or not row["runs"]:
        return ""
    server = summary(row, "server_cpu")
    cpu = f"{summary(row, 'cpu').median:.2f}" + (f"+{server.median:.2f}" if row["line"] != HERE else "")
    top, below = most(row, "memory") / MIB, most(row, "memory_below") / MIB
    return f"{cpu} s, {top:.0f}/{below:.0f} MiB"


def matrix(report, mode, line, cell, field):
    """Programs by works."""
    rows = [row for row in report.report["rows"] if row["mode"] == mode and row["line"] == line]
    works = [work for work in report.report["works"] if any(row["work"] == work for row in rows)]
    programs = [program for program in ABOUT if any(row["program"] == program for row in rows)]
    return table(["", *works], [
        [program, *(cell(report.row(mode, work, line, program), report.row(mode, work, line, SUBJECT), field)
                    for work in works)] for program in programs])


def places(report):
    """(mode, line) of what was measured, in the order of measuring."""
    return list(dict.fromkeys((row["mode"], row["line"]) for row in sorted(
        report["rows"], key=lambda row: list(TITLES).index(row["mode"]))))


def markdown(report):
    found = Report(report)
    parts = [machine(report), work_table(report), line_table(report), program_table(report)]
    for field, title in TIMES.items():
        parts.append(f"## Seconds {title}\n\nMedian (least..most), and how many times as long as peerstage.\n")
        parts += [f"### {line}: {TITLES[mode]}\n\n{matrix(found, mode, line, time_cell, field)}"
                  for mode, line in places(report)]
    parts.append("## CPU and memory\n\nSeconds of CPU, of the programs here + of the server; most memory that the "
                 "program itself / one process below it held (peerstage: supervisor / worker).\n")
    parts += [f"### {line}: {TITLES[mode]}\n\n{matrix(found, mode, line, cost_cell, None)}"
              for mode, line in places(report)]
    parts += [sent_table(report), failures(report), bar_table(report)]
    return "\n".join(part for part in parts if part)


def machine(report):
    lines = "".join(f"* {name}: {value}\n" for name, value in report["machine"].items())
    return f"## The machine\n\n{lines}"


def work_table(report):
    return "## The work\n\n" + table(
        ["work", "peers", "files", "MB", ""],
        [[name, work["peers"], work["files"], f"{work['bytes'] / MEGABYTE:.1f}", work["about"]]
         for name, work in report["works"].items()], words=(0, 4))


def line_table(report):
    if not report["lines"]:
        return ""
    return ("## The lines\n\nAs two programs at their ends see them: a byte there and back, and a TCP stream.\n\n" +
            table(["line", "round trip, ms", "MB/s"],
                  [[line["name"], f"{line['round_trip_ms']:.2f}", f"{line['megabytes_a_second']:.0f}"]
                   for line in report["lines"]]))


def program_table(report):
    used = {row["program"] for row in report["rows"]}
    return "## The programs\n\n" + table(
        ["program", "is", "cipher that the server saw"],
        [[name, about, report["ciphers"].get(name, "")] for name, about in ABOUT.items() if name in used],
        words=(0, 1, 2))


def sent_table(report):
    rows = [row for row in report["rows"] if row["mode"] == AGAIN and row["runs"] and most(row, "sent") is not None]
    if not rows:
        return ""
    return "## What the server sent where nothing had changed\n\n" + table(
        ["line", "work", "program", "bytes", "of the data"],
        [[row["line"], row["work"], row["program"], most(row, "sent"),
          f"{most(row, 'sent') / report['works'][row['work']]['bytes']:.1%}"] for row in rows], words=(0, 1, 2))


def failures(report):
    rows = [row for row in report["rows"] if row.get("failure")]
    return rows and "## What failed\n\n" + "".join(
        f"* {row['program']}, {row['work']}, {row['mode']}, {row['line']}: {row['failure']}\n" for row in rows)


def bar_table(report):
    verdict = {True: "yes", False: "NO", None: "not measured"}
    return "## What peerstage has to show\n\n" + table(
        ["line", "work", "bar", "value", "met"],
        [[bar.line, bar.work, bar.text, bar.value, verdict[bar.is_met]] for bar in bars(report)], words=range(5))
