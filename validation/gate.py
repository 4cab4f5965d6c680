"""What every gate does alike: measure against a bound, fail closed, write a verdict, print a table.

A verdict is `build/verdicts/<gate>.json`. Its `key` is a digest of everything the gate looked at (model, data, bounds,
code): while that is unchanged the verdict stands and is not worked out again. Its `seal` is a digest of all the rest:
a file that was edited is no verdict.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from validation.pages.cells import number_text, table
from validation.script import BUILD, NO, YES, Refusal, digest_of, log, result, to_json, writing
from validation.words.bounds import Bound

VERDICTS = BUILD / "verdicts"
JUDGED = ("pass", "same", "first", "waived")  # same as the champion; nothing to compare with; a waiver is in force
UNJUDGED = ("shown", "insufficient")  # told, never a pass: no bound, or too few rows
PASSING = (*JUDGED, *UNJUDGED)


@dataclass(frozen=True)
class Measure:
    """One line of a verdict: what was measured, for whom, on `n` rows, against which bound, and what came of it."""

    measure: str
    group: str
    value: float | None
    bound: Bound | None
    n: int
    verdict: str
    why: str
    interval: tuple[float, float] | None = None
    champion: float | None = None

    def __post_init__(self) -> None:
        if self.verdict not in (*PASSING, "fail"):
            raise ValueError(f"{self.verdict!r} is no verdict")
        held = self.n > 0 and self.bound is not None and self.bound.holds(self.value, self.interval)
        if self.verdict == "pass" and not held:
            raise ValueError(f"{self.measure}: {self.value} on {self.n} rows does not pass {self.bound}")


def judged(
    measure: str,
    group: str,
    value: float | None,
    bound: Bound,
    n: int,
    why: str,
    interval: tuple[float, float] | None = None,
    champion: float | None = None,
) -> Measure:
    """Hold a value against its bound; what is not finite, or was measured on no row, fails."""
    known = _finite_ends(interval)
    verdict = "pass" if n > 0 and bound.holds(value, known) else "fail"
    return Measure(measure, group, finite_or_none(value), bound, n, verdict, why, known, finite_or_none(champion))


def shown(
    measure: str, group: str, value: float | None, n: int, why: str, interval: tuple[float, float] | None = None
) -> Measure:
    """Tell a value that nothing judges."""
    return Measure(measure, group, finite_or_none(value), None, n, "shown", why, _finite_ends(interval))


def _finite_ends(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return interval if interval is not None and all(map(math.isfinite, interval)) else None


@dataclass(frozen=True)
class Judgement:
    """What a gate's work gives: its lines, the anchor it compared with, and what the report draws."""

    measures: Sequence[Measure]
    anchor_version: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


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
    anchor_version: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """A verdict passes when it judged something and none of it failed."""
        words = {measure.verdict for measure in self.measures}
        return not words.isdisjoint(JUDGED) and words <= set(PASSING)


def finite_or_none(value: float | None) -> float | None:
    """Return the value as JSON can hold it."""
    return float(value) if value is not None and math.isfinite(value) else None


def decide(gate: str, key: str, work: Callable[[], Verdict], still: Callable[[Verdict], bool] | None = None) -> int:
    """Print the standing verdict while nothing it looked at has changed, else a new one; return the exit code.

    `still` may say that a verdict of the same key stands no longer.
    """
    path = VERDICTS / f"{gate}.json"
    standing = _standing(path, key)
    if standing is None or not (still is None or still(standing)):
        path.unlink(missing_ok=True)  # if the work below crashes, no older verdict may be taken for its result
        standing = work()
        write(path, standing)
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


def write(path: Path, verdict: Verdict) -> None:
    """Write a verdict file under its seal."""
    content = dataclasses.asdict(verdict) | {"passed": verdict.passed}
    with writing(path) as file:
        file.write(to_json(content | {"seal": digest_of(content)}))


def read(path: Path) -> Verdict:
    """Read a verdict file.

    Raises Refusal when it is missing, malformed, edited, or says of itself what its measures do not.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        seal, sealed = content.pop("seal"), digest_of(content)
        claimed = content.pop("passed")
        measures = tuple(_measure(line) for line in content.pop("measures"))
        verdict = Verdict(measures=measures, **content)
        if not isinstance(verdict.evidence, dict):
            raise TypeError("evidence is no object")
    except FileNotFoundError:
        raise Refusal(f"{path.name}: the verdict is missing; run its gate") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Refusal(f"{path.name} is no verdict ({type(error).__name__}: {error}); run its gate again") from None
    if seal != sealed or claimed is not verdict.passed or verdict.gate != path.stem:
        raise Refusal(f"{path.name} is not as its gate wrote it; run its gate again")
    return verdict


def _measure(line: dict[str, Any]) -> Measure:
    interval, bound = line.pop("interval"), line.pop("bound")
    ends = None if interval is None else (float(interval[0]), float(interval[1]))
    return Measure(interval=ends, bound=None if bound is None else Bound(**bound), **line)


def sentences(verdict: Verdict) -> list[str]:
    """Say in one sentence each what failed: stage, measure, bound, reason."""
    of = f"model version {verdict.model_version}" if verdict.model_version else "the data"
    said = []
    for line in verdict.measures:
        if line.verdict not in PASSING:
            group = f" ({line.group})" if line.group else ""
            said.append(
                f"{verdict.gate}: {of}: {line.measure}{group} is {number_text(line.value)}{_until(line)},"
                f" bound: {line.bound or 'none'}; {line.why}"
            )
    return said or ([] if verdict.passed else [f"{verdict.gate}: {of}: nothing was judged, so nothing is proven"])


def _until(line: Measure) -> str:
    """Tell the end of the interval, where that is what the bound holds."""
    counts = line.bound is not None and line.bound.lost
    return f", up to {number_text(line.interval[1])}" if counts and line.interval else ""
