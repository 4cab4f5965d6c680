"""Names that stand twice in one object are found, deep ones too, and in time that grows with the body."""

import tracemalloc

import msgspec
import pytest

from serve.refusal import BadRequest
from serve.unique import _once, refuse_repeated
from serve.wire.protocol import parsed


@pytest.mark.parametrize("body", [b'{"a": 1, "b": 2, "a": 3}', b'{"b": [{"c": {"a": 1, "a": 1}}]}'])
def test_a_repeated_name_is_said(body) -> None:
    """By the name that comes again."""
    with pytest.raises(BadRequest, match="a: the name stands twice in one object"):
        refuse_repeated(body)


def test_one_name_in_several_objects_is_none() -> None:
    """Nor is an empty object."""
    refuse_repeated(b'[{"a": 1}, {"a": {"a": {}}}]')


TWICE = b'{"a": 1, "a": 2}'


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (TWICE, 422, "a: the name stands twice in one object"),
        (TWICE[:-1], 400, "the body is no JSON: Input data was truncated"),
        (TWICE + b"}", 400, "the body is no JSON: JSON is malformed: trailing characters (byte 17)"),
        (b'{"b": {"a": 1, "a": 2}, "c": 01}', 400, "the body is no JSON: JSON is malformed: invalid number (byte 30)"),
        (b'{"a": 1, "a": NaN}', 400, "the body is no JSON: JSON is malformed: invalid character (byte 14)"),
        (b'{"a": NaN}', 400, "the body is no JSON: JSON is malformed: invalid character (byte 6)"),
        (b'{"a": 1, "a": "\xff"}', 400, "the body is no JSON: a text in it is not in UTF-8"),
        (b"[" + TWICE + b"]", 422, "a: the name stands twice in one object"),
        (b"[1]", 422, "the body is no JSON object"),
        (b"{", 400, "the body is no JSON: Input data was truncated"),
    ],
)
def test_of_several_faults_the_same_is_told(body, status, said) -> None:
    """What is no JSON first, then a name that stands twice, then that it is no object."""
    with pytest.raises(BadRequest) as refused:
        parsed(body)
    assert (status, said) == (refused.value.status, str(refused.value))


def test_one_tree_of_a_body_is_there_at_a_time() -> None:
    """The look for repeated names keeps none; of many small objects one takes 25 times the body."""
    body = b'{"rows":[' + b",".join([b'{"a":{}}'] * 20_000) + b"]}"
    tracemalloc.start()
    try:
        held = msgspec.json.decode(body)
        one = tracemalloc.get_traced_memory()[0]
        del held
        tracemalloc.reset_peak()
        parsed(body)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 1.2 * one


def test_many_names_are_looked_at_once() -> None:
    """By pairs it would be millions of looks."""
    names = [str(number) for number in range(3_000)]
    looks = []

    class Name(str):
        __slots__ = ()

        def __eq__(self, other):
            looks.append(other)
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    with pytest.raises(BadRequest, match="2999: the name stands twice"):
        _once([(Name(name), 1) for name in [*names, names[-1]]])
    assert len(looks) < 10 * len(names)
