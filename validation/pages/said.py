"""What report.json may hold: every text, list and number bounded, no field that is not named here (msgspec only).

Whoever reads the file did not see it written: a pull request's own code may have.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from validation.keys import DATA_GATES, MODEL_GATES

LONGEST_TEXT = 1_000  # characters
MOST_LINES = 500  # of one gate
MOST_ROWS = 200  # of any other list
COMMIT = r"\A([0-9a-f]{7,64}(-dirty)?|unknown)\Z"
GATES = (*DATA_GATES, *MODEL_GATES)

Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Count = Annotated[int, Meta(ge=0, le=10**12)]
VersionNumber = Annotated[int, Meta(ge=1, le=10**9)]
Digest = Annotated[str, Meta(pattern=r"\A([0-9a-f]{64})?\Z")]
Commit = Annotated[str, Meta(pattern=COMMIT)]
Sentences = Annotated[list[Text], Meta(max_length=MOST_ROWS)]


class Said(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the file."""


class Line(Said, frozen=True):
    """One line of a verdict; `bound` in words, empty where nothing judges."""

    measure: Text
    group: Text
    value: float | None
    interval: tuple[float, float] | None
    champion: float | None
    bound: Text
    n: Count
    verdict: Literal["pass", "fail", "same", "first", "waived", "shown", "insufficient"]
    why: Text


class GateSaid(Said, frozen=True):
    """One gate; `passed` is None when its verdict is missing."""

    gate: Literal["schema", "dataset", "performance", "fairness", "behaviour", "parity"]
    passed: bool | None
    measures: Annotated[list[Line], Meta(max_length=MOST_LINES)]


class Flip(Said, frozen=True, rename={"label": "from"}):
    """Rows whose prediction went from one label to another, and how many of them are right now."""

    label: Text
    to: Text
    rows: Count
    right: Count | None = None


class Slice(Said, frozen=True):
    """A slice of the test part, with the loss of both."""

    slice: Text
    rows: Count
    candidate: float | None
    champion: float | None


class Moved(Said, frozen=True):
    """How far a column's training data moved from the champion's: population stability index."""

    column: Text
    psi: float | None


class Trained(Said, frozen=True):
    """Rows that each was trained on."""

    candidate: Count | None = None
    champion: Count | None = None


class Asked(Said, frozen=True):
    """A change of the request, and whether a client that worked before breaks."""

    change: Text
    breaking: bool


class Changes(Said, frozen=True):
    """What changed against the champion, version `against`."""

    against: VersionNumber
    rows: Count | None = None
    flipped: Count | None = None
    flips: Annotated[list[Flip], Meta(max_length=MOST_ROWS)] | None = None
    moved: float | None = None
    slices: Annotated[list[Slice], Meta(max_length=MOST_ROWS)] | None = None
    data: Annotated[list[Moved], Meta(max_length=MOST_ROWS)] | None = None
    rows_trained: Trained | None = None
    request: Annotated[list[Asked], Meta(max_length=MOST_ROWS)] | None = None


class Rate(Said, frozen=True):
    """One measured error rate of the gates."""

    what: Text
    measure: Text
    wanted: Text
    passed: float | None
    low: float | None
    high: float | None
    trials: Count
    verdict: Literal["pass", "fail", "insufficient"]


class Rates(Said, frozen=True):
    """The error rates, and whether they were measured under the bounds and data of now."""

    current: bool
    lines: Annotated[list[Rate], Meta(max_length=MOST_ROWS)]


class Summary(Said, frozen=True):
    """All of report.json."""

    format: Literal[1]
    model: Name
    version: VersionNumber
    model_digest: Digest
    data_digest: Digest
    commit: Commit
    champion: VersionNumber | None
    anchor: VersionNumber | None
    passed: bool
    bounds_changed: Sentences
    faults: Sentences
    gates: Annotated[list[GateSaid], Meta(min_length=len(GATES), max_length=len(GATES))]
    changes: Changes | None
    anew: Text | None
    calibration: Rates | None
    pace: Text = ""  # what a model that is no ONNX graph costs its callers
