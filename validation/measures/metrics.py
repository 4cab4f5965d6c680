"""What the performance gate measures: each metric by its usual definition, from outcomes and outputs.

`outcome` has shape (rows,): label places, or the quantity; `outputs` has shape (rows, labels), probabilities, or
(rows, 1), the quantity. Each returns a float; NaN where the metric is not defined.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def log_loss(outcome: Array, outputs: Array) -> float:
    """Mean negative log probability of the true label, in nats; probabilities stay a float32 step off 0 and 1."""
    true = outputs[np.arange(len(outcome)), outcome.astype(int)]
    smallest = float(np.finfo("float32").eps)
    return float(-np.log(np.clip(true, smallest, 1 - smallest)).mean())


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


def _accuracy(outcome: Array, outputs: Array) -> float:
    return float((outputs.argmax(axis=1) == outcome).mean())


def _balanced_accuracy(outcome: Array, outputs: Array) -> float:
    from sklearn.metrics import balanced_accuracy_score

    return float(balanced_accuracy_score(outcome, outputs.argmax(axis=1)))


def _macro_f1(outcome: Array, outputs: Array) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(outcome, outputs.argmax(axis=1), average="macro", zero_division=0.0))


def _brier_score(outcome: Array, outputs: Array) -> float:
    return float(((outputs[:, 1] - (outcome == 1)) ** 2).mean())


def _r2(outcome: Array, outputs: Array) -> float:
    spread = ((outcome - outcome.mean()) ** 2).sum()
    return float(1 - ((outcome - outputs[:, 0]) ** 2).sum() / spread) if spread > 0 else float("nan")


def _mse(outcome: Array, outputs: Array) -> float:
    return float(((outcome - outputs[:, 0]) ** 2).mean())


def _rmse(outcome: Array, outputs: Array) -> float:
    return float(np.sqrt(((outcome - outputs[:, 0]) ** 2).mean()))


def _mae(outcome: Array, outputs: Array) -> float:
    return float(np.abs(outcome - outputs[:, 0]).mean())


METRICS: dict[str, Callable[[Array, Array], float]] = {
    "roc_auc": roc_auc,
    "average_precision": _average_precision,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
    "log_loss": log_loss,
    "brier_score": _brier_score,
    "r2": _r2,
    "mse": _mse,
    "rmse": _rmse,
    "mae": _mae,
}


def measure(metric: str, outcome: Array, outputs: Array) -> float:
    """Measure one metric; NaN when an output is not finite or there is no row."""
    if len(outcome) == 0 or len(outcome) != len(outputs) or not np.isfinite(outputs).all():
        return float("nan")
    return METRICS[metric](outcome, outputs)


def lost(metric_up: bool, champion: float, candidate: float) -> float:
    """Tell by how much the candidate is worse than the champion, in the metric's unit; negative when it is better."""
    return champion - candidate if metric_up else candidate - champion


def lost_interval(
    metric: str, metric_up: bool, outcome: Array, champion: Array, candidate: Array, seed: int, draws: int = 300
) -> tuple[float, float]:
    """Bound the loss against the champion by a paired bootstrap over rows: the 5 % and 95 % quantiles.

    The upper one is a one-sided 95 % bound: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    chance = np.random.default_rng(seed)
    losses = []
    for _ in range(draws):
        rows = chance.integers(0, len(outcome), len(outcome))
        losses.append(
            lost(
                metric_up,
                measure(metric, outcome[rows], champion[rows]),
                measure(metric, outcome[rows], candidate[rows]),
            )
        )
    low, high = np.quantile(losses, [0.05, 0.95])
    return float(low), float(high)
