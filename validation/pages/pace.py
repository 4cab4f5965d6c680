"""What a model that is no ONNX graph costs its callers, in one sentence for card, report and comment."""

from collections.abc import Mapping
from typing import Any

from serve.runtime import NOTES
from serve.words import ONNX
from validation.gate import Verdict
from validation.pages.cells import number_text


def pace(release: Mapping[str, Any], verdicts: Mapping[str, Verdict]) -> str:
    """Say why it is none, what runs it instead, and how long a row took when parity was judged; nothing for a graph."""
    if release["runtime"] == ONNX:
        return ""
    why = release.get("runtime_why", "nobody knows why")
    said = f"Not served as an ONNX graph: {why}. {NOTES[release['runtime']]}."
    cost = verdicts["parity"].evidence.get("cost", {}) if "parity" in verdicts else {}
    times = [cost.get(f"{key}_microseconds_per_row") for key in ("row", "batch")]
    if not all(isinstance(time, int | float) for time in times):
        return said
    alone, batched = map(number_text, times)
    return f"{said} Where parity was judged, a row alone took {alone} microseconds, in a batch {batched}."
