"""The loss of each row, by which slices, explanations and changes are told."""

import numpy as np

from validation.contract import Config
from validation.judged import Judged
from validation.measures.metrics import MEANS, Array


def losses(judged: Judged, config: Config) -> Array:
    """Return each row's log loss in nats, or its squared error in units of the outcomes' variance; shape (rows,)."""
    return row_losses(judged.outcome, judged.outputs, float(judged.outcome.var()), config)


def row_losses(outcome: Array, outputs: Array, variance: float, config: Config) -> Array:
    """Return the loss of each row; `variance` is that of the outcomes, which a quantity's errors are measured in."""
    if config.target.kind == "quantity":
        squares = MEANS["mse"](outcome, outputs)
        return squares / variance if variance > 0 else np.full(len(squares), np.nan)
    return MEANS["log_loss"](outcome, outputs)
