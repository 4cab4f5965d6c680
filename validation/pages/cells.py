"""Measures as a Markdown table, safe whatever the data hold (stdlib only)."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from validation.gate import Measure

HEADS = ("measure", "group", "value", "interval", "bound", "champion", "n", "verdict", "why")
RIGHT = ("value", "champion", "n")  # columns of numbers
FAIL = "fail"
# What Markdown, HTML and formulas begin with; _ within a word is none
MARKS = re.compile(r"^>|[&\\|<`*\[\]~$@#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
# The platform looks for mentions, issues and links after Markdown is done: an escaped character is found all the same,
# so an invisible space goes between
JOINT = "\u200b"
LINKS = re.compile(r"(?<=[@#])|(?<=:)(?=/)|(?<=www)(?=\.)|(?<=GH)(?=-\d)", re.IGNORECASE)
BLOCK = re.compile(r"^(?=[-+](?!\d)|\d+[.)](?!\d))")  # what begins a list or a line


def cells(line: "Measure") -> tuple[str, ...]:
    """Write a measure as the texts of its cells, in the order of HEADS."""
    interval = interval_text(line.interval)
    champion = number_text(line.champion) if line.champion is not None else ""
    bound = str(line.bound) if line.bound else ""
    value = number_text(line.value)
    return (line.measure, line.group, value, interval, bound, champion, str(line.n), line.verdict, line.why)


def table(measures: "Sequence[Measure]") -> str:
    """Write measures as a Markdown table."""
    return rows_table(HEADS, [cells(line) for line in measures], RIGHT)


def rows_table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """Write rows of texts as a Markdown table; the columns named `right` hold numbers."""
    lines = ["| " + " | ".join(heads) + " |"]
    lines.append("|" + "".join(" ---: |" if head in right else " --- |" for head in heads))
    for row in rows:
        texts = [cell_text(text) for text in row]
        if "verdict" in heads and row[heads.index("verdict")] == FAIL:
            texts[heads.index("verdict")] = f"**{FAIL}**"
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines) + "\n"


def cell_text(text: str) -> str:
    """Make a text safe in Markdown as the platform shows it: no mark-up, link, picture, mention or reference."""
    safe = "".join(character if character.isprintable() else " " for character in text).strip()
    safe = BLOCK.sub(JOINT, LINKS.sub(JOINT, safe))
    return MARKS.sub(lambda found: f"&#{ord(found[0])};", safe)


def interval_text(interval: "tuple[float, float] | None") -> str:
    """Write an interval by its ends; nothing where there is none."""
    return f"{number_text(interval[0])} to {number_text(interval[1])}" if interval else ""


def number_text(value: float | None) -> str:
    """Write a number as tables show it: whole numbers whole, others with four digits."""
    if value is None:
        return "none"
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"
