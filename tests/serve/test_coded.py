"""Texts become codes: in every spelling that the contract allows, and none of them is kept."""

import math
from itertools import chain

import pytest

from serve.coded import Texts, texts_of

OPEN = {"type": "category", "values": ["a", "B", "é"], "unseen": "other"}
FOLDED = OPEN | {"values": ["First class", "c"], "fold": True}


def test_each_text_has_its_place_and_others_have_one() -> None:
    """What is declared, then missing, then all others; case counts where nothing is folded."""
    texts = Texts(OPEN)
    assert (("a", "B", "é"), 3, 4) == (texts.values, texts.missing, texts.others)
    told = ["é", "a", "b", None, math.nan, "", "B", " a", "\x00"]
    assert [2, 0, 4, 3, 3, 3, 1, 4, 4] == texts.codes(told, len(told)).tolist()


def test_folded_texts_are_the_declared_ones() -> None:
    """Whatever their case and spaces."""
    texts = Texts(FOLDED)
    told = ["First class", " first  CLASS", "C", "c", "d", None, "ß"]
    assert [0, 0, 1, 1, 3, 2, 3] == texts.codes(told, len(told)).tolist()


@pytest.mark.parametrize(
    ("spec", "more", "values", "codes"),
    [
        (OPEN, ["a", "", "z"], ("a", "B", "é", "z"), [0, 3, 4, 5]),
        (FOLDED, ["FIRST CLASS", "z"], ("First class", "c", "z"), [4, 2, 3, 4]),
    ],
    ids=["open", "folded"],
)
def test_a_model_may_know_more_than_is_declared(spec, more, values, codes) -> None:
    """It keeps a place of its own, unless it is a spelling of a declared one, or what stands for missing."""
    texts = Texts(spec, more)
    assert values == texts.values
    assert codes == texts.codes(["a", "z", None, "never seen"], 4).tolist()


def test_codes_are_of_one_pass_over_any_sequence() -> None:
    """As counting gives them: the columns of many requests, one behind the other."""
    texts = Texts(OPEN)
    assert [0, 1, 4] == texts.codes(chain(["a"], ("B", "x")), 3).tolist()
    assert [] == texts.codes((), 0).tolist()


def test_no_text_is_kept() -> None:
    """Callers may send any number of them."""
    texts = Texts(FOLDED)
    before = len(texts._code)
    texts.codes([f"text {number}" for number in range(1_000)], 1_000)
    assert before == len(texts._code)


def test_only_categories_have_texts() -> None:
    """In the order of the inputs."""
    made = texts_of([OPEN, {"type": "number"}, FOLDED])
    assert [("a", "B", "é"), ("First class", "c")] == [texts.values for texts in made]
