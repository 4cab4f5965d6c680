"""What a deployment to containers finds when it begins: a run that was killed, another port, a machine without a proxy.

The proxy knows whom requests go to, and that is the truth: a switch that it has made is finished, any other undone.
"""

from typing import TYPE_CHECKING

from infra import contained, host, process, switching, told
from infra.caddy import Edge
from infra.contained import DRAIN_SECONDS, IMAGE, OPEN, UPSTREAM
from infra.host import Container
from infra.proxy import Proxy
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
    live = place.roles.find(LIVE)
    if live is not None and not _holds_the_port(live):
        if why := contained.start_again(live):
            log(f"infra.deploy: {live.name} does not come up again, and the deployment goes on without it: {why}")
        place.door = place.old_door = _door(place, live)
        place.door.ensure(live.labels[UPSTREAM])  # before it is told anything: it may have been stopped
    elif live is None:
        place.proxy.remove()
    switching.take_away(place, place.roles.find(CANDIDATE))
    place.roles.stop_previous()
    if live is None:
        if host.machine(place.engine) is None:
            process.may_listen(place.edge.port)  # said before anything is started
        return None
    if _holds_the_port(live):
        contained.start_again(live)
        return _put_behind(place, live)
    return live


def _door(place: "Containers", live: Container) -> Proxy:
    """Return the proxy that a container may stand behind: one that asks nobody for a key is opened to nobody else.

    Where others are to reach the service and have to show a key now, the edge that is there stays until the switch.
    """
    if not place.edge.exposed or place.told.asks_nobody or not _asks_nobody(live):
        return place.proxy
    edge = place.proxy.edge() or Edge(place.edge.port)
    if edge != place.edge:
        log(f"infra.deploy: {live.name} asks nobody for a key: it is opened to others by the version that does")
        return place.behind(edge)
    return place.proxy


def _asks_nobody(container: Container) -> bool:
    """Whether a container takes whoever comes; one of before that was labelled does, unless it holds a credential."""
    if OPEN in container.labels:
        return bool(container.labels[OPEN] != "no")
    names = {entry.partition("=")[0] for entry in container.attrs["Config"].get("Env") or [] if entry[-1] != "="}
    return not names & set(told.CREDENTIALS)


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
