"""Checks of what the plan offers, and of settings that are there by half (pure; stdlib only)."""

from typing import Any

from infra.checkup.answer import Answer, code, fine, missing, unseen
from infra.checkup.facts import ADMINISTRATOR, LAPTOP, Facts, Hidden, entries, entry, peek, words
from infra.checkup.switches import visibility

ADDRESS, LOGIN = "MLFLOW_TRACKING_URI", ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


def package(facts: Facts) -> Answer:
    """The image's package takes the workflow's push: it is this repository's, or nobody has made one yet."""
    owner, _, name = facts.here.repository.partition("/")
    facts.seen("repository", dict)  # else a 404 of its package says nothing
    reply = facts.replies.get("package")
    if reply and reply.status == 404 and not facts.here.job:
        return fine("there is none yet; the first push makes it, as this repository's own")
    if reply and reply.status in (403, 404):
        laptop = f"{LAPTOP}, with {code('gh auth refresh --scopes read:packages')}"
        more = code("gh auth refresh --scopes read:packages")
        return unseen("this token may not see it, or there is none yet", laptop if facts.here.job else more)
    told = facts.seen("package", dict)
    entry(told, "name", str)  # whose repository may be absent, which says that there is none
    linked = peek(told, "repository", "full_name")
    if str(linked).lower() == facts.here.repository.lower():
        return fine("it is this repository's")
    kind = "orgs" if organization(facts) else "users"
    settings = f"https://github.com/{kind}/{owner}/packages/container/{name.lower()}/settings"
    text = f"it is linked to {linked or 'no repository'}: a push from here may be denied (write_package)"
    return missing(text, f"{settings}: Manage Actions access, Add repository `{name}`, role Write", needed=True)


def attestations(facts: Facts) -> Answer:
    """The platform attests where things were built."""
    if visibility(facts) == "private":
        text = "a private repository has none, unless its plan is GitHub Enterprise Cloud; digests are compared anyway"
        return missing(text, "make the repository public, or take that plan")
    return fine(f"offered, the repository is {visibility(facts)}")


def server(facts: Facts) -> Answer:
    """A tracking server is set whole or not at all."""
    if facts.here.job:
        return whole(*facts.here.server, repository=facts.here.repository)
    variables = settings_named(facts, "variables")
    secrets = settings_named(facts, "secrets")
    user, password = (name in secrets for name in LOGIN)
    return whole(ADDRESS in variables, user, password, repository=facts.here.repository)


def whole(address: bool, user: bool, password: bool, repository: str = "") -> Answer:
    """Judge which of a server's three settings are there; in the environment, or in a repository's settings."""

    def put(*names: str) -> str:
        orders = {name: "gh variable set" if name == ADDRESS else "gh secret set" for name in names}
        if not repository:
            return code("export " + " ".join(f"{name}=…" for name in names))
        return " ".join(code(f"{order} {name} --repo {repository}") for name, order in orders.items())

    lacking = [name for name, there in zip(LOGIN, (user, password), strict=True) if not there]
    if not address and len(lacking) == 2:
        return fine("none is set: the registry is the embedded one")
    if len(lacking) == 1:
        return missing(f"its login is there by half: {lacking[0]} is not set", put(*lacking), needed=True)
    if not address:
        return missing(f"its login is set and {ADDRESS} is not: the embedded registry is used", put(ADDRESS))
    if lacking:
        return missing("it is set without a login: whoever reaches it may change the registry", put(*lacking))
    return fine("address and login are set")


def oidc(facts: Facts) -> Answer:
    """A cloud can trust this repository's jobs by name."""
    told = facts.seen("oidc", dict)
    if entry(told, "use_default", bool):
        prefix = str(told.get("sub_claim_prefix") or f"repo:{facts.here.repository}")
        return fine(f"a job's subject begins with {prefix}, by which a cloud trusts it")
    claims = ", ".join(words(told.get("include_claim_keys")))
    return fine(f"the subject is made of {claims}; what a cloud trusts has to be written so")


def organization(facts: Facts) -> bool:
    """Tell whether an organization owns the repository. Raises Hidden."""
    return entry(entry(facts.seen("repository", dict), "owner", dict), "type", str) == "Organization"


def all_of(told: object, what: str) -> list[dict[str, Any]]:
    """Return the `variables` or `secrets` of a reply. Raises Hidden where there are more than were given."""
    listed = entries(told, what)
    if len(listed) < entry(told, "total_count", int):
        raise Hidden(unseen(f"there are more {what} than the platform shows", ADMINISTRATOR))
    return listed


def settings_named(facts: Facts, what: str) -> dict[str, str]:
    """Return the `variables` or `secrets` of a repository by name; the platform shows no secret. Raises Hidden."""
    found: dict[str, str] = {}
    for name in (what, f"organization {what}") if organization(facts) else (what,):
        shared = {entry(one, "name", str): str(one.get("value", "")) for one in all_of(facts.seen(name, dict), what)}
        found = shared | found  # a repository's own goes before its organization's
    return found
