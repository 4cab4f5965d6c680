"""The types of a request, made from the contract of a bundle's inputs."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from serve.words import LONGEST


def row_type(inputs: Sequence[dict[str, Any]]) -> type[Any]:
    """Make the struct of one row: every column is required, none is unknown."""
    # Column names need not be Python names: attributes are numbered, the wire keeps the columns' names
    fields = [(f"column_{place}", type_of(spec)) for place, spec in enumerate(inputs)]
    rename = {f"column_{place}": spec["name"] for place, spec in enumerate(inputs)}
    return msgspec.defstruct("Row", fields, forbid_unknown_fields=True, rename=rename, gc=False)


def type_of(spec: dict[str, Any]) -> Any:
    """Make the type of one column's value."""
    kind: Any
    if spec["type"] == "number":
        if spec["integer"]:
            # 39.0 is a whole number too: a client's column with a gap in it holds such
            bounds = msgspec.Meta(ge=math.ceil(spec["low"]), le=math.floor(spec["high"]), multiple_of=1)
            kind = Annotated[float, bounds]
        else:
            kind = Annotated[float, msgspec.Meta(ge=spec["low"], le=spec["high"])]
    elif spec.get("fold"):
        said = f"one of {', '.join(spec['values'])}, in whatever case" if spec["unseen"] == "reject" else "any text"
        kind = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST, description=said)]
    elif spec["unseen"] == "other":
        kind = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]
    else:
        kind = Literal[tuple(spec["values"])]
    return kind | None if spec["missing"] else kind
