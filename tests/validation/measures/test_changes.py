"""What is different from the champion is told as it is."""

import json

import numpy as np
import pandas as pd
import pytest

from train.data import outcomes
from validation.judged import Judged
from validation.measures.changes import changes, psi, request_changes


def number(name: str = "age", **changed: object) -> dict[str, object]:
    return {"name": name, "type": "number", "low": 0, "high": 9, "integer": True, "missing": False} | changed


def category(**changed: object) -> dict[str, object]:
    return {"name": "town", "type": "category", "values": ["a", "b"], "unseen": "reject", "missing": False} | changed


CHANGES = {
    "nothing": ([number()], [number()], []),
    "an input more": ([number(), category()], [number()], [("town has to be sent", True)]),
    "an input less": ([number()], [number(), category()], [("town is gone from the request", True)]),
    "another type": ([category(name="age")], [number()], [("age is a category, it was a number", True)]),
    "may be missing": ([number(missing=True)], [number()], [("age may be missing", False)]),
    "may no longer be missing": ([number()], [number(missing=True)], [("age may no longer be missing", True)]),
    "narrower": ([number(high=8)], [number()], [("age is from 0 to 8, it was 0 to 9", True)]),
    "wider": ([number(low=-1)], [number()], [("age is from -1 to 9, it was 0 to 9", False)]),
    "whole": ([number()], [number(integer=False)], [("age has to be a whole number", True)]),
    "no longer whole": ([number(integer=False)], [number()], [("age need not be a whole number", False)]),
    "a value less": ([category(values=["a"])], [category()], [("town no longer knows b", True)]),
    "a value less, taken as other": (
        [category(values=["a"], unseen="other")],
        [category(unseen="other")],
        [("town no longer knows b", False)],
    ),
    "a value more": ([category(values=["a", "b", "c"])], [category()], [("town knows c", False)]),
    "takes others": ([category(unseen="other")], [category()], [("town takes values that it does not know", False)]),
    "rejects others": ([category()], [category(unseen="other")], [("town rejects values that it does not know", True)]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_request_is_breaking_or_not(tmp_path, change) -> None:
    """Breaking means that a request which was taken is taken no longer."""
    new, old, expected = CHANGES[change]
    for name, inputs in (("new", new), ("old", old)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "contract.json").write_text(json.dumps({"inputs": inputs}))
    found = request_changes(tmp_path / "new", tmp_path / "old")
    assert expected == [(one["change"], one["breaking"]) for one in found]


def test_equal_counts_have_no_distance() -> None:
    """The index is nought for the same shares, and grows with the distance."""
    counts = np.array([10.0, 20.0, 70.0])
    assert psi(counts, counts) == pytest.approx(0)
    assert psi(counts, counts[::-1]) > psi(counts, np.array([12.0, 20.0, 68.0])) > 0


def test_flips_slices_and_data_are_told(made, parts, config) -> None:
    """Who gets another answer, where the loss rose most, and which column moved since the champion was fitted."""
    rows = parts.test
    outcome = outcomes(rows, config)
    right = np.column_stack([1 - outcome, outcome]).clip(0.1, 0.9)
    women = (rows["sex"] == "Female").to_numpy()
    wrong = np.where(women[:, None], right[:, ::-1], right)
    own, theirs = (Judged(None, rows, rows, outcome, outputs) for outputs in (wrong, right))
    train = parts.train.assign(age=(parts.train["age"] + 20).clip(upper=100))
    folder = made("default")
    told = changes(own, theirs, (folder, folder), train, config)
    assert women.sum() == told["flipped"]
    assert {"from": "<=50K", "to": ">50K", "right": 0} == {
        name: told["flips"][0][name] for name in ("from", "to", "right")
    }
    assert "sex = Female" in [one["slice"] for one in told["slices"]]
    assert told["slices"][0]["candidate"] > told["slices"][0]["champion"]
    assert "age" == told["data"][0]["column"]
    assert told["data"][0]["psi"] > 0.5 > told["data"][1]["psi"]
    assert [] == told["request"]
    json.dumps(told, allow_nan=False)


def test_the_same_data_have_not_moved(made, parts, config) -> None:
    """Counted in the champion's bins, the rows that it was fitted on give nought."""
    rows = parts.test
    outcome = outcomes(rows, config)
    outputs = np.column_stack([1 - outcome, outcome]).clip(0.1, 0.9)
    same = Judged(None, rows, pd.DataFrame(), outcome, outputs)
    folder = made("default")
    told = changes(same, same, (folder, folder), parts.train, config)
    assert (0, 0.0) == (told["flipped"], told["moved"])
    assert all(one["psi"] == pytest.approx(0) for one in told["data"])
