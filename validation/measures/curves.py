"""What the report draws of a model and its champion: curves, calibration, thresholds, errors. Nothing here judges.

Series have at most POINTS points; numbers are rounded to six digits.
"""

from typing import Any

import numpy as np

from validation.contract import Config
from validation.judged import Judged
from validation.measures.metrics import Array, measure
from validation.words.bounds import PERFORMANCE_METRICS

POINTS = 200
BINS = 10
THRESHOLDS = np.arange(1, 10) / 10
Z95 = 1.959963984540054


def curves(own: Judged, theirs: Judged | None, config: Config) -> dict[str, Any]:
    """Collect what can be drawn for this kind of target, for the candidate and the champion."""
    models = {"candidate": own} | ({"champion": theirs} if theirs else {})
    found: dict[str, Any] = {"metrics": _metrics(own, theirs, config)}
    if not all(np.isfinite(model.outputs).all() for model in models.values()):
        return found
    if config.target.kind == "quantity":
        return found | {"residuals": _residuals(own)}
    labels = [str(label) for label in config.target.labels]
    chosen = own.outputs.argmax(axis=1)
    places = own.outcome.astype(int) * len(labels) + chosen
    counts = np.bincount(places, minlength=len(labels) ** 2).reshape(len(labels), len(labels))
    found["confusion"] = {"labels": labels, "counts": counts.tolist()}
    found["calibration"] = {name: _calibration(model, config) for name, model in models.items()}
    if config.target.kind == "binary" and 0 < own.outcome.sum() < len(own.outcome):
        found["curves"] = {name: _ranking(model) for name, model in models.items()}
        found["thresholds"] = [_at(threshold, own) for threshold in THRESHOLDS]
    return found


def rounded(value: float) -> float:
    """Round to six digits: enough to draw and to read."""
    return float(f"{value:.6g}")


def _metrics(own: Judged, theirs: Judged | None, config: Config) -> list[dict[str, Any]]:
    def of(metric: str, model: Judged | None) -> float | None:
        value = measure(metric, model.outcome, model.outputs) if model else float("nan")
        return rounded(value) if np.isfinite(value) else None

    return [
        {"metric": metric, "candidate": of(metric, own), "champion": of(metric, theirs), "better": better}
        for metric, better in PERFORMANCE_METRICS[config.target.kind].items()
    ]


def _ranking(model: Judged) -> dict[str, list[list[float]]]:
    from sklearn.metrics import precision_recall_curve, roc_curve

    positive, scores = model.outcome == 1, model.outputs[:, 1]
    false_positives, true_positives, _ = roc_curve(positive, scores)
    precision, recall, _ = precision_recall_curve(positive, scores)
    return {
        "roc": _thinned(false_positives, true_positives),
        "precision_recall": _thinned(recall[::-1], precision[::-1]),
    }


def _thinned(x: Array, y: Array) -> list[list[float]]:
    """Keep the points that are nearest to even steps along x, first and last among them."""
    steps = np.searchsorted(x, np.linspace(x[0], x[-1], POINTS - 1)).clip(0, len(x) - 1)
    kept = np.unique(np.concatenate([[0], steps, [len(x) - 1]]))[:POINTS]
    return [[rounded(x[place]), rounded(y[place])] for place in kept]


def _calibration(model: Judged, config: Config) -> list[dict[str, Any]]:
    """Compare predicted and true shares by tenths of the rows: of the positive label, or of the chosen one."""
    if config.target.kind == "binary":
        predicted, true = model.outputs[:, 1], model.outcome == 1
    else:
        predicted, true = model.outputs.max(axis=1), model.outputs.argmax(axis=1) == model.outcome
    bins = []
    for rows in np.array_split(np.argsort(predicted, kind="stable"), BINS):
        if len(rows):
            low, high = wilson(int(true[rows].sum()), len(rows))
            mean, share = float(predicted[rows].mean()), float(true[rows].mean())
            bins.append({"mean": rounded(mean), "share": rounded(share), "low": low, "high": high, "n": len(rows)})
    return bins


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Bound a share by a 95 % interval: Wilson, Probable inference (1927)."""
    share, square = hits / n, Z95**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = Z95 * np.sqrt(share * (1 - share) / n + square / (4 * n**2)) / (1 + square / n)
    return rounded(max(middle - half, 0.0)), rounded(min(middle + half, 1.0))


def _at(threshold: float, model: Judged) -> dict[str, float | None]:
    chosen, positive = model.outputs[:, 1] >= threshold, model.outcome == 1
    hits = int((chosen & positive).sum())
    return {
        "threshold": rounded(threshold),
        "selected": rounded(float(chosen.mean())),
        "precision": rounded(hits / int(chosen.sum())) if chosen.any() else None,
        "recall": rounded(hits / int(positive.sum())),
        "false_positive_rate": rounded(float(chosen[~positive].mean())),
        "accuracy": rounded(float((chosen == positive).mean())),
    }


def _residuals(model: Judged) -> list[dict[str, Any]]:
    """Describe outcome minus prediction by tenths of the prediction."""
    predicted = model.outputs[:, 0]
    bins = []
    for rows in np.array_split(np.argsort(predicted, kind="stable"), BINS):
        if len(rows):
            low, median, high = np.quantile(model.outcome[rows] - predicted[rows], [0.1, 0.5, 0.9])
            values = {"mean": float(predicted[rows].mean()), "low": low, "median": median, "high": high}
            bins.append({name: rounded(float(value)) for name, value in values.items()} | {"n": len(rows)})
    return bins
