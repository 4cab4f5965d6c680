"""Names that stand twice in one object are found, deep ones too, and in time that grows with the body."""

import pytest

from serve.refusal import BadRequest
from serve.unique import _once, refuse_repeated


@pytest.mark.parametrize("body", [b'{"a": 1, "b": 2, "a": 3}', b'{"b": [{"c": {"a": 1, "a": 1}}]}'])
def test_a_repeated_name_is_said(body) -> None:
    """By the name that comes again."""
    with pytest.raises(BadRequest, match="a: the name stands twice in one object"):
        refuse_repeated(body)


def test_one_name_in_several_objects_is_none() -> None:
    """Nor is an empty object."""
    refuse_repeated(b'[{"a": 1}, {"a": {"a": {}}}]')


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
