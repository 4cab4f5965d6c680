"""What keeps people and accidents away: both sides of each check, by what the platform documents.

The shapes: https://docs.github.com/en/rest/branches/branches#get-a-branch,
https://docs.github.com/en/rest/repos/rules#get-rules-for-a-branch and
https://docs.github.com/en/rest/deployments/environments#list-environments. "Upgrade to GitHub Pro …" with status 403 is
what a plan without a feature says.
"""

import json
from dataclasses import replace

import pytest
import yaml

from infra.checkup import guards
from infra.checkup.answer import FINE, MISSING, UNSEEN
from infra.checkup.facts import Hidden
from tests.github.tree import ROOT
from tests.infra.examined import HERE, INTEGRATION, NOT_FOUND, UPGRADE, facts, reply_of

JOB = replace(HERE, job=True)
KEPT = [200, [{"type": "deletion", "ruleset_id": 1}, {"type": "non_fast_forward", "ruleset_id": 1}]]


def required(*contexts: str) -> list:
    parameters = {"required_status_checks": [{"context": context} for context in contexts]}
    return [200, [{"type": "required_status_checks", "ruleset_id": 1, "parameters": parameters}]]


def classic(name: str, *contexts: str, enabled: bool = True) -> list:
    """A branch under the older kind of protection."""
    checks = {"enforcement_level": "everyone", "contexts": list(contexts), "checks": []}
    return [
        200,
        {"name": name, "protected": enabled, "protection": {"enabled": enabled, "required_status_checks": checks}},
    ]


def blocking(kind: str, ruleset: int = 73, source: str = "Repository") -> list:
    return [200, [{"type": kind, "ruleset_id": ruleset, "ruleset_source_type": source}, *KEPT[1]]]


def command(fix: str) -> dict:
    """The JSON that a fix hands to the platform."""
    return json.loads(fix.partition("<<< '")[2].removesuffix("'`"))


def test_the_check_that_is_asked_for_is_the_pipelines() -> None:
    """Branch protection knows a job by its name."""
    for name in ("pipeline.yml", "pull-request.yml"):
        workflow = yaml.safe_load((ROOT / ".github/workflows" / name).read_text())
        assert guards.CHECK == workflow["jobs"]["all-green"]["name"]


@pytest.mark.parametrize(
    "changed",
    [{}, {"main": classic("main", "All green"), "main_rules": [200, []]}, {"main_rules": required("x", "All green")}],
)
def test_main_is_protected_by_ruleset_or_branch_protection(changed) -> None:
    """Either kind will do."""
    assert FINE == guards.protection(facts(**changed)).said


@pytest.mark.parametrize(
    "changed",
    [
        {"main_rules": [200, []]},
        {"main_rules": required("Tests")},
        {"main": classic("main", "Tests"), "main_rules": [200, []]},
    ],
)
def test_main_without_the_check_gets_a_ruleset_by_a_command(changed) -> None:
    """Not needed by the chain; the command is whole."""
    answer = guards.protection(facts(**changed))
    assert (MISSING, False) == (answer.said, answer.needed)
    body = command(answer.fix)
    assert ["refs/heads/main"] == body["conditions"]["ref_name"]["include"]
    assert [{"context": "All green"}] == body["rules"][-1]["parameters"]["required_status_checks"]


def test_a_plan_without_rules_is_told_what_would_help() -> None:
    """A private repository of a free plan."""
    answer = guards.protection(facts("private-free"))
    assert (MISSING, False, guards.PAY) == (answer.said, answer.needed, answer.fix)


def test_rules_that_may_not_be_seen_are_no_missing_protection() -> None:
    """Unless the older kind is there, which can be seen."""
    with pytest.raises(Hidden):
        guards.protection(facts(main_rules=INTEGRATION))
    assert FINE == guards.protection(facts(main=classic("main", "All green"), main_rules=INTEGRATION)).said


def test_a_repository_without_main_is_told_to_push() -> None:
    """An empty one."""
    answer = guards.protection(facts(main=NOT_FOUND))
    assert (MISSING, True, "`git push origin main`") == (answer.said, answer.needed, answer.fix)


@pytest.mark.parametrize("text", ["/config.py @ann\n# why\n\n/x/ @org/team", "/a ann@example.org # who"])
def test_guarded_paths_have_owners(text) -> None:
    """Comments and empty lines are no paths."""
    assert FINE == guards.owners(facts(here=replace(HERE, owners=text))).said


@pytest.mark.parametrize(
    ("text", "named"), [("/config.py @ann\n/x/", "/x/"), ("# none", "any path"), (None, "any path")]
)
def test_a_path_without_an_owner_is_named(text, named) -> None:
    """The platform asks nobody about it."""
    answer = guards.owners(facts(here=replace(HERE, owners=text)))
    assert (MISSING, False, True) == (answer.said, answer.needed, named in answer.text)


@pytest.mark.parametrize("changed", [{}, {"registry": classic("ml-registry"), "registry_rules": UPGRADE}])
def test_a_branch_that_cannot_be_forced_back_is_fine(changed) -> None:
    """By a ruleset or by the older kind of protection."""
    assert FINE == guards.registry(facts(**changed)).said


def test_a_branch_whose_rules_may_not_be_seen_is_no_answer() -> None:
    """Whether it is there can be seen all the same."""
    with pytest.raises(Hidden):
        guards.registry(facts(registry_rules=INTEGRATION))
    assert MISSING == guards.registry(facts("fresh-fork", registry_rules=INTEGRATION)).said


@pytest.mark.parametrize("rules", [[200, []], [200, KEPT[1][:1]]])
def test_a_branch_that_can_be_forced_back_gets_a_ruleset_by_a_command(rules) -> None:
    """The ruleset refuses deletion and forced pushes, and nothing that the workflow does."""
    answer = guards.registry(facts(registry_rules=rules))
    assert (MISSING, False) == (answer.said, answer.needed)
    assert [{"type": "deletion"}, {"type": "non_fast_forward"}] == command(answer.fix)["rules"]
    assert not {rule["type"] for rule in command(answer.fix)["rules"]} & guards.BLOCKING


def test_a_registry_on_a_plan_without_rules_has_verify() -> None:
    """A rewritten branch is found all the same."""
    answer = guards.registry(facts("private-free"))
    assert (MISSING, False, True) == (answer.said, answer.needed, "train.store verify" in answer.fix)


def test_a_registry_that_is_not_there_yet_is_begun_by_the_pipeline() -> None:
    """A fresh repository is not ill."""
    answer = guards.registry(facts("fresh-fork"))
    assert (MISSING, False) == (answer.said, answer.needed)
    assert "gh workflow run pipeline.yml" in answer.fix


@pytest.mark.parametrize("kind", sorted(guards.BLOCKING - {"creation"}))
def test_a_rule_that_refuses_the_workflows_push_stops_the_chain(kind) -> None:
    """A ruleset for all branches is the usual one."""
    answer = guards.registry(facts(registry_rules=blocking(kind)))
    assert (MISSING, True) == (answer.said, answer.needed)
    assert kind in answer.text
    assert "https://github.com/owner/name/settings/rules" in answer.fix


def test_a_rule_of_the_organization_is_changed_there() -> None:
    """The repository cannot."""
    answer = guards.registry(facts("restricted-organization"))
    assert (MISSING, True) == (answer.said, answer.needed)
    assert "https://github.com/organizations/owner/settings/rules" in answer.fix


def test_a_rule_against_new_branches_matters_while_there_is_none() -> None:
    """Afterwards it refuses nothing."""
    assert FINE == guards.registry(facts(registry_rules=blocking("creation"))).said
    assert guards.registry(facts(registry=NOT_FOUND, registry_rules=blocking("creation"))).needed


def test_checks_of_an_older_protection_refuse_the_push_too() -> None:
    """A plain push has passed none."""
    assert guards.registry(facts(registry=classic("ml-registry", "All green"), registry_rules=[200, []])).needed


@pytest.mark.parametrize(
    ("here", "ruleset", "passes"),
    [
        (JOB, {"current_user_can_bypass": "always"}, True),
        (JOB, {"current_user_can_bypass": "never"}, False),
        (JOB, {"bypass_actors": [{"actor_type": "Integration", "actor_id": 15368}]}, False),
        (HERE, {"bypass_actors": [{"actor_type": "Integration", "actor_id": 15368}]}, True),
        (
            HERE,
            {"bypass_actors": [{"actor_type": "Integration", "actor_id": 1}, {"actor_type": "OrganizationAdmin"}]},
            False,
        ),
        (HERE, {"current_user_can_bypass": "always"}, False),
    ],
)
def test_a_rule_that_the_workflow_bypasses_is_no_hindrance(here, ruleset, passes) -> None:
    """A job is told of itself; an administrator's own bypass says nothing of a job."""
    answer = guards.registry(facts(here=here, registry_rules=blocking("update"), ruleset_73=[200, ruleset]))
    assert (passes, not passes) == (answer.said == FINE, answer.needed)


def environments(**changed: object) -> list:
    status, content = reply_of("environments")
    found, *others = content["environments"]
    return [status, content | {"environments": [found | changed, *others]}]


def rules(**changed: object) -> list:
    reviewers, *others = reply_of("environments")[1]["environments"][0]["protection_rules"]
    return [reviewers | changed, *others]


def test_an_environment_that_asks_somebody_else_is_fine() -> None:
    """Reviewers, not oneself, and not from any branch."""
    assert FINE == guards.production(facts()).said


@pytest.mark.parametrize(
    ("reply", "fix"),
    [
        ([200, {"total_count": 0, "environments": []}], "New environment `production`"),
        (environments(name="prod"), "New environment `production`"),
        (environments(protection_rules=[]), "Required reviewers"),
        (environments(protection_rules=[{"type": "wait_timer", "wait_timer": 30}]), "Required reviewers"),
        (environments(deployment_branch_policy=None), "Deployment branches"),
        (environments(protection_rules=rules(prevent_self_review=False)), "Prevent self-review"),
    ],
)
def test_an_open_environment_is_named_with_the_way_to_its_settings(reply, fix) -> None:
    """One that nobody made is created open by the first deployment."""
    answer = guards.production(facts(environments=reply))
    assert (MISSING, False) == (answer.said, answer.needed)
    assert answer.fix.startswith("https://github.com/owner/name/settings/environments")
    assert fix in answer.fix


@pytest.mark.parametrize(("policy", "said"), [(None, MISSING), ({"protected_branches": True}, FINE)])
def test_what_leads_to_production_is_for_one_branch(policy, said) -> None:
    """Reviewers are asked by another environment: any branch could go past them."""
    status, content = environments()
    content["environments"].append({"name": "production-deploy", "deployment_branch_policy": policy})
    answer = guards.production(facts(environments=[status, content]))
    assert said == answer.said
    assert ("production-deploy, Deployment branches" in answer.fix) == (said == MISSING)


@pytest.mark.parametrize("reply", [[200, {"total_count": 0, "environments": []}], NOT_FOUND])
def test_a_private_repository_hears_what_reviewers_cost(reply) -> None:
    """Their plan may not have environments at all."""
    answer = guards.production(facts("private-free", environments=reply))
    assert (MISSING, True) == (answer.said, "GitHub Enterprise" in answer.fix)


def test_environments_that_may_not_be_seen_are_not_missing() -> None:
    """Of a public repository everybody may see them, so a 404 is no answer."""
    for reply in (INTEGRATION, NOT_FOUND):
        with pytest.raises(Hidden) as hidden:
            guards.production(facts(environments=reply))
        assert UNSEEN == hidden.value.answer.said
