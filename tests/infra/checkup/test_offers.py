"""What the plan offers, and settings that are there by half: both sides, by what the platform documents.

The shapes: https://docs.github.com/en/rest/packages/packages, https://docs.github.com/en/rest/actions/variables,
https://docs.github.com/en/rest/actions/secrets and https://docs.github.com/en/rest/actions/oidc.
"""

from dataclasses import replace

import pytest

from infra.checkup import offers
from infra.checkup.answer import FINE, MISSING, UNSEEN
from infra.checkup.facts import Hidden
from tests.infra.examined import HERE, INTEGRATION, NOT_FOUND, facts

JOB = replace(HERE, job=True)


def package(repository: str | None) -> list:
    return [200, {"name": "name", "visibility": "public", "repository": repository and {"full_name": repository}}]


@pytest.mark.parametrize("reply", [package("owner/name"), package("Owner/Name"), NOT_FOUND])
def test_a_package_of_ours_or_none_takes_the_push(reply) -> None:
    """The first push makes one."""
    assert FINE == offers.package(facts(package=reply)).said


@pytest.mark.parametrize("linked", [None, "owner/other"])
def test_a_package_of_others_denies_the_push(linked) -> None:
    """The way to its settings is the fix; the platform has no command for it."""
    answer = offers.package(facts(package=package(linked)))
    assert (MISSING, True) == (answer.said, answer.needed)
    assert "https://github.com/users/owner/packages/container/name/settings" in answer.fix
    assert "role Write" in answer.fix


def test_a_package_of_an_organization_has_its_settings_there() -> None:
    """Another address."""
    answer = offers.package(facts("restricted-organization"))
    assert "https://github.com/orgs/owner/packages/container/name/settings" in answer.fix


@pytest.mark.parametrize(("here", "reply"), [(JOB, NOT_FOUND), (JOB, INTEGRATION), (HERE, [403, {"message": "scope"}])])
def test_a_package_that_this_token_may_not_see(here, reply) -> None:
    """A job cannot tell none from one that is not its own; a login lacks a scope."""
    answer = offers.package(facts(here=here, package=reply))
    assert (UNSEEN, True) == (answer.said, "gh auth refresh --scopes read:packages" in answer.fix)


@pytest.mark.parametrize(
    ("repository", "said"), [("well-set-up", FINE), ("restricted-organization", FINE), ("private-free", MISSING)]
)
def test_attestations_go_by_visibility(repository, said) -> None:
    """Public has them, internal is Enterprise's, private mostly has none; never needed."""
    answer = offers.attestations(facts(repository))
    assert (said, False) == (answer.said, answer.needed)


@pytest.mark.parametrize(
    ("there", "said", "needed"),
    [
        ((False, False, False), FINE, False),
        ((True, True, True), FINE, False),
        ((True, False, False), MISSING, False),
        ((True, True, False), MISSING, True),
        ((True, False, True), MISSING, True),
        ((False, True, False), MISSING, True),
        ((False, True, True), MISSING, False),
    ],
)
def test_a_server_is_set_whole_or_not_at_all(there, said, needed) -> None:
    """Half a login stops the chain; a server without one, or one without a server, is only told."""
    answer = offers.server(facts(here=replace(JOB, server=there)))
    assert (said, needed) == (answer.said, answer.needed)
    if said == MISSING:
        assert f"{'gh variable set' if not there[0] and there[1:] == (True, True) else 'gh secret set'}" in answer.fix


def test_on_a_laptop_the_settings_are_looked_up() -> None:
    """Names alone: the platform shows no secret."""
    assert "address and login are set" == offers.server(facts()).text


def test_an_organization_shares_its_settings() -> None:
    """Address from there, half a login from here."""
    answer = offers.server(facts("restricted-organization"))
    assert (MISSING, True, "`gh secret set MLFLOW_TRACKING_USERNAME --repo owner/name`") == (
        answer.said, answer.needed, answer.fix,
    )  # fmt: skip


def test_in_the_environment_the_fix_is_an_export() -> None:
    """No value is ever shown."""
    assert "`export MLFLOW_TRACKING_PASSWORD=…`" == offers.whole(True, True, False).fix


def test_more_settings_than_are_shown_are_not_guessed_at() -> None:
    """What is not seen may be there."""
    with pytest.raises(Hidden) as hidden:
        offers.server(facts(variables=[200, {"total_count": 31, "variables": [{"name": "A"}]}]))
    assert "more variables" in hidden.value.answer.text


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ({"use_default": True}, "begins with repo:owner/name,"),
        ({"use_default": True, "sub_claim_prefix": "repo:owner@1/name@2"}, "begins with repo:owner@1/name@2,"),
        ({"use_default": False, "include_claim_keys": ["repo", "context"]}, "made of repo, context;"),
    ],
)
def test_the_subject_of_a_job_is_told(reply, told) -> None:
    """What a cloud's trust has to name."""
    answer = offers.oidc(facts(oidc=[200, reply]))
    assert (FINE, True) == (answer.said, told in answer.text)
