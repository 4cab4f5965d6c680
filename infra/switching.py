"""How users' requests move to a deployment's own container and back, where another deployment may be under way as well.

Deployments to an engine from two machines know nothing of each other; whoever settles last takes away what stood there.
So each acts on the container that it started, by its id, and on no other one that has the same name by now.
"""

from typing import TYPE_CHECKING

from infra import contained
from infra.baking.sides import OvertakenError
from infra.contained import UPSTREAM
from infra.host import Container
from infra.roles import CANDIDATE, LIVE
from validation.script import log
from validation.steps import step

if TYPE_CHECKING:
    from infra.containers import Containers

SHORT_DRAIN_SECONDS = 5  # for requests under way of a candidate that is taken back


def standing(place: "Containers") -> Container:
    """Return the candidate of this deployment. Raises OvertakenError when it is gone, or another one stands there."""
    found = place.roles.find(CANDIDATE)
    if found is None or place.own is None or found.id != place.own.id:
        raise _overtaken("is gone" if found is None else "gave way to its own")
    return found


def serves(place: "Containers") -> bool:
    """Whether users' requests go to what this deployment started, by the proxy, or by names where there is none."""
    if place.own is None:
        return False
    live = place.roles.find(LIVE)
    reached = place.proxy.routed() or (live.labels.get(UPSTREAM, "") if live is not None else "")
    return bool(reached == place.own.labels[UPSTREAM])


def switch(place: "Containers") -> str | None:
    """Let the candidate take over from the next request on; return why not if it could not. Raises OvertakenError."""
    candidate = standing(place)
    if (why := contained.ended(candidate, proven=False)) is not None:
        return why
    contained.keep(place.engine, candidate)
    step("kept")
    if place.roles.find(LIVE) is not None:
        place.door.route(candidate.labels[UPSTREAM])
    if place.roles.find(LIVE) is None or place.door is not place.proxy:  # others are let in after what asks them stands
        place.proxy.ensure(candidate.labels[UPSTREAM])
    place.door = place.proxy
    step("routed")
    if (candidate := place.roles.known(candidate.id)) is None:  # another deployment settled between the two
        raise _overtaken("is gone")
    place.roles.call_live(candidate)
    step("renamed")
    return None


def back(place: "Containers") -> None:
    """Serve what was served before, or nothing when there was nothing; what another deployment did since stays."""
    if place.own is None or not serves(place):
        return
    old = place.roles.known(place.before)
    if not place.before:
        place.proxy.remove()
        contained.remove(place.roles.known(place.own.id), SHORT_DRAIN_SECONDS)
    elif old is None:
        log("infra.deploy: undo: the old container is gone; the new one serves on")
    elif why := contained.come_up(place.engine, old, place.ready_seconds):
        log(f"infra.deploy: undo: the old container does not come up again ({why}); the new one serves on")
    else:
        place.door = place.old_door
        if place.door is place.proxy:
            place.door.route(old.labels[UPSTREAM])
        else:
            place.door.ensure(old.labels[UPSTREAM])  # nobody is let in whom the old one would not ask
        step("routed back")
        other = place.roles.find(CANDIDATE)
        if other is not None and other.id != place.own.id:  # its old name is another deployment's by now
            contained.remove(place.roles.known(place.own.id), SHORT_DRAIN_SECONDS)
        place.roles.call_live(old)
        contained.remove(place.roles.known(place.own.id), SHORT_DRAIN_SECONDS)


def clear(place: "Containers") -> None:
    """Take away this deployment's candidate; where it serves, what served before it drains instead, and is stopped."""
    if serves(place):
        place.roles.stop_previous()
        return
    candidate = place.roles.find(CANDIDATE)
    if (
        candidate is not None and place.own is not None and candidate.id == place.own.id
    ):  # else it has served, or is gone
        take_away(place, candidate)


def take_away(place: "Containers", candidate: Container | None) -> None:
    """Take its share of the requests from a candidate, and remove it."""
    if candidate is not None:
        shared = candidate.labels.get(UPSTREAM) == place.proxy.shared()
        try:
            if shared:
                place.proxy.share("", 0)
        finally:  # of what is gone the proxy hands requests to the live one
            contained.remove(candidate, SHORT_DRAIN_SECONDS if shared else 0)


def _overtaken(how: str) -> OvertakenError:
    return OvertakenError(
        f"another deployment is under way: the candidate of this one {how}; nothing was switched, deploy again when it"
        " has ended"
    )
