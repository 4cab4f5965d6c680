"""What is pieced together from templates is the JSON that it looks like, for every kind of target."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from serve.wire.scored import Scored, Templates

MODEL = SimpleNamespace(choices=lambda outputs: np.argmax(outputs, axis=1))
ODD = 'a "label" with 100 % of\nall'
TARGETS = {
    "binary": ({"kind": "binary", "labels": ["no", ODD]}, [[0.9, 0.1], [0.25, 0.75]],
               lambda row: {"label": ["no", ODD][int(np.argmax(row))], "probability": row[1]}),
    "coded": ({"kind": "binary", "labels": [0, 1]}, [[0.9, 0.1], [0.25, 0.75]],
              lambda row: {"label": int(np.argmax(row)), "probability": row[1]}),
    "classes": ({"kind": "classes", "labels": ["x", ODD, "y"]}, [[0.1, 0.7, 0.2], [0.5, 0.1, 0.4]],
                lambda row: {"label": ["x", ODD, "y"][int(np.argmax(row))],
                             "probabilities": dict(zip(["x", ODD, "y"], row, strict=True))}),
    "quantity": ({"kind": "quantity", "labels": []}, [[1e-7], [123456.79]], lambda row: {"value": row[0]}),
}  # fmt: skip


@pytest.mark.parametrize(("target", "outputs", "wanted"), TARGETS.values(), ids=TARGETS.keys())
def test_every_kind_of_prediction_is_json_and_keeps_its_bits(target, outputs, wanted) -> None:
    """Labels are escaped, and each number read back is the same float32."""
    held = np.array(outputs, dtype="float32")
    scored, templates = Scored(MODEL, held), Templates(target)
    expected = [wanted(row) for row in held.astype("float64").tolist()]
    assert expected == json.loads(b"[" + templates.rows(scored, 0, 2) + b"]")
    assert expected[1] == json.loads(templates.row(scored, 1))
