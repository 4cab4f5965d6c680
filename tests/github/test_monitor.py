"""monitor.yml, run under act: what a schedule says of a fork in which nothing has happened yet."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.github.act import Run

pytestmark = pytest.mark.act


def test_a_fork_without_a_champion_is_green(checkout: Path, act: Callable[..., Run]) -> None:
    """There is nothing to reproduce: the summary says so, and the run succeeds."""
    run = act(checkout, "monitor.yml", "schedule")
    assert (0, {"reproduce": "success"}) == (run.code, run.jobs)
    assert "No version is the champion yet" in run.summaries["reproduce"]
