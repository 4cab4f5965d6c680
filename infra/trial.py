"""How a candidate is tried out: by the golden rows, then by the requests of users or replayed ones (infra/bake.py).

Where the place can hand it a share of the requests, canary and stable are compared by these; elsewhere the same made-up
or recorded requests go to both, and no user gets an answer of the candidate before it has proved itself.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from infra.bundle import Bundle
from serve.bundle import BundleError
from validation.contract import Config
from validation.script import Refusal, log

if TYPE_CHECKING:
    from infra.baking.verdict import Verdict
    from infra.place import Place

OWN_PER_SECOND = 2000.0  # replayed requests where nobody but this deployment asks; the services take several times that
OWN_LOOK_SECONDS = 1.0

Smoke = Callable[[str, Path], list[str]]  # an address, and the bundle that has to answer there: what is unlike it
# The place, the candidate's address, its bundle, and the one that serves, if any
Bake = Callable[["Place", str, Bundle, Bundle | None], "Verdict"]


@dataclass(frozen=True)
class Trial:
    """What a candidate has to pass; without `bake`, which takes minutes, a unit is put back that passed it before.

    `may_switch` raises OutsideError when it is too late to switch.
    """

    smoke: Smoke
    bake: Bake | None
    may_switch: Callable[[], None] = lambda: None


def of_new(config: Config, sealed: Bundle) -> Trial:
    """Make the trial of a bundle that is to be deployed.

    Raises Refusal for a REPLAY_FILE that is none, or in which not every row that may be replayed can be read.
    """
    from serve import smoke

    recorded = Path(os.environ["REPLAY_FILE"]) if os.environ.get("REPLAY_FILE") else None
    if recorded:
        _must_be_replayable(recorded, sealed, config.deploy.replay_requests)

    def baked(place: "Place", url: str, new: Bundle, old: Bundle | None) -> "Verdict":
        from infra.bake import bake, shadow, side
        from infra.replay import Replay

        deploy = config.deploy
        try:
            canary, stable = side(new.folder), side(old.folder) if old else None
        except BundleError as error:
            raise Refusal(str(error)) from None
        serves = place.stable
        metrics = place.share(deploy.canary_share) if serves else None
        if metrics is None:
            deploy = replace(deploy, replay_per_second=OWN_PER_SECOND, look_seconds=OWN_LOOK_SECONDS)
        replayed = Replay(new.folder, url, serves if old else None, deploy, config.seed, recorded)
        if metrics is None:
            why = "this place hands no share of the users' to a candidate" if serves else "nothing that answers serves"
            log(f"infra.deploy: bake: by replayed requests; {why}")
            return shadow(replayed, deploy, deploy.false_alarms)
        return bake(metrics, canary, stable, deploy, replayed)

    return Trial(smoke.replay, baked)


def _must_be_replayable(recorded: Path, sealed: Bundle, most: int) -> None:
    from infra.baking.rows import must_hold_rows

    if not recorded.exists():
        raise Refusal(f"REPLAY_FILE={recorded} does not exist; name recorded requests, or leave it out")
    try:
        must_hold_rows(recorded, sealed.folder / "model", most)
    except Refusal as error:
        raise Refusal(f"REPLAY_FILE: {error}") from None


def of_known() -> Trial:
    """Make the trial of a bundle that was live before: whoever goes back is in a hurry."""
    from serve import smoke

    return Trial(smoke.replay, None)
