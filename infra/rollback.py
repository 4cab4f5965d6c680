"""Put back the unit that was live before: version, model, settings, contract and image together, proved like any other.

Twice in a row goes two back; it never toggles. What was left is held: `infra.deploy` refuses it until `--release`. A
rollback that was cut short is completed by running it again.

Reads   the ledger and the kept bundles of the registry; what infra.deploy reads
Prints  a table: environment, what is live again, instead of what, by whom, why
Writes  the ledger's lines, build/rollback (the bundle that was put back), the aliases of the environment and, where it
        follows that environment, of the champion
Exits   0 live again, or released; 1 the candidate failed or is held, the old one serves; 2 nothing to go back to, not
        whole any more, used wrongly; 3 the outside failed
"""

import argparse
from collections.abc import Sequence

from infra import again, noted, trial
from infra import place as places
from infra.held import HeldError, must_be_free
from infra.lease import BREAK, Lease, in_turn
from infra.machine import CandidateError
from infra.noted import Order
from infra.target import ENVIRONMENTS, reached
from train.travel import book, history
from train.travel.history import LIVE
from train.travel.ledger import RELEASE, ROLLBACK, Line
from validation import script
from validation.script import BUILD, NO, YES, Refusal, log, result, version_number

PUT_BACK = BUILD / "rollback"


def target(lines: Sequence[Line], environment: str, version: int | None) -> Line:
    """Return the line that made the unit to go back to.

    Raises Refusal when there is none, HeldError when a version was asked for that is held.
    """
    live = history.live(lines, environment)
    if version is None:
        line = history.before(lines, environment)
        if line is None:
            held = sorted({one.facts["left"]["version"] for one in history.held(lines, environment).values()})
            aside = f" that is not held (held: {', '.join(map(str, held))})" if held else ""
            top = history.top(lines, environment)
            were = "nothing is live any more" if top else "nothing was ever live"
            now = f"version {history.unit_of(live.facts).version} is live" if live else were
            raise Refusal(f"{now} in {environment}, and the ledger has no unit below it{aside}: nothing to go back to")
        return line
    line = history.last(lines, environment, version)
    if line is None:
        raise Refusal(f"version {version} was never live in {environment}; `infra.deploy` brings it there")
    if live is not None and history.unit_of(line.facts).identity == history.unit_of(live.facts).identity:
        raise Refusal(f"version {version} is what the ledger has live in {environment}; leave out --version to go back")
    must_be_free(environment, history.unit_of(line.facts))
    return line


def roll_back(environment: str, version: int | None, reason: str, record: bool, broken: bool = False) -> Line:
    """Go back; return the line that says what is live again. Whoever deploys there is waited for, see infra.lease.

    Raises Refusal, HeldError or CandidateError, and then what served serves on.
    """
    home = places.home(environment)
    lease = Lease(environment, home, lambda: noted.save(record))
    with reached(environment), places.alone(home):
        place = places.choose(home, "", environment)

        def gone_back() -> Line:
            lease.wait(broken)
            place.settle()
            if ended := noted.repair(place, environment):
                noted.save(record)
                done = ended[-1]
                same = version in (None, done.facts["unit"]["version"])
                if (done.event, done.facts["phase"], same) == (ROLLBACK, LIVE, True):
                    log("infra.rollback: an earlier rollback is completed, and no further step back is taken")
                    return done
            lines = book.lines()
            back = target(lines, environment, version)
            unit = history.unit_of(back.facts)
            live = history.live(lines, environment)
            left = history.unit_of(live.facts) if live else None
            sealed = again.together(unit, PUT_BACK)
            place.prefer(unit.image)
            order = Order(environment, ROLLBACK, unit, lease, reason, back.id, left, record)
            noted.carry_out(order, place, sealed, home, trial.of_known())
            return next(line for line in reversed(book.lines()) if line.event == ROLLBACK)

        return in_turn(gone_back)


def release(environment: str, version: int, reason: str, record: bool) -> None:
    """Let a version that a rollback left be deployed again. Raises Refusal when it is not held."""
    held = sorted({line.facts["left"]["version"] for line in history.held(book.lines(), environment).values()})
    if version not in held:
        raise Refusal(f"version {version} is not held in {environment} (held: {', '.join(map(str, held)) or 'none'})")
    book.note(RELEASE, {"environment": environment, "version": version}, reason)
    noted.save(record)
    log(f"infra.rollback: version {version} may be deployed to {environment} again")


def table(line: Line) -> str:
    """Show what is live again as Markdown; a reason cannot begin a row or a cell of its own."""

    def named(unit: dict[str, str] | None) -> str:
        return f"{unit['version']} ({unit['bundle'][:12]})" if unit else "none"

    why = " ".join(line.reason.split()).replace("|", "\\|")
    cells = (line.facts["environment"], named(line.facts["unit"]), named(line.facts.get("left")), line.actor, why)
    head = "| environment | live again | instead of | by | why |\n| --- | --- | --- | --- | --- |\n"
    return head + "| " + " | ".join(cells) + " |"


def said(text: str) -> str:
    """Parse a reason. Raises argparse.ArgumentTypeError when it says nothing."""
    if not text.strip():
        raise argparse.ArgumentTypeError("say why, in a sentence that those who read the ledger understand")
    return text.strip()


def optional_version(text: str) -> int | None:
    """Parse a version that a button may leave empty."""
    return version_number(text.strip()) if text.strip() else None


@script.door
def main(argv: Sequence[str] | None = None) -> int:
    """Go back, or release what an earlier rollback holds."""
    arguments = script.parser(__doc__)
    arguments.add_argument("--environment", required=True, choices=ENVIRONMENTS)
    arguments.add_argument("--reason", required=True, type=said, help="why; it stands in the ledger for ever")
    what = arguments.add_mutually_exclusive_group()
    what.add_argument("--version", type=optional_version, help="go back to this version's last good unit")
    what.add_argument("--release", type=version_number, help="let this version be deployed again instead")
    arguments.add_argument("--record", action="store_true", help="save the ledger's lines to the registry's branch")
    arguments.add_argument("--break-lease", action="store_true", help=BREAK)
    given = arguments.parse_args(argv)
    if given.release is not None:
        release(given.environment, given.release, given.reason, given.record)
        return YES
    try:
        line = roll_back(given.environment, given.version, given.reason, given.record, given.break_lease)
    except HeldError as error:
        log(f"infra.rollback: plan: {error}; nothing was touched")
        return NO
    except CandidateError as error:
        log(f"infra.rollback: {error}; what served before serves on")
        return NO
    result(table(line))
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
