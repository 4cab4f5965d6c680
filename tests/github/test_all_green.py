"""The last job of both entry files, run under act behind jobs that do nothing but succeed, fail or not run."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.github.act import Run
from tests.github.tree import ROOT

pytestmark = pytest.mark.act
NEEDED = {
    "pipeline.yml": ["branch", "tests", "data", "train", "claim", "gates", "record", "image", "publish", "deploy"],
    "pull-request.yml": ["tests", "data", "train", "gates", "image"],
}
EVENTS = {"pipeline.yml": "push", "pull-request.yml": "pull_request"}
STARTS = [*EVENTS.items(), ("pull-request.yml", "merge_group")]


def idle(folder: Path, name: str, broken: str | None = None, skipped: str | None = None) -> Path:
    """Write the entry file with every job but all-green replaced by one that runs `true`, or `false` if `broken`."""
    workflow = yaml.safe_load((ROOT / ".github/workflows" / name).read_text())
    workflow["on"] = workflow.pop(True)  # YAML takes `on` for a truth value
    for job_id, job in workflow["jobs"].items():
        if job_id != "all-green":
            workflow["jobs"][job_id] = {
                "needs": job.get("needs", []),
                "if": job_id != skipped and "success()",
                "runs-on": "ubuntu-latest",
                "steps": [{"run": "false" if job_id == broken else "true"}],
            }
    (folder / ".github/workflows").mkdir(parents=True)
    (folder / ".github/workflows" / name).write_text(yaml.safe_dump(workflow))
    return folder


@pytest.mark.parametrize(("name", "event"), STARTS)
def test_all_green_is_green_when_every_job_succeeded(
    name: str, event: str, tmp_path: Path, act: Callable[..., Run]
) -> None:
    """Branch protection, or a merge queue, lets a commit pass whose every job succeeded."""
    run = act(idle(tmp_path / "checkout", name), name, event)
    assert (0, dict.fromkeys([*NEEDED[name], "all-green"], "success")) == (run.code, run.jobs)


@pytest.mark.parametrize(("name", "job"), [(name, job) for name, jobs in NEEDED.items() for job in jobs])
def test_all_green_is_red_when_a_job_failed(name: str, job: str, tmp_path: Path, act: Callable[..., Run]) -> None:
    """One failed job, whichever it is, makes the check red; it is not skipped."""
    run = act(idle(tmp_path / "checkout", name, broken=job), name, EVENTS[name])
    assert (1, "failure", "failure") == (run.code, run.jobs[job], run.jobs["all-green"])


@pytest.mark.parametrize(("name", "event"), STARTS)
def test_all_green_is_red_when_a_job_was_skipped(
    name: str, event: str, tmp_path: Path, act: Callable[..., Run]
) -> None:
    """A job that did not run is no success."""
    run = act(idle(tmp_path / "checkout", name, skipped="image"), name, event)
    assert (1, "skipped", "failure") == (run.code, run.jobs["image"], run.jobs["all-green"])
