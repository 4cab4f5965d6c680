"""doctor.yml, run under act by its button, against an API in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.github.act import TOKEN, Run, approved
from tests.infra.examined import TOP, recorded
from tests.infra.fake_forge import FakeForge, serving

pytestmark = pytest.mark.act


@pytest.mark.parametrize(
    ("policy", "code", "result"), [("job-of-a-fork", 0, "success"), ("restricted-organization", 1, "failure")]
)
def test_the_button_writes_the_table_into_the_summary(
    checkout: Path, act: Callable[..., Run], policy: str, code: int, result: str
) -> None:
    """What may not be seen is not red; a ruleset that refuses the push of the registry is."""
    rules = f"{TOP}/rules/branches/ml-registry"
    replies = recorded("job-of-a-fork") | {rules: recorded(policy)[rules]}
    with serving(FakeForge(replies=replies)) as forge:
        run = act(approved(checkout, forge.url), "doctor.yml", "workflow_dispatch")
    assert (code, {"doctor": result, "advise": "skipped"}) == (run.code, run.jobs)  # no run left a scan
    assert {f"Bearer {TOKEN}"} == forge.tokens
    assert "| actions | fine: on, as this run shows |" in run.summaries["doctor"]
    assert ("refuses the workflow's push" in run.summaries["doctor"]) == bool(code)
