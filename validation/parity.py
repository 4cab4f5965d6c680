"""Stage 3: does the service compute what training computed? Every test and golden row, by the code that serves.

Reads   the registry: the sealed model and the outputs that the fitted pipeline gave; the frozen test part, PARITY.
Prints  a table: largest difference and flipped labels, by set of rows.
Writes  build/verdicts/parity.json.
Exits   0 they agree, 1 they do not, 2 used or set up wrongly, 3 the outside failed.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from validation.asked import NOTHING_FLIPS
from validation.candidate import Candidate, run_gate
from validation.contract import Config
from validation.gate import Judgement, Measure
from validation.script import door
from validation.words.bounds import Bound

if TYPE_CHECKING:
    from validation.judged import Array, Judged


def judge(candidate: Candidate, config: Config) -> Judgement:
    """Compare outputs on the test rows, in another order, and on the golden rows."""
    import numpy as np
    import pandas as pd

    from serve.bundle import read_json
    from validation.judged import judge_candidate, score

    judged = judge_candidate(candidate.folder, config)
    recorded = pd.read_parquet(candidate.folder / "outputs.parquet").drop_duplicates("row").set_index("row")
    fitted = recorded.reindex(judged.rows.index).to_numpy("float64")
    measures = _compared("test rows", judged.outputs, fitted, judged, config)
    shuffled = np.random.default_rng(config.seed).permutation(len(fitted))
    permuted = score(judged.model, judged.inputs.iloc[shuffled])
    measures += _compared("test rows in another order", permuted, fitted[shuffled], judged, config)
    golden = read_json(candidate.folder / "golden.json")
    columns = {spec["name"]: [row[spec["name"]] for row in golden["rows"]] for spec in judged.model.inputs}
    served = judged.model.outputs(columns).astype("float64")
    return Judgement(measures + _compared("golden rows", served, np.array(golden["fitted"]), judged, config))


def _compared(rows: str, served: "Array", fitted: "Array", judged: "Judged", config: Config) -> list[Measure]:
    import numpy as np

    from validation.gate import judged as held

    n, bound = len(served), Bound(at_most=config.parity)
    if n == 0 or served.shape != fitted.shape:
        why = f"service and training recorded {served.shape} and {fitted.shape} outputs"
        return [held("largest difference", rows, None, bound, n, why)]
    gap = float(np.abs(served - fitted).max() / judged.model.target.get("range", 1.0))  # NaN stays NaN, and fails
    why = "the service must give what was judged and fitted"
    measures = [held("largest difference", rows, gap, bound, n, why)]
    if judged.model.labels:
        flipped = float((judged.model.choices(served) != judged.model.choices(fitted)).sum())
        measures.append(held("flipped labels", rows, flipped, NOTHING_FLIPS, n, why))
    return measures


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    return run_gate("parity", __doc__, argv, judge)


if __name__ == "__main__":
    raise SystemExit(main())
