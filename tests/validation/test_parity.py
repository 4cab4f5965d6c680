"""Parity: the service computes what training computed, or the gate is red."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from serve.bundle import MANIFEST, seal
from serve.model import Model
from validation.asked import BATCHES, ROW, SIZE
from validation.parity import judge
from validation.script import Refusal
from validation.words.settings import Cost


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
    assert {
        *("test rows", "test rows in another order", "test rows with a value missing", "test rows with a value unseen"),
        *(
            "golden rows, limits",
            "golden rows, missing values",
            "golden rows, typical",
            "golden rows, unseen categories",
        ),
    } == {line.group for line in measures if line.measure == "flipped labels"}
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


@pytest.mark.parametrize("kind", ["missing", "unseen"])
def test_a_row_that_was_altered_is_compared(candidate, folder, config, kind) -> None:
    """What training recorded for a row with a value missing, or one never seen, counts as well."""

    def shift(outputs) -> None:
        outputs.loc[0, f"{kind}_1"] += 2e-5

    change_output(folder, shift)
    red_lines = red(judge(candidate(folder), config).measures)
    assert {("largest difference", f"test rows with a value {kind}")} == red_lines


def test_a_set_that_was_not_recorded_fails(candidate, folder, config) -> None:
    """Without the record of the altered rows nothing is proven for them."""
    change_output(folder, lambda outputs: (outputs.pop("missing_0"), outputs.pop("missing_1")))
    assert ("largest difference", "test rows with a value missing") in red(judge(candidate(folder), config).measures)


def test_kinds_that_do_not_fit_the_golden_rows_fail(candidate, folder, config) -> None:
    """Golden rows whose record has another length are no proof."""
    golden = json.loads((folder / "golden.json").read_text())
    golden["kinds"].pop()
    (folder / "golden.json").write_text(json.dumps(golden))
    (folder / MANIFEST).unlink()
    seal(folder)
    assert ("largest difference", "golden rows") in red(judge(candidate(folder), config).measures)


def costs(measures) -> dict[str, str]:
    return {line.measure: line.verdict for line in measures if line.measure in (SIZE, ROW, BATCHES)}


def test_a_graph_that_is_too_large_fails(candidate, folder, config) -> None:
    """The size is that of the file that is served."""
    small = replace(config, cost=Cost(max_bytes=1000, slower_at_most=3.0))
    assert {SIZE: "fail", ROW: "first", BATCHES: "first"} == costs(judge(candidate(folder), small).measures)


def test_the_champion_is_as_fast_as_itself(candidate, folder, config) -> None:
    """A candidate with the champion's digest is not timed against it."""
    proposed = candidate(folder)
    measures = judge(replace(proposed, champion=proposed.version), config).measures
    assert {SIZE: "pass", ROW: "same", BATCHES: "same"} == costs(measures)


def test_a_slower_model_fails(candidate, folder, made, config, monkeypatch) -> None:
    """The ratio to the champion's time is held against the bound; the clock here is made of scored rows."""
    scored = {"rows": 0.0}
    slow = Model(folder).digest

    def outputs(model, columns, real=Model.outputs):
        rows = len(next(iter(columns.values())))
        scored["rows"] += rows * (4 if model.digest == slow else 1)
        return real(model, columns)

    quarter = made("half the trees", model=replace(config.model, parameters={"max_iter": 50}))
    monkeypatch.setattr(Model, "outputs", outputs)
    monkeypatch.setattr("time.perf_counter", lambda: scored["rows"])
    judgement = judge(candidate(folder, quarter), config)
    assert {SIZE: "pass", ROW: "fail", BATCHES: "fail"} == costs(judgement.measures)
    assert 4 == judgement.evidence["cost"]["row_ratio"]
    assert {SIZE: "pass", ROW: "pass", BATCHES: "pass"} == costs(judge(candidate(quarter, folder), config).measures)


def test_a_champion_of_another_contract_is_not_timed(candidate, folder, made, config) -> None:
    """A champion that takes a column that these data do not have starts the line anew."""
    other = made("sees all", features=tuple(replace(column, hidden=False) for column in config.features))
    fewer = replace(
        config,
        features=tuple(column for column in config.features if column.name != "education"),
        dataset=config.dataset[:1],
    )
    measures = judge(candidate(folder, other), fewer).measures
    assert {SIZE: "pass", ROW: "first", BATCHES: "first"} == costs(measures)


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


@pytest.mark.parametrize("kind", ["limits", "missing values", "typical", "unseen categories"])
def test_a_flipped_label_fails(candidate, folder, config, kind) -> None:
    """Golden rows whose label turned are counted."""
    golden = json.loads((folder / "golden.json").read_text())
    place = golden["kinds"].index(kind)
    golden["fitted"][place] = golden["fitted"][place][::-1]
    (folder / "golden.json").write_text(json.dumps(golden))
    (folder / MANIFEST).unlink()
    seal(folder)
    assert ("flipped labels", f"golden rows, {kind}") in red(judge(candidate(folder), config).measures)


def test_a_damaged_folder_is_refused(candidate, folder, config) -> None:
    """A byte that changed without its digest is no model at all."""
    graph = bytearray((folder / "model.onnx").read_bytes())
    graph[len(graph) // 2] ^= 1
    (folder / "model.onnx").write_bytes(graph)
    with pytest.raises(Refusal, match=r"model\.onnx is not what the manifest lists"):
        judge(candidate(folder), config)
