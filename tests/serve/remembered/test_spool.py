"""The log of one process: what is allowed is kept, nothing waits for it, and what does not fit is counted."""

import errno
import fcntl
import threading
import time

import pandas as pd
import pytest

from serve import ship
from serve.remembered import shipping
from serve.remembered import spool as spools
from serve.remembered.segments import Segment, finished
from validation.script import ROOT


def until(condition) -> None:
    """Wait for another thread."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("kind", "outcome", "columns"),
    [("binary", "yes", {"label": "yes", "probability": 0.5}), ("quantity", 3.5, {"value": 0.5}),
     ("classes", 2, {"label": 3, "probability_1": 0.25, "probability_2": 0.25, "probability_3": 0.5})],
)  # fmt: skip
def test_all_kinds_of_target_come_through(log, shipped, kind, outcome, columns) -> None:
    """Prediction, id, time, model and version always, and the columns of the privacy list; outcomes with their type."""
    made = log(kind=kind)
    made.spool.start()
    ids = made.predict(rows=2)
    assert "" == made.spool.tell(["r1:1"], [outcome]).result(timeout=20)
    made.spool.close()
    predictions, feedback = shipped()
    assert ids == predictions["id"].tolist()
    wanted = columns | {"age": 30.0, "town": "a", "model": "m", "model_version": 3, "model_digest": "d"}
    assert wanted == predictions.drop(columns=["id", "time", "date"]).iloc[0].to_dict()
    assert abs(pd.Timestamp.now("UTC") - predictions["time"].iloc[0]) < pd.Timedelta(minutes=5)
    assert [("r1:1", outcome)] == list(feedback[["id", "outcome"]].itertuples(index=False, name=None))
    assert (2, 1, 0) == (made.count("predictions"), made.count("feedback"), made.count("dropped_queue"))


@pytest.mark.parametrize("allowed", [(), ("town",)])
def test_what_the_privacy_list_does_not_name_is_nowhere(log, shipped, allowed) -> None:
    """Neither in the spool nor in the store."""
    made = log(columns=allowed)
    made.spool.start()
    made.spool.later([[7654321.0], ["canary"]], spools.records.np.zeros((1, 2), "float32"), [("r", 1)])
    made.spool.close()
    [path] = finished(made.folder)
    text = path.read_text()
    assert ("7654321" in text, "canary" in text) == (False, bool(allowed))
    predictions, _ = shipped()
    assert {"age", "town"} & set(predictions.columns) == set(allowed)


def test_turns_come_sooner_while_predictions_come_in(log, monkeypatch) -> None:
    """Without being woken: a turn holds the interpreter for as long as there are rows in it."""
    monkeypatch.setattr(spools, "TICK", 600.0)
    made = log()
    made.spool.start()
    made.predict(rows=1)
    assert "" == made.spool.tell(["r1:0"], ["no"]).result(timeout=20)  # feedback wakes it, the first time
    assert made.count("predictions") == 1
    made.predict(rows=1)
    until(lambda: made.count("predictions") == 2)
    assert [1, 0] == [made.count("feedback"), made.count("queued")]  # nothing else woke it
    made.spool.close()


def test_a_share_of_none_keeps_feedback_alone(log, shipped) -> None:
    """Rate 0 logs no prediction; the outcome of one that was not logged is kept all the same."""
    made = log(rate=0.0)
    made.spool.start()
    made.predict(rows=50)
    assert "" == made.spool.tell(["r1:3"], ["no"]).result(timeout=20)
    made.spool.close()
    predictions, feedback = shipped()
    assert (0, 1) == (len(predictions), len(feedback))


def test_a_full_queue_drops_and_counts_and_never_waits(log) -> None:
    """While nobody writes, what goes beyond the queue is counted; one batch larger than it is taken alone."""
    made = log(queue_rows=10)
    for _ in range(4):
        made.predict(rows=4)
    assert (8, 8) == (made.count("queued"), made.count("dropped_queue"))
    assert "queue" == made.spool.tell(["a:0"] * 3, ["no"] * 3).result(timeout=0)
    made.spool.start()
    made.spool.close()
    assert (8, 0) == (made.count("predictions"), made.count("queued"))
    alone = log(queue_rows=10)
    alone.predict(rows=40)
    assert (40, 0) == (alone.count("queued"), alone.count("dropped_queue"))


def test_a_full_disk_drops_and_counts_and_goes_on_when_there_is_room(log, shipped, monkeypatch, capfd) -> None:
    """Predictions are dropped, feedback is refused; the trouble is told once, and its end."""
    monkeypatch.setattr(spools, "LOOK", 0.05)
    append, room = Segment.append, threading.Event()

    def full(segment: Segment, lines: bytes) -> None:
        if not room.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        append(segment, lines)

    monkeypatch.setattr(Segment, "append", full)
    made = log()
    made.spool.start()
    for _ in range(3):
        made.predict()
        assert "disk" == made.spool.tell(["a:0"], ["no"]).result(timeout=20)
    until(lambda: made.count("dropped_disk") == 6)
    room.set()
    until(lambda: "" == made.spool.tell(["a:0"], ["no"]).result(timeout=20))
    [kept] = made.predict()
    made.spool.close()
    predictions, feedback = shipped()
    assert [kept] == predictions["id"].tolist()
    assert {"a:0"} == set(feedback["id"])
    told = capfd.readouterr().err
    assert (1, 1) == (told.count("No space left on device; records are dropped"), told.count("are written again"))


def test_a_spool_that_is_full_drops_and_counts(log, monkeypatch) -> None:
    """While the store is away the spool grows, but not beyond its bound; it goes on once files were shipped."""
    monkeypatch.setattr(spools, "LOOK", 0.01)
    made = log(segment_bytes=200, spool_bytes=1000)
    made.spool.start()
    while not made.count("dropped_full"):
        made.predict(rows=5)
        time.sleep(0.01)
    assert "full" == made.spool.tell(["a:0"], ["no"]).result(timeout=20)
    for path in finished(made.folder):
        path.unlink()
    until(lambda: "" == made.spool.tell(["a:0"], ["no"]).result(timeout=20))
    made.spool.close()


def test_files_are_finished_by_size_and_by_age(log) -> None:
    """Neither grows, nor waits, for ever."""
    large = log(segment_bytes=200)
    large.spool.start()
    large.predict(rows=20)
    until(lambda: len(finished(large.folder)) == 1)
    large.spool.close()
    old = log(segment_seconds=0.01)
    old.spool.start()
    old.predict()
    until(lambda: len(finished(old.folder)) == 2)
    old.spool.close()


def test_whatever_breaks_in_the_log_is_counted_and_survived(log, monkeypatch, capfd) -> None:
    """The thread goes on, and what was lost is counted."""
    made = log()
    broken = spools.records.predictions
    monkeypatch.setattr(spools.records, "predictions", lambda *_: 1 / 0)
    made.spool.start()
    made.predict(rows=3)
    until(lambda: made.count("dropped_internal") == 3)
    monkeypatch.setattr(spools.records, "predictions", broken)
    made.predict(rows=2)
    until(lambda: made.count("predictions") == 2)
    made.spool.close()
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_what_waits_is_shipped_at_the_end(log, tmp_path, monkeypatch) -> None:
    """Finished and shipped by a process of its own, given the time; the counts tell it."""
    monkeypatch.setattr(spools, "END", 120.0)
    monkeypatch.chdir(ROOT)  # as the service, it finds its own code by where it stands
    made = log(store=str(tmp_path / "store"))
    made.spool.start()
    made.predict(rows=3)
    made.spool.tell(["r1:1"], ["yes"])
    made.spool.close()
    assert (3, 1, 0) == (made.count("shipped_predictions"), made.count("shipped_feedback"), made.count("ship_failures"))
    assert ["r1:0", "r1:1", "r1:2"] == pd.read_parquet(tmp_path / "store/predictions")["id"].tolist()
    assert ["ship.lock"] == [path.name for path in made.folder.iterdir()]


def test_a_store_that_hangs_is_given_up_at_the_end(log, tmp_path, monkeypatch) -> None:
    """The process that ships is killed at the deadline; its file is there for the next start."""
    monkeypatch.setattr(spools, "END", 0.3)
    (tmp_path / "hangs").write_text("#!/bin/sh\nsleep 600\n")
    (tmp_path / "hangs").chmod(0o755)
    monkeypatch.setattr(shipping.sys, "executable", str(tmp_path / "hangs"))
    made = log(store=str(tmp_path / "store"))
    made.spool.start()
    made.predict()
    made.spool.close()
    assert (1, 0) == (len(finished(made.folder)), made.count("shipped_predictions"))


def test_while_another_ships_nobody_else_does(log, tmp_path) -> None:
    """Who sees the lock taken begins no run; who runs the script by hand is told so."""
    made = log(store=str(tmp_path / "store"))
    with (made.folder / "ship.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not made.spool._shipping._is_free()
        assert 0 == ship.main(["--spool", str(made.folder), "--to", str(tmp_path / "store")])
    assert made.spool._shipping._is_free()
