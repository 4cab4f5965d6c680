"""Stage 3: does the service compute what training computed, at a like cost? Judged by the code that serves.

Reads   the registry: sealed model, the fitted pipeline's outputs, champion; the frozen test part, PARITY, COST.
Prints  a table: largest difference and flipped labels by set of rows; size, and time against the champion.
Writes  build/verdicts/parity.json.
Exits   0 they agree, 1 they do not, 2 used or set up wrongly, 3 the outside failed.

The sets: every test row as it is, in another order, with a value missing, with one never seen; and the golden rows,
which are made up from the contract (its limits, missing values, unseen categories). The model is timed in turns with
the champion's, in one process.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from validation.asked import NOTHING_FLIPS
from validation.candidate import Candidate, run_gate
from validation.contract import Config
from validation.gate import Judgement, Measure, judged
from validation.script import Refusal, door
from validation.words.bounds import Bound

if TYPE_CHECKING:
    from validation.judged import Array, Judged


def judge(candidate: Candidate, config: Config) -> Judgement:
    """Compare outputs with those recorded at training, set by set; then measure the cost."""
    from validation.judged import judge_candidate
    from validation.measures.cost import measure_cost

    model = judge_candidate(candidate.folder, config)
    measures = [*_on_test_rows(candidate, model, config), *_on_golden_rows(candidate, model, config)]
    costs, evidence = measure_cost(candidate, model, config)
    return Judgement([*measures, *costs], evidence={"cost": evidence})


def _on_test_rows(candidate: Candidate, model: "Judged", config: Config) -> list[Measure]:
    import numpy as np
    import pandas as pd

    from train.edges import altered
    from validation.judged import score

    if not (candidate.folder / "outputs.parquet").is_file():
        raise Refusal(
            f"the outputs that training recorded for version {candidate.version.number} are not here, as they do not"
            " travel on the branch; `make fit` makes the same version again, with them"
        )
    recorded = pd.read_parquet(candidate.folder / "outputs.parquet").drop_duplicates("row").set_index("row")
    recorded = recorded.reindex(model.rows.index)

    def fitted(name: str) -> "Array":
        wanted = [column for column in recorded if str(column).rpartition("_")[0] == name]
        return recorded[wanted].to_numpy("float64")

    measures = _compared("test rows", model.outputs, fitted("output"), model, config)
    shuffled = np.random.default_rng(config.seed).permutation(len(recorded))
    permuted = score(model.model, model.inputs.iloc[shuffled])
    measures += _compared("test rows in another order", permuted, fitted("output")[shuffled], model, config)
    for kind, inputs in altered(model.inputs, config).items():
        measures += _compared(f"test rows with a value {kind}", score(model.model, inputs), fitted(kind), model, config)
    return measures


def _on_golden_rows(candidate: Candidate, model: "Judged", config: Config) -> list[Measure]:
    import numpy as np

    from serve.bundle import read_json

    golden = read_json(candidate.folder / "golden.json")
    columns = {spec["name"]: [row[spec["name"]] for row in golden["rows"]] for spec in model.model.inputs}
    served = model.model.outputs(columns).astype("float64")
    fitted, kinds = np.array(golden["fitted"]), np.array(golden["kinds"])
    if not len(served) == len(fitted) == len(kinds):
        return _compared("golden rows", served, fitted[:0], model, config)
    measures = []
    for kind in sorted(set(kinds)):
        chosen = kinds == kind
        measures += _compared(f"golden rows, {kind}", served[chosen], fitted[chosen], model, config)
    return measures


def _compared(rows: str, served: "Array", fitted: "Array", model: "Judged", config: Config) -> list[Measure]:
    import numpy as np

    n, bound = len(served), Bound(at_most=config.parity)
    if n == 0 or served.shape != fitted.shape:
        why = f"service and training recorded {served.shape} and {fitted.shape} outputs"
        return [judged("largest difference", rows, None, bound, n, why)]
    gap = float(np.abs(served - fitted).max() / model.model.target.get("range", 1.0))  # NaN stays NaN, and fails
    why = "the service must give what was judged and fitted"
    measures = [judged("largest difference", rows, gap, bound, n, why)]
    if model.model.labels:
        flipped = float((model.model.choices(served) != model.model.choices(fitted)).sum())
        measures.append(judged("flipped labels", rows, flipped, NOTHING_FLIPS, n, why))
    return measures


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    return run_gate("parity", __doc__, argv, judge, compares=True)


if __name__ == "__main__":
    raise SystemExit(main())
