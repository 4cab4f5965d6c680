"""The team's server, started once a test run, where PostgreSQL is installed."""

import os
from collections.abc import Iterator

import pytest

from tests.train.parts import absent
from tests.train.team import Team, shared


@pytest.fixture(scope="session")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A server that answers, with PostgreSQL and an S3 store; the test is skipped where PostgreSQL is missing."""
    missing = absent()
    if missing:
        pytest.skip(missing)
    base = tmp_path_factory.getbasetemp()
    with shared((base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "team") as found:
        yield found
