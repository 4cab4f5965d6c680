"""Repositories as the doctor meets them: replies of the platform by path, and a machine that lacks nothing.

The replies are written after the shapes that the platform documents, https://docs.github.com/en/rest (each reply that
says no names its page), and agree with its OpenAPI description; none was recorded from a live repository.
"""

import json
from pathlib import Path
from typing import Any

from infra.checkup.facts import Facts, Here, Reply
from infra.checkup.machine import Machine
from tests.infra.fake_forge import REPOSITORY

REPLIES = Path(__file__).parent / "replies"
TOP = f"/repos/{REPOSITORY}"
PATHS = {
    "repository": TOP,
    "actions": f"{TOP}/actions/permissions",
    "selected": f"{TOP}/actions/permissions/selected-actions",
    "token": f"{TOP}/actions/permissions/workflow",
    "workflows": f"{TOP}/actions/workflows",
    "main": f"{TOP}/branches/main",
    "main rules": f"{TOP}/rules/branches/main",
    "registry": f"{TOP}/branches/ml-registry",
    "registry rules": f"{TOP}/rules/branches/ml-registry",
    "ruleset 73": f"{TOP}/rulesets/73",
    "environments": f"{TOP}/environments",
    "variables": f"{TOP}/actions/variables",
    "secrets": f"{TOP}/actions/secrets",
    "organization variables": f"{TOP}/actions/organization-variables",
    "organization secrets": f"{TOP}/actions/organization-secrets",
    "staging variables": f"{TOP}/environments/staging/variables",
    "staging secrets": f"{TOP}/environments/staging/secrets",
    "production-deploy variables": f"{TOP}/environments/production-deploy/variables",
    "production-deploy secrets": f"{TOP}/environments/production-deploy/secrets",
    "oidc": f"{TOP}/actions/oidc/customization/sub",
}
PACKAGES = ("/users/owner/packages/container/name", "/orgs/owner/packages/container/name")
WORKFLOWS = {"pipeline.yml": "on:\n  push:\n", "pull-request.yml": "on:\n  pull_request:\n", "claim.yml": "on:\n"}
WORKFLOWS["monitor.yml"] = "on:\n  schedule:\n"
HERE = Here(
    REPOSITORY,
    workflows=WORKFLOWS,
    actions=("actions/checkout@c0ffee", "docker/build-push-action@beef"),
    owners="/a @b",
)
MACHINE = Machine(python="3.11", wanted="3.11", system="linux", remote=REPOSITORY, port=8000, engine=True, cluster=True)
INTEGRATION = [403, {"message": "Resource not accessible by integration"}]
UPGRADE = [403, {"message": "Upgrade to GitHub Pro or make this repository public to enable this feature."}]
NOT_FOUND = [404, {"message": "Not Found"}]


def recorded(*names: str) -> dict[str, Any]:
    """Return the replies of a repository, [status, content] by path; of several recordings the last one goes first."""
    found: dict[str, Any] = {}
    for name in names:
        found |= json.loads((REPLIES / f"{name}.json").read_text())
    return found


def facts(name: str = "well-set-up", /, here: Here = HERE, **changed: Any) -> Facts:
    """Return what a repository tells; `changed` replies, [status, content], have _ for a space in their names."""
    known = recorded(name)
    replies = {fact: known[path] for fact, path in PATHS.items() if path in known}
    replies |= dict.fromkeys(["package"], next((known[path] for path in PACKAGES if path in known), NOT_FOUND))
    replies |= {fact.replace("_", " "): reply for fact, reply in changed.items()}
    return Facts(here, {fact: Reply(*reply) for fact, reply in replies.items()})


def reply_of(name: str, repository: str = "well-set-up") -> list[Any]:
    """Return one reply, [status, content], that a test may change."""
    found: list[Any] = recorded(repository)[PATHS[name]]
    return found
