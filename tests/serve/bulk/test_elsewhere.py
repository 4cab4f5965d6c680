"""A cluster scores what this process would, to the byte; what it lacks is said in one sentence."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve import batch
from serve.bulk import elsewhere, job
from tests.serve.test_batch import changed

LOCAL = ("--engine", "spark", "--master", "local[2]")


@pytest.fixture(scope="module")
def forgotten() -> Iterator[None]:
    """Let this process forget Spark: who imports great_expectations later would find it, half of it gone."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in ("pyspark", "py4j")]:
        del sys.modules[name]


@pytest.fixture
def spark(monkeypatch, forgotten):
    """Let this process, and the workers of a cluster of its own, import Spark from the folder SPARK_LIBRARIES."""
    folder = os.environ.get("SPARK_LIBRARIES", "")
    if not folder:
        pytest.skip("SPARK_LIBRARIES names no folder with serve/bulk/spark/requirements.txt")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", folder)


@pytest.mark.spark
@pytest.mark.parametrize("kinds", [("parquet", "parquet"), ("csv", "csv")])
def test_the_output_is_the_same_to_the_byte(spark, score, frame, kinds) -> None:
    """Scored and rejected rows, and a column that goes along, over several chunks."""
    rows, keep = changed(frame), ("--keep", "fnlwgt,education")
    names = [Path(f"out.{kinds[1]}"), Path(f"out.rejects.{kinds[1]}")]
    code, output, rejects, told = score(rows, *keep, kinds=kinds)
    here = [name.read_bytes() for name in names]
    assert 0 == code
    assert min(output.num_rows, rejects.num_rows) > 0
    for name in names:
        name.unlink()
    code, _, _, there = score(rows, *keep, *LOCAL, kinds=kinds)
    assert 0 == code, there.err
    assert here == [name.read_bytes() for name in names]
    assert told.out.splitlines()[:-1] == there.out.splitlines()[:-1]  # all but the rate


@pytest.mark.spark
def test_an_executor_with_another_library_is_refused(spark, score, frame, monkeypatch) -> None:
    """Its numbers would not be those of the driver; nothing is written."""
    monkeypatch.setattr(job, "libraries_of", lambda _: {"numpy": "0.1", "pyarrow": "0.2", "onnxruntime": "0.3"})
    code, output, _, told = score(frame.iloc[:700], *LOCAL)
    assert (2, None) == (code, output)
    assert "serve.batch: an executor cannot score: the executor has numpy" in told.err
    assert "the driver 0.1; install the same one" in told.err


@pytest.mark.spark
def test_java_that_is_missing_is_named(spark, chain) -> None:
    """One sentence, whatever the gateway printed; in a process of its own, for one that ran Spark has its Java."""
    nowhere = os.environ | {"JAVA_HOME": "/nowhere"}
    command = [sys.executable, "-m", "serve.batch", "--input", "data/census.parquet", "--output", "out.csv", *LOCAL]
    done = subprocess.run(command, cwd=chain.root, env=nowhere, capture_output=True, text=True)
    assert (2, "") == (done.returncode, done.stdout)
    assert "serve.batch: Spark does not start, is Java 17 or later installed?" in done.stderr


def test_spark_that_is_missing_is_named(score, frame, monkeypatch) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "pyspark", None)
    code, output, _, told = score(frame.iloc[:700], *LOCAL)
    assert (2, None) == (code, output)
    assert f"--engine spark needs pyspark, which is not installed; {elsewhere.HOW}" in told.err


def test_a_cluster_without_its_engine_is_a_mistake(capsys) -> None:
    """Rows are not scored here by somebody who names a cluster."""
    assert 2 == batch.main(["--input", "a.csv", "--output", "b.csv", "--master", "local[2]"])
    assert "--master names a Spark cluster; give --engine spark with it" in capsys.readouterr().err
