"""Last of stage 5: make a version the champion, the one that is in service and that the next is compared with.

Reads   build/verdicts/*.json, the registry.
Prints  who promoted what, when, in place of which version.
Writes  the alias `champion` and the verdicts as tags of the version, in the registry; where the version could be
        compared with no anchor, a line of models begins: the alias `anchor` as well.
Exits   0 it is the champion, 1 a verdict is red, missing, about something else, or the champion has changed meanwhile,
        2 used or set up wrongly, 3 the outside failed.
"""

import getpass
import os
from collections.abc import Sequence
from datetime import UTC, datetime

from train import registry
from validation import contract
from validation.script import NO, YES, door, log, parser, result, version_number
from validation.verdicts import collect


def actor() -> str:
    """Name who acts: the platform's actor, or the user of this machine."""
    try:
        return os.environ.get("GITHUB_ACTOR") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return "unknown"


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("--model-version", type=version_number, required=True, help="the registered version")
    number = options.parse_args(argv).model_version
    config = contract.load()
    view = registry.view(config)
    version, champion = view.version(number), view.champion()
    collected = collect(version, config)
    faults = list(collected.faults)
    judged_against = collected.verdicts["performance"].champion_version if "performance" in collected.verdicts else None
    now = champion.number if champion else None
    if not faults and now != number and judged_against != now:
        faults.append(
            f"version {number} was judged against the champion {_name(judged_against)}, and now it is {_name(now)};"
            " judge again: run `make performance`"
        )
    if faults:
        for fault in faults:
            log(f"not promoted: {fault}")
        return NO
    if now == number:
        log(f"version {number} is the champion already")
    else:
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        verdicts = {f"verdict.{gate}": f"pass {verdict.key}" for gate, verdict in collected.verdicts.items()}
        begins = collected.verdicts["performance"].anchor_version is None
        if begins:  # first: a champion without its anchor would be judged as the first of a line again
            registry.set_alias(config, "anchor", number)
        registry.set_alias(config, "champion", number, verdicts | {"promoted-by": actor(), "promoted-at": moment})
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
