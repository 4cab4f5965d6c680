"""Ask the platform once for all that the checks read."""

import re
from collections.abc import Mapping
from typing import Any

from infra.checkup.facts import FAILED, OFFLINE, Here, Reply, entries, peek
from infra.checkup.facts import Hidden as NotAsDocumented
from infra.checkup.guards import BLOCKING
from infra.checkup.switches import MAIN
from infra.checkup.targets import ENVIRONMENTS, SETTING
from infra.forge import Forge, Unreachable
from validation.script import OutsideError

SIZES = {"variables": 30, "secrets": 100}  # the most that a page takes
PAGES = 40  # of one listing: the platform lets an organization have 1,000 variables


def ask(forge: Forge, here: Here) -> dict[str, Reply]:
    """Return the replies by name; where nobody answers, the rest is not asked for."""
    replies: dict[str, Reply] = {}

    def look(name: str, path: str) -> None:
        silent = next((reply for reply in replies.values() if reply.status == OFFLINE), None)
        try:
            replies[name] = silent or _whole(forge, path)
        except Unreachable as error:
            replies[name] = Reply(OFFLINE, str(error))
        except OutsideError as error:
            replies[name] = Reply(FAILED, str(error))

    top = f"/repos/{forge.repository}"
    look("repository", top)
    organization = peek(replies["repository"].content, "owner", "type") == "Organization"
    for name, path in _paths(top, here.branch, organization).items():
        look(name, path)
    if peek(replies["actions"].content, "allowed_actions") == "selected":
        look("selected", f"{top}/actions/permissions/selected-actions")
    owner, _, package = forge.repository.lower().partition("/")
    look("package", f"/{'orgs' if organization else 'users'}/{owner}/packages/container/{package}")
    if _target(replies):
        for environment in ENVIRONMENTS:
            for what, size in SIZES.items():
                look(f"{environment} {what}", f"{top}/environments/{environment}/{what}?per_page={size}")
    for number in _rulesets(replies["registry rules"]):
        look(f"ruleset {number}", f"{top}/rulesets/{number}")
    return replies


def _whole(forge: Forge, path: str) -> Reply:
    """Ask for what a path holds, a listing page by page until it is whole."""
    reply, size = Reply(*forge.look(path)), re.search(r"per_page=(\d+)", path)
    if not size or reply.status != 200:
        return reply
    listed, number = _listed(reply.content), 1
    last = listed
    while last and number < PAGES and _short(reply.content, len(listed), len(last) == int(size[1])):
        number += 1
        reply = Reply(*forge.look(f"{path}&page={number}"))
        if reply.status != 200:  # what came before would be taken for all that there is
            return Reply(FAILED, f"the platform gave page {number} of a listing with status {reply.status}")
        last = _listed(reply.content)
        listed = listed + last
    return reply if number == 1 else Reply(200, _holding(reply.content, listed))


def _short(content: Any, count: int, full: bool) -> bool:
    """Tell whether more entries are to come: by the total that a listing tells, or where it is full, and tells none."""
    total = peek(content, "total_count")
    return count < total if isinstance(total, int) else full


def _listed(content: Any) -> list[Any]:
    """Return the entries of a page, itself or the one list in it; none where it is no listing."""
    found = peek(content, _key(content)) if isinstance(content, dict) else content
    return found if isinstance(found, list) else []


def _key(content: dict[str, Any]) -> str:
    return next((name for name, value in content.items() if isinstance(value, list)), "")


def _holding(content: Any, listed: list[Any]) -> Any:
    """Return a page with all entries in place of its own; what is no listing stays, for the checks to say so."""
    if isinstance(content, dict):
        return content | ({key: listed} if (key := _key(content)) else {})
    return listed if isinstance(content, list) else content


def _paths(top: str, branch: str, organization: bool) -> Mapping[str, str]:
    own = {what: f"{top}/actions/{what}?per_page={size}" for what, size in SIZES.items()}
    shared = {
        f"organization {what}": f"{top}/actions/organization-{what}?per_page={size}" for what, size in SIZES.items()
    }
    return {
        "actions": f"{top}/actions/permissions",
        "token": f"{top}/actions/permissions/workflow",
        "workflows": f"{top}/actions/workflows?per_page=100",
        "main": f"{top}/branches/{MAIN}",
        "main rules": f"{top}/rules/branches/{MAIN}?per_page=100",
        "registry": f"{top}/branches/{branch}",
        "registry rules": f"{top}/rules/branches/{branch}?per_page=100",
        "environments": f"{top}/environments?per_page=100",
        "oidc": f"{top}/actions/oidc/customization/sub",
    } | (own | shared if organization else own)


def _target(replies: Mapping[str, Reply]) -> bool:
    told = (replies.get(name, Reply(OFFLINE)).content for name in ("variables", "organization variables"))
    listed = (peek(content, "variables") for content in told)
    return any(peek(one, "name") == SETTING for some in listed if isinstance(some, list) for one in some)


def _rulesets(reply: Reply) -> list[int]:
    try:
        rules = entries(reply.content) if reply.status == 200 else []
    except NotAsDocumented:
        return []
    numbers = {rule.get("ruleset_id") for rule in rules if str(rule.get("type")) in BLOCKING}
    return sorted(number for number in numbers if isinstance(number, int))
