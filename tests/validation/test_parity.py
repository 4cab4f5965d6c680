"""Parity: the service computes what training computed, or the gate is red."""

import json
import shutil
import zipfile
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


@pytest.fixture
def in_skops(made, config):
    """The default model as scikit-learn itself runs it."""
    return made("default in skops", model=replace(config.model, runtime="skops"))


@pytest.fixture
def clock(monkeypatch):
    """A clock that a row of the one moves by four, a row of any other by one."""

    def start(slow) -> None:
        scored = {"rows": 0.0}
        digest = Model(slow).digest

        def outputs(model, columns, real=Model.outputs):
            scored["rows"] += len(next(iter(columns.values()))) * (4 if model.digest == digest else 1)
            return real(model, columns)

        monkeypatch.setattr(Model, "outputs", outputs)
        monkeypatch.setattr("time.perf_counter", lambda: scored["rows"])

    return start


def test_a_model_in_skops_agrees(candidate, in_skops, config) -> None:
    """On every set of rows, by the same gate; its size is that of its file."""
    judgement = judge(candidate(in_skops), config)
    assert set() == red(judgement.measures)
    assert (in_skops / "model.skops").stat().st_size == judgement.evidence["cost"]["bytes"]


def test_who_falls_back_behind_a_graph_is_judged_by_its_pace(candidate, folder, in_skops, config, clock) -> None:
    """Nobody asked for it: too slow is red, and the line says what to do where it is meant."""
    clock(in_skops)
    measures = judge(candidate(in_skops, folder), config).measures
    assert {SIZE: "pass", ROW: "fail", BATCHES: "fail"} == costs(measures)
    assert {True} == {"MODEL says so where it is meant" in line.why for line in measures if line.verdict == "fail"}


def test_who_asks_for_skops_has_a_pace_of_his_own(candidate, folder, in_skops, config, clock) -> None:
    """Against a graph nothing is compared, against a pipeline it is; a graph is held against a pipeline too."""
    asking = replace(config, model=replace(config.model, runtime="skops"))
    clock(in_skops)
    judgement = judge(candidate(in_skops, folder), asking)
    assert {SIZE: "pass", ROW: "first", BATCHES: "first"} == costs(judgement.measures)
    assert judgement.evidence["cost"]["row_ratio"] is None
    assert {SIZE: "pass", ROW: "pass", BATCHES: "pass"} == costs(judge(candidate(folder, in_skops), asking).measures)


def test_a_pipeline_is_judged_by_a_pipelines_pace(candidate, made, in_skops, config, clock) -> None:
    """Whatever MODEL asks for."""
    half = replace(config.model, parameters={"max_iter": 50}, runtime="skops")
    quick, asking = made("half the trees in skops", model=half), replace(config, model=half)
    clock(in_skops)
    assert {SIZE: "pass", ROW: "fail", BATCHES: "fail"} == costs(judge(candidate(in_skops, quick), asking).measures)


def test_a_champion_that_the_library_of_now_cannot_run_is_not_timed(
    candidate, folder, in_skops, tmp_path, config
) -> None:
    """The line starts anew, and says by which versions; as a candidate it is refused."""
    old = shutil.copytree(in_skops, tmp_path / "old")
    with zipfile.ZipFile(old / "model.skops", "a") as archive:
        archive.comment = b"scikit-learn 1.2.3"
    content = (old / "model.skops").read_bytes()
    (old / "model.skops").write_bytes(content.replace(b"TreePredictor", b"TreeForeteller"[:13]))
    (old / MANIFEST).unlink()
    seal(old)
    measures = judge(candidate(folder, old), config).measures
    assert {SIZE: "pass", ROW: "first", BATCHES: "first"} == costs(measures)
    assert {True} == {"scikit-learn 1.2.3, here is" in line.why for line in measures if line.verdict == "first"}
    with pytest.raises(Refusal, match=r"made with another version of its library .* fit it again"):
        judge(candidate(old), config)


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
