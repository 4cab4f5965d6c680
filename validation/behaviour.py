"""Stage 3: does the model behave as people expect, whatever its figures? On a sample of the frozen test part.

Reads   the registry, the frozen test part, BEHAVIOUR.
Prints  a table of every expectation with the share of rows that break it.
Writes  build/verdicts/behaviour.json.
Exits   0 all hold, 1 one does not, 2 used or set up wrongly, 3 the outside failed.

Always: missing values and unseen categories get a legal output; the order of columns and rows, and the spelling of
folded categories, change nothing; the worst slice and what drives the model are told. From BEHAVIOUR: directions,
invariances, robustness to missing values and noise, cases written by people, bounds on the worst slice and on the
stability of the explanation.
"""

from collections.abc import Sequence

from validation.candidate import Candidate, run_gate
from validation.contract import Config
from validation.gate import Judgement
from validation.script import door


def judge(candidate: Candidate, config: Config) -> Judgement:
    """Measure what always holds, then each line of BEHAVIOUR."""
    from validation.judged import judge_candidate
    from validation.measures.checks import always, moving
    from validation.measures.understanding import understanding

    own = judge_candidate(candidate.folder, config)
    measures, evidence = understanding(own, config)
    return Judgement([*always(own, config), *moving(own, config), *measures], evidence=evidence)


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    return run_gate("behaviour", __doc__, argv, judge)


if __name__ == "__main__":
    raise SystemExit(main())
