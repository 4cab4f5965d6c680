"""Stage 3: is the model good enough, and no worse than the one in service? Judged on the frozen test part only.

Reads   the registry, the frozen test part, PERFORMANCE.
Prints  a table: each metric, its bound, and against the champion the loss with its 90 % interval.
Writes  build/verdicts/performance.json.
Exits   0 all bounds hold, 1 one does not, 2 used or set up wrongly, 3 the outside failed.

`lose_at_most` is a test of non-inferiority on the same rows: the upper end of the interval (a one-sided 95 % bound)
must stay within it. The first model ever has no champion: that is said, and no failure.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from validation.candidate import Candidate, run_gate
from validation.contract import Config
from validation.gate import Judgement, Measure
from validation.script import door
from validation.words.bounds import PERFORMANCE_METRICS, Gate

if TYPE_CHECKING:
    from validation.judged import Judged


def judge(candidate: Candidate, config: Config) -> Judgement:
    """Measure each gate of PERFORMANCE."""
    from validation.gate import judged as held
    from validation.judged import UnlikeError, judge_candidate, judge_rows
    from validation.measures.metrics import measure

    judged = judge_candidate(candidate.folder, config)
    rows = judged.rows
    champion: Judged | None = None
    unlike = ""
    if candidate.champion is not None and candidate.champion_folder is not None:
        if candidate.champion.tags.get("test-part") != candidate.version.tags.get("test-part"):
            unlike = "another test part; the champion may have been fitted on these rows"
        else:
            try:
                champion = judge_rows(candidate.champion_folder, rows, config)
            except UnlikeError as error:
                unlike = f"the champion was {error}"
    measures = []
    for gate in config.performance:
        if gate.lose_at_most is not None:
            measures.append(_compared(gate, candidate, judged, champion, unlike, config))
            continue
        value = measure(gate.metric, judged.outcome, judged.outputs)
        shown = measure(gate.metric, champion.outcome, champion.outputs) if champion else None
        measures.append(held(gate.measure, "", value, gate.bound, len(rows), gate.why, champion=shown))
    return Judgement(measures)


def _compared(
    gate: Gate, candidate: Candidate, judged: "Judged", champion: "Judged | None", unlike: str, config: Config
) -> Measure:
    """Measure how much the candidate loses against the champion on the same rows."""
    from validation.gate import judged as held
    from validation.measures.metrics import lost, lost_interval, measure

    name, n = gate.measure, len(judged.outcome)
    if candidate.champion is None:
        return Measure(name, "", None, gate.bound, n, "first", "there is no champion yet: nothing to lose against")
    against = f"version {candidate.champion.number}"
    if candidate.champion.digest == candidate.version.digest:
        return Measure(name, against, 0.0, gate.bound, n, "same", "the candidate is the champion, byte for byte")
    if champion is None:
        return Measure(name, against, None, gate.bound, n, "first", f"the line starts anew: {unlike}")
    up = PERFORMANCE_METRICS[config.target.kind][gate.metric] == "up"
    theirs = measure(gate.metric, champion.outcome, champion.outputs)
    loss = lost(up, theirs, measure(gate.metric, judged.outcome, judged.outputs))
    low, high = lost_interval(gate.metric, up, judged.outcome, champion.outputs, judged.outputs, config.seed)
    return held(name, against, loss, gate.bound, n, gate.why, interval=(low, high), champion=theirs)


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    return run_gate("performance", __doc__, argv, judge, compares=True)


if __name__ == "__main__":
    raise SystemExit(main())
