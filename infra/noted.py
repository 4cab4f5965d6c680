"""A deployment or rollback as the ledger has it: `intent` before it, `live` or `failed` after it.

A run that dies between the two leaves its intent open. The next one looks at what really serves and ends it. The
registry's aliases follow the line `live`.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import again, machine, process
from infra.bundle import Bundle
from infra.lease import Lease, LostError
from infra.place import Place
from infra.target import PRODUCTION, STAGING
from infra.trial import Trial
from train import following
from train.travel import book, content, history
from train.travel.history import FAILED, INTENT, LIVE, REMOVED, Unit, facts_of
from train.travel.ledger import DEPLOYMENT, Line
from validation import contract
from validation.script import OutsideError, Refusal, log


@dataclass(frozen=True)
class Order:
    """What is to be brought where, and why; a rollback also says which line it goes back to, and what it leaves.

    `record` saves the store to the registry's branch after each line. `lease` holds the environment meanwhile.
    """

    environment: str
    event: str
    unit: Unit
    lease: Lease
    reason: str = ""
    to: str = ""
    left: Unit | None = None
    record: bool = False


def leads(environment: str) -> bool:
    """Whether the champion follows an environment: production once anything was live there, else any but staging."""
    if history.top(book.lines(), PRODUCTION) is not None:
        return environment == PRODUCTION
    return environment != STAGING


def carry_out(order: Order, place: Place, sealed: Bundle, home: Path, trial: Trial) -> dict[str, Any]:
    """Bring a bundle to a place with a line before and a line after; return the record of what is live.

    Raises CandidateError when it was not good enough: the ledger then says `failed`, and what served before serves.
    Raises LostError where another deployment came first.
    """
    facts = facts_of(order.environment, INTENT, order.unit, to=order.to, left=order.left)
    facts |= {"leads": leads(order.environment)}
    facts |= order.lease.facts(contract.load().deploy, place.ready_seconds, trial)
    intent = book.note(order.event, facts, order.reason)
    try:
        save(order.record)
        place.ledger = content.base()["head"]  # lines that are not on the branch yet get other hashes there
    except BaseException as error:
        _end(intent, FAILED, f"nothing was started: the intent could not be saved: {_why(error)}")
        raise
    try:
        order.lease.must_be_first(intent)
    except LostError as lost:
        _end(intent, FAILED, str(lost))
        _save_anyway(order.record)
        raise
    before = _serves(place)
    try:
        again.recall(place, home)
        trial = dataclasses.replace(trial, may_switch=lambda: order.lease.must_last(intent))
        record = machine.bring(place, sealed, home, trial)
    except BaseException as error:
        now = _serves_still(place)
        if now is not None and (now == before or not now[0]):  # else it may serve after all: the next run says it
            _end(intent, FAILED, _why(error))
        if isinstance(error, Exception):  # one who is interrupted waits for no network
            _save_anyway(order.record)
        raise
    _end(intent, LIVE, order.reason, place.live_image())
    follow(order.environment)
    save(order.record)
    return record


def repair(place: Place, environment: str) -> list[Line]:
    """End what earlier runs left open, by what really serves at a place that has settled; return the lines."""
    left_open = history.left_open(book.lines(), environment)
    if not left_open:
        return []
    if place.is_up():
        process.wait(lambda: machine.serving(place.url) != "", place.ready_seconds)
    serves, image = _serves(place) if place.is_up() else ("", "")
    alive = [intent.id for intent in left_open if _is(history.unit_of(intent.facts), serves, image)][-1:]
    ended = []
    for intent in left_open:
        phase = LIVE if intent.id in alive else FAILED
        unit = history.unit_of(intent.facts)
        found = f"bundle {serves[:12]} serves" if serves else "nothing serves"
        if phase == LIVE:
            found = "this very bundle serves"
        elif unit.bundle == serves and not _is(unit, serves, image):
            found = f"this bundle serves in another image, {image}"
        reason = f"repaired: the run that wrote line {intent.number} did not end it, and {found}"
        log(f"infra.deploy: {environment}, {intent.event} of version {unit.version}: {reason}")
        told = f"{intent.reason} ({reason})" if intent.reason else reason
        ended.append(_end(intent, phase, told, image if phase == LIVE else ""))
    follow(environment)
    return ended


def adopt(order: Order, place: Place) -> None:
    """Write down what is live already, unless the ledger says so."""
    line = history.live(book.lines(), order.environment)
    if line is None or history.unit_of(line.facts).identity != order.unit.identity:
        unit = dataclasses.replace(order.unit, image=place.live_image())
        book.note(
            order.event,
            facts_of(order.environment, LIVE, unit) | {"leads": False},
            "it was live already, and no line said so",
        )
        follow(order.environment)
        save(order.record)


def taken_down(environment: str, record: bool) -> None:
    """Write down that nothing is live any more, where the ledger has something. Raises what `save` raises."""
    line = history.live(book.lines(), environment)
    if line is not None:
        facts = facts_of(environment, REMOVED, history.unit_of(line.facts)) | {"leads": False}
        book.note(DEPLOYMENT, facts, "it was taken down")
        save(record)


def follow(environment: str) -> None:
    """Let the registry's aliases follow the ledger.

    Raises OutsideError when the registry fails; they follow when it is read the next time.
    """
    try:
        following.follow(contract.load())
    except (OutsideError, OSError) as error:
        raise OutsideError(
            f"what serves in {environment} is in the ledger, but the registry could not follow it: {_why(error)}; it"
            " follows when any script reads it the next time"
        ) from error


def save(record: bool) -> None:
    """Save the store to the registry's branch, if that is asked for. Raises Refusal or OutsideError."""
    if record:
        from train.travel.saving import save as save_to_branch

        log(f"saved: {save_to_branch(contract.load())}")


def _save_anyway(record: bool) -> None:
    try:
        save(record)
    except (Refusal, OutsideError, OSError) as error:
        log(f"infra.deploy: the end could not be saved, the next run will say it: {_why(error)}")


def _serves(place: Place) -> tuple[str, str]:
    """Return the bundle that serves, and in which image; empty when none does, or no image is known of."""
    bundle = machine.serving(place.url)
    return bundle, place.live_image() if bundle else ""


def _serves_still(place: Place) -> tuple[str, str] | None:
    """Return what serves after a failure, which is what is to be told; None where the place does not say it now."""
    try:
        return _serves(place)
    except (OutsideError, Refusal) as lost:
        log(f"infra.deploy: what serves now is not known, the next run looks: {_why(lost)}")
        return None


def _is(unit: Unit, bundle: str, image: str) -> bool:
    """Whether what serves is this unit: its bundle, in its image if that has a digest; a process has no image."""
    return unit.bundle == bundle and ("@sha256:" not in unit.image or image in ("", unit.image))


def _end(intent: Line, phase: str, reason: str, image: str = "") -> Line:
    unit = history.unit_of(intent.facts)
    unit = dataclasses.replace(unit, image=image or unit.image)
    facts = {name: fact for name, fact in intent.facts.items() if name != "lease"}
    return book.note(intent.event, facts | {"phase": phase, "unit": unit.facts(), "of": intent.id}, reason)


def _why(error: BaseException) -> str:
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
