"""What was scored is counted, by bin, by value, missing and unseen; nothing grows with the requests."""

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serve.coded import Texts
from serve.refusal import KINDS
from serve.seen.counts import Counts
from serve.seen.exposition import exposition
from serve.seen.layout import SECONDS, Layout

INPUTS = [
    {"name": "age", "type": "number", "low": 0, "high": 9, "integer": True, "missing": True},
    {"name": "town", "type": "category", "values": ["a", "b", "rare"], "missing": True, "unseen": "other"},
    {"name": "class", "type": "category", "values": ["First class", "c"], "missing": False, "unseen": "reject",
     "fold": True},
]  # fmt: skip
DRIFT = {
    "columns": {
        "age": {"edges": [2.0, 5.0], "counts": [1, 1, 1], "missing": 0},
        "town": {"counts": {"a": 30, "b": 20}, "other": 3, "missing": 0},
        "class": {"counts": {"First class": 30, "c": 20}, "other": 0, "missing": 0},
    },
    "outputs": {"edges": [0.0, 0.25, 0.5, 0.75, 1.0], "counts": [1, 1, 1, 1]},
}
TARGET = {"kind": "binary", "labels": ["no", "yes"]}
RELEASE = {"model": "m", "model_version": 3, "model_digest": "d"}
COLUMNS = [[0, 2, 5, None], ["a", "rare", "never seen", None], ["first  CLASS", "c", "c", "c"]]
OUTPUTS = np.array([[0.9, 0.1], [0.75, 0.25], [0.2, 0.8], [0.4, 0.6]], dtype="float32")


def scored(counts: Counts, columns: list, outputs: np.ndarray) -> None:
    """Keep rows for counting, the numbers among their columns as a block too."""
    numbers = [values for values, column in zip(columns, counts.layout.columns, strict=True) if column.number]
    counts.later(np.array(numbers, dtype="float32"), columns, outputs)


def made(workers: int = 1) -> Counts:
    return Counts(Layout(INPUTS, TARGET, DRIFT, KINDS), workers)


def samples(text: str) -> dict:
    families = text_string_to_metric_families(text)
    return {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}


def test_every_kind_of_value_has_its_count() -> None:
    """Bins are closed below, rare and unseen values are `other`, spellings are the declared value's."""
    counts = made()
    scored(counts, COLUMNS, OUTPUTS)
    found = samples(exposition(counts, RELEASE).decode())
    wanted = {
        ("feature_values_total", "[-inf,2)", "age"): 1, ("feature_values_total", "[2,5)", "age"): 1,
        ("feature_values_total", "[5,inf)", "age"): 1, ("feature_missing_total", "age"): 1,
        ("feature_values_total", "a", "town"): 1, ("feature_values_total", "b", "town"): 0,
        ("feature_values_total", "other", "town"): 2, ("feature_unseen_total", "town"): 1,
        ("feature_missing_total", "town"): 1, ("feature_values_total", "First class", "class"): 1,
        ("feature_unseen_total", "class"): 0, ("predict_rows_total",): 4,
        ("prediction_bucket", "0.25"): 2, ("prediction_bucket", "0.5"): 2, ("prediction_bucket", "0.75"): 3,
        ("prediction_bucket", "+Inf"): 4, ("prediction_labels_total", "no"): 2, ("prediction_labels_total", "yes"): 2,
        ("model_info", "3", "d", "m"): 1,
    }  # fmt: skip
    assert wanted == {key: found[key] for key in wanted}
    assert pytest.approx(1.75) == found["prediction_sum",]


def test_one_by_one_is_as_together() -> None:
    """However rows come in, the counts are the same."""
    together, alone = made(), made()
    scored(together, COLUMNS, OUTPUTS)
    for row in range(4):
        scored(alone, [[column[row]] for column in COLUMNS], OUTPUTS[row : row + 1])
    assert np.allclose(together.total(), alone.total())


def test_codes_that_are_known_already_are_counted_as_the_texts_are() -> None:
    """In whatever order batches with and without them come in."""
    plain, coded = made(), made()
    texts = [column.texts for column in coded.layout.columns if column.texts]
    for some in (slice(0, 1), slice(1, 3), slice(3, 4), slice(0, 4)):
        columns = [column[some] for column in COLUMNS]
        scored(plain, columns, OUTPUTS[some])
        rows = len(columns[0])
        codes = [known.codes(column, rows) for known, column in zip(texts, columns[1:], strict=True)]
        numbers = np.array(columns[:1], dtype="float32")
        coded.later(numbers, columns, OUTPUTS[some], codes if rows > 1 else None)
    assert np.array_equal(plain.total(), coded.total())


def test_a_text_that_only_the_model_knows_is_unseen_all_the_same() -> None:
    """The contract did not declare it, though the training rows had it."""
    texts = [Texts(INPUTS[1], ["never seen"]), Texts(INPUTS[2])]
    told, plain = Counts(Layout(INPUTS, TARGET, DRIFT, KINDS, texts)), made()
    for counts in (told, plain):
        scored(counts, COLUMNS, OUTPUTS)
    assert np.array_equal(plain.total(), told.total())


def test_workers_are_added_up_and_a_dead_one_has_nothing_in_flight() -> None:
    """Each counts into its own cells; who takes a dead worker's place goes on from its counts."""
    counts = made(workers=2)
    for worker in (0, 1):
        counts.own(worker)
        counts.began()
        counts.began()
        counts.ended("predict", 200, 0.004)
        scored(counts, COLUMNS, OUTPUTS)
        counts.settle()
    found = samples(exposition(counts, RELEASE).decode())
    assert (8, 2, 2) == (
        found["predict_rows_total",], found["predict_in_flight",], found["predict_answers_total", "200", "predict"]
    )  # fmt: skip
    counts.own(1)
    assert (1, 8) == (counts.total()[counts.layout.in_flight], counts.total()[counts.layout.rows])


def test_the_latency_histogram_adds_up() -> None:
    """Each answer falls into one bucket, ends included."""
    counts = made()
    for seconds in (SECONDS[0], SECONDS[-1], 100.0):
        counts.began()
        counts.ended("v2", 200, seconds)
    found = samples(exposition(counts, RELEASE).decode())
    assert (1, 2, 3) == tuple(found["predict_seconds_bucket", end] for end in (f"{SECONDS[0]:g}", "2.5", "+Inf"))


def test_a_request_counts_one_whatever_its_rows() -> None:
    """The shares of its rows; single rows beside it, and batches that are counted later, as they are."""
    counts = made()
    numbers = np.zeros((1, 6), dtype="float32")
    columns = [[0] * 6, ["a"] * 6, ["c"] * 6]
    outputs = np.array([[1 - one, one] for one in (0.9, 0.1, 0.1, 0.8, 0.1, 0.6)], dtype="float32")
    counts.later(numbers, columns, outputs, None, [3, 2])  # one row, then requests of three and two
    counts.later(numbers[:, :1], [each[:1] for each in columns], outputs[:1])
    found = samples(exposition(counts, RELEASE).decode())
    name = "prediction_by_request_bucket"
    third = round(2 / 3 * 2**20) / 2**20
    assert (third + 0.5, third + 1.0, 4.0) == (found[name, "0.25"], found[name, "0.75"], found[name, "+Inf"])
    assert (third + 0.5, 4.0) == (
        found["prediction_labels_by_request_total", "no"],
        found["prediction_labels_by_request_total", "no"] + found["prediction_labels_by_request_total", "yes"],
    )
    assert 7 == found["prediction_bucket", "+Inf"]


def test_what_waits_is_bounded() -> None:
    """Enough rows, or enough answers, are due to be counted."""
    counts = made()
    assert not counts.due
    for _ in range(512):
        scored(counts, COLUMNS, OUTPUTS)
    assert counts.due
    counts.settle()
    assert not counts.due


def test_the_service_shows_what_it_did(service, golden) -> None:
    """Rows, refusals by kind, answers by protocol and status, and nothing left in flight."""
    before = samples(httpx.get(f"{service}/metrics").text)
    httpx.post(f"{service}/predict", json={"records": golden["rows"][:7]})
    httpx.post(f"{service}/predict", content=b"{")
    httpx.post(f"{service}/invocations", json={"inputs": golden["rows"][:3]})
    after = samples(httpx.get(f"{service}/metrics").text)
    moved = {key: after[key] - before.get(key, 0) for key in after}
    assert (10, 1, 1, 1, 0) == (
        moved["predict_rows_total",], moved["predict_errors_total", "json"],
        moved["predict_answers_total", "400", "predict"], moved["predict_answers_total", "200", "mlflow"],
        after["predict_in_flight",],
    )  # fmt: skip
    assert 10 == sum(moved[key] for key in moved if key[0] == "prediction_labels_total")


def test_it_is_told_since_when_it_counts() -> None:
    """Two services are told apart, and a reload is no new one."""
    one, other = made(), made(workers=2)
    other.since = one.since + 1
    again = Counts(one.layout, 1, one)
    told = [samples(exposition(each, RELEASE).decode())["process_start_time_seconds",] for each in (one, other, again)]
    assert [one.since, one.since + 1, one.since] == told


def test_what_is_counted_of_requests_outlives_the_bundle() -> None:
    """After a reload requests and rows go on, bins and outputs begin anew; who began before ends in the same place."""
    before = made(workers=2)
    before.own(1)
    before.began()
    scored(before, COLUMNS, OUTPUTS)
    before.settle()
    wider = [*INPUTS, {"name": "more", "type": "number", "low": 0, "high": 9, "integer": True, "missing": True}]
    drift = {**DRIFT, "columns": DRIFT["columns"] | {"more": {"edges": [1.0], "counts": [1, 1], "missing": 0}}}
    after = Counts(Layout(wider, TARGET, drift, KINDS), 2, before)
    before.ended("predict", 200, 0.004)
    before.settle()
    scored(after, [*COLUMNS, [0, 1, 1, None]], OUTPUTS)
    found = samples(exposition(after, RELEASE).decode())
    assert (8, 0, 1) == (
        found["predict_rows_total",], found["predict_in_flight",], found["predict_answers_total", "200", "predict"]
    )  # fmt: skip
    assert (1, 2, 4) == (
        found["feature_values_total", "[2,5)", "age"], found["feature_values_total", "[1,inf)", "more"],
        found["prediction_bucket", "+Inf"],
    )  # fmt: skip
