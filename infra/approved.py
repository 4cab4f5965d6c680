"""Whether production may be deployed to: somebody has to be asked, by the platform or by a promotion pull request.

The platform asks where the environment `production` has required reviewers. Where the plan has none, a person commits
infra/overlays/production/release.json (`python -m infra.release` writes it), and whoever merges that approves.
"""

import json
import os
import subprocess
from typing import Any

from infra.target import PRODUCTION
from train import following, promote, registry
from train.approval import unapproved
from train.travel import book, history
from train.travel.history import Unit
from validation.contract import Config, Deploy
from validation.script import ROOT, Refusal, log

RELEASE = ROOT / "infra/overlays/production/release.json"


class UnapprovedError(Exception):
    """Nobody was asked: one sentence."""


def facts(unit: Unit) -> dict[str, str | int]:
    """Return what a release names: enough to know the unit by."""
    return {"version": unit.version, "model": unit.model, "bundle": unit.bundle, "image": unit.image}


def released() -> dict[str, Any]:
    """Return what the committed release names; empty where there is none. Raises Refusal when it cannot be read."""
    show = ["git", "show", f"HEAD:./{RELEASE.name}"]
    done = subprocess.run(show, cwd=RELEASE.parent, capture_output=True, text=True)
    if done.returncode:  # a file that is only written approves nothing
        return {}
    try:
        found = json.loads(done.stdout)
        return {"version": int(found["version"])} | {name: str(found[name]) for name in ("model", "bundle", "image")}
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{RELEASE} is no release ({error}); `python -m infra.release` writes one") from None


def must_be(environment: str, unit: Unit, deploy: Deploy) -> None:
    """Raise UnapprovedError for a unit of production that nobody approves.

    In a job the platform is asked whether reviewers have to approve, and whether one approved this very run; elsewhere
    the committed release counts alone.
    """
    if environment != PRODUCTION or not deploy.production_asks:
        return
    if released() == facts(unit):
        log(f"infra.deploy: {RELEASE.name} names version {unit.version}: who merged it approved")
        return
    if os.environ.get("GITHUB_ACTIONS") and asks_reviewers() and (by := approvers()):
        if alone := unapproved(unit.version, book.lines()):
            raise UnapprovedError(alone)
        log(f"infra.deploy: {', '.join(sorted(by))} approved this run")
        return
    raise UnapprovedError(
        f"nobody approved version {unit.version}: give the environment {PRODUCTION} required reviewers, or, where"
        " the plan has none, merge what `python -m infra.release` writes; DEPLOY(production_asks=False) in config.py"
        " does without"
    )


def must_be_judged(environment: str, unit: Unit, config: Config) -> None:
    """Raise UnapprovedError for a unit of production that was not judged against the champion of now.

    It was when its approval was asked for; another one may have come to production since, which it waited behind.
    """
    if environment != PRODUCTION:
        return
    following.follow(config)
    view, lines = registry.view(config), book.lines()
    live = history.live(lines, PRODUCTION)
    if live is not None and history.unit_of(live.facts).identity == unit.identity:
        return  # users have it already, and whoever moved the champion since is not contradicted
    if faults := promote.against_record(view.version(unit.version), view, lines):
        raise UnapprovedError(faults[0])


def approvers() -> set[str]:
    """Name who approved this run for production. Raises OutsideError, or Refusal."""
    from infra.forge import Forge

    return Forge().approvers(os.environ.get("GITHUB_RUN_ID", ""), PRODUCTION)


def asks_reviewers() -> bool:
    """Whether the platform asks reviewers before a job of production begins. Raises OutsideError, or Refusal."""
    from infra.forge import Forge

    forge = Forge()
    status, told = forge.look(f"/repos/{forge.repository}/environments/{PRODUCTION}")
    rules = told.get("protection_rules") if status == 200 and isinstance(told, dict) else None
    return any(isinstance(one, dict) and one.get("type") == "required_reviewers" for one in rules or ())
