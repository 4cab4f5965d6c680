"""Stage 3: does the model treat groups alike? Judged on the frozen test part, by sensitive columns and intersections.

Reads   the registry, the frozen test part, SENSITIVE, GROUPS, FAIRNESS, WAIVERS.
Prints  a table: each bound with its bootstrap interval, then each group with its size and rates.
Writes  build/verdicts/fairness.json.
Exits   0 all bounds hold or are waived, 1 one does not, 2 used or set up wrongly, 3 the outside failed.

The metrics are those of fairlearn. A group smaller than GROUPS is insufficient: it is told and not judged, and fails
where GROUPS.must_judge names it. A declared group without a row, or fewer than two groups to compare, fails: nothing
would be proven. A waiver stands for one gate until it is over; then it fails by itself.
"""

from collections.abc import Sequence

from validation.candidate import Candidate, run_gate
from validation.contract import Config
from validation.gate import Judgement, judged
from validation.script import door
from validation.words.bounds import Bound


def judge(candidate: Candidate, config: Config) -> Judgement:
    """Measure each gate of FAIRNESS, then tell every group."""
    import numpy as np

    from validation.judged import judge_candidate
    from validation.measures.groups import evidence, judge_groups, waived

    own = judge_candidate(candidate.folder, config)
    if not config.sensitive:
        why = "SENSITIVE is empty in config.py: nothing is known of groups"
        return Judgement([judged("gates that were not measured", "", 0.0, Bound(at_most=0), len(own.rows), why)])
    choices = own.model.choices(own.outputs).astype("float64") if config.target.labels else own.outputs[:, 0]
    if not np.isfinite(own.outputs).all():  # a label can be chosen among them, and would mean nothing
        choices = np.full(len(choices), np.nan)
    measures = waived(judge_groups(own.rows, own.outcome, choices, config), config)
    return Judgement(measures, evidence=evidence(measures, config))


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    return run_gate("fairness", __doc__, argv, judge)


if __name__ == "__main__":
    raise SystemExit(main())
