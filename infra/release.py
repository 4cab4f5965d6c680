"""Say how what staging has live comes to production; write the release that a promotion pull request proposes.

Reads   the ledger of the registry, infra/overlays/production/release.json, DEPLOY of config.py; in a job GITHUB_TOKEN
Prints  way=, by whom it is approved: `merged`, the release names it; `reviewers`, the platform asks them; `request`, a
        pull request with the release is wanted; `nobody`, config.py does without. Or why nobody is asked: `held`, a
        rollback left it; `promote`, production has a version that is not the champion yet, and only that is wanted;
        `nothing`, production has it. Then, of the unit, model-version= and image=. With --show, sentences in Markdown
Writes  infra/overlays/production/release.json, with --write
Exits   0 printed; 1 its verdicts are red, missing, or about another champion than that of now, or a merged release
        deploys nothing; 2 nothing is live in staging, set up wrongly; 3 the outside failed
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from infra import approved
from infra.held import HeldError, must_be_free
from infra.target import PRODUCTION, STAGING
from train import following, promote
from train.travel import book, history
from train.travel.effects import CHAMPION, effects_of
from train.travel.history import Unit
from train.travel.ledger import Line
from train.view import View
from validation import contract, script
from validation.contract import Config
from validation.script import NO, YES, Refusal, log, parser, result, to_json, writing

MERGED, REVIEWERS, REQUEST, NOBODY = "merged", "reviewers", "request", "nobody"  # by whom it is approved
HELD, PROMOTE, NOTHING = "held", "promote", "nothing"  # why nobody is asked


@dataclass(frozen=True)
class Next:
    """What comes next to production: the way, the unit, sentences that say why, and whether that is no good end."""

    way: str
    unit: Unit
    said: tuple[str, ...]
    red: bool = False


def next_of(view: View, config: Config) -> Next:
    """Tell what comes next to production. Raises Refusal when nothing is live in staging."""
    lines = book.lines()
    staging, there = (history.live(lines, environment) for environment in (STAGING, PRODUCTION))
    champion = view.champion()
    lost = there is not None and not _moved_since(lines, there)
    if there is not None and lost and (champion is None or champion.digest != there.facts["unit"]["model"]):
        unit, now = history.unit_of(there.facts), f"version {champion.number}" if champion else "none"
        faults = promote.against_record(view.version(unit.version), view, lines)
        why = f"production has version {unit.version}, and the champion is {now}: it is promoted, and nothing deployed"
        return Next(PROMOTE, unit, (why, *faults), bool(faults))
    if staging is None:
        raise Refusal("nothing is live in staging yet; a push to main brings it there once DEPLOY_TARGET is set")
    unit = history.unit_of(staging.facts)
    if there is not None and history.unit_of(there.facts).identity == unit.identity:
        return Next(NOTHING, unit, ("production has what staging has; there is nothing to release",))
    named = approved.released()
    stale = bool(named) and named != approved.facts(unit)
    merged_now = bool(named) and os.environ.get("GITHUB_EVENT_NAME") == "push"  # then it is to be deployed
    said = (f"the release names version {named['version']}, and staging has {unit.version} by now",) if stale else ()
    try:
        must_be_free(PRODUCTION, unit)
    except HeldError as held:
        return Next(HELD, unit, (*said, str(held)), merged_now)
    if faults := promote.against_record(view.version(unit.version), view, lines):
        return Next(REQUEST, unit, (*said, *faults), red=True)
    way, why = _way_of(unit, named, config)
    return Next(way, unit, (*said, why), merged_now and way != MERGED)


def _moved_since(lines: Sequence[Line], there: Line) -> bool:
    """Tell whether the champion was moved after a line: then somebody has said what it is to be."""
    return any(CHAMPION in effects_of(line).aliases for line in lines[lines.index(there) + 1 :])


def _way_of(unit: Unit, named: dict[str, object], config: Config) -> tuple[str, str]:
    """Say by whom a unit is approved for production, and in a sentence what that means."""
    if named == approved.facts(unit):
        return MERGED, f"the release names version {unit.version}: who merged it approved"
    if not config.deploy.production_asks:
        return NOBODY, f"version {unit.version} is deployed unasked, as DEPLOY in config.py says"
    if os.environ.get("GITHUB_ACTIONS") and approved.asks_reviewers():
        return REVIEWERS, f"version {unit.version} waits for the reviewers of the environment {PRODUCTION}"
    return REQUEST, f"version {unit.version} waits for a pull request: `python -m infra.release --write` there"


@script.door
def main(argv: Sequence[str] | None = None) -> int:
    """Say how what staging has live comes to production, and write the release that asks for it."""
    arguments = parser(__doc__)
    arguments.add_argument("--write", action="store_true", help="write the release that a pull request proposes")
    arguments.add_argument("--show", action="store_true", help="print what comes next as sentences, for a summary")
    given = arguments.parse_args(argv)
    config = contract.load()
    found = next_of(following.follow(config), config)
    for sentence in found.said:
        log(f"infra.release: {sentence}")
    if given.show:
        result("\n".join(f"- {' '.join(sentence.split())}" for sentence in found.said))  # a reason may have lines
    if found.red:
        return NO
    if given.write and found.way not in (HELD, PROMOTE, NOTHING):
        with writing(approved.RELEASE) as file:
            file.write(to_json(approved.facts(found.unit)))
        log(f"infra.release: {approved.RELEASE} names version {found.unit.version}; commit it, and open a pull request")
    if not given.show:
        identities = f"\nmodel-version={found.unit.version}\nimage={found.unit.image}"
        result(f"way={found.way}" + (identities if found.way not in (HELD, NOTHING) else ""))
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
