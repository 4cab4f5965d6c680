"""What a service has counted of requests and predictions, as the bake compares it."""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
AWAY = (401, 403, 404, 405, 429)  # about who asks, where and how often, rather than about the version


def failed(status: int) -> bool:
    """Tell whether an answer is a failure of the service."""
    return status >= 500


def refused(status: int) -> bool:
    """Tell whether an answer refuses what was asked."""
    return 400 <= status < 500 and status not in AWAY


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts since some moment.

    `asked` requests, of which `failed` (5xx, or no answer) and `refused` (4xx); `timed` answers, of which `slow` took
    longer than each of `bounds`, in seconds; predictions of `rows`, of which `above` lay above each of `edges`, and
    `chosen` chose each of `labels`. Each request counts as one row there if `by_request`; older services count rows.
    Beside those that were asked, `away` requests were turned away.
    """

    bounds: tuple[float, ...]
    edges: tuple[float, ...]
    labels: tuple[str, ...]
    asked: float
    failed: float
    refused: float
    timed: float
    slow: Array
    rows: float
    above: Array
    chosen: Array
    away: float = 0.0
    by_request: bool = True

    @property
    def shape(self) -> tuple[tuple[object, ...], ...]:
        """What two counts must have alike to be added up."""
        return self.bounds, self.edges, self.labels, (self.by_request,)

    @property
    def independent(self) -> bool:
        """Tell whether each request counts as one prediction: the rows of one may be alike.

        An older service counts rows: there it is so while there are no more of them than requests.
        """
        return self.by_request or self.rows <= self.asked - self.refused

    def plus(self, other: "Counts") -> "Counts":
        """Add up counts of one shape."""
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in NUMBERS})

    def minus(self, other: "Counts") -> "Counts":
        """Return what came since `other`."""
        return replace(self, **{name: getattr(self, name) - getattr(other, name) for name in NUMBERS})

    def of_requests(self) -> "Counts":
        """Leave out what came of times and predictions."""
        nothing = none(self)
        return replace(nothing, asked=self.asked, failed=self.failed, refused=self.refused, away=self.away)

    def fell_below(self, other: "Counts") -> bool:
        """Tell whether a count is smaller than it was before: whoever counts began anew."""
        return self.shape != other.shape or any(
            bool(np.any(np.asarray(getattr(self, name)) < getattr(other, name))) for name in NUMBERS
        )


SHAPE = ("bounds", "edges", "labels", "by_request")
NUMBERS = tuple(field.name for field in fields(Counts) if field.name not in SHAPE)


def none(like: Counts) -> Counts:
    """Return counts of nothing, of the same shape."""
    return like.minus(like)
