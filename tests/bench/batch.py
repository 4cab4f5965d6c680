"""Measure batch scoring: its rate beside mlflow.pyfunc and beside the floor, and its memory by number of rows.

Usage: python -m tests.bench.batch [--rows 1000000] [--lengths 1000000,10000000] [--repeats 3] [--chain FOLDER]

Reads   this repository; with --chain a copy of it in which the chain has run, else one is made (minutes).
Prints  two tables in Markdown, rates as medians of alternating rounds, each in a process of its own; what it does
        meanwhile goes to stderr.
Exits   0 always, unless something breaks: a benchmark decides nothing.

The rows are those of the example, again and again, in row groups of half a million. Rates count reading, scoring and
writing, Parquet to Parquet, not the start of the process: that of pyfunc takes seconds. All have the same threads.

batch   python -m serve.batch
floor   the same reading, encoding and writing; no row is checked, no part kept, and the outputs are drawn ahead
pyfunc  the same pipeline, logged as scikit-learn's, on the whole frame. MLflow's pyfunc of the registered version, an
        ONNX graph that takes columns of shape (rows, 1), refuses a frame
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.store import chain_in, table
from tests.conftest import Workspace

GROUP = 500_000
HOWS = ("batch", "floor", "pyfunc")


def say(what: str) -> None:
    """Tell on stderr what is done."""
    sys.stderr.write(f"tests.bench.batch: {what}\n")


def rows_in(path: Path, data: Path, rows: int) -> None:
    """Write so many rows, the example's again and again."""
    import pyarrow.parquet

    example = pyarrow.parquet.read_table(data)
    with pyarrow.parquet.ParquetWriter(path, example.schema) as writer:
        block = pyarrow.concat_tables([example] * -(-GROUP // example.num_rows)).slice(0, GROUP)
        for start in range(0, rows, GROUP):
            writer.write_table(block.slice(0, min(GROUP, rows - start)), row_group_size=GROUP)


def by_batch(bundle: Path, source: Path, output: Path, threads: int) -> Callable[[], Any]:
    """Score by the product."""
    from serve.bulk.job import Job, here, run
    from serve.bulk.place import Place
    from serve.loaded import Bundle

    loaded = Bundle(bundle)
    places = (Place(str(path)) for path in (source, output, output.with_suffix(".rejects.parquet")))
    return lambda: run(loaded, Job(*places), here(threads), say, lambda done, total: None)


def by_floor(bundle: Path, source: Path, output: Path, threads: int) -> Callable[[], Any]:
    """Take checks, parts and model out of the product; the outputs that are written are drawn ahead."""
    import numpy as np

    from serve.bulk import scoring, ways
    from serve.bulk.parts import Parts
    from serve.bulk.source import CHUNK
    from serve.trees.ensemble import FILE, Trees

    ready = by_batch(bundle, source, output, threads)
    Parts.keep = lambda _, number, scored, rejected: (scored, rejected)  # type: ignore[method-assign]
    shares = np.random.default_rng(1).random((CHUNK, 1), dtype="float32")
    drawn = np.hstack([1 - shares, shares])

    def way_of(bundle: Any) -> ways.Way:
        model = bundle.model
        trees = Trees(model.folder / FILE, model.inputs)
        trees.outputs = lambda places: drawn[: len(places[0])]  # type: ignore[method-assign]
        return lambda columns, rows: ways.chunk_by_trees(trees, model, columns, rows)

    scoring.way_of = way_of  # type: ignore[attr-defined]
    scoring.reasons = lambda columns, specs, rows: {}  # type: ignore[attr-defined, assignment]
    return ready


def by_pyfunc(model: Path, source: Path, output: Path, threads: int) -> Callable[[], Any]:
    """Score as MLflow's users do: read the frame, predict, write."""
    import mlflow.pyfunc
    import pandas as pd

    loaded = mlflow.pyfunc.load_model(str(model))
    inputs = loaded.metadata.signature.inputs.inputs

    def score() -> None:
        frame = pd.read_parquet(source)
        columns = {}
        for column in inputs:
            values = frame[column.name]
            numeric = column.type.name == "float"
            columns[column.name] = values.astype("float32") if numeric else values.astype("object").fillna("")
        shares = loaded.predict(pd.DataFrame(columns))[:, 1]
        pd.DataFrame({"row": range(len(frame)), "probability": shares}).to_parquet(output)

    return score


def logged_pipeline(chain: Path, target: Path) -> None:
    """Fit the chain's pipeline again and save it as MLflow's users do."""
    sys.path.insert(0, str(chain))
    import mlflow.sklearn
    from mlflow.models import infer_signature

    from tests import kept
    from train import data, model

    config, rows = kept.config(), kept.parts().train
    outcome = data.outcomes(rows, config)
    pipeline = model.build(config)
    weights = {f"{model.ESTIMATOR}__sample_weight": model.sample_weights(rows, outcome, config)}
    inputs = data.model_inputs(rows, config.inputs)
    pipeline.fit(inputs, outcome, **weights)
    mlflow.sklearn.save_model(
        pipeline, target, signature=infer_signature(inputs), pip_requirements=["scikit-learn"],
        pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle",
    )  # fmt: skip


def child(how: str, model: Path, source: Path, output: Path, threads: int) -> dict[str, float]:
    """Score in this process; return seconds and the peak of its memory in megabytes."""
    make = {"batch": by_batch, "floor": by_floor}.get(how, by_pyfunc)
    score = make(model, source, output, threads)
    start = time.perf_counter()
    score()
    seconds = time.perf_counter() - start
    # not getrusage: its peak begins with that of the process that forked this one
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return {"seconds": seconds, "megabytes": int(peak) / 1e3}


def measure(how: str, models: dict[str, Path], source: Path, folder: Path, threads: int) -> dict[str, float]:
    """Score in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.batch", "--child", how, str(models[how]), str(source)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [*command, str(folder / "out.parquet"), "--threads", str(threads)],
        env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Run the benchmark."""
    manual = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    manual.add_argument("--rows", type=int, default=1_000_000)
    manual.add_argument("--lengths", default="1000000,10000000")
    manual.add_argument("--repeats", type=int, default=3)
    manual.add_argument("--threads", type=int, default=2)
    manual.add_argument("--chain", type=Path)
    manual.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    given = manual.parse_args()
    if given.child:
        how, *places = given.child
        sys.stdout.write(json.dumps(child(how, *map(Path, places), given.threads)) + "\n")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chain = Workspace(given.chain) if given.chain else chain_in(folder / "chain")
        logged_pipeline(chain.root, folder / "pipeline")
        bundle = chain.root / "build/model"
        models = dict(zip(HOWS, (bundle, bundle, folder / "pipeline"), strict=True))
        source = folder / "in.parquet"
        rows_in(source, chain.root / "data/census.parquet", given.rows)
        taken: dict[str, list[dict[str, float]]] = {how: [] for how in HOWS}
        for turn in range(given.repeats):
            for how in HOWS:
                taken[how].append(measure(how, models, source, folder, given.threads))
                say(f"round {turn + 1}, {how}: {taken[how][-1]}")
        seconds = {how: statistics.median(one["seconds"] for one in taken[how]) for how in HOWS}
        rates = [
            [how, f"{given.rows / seconds[how]:,.0f}", f"{seconds[how] / seconds['batch']:.2f}",
             f"{max(one['megabytes'] for one in taken[how]):,.0f}"]
            for how in HOWS
        ]  # fmt: skip
        lengths = []
        for rows in (int(word) for word in given.lengths.split(",")):
            rows_in(source, chain.root / "data/census.parquet", rows)
            one = measure("batch", models, source, folder, given.threads)
            say(f"{rows} rows: {one}")
            lengths.append([f"{rows:,}", f"{rows / one['seconds']:,.0f}", f"{one['megabytes']:,.0f}"])
    head = ["Parquet to Parquet", "rows/s", "time, as a ratio to batch", "peak, MB"]
    sys.stdout.write(f"{table(head, rates)}\n\n{table(['rows', 'rows/s', 'peak, MB'], lengths)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
