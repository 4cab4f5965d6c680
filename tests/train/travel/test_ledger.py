"""The ledger: a chain that only grows, and names what somebody did to it."""

import json

import pytest

from train.travel import ledger
from train.travel.ledger import PROMOTION, REGISTRATION, LedgerError


@pytest.fixture
def lines() -> list[ledger.Line]:
    """Five lines, one after the other."""
    return ledger.follow([], [ledger.new(REGISTRATION, {"version": number}) for number in range(1, 6)])


def texts(lines: list[ledger.Line]) -> list[str]:
    return [line.text() for line in lines]


def content(rows: list[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def test_what_is_written_is_read(lines, tmp_path) -> None:
    """Numbers run from 1, each line follows the one before, and the bytes hold all of it."""
    ledger.write(tmp_path / ledger.NAME, lines)
    assert lines == ledger.read(tmp_path / ledger.NAME)
    assert [1, 2, 3, 4, 5] == [line.number for line in lines]
    assert [ledger.START, *(line.hash for line in lines[:-1])] == [line.previous for line in lines]
    assert [] == ledger.read(tmp_path / "none")


def edited(rows: list[str]) -> list[str]:
    return [*rows[:2], rows[2].replace('"version":3', '"version":9'), *rows[3:]]


def rehashed(rows: list[str]) -> list[str]:
    """Edit a line and give it the right hash: then the next one does not follow."""
    one = json.loads(rows[2]) | {"facts": {"version": 9}}
    return [*rows[:2], ledger.Line(**one).sealed().text(), *rows[3:]]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (edited, "line 3 was edited"),
        (rehashed, "line 4 does not follow line 3"),
        (lambda rows: rows[:2] + rows[3:], "line 3 calls itself line 4"),
        (lambda rows: rows[1:], "line 1 calls itself line 2"),
        (lambda rows: [rows[0], rows[2], rows[1], *rows[3:]], "line 2 calls itself line 3"),
        (lambda rows: [*rows, rows[-1]], "line 6 calls itself line 5"),
        (lambda rows: [*rows, "{}"], "line 6 is no line"),
        (lambda rows: [*rows, "[1]"], "line 6 is no line"),
        (lambda rows: [rows[0].replace('","', '", "', 1), *rows[1:]], "line 1 was edited"),
        (lambda rows: [*rows[:4], ""], "line 5 is no line"),
    ],
)
def test_the_first_bad_line_is_named(lines, damage, sentence) -> None:
    """An edit, a loss, a move, a repeat, nonsense: the sentence says which line."""
    with pytest.raises(LedgerError, match=sentence):
        ledger.parse(content(damage(texts(lines))))


def test_a_line_that_is_cut_off_is_named(lines) -> None:
    """A file that ends within a line is no ledger."""
    whole = content(texts(lines))
    with pytest.raises(LedgerError, match="line 5 is cut off"):
        ledger.parse(whole[:-10])


def test_an_unknown_event_is_refused(lines) -> None:
    """Neither written nor read."""
    with pytest.raises(ValueError, match="no event"):
        ledger.new("celebration", {})
    other = ledger.Line(**(json.loads(lines[0].text()) | {"event": "celebration"})).sealed()
    with pytest.raises(LedgerError, match="line 1"):
        ledger.parse(content([other.text()]))


def test_a_line_is_added_once(lines) -> None:
    """Replaying what is there already changes nothing; what is new comes behind, in its new place."""
    more = ledger.new(PROMOTION, {"version": 5})
    grown = ledger.follow(lines, [*lines[3:], more])
    assert [*lines, more.id] == [*grown[:-1], grown[-1].id]
    assert (6, lines[-1].hash) == (grown[-1].number, grown[-1].previous)
    assert grown == ledger.follow(grown, [more])


def test_a_rewritten_chain_is_found_by_what_was_known(lines) -> None:
    """A consistent chain that lacks, or changed, a line known before is refused."""
    known = (4, lines[3].hash, "the branch")
    ledger.must_hold(ledger.follow(lines, [ledger.new(PROMOTION, {})]), *known)
    ledger.must_hold([], 0, ledger.START, "the branch")
    with pytest.raises(LedgerError, match="the branch was rewritten: it lacks line 4"):
        ledger.must_hold(lines[:3], *known)
    other = ledger.follow(lines[:2], [ledger.new(REGISTRATION, {"version": 7}) for _ in range(3)])
    with pytest.raises(LedgerError, match="it has another line 4"):
        ledger.must_hold(other, *known)


def test_who_and_where_come_from_the_platform(monkeypatch) -> None:
    """The actor, the commit and the run's address are the platform's where there is one."""
    for name, value in {
        "GITHUB_ACTOR": "ann", "GITHUB_SHA": "c0ffee", "GITHUB_SERVER_URL": "https://forge.example",
        "GITHUB_REPOSITORY": "Org/My_Repo", "GITHUB_RUN_ID": "7",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    line = ledger.new(PROMOTION, {}, "because")
    assert ("ann", "c0ffee", "because") == (line.actor, line.commit, line.reason)
    assert "https://forge.example/Org/My_Repo/actions/runs/7" == line.run_url
