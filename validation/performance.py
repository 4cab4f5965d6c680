"""Stage 3: is the model good enough, and no worse than the one in service? Judged on the frozen test part only.

Reads   the registry, the frozen test part, PERFORMANCE, LOOKS.
Prints  a table: each metric with its 95 % interval and bound; against champion and anchor the loss with its interval.
Writes  build/verdicts/performance.json.
Exits   0 all bounds hold, 1 one does not, 2 used or set up wrongly, 3 the outside failed.

`lose_at_most` is a test of non-inferiority on the same rows: the upper end of the interval (a one-sided 97.5 % bound)
must stay within it, against the champion and against the anchor, the first accepted model of the line: many small
losses may not add up. The first model ever has neither: that is said, and no failure. A test part is worn out when it
has judged LOOKS models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from train.view import Version
from validation.candidate import Candidate, run_gate
from validation.contract import Config
from validation.gate import Judgement, Measure, finite_or_none, judged, shown
from validation.script import door
from validation.words.bounds import PERFORMANCE_METRICS, Bound, Gate

if TYPE_CHECKING:
    import pandas as pd

    from validation.judged import Judged

CHAMPION, ANCHOR = "champion", "anchor"


@dataclass(frozen=True)
class Opponent:
    """A model that the candidate is compared with; without `judged` it is the same model, or `unlike` says why not."""

    name: str
    version: Version
    judged: "Judged | None" = None
    unlike: str = ""


def judge(candidate: Candidate, config: Config) -> Judgement:
    """Measure each gate of PERFORMANCE, and count the looks."""
    from validation.judged import judge_own, judging_parts
    from validation.measures.changes import changes
    from validation.measures.curves import curves
    from validation.measures.metrics import measure
    from validation.measures.paired import interval

    parts = judging_parts(config)
    own, n = judge_own(candidate.folder, parts.test, config), len(parts.test)
    champion, anchor = (_opponent(name, candidate, own, config) for name in (CHAMPION, ANCHOR))
    theirs = champion.judged if champion else None
    measures = []
    for gate in config.performance:
        if gate.lose_at_most is not None:
            measures += _compared(gate, own, champion, anchor, config)
            continue
        value = measure(gate.metric, own.outcome, own.outputs)
        ends = interval(gate.metric, own.outcome, own.outputs, config.seed)
        other = measure(gate.metric, theirs.outcome, theirs.outputs) if theirs else None
        measures.append(judged(gate.measure, "", value, gate.bound, n, _spoilt(own) or gate.why, ends, other))
    looks = "a part that is worn out is replaced: raise draw in SPLIT, `make freeze` takes rows that have not judged"
    measures.append(
        judged("models this test part has judged", "", candidate.looks, Bound(at_most=config.looks), n, looks)
    )
    evidence = curves(own, theirs, config)
    if len(parts.window):
        late = _window(candidate, parts.window, theirs is not None, config)
        figures = [{"metric": line.measure, "candidate": line.value, "champion": line.champion} for line in late]
        evidence["window"] = {"rows": len(parts.window), "metrics": figures}
        measures += late
    if champion and champion.unlike:
        evidence["anew"] = f"the line starts anew: {champion.unlike}"
    elif champion and theirs and candidate.champion_folder and not _spoilt(own, champion):
        folders = (candidate.folder, candidate.champion_folder)
        told = changes(own, theirs, folders, parts.train, config)
        evidence["changes"] = {"against": champion.version.number} | told
    compared = anchor is not None and not anchor.unlike
    return Judgement(measures, anchor.version.number if anchor and compared else None, evidence)


def _opponent(name: str, candidate: Candidate, own: "Judged", config: Config) -> Opponent | None:
    """Score the test part with champion or anchor, where there is one that can."""
    from validation.judged import UnlikeError, judge_rows

    version, folder = (
        (candidate.champion, candidate.champion_folder)
        if name == CHAMPION
        else (candidate.anchor, candidate.anchor_folder)
    )
    if version is None or folder is None:
        return None if version is None else Opponent(name, version)
    if version.tags.get("test-part") != candidate.version.tags.get("test-part"):
        return Opponent(name, version, unlike=f"another test part; the {name} may have been fitted on these rows")
    try:
        return Opponent(name, version, judge_rows(folder, own.rows, config))
    except UnlikeError as error:
        return Opponent(name, version, unlike=f"the {name} was {error}")


def _compared(
    gate: Gate, own: "Judged", champion: Opponent | None, anchor: Opponent | None, config: Config
) -> list[Measure]:
    """Measure how much the candidate loses against champion and anchor on the same rows."""
    if champion is None:
        why = "there is no champion yet: nothing to lose against"
        measures = [Measure(gate.measure, "", None, gate.bound, len(own.outcome), "first", why)]
    else:
        measures = [_against(champion, gate.measure, gate, own, config)]
    if anchor is not None and (champion is None or anchor.version.number != champion.version.number):
        name = gate.measure.replace(CHAMPION, ANCHOR)
        measures.append(_against(anchor, name, gate, own, config))
    return measures


def _against(other: Opponent, name: str, gate: Gate, own: "Judged", config: Config) -> Measure:
    from validation.measures.metrics import measure
    from validation.measures.paired import lost

    n, group = len(own.outcome), f"version {other.version.number}"
    if other.unlike:
        return Measure(name, group, None, gate.bound, n, "first", f"the line starts anew: {other.unlike}")
    if other.judged is None:
        return Measure(name, group, 0.0, gate.bound, n, "same", f"the candidate is the {other.name}, byte for byte")
    up = PERFORMANCE_METRICS[config.target.kind][gate.metric] == "up"
    theirs = measure(gate.metric, other.judged.outcome, other.judged.outputs)
    loss, ends = lost(gate.metric, up, own.outcome, other.judged.outputs, own.outputs, config.seed)
    return judged(name, group, loss, gate.bound, n, _spoilt(own, other) or gate.why, ends, theirs)


def _spoilt(own: "Judged", other: Opponent | None = None) -> str:
    """Say whose outputs are no numbers, so that nothing can be measured; nothing where all are."""
    import numpy as np

    if not np.isfinite(own.outputs).all():
        return "an output of the candidate is not a number"
    if other is not None and other.judged is not None and not np.isfinite(other.judged.outputs).all():
        return f"an output of the {other.name} is not a number: nobody can say what is lost; promote another version"
    return ""


def _window(candidate: Candidate, window: "pd.DataFrame", compare: bool, config: Config) -> list[Measure]:
    """Show each metric on the rows that came after the freeze: neither model was fitted on them."""
    from validation.judged import judge_own, judge_rows
    from validation.measures.metrics import measure
    from validation.measures.paired import interval

    own = judge_own(candidate.folder, window, config)
    theirs = judge_rows(candidate.champion_folder, window, config) if compare and candidate.champion_folder else None
    measures = []
    for metric in dict.fromkeys(gate.metric for gate in config.performance):
        value = measure(metric, own.outcome, own.outputs)
        ends = interval(metric, own.outcome, own.outputs, config.seed)
        line = shown(metric, "rows since the freeze", value, len(window), "beside the test part, not judged", ends)
        other = measure(metric, theirs.outcome, theirs.outputs) if theirs else None
        measures.append(replace(line, champion=finite_or_none(other)))
    return measures


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    return run_gate("performance", __doc__, argv, judge, compares=True)


if __name__ == "__main__":
    raise SystemExit(main())
