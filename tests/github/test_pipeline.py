"""pipeline.yml, run under act: what a good commit leaves behind, and where a bad one stops."""

from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

from tests.github.act import Run

pytestmark = pytest.mark.act

GATES = ("performance", "fairness", "behaviour", "parity")
STAGE_1 = {"tests": "success", "data/schema": "success", "data/dataset": "success"}
JUDGED = dict.fromkeys((f"gates/{gate}" for gate in (*GATES, "report")), "success")
VERDICTS = {f"verdict-{gate}" for gate in ("schema", "dataset", *GATES)}


def files(artifacts: Path) -> dict[str, set[str]]:
    """List the files of each artifact."""
    return {
        artifact.name: {path.relative_to(artifact).as_posix() for path in artifact.rglob("*") if path.is_file()}
        for artifact in artifacts.iterdir()
    }


def test_a_good_commit_is_judged_served_and_promoted(checkout: Path, act: Callable[..., Run]) -> None:
    """Every job succeeds, each stage finds what the one before it left, and the alias moves at the end."""
    run = act(checkout, "pipeline.yml", "push")
    wanted = STAGE_1 | JUDGED | dict.fromkeys(
        ("train/fit", "image/image", "deploy/deploy", "deploy/promote", "all-green"), "success"
    )  # fmt: skip
    assert (0, wanted) == (run.code, run.jobs)
    assert ["make lint: success", "make test: success"] == run.steps["tests"][-2:]
    assert "1" == run.outputs["train/fit"]["model-version"]

    left = files(run.artifacts)
    assert VERDICTS | {"data-docs", "registry", "report", "bundle", "registry-promoted"} == left.keys()
    assert all({f"{name.removeprefix('verdict-')}.json"} == left[name] for name in VERDICTS)
    assert {"manifest.json", "release.json", "model/model.onnx"} <= left["bundle"]
    for job in ("data/schema", "data/dataset", *JUDGED, "deploy/deploy"):
        assert "|" in run.summaries[job], f"{job} wrote no table"
    assert "| none | version 1 |" in run.summaries["deploy/promote"]

    built = {"context": ".", "file": "serve/Dockerfile", "push": "false", "load": "true", "tags": "service:1"}
    assert ["docker/setup-buildx-action", "docker/build-push-action"] == [call["action"] for call in run.calls]
    assert built.items() <= {key.lower(): value for key, value in run.calls[1]["with"].items()}.items()


def test_a_poisoned_row_stops_the_chain_at_stage_1(checkout: Path, act: Callable[..., Run]) -> None:
    """One age of -3 among 48,842: no model is made, and the log names row, column and value."""
    table = pandas.read_parquet(checkout / "data/census.parquet")
    table.loc[17, "age"] = -3
    table.to_parquet(checkout / "data/census.parquet")
    run = act(checkout, "pipeline.yml", "push")
    assert (1, STAGE_1 | {"data/schema": "failure"}) == (run.code, run.jobs)  # act ends here; GitHub skips the rest
    assert {"verdict-schema", "verdict-dataset", "data-docs"} == files(run.artifacts).keys()
    said = [line for line in run.said().splitlines() if "-3" in line]
    assert any("row 17" in line and "age" in line for line in said), said


def test_a_model_that_misses_a_bound_is_neither_packed_nor_deployed(checkout: Path, act: Callable[..., Run]) -> None:
    """The other gates and the report still speak; image, deployment and promotion never start."""
    config = (checkout / "config.py").read_text()
    tightened = config.replace('Gate("roc_auc", at_least=0.915', 'Gate("roc_auc", at_least=0.999')
    assert tightened != config
    (checkout / "config.py").write_text(tightened)
    run = act(checkout, "pipeline.yml", "push")
    red = {"gates/performance": "failure", "gates/report": "failure"}
    assert (1, STAGE_1 | {"train/fit": "success"} | JUDGED | red) == (run.code, run.jobs)
    assert VERDICTS | {"data-docs", "registry", "report"} == files(run.artifacts).keys()
    assert "0.999" in run.summaries["gates/report"]
    assert [] == run.calls
