"""Where the data come from and which rows judge: edit `load` when your table needs work before it keeps its contract.

A row is on the training or the judging side by a stable hash of its key (or of all its values), so exact duplicates
never fall on both sides and grown data never move a row. The judging rows that exist when `make freeze` runs are kept
as a list of digests: the frozen test part.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from serve.words import folded, spellings
from train.source import read
from validation.contract import MISSING, Config
from validation.script import ROOT, Refusal, digest
from validation.words.columns import Category, Column, Number, Quantity
from validation.words.settings import Split


@dataclass(frozen=True)
class Parts:
    """The rows to fit on, the frozen test part, and the judging rows that came after the freeze (`window`)."""

    train: pd.DataFrame
    test: pd.DataFrame
    window: pd.DataFrame


def load(config: Config) -> pd.DataFrame:
    """Load the whole table, one row a record; texts as `str`, missing values as NaN.

    Raises Refusal when the file cannot be parsed or holds no row.
    """
    content = read(config.data)
    texts = [column.name for column in config.features if isinstance(column, Category)]
    if config.target.labels and isinstance(config.target.labels[0], str):
        texts.append(config.target.name)
    try:
        if config.data.lower().endswith(".csv"):
            types = dict.fromkeys(texts, "str")
            frame = pd.read_csv(io.BytesIO(content), dtype=types, keep_default_na=False, na_values=[""])
            for column in (*config.features, config.target):
                if column.name in frame and column.name not in texts:
                    frame[column.name] = _numbers_where_they_are(frame[column.name])
        else:
            frame = pd.read_parquet(io.BytesIO(content))
    except (ValueError, OSError, UnicodeDecodeError) as error:  # pyarrow's errors are ValueErrors or OSErrors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refusal(f"{config.data} cannot be read as {Path(config.data).suffix[1:]}: {reason}") from None
    if frame.empty:
        raise Refusal(f"{config.data} holds no row")
    for name, values in frame.items():
        if isinstance(values.dtype, pd.CategoricalDtype):  # how it was stored, not what it says
            frame[name] = values.astype(values.cat.categories.dtype)
    return _as_declared(frame, config).reset_index(drop=True)


def _as_declared(frame: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Spell the values of folded categories as config.py does."""
    for column in config.features:
        if isinstance(column, Category) and column.fold and column.name in frame:
            declared = spellings(column.values)
            values = frame[column.name]
            spelt = [declared.get(folded(value), value) if isinstance(value, str) else value for value in values]
            frame[column.name] = pd.Series(spelt, index=values.index, dtype=values.dtype)
    return frame


def _numbers_where_they_are(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Keep the numbers of a CSV column that one bad text made a column of texts."""
    if pd.api.types.is_numeric_dtype(values):
        return values
    numbers = pd.to_numeric(values, errors="coerce")
    return values.astype("object").where(numbers.isna(), numbers.astype("object"))


def row_digests(frame: pd.DataFrame, config: Config) -> "pd.Series[str]":
    """Name each row by a hash (16 hexadecimal digits) of its key, or of all its values, whatever the column types."""
    parts = [_texts(frame[name], name, config) for name in (config.key or config.columns)]
    names = [hashlib.blake2b("\x1f".join(row).encode(), digest_size=8).hexdigest() for row in zip(*parts, strict=True)]
    return pd.Series(names, index=frame.index, dtype="str")


def _texts(values: "pd.Series[float]", name: str, config: Config) -> list[str]:
    """Write each value so that 1 and 1.0 are the same, and missing is unlike any text."""
    column = next((column for column in config.features if column.name == name), config.target)
    numeric = isinstance(column, Number | Quantity) or (
        column is config.target and isinstance(config.target.labels[0], int)
    )
    if numeric:
        numbers = pd.to_numeric(values, errors="coerce").astype("float64")
        wrong = numbers.isna() & values.notna()
        if wrong.any():
            raise Refusal(f"column {name}, row {wrong.idxmax()}: no number; `make schema` tells all that is wrong")
        # -0.0 is 0.0: pandas takes such rows for duplicates
        return ["\x00" if value != value else repr(value + 0.0) for value in numbers.tolist()]
    return ["\x00" if pd.isna(value) else str(value) for value in values.tolist()]


def on_test_side(digests: "pd.Series[str]", rule: Split) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Tell which rows fall on the judging side: digests are spread evenly, each draw takes the next share of them."""
    first = round((rule.draw - 1) * rule.test_share * 2**64)
    return np.array([(int(name, 16) - first) % 2**64 < rule.test_share * 2**64 for name in digests], dtype=bool)


def frozen(config: Config) -> frozenset[str]:
    """Read the digests of the frozen test part.

    Raises Refusal when there is none or the file is not such a list.
    """
    path = ROOT / config.split.test_part
    if not path.is_file():
        raise Refusal(f"{config.split.test_part} is missing: no test part is frozen; `make freeze` records one")
    head, _, rest = path.read_text(encoding="utf-8", errors="replace").partition("\n")
    if head != seal_of(rest, config) or not rest:
        raise Refusal(
            f"{config.split.test_part} is not the list that was frozen with this SPLIT: it was changed by hand, or"
            " test_share or draw was; restore it from git, or begin a new test part by `make freeze`"
        )
    return frozenset(rest.split())


def seal_of(listed: str, config: Config) -> str:
    """Return the first line of a list of row digests: it holds for these digests, this share and draw only."""
    return f"share {config.split.test_share:.6f}, draw {config.split.draw}, SHA-256 {digest(listed.encode())}"


def split(frame: pd.DataFrame, config: Config) -> Parts:
    """Split rows into training, frozen test part and window; each frame keeps its row digests as its index.

    Raises Refusal when rows of the frozen part are gone, or a part is empty.
    """
    absent = [name for name in config.columns if name not in frame.columns]
    if absent:
        raise Refusal(f"{config.data} has no column {', '.join(absent)}; `make schema` tells all that is wrong")
    names = row_digests(frame, config)
    kept = frozen(config)
    gone = len(kept - set(names))
    if gone:
        raise Refusal(
            f"{gone} of the {len(kept)} rows of the frozen test part ({config.split.test_part}) are not in"
            f" {config.data}: changed or removed rows cannot judge; restore them, or start a new part by `make freeze`"
        )
    in_test = names.isin(kept).to_numpy()
    held_back = on_test_side(names, config.split) | in_test
    named = frame.set_axis(pd.Index(names, name="row"), axis=0)
    parts = Parts(train=named[~held_back], test=named[in_test], window=named[held_back & ~in_test])
    if parts.train.empty:
        raise Refusal(f"{config.data}: no row is left to fit on; the frozen test part takes them all")
    return parts


def model_inputs(frame: pd.DataFrame, inputs: Sequence[Column]) -> pd.DataFrame:
    """Turn rows into what a model sees: numbers as float32 (missing NaN), categories as text (missing MISSING)."""
    columns = {}
    for column in inputs:
        values = frame[column.name]
        if isinstance(column, Number):
            columns[column.name] = values.to_numpy("float32", na_value=np.nan)
        else:
            columns[column.name] = values.astype("object").where(values.notna(), MISSING).to_numpy()
    return pd.DataFrame(columns, index=frame.index)


def as_columns(inputs: pd.DataFrame) -> "dict[str, np.ndarray[Any, Any]]":
    """Split model inputs into the columns that `serve.model` takes."""
    return {str(name): inputs[name].to_numpy() for name in inputs}


def outcomes(frame: pd.DataFrame, config: Config) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return the target, shape (rows,): the label's place in the order of the probabilities, or the quantity itself.

    Raises Refusal when a row holds no declared label.
    """
    values = frame[config.target.name]
    if isinstance(config.target, Quantity):
        return np.asarray(values, dtype="float64")
    places = values.map({label: place for place, label in enumerate(config.target.labels)})
    if places.isna().any():
        raise Refusal(f"column {config.target.name} holds an undeclared label; `make schema` tells in which rows")
    return np.asarray(places, dtype="float64")
