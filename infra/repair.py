"""What a deployment to containers finds when it begins: a run that was killed, another port, a machine without a proxy.

The proxy knows whom requests go to, and that is the truth: a switch that it has made is finished, any other undone.
"""

from typing import TYPE_CHECKING

from infra import contained, host, process, switching
from infra.contained import DRAIN_SECONDS, IMAGE, UPSTREAM
from infra.host import Container
from infra.roles import CANDIDATE, LIVE, NEXT, PREVIOUS
from validation.script import OutsideError, Refusal, log
from validation.steps import step

if TYPE_CHECKING:
    from infra.containers import Containers


def settle(place: "Containers") -> Container | None:
    """Bring a place to rest, and return the container that serves, if there is one.

    Raises Refusal when the port belongs to somebody else, OutsideError when the engine fails.
    """
    _must_be_this_port(place)
    if (served := place.roles.reached_at(place.proxy.routed())) is not None:
        place.roles.call_live(served)
    elif place.roles.find(LIVE) is None and (previous := place.roles.find(PREVIOUS)) is not None:
        place.roles.call_live(previous)
    contained.remove(place.roles.find(NEXT))
    switching.take_away(place, place.roles.find(CANDIDATE))
    place.roles.stop_previous()
    live = place.roles.find(LIVE)
    if live is None:
        place.proxy.remove()
        if host.machine(place.engine) is None:
            process.listen(place.edge.port).close()  # said before anything is started
        return None
    contained.start_again(live)
    if _holds_the_port(live):
        return _put_behind(place, live)
    place.proxy.ensure(live.labels[UPSTREAM])
    return live


def _put_behind(place: "Containers", old: Container) -> Container:
    """Let a twin of a container that holds the port itself, as there was no proxy once, serve behind the proxy."""
    log(f"infra.deploy: {old.name} holds the port itself; it moves behind a proxy, and the port is closed for a second")
    names = ("gatehouse.bundle", "gatehouse.ledger", IMAGE)
    labels = {name: text for name, text in old.labels.items() if name in names}
    twin = place.start(str(old.attrs["Image"]), f"{old.name.rsplit('-', 1)[0]}-{NEXT}", labels, proven=True)
    step("twin")
    if why := contained.come_up(place.engine, twin, place.ready_seconds):
        raise OutsideError(f"{old.name} cannot be moved behind a proxy: its twin failed, {why}; the old one serves on")
    with host.asking(f"stop {old.name}"):
        old.stop(timeout=DRAIN_SECONDS)
    step("closed")
    place.proxy.ensure(twin.labels[UPSTREAM])
    step("opened")
    place.roles.call_live(twin)
    return twin


def _holds_the_port(container: Container) -> bool:
    return UPSTREAM not in container.labels


def _must_be_this_port(place: "Containers") -> None:
    proxy, live = place.proxy.find(), place.roles.find(LIVE)
    held = [int(proxy.labels[contained.PORT])] if proxy is not None else []
    held += [contained.port(live)] if proxy is None and live is not None and _holds_the_port(live) else []
    if held and held[0] != place.edge.port:
        raise Refusal(
            f"the service runs on port {held[0]}, not {place.edge.port}; take it down first"
            " (`python -m infra.deploy --environment local --remove`)"
        )
