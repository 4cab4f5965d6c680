"""The one door of scripts, where a script calls another."""

import contextlib
import io

from validation import script


def test_a_script_that_calls_another_has_both_results(capsys):
    """The inner one's are printed where the outer one sends them; neither loses its own, whatever the inner says."""

    @script.door
    def inner(_):
        script.result("of the inner one")
        raise script.Refusal("no")

    @script.door
    def works(_):
        script.result("of the one that works")
        return 0

    @script.door
    def outer(_):
        script.result("before")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            codes = [inner(None), works(None)]
        script.result(f"{codes} {printed.getvalue()!r}")
        return 0

    assert outer(None) == 0
    assert capsys.readouterr().out == "before\n[2, 0] 'of the one that works\\n'\n"
