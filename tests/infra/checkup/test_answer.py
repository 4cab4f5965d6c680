"""How answers are shown: the worst first, and nothing that was read elsewhere as mark-up."""

from infra.checkup.answer import code, fine, missing, order, table, unseen


def test_the_worst_comes_first() -> None:
    """What stops the chain, what is missing, what cannot be seen, what is fine; else the order of the checks."""
    answers = {
        "a": fine("x"),
        "b": unseen("x"),
        "c": missing("x", "y"),
        "d": fine("x"),
        "e": missing("x", "y", needed=True),
    }
    assert ["e", "c", "b", "a", "d"] == [check for check, _ in order(answers)]


def test_neighbours_that_say_the_same_share_a_line() -> None:
    """A laptop without a network tells its one reason once."""
    text = table([("a", unseen("no network")), ("b", unseen("no network")), ("c", fine("no network"))])
    assert ["| a, b | cannot see: no network |  |", "| c | fine: no network |  |"] == text.splitlines()[2:]


def test_what_is_needed_stands_in_bold() -> None:
    """Beside what is only good to have."""
    text = table([("a", missing("x", "`y`", needed=True)), ("b", missing("x", "`y`"))])
    assert ["| a | **missing**: x | `y` |", "| b | missing: x | `y` |"] == text.splitlines()[2:]


def test_names_from_elsewhere_are_text() -> None:
    """Of a branch, a ruleset, a workflow: no link, no mention, no new cell, no new line."""
    [line] = table([("a", fine("x|y `z` @ann [a](http://b) <img>\n# c"))]).splitlines()[2:]
    for mark in ("x|y", "`z`", "@ann", "](", "<img", "://"):
        assert mark not in line


def test_names_from_elsewhere_do_not_end_a_command() -> None:
    """What is no plain character is a question mark."""
    assert "`gh x 'a?b?c?d'`" == code("gh x 'a`b|c\nd'")
