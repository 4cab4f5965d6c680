"""What every gate does alike: measure against a bound, fail closed, write a verdict, print a table.

A verdict is `build/verdicts/<gate>.json`. Its `key` is a digest of everything the gate looked at (model, data, bounds,
code): while that is unchanged the verdict stands and is not worked out again.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from validation.script import BUILD, NO, YES, Refusal, log, result, to_json, writing

VERDICTS = BUILD / "verdicts"
PASSING = ("pass", "same", "first", "shown")  # same as the champion; nothing to compare with; shown but not judged


@dataclass(frozen=True)
class Measure:
    """One line of a verdict: what was measured, for whom, on `n` rows, against which bound, and what came of it."""

    measure: str
    group: str
    value: float | None
    bound: str
    n: int
    verdict: str
    why: str
    interval: tuple[float, float] | None = None
    champion: float | None = None

    def __post_init__(self) -> None:
        if self.verdict not in (*PASSING, "fail"):
            raise ValueError(f"{self.verdict!r} is no verdict")


@dataclass(frozen=True)
class Verdict:
    """What one gate said of one model (or, for `schema` and `dataset`, of the data alone)."""

    gate: str
    key: str
    data_digest: str
    measures: tuple[Measure, ...]
    model_version: int | None = None
    model_digest: str | None = None
    champion_version: int | None = None
    champion_digest: str | None = None

    @property
    def passed(self) -> bool:
        """A verdict passes when it measured something and none of it failed."""
        return bool(self.measures) and all(measure.verdict in PASSING for measure in self.measures)


def within(value: float | None, at_least: float | None = None, at_most: float | None = None) -> str:
    """Judge a value against one bound; NaN, infinity and None fail.

    Raises ValueError unless exactly one bound is given.
    """
    if (at_least is None) == (at_most is None):
        raise ValueError("exactly one bound is needed")
    if value is None or not math.isfinite(value):
        return "fail"
    held = value >= at_least if at_least is not None else value <= (at_most if at_most is not None else math.nan)
    return "pass" if held else "fail"


def finite_or_none(value: float) -> float | None:
    """Return the value as JSON can hold it."""
    return float(value) if math.isfinite(value) else None


def decide(gate: str, key: str, work: Callable[[], Verdict], still: Callable[[Verdict], bool] | None = None) -> int:
    """Print the standing verdict while nothing it looked at has changed, else a new one; return the exit code.

    `still` may say that a verdict of the same key stands no longer.
    """
    path = VERDICTS / f"{gate}.json"
    standing = _standing(path, key)
    if standing is None or not (still is None or still(standing)):
        path.unlink(missing_ok=True)  # if the work below crashes, no older verdict may be taken for its result
        standing = work()
        with writing(path) as file:
            file.write(to_json(dataclasses.asdict(standing) | {"passed": standing.passed}))
    else:
        log(f"{gate}: nothing that it looks at has changed; the verdict stands")
    result(f"### {gate.capitalize()}: {'pass' if standing.passed else 'FAIL'}\n\n{table(standing.measures)}")
    for sentence in sentences(standing):
        log(sentence)
    return YES if standing.passed else NO


def _standing(path: Path, key: str) -> Verdict | None:
    try:
        verdict = read(path)
    except Refusal:
        return None
    return verdict if verdict.key == key else None


def read(path: Path) -> Verdict:
    """Read a verdict file.

    Raises Refusal when it is missing, malformed, or its overall verdict is not the one its measures give.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        claimed = content.pop("passed")
        measures = tuple(_measure(line) for line in content.pop("measures"))
        verdict = Verdict(measures=measures, **content)
    except FileNotFoundError:
        raise Refusal(f"{path.name}: the verdict is missing; run its gate") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refusal(f"{path.name} is no verdict ({type(error).__name__}: {error}); run its gate again") from None
    if claimed is not verdict.passed or verdict.gate != path.stem:
        raise Refusal(f"{path.name} contradicts itself; run its gate again")
    return verdict


def _measure(line: dict[str, Any]) -> Measure:
    interval = line.pop("interval")
    return Measure(interval=None if interval is None else (interval[0], interval[1]), **line)


def sentences(verdict: Verdict) -> list[str]:
    """Say in one sentence each what failed: stage, measure, bound, reason."""
    of = f"model version {verdict.model_version}" if verdict.model_version else "the data"
    said = []
    for line in verdict.measures:
        if line.verdict not in PASSING:
            group = f" ({line.group})" if line.group else ""
            value = number_text(line.value)
            said.append(f"{verdict.gate}: {of}: {line.measure}{group} is {value}, bound: {line.bound}; {line.why}")
    return said or ([] if verdict.passed else [f"{verdict.gate}: {of}: nothing was measured, so nothing is proven"])


def table(measures: Sequence[Measure]) -> str:
    """Write measures as a Markdown table."""
    head = ("measure", "group", "value", "interval", "champion", "bound", "n", "verdict", "why")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for line in measures:
        interval = f"{number_text(line.interval[0])} to {number_text(line.interval[1])}" if line.interval else ""
        champion = number_text(line.champion) if line.champion is not None else ""
        facts = (line.measure, line.group, number_text(line.value), interval, champion, line.bound, str(line.n))
        verdict = line.verdict if line.verdict in PASSING else f"**{line.verdict}**"
        cells = [*map(cell_text, facts), verdict, cell_text(line.why)]
        lines.append("| " + " | ".join(cells) + " |")
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
