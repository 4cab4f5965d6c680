"""The report as Markdown: the verdict first, then what is red, then every table. As short as it is asked to be."""

from collections.abc import Sequence

from validation.keys import DATA_GATES
from validation.pages.cells import FAIL, HEADS, RIGHT, cell_text, interval_text, number_text, rows_table
from validation.pages.changed import against, changed_lines, rate_lines
from validation.pages.said import GateSaid, Line, Summary

# What is left out first when the text is too long, in words
LEFT_OUT = (
    "shown lines",
    "passing lines",
    "details of the changes",
    "error rates of the gates",
    "all but 20 red lines a gate, and all but 20 bounds that changed",
)
SHOWN = ("shown", "insufficient")
FEW, SHORT = 20, 300  # faults and red lines a gate; characters of each
NOT_HERE = (
    "A version that the laptop's registry does not have (a pull request's): on its branch `make fit` first, then the"
    " same without `MODEL_VERSION`."
)


def headline(summary: Summary) -> str:
    """Say the verdict in one sentence."""
    said = "every gate passed" if summary.passed else "NOT to be promoted"
    return f"{summary.model}, version {summary.version}: {said}"


def markdown(summary: Summary, limit: int = 60_000) -> str:
    """Write the report as Markdown of at most `limit` characters (5,000 or more), whatever the summary holds."""
    for level in range(len(LEFT_OUT) + 1):
        text = _written(summary, level)
        if len(text) <= limit:
            return text
    changed = len(summary.bounds_changed)
    short = ["## Bounds changed", "", f"{changed} of them, too long to be told here.", ""] if changed else []
    short += [f"## {cell_text(headline(summary))}", "", f"{len(summary.faults)} fault(s). {_where(LEFT_OUT)}", ""]
    return "\n".join(short)


def _written(summary: Summary, level: int) -> str:
    lines = []
    if summary.bounds_changed:
        lines += ["## Bounds changed", "", *_bullets(_few(summary.bounds_changed, level)), ""]
    lines += [f"## {cell_text(headline(summary))}", ""]
    lines += [*_bullets(_few([summary.pace], level)), ""] if summary.pace else []
    lines += [*_waived(summary), *_red(summary, level)]
    lines += [cell_text(against(summary)), "", *_overview(summary)]
    lines += changed_lines(summary, whole=level < 3)
    for gate in summary.gates:
        lines += _gate(gate, level)
    if level < 4:
        lines += rate_lines(summary.calibration)
    lines.append(
        f"Model digest `{summary.model_digest}`, data digest `{summary.data_digest}`, commit {summary.commit}."
    )
    if level:
        lines += ["", _where(LEFT_OUT[:level])]
    return "\n".join(lines).rstrip() + "\n"


def _where(left_out: Sequence[str]) -> str:
    return f"Left out to stay short: {', '.join(left_out)}. The page `index.html` of the artifact `report` has them."


def _bullets(sentences: Sequence[str]) -> list[str]:
    return [f"- {cell_text(sentence)}" for sentence in sentences]


def waived(summary: Summary) -> list[str]:
    """Say each line that a waiver lets pass: value, bound, owner, expiry."""
    lines = [line for gate in summary.gates for line in gate.measures if line.verdict == "waived"]
    return [f"{line.measure} is {number_text(line.value)}, bound: {line.bound}; {line.why}" for line in lines]


def _waived(summary: Summary) -> list[str]:
    said = waived(summary)
    return ["**Waived**, so not counted as red:", "", *_bullets(said), ""] if said else []


def _few(sentences: Sequence[str], level: int) -> Sequence[str]:
    """Cut a list of sentences where nothing else is left to leave out; how many there are is always said."""
    if level < len(LEFT_OUT):
        return sentences
    more = [f"and {len(sentences) - FEW} more"] if len(sentences) > FEW else []
    return [*(one[:SHORT] for one in sentences[:FEW]), *more]


def _red(summary: Summary, level: int) -> list[str]:
    if not summary.faults:
        return []
    lines = ["### What is red", "", *_bullets(_few(summary.faults, level)), ""]
    red = red_gates(summary)
    if red:
        rows = [(gate, again(gate, summary.version), f"docs/runbook.md, {gate}") for gate in red]
        heads = "| gate | again on a laptop | what to do |\n| --- | --- | --- |"
        lines += [heads, *(f"| {gate} | `{command}` | {place} |" for gate, command, place in rows), ""]
        lines += [NOT_HERE, ""]
    return lines


def red_gates(summary: Summary) -> list[str]:
    """Name the gates that something stands against."""
    return [gate.gate for gate in summary.gates if any(fault.startswith(f"{gate.gate}:") for fault in summary.faults)]


def again(gate: str, version: int) -> str:
    """Name the command that judges again, on a laptop."""
    return f"make {gate}" if gate in ("schema", "dataset") else f"make {gate} MODEL_VERSION={version}"


def _overview(summary: Summary) -> list[str]:
    rows = []
    for gate in summary.gates:
        red = sum(line.verdict == FAIL for line in gate.measures)
        judged = sum(line.verdict not in SHOWN for line in gate.measures)
        rows.append(f"| {gate.gate} | {_word(gate)} | {judged} | {red} |")
    return ["| gate | verdict | lines judged | red |", "| --- | --- | ---: | ---: |", *rows, ""]


def _word(gate: GateSaid) -> str:
    return "pass" if gate.passed else "**missing**" if gate.passed is None else "**FAIL**"


def _gate(gate: GateSaid, level: int) -> list[str]:
    judged = [line for line in gate.measures if line.verdict not in SHOWN and (level < 2 or line.verdict == FAIL)]
    shown = [line for line in gate.measures if line.verdict in SHOWN] if level < 1 else []
    if level >= 2 and not judged:
        return []
    lines = [f"### {gate.gate.capitalize()}: {_word(gate).strip('*')}", ""]
    if gate.passed is None:
        return [*lines, "Its verdict is missing.", ""]
    if judged and gate.passed and gate.gate in DATA_GATES:
        lines += _folded(f"{len(judged)} lines that hold", judged)
    elif judged:
        lines.append(_table(judged[:FEW] if level >= 5 else judged))
    return [*lines, *(_folded(f"{len(shown)} lines that nothing judges", shown) if shown else [])]


def _folded(name: str, lines: Sequence[Line]) -> list[str]:
    return [f"<details><summary>{name}</summary>", "", _table(lines), "</details>", ""]


def _table(lines: Sequence[Line]) -> str:
    return rows_table(HEADS, [texts(line) for line in lines], RIGHT)


def texts(line: Line) -> tuple[str, ...]:
    """Write a line as the texts of its cells, in the order of HEADS."""
    champion = number_text(line.champion) if line.champion is not None else ""
    value, interval = number_text(line.value), interval_text(line.interval)
    return (line.measure, line.group, value, interval, line.bound, champion, str(line.n), line.verdict, line.why)
