"""Checks of what keeps people and accidents away from code, registry and production (pure; stdlib only)."""

import json
from typing import Any

from infra.checkup.answer import Answer, code, fine, missing
from infra.checkup.facts import Facts, entries, entry, peek, words
from infra.checkup.switches import MAIN, visibility

CHECK = "All green"  # the job that speaks for all others
ACTIONS_APP = 15368  # the platform's own id of GitHub Actions, as whom a job pushes
# Rules that refuse a plain push of a job, whatever is in it
BLOCKING = {
    "creation", "update", "pull_request", "required_status_checks", "required_signatures", "required_deployments",
    "merge_queue", "workflows",
}  # fmt: skip
TARGET = "production-deploy"  # the environment that holds what leads to production; it asks nobody
KEEPING = {"deletion", "non_fast_forward"}
PLAN = "this plan has no rules for the branches of a private repository"
PAY = "make the repository public, or take GitHub Pro, Team or Enterprise"


def protection(facts: Facts) -> Answer:
    """Nothing gets to main that All green has not passed."""
    facts.seen("repository", dict)  # else a 404 of its branch says nothing
    branch = facts.reply("main", 404)
    if branch.status == 404:
        return missing(f"there is no branch {MAIN} yet", code(f"git push origin {MAIN}"), needed=True)
    rules = facts.reply("main rules", 403, 404)
    required = _contexts(entry(branch.content, "protection", dict))
    for rule in entries(rules.content) if rules.status == 200 else []:
        if rule.get("type") == "required_status_checks":
            asked = entries(entry(rule, "parameters", dict), "required_status_checks")
            required |= {str(one.get("context")) for one in asked}
    if CHECK in required:
        return fine(f"{MAIN} takes what {CHECK} has passed")
    if rules.upgrade:
        return missing(f"{PLAN}: a red commit may be merged", PAY)
    if rules.status != 200:
        facts.reply("main rules")
    checks = {"required_status_checks": [{"context": CHECK}], "strict_required_status_checks_policy": False}
    rule = {"type": "required_status_checks", "parameters": checks}
    return missing(f"{MAIN} does not ask for the check {CHECK}", _ruleset(facts, MAIN, [rule]))


def owners(facts: Facts) -> Answer:
    """Each path of CODEOWNERS has somebody who is asked."""
    lines = [line.split("#")[0].split() for line in (facts.here.owners or "").splitlines()]
    open_paths = [line[0] for line in lines if len(line) == 1]
    if open_paths or not any(lines):
        text = f"nobody is asked about {', '.join(open_paths) or 'any path'}"
        return missing(text, f"write {code('@you')} or {code('@org/team')} behind each path of .github/CODEOWNERS")
    return fine("each guarded path has its owner")


def registry(facts: Facts) -> Answer:
    """The registry's branch is there, takes the workflow's push, and cannot be forced back."""
    name = facts.here.branch
    facts.seen("repository", dict)  # else a 404 of its branch says nothing
    branch, rules = facts.reply("registry", 404), facts.reply("registry rules", 403, 404)
    protected = entry(branch.content, "protection", dict) if branch.status == 200 else {}
    listed = entries(rules.content) if rules.status == 200 else []
    blocking = [one for one in listed if _blocks(one, branch.status == 200) and not _may_pass(facts, one)]
    if blocking:
        text = f"{name} refuses the workflow's push: {', '.join(sorted({str(one['type']) for one in blocking}))}"
        fix = f"leave {code(name)} out at {' and '.join(sorted({_settings(facts, one) for one in blocking}))}"
        return missing(text, f"{fix}, or let the app GitHub Actions bypass that rule", needed=True)
    if _contexts(protected):
        text = f"{name} refuses the workflow's push: its protection asks for status checks"
        return missing(text, f"https://github.com/{facts.here.repository}/settings/branches", needed=True)
    if branch.status == 404:
        run = code(f"gh workflow run pipeline.yml --repo {facts.here.repository}")
        return missing(f"the branch {name} is not there yet; the first pipeline begins it", run)
    if protected.get("enabled") or {str(one.get("type")) for one in listed} >= KEEPING:
        return fine(f"{name} is there, and cannot be forced back")
    if rules.upgrade:
        verify = code("python -m train.store verify")
        return missing(f"{PLAN}: {name} can be forced back", f"{PAY}; {verify} finds a rewritten branch")
    if rules.status != 200:
        facts.reply("registry rules")
    return missing(f"{name} can be forced back or deleted", _ruleset(facts, name, []))


def production(facts: Facts) -> Answer:
    """The environment production asks somebody: one that nobody made is created open, and asks nobody."""
    where = f"https://github.com/{facts.here.repository}/settings/environments"
    private = visibility(facts) == "private"
    listed = facts.reply("environments", 404)
    known = entries(listed.content, "environments") if listed.status == 200 else []
    named = {str(one.get("name")): one for one in known}
    if listed.status == 404 and not private:
        facts.reply("environments")
    plan = (
        " (of a private repository: GitHub Enterprise alone has reviewers; else merge what `make release` writes)"
        if private
        else ""
    )
    found = named.get("production")
    if found is None:
        text = "there is none: a deployment to production is refused until somebody is asked"
        return missing(text, f"{where}: New environment `production`, Required reviewers{plan}")
    rules = entries(found, "protection_rules")
    reviewers = next((one for one in rules if one.get("type") == "required_reviewers"), None)
    if reviewers is None:
        return missing("nobody is asked before a deployment", f"{where}: production, Required reviewers{plan}")
    for name in ("production", TARGET):
        if name in named and not named[name].get("deployment_branch_policy"):
            fix = f"{where}: {name}, Deployment branches: `{MAIN}` alone"
            return missing(f"any branch may deploy by the environment {name}", fix)
    if not reviewers.get("prevent_self_review"):
        return missing("who starts a deployment may approve it", f"{where}: production, Prevent self-review")
    return fine("somebody else approves, and only what the branch policy lets in is deployed")


def _contexts(protected: dict[str, Any]) -> set[str]:
    return set(words(peek(protected, "required_status_checks", "contexts")))


def _blocks(rule: dict[str, Any], exists: bool) -> bool:
    kind = str(rule.get("type"))
    return kind in BLOCKING and not (kind == "creation" and exists)


def _settings(facts: Facts, rule: dict[str, Any]) -> str:
    if rule.get("ruleset_source_type") == "Organization":
        return f"https://github.com/organizations/{facts.here.repository.partition('/')[0]}/settings/rules"
    return f"https://github.com/{facts.here.repository}/settings/rules"


def _may_pass(facts: Facts, rule: dict[str, Any]) -> bool:
    """Tell whether the workflow's token bypasses a rule: a job sees it of itself, an administrator by the list."""
    reply = facts.replies.get(f"ruleset {rule.get('ruleset_id')}")
    told = reply.content if reply and reply.status == 200 else None
    if facts.here.job:
        return peek(told, "current_user_can_bypass") in ("always", "exempt")
    actors = peek(told, "bypass_actors")
    passes = ("Integration", ACTIONS_APP)
    found = actors if isinstance(actors, list) else []
    return any((peek(one, "actor_type"), peek(one, "actor_id")) == passes for one in found)


def _ruleset(facts: Facts, branch: str, rules: list[dict[str, Any]]) -> str:
    body = {
        "name": branch,
        "target": "branch",
        "enforcement": "active",
        "conditions": {"ref_name": {"include": [f"refs/heads/{branch}"], "exclude": []}},
        "rules": [*({"type": one} for one in sorted(KEEPING)), *rules],
    }
    return code(f"gh api --method POST repos/{facts.here.repository}/rulesets --input - <<< '{json.dumps(body)}'")
