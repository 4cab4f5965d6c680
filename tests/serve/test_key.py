"""The script that makes a key."""

import pytest

from serve import key
from serve.guard.keys import parse


def test_the_line_knows_the_key(capsys) -> None:
    """The key is printed once, its line beside it."""
    assert 0 == key.main(["--name", "batch", "--scopes", "predict,admin"])
    made, line = (text.partition("=")[2] for text in capsys.readouterr().out.splitlines())
    assert {"predict", "admin"} == parse(line, "here").find(made.encode()).scopes


@pytest.mark.parametrize(("name", "scopes"), [("a name", "predict"), ("batch", "everything"), ("", "predict")])
def test_what_cannot_be_a_line_is_refused(capsys, name, scopes) -> None:
    """Exit 2, a sentence, no key."""
    assert 2 == key.main(["--name", name, "--scopes", scopes])
    told = capsys.readouterr()
    assert ("", 1) == (told.out, len(told.err.splitlines()))
