"""Last of stage 5: make a version the champion, the one that is in service and that the next is compared with.

Reads   build/verdicts/*.json, build/report/, the registry; with --recorded the ledger in the place of the first two; in
        the platform's job GITHUB_TOKEN and GITHUB_RUN_ID, to see who approved (see train.approval).
Prints  who promoted what, when, in place of which version.
Writes  the verdicts, if nobody has yet (see train.record), and a line `promotion` in the ledger; through it the alias
        `champion`. Where the version could be compared with no anchor, a line of models begins: the alias `anchor` too.
Exits   0 it is the champion, 1 a verdict is red, missing, about something else, the champion has changed meanwhile, or
        nobody but its authors approved; 2 used or set up wrongly, 3 the outside failed.
"""

from collections.abc import Sequence

from train import following, registry
from train.approval import unapproved
from train.record import record
from train.travel import book
from train.travel.effects import ANCHOR
from train.travel.ledger import PROMOTION, VERDICTS, Line
from train.view import Version, View
from validation import contract
from validation.contract import Config
from validation.script import NO, YES, door, log, parser, result, version_number
from validation.steps import step
from validation.verdicts import Collected, collect


def standing_against(version: Version, view: View, collected: Collected) -> list[str]:
    """Say in a sentence each what stands against a promotion."""
    champion = view.champion()
    faults = list(collected.faults)
    judged_against = collected.verdicts["performance"].champion_version if "performance" in collected.verdicts else None
    now = champion.number if champion else None
    if not faults and now != version.number and judged_against != now:
        faults.append(
            f"version {version.number} was judged against the champion {_name(judged_against)}, and now it is"
            f" {_name(now)}; judge again: run `make performance`"
        )
    return faults


def against_record(version: Version, view: View, lines: Sequence[Line]) -> list[str]:
    """Say the same by what the ledger has recorded of a version, where the verdicts' files are another run's."""
    recorded = recorded_of(version, lines)
    if recorded is None:
        return [f"the ledger has no verdicts on version {version.number} (`python -m train.record` writes them)"]
    if not recorded.facts["passed"]:
        return [f"the ledger's last verdicts on version {version.number} are red"]
    champion = view.champion()
    now = champion.digest if champion else ""
    if now not in (version.digest, recorded.facts["against"]):
        was = recorded.facts["against"][:12] or "none"
        return [
            f"version {version.number} was judged against the champion {was}, and now it is {now[:12]}; judge again"
        ]
    return []


def recorded_of(version: Version, lines: Sequence[Line]) -> Line | None:
    """Return the line of the last verdicts on a version, if there is one."""
    found = [line for line in lines if line.event == VERDICTS and line.facts["model"] == version.digest]
    return found[-1] if found else None


def promote(config: Config, version: Version, view: View, evidence: Line) -> None:
    """Write the promotion down, by the line of its verdicts, and let the registry follow."""
    champion = view.champion()
    step("recorded")
    facts = {
        "version": version.number,
        "model": version.digest,
        "instead_of": champion.digest if champion else "",
        "champion": champion.number if champion else 0,
        "begins": evidence.facts.get("begins", ANCHOR not in view.aliases),  # lines of before do not say
        "evidence": {"line": evidence.id, "gates": evidence.facts["gates"]},
    }
    book.note(PROMOTION, facts)
    step("promoted")
    following.follow(config)


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("--model-version", type=version_number, required=True, help="the registered version")
    options.add_argument(
        "--recorded", action="store_true", help="judge by the ledger, where the verdicts' files are another run's"
    )
    given = options.parse_args(argv)
    number, config = given.model_version, contract.load()
    view = following.follow(config)
    version, champion = view.version(number), view.champion()
    collected = None if given.recorded else collect(version, config)
    recorded = recorded_of(version, book.lines())
    faults = standing_against(version, view, collected) if collected else against_record(version, view, book.lines())
    now = champion.number if champion else None
    if not faults and now != number and (alone := unapproved(number, book.lines())):
        faults.append(alone)
    if faults:
        for fault in faults:
            log(f"not promoted: {fault}")
        return NO
    if now == number:
        log(f"version {number} is the champion already")
    else:
        evidence = record(config, version, collected) if collected else recorded
        assert evidence is not None  # noqa: S101 -- else it stood against the promotion
        promote(config, version, view, evidence)
    after = registry.view(config)
    facts = after.version(number).tags
    result(
        "| model | version | digest | promoted by | promoted at | in place of | anchor |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        f"| {config.model.name} | {number} | `{version.digest[:12]}` | {facts.get('promoted-by', '')} |"
        f" {facts.get('promoted-at', '')} | {_name(now) if now != number else 'itself'} |"
        f" {_name(after.aliases.get('anchor'))} |\n"
    )
    return YES


def _name(number: int | None) -> str:
    return "none" if number is None else f"version {number}"


if __name__ == "__main__":
    raise SystemExit(main())
