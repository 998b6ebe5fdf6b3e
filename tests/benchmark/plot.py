"""The times as an SVG picture: a row for each work, in it a panel for each line, in that a bar for each program."""
from xml.sax.saxutils import escape

from figures import SUBJECT, Report, summary
from report import TITLES, seconds

PANEL, LABEL, VALUE = 330, 78, 72   # widths: of a panel, of the names in it, of the times
BAR, GAP, HEAD, TITLE = 15, 4, 26, 28   # heights
MARGIN = 16
STYLE = """
  text { font: 11px sans-serif; fill: #222 }
  .title { font-size: 15px; font-weight: bold } .head { font-weight: bold }
  .bar { fill: #a9b8c6 } .ours { fill: #1f6f54 } .name, .time { dominant-baseline: central }
  .name { text-anchor: end } .spread { stroke: #222 }
"""


def panel(bars, title, left, top):
    """`bars`: (Summary, program). To scale within a panel, not from panel to panel."""
    scale = (PANEL - LABEL - VALUE) / (max(found.most for found, _ in bars) or 1)
    parts = [f'<text class="head" x="{left + LABEL}" y="{top + 14}">{escape(title)}</text>']
    for number, (found, program) in enumerate(bars):
        x, y = left + LABEL, top + HEAD + number * (BAR + GAP)
        middle = y + BAR / 2
        parts += [
            f'<text class="name" x="{x - 5}" y="{middle}">{escape(program)}</text>',
            f'<rect class="{"bar ours" if program == SUBJECT else "bar"}" x="{x}" y="{y}" height="{BAR}" '
            f'width="{found.median * scale:.1f}"/>',
            f'<path class="spread" d="M{x + found.least * scale:.1f} {middle}H{x + found.most * scale:.1f}"/>',
            f'<text class="time" x="{x + found.most * scale + 5:.1f}" y="{middle}">'
            f'{"over " if found.is_at_least else ""}{seconds(found.median)} s</text>']
    return parts


def bars_of(report, mode, work, line):
    """The fastest first; what failed is left to the tables."""
    rows = [row for key, row in report.rows.items() if key[:3] == (mode, work, line)]
    return sorted(((summary(row), row["program"]) for row in rows if summary(row)), key=lambda bar: bar[0].median)


def svg(report):
    found = Report(report)
    parts, top, width = [], MARGIN, 0
    for mode, title in TITLES.items():
        rows = []
        for work in report["works"]:
            lines = dict.fromkeys(key[2] for key in found.rows if key[:2] == (mode, work))
            panels = [(f"{work}, {line}", bars) for line in lines if (bars := bars_of(found, mode, work, line))]
            if panels:
                rows.append(panels)
        if rows:
            top += MARGIN
            parts.append(f'<text class="title" x="{MARGIN}" y="{top + 16}">{escape(title)}: seconds until durable, '
                         "median and spread</text>")
            top += TITLE
        for panels in rows:
            for column, (name, bars) in enumerate(panels):
                parts += panel(bars, name, MARGIN + column * PANEL, top)
            top += HEAD + max(len(bars) for _, bars in panels) * (BAR + GAP) + GAP
            width = max(width, len(panels) * PANEL)
    width, top = max(width, 2 * PANEL) + 2 * MARGIN, top + MARGIN
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}">\n'
            f'<style>{STYLE}</style>\n<rect width="{width}" height="{top}" fill="#fff"/>\n' + "\n".join(parts) +
            "\n</svg>\n")
