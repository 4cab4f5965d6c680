"""What a model costs: both it and the champion timed in turns in one process, so that the machine's pace cancels."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serve.runtime import model_file
from serve.words import ONNX, SKOPS
from validation.asked import BATCH, BATCHES, ROW, SIZE
from validation.candidate import Candidate
from validation.contract import Config
from validation.gate import Measure, finite_or_none, judged, shown
from validation.judged import Judged, UnlikeError, judge_rows
from validation.words.bounds import Bound

ROUNDS = 25
SINGLES = 20  # single rows scored in a round
GIVEN_UP = "times the champion's, an ONNX graph, which this pipeline is not; MODEL says so where it is meant: runtime"


def measure_cost(candidate: Candidate, model: Judged, config: Config) -> tuple[list[Measure], dict[str, Any]]:
    """Measure size and speed; the latter as a ratio to the champion's, the least of several rounds each."""
    sizes, slower = (Bound(at_most=config.cost.max_bytes), Bound(at_most=config.cost.slower_at_most))
    size = _bytes(candidate.folder)
    other_size = _bytes(candidate.champion_folder) if candidate.champion_folder else None
    champion, verdict, why = _opponent(candidate, model, config)
    times = _times({"candidate": model} | ({"champion": champion} if champion else {}))
    evidence: dict[str, Any] = {"bytes": size, "champion_bytes": other_size}
    large = "a model this large was not meant; look at its parameters"
    measures = [judged(SIZE, "", float(size), sizes, 1, large, champion=other_size)]
    for name, key in ((ROW, "row"), (BATCHES, "batch")):
        own, other = times["candidate"][key], times.get("champion", {}).get(key)
        ratio = None if other is None else own / other
        evidence |= {f"{key}_microseconds_per_row": own * 1e6, f"{key}_ratio": finite_or_none(ratio)}
        if champion is None:
            measures.append(Measure(name, "", 1.0 if verdict == "same" else None, slower, ROUNDS, verdict, why))
        else:
            measures.append(judged(name, "against the champion", ratio, slower, ROUNDS, why))
        measures.append(shown(f"{name}, microseconds", "", own * 1e6, ROUNDS, "on this machine, now"))
    return measures, evidence


def _opponent(candidate: Candidate, model: Judged, config: Config) -> tuple[Judged | None, str, str]:
    """Score the rows with the champion, where it is one to be timed against; return the verdict where not, and why."""
    if candidate.champion is None:
        return None, "first", "there is no champion yet: nothing to be slower than"
    if candidate.champion_folder is None:
        return None, "same", "the candidate is the champion, byte for byte"
    try:
        champion = judge_rows(candidate.champion_folder, model.rows, config)
    except UnlikeError as error:
        return None, "first", f"the champion was {error}"
    if (champion.model.runtime, model.model.runtime) != (ONNX, SKOPS):
        return champion, "", "times the champion's, both measured in turns; the model in service answers faster"
    if config.model.runtime == SKOPS:
        return None, "first", "the champion is an ONNX graph, and MODEL asks for scikit-learn itself: another pace"
    return champion, "", GIVEN_UP


def _bytes(folder: Path) -> int:
    return model_file(folder).stat().st_size


def _times(models: Mapping[str, Judged]) -> dict[str, dict[str, float]]:
    """Time each model in turns; return seconds a row, the least of all rounds: what disturbs only adds."""
    work = {name: (_columns(model, 1, SINGLES), _columns(model, BATCH, 1)) for name, model in models.items()}
    least: dict[str, dict[str, float]] = {name: {} for name in models}
    for _ in range(ROUNDS):
        for name, (singles, batches) in work.items():
            for key, loads in (("row", singles), ("batch", batches)):
                start = time.perf_counter()
                for columns in loads:
                    models[name].model.outputs(columns)
                rows = sum(len(next(iter(columns.values()))) for columns in loads)
                seconds = (time.perf_counter() - start) / rows
                least[name][key] = min(least[name].get(key, seconds), seconds)
    return least


def _columns(model: Judged, rows: int, times: int) -> Sequence[dict[str, Any]]:
    """Cut the first inputs into requests of `rows` rows."""
    from train.data import as_columns

    starts = [place * rows for place in range(times) if place * rows < len(model.inputs)]
    return [as_columns(model.inputs.iloc[start : start + rows]) for start in starts]
