"""No text of the data becomes mark-up, whatever it holds."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.pages.cells import JOINT, cell_text, number_text, rows_table

JOINED = {
    "@team": f"@{JOINT}team",
    "see #123": f"see #{JOINT}123",
    "o/r#1": f"o/r#{JOINT}1",
    "GH-12": f"GH{JOINT}-12",
    "https://evil.example": f"https:{JOINT}//evil.example",
    "WWW.evil.example": f"WWW{JOINT}.evil.example",
    "a@b.example": f"a@{JOINT}b.example",
}


@pytest.mark.parametrize("text", JOINED)
def test_mentions_references_and_addresses_are_broken(text) -> None:
    """They are found after Markdown is done, so escaping is not enough: an invisible space stands within."""
    assert html.unescape(cell_text(text)) == JOINED[text]


@pytest.mark.parametrize("text", ["<b>", "a|b", "_x_", "a _x_ __y__", "~~x~~", "**x**", "![x](y)", "`x`", "\\|", "$x$"])
def test_mark_up_is_escaped_and_reads_as_before(text) -> None:
    """No character that Markdown knows stays; decoded, the text is what it was."""
    safe = cell_text(text)
    assert not set("<|_~*[]`\\$") & set(safe)
    assert html.unescape(safe) == text


def test_an_escape_in_the_data_is_escaped_itself() -> None:
    """`&#64;` in the data does not become an @."""
    assert cell_text("&#64;team") == "&#38;&#35;&#8203;64;team".replace("&#8203;", JOINT)


@pytest.mark.parametrize("text", ["- x", "> x", "1. x", "2) x", "---", "+ x"])
def test_no_text_begins_a_block(text) -> None:
    """After a bullet a text could begin a list, a quote or a line."""
    assert cell_text(text).startswith((JOINT, "&#62;"))


@pytest.mark.parametrize("text", ["-0.5", "1.25", "0.135 to 0.157", "plain words, 1 > 0", "3", "roc_auc", "wow!"])
def test_plain_text_stays(text) -> None:
    """Numbers and words are untouched."""
    assert cell_text(text) == text


@given(st.text(max_size=60))
def test_one_row_stays_one_row(text) -> None:
    """Whatever a text holds: one line, as many cells as heads."""
    rows = rows_table(("a", "b"), [(text, "x")]).splitlines()
    assert 3 == len(rows)
    assert 3 == rows[2].count("|")


def test_numbers_have_four_digits() -> None:
    """Whole numbers stay whole."""
    assert ["12", "0.1235", "none"] == [number_text(12.0), number_text(0.123456), number_text(None)]
