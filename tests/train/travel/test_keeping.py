"""What must keep its files: whatever a rollback may put back, an alias names, a rollback holds or a run has begun."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.train.travel.test_history import HERE, Book, unit
from train.travel import history
from train.travel.history import INTENT, facts_of
from train.travel.keeping import BACK, LATEST, lost, needed
from train.travel.ledger import COMPACTION, DEPLOYMENT, PROMOTION
from train.view import View

NOBODY = View({}, {})


@pytest.fixture
def book() -> Book:
    """A ledger in which nothing has happened."""
    return Book()


@given(st.lists(st.integers(0, 8), max_size=20))
def test_two_rollbacks_in_a_row_find_their_files(moves: list[int]) -> None:
    """Whatever was deployed and rolled back before."""
    book = Book()
    for move in moves:
        if move and history.hold(book.lines, HERE, unit(move)) is None:
            book.deploy(unit(move))
        elif not move:
            book.roll_back()
    kept = needed(NOBODY, book.lines)
    live = history.live(book.lines, HERE)
    assert live is None or live.facts["unit"]["version"] in kept
    for _ in range(BACK):
        back = book.roll_back()
        assert back is None or back.version in kept


def test_a_held_unit_between_is_no_step_back(book) -> None:
    """It is kept, and so are two good units below it."""
    for version in (9, 8, 4, 7):
        book.deploy(unit(version))
    book.roll_back(history.last(book.lines, HERE, 4))
    book.deploy(unit(5))
    assert {4, 7, 5, 8} == needed(NOBODY, book.lines)
    book.roll_back()
    assert {4, 7, 5, 8, 9} == needed(NOBODY, book.lines)


def test_the_newest_the_named_and_the_begun_are_kept(book) -> None:
    """Versions that are under judgement, aliases, anchors and the last champions; and what a run is about to deploy."""
    view = View(dict.fromkeys(range(1, 31)), {"challenger": 20})
    for number, begins in ((2, True), (3, False), (4, False), (5, False), (6, False)):
        book.note(PROMOTION, {"version": number, "begins": begins})
    book.note(DEPLOYMENT, facts_of(HERE, INTENT, unit(12)))
    assert {2, 4, 5, 6, 12, 20, *range(31 - LATEST, 31)} == needed(view, book.lines)


def test_what_is_compacted_and_needed_is_lost(book) -> None:
    """Told once: a ledger in which it was so before is not refused for ever."""
    book.deploy(unit(1))
    before = list(book.lines)
    book.note(COMPACTION, {"removed": [1, 2], "files": 3})
    assert {1} == lost(NOBODY, before, book.lines)
    assert set() == lost(NOBODY, book.lines, book.lines)
    after = list(book.lines)
    book.deploy(unit(2))
    assert {2} == lost(NOBODY, after, book.lines)
