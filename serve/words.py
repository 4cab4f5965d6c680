"""Words that training and service must share (stdlib only)."""

from collections.abc import Iterable

MISSING = ""  # what a missing category is to the model; no declared value may be empty
RECORDS = "records"  # the key of many rows in a request; one row is the body itself
COLUMNS = "columns"  # the key of many rows in a request, written column by column
LONGEST = 200  # characters of a category's value
RUNTIMES = ONNX, SKOPS = "onnx", "skops"  # what can run a model: the graph's runtime, or scikit-learn itself


def folded(text: str) -> str:
    """Write a text as it is compared where case and spaces do not matter."""
    return " ".join(text.split()).casefold()


def spellings(values: Iterable[str]) -> dict[str, str]:
    """Find the declared value by its folded text."""
    return {folded(value): value for value in values}


def log_columns(labels: Iterable[str | int]) -> set[str]:
    """Name the columns that the prediction log has of its own, whatever the kind of the target."""
    own = {"id", "time", "date", "label", "probability", "value", "model", "model_version", "model_digest"}
    return own | {f"probability_{label}" for label in labels}
