"""Shipping: whole lines go once, torn ones never, and whatever fails is gone on with."""

import json
import subprocess
import sys
from pathlib import Path

import fsspec
import pandas as pd
import pyarrow.parquet
import pytest
from pyarrow.fs import FileSystem

from serve import ship
from serve.remembered.lines import encode
from tests.train import parts
from validation.script import ROOT

HEAD = {
    "kind": "segment", "format": 1, "model": "m", "model_version": 3, "model_digest": "d", "columns": {"age": "number"},
    "target": {"kind": "binary", "labels": ["no", "yes"]},
}  # fmt: skip


def prediction(*ids: str) -> bytes:
    many = len(ids)
    return encode(
        {"kind": "prediction", "ids": ids, "times": [10**15] * many, "outputs": [[0.5, 0.5]] * many,
         "columns": {"age": [None] * many}}
    )  # fmt: skip


def feedback(*ids: str) -> bytes:
    return encode({"kind": "feedback", "ids": ids, "times": [10**15] * len(ids), "outcomes": ["yes"] * len(ids)})


@pytest.fixture
def spool(tmp_path) -> Path:
    """A spool with two finished files, one of them torn, and one that a dead process left."""
    folder = tmp_path / "spool"
    folder.mkdir()
    head = encode(HEAD)
    (folder / "20261122T010203-aa.jsonl").write_bytes(head + prediction("a:0", "a:1") + feedback("a:0"))
    (folder / "20261123T010203-bb.jsonl").write_bytes(head + prediction("b:0") + prediction("lost:0")[:-9])
    (folder / "20261123T010204-cc.open").write_bytes(head + feedback("c:0") + b"\0" * 30)
    return folder


def ids(store: Path | str, kind: str) -> list[str]:
    return sorted(pd.read_parquet(f"{store}/{kind}")["id"])


def test_whole_lines_are_shipped_by_day_and_torn_ones_are_counted(spool, tmp_path, capsys) -> None:
    """Two kinds of table under the day of their file; the spool is empty then, and a second run ships nothing."""
    store = tmp_path / "store"
    assert 0 == ship.main(["--spool", str(spool), "--to", str(store)])
    assert "predictions=3\nfeedback=2\nfiles=3\ntorn=2\n" == capsys.readouterr().out
    assert (["a:0", "a:1", "b:0"], ["a:0", "c:0"]) == (ids(store, "predictions"), ids(store, "feedback"))
    assert {"date=2026-11-22", "date=2026-11-23"} == {path.name for path in (store / "predictions").iterdir()}
    row = pd.read_parquet(store / "predictions").iloc[0]
    assert ("no", 0.5) == (row["label"], row["probability"])  # of equals the earlier label, as the service answers
    assert ["ship.lock"] == [path.name for path in spool.iterdir()]
    assert 0 == ship.main(["--spool", str(spool), "--to", str(store)])
    assert "files=0" in capsys.readouterr().out


def test_any_url_of_fsspec_is_a_store(spool) -> None:
    """Here one in memory."""
    assert 0 == ship.main(["--spool", str(spool), "--to", "memory://log/of/mine/"])
    found = fsspec.filesystem("memory").find("/log/of/mine/predictions")
    assert ["/log/of/mine/predictions/date=2026-11-22/20261122T010203-aa.parquet"] == found[:1]
    assert 2 == len(found)


def test_an_s3_store_needs_no_library_but_arrow(spool, tmp_path, monkeypatch) -> None:
    """A real one answers; nothing of it but this bucket's address and keys is told, by AWS's own variables."""
    (tmp_path / "s3").mkdir()
    with parts.s3(tmp_path / "s3") as url:
        keys = {"AWS_ACCESS_KEY_ID": parts.KEY, "AWS_SECRET_ACCESS_KEY": parts.SECRET, "AWS_ENDPOINT_URL": url}
        for name, value in keys.items():
            monkeypatch.setenv(name, value)
        assert 0 == ship.main(["--spool", str(spool), "--to", f"s3://{parts.BUCKET}/log"])
        held, _ = FileSystem.from_uri(f"s3://{parts.BUCKET}")
        table = pyarrow.parquet.read_table(f"{parts.BUCKET}/log/predictions", filesystem=held)
    assert ["a:0", "a:1", "b:0"] == sorted(table["id"].to_pylist())


def test_a_google_store_needs_none_either(spool, tmp_path) -> None:
    """One that speaks its protocol answers."""
    with parts.gcs(tmp_path / "log") as url:
        assert 0 == ship.main(["--spool", str(spool), "--to", url("log")])
        held, path = FileSystem.from_uri(url("log/predictions"))
        table = pyarrow.parquet.read_table(path, filesystem=held)
    assert ["a:0", "a:1", "b:0"] == sorted(table["id"].to_pylist())


def test_a_store_that_is_away_leaves_the_spool_as_it_was(spool, tmp_path, capsys) -> None:
    """Exit 3 and a sentence; when it is back, all goes through."""
    (tmp_path / "store").write_text("no folder")
    assert 3 == ship.main(["--spool", str(spool), "--to", str(tmp_path / "store")])
    told = capsys.readouterr()
    assert ("predictions=0" in told.out, "what is left waits in" in told.err) == (True, True)
    assert 3 == len(list(spool.glob("*.jsonl")))
    (tmp_path / "store").unlink()
    assert 0 == ship.main(["--spool", str(spool), "--to", str(tmp_path / "store")])
    assert ["a:0", "a:1", "b:0"] == ids(tmp_path / "store", "predictions")


def test_used_wrongly_is_a_sentence(tmp_path, capsys) -> None:
    """A spool that is none, a scheme that nobody knows."""
    assert 2 == ship.main(["--spool", str(tmp_path / "nowhere"), "--to", str(tmp_path)])
    assert "is no spool" in capsys.readouterr().err
    (tmp_path / "20261123T010203-bb.jsonl").write_bytes(encode(HEAD) + feedback("a:0"))
    assert 2 == ship.main(["--spool", str(tmp_path), "--to", "nobody://x"])
    assert "Protocol not known" in capsys.readouterr().err
    assert 2 == ship.main(["--spool", str(tmp_path), "--to", "dropbox://log"])
    assert "requires" in (told := capsys.readouterr().err), "fsspec says which library this store wants"
    assert "dropboxdrivefs" in told
    assert 2 == ship.main(["--spool", str(tmp_path), "--to", "gs://bucket/log?colour=red"])
    assert "colour=red: Unexpected query parameter in GCS URI" in capsys.readouterr().err


def test_a_file_that_nobody_can_read_is_set_aside(spool, tmp_path, capsys) -> None:
    """Its header is lost: it is kept under another name, and the others are shipped."""
    (spool / "20261121T010203-00.jsonl").write_bytes(b"half\n" + prediction("x:0"))
    (spool / "20261121T010204-00.jsonl").write_bytes(b"half a head")
    assert 0 == ship.main(["--spool", str(spool), "--to", str(tmp_path / "store")])
    assert "its first line is lost" in capsys.readouterr().err
    assert ["20261121T010203-00.broken"] == [path.name for path in spool.glob("20*")]
    assert ["a:0", "a:1", "b:0"] == ids(tmp_path / "store", "predictions")


# Kills a run of its own at each change of the disk that a whole run makes, and runs it again
DRIVER = """
import os, shutil, signal, sys
from pathlib import Path
from serve import ship
import pyarrow.parquet

def run(die_at):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    seen = 0
    def watch(event, arguments):
        nonlocal seen
        begun = event == "open" and str(arguments[0]).endswith(".partial")
        if begun or event in ("os.rename", "os.remove", "os.mkdir"):
            seen += 1
            if seen == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    os._exit(ship.main(["--spool", "spool", "--to", "store"]))

for die_at in range(1, 1000):
    shutil.rmtree("store", ignore_errors=True)
    shutil.rmtree("spool", ignore_errors=True)
    shutil.copytree("kept", "spool")
    status = run(die_at)
    assert 0 == run(0)
    left = sorted(str(path) for path in Path("store").rglob("*") if path.is_file() and path.suffix == ".parquet")
    tables = [pyarrow.parquet.read_table(f"store/{kind}") for kind in ("predictions", "feedback")]
    ids = [sorted(table["id"].to_pylist()) for table in tables]
    print(os.WIFSIGNALED(status), len(left), *ids)
    if not status:
        break
"""


def test_killed_anywhere_and_run_again_nothing_is_there_twice(spool, tmp_path) -> None:
    """At every step that changes what lies on the disk."""
    spool.rename(tmp_path / "kept")
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert 0 == done.returncode, done.stderr[-3000:]
    *kills, last = [line.partition(" ")[2::-2] for line in done.stdout.splitlines() if line[:4] in ("True", "Fals")]
    assert len(kills) > 10
    assert {("4 ['a:0', 'a:1', 'b:0'] ['a:0', 'c:0']", "True")} == set(kills)
    assert "False" == last[1]


def test_it_needs_no_more_than_its_own_requirements() -> None:
    """Neither the model's runtime nor anything of training is loaded."""
    code = "import json, sys, serve.ship, serve.remembered.tables, serve.remembered.store\n"
    code += "print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert not {"onnxruntime", "pandas", "mlflow", "config", "validation", "train"} & set(json.loads(done.stdout))
