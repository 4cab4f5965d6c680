"""The parts of the Markdown report about others: what changed against the champion, how often the gates err."""

from collections.abc import Iterator

from validation.pages.cells import FAIL, cell_text, number_text, rows_table
from validation.pages.said import Changes, Line, Rate, Rates, Summary

Row = tuple[str, ...]
RATE_HEADS = ("what", "measure", "wanted", "passed", "95 % interval", "trials", "verdict")
BREAKING = "Breaking change"
STABLE, LARGE = 0.1, 0.25  # population stability index: the usual reading of the credit industry


def changed_lines(summary: Summary, whole: bool) -> list[str]:
    """Say what changed against the champion; only the sentences unless `whole`."""
    changes = summary.changes
    if changes is None:
        return []
    lines = [f"### Changed against version {changes.against}", "", *map(_bullet, sentences(changes)), ""]
    if whole:
        for name, heads, rows in tables(summary):
            lines += [f"<details><summary>{name}</summary>", "", rows_table(heads, rows, heads[1:]), "</details>", ""]
    return lines


def _bullet(sentence: str) -> str:
    safe = cell_text(sentence)
    return f"- **{BREAKING}**{safe.removeprefix(BREAKING)}" if safe.startswith(BREAKING) else f"- {safe}"


def against(summary: Summary) -> str:
    """Say what the candidate was compared with."""
    if summary.anew:
        return f"The line starts anew: {summary.anew.removeprefix('the line starts anew: ')}"
    if summary.champion is None:
        return "Compared with no champion: there is none yet."
    if summary.champion == summary.version:
        return "This version is the champion itself."
    anchor = f" and with the anchor, version {summary.anchor}" if summary.anchor else ""
    return f"Compared with the champion, version {summary.champion}{anchor}."


def sentences(changes: Changes) -> Iterator[str]:
    """Say each change that is one number, and every change of the request."""
    if changes.flipped is not None and changes.rows:
        yield f"{changes.flipped} of {changes.rows} predictions flipped ({changes.flipped / changes.rows:.2%})."
    if changes.moved is not None:
        yield f"Outputs moved by {number_text(changes.moved)} on average."
    trained = changes.rows_trained
    if trained and trained.candidate is not None and trained.champion is not None:
        yield f"Trained on {trained.candidate} rows, the champion on {trained.champion}."
    if changes.data and not any(one.psi for one in changes.data):
        yield "Training data: no column's distribution moved."
    elif changes.data:
        most = max(changes.data, key=lambda one: one.psi or 0)
        yield f"Training data: {most.column} moved most, PSI {number_text(most.psi)} ({reading(most.psi)})."
    if changes.request == []:
        yield "The request is the same."
    for one in changes.request or ():
        yield f"{BREAKING if one.breaking else 'Change'} of the request: {one.change}"


def reading(psi: float | None) -> str:
    """Read a population stability index in a word."""
    return "unknown" if psi is None else "stable" if psi < STABLE else "moved" if psi < LARGE else "moved far"


def tables(summary: Summary) -> Iterator[tuple[str, Row, list[Row]]]:
    """Give name, heads and rows of each table of changes that is not empty; the texts are not yet escaped."""
    changes = summary.changes
    rows: list[Row] = [
        (line.measure, *_pair(line.value, line.champion))
        for gate in summary.gates
        for line in gate.measures
        if gate.gate == "performance" and _both(line)
    ]
    if rows:
        yield "Metrics", ("metric", "candidate", "champion", "difference"), rows
    if changes and changes.flips:
        rows = [(f"{one.label} to {one.to}", str(one.rows), _count(one.right)) for one in changes.flips]
        yield "Flipped predictions", ("from champion to candidate", "rows", "right now"), rows
    if changes and changes.slices:
        rows = [(one.slice, str(one.rows), *_pair(one.candidate, one.champion)) for one in changes.slices]
        yield "Slices whose loss rose most", ("slice", "rows", "candidate", "champion", "difference"), rows
    if changes and changes.data:
        rows = [(one.column, number_text(one.psi), reading(one.psi)) for one in changes.data]
        yield "Training data", ("column", "PSI", "reading"), rows


def _both(line: Line) -> bool:
    return line.value is not None and line.champion is not None and not line.bound.startswith("lose")


def _pair(candidate: float | None, champion: float | None) -> tuple[str, str, str]:
    difference = "" if candidate is None or champion is None else f"{candidate - champion:+.4g}"
    return number_text(candidate), number_text(champion), difference


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def rate_lines(rates: Rates | None) -> list[str]:
    """Tell the error rates of the gates, as they were measured, or why they do not count."""
    if rates is None:
        return ["How often these gates err was not measured; `make calibrate` does.", ""]
    if not rates.current:
        said = "How often these gates err was measured under other bounds, code or data; `make calibrate` does it anew."
        return [said, ""]
    rows = [rate_row(one) for one in rates.lines]
    lines = [line for said in (unwanted(rates), unproven(rates)) if said for line in (said, "")]
    lines += ["<details><summary>How often these gates err, as measured</summary>", ""]
    return [*lines, rows_table(RATE_HEADS, rows, ("passed", "trials")), "</details>", ""]


def unwanted(rates: Rates) -> str:
    """Say how many error rates are not as they should be; nothing when all are."""
    bad = sum(one.verdict == FAIL for one in rates.lines)
    return f"{bad} of {len(rates.lines)} measured error rates of these gates are not as wanted." if bad else ""


def unproven(rates: Rates) -> str:
    """Say how many error rates are as they should be on too few trials to be sure; nothing when none is."""
    few = sum(one.verdict == "insufficient" for one in rates.lines)
    return f"{few} of {len(rates.lines)} are as wanted, on too few trials to be sure." if few else ""


def rate_row(rate: Rate) -> Row:
    """Write an error rate as the texts of its cells, in the order of RATE_HEADS."""
    interval = f"{number_text(rate.low)} to {number_text(rate.high)}"
    return rate.what, rate.measure, rate.wanted, number_text(rate.passed), interval, str(rate.trials), rate.verdict
