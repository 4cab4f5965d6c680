"""Say how what staging has live comes to production; write the release that a promotion pull request proposes.

Reads   the ledger of the registry, infra/overlays/production/release.json, DEPLOY of config.py; in a job GITHUB_TOKEN
Prints  way=, by whom it is approved: `merged`, the release names it; `reviewers`, the platform asks them; `request`, a
        pull request with the release is wanted; `nobody`, config.py does without; `nothing`, production has it. Then,
        of the unit, model-version= and image=
Writes  infra/overlays/production/release.json, with --write
Exits   0 printed; 1 its verdicts are red, missing, or about another champion than that of now; 2 nothing is live in
        staging, set up wrongly; 3 the outside failed
"""

import os
from collections.abc import Sequence

from infra import approved
from infra.target import PRODUCTION, STAGING
from train import following, promote
from train.travel import book, history
from validation import contract, script
from validation.contract import Config
from validation.script import NO, YES, Refusal, log, parser, result, to_json, writing

MERGED, REVIEWERS, REQUEST, NOBODY, NOTHING = "merged", "reviewers", "request", "nobody", "nothing"


def unit_of_staging() -> history.Unit | None:
    """Return what staging has live, None where it is what production has too. Raises Refusal when nothing is."""
    lines = book.lines()
    live = history.live(lines, STAGING)
    if live is None:
        raise Refusal("nothing is live in staging yet; a push to main brings it there once DEPLOY_TARGET is set")
    unit, there = history.unit_of(live.facts), history.live(lines, PRODUCTION)
    return None if there and history.unit_of(there.facts).identity == unit.identity else unit


def way_of(unit: history.Unit, config: Config) -> str:
    """Say by whom a unit is approved for production."""
    named = approved.released()
    if named == approved.facts(unit):
        return MERGED
    if named:
        log(f"infra.release: the release names version {named['version']}, and staging has {unit.version} by now")
    if not config.deploy.production_asks:
        return NOBODY
    return REVIEWERS if os.environ.get("GITHUB_ACTIONS") and approved.asks_reviewers() else REQUEST


@script.door
def main(argv: Sequence[str] | None = None) -> int:
    """Say how what staging has live comes to production, and write the release that asks for it."""
    arguments = parser(__doc__)
    arguments.add_argument("--write", action="store_true", help="write the release that a pull request proposes")
    given = arguments.parse_args(argv)
    config = contract.load()
    view = following.follow(config)
    unit = unit_of_staging()
    if unit is None:
        log("infra.release: production has what staging has; there is nothing to release")
        result(f"way={NOTHING}")
        return YES
    faults = promote.against_record(view.version(unit.version), view, book.lines())
    if faults:
        for fault in faults:
            log(f"infra.release: {fault}")
        return NO
    if given.write:
        with writing(approved.RELEASE) as file:
            file.write(to_json(approved.facts(unit)))
        log(f"infra.release: {approved.RELEASE} names version {unit.version}; commit it, and open a pull request")
    way = way_of(unit, config)
    if way == REQUEST:
        log(f"infra.release: version {unit.version} waits for a pull request: `python -m infra.release --write` there")
    result(f"way={way}\nmodel-version={unit.version}\nimage={unit.image}")
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
