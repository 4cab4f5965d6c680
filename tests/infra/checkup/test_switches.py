"""What has to be switched on: both sides of each check, by what the platform documents.

The shapes: https://docs.github.com/en/rest/repos/repos#get-a-repository,
https://docs.github.com/en/rest/actions/permissions and https://docs.github.com/en/rest/actions/workflows.
"""

from dataclasses import replace

import pytest

from infra.checkup import switches
from infra.checkup.answer import FINE, MISSING, UNSEEN
from infra.checkup.facts import Hidden
from infra.checkup.here import here
from tests.infra.examined import HERE, INTEGRATION, facts, reply_of

JOB = replace(HERE, job=True)


def permissions(policy: str) -> list:
    return [200, {"enabled": True, "allowed_actions": policy}]


def selected(*patterns: str, github: bool = True, verified: bool = False) -> list:
    return [
        200, {"github_owned_allowed": github, "verified_allowed": verified, "patterns_allowed": list(patterns)}
    ]  # fmt: skip


def states(**changed: str) -> list:
    """The workflows, in other states; `None` takes one away."""
    status, content = reply_of("workflows")
    flows = []
    for flow in content["workflows"]:
        name = flow["path"].rpartition("/")[2].removesuffix(".yml").replace("-", "_")
        if changed.get(name, "") is not None:
            flows.append(flow | {"state": changed.get(name, flow["state"])})
    return [status, content | {"workflows": flows}]


def test_a_repository_that_takes_pushes_is_fine() -> None:
    """Its visibility is told."""
    assert (FINE, "public, default branch main") == told(switches.repository(facts()))


def told(answer):
    return answer.said, answer.text


def test_an_archived_repository_is_named_with_its_fix() -> None:
    """Nothing runs in it."""
    _, content = reply_of("repository")
    answer = switches.repository(facts(repository=[200, content | {"archived": True}]))
    assert (MISSING, True, "`gh repo unarchive owner/name`") == (answer.said, answer.needed, answer.fix)


@pytest.mark.parametrize(
    ("branch", "shown"), [("master", "branches/master/rename"), ("a`b|c", "branches/'a?b?c'/rename")]
)
def test_another_default_branch_starts_nothing(branch, shown) -> None:
    """The fix renames it; a name cannot break out of the command or the table."""
    _, content = reply_of("repository")
    answer = switches.repository(facts(repository=[200, content | {"default_branch": branch}]))
    assert (MISSING, True) == (answer.said, answer.needed)
    assert shown in answer.fix


def test_actions_that_are_off_are_switched_on_by_a_command() -> None:
    """The whole command is the fix."""
    answer = switches.actions(facts(actions=[200, {"enabled": False}]))
    assert (MISSING, True) == (answer.said, answer.needed)
    assert "gh api --method PUT repos/owner/name/actions/permissions -F enabled=true" in answer.fix
    assert FINE == switches.actions(facts()).said


def test_a_job_is_the_proof_that_actions_are_on() -> None:
    """Its token may not see the setting, and need not."""
    assert FINE == switches.actions(facts(here=JOB, actions=INTEGRATION)).said


def test_a_policy_that_allows_everything_is_fine() -> None:
    """All actions here are pinned by commit."""
    assert FINE == switches.allowed(facts()).said


def test_a_policy_for_own_actions_alone_stops_the_chain() -> None:
    """The checkout itself is another's."""
    answer = switches.allowed(facts(actions=permissions("local_only")))
    assert (MISSING, True) == (answer.said, answer.needed)
    assert "allowed_actions=selected" in answer.fix


@pytest.mark.parametrize(
    "policy",
    [
        selected("docker/*"),
        selected("docker/build-push-action@*"),
        selected("Docker/Build-Push-Action@beef"),
        selected(verified=True),
        selected("docker/*", "actions/checkout@*", github=False),
    ],
)
def test_a_selection_that_holds_what_is_used_is_fine(policy) -> None:
    """By maker, by verified maker, by pattern; the case of letters does not matter."""
    assert FINE == switches.allowed(facts(actions=permissions("selected"), selected=policy)).said


@pytest.mark.parametrize(
    ("policy", "refused"),
    [
        (selected(), "docker/build-push-action"),
        (selected("docker/build-push-action@v5"), "docker/build-push-action"),
        (selected("docker/*", "!docker/build-push-action@*"), "docker/build-push-action"),
        (selected("docker/*", github=False), "actions/checkout"),
    ],
)
def test_a_selection_that_lacks_an_action_names_it(policy, refused) -> None:
    """The fix keeps what is allowed already and adds what is missing."""
    answer = switches.allowed(facts(actions=permissions("selected"), selected=policy))
    assert (MISSING, f"not allowed: {refused}", True) == (answer.said, answer.text, answer.needed)
    for pattern in [*policy[1]["patterns_allowed"], f"{refused}@*"]:
        assert f"patterns_allowed[]={pattern}'" in answer.fix
    assert f"github_owned_allowed={str(policy[1]['github_owned_allowed']).lower()}" in answer.fix


def test_where_actions_are_off_no_policy_can_be_seen() -> None:
    """One thing after the other."""
    assert UNSEEN == switches.allowed(facts(actions=[200, {"enabled": False}])).said


def test_makers_of_actions_used_here_are_known() -> None:
    """GitHub's and verified ones two boxes let in; others have to be named by pattern, so a new one is thought of."""
    makers = (*switches.GITHUBS, *switches.VERIFIED)
    others = {one.partition("/")[0] for one in here("ml-registry").actions if not one.startswith(makers)}
    assert others == {"anchore", "aquasecurity", "helm"}


def test_a_default_token_that_may_write_is_made_small() -> None:
    """Ours ask for what they need, so it is not needed."""
    write = [200, {"default_workflow_permissions": "write", "can_approve_pull_request_reviews": True}]
    answer = switches.token(facts(token=write))
    assert (MISSING, False) == (answer.said, answer.needed)
    assert "default_workflow_permissions=read" in answer.fix
    assert FINE == switches.token(facts()).said


def test_known_workflows_are_fine() -> None:
    """A schedule that is off is another check's."""
    assert FINE == switches.workflows(facts(workflows=states(monitor="disabled_inactivity"))).said


def test_a_fork_whose_workflows_nobody_wanted_is_told_where() -> None:
    """The platform lists none until somebody clicks."""
    answer = switches.workflows(facts("fresh-fork"))
    assert (MISSING, True) == (answer.said, answer.needed)
    assert "https://github.com/owner/name/actions" in answer.fix


def test_a_repository_without_them_is_told_to_push() -> None:
    """It is no fork."""
    answer = switches.workflows(facts(workflows=states(pipeline=None)))
    assert (MISSING, True, "`git push origin main`") == (answer.said, answer.needed, answer.fix)
    assert "pipeline.yml" in answer.text


@pytest.mark.parametrize(("name", "needed"), [("pipeline", True), ("pull_request", True), ("claim", False)])
def test_a_workflow_that_is_switched_off_is_enabled_by_a_command(name, needed) -> None:
    """The chain begins with two of them."""
    answer = switches.workflows(facts(workflows=states(**{name: "disabled_manually"})))
    file = f"{name.replace('_', '-')}.yml"
    assert (MISSING, needed, f"`gh workflow enable {file} --repo owner/name`") == (
        answer.said,
        answer.needed,
        answer.fix,
    )


@pytest.mark.parametrize("state", ["disabled_fork", "disabled_inactivity", "disabled_manually"])
def test_a_schedule_that_does_not_run_is_told(state) -> None:
    """In forks, after 60 quiet days, by hand."""
    answer = switches.schedules(facts(workflows=states(monitor=state)))
    assert (MISSING, False, "`gh workflow enable monitor.yml --repo owner/name`") == (
        answer.said, answer.needed, answer.fix,
    )  # fmt: skip
    assert state.replace("_", " ") in answer.text


def test_a_schedule_that_nobody_knows_yet_is_told() -> None:
    """First the workflows, then the schedule."""
    answer = switches.schedules(facts("fresh-fork"))
    assert (MISSING, True) == (answer.said, answer.fix.startswith("as for workflows"))


def test_a_public_repository_hears_of_the_60_days() -> None:
    """A private one has no such limit."""
    assert "60 days" in switches.schedules(facts()).text
    assert "on" == switches.schedules(facts("private-free")).text


def test_what_may_not_be_seen_is_no_answer() -> None:
    """A job is sent to a laptop, a laptop to an administrator."""
    for told_by, where in ((JOB, "on a laptop"), (HERE, "administrator of the repository")):
        with pytest.raises(Hidden) as hidden:
            switches.token(facts(here=told_by, token=INTEGRATION))
        assert (UNSEEN, True) == (hidden.value.answer.said, where in hidden.value.answer.fix)
