"""A table of any length gets what /predict gives, row for row; what it refuses is rejected with its reason."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv
import pytest

from serve import batch
from serve.bulk import job, source
from serve.rows import BadRequest
from serve.stores import found
from serve.wire.scored import Scored, Templates
from tests.serve.bundles import sealed
from tests.serve.conftest import BEGUN, write
from tests.train import parts


def answers(bundle, frame) -> list:
    """What the service gives for each row of a frame: a prediction, or its sentence."""
    found = []
    for row in frame[[spec["name"] for spec in bundle.model.inputs]].to_dict("records"):
        body = {name: None if pd.isna(value) else value for name, value in row.items()}
        try:
            columns, _ = bundle.rows.decode(json.dumps(body, default=float).encode())
            scored = Scored(bundle.model, bundle.model.outputs(columns))
            found.append(json.loads(Templates(bundle.model.target).row(scored, 0)))
        except BadRequest as refused:
            found.append(str(refused))
    return found


def changed(frame: pd.DataFrame) -> pd.DataFrame:
    """Some 1,700 rows of the example, among them those that break the contract and those that stretch it."""
    rows = frame.iloc[:1700].copy().astype({"age": "float64", "hours_per_week": "float64"})
    for place, (name, value) in enumerate(
        [
            ("age", 16), ("age", 100.5), ("age", None), ("hours_per_week", 40.5), ("capital_gain", 10**6),
            ("workclass", "Nobody"), ("workclass", None), ("marital_status", None), ("native_country", "Atlantis"),
            ("native_country", None), ("relationship", "husband"), ("native_country", "x" * 201), ("age", 100),
        ]
    ):  # fmt: skip
        rows.loc[place * 130, name] = value
    return rows


@pytest.mark.parametrize("kinds", [("parquet", "parquet"), ("csv", "csv"), ("csv", "parquet"), ("parquet", "csv")])
def test_every_row_gets_what_the_service_gives(score, bundle, frame, kinds) -> None:
    """The same numbers to the last digit, the same sentences; what is good goes on."""
    rows = changed(frame)
    code, output, rejects, _ = score(rows, kinds=kinds)
    expected = answers(bundle, rows)
    assert 0 == code
    assert {n: a for n, a in enumerate(expected) if not isinstance(a, str)} == {
        row["row"]: {"label": row["label"], "probability": row["probability"]} for row in output.to_pylist()
    }
    assert {n: a for n, a in enumerate(expected) if isinstance(a, str)} == {
        row["row"]: row["reason"] for row in rejects.to_pylist()
    }
    assert {
        "age",
        "hours_per_week",
        "capital_gain",
        "workclass",
        "marital_status",
        "relationship",
        "native_country",
    } == {row["column"] for row in rejects.to_pylist()}


def test_what_has_no_trees_is_scored_by_what_serves_it(score, bundle, frame, chain, tmp_path) -> None:
    """To the same numbers: only the stamp of the model's digest is another."""
    shutil.copytree(chain.root / "build/model", tmp_path / "bundle")
    (tmp_path / "bundle/model/trees.npz").unlink()
    sealed(tmp_path / "bundle")
    rows = changed(frame)
    by_trees = score(rows)[1]
    by_graph = score(rows, "--bundle", str(tmp_path / "bundle"))[1]
    assert by_trees["model_digest"] != by_graph["model_digest"]
    assert by_trees.drop_columns("model_digest") == by_graph.drop_columns("model_digest")


@pytest.mark.parametrize("damage", ["another leaf", "another kind of output", "no archive"])
def test_trees_that_are_not_the_models_score_nothing(score, frame, chain, tmp_path, damage) -> None:
    """Though somebody sealed them: they give the golden rows other outputs, or cannot be read."""
    shutil.copytree(chain.root / "build/model", tmp_path / "bundle")
    file = tmp_path / "bundle/model/trees.npz"
    if damage != "no archive":
        with np.load(file) as held:
            parts = {name: held[name] for name in held.files}
        if damage == "another leaf":
            parts["leaves"][:, 0] += 0.5
        else:
            parts["turn"] = np.array("NONE")
        np.savez(file, **parts)
    else:
        file.write_bytes(b"none")
    sealed(tmp_path / "bundle")
    code, output, _, told = score(frame.iloc[:10], "--bundle", str(tmp_path / "bundle"))
    assert (2, None) == (code, output)
    said = "gives a golden row another output than at training" if "another" in damage else "cannot be read as trees"
    assert f"trees.npz {said}" in told.err


def test_every_row_is_stamped(score, bundle, frame) -> None:
    """Model, version, digest, and when the job began."""
    _, output, _, _ = score(frame.iloc[:3])
    release = bundle.release
    stamps = ("income", release["model_version"], release["model_digest"], BEGUN)
    names = ("model", "model_version", "model_digest", "scored_at")
    assert [stamps] * 3 == [tuple(row[name] for name in names) for row in output.to_pylist()]


def test_columns_are_kept_by_name_or_all(score, frame) -> None:
    """They stand between number and prediction, as they were; others are named and left out."""
    rows = frame.iloc[:900].assign(id=[f"n{place}" for place in range(900)])
    _, output, _, told = score(rows, "--keep", "id,age")
    assert ["row", "id", "age", "label"] == output.column_names[:4]
    assert (rows["id"].tolist(), rows["age"].tolist()) == (output["id"].to_pylist(), output["age"].to_pylist())
    assert "the model takes no column fnlwgt, education, race, sex, income" in told.err
    _, output, _, told = score(rows, "--keep", "all")
    assert rows.columns.tolist() == output.column_names[1:-6]
    assert "" == told.err
    assert rows["education"].tolist() == output["education"].to_pylist()


def test_a_table_without_rows_is_scored(score, frame) -> None:
    """An empty day is no fault: both files are there, with their columns."""
    for kinds in (("parquet", "parquet"), ("csv", "csv")):
        code, output, rejects, told = score(frame.iloc[:0], kinds=kinds)
        assert (0, 0, 0) == (code, output.num_rows, rejects.num_rows)
        assert ["row", "label", "probability"] == output.column_names[:3]
        assert "| rows | 0 |" in told.out


@pytest.mark.parametrize(("bound", "expected"), [("0.01", 0), ("0.0099", 1), ("0", 1)])
def test_too_many_rejects_are_a_no(score, frame, bound, expected) -> None:
    """One row in a hundred is bad: the bound decides, the reasons are written, the old output stays."""
    rows = frame.iloc[:100].assign(age=[7, *frame["age"].iloc[1:100]])
    score(frame.iloc[:3])
    code, output, rejects, told = score(rows, "--rejected-at-most", bound)
    assert (expected, 1) == (code, rejects.num_rows)
    assert (3 if code else 99) == output.num_rows
    assert ("1 of 100 rows (1.00%) were rejected" in told.err) == (code == 1)


def test_urls_are_read_and_written_by_fsspec(score, frame, monkeypatch, capsys) -> None:
    """Nothing but the whole files lies in the store afterwards."""
    import fsspec

    store = fsspec.filesystem("memory")
    with store.open("/batch/in.parquet", "wb") as file:
        frame.iloc[:1200].to_parquet(file)
    code, *_ = score("memory://batch/in.parquet", "--output", "memory://batch/out.csv")
    assert 0 == code
    assert ["/batch/in.parquet", "/batch/out.csv", "/batch/out.rejects.csv"] == sorted(store.ls("/batch", detail=False))
    with store.open("/batch/out.csv") as file:
        assert 1200 == pyarrow.csv.read_csv(file).num_rows
    assert [] == list(Path("build/batch").iterdir())
    monkeypatch.setitem(sys.modules, "fsspec", None)
    code, _, _, told = score("memory://batch/in.parquet")
    assert 2 == code
    assert "memory://batch/in.parquet is a URL, and fsspec is not installed" in told.err


@pytest.fixture(params=["gs", "s3"])
def elsewhere(request, tmp_path, monkeypatch) -> Iterator[Callable[[str], str]]:
    """What makes the URL of a file in a store of a cloud's protocol, which runs here."""
    (tmp_path / "store").mkdir()
    if request.param == "gs":
        with parts.gcs(tmp_path / "store/log") as url:
            yield url
        return
    with parts.s3(tmp_path / "store") as address:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", parts.KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", parts.SECRET)
        asked = f"scheme=http&endpoint_override={address.removeprefix('http://').replace(':', '%3A')}"
        yield lambda path: f"s3://{parts.BUCKET}/{path}?{asked}"


def test_a_cloud_store_needs_no_library_but_arrow(score, frame, elsewhere) -> None:
    """Nothing but the whole files lies in it afterwards."""
    store, bucket = found(elsewhere("batch"))
    with store.open(f"{bucket}/in.parquet", "wb") as file:
        frame.iloc[:1200].to_parquet(file)
    code, *_ = score(elsewhere("batch/in.parquet"), "--output", elsewhere("batch/out.parquet"))
    assert 0 == code
    names = [path.removeprefix(f"{bucket}/") for path in sorted(store.ls(bucket, detail=False))]
    assert ["in.parquet", "out.parquet", "out.rejects.parquet"] == names
    with store.open(f"{bucket}/out.parquet", "rb") as file:
        assert 1200 == pyarrow.parquet.read_table(file).num_rows
    code, _, _, told = score(elsewhere("batch/none.parquet"))
    assert 2 == code
    assert "is no file" in told.err


def test_threads_change_no_byte_and_no_more_chunks_are_held_than_they_need(score, frame, monkeypatch) -> None:
    """Memory is bounded by construction: what is read and not yet written is counted."""
    read_, written, most = [0], [0], [0]
    chunks = source.Source.chunks

    def counted(self):
        for chunk in chunks(self):
            read_[0] += 1
            most[0] = max(most[0], read_[0] - written[0])
            assert chunk.num_rows <= 500
            yield chunk

    monkeypatch.setattr(source.Source, "chunks", counted)

    def show(done: int, total: int | None) -> None:
        written[0] += 1

    monkeypatch.setattr(batch, "progress", lambda: show)
    contents = []
    for threads in (1, 3):
        read_[0] = written[0] = most[0] = 0
        score(frame.iloc[:9_000], "--threads", str(threads))
        assert most[0] <= job.WAITING * threads + 1
        contents.append(Path("out.parquet").read_bytes())
    assert contents[0] == contents[1]


def test_interrupted_is_130_and_the_same_command_goes_on(score, frame, monkeypatch) -> None:
    """What was scored is not scored again."""

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "progress", lambda: stop)
    code, output, _, told = score(frame.iloc[:2_000])
    assert (130, None) == (code, output)
    assert "goes on where this one was, by .out.parquet.parts" in told.err
    monkeypatch.setattr(batch, "progress", lambda: lambda done, total: None)
    code, output, _, told = score(Path("in.parquet"))
    assert (0, 2_000) == (code, output.num_rows)
    assert "rows were scored by a run that was killed, begun 2026-11-22 12:00:00 UTC" in told.err


def test_batch_imports_nothing_that_trains(chain, frame, tmp_path) -> None:
    """Neither MLflow nor scikit-learn nor pandas nor our other rooms, run as a step runs it."""
    write(frame.iloc[:10], tmp_path / "in.parquet")
    code = (
        "import sys\nfrom serve import batch\nassert batch.main(sys.argv[1:]) == 0\n"
        "print(sorted({'mlflow', 'sklearn', 'pandas', 'config', 'validation', 'train'} & set(sys.modules)))"
    )
    places = ["--input", str(tmp_path / "in.parquet"), "--output", str(tmp_path / "out.csv"), "--keep", "all"]
    done = subprocess.run([sys.executable, "-c", code, *places], cwd=chain.root, capture_output=True, text=True)
    assert "[]" == done.stdout.splitlines()[-1], done.stderr
