"""The words of config.py for data: columns and targets, and what makes them wrong (stdlib only)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from serve.words import LONGEST, folded
from validation.script import Refusal


def require(condition: bool, sentence: str) -> None:
    """Raise Refusal with `sentence` unless `condition` holds."""
    if not condition:
        raise Refusal(f"config.py: {sentence}")


def finite(*numbers: float | None) -> bool:
    """Tell whether each number that is given is one, and finite."""
    return all(
        number is None or (isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number))
        for number in numbers
    )


def text(*values: object) -> bool:
    """Tell whether each value is a text that is not empty and has no outer spaces."""
    return all(isinstance(value, str) and value.strip() == value and value for value in values)


@dataclass(frozen=True)
class Number:
    """A numeric column: bounds are inclusive, in `unit`; `hidden` columns are judged by but never seen by the model."""

    name: str
    low: float
    high: float
    unit: str = ""
    integer: bool = False
    missing: bool = False
    hidden: bool = False

    def __post_init__(self) -> None:
        require(text(self.name), f"Number({self.name!r}): the name must be a text without outer spaces")
        require(finite(self.low, self.high), f"Number({self.name!r}): low and high must be finite numbers")
        require(self.low < self.high, f"Number({self.name!r}): low={self.low} must be below high={self.high}")
        require(
            max(abs(self.low), abs(self.high)) <= 1e38,
            f"Number({self.name!r}): bounds beyond 1e38 do not fit the model's float32; rescale the column in load",
        )
        require(
            not self.integer or math.ceil(self.low) <= math.floor(self.high),
            f"Number({self.name!r}): no whole number lies from {self.low} to {self.high}",
        )
        # The service computes in float32: beyond this bound neighbouring integers become one number.
        require(
            not self.integer or max(abs(self.low), abs(self.high)) <= 2**24,
            f"Number({self.name!r}): whole numbers beyond 2**24 lose digits in the model's float32;"
            " declare integer=False, or rescale the column in train/data.py",
        )


@dataclass(frozen=True)
class Category:
    """A text column with a closed list of values; the service rejects an `unseen` one, or scores it as "other".

    With `fold`, case and spaces do not matter: data and requests may spell a value otherwise, the model sees the
    declared one.
    """

    name: str
    values: tuple[str, ...]
    missing: bool = False
    hidden: bool = False
    unseen: Literal["reject", "other"] = "reject"
    fold: bool = False

    def __post_init__(self) -> None:
        require(text(self.name), f"Category({self.name!r}): the name must be a text without outer spaces")
        require(
            isinstance(self.values, tuple) and len(self.values) >= 2 and text(*self.values),
            f"Category({self.name!r}): values must be a tuple of two or more texts without outer spaces, none empty"
            " (a coded column is a Number, or becomes text in train/data.py)",
        )
        require(len(set(self.values)) == len(self.values), f"Category({self.name!r}): a value is listed twice")
        require(
            max(map(len, self.values)) <= LONGEST,
            f"Category({self.name!r}): a value is longer than {LONGEST} characters",
        )
        require(
            not self.fold or len(set(map(folded, self.values))) == len(self.values),
            f"Category({self.name!r}): with fold, two values are one but for case and spaces",
        )
        require(
            self.unseen in ("reject", "other"),
            f'Category({self.name!r}): unseen must be "reject" or "other", not {self.unseen!r}',
        )


Column = Number | Category


@dataclass(frozen=True)
class Binary:
    """A target with two labels; `positive` is the one that probabilities and rates are about."""

    name: str
    positive: str | int
    negative: str | int

    kind = "binary"

    def __post_init__(self) -> None:
        require(text(self.name), f"Binary({self.name!r}): the name must be a text without outer spaces")
        _labels(f"Binary({self.name!r})", (self.negative, self.positive))

    @property
    def labels(self) -> tuple[str | int, ...]:
        """The labels in the order of the model's probabilities: negative, positive."""
        return (self.negative, self.positive)


@dataclass(frozen=True)
class Classes:
    """A target with three or more labels."""

    name: str
    values: tuple[str | int, ...]

    kind = "classes"

    def __post_init__(self) -> None:
        require(text(self.name), f"Classes({self.name!r}): the name must be a text without outer spaces")
        require(
            isinstance(self.values, tuple) and len(self.values) >= 3,
            f"Classes({self.name!r}): values must be a tuple of three or more labels (two are a Binary)",
        )
        _labels(f"Classes({self.name!r})", self.values)

    @property
    def labels(self) -> tuple[str | int, ...]:
        """The labels in the order of the model's probabilities."""
        return self.values


@dataclass(frozen=True)
class Quantity:
    """A target that is a number; bounds are inclusive, in `unit`."""

    name: str
    low: float
    high: float
    unit: str = ""

    kind = "quantity"

    def __post_init__(self) -> None:
        require(text(self.name), f"Quantity({self.name!r}): the name must be a text without outer spaces")
        require(
            finite(self.low, self.high) and self.low < self.high,
            f"Quantity({self.name!r}): low and high must be finite numbers, low below high",
        )

    @property
    def labels(self) -> tuple[str | int, ...]:
        """A quantity has no labels."""
        return ()


Target = Binary | Classes | Quantity


def _labels(what: str, labels: Sequence[str | int]) -> None:
    kinds = {type(label) for label in labels}
    require(kinds in ({str}, {int}), f"{what}: labels must be all texts or all whole numbers")
    require(kinds == {int} or text(*labels), f"{what}: a label is empty or has outer spaces")
    require(len(set(labels)) == len(labels), f"{what}: a label is listed twice")
