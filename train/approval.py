"""Whether the approvals of a run count: who wrote or started what they let through is not enough.

A run that follows the pipeline is of main as it is by then, so the ledger says whose commit was approved.
"""

import os
import re
from collections.abc import Sequence

from infra.target import PRODUCTION
from train.travel import history
from train.travel.history import LIVE
from train.travel.ledger import DEPLOYMENT, Line
from validation.script import log


def unapproved(version: int, lines: Sequence[Line]) -> str:
    """Say why the approvals of this run do not count; empty where they do, or the platform knows of none.

    A run is approved where its environment asks for reviewers. Then one must be among them who neither started it nor
    wrote the commit of the version, or one of those since what production has.
    """
    names = ("GITHUB_TOKEN", "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_SHA")
    if not all(os.environ.get(name) for name in names):
        return ""
    from infra.forge import Forge

    forge = Forge()
    approvers = forge.approvers(os.environ["GITHUB_RUN_ID"])
    if not approvers:
        log("train.promote: the platform names no approver of this run; its environment asks for none")
        return ""
    since, commit = span(version, lines)
    own = {os.environ.get(name, "") for name in ("GITHUB_ACTOR", "GITHUB_TRIGGERING_ACTOR")}
    own |= forge.authors(commit or os.environ["GITHUB_SHA"], since)
    if approvers - own:
        return ""
    return f"only {', '.join(sorted(approvers))} approved this, who wrote or started it; somebody else has to"


def span(version: int, lines: Sequence[Line]) -> tuple[str, str]:
    """Return the commits of what production had before a version, and of the version; empty where no line says it.

    The pipeline deployed each of them from its own commit: to staging, or where it rehearses.
    """
    made = [
        (line, history.unit_of(line.facts))
        for line in lines
        if line.event == DEPLOYMENT and line.facts["phase"] == LIVE and line.facts["environment"] != PRODUCTION
    ]
    now = next(((line, unit) for line, unit in reversed(made) if unit.version == version), None)
    if now is None:
        return "", ""
    there = [history.unit_of(line.facts).identity for line in history.stack(lines, PRODUCTION)]
    before = [identity for identity in there if identity != now[1].identity][-1:]
    since = [line for line, unit in made if unit.identity in before][-1:]
    return _commit(since[0]) if since else "", _commit(now[0])


def _commit(line: Line) -> str:
    """Return the commit of a line; empty where it was written outside git."""
    found = re.match(r"[0-9a-f]{40}", line.commit)
    return found[0] if found else ""
