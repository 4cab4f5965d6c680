"""The contract: config.py read whole and checked against itself (stdlib only).

Everything else is derived from it: the pandera schema, the data-set expectations, the preprocessing, the inputs of the
ONNX graph, the request type of the service.
"""

import dataclasses
import importlib
import sys
import traceback
from dataclasses import dataclass

from serve.words import MISSING, RECORDS
from validation.columns import Binary, Category, Classes, Column, Number, Quantity, Target, require
from validation.expectations import Determines, Duplicates, Expectation, MissingShare, Resembles, Rows, Share
from validation.limits import check_limits
from validation.rules import (
    FAIRNESS_METRICS,
    PERFORMANCE_METRICS,
    Direction,
    Gate,
    Groups,
    Invariance,
    Model,
    Service,
    Split,
    check_gate,
)
from validation.script import ROOT, Refusal

__all__ = [
    "MISSING",
    "Binary",
    "Category",
    "Classes",
    "Config",
    "Determines",
    "Direction",
    "Duplicates",
    "Gate",
    "Groups",
    "Invariance",
    "MissingShare",
    "Model",
    "Number",
    "Quantity",
    "Resembles",
    "Rows",
    "Service",
    "Share",
    "Split",
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
    groups: Groups
    fairness: tuple[Gate, ...]
    behaviour: tuple[Direction | Invariance, ...]
    parity: float
    service: Service

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that the model sees, in the order of its inputs."""
        return tuple(column for column in self.features if not column.hidden)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the data, in order: features, then the target."""
        return (*(column.name for column in self.features), self.target.name)

    def __post_init__(self) -> None:
        names = list(self.columns)
        twice = sorted({name for name in names if names.count(name) > 1})
        require(not twice, f"column {', '.join(twice)} is declared twice")
        require(bool(self.inputs), "FEATURES: the model needs at least one column that is not hidden")
        require(RECORDS not in names, f"column {RECORDS!r} would clash with the request's own key; rename it in load")
        self._columns_exist()
        self._gates_are_measured()
        self._behaviour_is_possible()
        check_limits(self)

    def _columns_exist(self) -> None:
        for name in self.key:
            require(name in self.columns, f"KEY names {name!r}, which no column declares")
        declared = {column.name: column for column in self.features}
        for name in self.sensitive:
            require(
                isinstance(declared.get(name), Category),
                f"SENSITIVE names {name!r}, which no Category of FEATURES declares",
            )
        if self.model.reweigh_by is not None:
            require(
                self.model.reweigh_by in self.sensitive,
                f"MODEL: reweigh_by {self.model.reweigh_by!r} is not in SENSITIVE",
            )
            require(self.target.kind != "quantity", "MODEL: reweighing needs labels, the target is a Quantity")
        for rule in self.dataset:
            named = [getattr(rule, field) for field in ("column", "other") if hasattr(rule, field)]
            if isinstance(rule, Share) and rule.where is not None:
                named.append(rule.where[0])
            for column in named:
                require(column in self.columns, f"DATASET: {rule!r} names {column!r}, which no column declares")
        require(
            any(isinstance(rule, Rows) for rule in self.dataset),
            "DATASET: a Rows bound is needed; an empty table passes all else",
        )

    def _gates_are_measured(self) -> None:
        require(bool(self.performance), "PERFORMANCE: a model that no gate judges cannot be promoted; name a metric")
        for gate in self.performance:
            check_gate("PERFORMANCE", gate, self.target.kind, PERFORMANCE_METRICS[self.target.kind])
            require(gate.by is None, f"PERFORMANCE: Gate({gate.metric!r}): groups are judged under FAIRNESS")
        for gate in self.fairness:
            check_gate("FAIRNESS", gate, self.target.kind, FAIRNESS_METRICS[self.target.kind])
            require(gate.by in self.sensitive, f"FAIRNESS: Gate({gate.metric!r}): by={gate.by!r} is not in SENSITIVE")
            require(gate.lose_at_most is None, f"FAIRNESS: Gate({gate.metric!r}): give at_most or at_least")
        judged = {gate.by for gate in self.fairness}
        require(
            not self.fairness or judged == set(self.sensitive),
            f"FAIRNESS: no gate judges by {', '.join(sorted(set(self.sensitive) - judged))}; add one",
        )
        require(bool(self.fairness) or not self.sensitive, "FAIRNESS is empty although SENSITIVE names columns")

    def _behaviour_is_possible(self) -> None:
        declared = {column.name: column for column in self.features}
        for rule in self.behaviour:
            what = f"BEHAVIOUR: {type(rule).__name__}({rule.feature!r})"
            require(rule.feature in declared, f"{what}: no column of FEATURES has this name")
            if isinstance(rule, Direction):
                require(
                    isinstance(declared[rule.feature], Number) and not declared[rule.feature].hidden,
                    f"{what}: a direction needs a Number that the model sees",
                )
                require(self.target.kind != "classes", f"{what}: a direction needs a Binary or a Quantity target")


def load() -> Config:
    """Read config.py.

    Raises Refusal with the line at fault when it cannot be read or contradicts itself.
    """
    path = ROOT / "config.py"
    if not path.is_file():
        raise Refusal("config.py is missing from the top of the repository; restore it from git")
    try:
        module = importlib.import_module("config")
        return Config(**{field.name: getattr(module, field.name.upper()) for field in dataclasses.fields(Config)})
    except (Exception, SystemExit) as error:
        sys.modules.pop("config", None)
        raise _as_refusal(error) from error


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
