"""pipeline.yml, run under act: what a good commit leaves behind, and where a bad one stops."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

from tests.github.act import Run, approved, copy_tree
from tests.infra.examined import recorded
from tests.infra.fake_forge import FakeForge, serving

pytestmark = pytest.mark.act

GATES = ("performance", "fairness", "behaviour", "parity")
STAGE_1 = {
    "branch": "success",
    "tests/lint": "success",
    "tests/tests": "success",
    "data/schema": "success",
    "data/dataset": "success",
}
JUDGED = dict.fromkeys((f"gates/{gate}" for gate in (*GATES, "report")), "success")
LATER = (
    "train/fit",
    "claim/claim",
    "record/record",
    "image/image",
    "publish/push",
    "publish/publish",
    "deploy/rehearse",
    "promote",
    "all-green",
)
UNASKED = {"publish/attest": "skipped", "deploy/deploy": "skipped"}  # a private repository, and no target
VERDICTS = {f"verdict-{gate}" for gate in ("schema", "dataset", *GATES)}


def files(artifacts: Path) -> dict[str, set[str]]:
    """List the files of each artifact."""
    return {
        artifact.name: {path.relative_to(artifact).as_posix() for path in artifact.rglob("*") if path.is_file()}
        for artifact in artifacts.iterdir()
    }


def on_branch(remote: Path, name: str) -> str:
    """Read a file of the registry's branch."""
    command = ["git", "--git-dir", str(remote), "show", f"ml-registry:{name}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_commits_follow_each_other_and_the_button_goes_back(
    checkout: Path, tmp_path: Path, act: Callable[..., Run]
) -> None:
    """A good commit is judged, served and promoted; the next is compared with it; rollback.yml puts it back.

    Runs share nothing but the repository: the second finds the champion on the branch that the first one began.
    """
    remote = tmp_path / "owner/name.git"
    with serving(FakeForge(replies=recorded("job-of-a-fork"))) as forge:
        run = act(approved(checkout, forge.url), "pipeline.yml", "push")
        good = dict.fromkeys((*STAGE_1, *JUDGED, *LATER), "success") | UNASKED
        assert (0, good) == (run.code, run.jobs)
        assert ["make lint: success", "make test: success"] == [
            run.steps[f"tests/{job}"][-1] for job in ("lint", "tests")
        ]
        assert "1" == run.outputs["train/fit"]["model-version"] == run.outputs["claim/claim"]["model-version"]
        left = files(run.artifacts)
        assert VERDICTS | {"data-docs", "registry-fitted", "registry", "report", "bundle", "image"} == left.keys()
        assert all({f"{name.removeprefix('verdict-')}.json"} == left[name] for name in VERDICTS)
        assert {"manifest.json", "release.json", "model/model.onnx"} <= left["bundle"]
        assert {"measured.json", "sbom.json", "scan.json", "base.json"} == left["image"]
        for job in ("data/schema", "data/dataset", *JUDGED, "record/record", "image/image", "deploy/rehearse"):
            assert "|" in run.summaries[job], f"{job} wrote no table"
        assert "| none | version 1 |" in run.summaries["promote"]
        rehearsed = run.summaries["deploy/rehearse"]
        assert "| a release that refuses to start | undone: ready: " in rehearsed
        assert "set the repository variable `DEPLOY_TARGET`" in rehearsed
        assert ["image", "image", "push", "push", "push", "publish", "rehearse", "rehearse"] == [
            call["job"] for call in run.calls
        ]
        loaded, pushed = [call["with"] for call in run.calls if "build-push" in call["action"]]
        assert "type=docker,name=service:judged" == loaded["OUTPUTS"]
        name = pushed["OUTPUTS"].split(",")[1].removeprefix("name=")
        assert name.startswith("127.0.0.1:")
        assert name.endswith("/org/my_repo")
        assert f"type=image,name={name},push-by-digest=true,name-canonical=true,push=true" == pushed["OUTPUTS"]
        assert loaded["BUILD_ARGS"] == pushed["BUILD_ARGS"]
        assert "| attested | not attested: the platform does it for public" in run.summaries["publish/publish"]

        again = approved(copy_tree(tmp_path / "again"), forge.url)
        config = (again / "config.py").read_text()
        (again / "config.py").write_text(config.replace('"max_iter": 100', '"max_iter": 90'))
        run = act(again, "pipeline.yml", "push", scratch="scratch-2")
        assert (0, good) == (run.code, run.jobs)
        assert "2" == run.outputs["claim/claim"]["model-version"]
        assert "lost to the champion | version 1" in run.summaries["gates/performance"]
        assert "| version 1 | version 1 |" in run.summaries["promote"]
    told = [json.loads(line) for line in on_branch(remote, "ledger.jsonl").splitlines()]
    commit = ["registration", "verdicts", "publication", "deployment", "deployment", "promotion"]
    assert ["beginning", *commit, *commit] == [line["event"] for line in told]

    button = {"inputs": {"environment": "rehearsal", "version": "", "reason": "it errs"}}
    run = act(copy_tree(tmp_path / "third"), "rollback.yml", "workflow_dispatch", button, scratch="scratch-3")
    assert (0, {"rollback": "success"}) == (run.code, run.jobs)
    assert "| it errs |" in run.summaries["rollback"]
    told = [json.loads(line) for line in on_branch(remote, "ledger.jsonl").splitlines()]
    assert [("rollback", "intent", 1), ("rollback", "live", 1)] == [
        (line["event"], line["facts"]["phase"], line["facts"]["unit"]["version"]) for line in told[-2:]
    ]
    assert {1} == {json.loads(on_branch(remote, "aliases.json"))[name]["version"] for name in ("champion", "rehearsal")}
    assert "| rehearsal | 1 |" in on_branch(remote, "README.md")


def test_a_target_gets_staging_and_after_an_approval_production(
    checkout: Path, tmp_path: Path, act: Callable[..., Run]
) -> None:
    """With one variable nothing is rehearsed: staging by the pipeline, production by what follows it, and back.

    Without reviewers production waits for a pull request; the champion follows production.
    """
    remote = tmp_path / "owner/name.git"
    variables = {"DEPLOY_TARGET": "cluster", "PREDICTION_LOG": "s3://bucket/log"}
    place = "/repos/owner/name/environments/production"
    followed = {"workflow_run": {"conclusion": "success"}}
    with serving(FakeForge(replies=recorded("job-of-a-fork") | {place: [404, {}]})) as forge:
        run = act(approved(checkout, forge.url), "pipeline.yml", "push", variables=variables)
        assert 0 == run.code
        assert ("success", "skipped") == (run.jobs["deploy/deploy"], run.jobs["deploy/rehearse"])
        built = [call["with"]["BUILD_ARGS"] for call in run.calls if "build-push" in call["action"]]
        assert [True, True] == ["LIBRARIES=serve/remembered/requirements.txt\n" in told for told in built]
        assert "| staging | pods | 1 |" in run.summaries["deploy/deploy"]
        assert "champion" not in json.loads(on_branch(remote, "aliases.json"))

        waits = approved(copy_tree(tmp_path / "waits"), forge.url)
        run = act(waits, "production.yml", "workflow_run", followed, scratch="scratch-2", variables=variables)
        assert (0, "request") == (run.code, run.outputs["release"]["way"])
        assert {"release": "success", "approve": "skipped", "deploy": "skipped"} == run.jobs

        forge.replies[place] = [200, {"protection_rules": [{"type": "required_reviewers"}]}]
        forge.approvals = [{"state": "approved", "environments": [{"name": "production"}], "user": {"login": "ben"}}]
        asked = approved(copy_tree(tmp_path / "asked"), forge.url)
        run = act(asked, "production.yml", "workflow_run", followed, scratch="scratch-3", variables=variables)
        assert (0, dict.fromkeys(("release", "approve", "deploy"), "success")) == (run.code, run.jobs)
        assert "| production | pods | 1 |" in run.summaries["deploy"]
        assert "| none | version 1 |" in run.summaries["deploy"]
    assert {"champion": 1} == {
        name: it["version"] for name, it in json.loads(on_branch(remote, "aliases.json")).items() if name == "champion"
    }
    told = [json.loads(line) for line in on_branch(remote, "ledger.jsonl").splitlines()]
    images = [line["facts"]["unit"]["image"] for line in told if line["event"] == "deployment"]
    assert len(set(images)) == 1  # the digest that staging baked

    button = {"inputs": {"environment": "production", "version": "", "reason": "it errs"}}
    back = copy_tree(tmp_path / "back")
    run = act(back, "rollback.yml", "workflow_dispatch", button, scratch="scratch-4", variables=variables)
    assert run.code == 1
    assert "the ledger has no unit below it: nothing to go back to" in run.said()


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
    assert (1, STAGE_1 | {"train/fit": "success", "claim/claim": "success"} | JUDGED | red) == (run.code, run.jobs)
    assert VERDICTS | {"data-docs", "registry-fitted", "registry", "report"} == files(run.artifacts).keys()
    assert "0.999" in run.summaries["gates/report"]
    assert [] == run.calls
