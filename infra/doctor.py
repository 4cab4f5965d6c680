"""Tell what this repository, its plan and this machine lack, each with the exact fix.

Three answers: `fine`; `missing`, with the fix, in bold where the chain stops without it; `cannot see`, where this token
may not look. A job's token sees less than an administrator's, so run it on a laptop too.

The chain needs: a repository that takes pushes, its default branch main; Actions on, those used here allowed, the two
workflows on that it begins with; a push to the registry's branch and to the image's package; a tracking server's login
whole or not at all; what leads to staging, where DEPLOY_TARGET says that it is somewhere, and an image that can ship
what it logs there; and here the Python and the libraries of the lock, git, make, a config.py that can be read, the
service's port, room on the disk, and the engine that ENGINE demands. All else is good to have, and never red:
protection by All green, code owners, a registry's branch that cannot be forced back, schedules, a default token that
may little, attestations, an environment production that asks somebody, what leads to production, a remote, an engine, a
cluster, its pull secret.

Reads   the platform's API: in a job by GITHUB_TOKEN, on a laptop by the token that `gh` is logged in with, for the
        repository of the remote origin (GITHUB_REPOSITORY, GITHUB_API_URL: another); without network or token the
        machine alone; config.py, .github/, requirements.txt, infra/overlays/; ENGINE, DOCKER_HOST, GATEHOUSE_PORT,
        KUBECONFIG, and whether the three settings of a tracking server (MLFLOW_TRACKING_…) are set
Prints  a table: check, answer, fix
Exits   0 nothing is missing that the chain needs; 1 something is; 2 used wrongly; 3 the platform answered by a failure
"""

from collections.abc import Callable, Sequence

from infra.checkup import guards, here, machine, offers, switches, targets
from infra.checkup.answer import FINE, MISSING, UNSEEN, Answer, order, table
from infra.checkup.facts import OFFLINE, Facts, Hidden, Reply, peek
from validation import script
from validation.script import NO, OUTSIDE, YES, log, result

PLATFORM: tuple[Callable[[Facts], Answer], ...] = (
    switches.repository, switches.actions, switches.allowed, switches.token, switches.workflows, switches.schedules,
    guards.protection, guards.owners, guards.registry, guards.production,
    offers.package, offers.attestations, offers.server, targets.target, targets.predictions, offers.oidc,
)  # fmt: skip


def of_platform(facts: Facts) -> dict[str, Answer]:
    """Answer each check of repository and plan."""
    answers = {}
    for check in PLATFORM:
        try:
            answers[check.__name__] = check(facts)
        except Hidden as hidden:
            answers[check.__name__] = hidden.answer
    return answers


def of_machine(found: machine.Machine, facts: Facts) -> dict[str, Answer]:
    """Answer each check of this machine."""
    answers = {
        check.__name__: check(found) for check in machine.CHECKS if not (facts.here.job and check is machine.tracking)
    }
    return answers | {"pull secret": machine.pull_secret(found, _private(facts))}


def verdict(answers: Sequence[Answer]) -> int:
    """Return 1 when something needed is missing, else 3 when the platform failed, else 0."""
    if any(one.said == MISSING and one.needed for one in answers):
        return NO
    return OUTSIDE if any(one.failed for one in answers) else YES


def _private(facts: Facts) -> bool | None:
    seen = (peek(facts.replies.get(name, Reply(OFFLINE)).content, "visibility") for name in ("package", "repository"))
    known = [one for one in seen if one]
    return known[0] != "public" if known else None


@script.door
def main(argv: Sequence[str] | None = None) -> int:
    """Ask, look, and tell."""
    from infra.checkup.looking import look

    script.parser(__doc__).parse_args(argv)
    facts = here.gather()
    answers = of_platform(facts) | of_machine(look(), facts)
    result(table(order(answers)))
    for check, answer in order(answers):
        if answer.needed:
            log(f"infra.doctor: {check}: {answer.text}; {answer.fix}")
    count = {said: sum(one.said == said for one in answers.values()) for said in (FINE, MISSING, UNSEEN)}
    log("infra.doctor: " + ", ".join(f"{number} {said}" for said, number in count.items()))
    return verdict(list(answers.values()))


if __name__ == "__main__":
    raise SystemExit(main())
