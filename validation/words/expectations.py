"""The words of config.py for promises that only the whole table can keep or break (stdlib only)."""

from dataclasses import dataclass

from validation.words.bounds import Bound
from validation.words.columns import finite, require, text


@dataclass(frozen=True)
class Rows:
    """The whole table has from `at_least` to `at_most` rows."""

    at_least: int
    at_most: int
    why: str

    def __post_init__(self) -> None:
        require(0 < self.at_least <= self.at_most, "Rows: at_least must be above 0 and not above at_most")
        require(text(self.why), "Rows: say why in a sentence")


@dataclass(frozen=True)
class Share:
    """A share from `at_least` to `at_most` of the rows holds `value`; `where`, (column, value), narrows them."""

    column: str
    value: str | int
    at_least: float
    at_most: float
    why: str
    where: tuple[str, str | int] | None = None

    def __post_init__(self) -> None:
        require(
            finite(self.at_least, self.at_most) and 0 <= self.at_least <= self.at_most <= 1,
            f"Share({self.column!r}): bounds must be 0 <= at_least <= at_most <= 1",
        )
        require(text(self.why), f"Share({self.column!r}): say why in a sentence")


@dataclass(frozen=True)
class MissingShare:
    """At most a share `at_most` (0 to 1) of `column` is missing."""

    column: str
    at_most: float
    why: str

    def __post_init__(self) -> None:
        require(
            finite(self.at_most) and 0 <= self.at_most < 1,
            f"MissingShare({self.column!r}): at_most must be 0 to below 1",
        )
        require(text(self.why), f"MissingShare({self.column!r}): say why in a sentence")


@dataclass(frozen=True)
class Duplicates:
    """At most a share `at_most` (0 to 1) of the rows repeats another row in every column."""

    at_most: float
    why: str

    def __post_init__(self) -> None:
        require(finite(self.at_most) and 0 <= self.at_most < 1, "Duplicates: at_most must be 0 to below 1")
        require(text(self.why), "Duplicates: say why in a sentence")


@dataclass(frozen=True)
class Determines:
    """Each value of `column` goes with exactly one value of `other`."""

    column: str
    other: str
    why: str

    def __post_init__(self) -> None:
        require(text(self.why), f"Determines({self.column!r}): say why in a sentence")


@dataclass(frozen=True)
class Resembles:
    """The distribution of `column` is within `at_most` nats (Kullback-Leibler divergence) of the recorded reference."""

    column: str
    at_most: float
    why: str

    def __post_init__(self) -> None:
        require(finite(self.at_most) and self.at_most > 0, f"Resembles({self.column!r}): at_most must be positive")
        require(text(self.why), f"Resembles({self.column!r}): say why in a sentence")


Expectation = Rows | Share | MissingShare | Duplicates | Determines | Resembles


def bound_of(rule: Expectation) -> Bound:
    """Return the bound of what a promise measures."""
    if isinstance(rule, Rows | Share):
        return Bound(at_least=rule.at_least, at_most=rule.at_most)
    return Bound(at_least=1, at_most=1) if isinstance(rule, Determines) else Bound(at_most=rule.at_most)


def name_of(rule: Expectation) -> tuple[str, str]:
    """Name what an expectation measures, and the rows it looks at."""
    match rule:
        case Rows():
            return "rows", ""
        case Share():
            return f"share of {rule.column} = {rule.value}", f"{rule.where[0]} = {rule.where[1]}" if rule.where else ""
        case MissingShare():
            return f"missing share of {rule.column}", ""
        case Duplicates():
            return "share of repeated rows", ""
        case Determines():
            return f"values of {rule.other} for a {rule.column}", ""
        case Resembles():
            return f"divergence of {rule.column} from the reference", ""
