"""Checks of what has to be switched on for the workflows to run at all (pure; stdlib only)."""

import fnmatch
import re
import shlex

from infra.checkup.answer import Answer, code, fine, missing, unseen
from infra.checkup.facts import Facts, Here, entries, entry, peek, words

MAIN = "main"  # the branch that the workflows name
ENTRIES = ("pipeline.yml", "pull-request.yml")  # what the chain begins with
GITHUBS = ("actions/", "github/")
VERIFIED = ("docker/",)  # makers of actions used here whom the platform's marketplace marks as verified


def repository(facts: Facts) -> Answer:
    """The repository takes pushes, and those to its default branch start the pipeline."""
    told = facts.seen("repository", dict)
    name, branch = facts.here.repository, entry(told, "default_branch", str)
    if told.get("archived"):
        return missing("it is archived: nothing runs", code(f"gh repo unarchive {name}"), needed=True)
    if branch != MAIN:
        rename = f"gh api --method POST repos/{name}/branches/{shlex.quote(branch)}/rename -f new_name={MAIN}"
        return missing(f"its default branch is {branch}, and the workflows wait for {MAIN}", code(rename), needed=True)
    return fine(f"{visibility(facts)}, default branch {MAIN}")


def actions(facts: Facts) -> Answer:
    """Workflows may run."""
    if facts.here.job:
        return fine("on, as this run shows")
    if entry(facts.seen("actions", dict), "enabled", bool):
        return fine("on")
    on = f"gh api --method PUT repos/{facts.here.repository}/actions/permissions -F enabled=true -f allowed_actions=all"
    return missing("off: no workflow runs", code(on), needed=True)


def allowed(facts: Facts) -> Answer:
    """The policy lets the actions run that the workflows use."""
    told, name = facts.seen("actions", dict), facts.here.repository
    if not entry(told, "enabled", bool):
        return unseen("Actions are off", "switch them on first")
    policy = entry(told, "allowed_actions", str)
    if policy == "all":
        return fine("every action is allowed; those used here are pinned by commit")
    if policy != "selected":
        select = f"gh api --method PUT repos/{name}/actions/permissions -F enabled=true -f allowed_actions=selected"
        return missing("actions of others are not allowed", f"{code(select)}, then run the doctor again", needed=True)
    selected = facts.seen("selected", dict)
    patterns = words(selected.get("patterns_allowed"))
    trusted = {GITHUBS: selected.get("github_owned_allowed"), VERIFIED: selected.get("verified_allowed")}
    makers = tuple(one for them, all_of_them in trusted.items() if all_of_them for one in them)
    refused = sorted(one for one in facts.here.actions if not one.startswith(makers) and not _matches(one, patterns))
    if not refused:
        return fine("a selection, and those used here are in it")
    names = sorted({one.partition("@")[0] for one in refused})
    wanted = [*patterns, *(f"{one}@*" for one in names)]
    fields = [
        f"-F {key}={str(bool(selected.get(key))).lower()}" for key in ("github_owned_allowed", "verified_allowed")
    ]
    fields += [f"-f {shlex.quote(f'patterns_allowed[]={one}')}" for one in wanted]
    put = f"gh api --method PUT repos/{name}/actions/permissions/selected-actions {' '.join(fields)}"
    fix = f"{code(put)}; where the organization decides (status 409), its owner does the same there"
    return missing(f"not allowed: {', '.join(names)}", fix, needed=True)


def _matches(action: str, patterns: list[str]) -> bool:
    bare, said = action.partition("@")[0].lower(), False
    for pattern in (one.strip().lower() for one in patterns):
        if any(fnmatch.fnmatchcase(it, pattern.removeprefix("!")) for it in (action.lower(), bare)):
            if pattern.startswith("!"):
                return False
            said = True
    return said


def token(facts: Facts) -> Answer:
    """A job that asks for nothing is given little; ours ask for what they need, whatever the default."""
    if entry(facts.seen("token", dict), "default_workflow_permissions", str) == "read":
        return fine("jobs that ask for nothing may read alone; those here ask for what they need")
    less = f"gh api --method PUT repos/{facts.here.repository}/actions/permissions/workflow"
    less += " -f default_workflow_permissions=read"
    return missing("a workflow that forgets its permissions may write everything", code(less))


def workflows(facts: Facts) -> Answer:
    """The platform knows the workflows that the chain begins with, and none of ours is switched off."""
    states, name = _states(facts), facts.here.repository
    unknown = [one for one in ENTRIES if one not in states]
    if unknown and peek(facts.seen("repository", dict), "fork"):
        text = f"it is a fork, whose workflows are off until somebody wants them: {', '.join(unknown)}"
        return missing(text, f"switch them on at https://github.com/{name}/actions", needed=True)
    if unknown:
        text = f"the platform does not know {', '.join(unknown)}"
        return missing(text, code(f"git push origin {MAIN}"), needed=True)
    off = sorted(one for one in facts.here.workflows if states.get(one, "active") != "active")
    off = [one for one in off if one not in _scheduled(facts.here)]
    if off:
        return missing(f"switched off: {', '.join(off)}", _enable(off, name), needed=bool(set(off) & set(ENTRIES)))
    return fine("known and on")


def schedules(facts: Facts) -> Answer:
    """What runs on a schedule is on: the platform switches it off in forks, and after 60 quiet days."""
    states, scheduled, name = _states(facts), _scheduled(facts.here), facts.here.repository
    if unknown := [one for one in scheduled if one not in states]:
        fix = f"as for workflows; then {_enable(unknown, name)}"
        return missing(f"the platform does not know {', '.join(unknown)}: no schedule runs", fix)
    if off := [one for one in scheduled if states[one] != "active"]:
        told = ", ".join(f"{one} ({states[one].replace('_', ' ')})" for one in off)
        return missing(f"no schedule runs: {told}", _enable(off, name))
    public = visibility(facts) == "public"
    return fine("on; 60 days without a commit switch them off" if public and scheduled else "on")


def visibility(facts: Facts) -> str:
    """Return public, private or internal. Raises Hidden."""
    return entry(facts.seen("repository", dict), "visibility", str)


def _states(facts: Facts) -> dict[str, str]:
    listed = entries(facts.seen("workflows", dict), "workflows")
    return {entry(one, "path", str).rpartition("/")[2]: entry(one, "state", str) for one in listed}


def _scheduled(here: Here) -> list[str]:
    return sorted(name for name, text in here.workflows.items() if re.search(r"^  schedule:", text, re.MULTILINE))


def _enable(names: list[str], repository: str) -> str:
    return " ".join(code(f"gh workflow enable {one} --repo {repository}") for one in names)
