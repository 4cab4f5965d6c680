"""A pipeline without an ONNX form, from fit to service and batch: `skops_chain` is where the chain has run on it."""

import json
import shutil
import signal
import subprocess
import sys
import time

import httpx
import numpy as np
import pandas as pd
import pytest

from serve.runtime import NOTES
from tests.conftest import REPOSITORY, Workspace, copy_of, without_onnx
from tests.serve.conftest import started
from tests.serves import serves

NOTE = NOTES["skops"]
TRAINED = """
import sys
import numpy as np
from train import registry
from train.data import as_columns, load, model_inputs, split
from train.recipe import fit_recipe
from train.data import outcomes
from validation import contract
config = contract.load()
parts = split(load(config), config)
pipeline = fit_recipe(parts.train, outcomes(parts.train, config), config)
rows = parts.test.head(600)
np.save(sys.argv[1], pipeline.predict_proba(model_inputs(rows, config.inputs))[:, 1])
rows.reset_index(drop=True).to_parquet(sys.argv[2])
"""


@pytest.fixture(scope="module")
def trained(skops_chain, tmp_path_factory) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of the test part, and what the same recipe gives for them that was never written to a file."""
    folder = tmp_path_factory.mktemp("trained")
    paths = (folder / "outputs.npy", folder / "rows.parquet")
    command = [sys.executable, "-c", TRAINED, *map(str, paths)]
    done = subprocess.run(command, cwd=skops_chain.root, env=skops_chain.environment(), capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr
    return pd.read_parquet(paths[1]), np.load(paths[0])


@pytest.fixture(scope="module", params=["one process", "two workers"])
def url(request, skops_chain):
    """The address of a service of that bundle."""
    settings = {"WORKERS": "2"} if request.param == "two workers" else {}
    with started(skops_chain.root, **settings) as (address, _):
        yield address


def bodies(rows: pd.DataFrame, names: list[str]) -> list[dict]:
    return [{name: None if pd.isna(row[name]) else row[name] for name in names} for row in rows.to_dict("records")]


def test_the_service_gives_what_the_pipeline_gives(url, trained, config) -> None:
    """One by one and together, in each protocol, within 1e-6; smoke finds nothing."""
    rows, outputs = trained
    names = [column.name for column in config.inputs]
    asked = bodies(rows, names)
    with httpx.Client(base_url=url, timeout=60) as client:
        answered = client.post("/predict", json={"records": asked}).json()["predictions"]
        one = [client.post("/predict", json=body).json()["prediction"] for body in asked[:20]]
        mlflow = client.post("/invocations", json={"dataframe_records": asked}).json()["predictions"]
        tensors = [
            {
                "name": column.name,
                "shape": [len(asked)],
                "datatype": "BYTES" if rows[column.name].dtype == "str" else "FP32",
                "data": [body[column.name] for body in asked],
            }
            for column in config.inputs
        ]
        v2 = client.post("/v2/models/income/infer", json={"inputs": tensors}).json()["outputs"]
    assert pytest.approx(outputs, abs=1e-6) == [row["probability"] for row in answered]
    assert answered[:20] == one
    assert answered == mlflow
    assert pytest.approx(outputs, abs=1e-6) == v2[1]["data"][1::2]
    assert [row["label"] for row in answered] == [">50K" if one > 0.5 else "<=50K" for one in outputs]


def test_what_the_contract_refuses_is_refused(url, skops_chain) -> None:
    """The same sentences; missing and unseen values are answered where they may come."""
    golden = json.loads((skops_chain.root / "build/model/model/golden.json").read_text())
    row = golden["rows"][-1]
    refused = httpx.post(f"{url}/predict", json=row | {"age": 7})
    assert (422, "age: Expected `float` >= 17.0") == (refused.status_code, refused.json()["detail"])
    for more in ({"workclass": None}, {"native_country": "Atlantis"}):
        assert 200 == httpx.post(f"{url}/predict", json=row | more).status_code


def test_the_service_says_what_runs_it(url, skops_chain) -> None:
    """/version for anybody, without the reason, which names columns; the page's facts with it; smoke is silent."""
    version = serves(url)
    assert ("skops", NOTE) == (version["runtime"], version["runtime_note"])
    assert "runtime_why" not in version
    release = httpx.get(f"{url}/page.json").json()["release"]
    assert release["runtime_why"].startswith("the pipeline has no ONNX form (For operator Sklearn")
    assert NOTE == release["runtime_note"]
    assert "sklearn_skops" == httpx.get(f"{url}/v2/models/income").json()["platform"]
    ran = skops_chain.run("serve.smoke", "--url", url, "--bundle", "build/model")
    assert (0, "### Smoke: pass") == (ran.code, ran.out.splitlines()[0])


def test_batch_gives_the_same(skops_chain, trained, tmp_path) -> None:
    """A table of rows, on two threads."""
    rows, outputs = trained
    rows.to_parquet(tmp_path / "in.parquet")
    places = ("--input", str(tmp_path / "in.parquet"), "--output", str(tmp_path / "out.parquet"))
    ran = skops_chain.run("serve.batch", *places, "--threads", "2")
    assert 0 == ran.code, ran.err
    scored = pd.read_parquet(tmp_path / "out.parquet")
    assert pytest.approx(outputs, abs=1e-6) == scored["probability"].tolist()
    assert {"income"} == set(scored["model"].astype("str"))


def test_everybody_who_reads_is_told(skops_chain) -> None:
    """Log, registry, release, report, its page and the card: why, what runs it, and what parity measured."""
    why = "the pipeline has no ONNX form (For operator SklearnHistGradientBoostingClassifier"
    version = skops_chain.view().version(1)
    assert "skops" == version.tags["runtime"]
    assert version.tags["runtime-why"].startswith(why)
    build = skops_chain.root / "build"
    release = json.loads((build / "model/release.json").read_text())
    assert ("skops", version.tags["runtime-why"]) == (release["runtime"], release["runtime_why"])
    for name in ("report/report.md", "report/index.html", "model/card.md"):
        text = (build / name).read_text()
        assert f"Not served as an ONNX graph: {why}" in text, name
        assert f"{NOTE}. Where parity was judged, a row alone took " in text, name


def test_fit_says_it_aloud_and_another_process_makes_the_same_bytes(tmp_path, skops_chain, monkeypatch) -> None:
    """Another folder, hash seed and number of threads: the same digest; the log has a line that stands out."""
    again = copy_of(REPOSITORY, tmp_path / "again")
    without_onnx(again)
    monkeypatch.setenv("PYTHONHASHSEED", "6")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    ran = again.run("train.fit")
    assert (0, "model-version=1\n") == (ran.code, ran.out)
    [line] = [line for line in ran.err.splitlines() if line.startswith("RUNTIME")]
    assert line.startswith("RUNTIME skops: the pipeline has no ONNX form (For operator")
    assert line.endswith(f"{NOTE}; see docs/adopt.md, section 5")
    assert skops_chain.view().version(1).digest == again.view().version(1).digest


def test_mlflow_loads_the_pipeline(skops_chain) -> None:
    """By its own client, with the types of our list."""
    code = (
        "import mlflow, sys; mlflow.set_tracking_uri('sqlite:///.mlflow/mlflow.db')\n"
        "print(type(mlflow.sklearn.load_model('models:/income@champion')[-1]).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=skops_chain.root,
        env=skops_chain.environment(),
        capture_output=True,
        text=True,
    )
    assert "HistGradientBoostingClassifier\n" == done.stdout, done.stderr


def test_export_names_the_lock(skops_chain, tmp_path) -> None:
    """So that the image that is built around it can run it."""
    ran = skops_chain.run("serve.export", "--model-version", "1", "--to", str(tmp_path / "bundle"))
    assert (0, "libraries=serve/skops/requirements.txt\n") == (ran.code, ran.out)


def test_a_service_changes_from_a_graph_to_a_pipeline_and_back(chain, skops_chain, tmp_path) -> None:
    """SIGHUP, where both libraries are here."""
    root = tmp_path / "served"
    shutil.copytree(chain.root, root, ignore=shutil.ignore_patterns("build", "data", ".mlflow"))
    live = root / "build/model"
    live.parent.mkdir()
    live.symlink_to(chain.root / "build/model")

    def turn(url: str, process, to: Workspace, runtime: str) -> None:
        live.unlink()
        live.symlink_to(to.root / "build/model")
        process.send_signal(signal.SIGHUP)
        for _ in range(400):
            if serves(url)["runtime"] == runtime:
                return
            time.sleep(0.05)
        raise AssertionError(f"it does not serve {runtime}")

    with started(root) as (url, process):
        assert "onnx" == serves(url)["runtime"]
        for to, runtime in ((skops_chain, "skops"), (chain, "onnx")):
            turn(url, process, to, runtime)
            smoke = to.run("serve.smoke", "--url", url, "--bundle", "build/model")
            assert 0 == smoke.code, smoke.err + smoke.out
