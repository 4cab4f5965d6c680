"""The ways to production that infra.release tells, and what its workflow does with each."""

import re

from infra import release
from tests.github.tree import read_tree


def jobs() -> dict:
    return read_tree().workflows["production.yml"]["jobs"]


def test_each_way_has_a_job_or_ends() -> None:
    """What is approved already is deployed, what reviewers have to approve waits for them; the rest begins nothing."""
    asked, deployed = (set(re.findall(r"way == '(\w+)'", jobs()[name]["if"])) for name in ("approve", "deploy"))
    assert {release.REVIEWERS} == asked
    assert {release.MERGED, release.NOBODY, release.PROMOTE} == deployed
    assert "needs.approve.result == 'success'" in jobs()["deploy"]["if"]
    assert not {release.REQUEST, release.HELD, release.NOTHING} & (asked | deployed)


def test_where_the_promotion_alone_was_lost_nothing_is_deployed() -> None:
    """The step that deploys is left out then, and those that promote and push are not."""
    steps = {step["run"].split()[2]: step.get("if") for step in jobs()["deploy"]["steps"] if "run" in step}
    assert {"infra.deploy": f"needs.release.outputs.way != '{release.PROMOTE}'", "train.promote": None} == steps
    assert "if" not in jobs()["deploy"]["steps"][-1]
