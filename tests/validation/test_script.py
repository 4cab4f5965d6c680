"""The one door of scripts, where a script calls another."""

import contextlib
import io
import os
import subprocess
import sys

import pytest

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


@pytest.mark.parametrize("chosen", ["passive", "active"])
def test_threads_wait_without_spinning_unless_somebody_wants_it(monkeypatch, chosen):
    """OpenMP reads it when it is loaded: by the script's work, not by its imports."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if chosen == "active":
        monkeypatch.setenv("OMP_WAIT_POLICY", chosen)
    seen = []
    assert script.door(lambda _: seen.append(os.environ["OMP_WAIT_POLICY"]) or 0)() == 0
    assert seen == [chosen]


def test_scripts_that_fit_do_not_load_openmp_before_they_work():
    """What they import at their top is not scikit-learn."""
    fitting = "train.fit", "train.reproduce", "validation.behaviour", "validation.calibrate"
    program = f"import sys, {', '.join(fitting)}; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=script.ROOT).returncode == 0
