"""Where deployments go, and whether what leads there is where a job finds it."""

import dataclasses

import pytest

from infra.checkup import targets
from infra.checkup.answer import FINE, MISSING
from infra.checkup.asking import ask
from infra.checkup.facts import Hidden, Reply
from infra.forge import Forge
from tests.infra.examined import HERE, NOT_FOUND, facts, recorded
from tests.infra.fake_forge import REPOSITORY, FakeForge, serving

TOP = f"/repos/{REPOSITORY}"


def listed(what: str, *names: str, **values: str) -> list:
    """A reply that lists settings."""
    found = [{"name": name} for name in names] + [{"name": name, "value": value} for name, value in values.items()]
    return [200, {"total_count": len(found), what: found}]


def told(target: str, staging=(), production=(), hosts=()):
    """Facts of a repository with a target; who has which secret, and which environments know the host's keys."""
    given = {"variables": listed("variables", DEPLOY_TARGET=target)}
    for name, secrets in (("staging", staging), ("production-deploy", production)):
        given[f"{name}_secrets"] = listed("secrets", *secrets)
        given[f"{name}_variables"] = listed("variables", *(["SSH_HOST_KEYS"] if name in hosts else []))
    return facts(**given)


BOTH = ("staging", "production-deploy")
ALL = "staging and production-deploy have what leads"


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (facts(), "DEPLOY_TARGET is not set: deployments are rehearsed"),
        (told(" "), "DEPLOY_TARGET is not set: deployments are rehearsed"),
        (told("cluster", ["KUBE_CONFIG"], ["KUBE_CONFIG"]), f"{ALL} to the cluster"),
        (told("ssh://me@host", ["SSH_KEY"], ["SSH_KEY"], BOTH), f"{ALL} to the engine"),
        (told("tcp://host:2375"), "it is an engine that asks for no key"),
    ],
)
def test_a_target_with_what_leads_there_is_fine(known, said) -> None:
    """So is none."""
    answer = targets.target(known)
    assert (FINE, said) == (answer.said, answer.text)


def lacks(environment: str, *names: str) -> str:
    """The fix that names each setting."""
    kinds = {"SSH_HOST_KEYS": "variable"}
    return " ".join(
        f"`gh {kinds.get(name, 'secret')} set {name} --env {environment} --repo {REPOSITORY}`" for name in names
    )


@pytest.mark.parametrize(
    ("known", "needed", "fix"),
    [
        (told("cluster", [], ["KUBE_CONFIG"]), True, lacks("staging", "KUBE_CONFIG")),
        (told("cluster", ["KUBE_CONFIG"], ["SSH_KEY"]), False, lacks("production-deploy", "KUBE_CONFIG")),
        (told("ssh://me@host", [], ["SSH_KEY"], BOTH), True, lacks("staging", "SSH_KEY")),
        (told("ssh://me@host", ["SSH_KEY"], ["SSH_KEY"], BOTH[1:]), True, lacks("staging", "SSH_HOST_KEYS")),
        (
            told("ssh://me@host", ["KUBE_CONFIG"], ["SSH_KEY"], BOTH[1:]),
            True,
            lacks("staging", "SSH_KEY", "SSH_HOST_KEYS"),
        ),
    ],
)
def test_what_lacks_is_named_with_the_command(known, needed, fix) -> None:
    """Staging stops the pipeline; production is asked for later."""
    answer = targets.target(known)
    assert (MISSING, needed, fix) == (answer.said, answer.needed, answer.fix)


def test_what_the_repository_has_serves_where_a_job_sees_it() -> None:
    """Variables everywhere; a secret in production's workflow, which stands alone, and not in staging's."""
    known = {
        "variables": listed("variables", DEPLOY_TARGET="ssh://me@host", SSH_HOST_KEYS="host ssh-ed25519 A"),
        "secrets": listed("secrets", "SSH_KEY"),
        "staging_variables": NOT_FOUND, "staging_secrets": NOT_FOUND,
        "production-deploy_variables": NOT_FOUND, "production-deploy_secrets": NOT_FOUND,
    }  # fmt: skip
    assert targets.target(facts(**known)).fix == lacks("staging", "SSH_KEY")
    assert targets.target(facts(**known | {"staging_secrets": listed("secrets", "SSH_KEY")})).said == FINE


def test_an_environment_that_nobody_made_has_nothing() -> None:
    """Its 404 is an answer."""
    known = facts(
        variables=listed("variables", DEPLOY_TARGET="cluster"), staging_secrets=NOT_FOUND,
        **{"production-deploy_secrets": NOT_FOUND},
    )  # fmt: skip
    assert targets.target(known).text.startswith("staging has no KUBE_CONFIG, production-deploy has no KUBE_CONFIG")


def logged(repository=(), staging=(), production=(), target="cluster"):
    """Facts of a repository with a target, and who has which variable."""
    more = {"DEPLOY_TARGET": target} if target else {}
    environments = {"staging_variables": staging, "production-deploy_variables": production}
    given = {name: listed("variables", *names) for name, names in environments.items()}
    return facts(variables=listed("variables", *repository, **more), **given)


LOG = ["PREDICTION_LOG"]


@pytest.mark.parametrize(
    ("known", "said", "needed"),
    [
        (logged(), "PREDICTION_LOG is not set", False),
        (logged(LOG, LOG), "and the image has what ships them", False),
        (logged(target=""), "PREDICTION_LOG is not set", False),
        (logged(staging=LOG, target=""), "PREDICTION_LOG is not set", False),
        (logged(staging=LOG), "is set for staging alone: no service starts", True),
        (logged(production=LOG), "is set for production-deploy alone", False),
        (logged(staging=LOG, production=LOG), "is set for staging and production-deploy alone", True),
    ],
)
def test_a_log_of_predictions_needs_an_image_that_ships_it(known, said, needed) -> None:
    """The image is built once, in jobs that see the repository's variables alone."""
    answer = targets.predictions(known)
    assert said in answer.text
    assert ("alone" in said, needed) == (answer.said == MISSING, answer.needed)
    assert (f"`gh variable set PREDICTION_LOG --repo {REPOSITORY}`" in answer.fix) == ("alone" in said)


@pytest.mark.parametrize("target", ["kubernetes", "host", "ssh://", "-oProxyCommand=x"])
def test_a_target_that_is_none_stops_the_chain_and_is_not_shown(target) -> None:
    """It may be a secret that somebody put in the wrong place."""
    answer = targets.target(told(target))
    assert (MISSING, True, False) == (answer.said, answer.needed, f" {target}" in answer.text)


def test_what_may_not_be_seen_is_no_fault() -> None:
    """A job's token sees no settings."""
    with pytest.raises(Hidden):
        targets.target(facts(variables=[403, {"message": "Resource not accessible by integration"}]))
    with pytest.raises(Hidden):
        targets.target(facts(variables=listed("variables", DEPLOY_TARGET="cluster"), staging_secrets=[403, {}]))


@pytest.mark.parametrize("named", [True, False])
def test_environments_are_asked_about_where_a_target_is_named(named) -> None:
    """Nobody else pays for four requests more."""
    replies = recorded("well-set-up")
    replies[f"{TOP}/environments/staging/secrets"] = listed("secrets", "KUBE_CONFIG")
    if named:
        replies[f"{TOP}/actions/variables"] = listed("variables", DEPLOY_TARGET="cluster")
    with serving(FakeForge(replies=replies)) as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_API_URL", fake.url)
        found = ask(Forge(REPOSITORY, "a-token"), HERE)
    assert named == ("staging secrets" in found)
    if named:
        assert (200, 404) == (found["staging secrets"].status, found["production-deploy secrets"].status)


def test_more_settings_than_are_shown_are_not_called_missing() -> None:
    """The one that is asked for may be among the others."""
    known = told("ssh://me@host", ["SSH_KEY"], ["SSH_KEY"], BOTH)
    page = [200, {"total_count": 31, "variables": [{"name": f"V{number}"} for number in range(30)]}]
    for name in ("staging variables", "production-deploy variables"):
        more = dataclasses.replace(known, replies=known.replies | {name: Reply(*page)})
        with pytest.raises(Hidden) as hidden:
            targets.target(more)
        assert "there are more variables than the platform shows" == hidden.value.answer.text
