"""The report in short, report.json: made from verdicts, and read back as data that nobody vouches for.

It imports neither numpy nor a drawing library: what comments on a pull request reads it.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from train.view import Version
from validation.contract import Config
from validation.gate import JUDGED, Measure, Verdict
from validation.pages.blocks import plain
from validation.pages.card import release_of
from validation.pages.pace import pace
from validation.pages.said import (
    COMMIT,
    GATES,
    LONGEST_TEXT,
    MOST_LINES,
    MOST_ROWS,
    Changes,
    GateSaid,
    Line,
    Rates,
    Summary,
)
from validation.script import BUILD, Refusal, to_json, writing
from validation.verdicts import Collected

__all__ = ["REPORT", "Summary", "read_summary", "summarise", "write_summary"]
REPORT = BUILD / "report" / "report.json"
MOST_BYTES = 1_000_000


def summarise(
    version: Version,
    collected: Collected,
    config: Config,
    calibration: Mapping[str, Any] | None = None,
    current: bool = False,
) -> Summary:
    """Gather what the report says; texts and lists are cut to what report.json may hold.

    Raises Refusal when a gate's evidence is not of the form that the report reads.
    """
    performance = collected.verdicts.get("performance")
    evidence = performance.evidence if performance else {}
    commit = version.tags.get("commit", "unknown")
    rates = None if calibration is None else {"current": current, "lines": calibration.get("lines", [])}
    return Summary(
        format=1,
        model=config.model.name[:200],
        version=version.number,
        model_digest=version.digest,
        data_digest=version.tags.get("data-digest", ""),
        commit=commit if re.match(COMMIT, commit) else "unknown",
        champion=performance.champion_version if performance else None,
        anchor=performance.anchor_version if performance else None,
        passed=collected.passed,
        bounds_changed=_cut(list(config.changed)),
        faults=_cut(list(collected.faults)),
        gates=[_gate(gate, collected.verdicts.get(gate)) for gate in GATES],
        changes=_typed(evidence.get("changes"), Changes, "build/verdicts/performance.json: `changes`"),
        anew=_cut(evidence.get("anew")),
        calibration=_typed(rates, Rates, config.calibration),
        pace=_cut(pace(release_of(version, config), collected.verdicts)),
    )


def _gate(gate: Any, verdict: Verdict | None) -> GateSaid:
    if verdict is None:
        return GateSaid(gate, None, [])
    waivers = {waiver.get("measure"): waiver for waiver in verdict.evidence.get("waivers", ())}
    lines = [_line(measure, waivers.get(measure.measure)) for measure in verdict.measures]
    if len(lines) > MOST_LINES:
        lines.sort(key=lambda line: (line.verdict != "fail", line.verdict not in JUDGED))
        left = len(lines) - MOST_LINES + 1
        why = f"build/verdicts/{gate}.json has every line"
        lines = [*lines[: MOST_LINES - 1], Line("lines left out here", "", left, None, None, "", 0, "shown", why)]
    return GateSaid(gate, verdict.passed, lines)


def _line(measure: Measure, waiver: Mapping[str, Any] | None) -> Line:
    why = measure.why
    if measure.verdict == "waived" and waiver is not None and str(waiver.get("owner")) not in why:
        why = f"{why}; waived by {waiver.get('owner')} until {waiver.get('expires')}: {waiver.get('reason')}"
    return Line(
        measure=_cut(measure.measure),
        group=_cut(measure.group),
        value=measure.value,
        interval=measure.interval,
        champion=measure.champion,
        bound=_cut(str(measure.bound)) if measure.bound else "",
        n=measure.n,
        verdict=measure.verdict,  # type: ignore[arg-type]  # Measure refuses any other word
        why=_cut(why),
    )


def _cut(value: Any) -> Any:
    """Cut texts and lists, at any depth, to what report.json may hold."""
    if isinstance(value, str):
        return plain(value, LONGEST_TEXT)
    if isinstance(value, Mapping):
        return {key: _cut(one) for key, one in value.items()}
    return [_cut(one) for one in value[:MOST_ROWS]] if isinstance(value, list | tuple) else value


def _typed(value: Any, kind: type[Any], where: str) -> Any:
    if value is None:
        return None
    try:
        return msgspec.convert(_cut(value), kind)
    except (msgspec.ValidationError, AttributeError) as error:
        raise Refusal(f"{where} is not of the form that the report reads: {error}; make it again") from None


def write_summary(path: Path, summary: Summary) -> None:
    """Write report.json.

    Raises Refusal when it could not be read back.
    """
    text = to_json(msgspec.to_builtins(summary))
    _parsed(text.encode(), path.name)
    with writing(path) as file:
        file.write(text)


def read_summary(path: Path) -> Summary:
    """Read report.json, whoever wrote it.

    Raises Refusal when it is missing, no plain file, too large, not of the form, or contradicts itself.
    """
    try:
        # A pipe would wait for ever, and a link could lead to a file that is not the artifact's
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Refusal(f"{path.name} is no plain file")
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Refusal(f"{path.name} cannot be read: {error.strerror}; `make report` writes it") from None
    return _parsed(content, path.name)


def _parsed(content: bytes, name: str) -> Summary:
    if len(content) > MOST_BYTES:
        raise Refusal(f"{name} is larger than {MOST_BYTES:,} bytes: no report of ours")
    try:
        summary = msgspec.json.decode(content, type=Summary)
    except (ValueError, RecursionError) as error:
        raise Refusal(f"{name} is no report of ours: {str(error)[:200]}") from None
    fault = _contradiction(summary)
    if fault:
        raise Refusal(f"{name} contradicts itself: {fault}")
    return summary


def _contradiction(summary: Summary) -> str | None:
    if tuple(gate.gate for gate in summary.gates) != GATES:
        return "it does not hold each gate once, in order"
    if summary.passed is bool(summary.faults):
        return "it says passed with faults, or not passed without one"
    for gate in summary.gates:
        words = {line.verdict for line in gate.measures}
        green = "fail" not in words and not words.isdisjoint(JUDGED)
        if bool(gate.passed) is not green or (gate.passed is None and gate.measures):
            return f"its lines of {gate.gate} do not give its verdict"
        if summary.passed and not gate.passed:
            return f"it says passed, and {gate.gate} did not"
    return None
