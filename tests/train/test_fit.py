"""Fit: one version for one fingerprint, the same bytes twice, nothing half-registered."""

import json
import shutil
import signal
import subprocess
import sys

import pandas as pd
import pytest


def versions(workspace) -> list[int]:
    """List the registered versions, asked from MLflow itself."""
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from train import registry; from validation import contract\n"
        "print(sorted(registry._ask(contract.load()).versions))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=workspace.root, env=workspace.environment(), capture_output=True, text=True
    )
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


def test_the_same_fingerprint_is_the_same_version(chain_copy) -> None:
    """With nothing changed there is no second version."""
    ran = chain_copy.run("train.fit")
    assert (0, "model-version=1\nreused=true\n") == (ran.code, ran.out)


def test_what_fit_does_not_read_retrains_nothing(chain_copy) -> None:
    """A changed gate, limit, bound of a deployment or README is no reason to train."""
    chain_copy.change("config.py", "at_least=0.915", "at_least=0.9")
    chain_copy.change("config.py", "max_rows=10_000", "max_rows=9_000")
    chain_copy.change("config.py", "error_rate_worse_by=0.005", "error_rate_worse_by=0.01")
    chain_copy.change("validation/gate.py", '"""What every gate', '"""Whatever every gate')
    assert "model-version=1\nreused=true\n" == chain_copy.run("train.fit").out


def test_what_fit_reads_makes_a_version(chain_copy) -> None:
    """A changed parameter is a new model; the champion stays who it was."""
    chain_copy.change("config.py", '"max_iter": 100', '"max_iter": 20')
    ran = chain_copy.run("train.fit")
    assert (0, "model-version=2\n") == (ran.code, ran.out)
    view = chain_copy.view()
    assert {"challenger": 2, "champion": 1, "anchor": 1} == view.aliases
    assert view.version(1).digest != view.version(2).digest


def test_training_twice_gives_the_same_bytes(chain, workspace, monkeypatch) -> None:
    """Another folder, process, store, number of threads and order of Python's sets: the same model digest."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("PYTHONHASHSEED", "6")
    assert 0 == workspace.run("train.fit").code
    assert chain.view().version(1).digest == workspace.view().version(1).digest


def test_the_fingerprint_covers_every_module_that_fit_runs(chain_copy) -> None:
    """A helper that train/model.py imports, at its top or inside a function, is part of what makes the model."""
    (chain_copy.root / "train/helper.py").write_text("LEAVES = 31\n")
    chain_copy.change(
        "train/model.py",
        "    estimator = kind(",
        "    from train.helper import LEAVES\n\n    assert LEAVES\n    estimator = kind(",
    )
    assert "model-version=2\n" == chain_copy.run("train.fit").out
    assert "reused=true" in chain_copy.run("train.fit").out
    (chain_copy.root / "train/helper.py").write_text("LEAVES = 15\n")
    assert "model-version=3\n" == chain_copy.run("train.fit").out


def test_a_joined_file_is_part_of_the_data(workspace) -> None:
    """What JOINED names is seen when it changes, by the gates and by fit."""
    (workspace.root / "data/extra.csv").write_text("a\n1\n")
    workspace.change("config.py", "JOINED = ()", 'JOINED = ("data/extra.csv",)')
    assert 0 == workspace.run("validation.schema").code
    assert "the verdict stands" in workspace.run("validation.schema").err
    (workspace.root / "data/extra.csv").write_text("a\n2\n")
    assert "the verdict stands" not in workspace.run("validation.schema").err


def test_a_label_without_a_row_is_refused(workspace) -> None:
    """A class that nobody saw cannot be learned, and its place in the outputs would be somebody else's."""
    workspace.change("config.py", 'positive=">50K"', 'positive=">500K"')
    workspace.change("config.py", '">50K",', '">500K",')
    path = workspace.root / "data/census.parquet"
    rows = pd.read_parquet(path)
    rows["income"] = "<=50K"
    rows.to_parquet(path)
    assert 0 == workspace.run("train.init", "freeze").code
    ran = workspace.run("train.fit")
    assert (2, "") == (ran.code, ran.out)
    assert "no training row holds the label >500K" in ran.err


def test_a_damaged_version_is_fitted_again(chain_copy) -> None:
    """Where the registered files changed, the same fingerprint gives a new version, not the damaged one."""
    shutil.rmtree(chain_copy.root / "build/models")
    [graph] = (chain_copy.root / ".mlflow").rglob("model.onnx")
    graph.write_bytes(graph.read_bytes() + b"x")
    ran = chain_copy.run("train.fit")
    assert (0, "model-version=2\n") == (ran.code, ran.out)
    assert "it is fitted again" in ran.err


def test_the_run_says_what_it_was_made_from(chain) -> None:
    """Parameters, metrics, data set with its whole digest, commit and lock are in MLflow."""
    import sqlite3

    database = sqlite3.connect(chain.root / ".mlflow/mlflow.db")
    tags = dict(database.execute("select key, value from tags"))
    assert {"commit", "data-digest", "lock-digest", "python", "fingerprint"} <= set(tags)
    assert "sex" == dict(database.execute("select key, value from params"))["reweigh_by"]
    metrics = dict(database.execute("select key, value from metrics"))
    assert metrics["test_roc_auc"] > 0.9
    assert database.execute("select digest from datasets").fetchall() == [(tags["data-digest"][:36],)]
    assert [("FINISHED",)] == database.execute("select status from runs").fetchall()


@pytest.mark.parametrize("seed", ["0", "6"])
def test_the_graph_lists_its_operators_in_order(chain, seed) -> None:
    """Whatever Python's hash seed, the same graph is the same bytes."""
    code = (
        "import hashlib, sys\n"
        "import numpy as np, pandas as pd\n"
        "from train.forms import to_onnx; from train.data import model_inputs; from train.model import build\n"
        "from validation import contract; from train.data import load\n"
        "config = contract.load(); rows = load(config).head(500)\n"
        "pipeline = build(config).fit(model_inputs(rows, config.inputs), np.arange(500) % 2)\n"
        "import onnx; graph = onnx.load_from_string(to_onnx(pipeline, config))\n"
        "print([operator.domain for operator in graph.opset_import])\n"
    )
    environment = chain.environment() | {"PYTHONHASHSEED": seed}
    done = subprocess.run([sys.executable, "-c", code], cwd=chain.root, env=environment, capture_output=True, text=True)
    assert "['', 'ai.onnx.ml']\n" == done.stdout, done.stderr


@pytest.mark.parametrize("moment", ["fitting on", "fitted in", "Successfully registered"])
def test_an_interrupted_fit_leaves_no_version(workspace, moment) -> None:
    """Ctrl-C at any step: exit 130, one sentence, and either no version or a whole one."""
    process = workspace.start("train.fit")
    seen = ""
    while moment not in seen:
        line = process.stderr.readline()
        assert line, f"fit ended before it said {moment!r}: {seen}"
        seen += line
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    if process.returncode == 130:
        assert "" == out
        assert "interrupted" in err
    found = versions(workspace)
    assert found in ([], [1]) if moment == "Successfully registered" else found == []
    again = workspace.run("train.fit")
    assert (0, "model-version=1") == (again.code, again.out.splitlines()[0])


def test_a_pipeline_without_an_exact_onnx_form_is_refused(workspace) -> None:
    """What ONNX computes otherwise is not registered, and the sentence says how far it is off."""
    workspace.change(
        "train/model.py",
        'encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)',
        'encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=50, sparse_output=False)',
    )
    ran = workspace.run("train.fit")
    assert (2, "") == (ran.code, ran.out)
    assert len(ran.err.strip().splitlines()) <= 4
    assert "Traceback" not in ran.err


def test_a_model_of_ones_own_that_fails_is_a_sentence(workspace) -> None:
    """An error in train/model.py is told with its line, no traceback."""
    workspace.change("train/model.py", "estimator = kind(", "estimator = kind(nonsense=1, ")
    ran = workspace.run("train.fit")
    assert (2, "") == (ran.code, ran.out)
    assert "nonsense" in ran.err
    assert "Traceback" not in ran.err


def test_a_read_only_store_is_a_sentence(workspace) -> None:
    """Where the store cannot be written, exit 3."""
    (workspace.root / ".mlflow").write_text("a file is in the way")
    ran = workspace.run("train.fit")
    assert (3, "") == (ran.code, ran.out)
    assert "Traceback" not in ran.err


def test_a_server_that_does_not_answer_is_a_sentence(workspace) -> None:
    """With a tracking server set and gone, exit 3 and its variable is named."""
    environment = workspace.environment() | {
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "train.fit"],
        cwd=workspace.root, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (3, "") == (done.returncode, done.stdout)
    assert "MLFLOW_TRACKING_URI" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_fits_may_begin_a_store_at_once(workspace) -> None:
    """On a store that does not exist yet, two processes get two numbers, or one finds the other's version."""
    both = [workspace.start("train.fit") for _ in range(2)]
    done = [process.communicate(timeout=300) for process in both]
    assert [0, 0] == [process.returncode for process in both], [err for _, err in done]
    numbers = {out.splitlines()[0] for out, _ in done}
    assert numbers <= {"model-version=1", "model-version=2"}
    assert versions(workspace) == sorted(int(number.removeprefix("model-version=")) for number in numbers)
