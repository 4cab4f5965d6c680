"""pull-request.yml, run under act: a proposal is judged up to an image that is thrown away, and leaves nothing live."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.github.act import Run

pytestmark = pytest.mark.act

JOBS = (
    *("tests", "data/schema", "data/dataset", "train/fit"),
    *("gates/performance", "gates/fairness", "gates/behaviour", "gates/parity", "gates/report"),
    *("image/image", "all-green"),
)


def test_a_good_proposal_is_all_green_and_deploys_nothing(checkout: Path, act: Callable[..., Run]) -> None:
    """Every job succeeds, from a fork too; no job deploys or promotes, and hostile names are only text."""
    marker = checkout / "marker"
    hostile = f"x$(touch {marker})`touch {marker}`"
    side = {"ref": hostile, "sha": "0" * 40, "repo": {"full_name": "somebody/fork", "fork": True}}
    event = {"number": 7, "pull_request": {"number": 7, "title": hostile, "head": side, "base": {"ref": "main"}}}
    run = act(checkout, "pull-request.yml", "pull_request", event)
    assert (0, dict.fromkeys(JOBS, "success")) == (run.code, run.jobs)
    assert not marker.exists()
    assert "registry-promoted" not in {artifact.name for artifact in run.artifacts.iterdir()}
    assert "false" == run.calls[-1]["with"]["PUSH"]
