"""Parity: the service computes what training computed, or the gate is red."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from serve.bundle import MANIFEST, seal
from validation.parity import judge
from validation.script import Refusal


def red(measures) -> set[tuple[str, str]]:
    return {(line.measure, line.group) for line in measures if line.verdict == "fail"}


@pytest.fixture
def folder(made, tmp_path):
    """A copy of the default model that a test may change and seal again."""
    return shutil.copytree(made("default"), tmp_path / "model")


def test_the_default_model_agrees(candidate, folder, config) -> None:
    """On every test row, in any order, and on every golden row."""
    measures = judge(candidate(folder), config).measures
    assert set() == red(measures)
    assert {16208} == {line.n for line in measures if line.group == "test rows"}


def change_output(folder, change) -> None:
    outputs = pd.read_parquet(folder / "outputs.parquet")
    change(outputs)
    outputs.to_parquet(folder / "outputs.parquet")
    (folder / MANIFEST).unlink()
    seal(folder)


def test_one_other_output_fails(candidate, folder, config) -> None:
    """One row of sixteen thousand that training recorded otherwise is enough."""

    def shift(outputs) -> None:
        outputs.loc[0, "output_1"] += 2e-5

    change_output(folder, shift)
    assert ("largest difference", "test rows") in red(judge(candidate(folder), config).measures)


def test_an_output_that_is_no_number_fails(candidate, folder, config) -> None:
    """NaN in the record is no agreement."""

    def spoil(outputs) -> None:
        outputs.loc[0, "output_1"] = np.nan

    change_output(folder, spoil)
    assert ("largest difference", "test rows") in red(judge(candidate(folder), config).measures)


def test_a_row_without_record_fails(candidate, folder, config) -> None:
    """Every test row was recorded; one that was not proves nothing."""
    outputs = pd.read_parquet(folder / "outputs.parquet").iloc[1:]
    outputs.to_parquet(folder / "outputs.parquet")
    (folder / MANIFEST).unlink()
    seal(folder)
    assert ("largest difference", "test rows") in red(judge(candidate(folder), config).measures)


def test_a_flipped_label_fails(candidate, folder, config) -> None:
    """Golden rows whose label turned are counted."""
    golden = json.loads((folder / "golden.json").read_text())
    golden["fitted"][0] = golden["fitted"][0][::-1]
    (folder / "golden.json").write_text(json.dumps(golden))
    (folder / MANIFEST).unlink()
    seal(folder)
    assert ("flipped labels", "golden rows") in red(judge(candidate(folder), config).measures)


def test_a_damaged_folder_is_refused(candidate, folder, config) -> None:
    """A byte that changed without its digest is no model at all."""
    graph = bytearray((folder / "model.onnx").read_bytes())
    graph[len(graph) // 2] ^= 1
    (folder / "model.onnx").write_bytes(graph)
    with pytest.raises(Refusal, match=r"model\.onnx is not what the manifest lists"):
        judge(candidate(folder), config)
