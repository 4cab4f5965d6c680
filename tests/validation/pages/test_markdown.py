"""The report as Markdown: the verdict first, whatever the size."""

import pytest

from tests.validation.pages.evidence import KINDS, calibration, measures, verdict, version
from validation.gate import Measure, judged, shown
from validation.pages.markdown import markdown
from validation.pages.summary import summarise
from validation.words.bounds import Bound

WILD = "a|b\n# c <img src=x> @team #12 [x](y) https://evil.example www.evil.example </details> **b** `c`"


@pytest.fixture
def text(collected_of, config_of):
    """Write the Markdown of a run."""

    def make(kind="binary", *faults, bounds=(), rates=None, current=True, limit=60_000, **replaced):
        collected = collected_of(kind, *faults, **replaced)
        return markdown(summarise(version(), collected, config_of(kind, changed=bounds), rates, current), limit)

    return make


def red(lines=()):
    """A red fairness verdict."""
    bad = Measure("equalized_odds_difference by sex", "sex: a, b", 0.2, Bound(at_most=0.08), 900, "fail", "reason")
    return verdict("fairness", "binary", measures=(*measures("fairness"), bad, *lines))


@pytest.mark.parametrize("kind", KINDS)
def test_a_green_run_says_so_first(text, kind) -> None:
    """Headline, waived lines with their owner, what it was compared with, every table."""
    written = text(kind, rates=calibration())
    assert written.startswith("## income, version 3: every gate passed\n")
    assert written.index("waived by A. Person until 2027-01-31") < written.index(
        "Compared with the champion, version 2"
    )
    assert "the anchor, version 1" in written
    assert "What is red" not in written
    assert "312 of 16208 predictions flipped (1.92%)." in written
    assert "**Breaking change** of the request: column &#96;race&#96; is no longer taken" in written
    assert "| hours_per_week | 0.131 | moved |" in written
    assert (
        "| same recipe, other seed | all conditions | pass at least 0.95 | 0.985 | 0.957 to 0.997 | 200 | pass |"
        in written
    )
    assert "Left out" not in written


def test_bounds_that_changed_come_before_all_else(text) -> None:
    """Even before the verdict."""
    assert text(bounds=["fairness: at most 0.15 became at most 0.2"]).startswith(
        "## Bounds changed\n\n- fairness: at most 0.15 became at most 0.2\n\n## income"
    )


def test_a_red_line_says_how_to_reproduce_it(text) -> None:
    """The sentence, the command, the runbook's heading, and what to do first on a branch."""
    written = text("binary", "fairness: model version 3: equalized_odds_difference is 0.2", fairness=red())
    assert written.startswith("## income, version 3: NOT to be promoted")
    assert "| fairness | `make fairness MODEL_VERSION=3` | docs/runbook.md, fairness |" in written
    assert "`make fit` first" in written
    assert "| 900 | **fail** | reason |" in written
    assert "| fairness | **FAIL** | 3 | 1 |" in written


def test_a_missing_verdict_of_data_is_reproduced_without_a_version(text) -> None:
    """`make schema` knows no model."""
    written = text("binary", "schema: schema.json: the verdict is missing", schema=None)
    assert "| schema | `make schema` |" in written
    assert "### Schema: missing" in written


def test_a_line_that_starts_anew_says_why(text) -> None:
    """A champion that cannot be compared is named with the reason."""
    anew = verdict("performance", "binary", evidence={"anew": "the line starts anew: another test part"})
    assert "The line starts anew: another test part\n" in text(performance=anew)


def test_rates_of_other_bounds_are_not_shown(text) -> None:
    """A sentence instead, with the command."""
    assert "under other bounds, code or data; `make calibrate`" in text(rates=calibration(), current=False)
    assert "was not measured; `make calibrate` does" in text()


def test_an_error_rate_that_is_not_as_wanted_is_said(text) -> None:
    """Not only in a folded table."""
    rates = calibration()
    assert "are not as wanted" not in text(rates=rates)
    rates["lines"][0]["verdict"] = "fail"
    assert "1 of 3 measured error rates of these gates are not as wanted.\n" in text(rates=rates)


def test_hostile_texts_stay_text(text) -> None:
    """From every place that a pull request can write to: no mention, link, picture or mark-up."""
    wild = verdict(
        "performance", "binary",
        measures=(*measures("performance"), Measure(WILD, WILD, 1.0, None, 1, "fail", WILD, champion=0.5)),
        evidence={
            "anew": WILD,
            "changes": {
                "against": 2,
                "flips": [{"from": WILD, "to": WILD, "rows": 1, "right": 1}],
                "slices": [{"slice": WILD, "rows": 1, "candidate": 1, "champion": 1}],
                "data": [{"column": WILD, "psi": 1}],
                "request": [{"change": WILD, "breaking": True}],
            },
        },
    )  # fmt: skip
    rates = calibration() | {"lines": [calibration()["lines"][0] | {"what": WILD, "measure": WILD}]}
    written = text("binary", f"performance: {WILD}", performance=wild, bounds=[WILD], rates=rates)
    own = [("<details>", ""), ("</details>", ""), ("<summary>", ""), ("</summary>", "")]
    for mark, nothing in own:
        written = written.replace(mark, nothing)
    assert not set("<@[]!") & set(written)
    assert "://" not in written
    assert "www." not in written
    assert "# c" not in written
    assert "`c`" not in written
    assert written.count("a&#124;b &#35;\u200b c") >= 8


@pytest.mark.parametrize(
    ("limit", "gone", "kept"),
    [
        (60_000, "shown lines. The page", "| roc_auc |"),
        (30_000, "shown lines, passing lines. The page", "312 of 16208 predictions flipped"),
        (2_900, "shown lines, passing lines, details of the changes. The page", "**fail**"),
    ],
)
def test_what_is_too_long_loses_the_least_first(text, limit, gone, kept) -> None:
    """Shown lines, then passing lines, then more; and it says so, and where they are."""
    many = [shown(f"rate {place}", f"group {place}", 0.5, 10, "w" * 300) for place in range(300)]
    many += [judged(f"rule {place}", "", 0, Bound(at_most=0), 10, "w" * 300) for place in range(100)]
    written = text("binary", "fairness: red", fairness=red(many), limit=limit, rates=calibration())
    assert len(written) <= limit
    assert f"Left out to stay short: {gone}" in written
    assert kept in written
    assert written.startswith("## income, version 3: NOT to be promoted")


def test_no_summary_is_too_large(text) -> None:
    """Thousands of red lines with endless texts still fit, the verdict first."""
    lines = [Measure("_" * 999, "_" * 999, 1.0, None, 1, "fail", "_" * 999) for _ in range(300)]
    written = text("binary", *["fairness: " + "_" * 990] * 150, fairness=red(lines), limit=5_000)
    assert len(written) <= 5_000
    assert written.startswith("## income, version 3: NOT to be promoted")
    assert "150 fault(s)" in written


@pytest.mark.parametrize(("count", "size"), [(200, 250), (30, 900), (200, 990)])
def test_many_bounds_that_changed_are_cut_and_still_come_first(text, count, size) -> None:
    """However much a proposal changes: that it did is said before all else."""
    written = text("binary", bounds=[f"PERFORMANCE: {place}: {'_' * size}" for place in range(count)])
    assert len(written) <= 60_000
    assert written.startswith("## Bounds changed\n\n- PERFORMANCE: 0: ")
    assert f"\n- and {count - 20} more\n" in written
    assert "all but 20 bounds that changed" in written


def test_bounds_that_do_not_fit_at_all_are_counted_first(text) -> None:
    """Nothing that a proposal writes hides that it changed bounds."""
    written = text("binary", bounds=["&" * 1000] * 150, limit=5_000)
    assert written.startswith("## Bounds changed\n\n150 of them, too long to be told here.\n\n## income, version 3")
    assert len(written) <= 5_000
