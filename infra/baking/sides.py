"""The two sides of a bake, and their `/metrics` look by look."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from infra.baking.counts import Counts
from infra.baking.expected import TEST_PART, Expected, of_bundle
from infra.baking.scraped import Taken, Watched
from serve.bundle import BundleError, read_json
from validation.script import OutsideError, log

MISSED = 3  # looks in a row at which /metrics cannot be had: then nobody can say that the canary is good

Metrics = Callable[[], tuple[list[str], list[str]]]  # of each replica of stable, and of the canary


class OvertakenError(OutsideError):
    """Another deployment took this one's candidate away: no look at it can come any more."""


@dataclass(frozen=True)
class Side:
    """A model that serves: version and digest as `/metrics` tells them, and what is expected of its predictions."""

    version: str
    digest: str
    expected: Expected


def side(bundle: Path) -> Side:
    """Read from a bundle what its service should tell. Raises BundleError."""
    release = read_json(bundle / "release.json")
    try:
        return Side(str(release["model_version"]), str(release["model_digest"]), of_bundle(bundle))
    except KeyError as error:
        raise BundleError(f"{bundle}/release.json does not say {error}; export it again") from None


class Sides:
    """Canary and stable, watched from the first look on; without `stable` nothing served before."""

    def __init__(self, metrics: Metrics, canary: Side, stable: Side | None) -> None:
        self.expected = canary.expected
        self.before = stable.expected if stable else None
        self.canary = Watched("canary", canary.version, canary.digest)
        self.stable = Watched("stable", stable.version, stable.digest) if stable else None
        self._metrics = metrics
        self._missed = 0

    def look(self, taken: Taken = "all") -> str:
        """Look, and say in a sentence what keeps the canary from being good, whatever the numbers are.

        `taken` is what is added up of the counts since the last look. Raises OvertakenError when there is none of this
        deployment any more.
        """
        try:
            stable, canary = self._metrics()
        except OvertakenError:
            raise
        except (OutsideError, httpx.HTTPError, OSError) as error:
            self._missed += 1
            log(f"infra.bake: /metrics cannot be had: {error}")
            return f"/metrics could not be had {MISSED} times in a row: {error}" if self._missed >= MISSED else ""
        self._missed = 0
        self.canary.look(canary, taken)
        if self.stable:
            self.stable.look(stable, taken)
        wrong = [*self.canary.wrong, *(self.stable.wrong if self.stable else ())]
        return wrong[0] if wrong else self.canary.told[-1] if self.canary.began_anew else ""

    @property
    def counts(self) -> tuple[Counts | None, Counts | None]:
        """What canary and stable have counted since the first look; the canary's is None until both are known."""
        if self.stable is None:
            return self.canary.total, None
        return (self.canary.total, self.stable.total) if self.stable.total else (None, None)

    @property
    def asked(self) -> float:
        """The requests of the side that was asked less."""
        return min((side.asked for side in self.counts if side is not None), default=0.0)

    def notes(self) -> tuple[str, ...]:
        """Say what happened to replicas, and which predictions cannot be compared as they should be."""
        told = [*self.canary.told, *(self.stable.told if self.stable else ())]
        for name, expected in (("canary", self.expected), ("stable", self.before)):
            if expected and expected.told != TEST_PART:
                told.append(f"{name}: its bundle does not say how it predicts on the test part; {expected.told} do")
        for name, counts in zip(("canary", "stable"), self.counts, strict=True):
            if counts and not counts.independent:
                told.append(f"{name} is of an older image that counts rows, not requests: predictions are not compared")
        if self.before and self.before.edges != self.expected.edges:
            told.append("canary and stable predict in other ranges: the canary is compared with its own bundle")
        return tuple(told)
