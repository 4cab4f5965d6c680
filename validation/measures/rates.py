"""How one group is treated: its rates, each with a 95 % interval."""

from collections.abc import Iterator

import numpy as np

from validation.contract import Config
from validation.measures.curves import Z95, wilson
from validation.measures.metrics import Array
from validation.measures.paired import UNKNOWN, Interval

Rate = tuple[str, float | None, Interval | None, int]  # name, value, interval, rows


def rates_of(outcome: Array, choice: Array, config: Config) -> Iterator[Rate]:
    """Give each rate of a group; one of no rows has no value."""
    if config.target.kind == "quantity":
        yield _mean("mean prediction", choice)
        yield _mean("mean error", choice - outcome)
        yield _mean("mean absolute error", np.abs(choice - outcome))
    elif config.target.kind == "classes":
        yield _share("accuracy", choice == outcome)
        for place, label in enumerate(config.target.labels):
            yield _share(f"share of {label}", choice == place)
    else:
        yield _share("selection rate", choice == 1)
        yield _share("true positive rate", choice[outcome == 1] == 1)
        yield _share("false positive rate", choice[outcome == 0] == 1)
        yield _share("accuracy", choice == outcome)


def _share(name: str, hits: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Rate:
    n = len(hits)
    return (name, float(hits.mean()), wilson(int(hits.sum()), n), n) if n else (name, None, None, 0)


def _mean(name: str, values: Array) -> Rate:
    n = len(values)
    if n < 2:
        return name, float(values.mean()) if n else None, UNKNOWN, n
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(n))
    return name, mean, (mean - Z95 * error, mean + Z95 * error), n
