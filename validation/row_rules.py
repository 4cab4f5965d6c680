"""Rules of single rows, derived from the contract as a pandera model."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pandera.errors
import pandera.pandas as pa

from validation.contract import Config
from validation.gate import Measure, judged
from validation.words.bounds import Bound
from validation.words.columns import Category, Number, Quantity

NONE = Bound(at_most=0)
EXAMPLES = 3  # rows quoted for each broken rule


def schema_of(config: Config) -> pa.DataFrameSchema:
    """Derive the pandera model of the table; its checks' names are the rules in words."""
    columns: dict[str, Any] = {}
    for column in (*config.features, config.target):
        if isinstance(column, Number | Quantity):
            rules = _number_rules(column.low, column.high, isinstance(column, Number) and column.integer)
        elif isinstance(column, Category):
            rules = _label_rules(column.values)
        else:
            rules = _label_rules(column.labels)
        checks = [pa.Check(rule, name=name, error=name) for name, rule in rules]
        nullable = isinstance(column, Number | Category) and column.missing
        columns[column.name] = pa.Column(None, checks=checks, nullable=nullable, coerce=False)
    unique = list(config.key) or None
    return pa.DataFrameSchema(columns, strict=True, unique=unique, unique_column_names=True)


def _number_rules(low: float, high: float, integer: bool) -> list[tuple[str, Any]]:
    def is_number(values: "pd.Series[Any]") -> Any:
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            return pd.Series(True, index=values.index)
        return values.map(lambda value: isinstance(value, int | float) and not isinstance(value, bool))

    def within_bounds(values: "pd.Series[Any]") -> Any:
        numbers = pd.to_numeric(values, errors="coerce")
        return numbers.between(low, high) | numbers.isna()

    def is_whole(values: "pd.Series[Any]") -> Any:
        numbers = pd.to_numeric(values, errors="coerce")
        return (numbers % 1 == 0) | numbers.isna()

    rules = [("is a number", is_number), (f"is from {low:g} to {high:g}", within_bounds)]
    return [*rules, ("is a whole number", is_whole)] if integer else rules


def _label_rules(labels: Sequence[str | int]) -> list[tuple[str, Any]]:
    declared, kind = set(labels), type(labels[0])

    def is_declared(values: "pd.Series[Any]") -> Any:
        if kind is int:
            return values.isin(declared) & (not pd.api.types.is_bool_dtype(values))
        return values.map(lambda value: isinstance(value, str) and value in declared)

    return [("is a declared value", is_declared)]


def broken_promises(frame: pd.DataFrame, config: Config) -> list[Measure]:
    """Check every rule on every row; one failing measure a broken rule, or one passing measure."""
    try:
        schema_of(config).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        return _grouped(error.failure_cases, frame, config)
    return [judged("rows that break a rule", "", 0.0, NONE, len(frame), "each row keeps the contract")]


def _grouped(cases: pd.DataFrame, frame: pd.DataFrame, config: Config) -> list[Measure]:
    found: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
    for column, check, value, row in zip(
        cases["column"], cases["check"], cases["failure_case"], cases["index"], strict=True
    ):
        if check in ("column_in_dataframe", "column_in_schema"):
            rule = "exists in the data" if check == "column_in_dataframe" else "is declared in config.py"
            found.setdefault((str(value), rule), []).append((None, None))
        elif check == "multiple_fields_uniqueness":
            found.setdefault((", ".join(config.key), "names one row only"), []).append((row, None))
        else:
            rule = {"not_nullable": "is not missing"}.get(check, str(check))
            found.setdefault((str(column), rule), []).append((row, value))
    measures = []
    for (column, rule), rows in found.items():
        distinct = dict(rows)  # a rule on several columns reports a row once a column
        quoted = "; ".join(_quote(row, value, rule, config) for row, value in list(distinct.items())[:EXAMPLES])
        more = f" and {len(distinct) - EXAMPLES} more" if len(distinct) > EXAMPLES else ""
        measures.append(
            judged(
                f"{column} {rule}",
                "",
                float(len(distinct)),
                NONE,
                len(frame),
                f"{config.data}: {quoted or 'column ' + column}{more}",
            )
        )
    return measures


def _quote(row: Any, value: Any, rule: str, config: Config) -> str:
    if row is None or (isinstance(row, float) and pd.isna(row)):
        return "the column as a whole"
    if value is None or rule == "is not missing":
        return f"row {int(row)}"
    return f"row {int(row)}: {str(value)[:60] if config.show_values else 'value withheld'}"
