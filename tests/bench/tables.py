# SPDX-License-Identifier: GPL-2.0-only
"""Tables as text and as Markdown, and their place in a document. A table is lines of cells; a line
of one cell is a heading."""
import re
import sys


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def against(measured, bound):
    """With a digit more where it would read as the bound that it misses or meets narrowly."""
    text = f"{measured:.2f}"
    return text if float(text) != bound or measured == bound else f"{measured:.3f}"


def target_table(judged):
    """Lines of a table of what was aimed at: dicts of target, bound, more_is_better, measured and met."""
    yield ["target", "bound", "measured", ""]
    for t in judged:
        sign = ">=" if t["more_is_better"] else "<="
        yield [t["target"], f"{sign} {t['bound']:g}", against(t["measured"], t["bound"]), "met" if t["met"] else "MISSED"]


def as_text(lines):
    lines = list(lines)
    widths = [max(len(line[i]) for line in lines if len(line) > i and len(line) > 1)
              for i in range(len(lines[0]))]
    for line in lines:
        if len(line) == 1:
            yield line[0]
            continue
        rest = "".join(cell.rjust(width + 2) for cell, width in zip(line[1:], widths[1:]))
        yield "  " + line[0].ljust(widths[0]) + rest


def as_markdown(lines):
    lines = list(lines)
    yield "| " + " | ".join(lines[0]) + " |"
    yield "|---" + "|--:" * (len(lines[0]) - 1) + "|"
    for line in lines[1:]:
        if len(line) == 1:
            line = [f"**{line[0]}**"] + [""] * (len(lines[0]) - 1)
        yield "| " + " | ".join(line) + " |"


def replace_part(path, part, lines):
    """What stands between "<!-- PART -->" and "<!-- end of PART -->"."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    begin, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    if not pattern.search(text):
        sys.exit(f"report: {path} has no part {begin} ... {end} to replace")
    body = "\n".join([begin, *lines, end])
    with open(path, "w", encoding="utf-8") as file:
        file.write(pattern.sub(lambda match: body, text))
