"""What a ledger answers: what is live, what lies below, what is held, what was left open."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.travel import history, ledger
from train.travel.history import FAILED, INTENT, LIVE, REMOVED, Unit, facts_of
from train.travel.keeping import needed
from train.travel.ledger import DEPLOYMENT, PROMOTION, REGISTRATION, RELEASE, ROLLBACK, Line
from train.view import View
from validation.script import Refusal

HERE = "local"
MOVES = st.lists(st.integers(0, 4), max_size=12)  # the version that is deployed; 0 is a rollback


def unit(version: int, config: str = "c", packed: str = "", image: str = "") -> Unit:
    return Unit(version, f"m{version}", f"b{version}{config}{packed}", "k", config, image)


class Book:
    """A ledger to which deployments and rollbacks are written as the scripts do it."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def note(self, event: str, facts: dict, reason: str = "why", **known: str) -> Line:
        """Write a line down."""
        known = {"actor": "ada", "commit": "c0ffee"} | known
        self.lines = ledger.follow(self.lines, [ledger.new(event, facts, reason, **known)])
        return self.lines[-1]

    def deploy(self, one: Unit, where: str = HERE, phase: str = LIVE) -> None:
        """Write down a deployment and its end."""
        intent = self.note(DEPLOYMENT, facts_of(where, INTENT, one))
        self.note(DEPLOYMENT, facts_of(where, phase, one, intent.id))

    def roll_back(self, to: Line | None = None, phase: str = LIVE) -> Unit | None:
        """Go back, to the line before unless another is named; return the unit, None when there is none."""
        to = to or history.before(self.lines, HERE)
        left = history.live(self.lines, HERE)
        if to is None or left is None:
            return None
        back, left = history.unit_of(to.facts), history.unit_of(left.facts)
        intent = self.note(ROLLBACK, facts_of(HERE, INTENT, back, to=to.id, left=left))
        self.note(ROLLBACK, facts_of(HERE, phase, back, intent.id, to=to.id, left=left))
        return back

    def release(self, version: int) -> None:
        """Write down that a version is free again."""
        self.note(RELEASE, {"environment": HERE, "version": version})

    def live(self, where: str = HERE) -> int | None:
        """Give the version that is live."""
        line = history.live(self.lines, where)
        return line.facts["unit"]["version"] if line else None


@pytest.fixture
def book() -> Book:
    return Book()


@given(count=st.integers(1, 8), back=st.integers(0, 9))
def test_going_back_k_times_shows_the_unit_k_before(count: int, back: int) -> None:
    """After n deployments of distinct units, k rollbacks show unit n-k, and the first is where it ends."""
    book = Book()
    for version in range(1, count + 1):
        book.deploy(unit(version))
    shown = [book.roll_back() for _ in range(back)]
    wanted = [unit(count - step) if step < count else None for step in range(1, back + 1)]
    assert wanted == shown
    assert max(1, count - back) == book.live()


@given(MOVES)
def test_rollbacks_in_a_row_never_toggle(moves: list[int]) -> None:
    """Whatever was deployed and rolled back: what is left is held, and each rollback goes deeper than the last."""
    book = Book()
    for move in moves:
        if move and history.hold(book.lines, HERE, unit(move)) is None:
            book.deploy(unit(move))
        elif not move:
            depth = len(history.stack(book.lines, HERE))
            left = history.live(book.lines, HERE)
            if book.roll_back():
                assert len(history.stack(book.lines, HERE)) < depth
                assert history.hold(book.lines, HERE, history.unit_of(left.facts)) is not None
        now = history.live(book.lines, HERE)
        assert now is None or history.hold(book.lines, HERE, history.unit_of(now.facts)) is None


@given(MOVES, MOVES)
def test_environments_know_nothing_of_each_other(here: list[int], there: list[int]) -> None:
    """Lines of another environment change no answer about this one."""
    alone, both = Book(), Book()
    for place, move in enumerate(here):
        for book in (alone, both):
            if move:
                book.deploy(unit(move))
            else:
                book.roll_back()
        if place < len(there):
            both.deploy(unit(there[place] + 1), "moon")

    def answers(book: Book) -> list:
        stack = [line.facts["unit"] for line in history.stack(book.lines, HERE)]
        return [stack, history.previous(book.lines, HERE), sorted(history.held(book.lines, HERE))]

    assert answers(alone) == answers(both)


def test_intents_and_failures_put_nothing_live(book) -> None:
    """Only a line `live` counts."""
    book.deploy(unit(1))
    book.deploy(unit(2), phase=FAILED)
    book.note(DEPLOYMENT, facts_of(HERE, INTENT, unit(3)))
    assert book.live() == 1
    assert history.before(book.lines, HERE) is None


def test_what_was_taken_down_is_not_live_and_can_be_gone_back_from(book) -> None:
    """Until something is deployed again, the same unit or another; the other environments stay as they are."""
    book.deploy(unit(1), where="there")
    book.deploy(unit(1))
    book.deploy(unit(2))
    book.note(DEPLOYMENT, facts_of(HERE, REMOVED, unit(2)))
    assert history.live(book.lines, HERE) is None
    assert history.top(book.lines, HERE).facts["unit"]["version"] == 2
    assert history.live(book.lines, "there").facts["unit"]["version"] == 1
    assert {1, 2} == needed(View({}, {}), book.lines)
    below = history.before(book.lines, HERE)
    assert unit(1) == history.unit_of(below.facts)
    book.note(DEPLOYMENT, facts_of(HERE, INTENT, unit(2)))
    assert history.live(book.lines, HERE) is None
    book.deploy(unit(2))
    assert book.live() == 2
    assert unit(1) == book.roll_back()


def test_the_same_unit_again_is_no_step_back(book) -> None:
    """Deployed twice in a row, from images built on the spot: one unit, which a rollback leaves."""
    book.deploy(unit(1))
    book.deploy(unit(2, image="sha256:1"))
    book.deploy(unit(2, image="sha256:2"))
    assert unit(1) == book.roll_back()


def test_a_pushed_image_is_part_of_the_unit(book) -> None:
    """The same bundle in another pushed image is a step back, and only the image left is held."""
    old, new = (unit(1, image=f"here/service@sha256:{name}") for name in "ab")
    book.deploy(old)
    book.deploy(new)
    assert old == book.roll_back()
    assert history.hold(book.lines, HERE, new) is not None
    assert history.hold(book.lines, HERE, old) is None


def test_what_is_held_is_held_however_it_is_packed(book) -> None:
    """The model with these settings; with other settings it may try again."""
    book.deploy(unit(1))
    book.deploy(unit(2))
    book.roll_back()
    assert "ada" == history.hold(book.lines, HERE, unit(2, packed="another card")).actor
    assert history.hold(book.lines, HERE, unit(2, config="mended")) is None


def test_two_packings_of_one_model_are_told_apart(book) -> None:
    """Going back from a packing to another one of the same model holds only the one that was left."""
    book.deploy(unit(1))
    book.deploy(unit(1, packed="again"))
    assert unit(1) == book.roll_back()
    assert history.hold(book.lines, HERE, unit(1, packed="again")) is not None
    assert history.hold(book.lines, HERE, unit(1)) is None


def test_a_release_frees_the_version(book) -> None:
    """It may be deployed, and gone back to, again."""
    book.deploy(unit(1))
    book.deploy(unit(2))
    book.roll_back()
    book.release(2)
    assert {} == history.held(book.lines, HERE)
    book.deploy(unit(2))
    assert (2, unit(1)) == (book.live(), history.previous(book.lines, HERE))


def test_a_rollback_never_goes_to_what_is_live(book) -> None:
    """When what lies between is held, the same unit below it is no step back either."""
    for version in (2, 1, 2, 1):
        book.deploy(unit(version))
    assert unit(2) == book.roll_back()
    assert book.roll_back() is None


def test_what_is_held_is_gone_past(book) -> None:
    """A held unit deeper below is no good one."""
    book.deploy(unit(1))
    book.deploy(unit(2))
    book.deploy(unit(3))
    book.roll_back(history.last(book.lines, HERE, 1))
    book.release(3)
    book.deploy(unit(3))
    book.roll_back(history.last(book.lines, HERE, 2))  # leaves 3
    book.deploy(unit(4))
    book.roll_back()  # to 2, leaves 4
    assert unit(1) == book.roll_back()


def test_a_version_that_was_passed_over_can_be_named(book) -> None:
    """It lies above what is live no more, so it is laid on top, and below it is what was live."""
    for version in (1, 2, 3):
        book.deploy(unit(version))
    assert unit(1) == book.roll_back(history.last(book.lines, HERE, 1))
    assert unit(2) == book.roll_back(history.last(book.lines, HERE, 2))
    assert [1, 2] == [line.facts["unit"]["version"] for line in history.stack(book.lines, HERE)]


def test_the_last_good_unit_of_a_version_is_found(book) -> None:
    """Its newest settings, unless those are held; None where it never was."""
    book.deploy(unit(1, "old"))
    book.deploy(unit(1, "new"))
    book.deploy(unit(2))
    assert unit(1, "new") == history.unit_of(history.last(book.lines, HERE, 1).facts)
    book.roll_back()
    book.roll_back()  # leaves the new settings
    book.release(2)
    book.deploy(unit(2))
    assert unit(1, "old") == history.unit_of(history.last(book.lines, HERE, 1).facts)
    assert history.last(book.lines, HERE, 9) is None
    assert history.last(book.lines, "moon", 1) is None


def test_a_rollback_that_failed_holds_nothing(book) -> None:
    """What it meant to leave still serves."""
    book.deploy(unit(1))
    book.deploy(unit(2))
    book.roll_back(phase=FAILED)
    assert (2, {}) == (book.live(), history.held(book.lines, HERE))


def test_an_intent_without_an_end_is_left_open(book) -> None:
    """In its own environment, whichever lines came after."""
    book.deploy(unit(1))
    lost = book.note(DEPLOYMENT, facts_of(HERE, INTENT, unit(2)))
    book.deploy(unit(3))
    assert [lost] == history.left_open(book.lines, HERE)
    assert [] == history.left_open(book.lines, "moon")


def test_a_ledger_is_asked_about_a_moment_and_a_version(book) -> None:
    """What was live then; what happened to a version, being replaced included."""
    book.note(REGISTRATION, {"version": 1}, time="2026-11-25T10:00:00.000+00:00")
    book.note(DEPLOYMENT, facts_of(HERE, LIVE, unit(1)), time="2026-11-25T11:00:00.000+00:00")
    book.note(DEPLOYMENT, facts_of("moon", LIVE, unit(2)), time="2026-11-25T12:00:00.000+00:00")
    book.note(ROLLBACK, facts_of("moon", LIVE, unit(2), left=unit(1)), time="2026-11-25T13:00:00.000+00:00")
    book.note(PROMOTION, {"version": 2}, time="2026-11-25T14:00:00.000+00:00")
    assert [1, 2] == [line.number for line in history.until(book.lines, history.moment_of("2026-11-25T12:30+01:00"))]
    assert [1, 2, 4] == [line.number for line in history.about(book.lines, 1)]
    assert [HERE, "moon"] == history.environments(book.lines)


def test_a_moment_is_utc_unless_it_says_otherwise() -> None:
    """What is no time is refused in one sentence."""
    assert history.moment_of("2026-11-25T14:00") == datetime.fromisoformat("2026-11-25T15:00+01:00")
    with pytest.raises(Refusal, match="'yesterday' is no time"):
        history.moment_of("yesterday")
