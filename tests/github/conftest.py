"""Fixtures of the runs under act."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.github.act import Run, absent, copy_tree, run_act, stale
from tests.infra import oci


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the working tree that a test may break before it runs."""
    if why := stale():
        pytest.skip(why)
    return copy_tree(tmp_path / "checkout")


@pytest.fixture
def act(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Run a workflow of a checkout; what went wrong is shown when the test fails."""
    if why := absent():
        pytest.skip(why)
    with oci.serving(oci.FakeHub()) as hub:  # images outlive a run
        yield _runner(tmp_path, hub.host)


def _runner(tmp_path: Path, hub: str) -> Callable[..., Run]:
    def run(
        checkout: Path,
        workflow: str,
        event: str,
        payload: dict[str, Any] | None = None,
        scratch: str = "scratch",
        variables: Mapping[str, str] | None = None,
    ) -> Run:
        done = run_act(checkout, tmp_path / scratch, workflow, event, payload, variables, hub=hub)
        sys.stdout.write(done.said()[-20_000:] or done.log[-3000:])
        return done

    return run
