"""Stage 3: does the model treat groups alike? Judged on the frozen test part, by each sensitive column.

Reads   the registry, the frozen test part, SENSITIVE, GROUPS, FAIRNESS.
Prints  a table: each bound with its bootstrap interval, then each group with its rates.
Writes  build/verdicts/fairness.json.
Exits   0 all bounds hold, 1 one does not, 2 used or set up wrongly, 3 the outside failed.

The metrics are those of fairlearn. A group smaller than GROUPS is shown, not judged; a declared group without a row,
or fewer than two groups to compare, fails: nothing would be proven.
"""

from collections.abc import Sequence

from validation.candidate import Candidate, run_gate
from validation.contract import Config
from validation.gate import Judgement
from validation.gate import judged as held
from validation.script import door
from validation.words.bounds import Bound


def judge(candidate: Candidate, config: Config) -> Judgement:
    """Measure each gate of FAIRNESS, then show every group."""
    from validation.judged import judge_candidate
    from validation.measures.groups import judge_groups

    judged = judge_candidate(candidate.folder, config)
    if not config.sensitive:
        why = "SENSITIVE is empty in config.py: nothing is known of groups"
        nothing = held("gates that were not measured", "", 0.0, Bound(at_most=0), len(judged.rows), why)
        return Judgement([nothing])
    choices = judged.model.choices(judged.outputs).astype("float64") if config.target.labels else judged.outputs[:, 0]
    return Judgement(judge_groups(judged.rows, judged.outcome, choices, config))


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    return run_gate("fairness", __doc__, argv, judge)


if __name__ == "__main__":
    raise SystemExit(main())
