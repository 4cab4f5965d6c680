"""What the bake compares: failed and refused requests, times to answer, predictions, each as shares with a bound."""

import numpy as np

from infra.baking.compared import Shares
from infra.baking.counts import Array, Counts
from infra.baking.expected import Expected
from validation.contract import Deploy


class Unlike(Exception):
    """Canary and stable, or their bundles, do not count alike: one sentence."""


def of_requests(canary: Counts, stable: Counts | None, deploy: Deploy) -> list[Shares]:
    """Compare what became of requests, and how long it took; without stable, with none failed, refused, or slow."""
    return [
        _asked("failed requests", canary, stable, "failed", deploy.error_rate_worse_by),
        _asked("refused requests", canary, stable, "refused", deploy.refused_worse_by),
        _slower(canary, stable, deploy),
    ]


def of_callers(canary: Counts, stable: Counts, deploy: Deploy) -> Shares:
    """Compare how many callers are turned away, as by a key that is not known: both sides have the same callers."""
    of, others = (side.asked + side.away for side in (canary, stable))
    return Shares(
        ("requests turned away",), np.array([canary.away]), of, deploy.turned_away_worse_by,
        np.array([stable.away]), others,
    )  # fmt: skip


def of_predictions(
    canary: Counts, stable: Counts | None, expected: Expected, before: Expected | None, deploy: Deploy
) -> list[Shares]:
    """Compare the shift of the predictions with the expected one, that between two bundles.

    Where stable is missing or counts by other bins, the canary's predictions are compared with its own bundle's. None
    are compared where an older service counts rows, and some requests had several. Raises Unlike when the canary does
    not count as its bundle says.
    """
    if not expected.fits(canary):
        raise Unlike("the canary counts its predictions by other bins or labels than its bundle does")
    if not all(side.independent for side in (canary, stable) if side is not None):
        return []
    names = [f"predictions above {edge:g}" for edge in expected.edges] + [f"label {name}" for name in expected.labels]
    wanted = _joined(expected)
    if stable is None or before is None or not before.fits(stable) or before.edges != expected.edges:
        shares = Shares(
            tuple(names), _predicted(canary, expected), canary.rows, deploy.predictions_shift, expected=wanted,
            both=True,
        )  # fmt: skip
        return [shares]
    if before.labels != expected.labels:
        names, wanted = names[: len(expected.edges)], expected.above
        theirs = before.above
    else:
        theirs = _joined(before)
    size = len(names)
    shares = Shares(
        tuple(names), _predicted(canary, expected)[:size], canary.rows, deploy.predictions_shift,
        _predicted(stable, before)[:size], stable.rows, expected=wanted - theirs, both=True,
    )  # fmt: skip
    return [shares]


def of_answers(compared: float, unlike: float, deploy: Deploy) -> Shares:
    """Count replayed answers that are not what the bundle's own model gives for the same row."""
    return Shares(("answers unlike the bundle's own",), np.array([unlike]), compared, deploy.error_rate_worse_by)


def _asked(name: str, canary: Counts, stable: Counts | None, field: str, bound: float) -> Shares:
    hits = np.array([getattr(canary, field)])
    if stable is None:
        return Shares((name,), hits, canary.asked, bound)
    return Shares((name,), hits, canary.asked, bound, np.array([getattr(stable, field)]), stable.asked)


def _slower(canary: Counts, stable: Counts | None, deploy: Deploy) -> Shares:
    if stable is None:
        at = next((at for at, end in enumerate(canary.bounds) if end >= deploy.slow_seconds), None)
        if at is None:
            raise Unlike(f"the canary does not count what takes longer than {deploy.slow_seconds:g} s")
        return Shares((_longer(canary.bounds[at]),), canary.slow[at : at + 1], canary.timed, deploy.slower_by)
    both = [end for end in canary.bounds if end in stable.bounds and end >= deploy.felt_seconds]
    if not both:
        raise Unlike(f"canary and stable count what takes longer than {deploy.felt_seconds:g} s by other bounds")
    ours, theirs = ([side.bounds.index(end) for end in both] for side in (canary, stable))
    names = tuple(f"{_longer(end)}, less {deploy.slower_times:g} times stable" for end in both)
    return Shares(
        names, canary.slow[ours], canary.timed, deploy.slower_by, stable.slow[theirs], stable.timed, deploy.slower_times
    )


def _longer(seconds: float) -> str:
    return f"longer than {seconds:g} s"


def _joined(expected: Expected) -> Array:
    return np.concatenate([expected.above, expected.chosen])


def _predicted(counts: Counts, expected: Expected) -> Array:
    return np.concatenate([counts.above, counts.chosen if expected.labels else counts.chosen[:0]])
