"""What a bake ends with, and how people are shown it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from infra.baking.compared import Line
from validation.pages.cells import number_text, rows_table

Outcome = Literal["finish", "undo", "not enough"]
FINISH: Outcome = "finish"
UNDO: Outcome = "undo"
NOT_ENOUGH: Outcome = "not enough"
Source = Literal["users", "replay"]
HEADS = ("measure", "canary", "stable", "difference", "interval", "bound", "n", "verdict")
RIGHT = ("canary", "stable", "difference", "bound", "n")


@dataclass(frozen=True)
class Verdict:
    """What a bake ends with: `finish`, `undo`, or `not enough` to tell; by whose requests, and the numbers."""

    outcome: Outcome
    sentence: str
    source: Source
    seconds: float
    looks: int
    lines: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Write it for a job's summary."""
        told = [f"### Bake: {self.outcome}", "", f"By {self._whose()}, {self.seconds:.0f} s: {self.sentence}", ""]
        told += [rows_table(HEADS, [_cells(line) for line in self.lines], RIGHT)] if self.lines else []
        told += [f"- {note}" for note in self.notes]
        return "\n".join(told).rstrip() + "\n"

    def facts(self) -> dict[str, Any]:
        """Return it for the ledger."""
        named = ("outcome", "sentence", "source", "looks")
        lines = [asdict(line) for line in self.lines]
        return {name: getattr(self, name) for name in named} | {"seconds": round(self.seconds, 1), "lines": lines}

    def _whose(self) -> str:
        return "the requests of users" if self.source == "users" else "replayed requests"


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.measure,
        _number(line.canary),
        _number(line.stable),
        _number(line.difference),
        f"{number_text(line.low)} to {number_text(line.high)}",
        number_text(line.bound),
        f"{line.n} and {line.m}" if line.stable is not None else str(line.n),
        line.verdict,
    )


def _number(value: float | None) -> str:
    return "" if value is None else number_text(value)


def conclude(
    lines: tuple[Line, ...], wrong: str, asked: str, source: Source, seconds: float, looks: int, notes: tuple[str, ...]
) -> Verdict:
    """Draw the conclusion: of `wrong`, a sentence that needs no numbers, else of the lines; none are not enough."""
    outcome, sentence = UNDO, wrong
    if not wrong and any(line.verdict == "worse" for line in lines):
        sentence = _worse(lines)
    elif not wrong and lines and all(line.verdict == "no worse" for line in lines):
        outcome, sentence = FINISH, f"{asked} show no measure to be worse than tolerated"
    elif not wrong:
        outcome, sentence = NOT_ENOUGH, f"{asked} do not tell{_unclear(lines)}"
    return Verdict(outcome, sentence, source, seconds, looks, lines, notes)


def _worse(lines: tuple[Line, ...]) -> str:
    """Say in a sentence what is worse, the worst first."""
    found = sorted((line for line in lines if line.verdict == "worse"), key=lambda line: line.bound - line.low)
    return "; ".join(
        f"{line.measure}: canary {_number(line.canary)} of {line.n}"
        + (f", stable {_number(line.stable)} of {line.m}" if line.stable is not None else "")
        + f", so surely worse by {number_text(line.low)}; {number_text(line.bound)} is tolerated"
        for line in found
    )


def _unclear(lines: tuple[Line, ...]) -> str:
    """Say what could still be worse than tolerated."""
    told = [
        f"{line.measure} may be worse by {number_text(line.high)}, and {number_text(line.bound)} is tolerated"
        for line in lines
        if line.verdict == "not enough"
    ]
    return f": {'; '.join(told)}" if told else ""
