"""Cases written by people: rows of a CSV file with the answer that each must get."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve.words import folded, spellings
from validation.contract import Config
from validation.script import ROOT, Refusal
from validation.words.behaviours import Cases
from validation.words.columns import Number

EXPECTED = ("label", "at_least", "at_most")


@dataclass(frozen=True)
class Case:
    """One row of inputs by name (None is missing), and what is expected of the answer."""

    name: str
    row: dict[str, Any]
    label: str | None
    at_least: float | None
    at_most: float | None

    @property
    def expected(self) -> str:
        """What is expected, in words."""
        if self.label is not None:
            return self.label
        parts = [("at least", self.at_least), ("at most", self.at_most)]
        return " and ".join(f"{word} {limit:g}" for word, limit in parts if limit is not None)


def read_cases(rule: Cases, config: Config) -> list[Case]:
    """Read the cases of a file.

    Raises Refusal for what is no such table: a column too many or too few, a value that the contract does not know, a
    case without expectation or with two, no case at all.
    """
    path = ROOT / rule.file
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            lines = list(reader)
            heads = list(reader.fieldnames or [])
    except FileNotFoundError:
        raise Refusal(f"{rule.file} is missing; write cases, or take Cases out of BEHAVIOUR") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise Refusal(f"{rule.file} cannot be read as CSV: {error}") from None
    wanted = ["case", *(column.name for column in config.inputs)]
    missing = [name for name in wanted if name not in heads]
    hidden = [column.name for column in config.features if column.hidden]
    unknown = [name for name in heads if name not in (*wanted, *hidden, *EXPECTED, "why")]
    if missing or unknown or len(set(heads)) != len(heads):
        what = f"lacks {', '.join(missing)}" if missing else f"has no use for {', '.join(unknown) or 'a column twice'}"
        raise Refusal(f"{rule.file} {what}; its columns are case, every input of the model, label or bounds, why")
    if not lines:
        raise Refusal(f"{rule.file} holds no case; write some, or take Cases out of BEHAVIOUR")
    cases = [_case(line, f"{rule.file}, line {number}", config) for number, line in enumerate(lines, start=2)]
    names = [case.name for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refusal(f"{rule.file}: case {twice[0]!r} is there twice; give each a name of its own")
    return cases


def _case(line: dict[str, Any], where: str, config: Config) -> Case:
    if None in line or None in line.values() or not line["case"].strip():
        raise Refusal(f"{where}: the line has other columns than the first, or the case has no name")
    row = {column.name: _value(column, line[column.name], where) for column in config.inputs}
    label = line.get("label") or None
    low, high = (_limit(line.get(name) or None, name, where) for name in ("at_least", "at_most"))
    labels = [str(one) for one in config.target.labels]
    if (label is None) == (low is None and high is None):
        raise Refusal(f"{where}: expect either a label, or at_least or at_most")
    if label is not None and label not in labels:
        raise Refusal(f"{where}: {label!r} is no label of {config.target.name}: {', '.join(labels) or 'it has none'}")
    if label is None and config.target.kind == "classes":
        raise Refusal(f"{where}: of several classes a case expects a label; bounds have no one output to hold")
    return Case(line["case"].strip(), row, label, low, high)


def _value(column: Any, text: str, where: str) -> Any:
    if text == "":
        if not column.missing:
            raise Refusal(f"{where}: {column.name} is empty, and may not be missing")
        return None
    if isinstance(column, Number):
        number = _limit(text, column.name, where)
        whole = not column.integer or number == round(number or 0.0)
        if number is None or not column.low <= number <= column.high or not whole:
            raise Refusal(f"{where}: {column.name} is {text}, which its bounds in config.py do not allow")
        return number
    known = spellings(column.values).get(folded(text)) if column.fold else None
    if text not in column.values and known is None and column.unseen == "reject":
        raise Refusal(f"{where}: {column.name} is {text!r}, which config.py does not declare")
    return known or text


def _limit(text: str | None, name: str, where: str) -> float | None:
    try:
        number = None if text is None else float(text)
    except ValueError:
        raise Refusal(f"{where}: {name} is {text!r}, which is no number") from None
    if number is not None and number - number != 0:  # NaN and infinities
        raise Refusal(f"{where}: {name} is {text!r}, which is no finite number")
    return number
