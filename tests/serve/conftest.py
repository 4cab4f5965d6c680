"""Batch as a user runs it: a frame goes in as a file, what was written comes out."""

import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from serve import batch
from serve.bulk import job, parts, source
from serve.loaded import Bundle

BEGUN = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)


@pytest.fixture(scope="session")
def bundle(chain) -> Bundle:
    """The chain's bundle, loaded."""
    return Bundle(chain.root / "build/model")


@pytest.fixture
def score(chain, tmp_path, monkeypatch, capsys):
    """Write a frame, score it, and give exit code, output, rejects and what was said."""
    monkeypatch.setattr(source, "CHUNK", 500)
    monkeypatch.setattr(job, "CHUNK", 500)
    monkeypatch.setattr(parts, "now", lambda: BEGUN)
    monkeypatch.chdir(tmp_path)

    def run(frame, *flags: str, kinds=("parquet", "parquet")):
        name = write(frame, tmp_path / f"in.{kinds[0]}") if isinstance(frame, pd.DataFrame) else frame
        places = ["--input", str(name), "--output", f"out.{kinds[1]}", "--bundle", str(chain.root / "build/model")]
        code = batch.main([*places, *flags])
        told = capsys.readouterr()
        return code, read(f"out.{kinds[1]}"), read(f"out.rejects.{kinds[1]}"), told

    return run


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Write a frame as the kind of file that its name says."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, row_group_size=700)
    return path


def read(name: str) -> pa.Table | None:
    """Read a file that batch wrote, if it is there."""
    if not Path(name).exists():
        return None
    return pyarrow.csv.read_csv(name) if name.endswith(".csv") else pyarrow.parquet.read_table(name)
