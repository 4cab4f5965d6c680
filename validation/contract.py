"""The contract: config.py read whole and checked against itself (stdlib only).

Everything else is derived from it: the pandera schema, the data-set expectations, the preprocessing, the inputs of the
model, the request type of the service.
"""

import dataclasses
import importlib
import os
import re
import subprocess
import sys
import traceback
from dataclasses import dataclass
from typing import Any

from serve.words import MISSING
from validation.script import ROOT, Refusal
from validation.stricter import stricter
from validation.words.behaviours import (
    Behaviour,
    Cases,
    Direction,
    Invariance,
    Missing,
    Noise,
    StableExplanation,
    WorstSlice,
)
from validation.words.bounds import Gate
from validation.words.columns import Binary, Category, Classes, Column, Number, Quantity, Target
from validation.words.deploy import Deploy
from validation.words.expectations import Determines, Duplicates, Expectation, MissingShare, Resembles, Rows, Share
from validation.words.image import Image
from validation.words.limits import check_limits
from validation.words.names import check_names
from validation.words.settings import Cost, Groups, Model, PredictionLog, Service, Split, Waiver
from validation.words.store import Registry

__all__ = [
    "MISSING",
    "Binary",
    "Cases",
    "Category",
    "Classes",
    "Config",
    "Cost",
    "Deploy",
    "Determines",
    "Direction",
    "Duplicates",
    "Gate",
    "Groups",
    "Image",
    "Invariance",
    "Missing",
    "MissingShare",
    "Model",
    "Noise",
    "Number",
    "PredictionLog",
    "Quantity",
    "Registry",
    "Resembles",
    "Rows",
    "Service",
    "Share",
    "Split",
    "StableExplanation",
    "Waiver",
    "WorstSlice",
    "load",
]  # fmt: skip


@dataclass(frozen=True)
class Config:
    """All of config.py, checked against itself."""

    data: str
    joined: tuple[str, ...]
    show_values: bool
    reference: str
    features: tuple[Column, ...]
    target: Target
    key: tuple[str, ...]
    sensitive: tuple[str, ...]
    dataset: tuple[Expectation, ...]
    model: Model
    split: Split
    seed: int
    performance: tuple[Gate, ...]
    looks: int
    calibration: str
    groups: Groups
    fairness: tuple[Gate, ...]
    waivers: tuple[Waiver, ...]
    behaviour: tuple[Behaviour, ...]
    parity: float
    cost: Cost
    registry: Registry
    service: Service
    prediction_log: PredictionLog
    image: Image
    deploy: Deploy
    changed: tuple[str, ...] = ()  # against the commit that a proposal is judged beside; config.py does not set it

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that the model sees, in the order of its inputs."""
        return tuple(column for column in self.features if not column.hidden)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the data, in order: features, then the target."""
        return (*(column.name for column in self.features), self.target.name)

    def __post_init__(self) -> None:
        check_names(self)
        check_limits(self)


def load() -> Config:
    """Read config.py; where BASE_COMMIT names a commit, under the stricter of its bounds and that commit's.

    Raises Refusal with the line at fault when it cannot be read or contradicts itself.
    """
    path = ROOT / "config.py"
    if not path.is_file():
        raise Refusal("config.py is missing from the top of the repository; restore it from git")
    try:
        module = importlib.import_module("config")
        head = Config(**{name: getattr(module, name.upper()) for name in _names()})
    except (Exception, SystemExit) as error:
        sys.modules.pop("config", None)
        raise _as_refusal(error) from error
    base = os.environ.get("BASE_COMMIT", "").strip()
    return stricter(head, _at(base, head)) if base else head


def _names() -> list[str]:
    return [field.name for field in dataclasses.fields(Config) if field.default is dataclasses.MISSING]


def _at(commit: str, head: Config) -> Config:
    """Read config.py as it was at a commit; what it did not know yet is as in `head`."""
    what = f"BASE_COMMIT={commit}"
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_./^~-]*", commit):
        raise Refusal(f"{what} names no commit")
    command = ["git", "show", f"{commit}:config.py"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if told.returncode:
        reason = (told.stderr.strip().splitlines() or ["git said nothing"])[-1]
        raise Refusal(f"{what}: its config.py cannot be read ({reason}); check out with its history")
    words: dict[str, Any] = {"__name__": "config"}
    try:
        exec(compile(told.stdout, f"config.py of {commit}", "exec"), words)  # noqa: S102  # our own earlier config.py
        return Config(**{name: words.get(name.upper(), getattr(head, name)) for name in _names()})
    except (Exception, SystemExit) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Refusal(
            f"{what}: its config.py cannot be read by the code of now ({first}), so its bounds cannot be compared;"
            " compare them by hand, and let an administrator merge"
        ) from error


def _as_refusal(error: BaseException) -> Refusal:
    """Say in one sentence where config.py goes wrong."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith("config.py")
    ]
    if isinstance(error, SyntaxError):
        lines = [error.lineno]
    where = f"config.py, line {lines[-1]}" if lines else "config.py"
    sentence = (str(error).removeprefix("config.py: ").strip() or "it stops here").splitlines()[0]
    if isinstance(error, Refusal):
        return Refusal(f"{where}: {sentence}")
    if isinstance(error, AttributeError) and "has no attribute" in sentence and not lines:
        return Refusal(f"config.py does not set {getattr(error, 'name', sentence)}; the original file shows how")
    return Refusal(f"{where}: {type(error).__name__}: {sentence}")
