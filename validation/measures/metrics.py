"""What the performance gate measures: each metric by its usual definition, from outcomes and outputs.

`outcome` has shape (rows,): label places, or the quantity; `outputs` has shape (rows, labels), probabilities, or
(rows, 1), the quantity. Each returns a float; NaN where the metric is not defined.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def _log_losses(outcome: Array, outputs: Array) -> Array:
    """Return the negative log probability of each row's true label, in nats; kept a float32 step off 0 and 1."""
    true = outputs[np.arange(len(outcome)), outcome.astype(int)]
    smallest = float(np.finfo("float32").eps)
    return np.asarray(-np.log(np.clip(true, smallest, 1 - smallest)))


def _hits(outcome: Array, outputs: Array) -> Array:
    return np.asarray(outputs.argmax(axis=1) == outcome, dtype="float64")


def _squared_probabilities(outcome: Array, outputs: Array) -> Array:
    return np.asarray((outputs[:, 1] - (outcome == 1)) ** 2)


def _squares(outcome: Array, outputs: Array) -> Array:
    return np.asarray((outcome - outputs[:, 0]) ** 2)


def _distances(outcome: Array, outputs: Array) -> Array:
    return np.asarray(np.abs(outcome - outputs[:, 0]))


# The metrics that are means over rows: what each row adds, shape (rows,)
MEANS: dict[str, Callable[[Array, Array], Array]] = {
    "log_loss": _log_losses,
    "accuracy": _hits,
    "brier_score": _squared_probabilities,
    "mse": _squares,
    "mae": _distances,
}


def roc_auc(outcome: Array, outputs: Array) -> float:
    """Chance that a positive row scores above a negative one, ties counted half."""
    from scipy.stats import rankdata

    positives = outcome == 1
    n_positive, n_negative = int(positives.sum()), int((~positives).sum())
    if not n_positive or not n_negative or not np.isfinite(outputs).all():
        return float("nan")
    ranks = rankdata(outputs[:, 1])
    return float((ranks[positives].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def _average_precision(outcome: Array, outputs: Array) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(outcome == 1, outputs[:, 1]))


def _balanced_accuracy(outcome: Array, outputs: Array) -> float:
    from sklearn.metrics import balanced_accuracy_score

    return float(balanced_accuracy_score(outcome, outputs.argmax(axis=1)))


def _macro_f1(outcome: Array, outputs: Array) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(outcome, outputs.argmax(axis=1), average="macro", zero_division=0.0))


def _r2(outcome: Array, outputs: Array) -> float:
    spread = ((outcome - outcome.mean()) ** 2).sum()
    return float(1 - ((outcome - outputs[:, 0]) ** 2).sum() / spread) if spread > 0 else float("nan")


def _rmse(outcome: Array, outputs: Array) -> float:
    return float(np.sqrt(_squares(outcome, outputs).mean()))


METRICS: dict[str, Callable[[Array, Array], float]] = {
    "roc_auc": roc_auc,
    "average_precision": _average_precision,
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
    "r2": _r2,
    "rmse": _rmse,
}


def measure(metric: str, outcome: Array, outputs: Array) -> float:
    """Measure one metric; NaN when an output is not finite or there is no row."""
    if len(outcome) == 0 or len(outcome) != len(outputs) or not np.isfinite(outputs).all():
        return float("nan")
    return float(MEANS[metric](outcome, outputs).mean()) if metric in MEANS else METRICS[metric](outcome, outputs)
