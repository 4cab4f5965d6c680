"""Measures as a Markdown table, safe whatever the data hold (stdlib only)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from validation.gate import Measure

HEADS = ("measure", "group", "value", "interval", "champion", "bound", "n", "verdict", "why")
FAIL = "fail"


def cells(line: "Measure") -> tuple[str, ...]:
    """Write a measure as the texts of its cells, in the order of HEADS."""
    interval = f"{number_text(line.interval[0])} to {number_text(line.interval[1])}" if line.interval else ""
    champion = number_text(line.champion) if line.champion is not None else ""
    bound = str(line.bound) if line.bound else ""
    value = number_text(line.value)
    return (line.measure, line.group, value, interval, champion, bound, str(line.n), line.verdict, line.why)


def table(measures: "Sequence[Measure]") -> str:
    """Write measures as a Markdown table."""
    lines = ["| " + " | ".join(HEADS) + " |", "|" + " --- |" * len(HEADS)]
    for line in measures:
        texts = [cell_text(text) for text in cells(line)]
        if line.verdict == FAIL:
            texts[HEADS.index("verdict")] = f"**{FAIL}**"
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines) + "\n"


def cell_text(text: str) -> str:
    """Make a text safe in a cell of a Markdown table, whatever the data hold."""
    safe = "".join(character if character.isprintable() else " " for character in text)
    for character in "\\|<`*[]@":
        safe = safe.replace(character, f"&#{ord(character)};")
    return safe


def number_text(value: float | None) -> str:
    """Write a number as tables show it: whole numbers whole, others with four digits."""
    if value is None:
        return "none"
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"
