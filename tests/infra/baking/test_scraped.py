"""The /metrics of replicas: read strictly, added up, and nothing is lost or told twice when one restarts."""

import numpy as np
import pytest

from infra.baking.scraped import Unreadable, Watched, read
from serve.refusal import KINDS
from serve.seen.counts import Counts
from serve.seen.exposition import exposition
from serve.seen.layout import SECONDS, Layout

DRIFT = {
    "columns": {"x": {"edges": [], "counts": [1], "missing": 0}},
    "outputs": {"edges": [0.0, 0.25, 0.5, 0.75, 1.0]},
}
INPUTS = [{"name": "x", "type": "number", "low": 0, "high": 1, "integer": False, "missing": False}]
TARGET = {"labels": ["no", "yes"]}


class Service:
    """The counting of the real service, without the service."""

    def __init__(self, started=1.0, version=7, edges=DRIFT["outputs"]["edges"]):
        self.counts = Counts(Layout(INPUTS, TARGET, DRIFT | {"outputs": {"edges": edges}}, KINDS))
        self.counts.since, self.version = started, version

    def answer(self, *statuses, seconds=0.004, outputs=()):
        """Count answers and outputs."""
        for status in statuses:
            self.counts.began()
            self.counts.ended("predict", status, seconds)
        if outputs:
            numbers = np.zeros((1, len(outputs)), dtype="float32")
            self.counts.later(numbers, numbers.tolist(), np.array([[1 - one, one] for one in outputs]))
        return self

    @property
    def text(self):
        """What /metrics tells."""
        told = {"model": "m", "model_version": self.version, "model_digest": f"d{self.version}"}
        return exposition(self.counts, told).decode()


def test_what_the_service_counts_is_read() -> None:
    """5xx and callers that left failed; 4xx are refused, but not what is about the caller's key or pace."""
    service = Service().answer(200, 200, 500, 503, 422, 400, outputs=(0.1, 0.3, 0.8)).answer(200, seconds=0.3)
    service.answer(429, 401, 403, 404, 405)
    service.counts.failed("gone")
    found = read(service.text)
    counts = found.counts
    assert ("7", "d7", "1.0") == (found.version, found.digest, found.started)
    assert (8, 3, 2, 12) == (counts.asked, counts.failed, counts.refused, counts.timed)
    assert (1, 0) == (counts.slow[SECONDS.index(0.25)], counts.slow[SECONDS.index(0.5)])
    assert ((0.25, 0.5, 0.75), [2, 1, 1]) == (counts.edges, counts.above.tolist())
    assert (("no", "yes"), [2, 1], 3) == (counts.labels, counts.chosen.tolist(), counts.rows)
    assert (True, True) == (counts.by_request, counts.independent)


def test_an_older_service_tells_rows_and_its_replicas_are_alike() -> None:
    """Without the newer series the older ones are read; requests of several rows make them no proof."""
    text = Service().answer(200, outputs=(0.1, 0.3, 0.8)).text
    old = text.replace("prediction_by_request", "other").replace("prediction_labels_by_request", "others")
    counts = read(old).counts
    assert (3, False, False) == (counts.rows, counts.by_request, counts.independent)
    watched = Watched("canary", "7", "d7")
    watched.look([text])
    watched.look([old])
    assert "counts by other bounds" in watched.wrong[0]


BROKEN = {
    "nothing": (lambda text: "", "it has no model_info"),
    "a page": (lambda text: "<html>502 Bad Gateway</html>", "text format"),
    "half of it": (lambda text: text[: text.index("# HELP prediction_labels")], "it has no prediction_labels"),
    "cut in a line": (lambda text: text[: text.index('le="0.5"')], "text format"),
    "a number that is none": (
        lambda text: text.replace('predict_errors_total{kind="gone"} 0.0', 'predict_errors_total{kind="gone"} NaN'),
        "predict_errors counts nan",
    ),
    "fewer than none": (lambda text: text.replace('status="200"} 1.0', 'status="200"} -1.0'), "counts -1"),
    "a status that is none": (lambda text: text.replace('status="200"', 'status="ok"'), "has the status 'ok'"),
    "a histogram without its end": (
        lambda text: text.replace('prediction_by_request_bucket{le="+Inf"} 1.0\n', ""),
        "the buckets of prediction_by_request do not add up",
    ),
    "a histogram that falls": (
        lambda text: text.replace(
            'prediction_by_request_bucket{le="+Inf"} 1.0', 'prediction_by_request_bucket{le="+Inf"} 0.0'
        ),
        "the buckets of prediction_by_request do not add up",
    ),
    "two models": (
        lambda text: text.replace("model_info{", 'model_info{model="n",version="1",digest="e"} 1.0\nmodel_info{', 1),
        "does not name one model",
    ),
}


@pytest.mark.parametrize(("break_it", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_missing_or_broken_is_a_sentence(break_it, said) -> None:
    """Nothing is guessed, and nothing counts as none."""
    text = Service().answer(200, outputs=(0.1,)).text
    assert break_it(text) != text
    with pytest.raises(Unreadable, match=said):
        read(break_it(text))


@pytest.fixture
def watched():
    return Watched("canary", "7", "d7")


def test_only_what_came_since_the_first_look_counts(watched) -> None:
    """Replicas are added up, in whatever order they come."""
    one, other = Service(1.0).answer(200, 200, 500), Service(2.0).answer(200)
    watched.look([one.text, other.text])
    assert 0 == watched.total.asked
    one.answer(200, 500)
    other.answer(200, outputs=(0.9,))
    watched.look([other.text, one.text])
    assert (3, 1, 1) == (watched.total.asked, watched.total.failed, watched.total.above[2])
    assert ([], [], False) == (watched.wrong, watched.told, watched.began_anew)


@pytest.mark.parametrize("started", [1.0, 9.0], ids=["the same start", "another start"])
def test_a_replica_that_restarted_takes_nothing_off(watched, started) -> None:
    """Whether it tells its start or only its counts fell; what it counts afterwards counts again, and it is said."""
    first, steady = Service(1.0).answer(*[200] * 50), Service(2.0)
    watched.look([first.text, steady.text])
    first.answer(*[200] * 5)
    watched.look([first.text, steady.text])
    fresh = Service(started).answer(200, 500)
    steady.answer(200)
    watched.look([fresh.text, steady.text])
    assert (6, 0, True) == (watched.total.asked, watched.total.failed, watched.began_anew)
    assert "restarted" in watched.told[-1]
    fresh.answer(200, 500)
    watched.look([fresh.text, steady.text])
    assert (8, 1) == (watched.total.asked, watched.total.failed)


def test_a_bundle_that_was_loaded_anew_is_told(watched) -> None:
    """Its requests go on, its predictions begin at none."""
    service = Service().answer(200, outputs=(0.9,))
    watched.look([service.text])
    again = Service()
    again.counts = Counts(service.counts.layout, 1, service.counts)
    watched.look([again.text])
    assert (True, []) == (watched.began_anew, watched.wrong)


def test_replicas_that_come_and_go_are_told(watched) -> None:
    """One more counts from when it is seen; one that ended keeps what it had counted."""
    one, other = Service(1.0), Service(2.0).answer(*[500] * 9)
    watched.look([one.text])
    one.answer(200)
    watched.look([one.text, other.text])
    other.answer(200)
    watched.look([one.text, other.text])
    assert (2, 0, False) == (watched.total.asked, watched.total.failed, watched.began_anew)
    assert ["canary: another replica came, and counts from now on"] == watched.told
    watched.look([one.text])
    assert (2, True) == (watched.total.asked, watched.began_anew)


def test_an_old_image_that_tells_no_start_is_known_by_its_place(watched) -> None:
    """It is added up all the same."""
    one, other = Service(1.0), Service(2.0)

    def old(service):
        return service.text.replace("process_start_time_seconds", "other")

    watched.look([old(one), old(other)])
    watched.look([old(one.answer(200)), old(other.answer(500))])
    assert (2, 1) == (watched.total.asked, watched.total.failed)


def test_what_cannot_be_compared_is_said(watched) -> None:
    """No replica, another model, a text that is broken, other bins than before."""
    for texts, said in (
        ([], "canary has no replica that tells its /metrics"),
        ([Service().text, Service(version=6).text], "canary, replica 2 serves version 6 (d6), not 7 (d7)"),
        ([Service().text, "{}"], "canary, replica 2: its /metrics cannot be read: it"),
    ):
        fresh = Watched("canary", "7", "d7")
        fresh.look(texts)
        assert said in fresh.wrong[0]
        assert fresh.total is None
    watched.look([Service().text])
    watched.look([Service(edges=[0.0, 0.5, 1.0]).text])
    assert "counts by other bounds than it did" in watched.wrong[0]
