"""Last of stage 5: make a version the champion, the one that is in service and that the next is compared with.

Reads   build/verdicts/*.json, build/report/, the registry.
Prints  who promoted what, when, in place of which version.
Writes  the alias `champion` and the verdicts as tags of the version, in the registry; where the version could be
        compared with no anchor, a line of models begins: the alias `anchor` as well. A report on this very version
        is stored beside its model, the model card with it.
Exits   0 it is the champion, 1 a verdict is red, missing, about something else, or the champion has changed meanwhile,
        2 used or set up wrongly, 3 the outside failed.
"""

import getpass
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from train import registry
from train.view import Version
from validation import contract
from validation.pages.summary import REPORT, read_summary
from validation.script import NO, YES, Refusal, door, log, parser, result, version_number
from validation.verdicts import collect

KEPT = {"report.html": "index.html", "report.md": "report.md", "card.md": "card.md"}  # by their names in the registry


def actor() -> str:
    """Name who acts: the platform's actor, or the user of this machine."""
    try:
        return os.environ.get("GITHUB_ACTOR") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return "unknown"


def report_of(version: Version) -> dict[str, Path]:
    """Name the files of the report on a version; none, and a sentence in the log, when there is no such report."""
    try:
        summary = read_summary(REPORT)
    except Refusal as refusal:
        log(f"no report is kept with version {version.number}: {refusal}")
        return {}
    if (summary.version, summary.model_digest) != (version.number, version.digest):
        log(f"no report is kept with version {version.number}: build/report is about version {summary.version}")
        return {}
    return {kept: REPORT.parent / name for kept, name in KEPT.items() if (REPORT.parent / name).is_file()}


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
        if report := report_of(version):
            registry.keep_report(version, report)
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
