"""Checks of where deployments go, and of what leads there (pure; stdlib only)."""

from infra.checkup.answer import Answer, code, fine, missing
from infra.checkup.facts import Facts, entry
from infra.checkup.guards import TARGET
from infra.checkup.offers import all_of, settings_named
from infra.target import CLUSTER, ENGINE, STAGING, kind
from validation.script import Refusal

SETTING, LOG = "DEPLOY_TARGET", "PREDICTION_LOG"
ENVIRONMENTS = (STAGING, TARGET)
NEEDED = {
    CLUSTER: (("secrets", "KUBE_CONFIG"),),
    ENGINE: (("secrets", "SSH_KEY"), ("variables", "SSH_HOST_KEYS")),
}


def target(facts: Facts) -> Answer:
    """Where a target is named, staging and production have what leads there. No value is shown."""
    told = settings_named(facts, "variables").get(SETTING, "").strip()
    if not told:
        return fine(f"{SETTING} is not set: deployments are rehearsed")
    set_it = code(f"gh variable set {SETTING} --repo {facts.here.repository}")
    try:
        way = kind(STAGING, {SETTING: told})
    except Refusal:
        text = f"{SETTING} says neither `{CLUSTER}` nor where an engine is: no deployment begins"
        return missing(text, f"{set_it}: {code(CLUSTER)} or {code('ssh://user@host')}", needed=True)
    if way != CLUSTER and not told.startswith("ssh://"):
        return fine("it is an engine that asks for no key")
    lacking = [
        (environment, what, name)
        for environment in ENVIRONMENTS
        for what, name in NEEDED[way]
        if name not in _there(facts, environment, what)
    ]
    if not lacking:
        return fine(f"{' and '.join(ENVIRONMENTS)} have what leads to the {way}")
    text = ", ".join(f"{environment} has no {name}" for environment, _, name in lacking)
    fixes = [
        code(f"gh {what.removesuffix('s')} set {name} --env {environment} --repo {facts.here.repository}")
        for environment, what, name in lacking
    ]
    stops = any(environment == STAGING for environment, _, _ in lacking)
    return missing(f"{text}: a deployment there is refused", " ".join(fixes), needed=stops)


def predictions(facts: Facts) -> Answer:
    """Where an environment logs predictions, the repository says so too: the image is built with what ships them."""
    told = settings_named(facts, "variables")
    if LOG in told:
        return fine(f"{LOG} is set, and the image has what ships them")
    named = ENVIRONMENTS if told.get(SETTING, "").strip() else ()  # else nothing is deployed to them
    where = [environment for environment in named if LOG in _there(facts, environment, "variables")]
    if not where:
        return fine(f"{LOG} is not set: none are kept")
    text = f"{LOG} is set for {' and '.join(where)} alone: no service starts, for the image lacks what ships them"
    fix = (
        f"{code(f'gh variable set {LOG} --repo {facts.here.repository}')}; an environment's own value counts more there"
    )
    return missing(text, fix, needed=STAGING in where)


def _there(facts: Facts, environment: str, what: str) -> set[str]:
    reply = facts.reply(f"{environment} {what}", 404)  # an environment that nobody has made yet holds nothing
    own = {entry(one, "name", str) for one in all_of(reply.content, what)} if reply.status == 200 else set()
    if what == "secrets" and environment == STAGING:  # its job is in a called workflow, which gets no other secrets
        return own
    return own | settings_named(facts, what).keys()
