"""An id says whether its prediction is logged, everywhere alike."""

import pytest

from serve.remembered.ids import sample, whole

MARKS = [(f"request-{number}", 1 + number % 3) for number in range(5000)]
ROWS = sum(count for _, count in MARKS)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_the_share_is_kept(rate) -> None:
    """None, all, or about as many as were asked for: five deviations from the mean is never."""
    places, ids = sample(MARKS, rate)
    assert len(places) == len(ids) == len(set(ids))
    assert abs(len(ids) - rate * ROWS) <= 5 * (ROWS * rate * (1 - rate)) ** 0.5


def test_replicas_agree_however_rows_are_batched() -> None:
    """What is chosen alone is chosen in any batch, and a larger share keeps what a smaller one kept."""
    _, together = sample(MARKS, 0.3)
    alone = [each for mark in MARKS for each in sample([mark], 0.3)[1]]
    assert together == alone
    assert set(together) < set(sample(MARKS, 0.5)[1])


def test_places_are_those_of_the_batch() -> None:
    """The third row of the second request is the batch's fourth; its id has its place in the request."""
    places, ids = sample([("a", 1), ("b", 3)], 1.0)
    assert ([0, 1, 2, 3], ["a:0", "b:0", "b:1", "b:2"]) == (places.tolist(), ids)


def test_the_choice_is_the_same_in_every_version() -> None:
    """Ids whose fate is written down: a change of the hash would make old and new replicas disagree."""
    kept = sample([("trial", 20)], 0.3)[1]
    assert ["trial:1", "trial:3", "trial:6", "trial:7", "trial:10", "trial:15"] == kept


@pytest.mark.parametrize(
    ("told", "meant"),
    [("a", "a:0"), ("a:0", "a:0"), ("a.b-C_1:12", "a.b-C_1:12"), ("a:", None), ("a:01", None), ("a:-1", None),
     ("", None), ("a b", None), ("a" * 65, None), ("a:1:2", None), ("ä", None), ("a\n", None), ("a:٣", None)],
)  # fmt: skip
def test_an_id_is_a_request_and_a_row(told, meant) -> None:
    """The first row's place may be left out; what is no id is None."""
    assert meant == whole(told)
