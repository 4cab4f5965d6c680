"""The page: everything that was measured is on it, nothing that was not, and the same verdicts give the same bytes."""

import itertools
import re
from html.parser import HTMLParser

import pytest

from tests.validation.pages.evidence import KINDS, calibration, fairness_evidence, measures, verdict, version
from train.view import View
from validation.gate import Measure
from validation.pages.page import page
from validation.pages.summary import summarise
from validation.script import Refusal
from validation.words.bounds import Bound

WILD = """"><script>alert('x')</script></svg></style></title>{{ 7 * 7 }}${1}$ & 'quoted' \x00\ud800"""


class Read(HTMLParser):
    """Tags, ids and headings of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one tag."""
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]


@pytest.fixture
def written(collected_of, config_of):
    """Write the page of a run."""

    def make(kind="binary", *faults, rates=None, current=True, changed=(), **replaced):
        collected, config = collected_of(kind, *faults, **replaced), config_of(kind, changed=changed)
        summary = summarise(version(), collected, config, rates, current)
        return page(summary, collected, View({3: version()}, {}), config)

    return make


PLOTS = {
    "binary": {"ROC curve", "Precision and recall", "Calibration", "Thresholds", "Confusion"},
    "classes": {"Calibration", "Confusion"},
    "quantity": {"Residuals"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_plots(written, kind) -> None:
    """Each plot that the kind has, each with a name, a description and its table."""
    text = written(kind, rates=calibration())
    found = set(re.findall(r"<h3>(.*?)</h3>", text))
    every = {"What the model goes by", "Where it is worst", "Training data", "Share of trials that passed"}
    assert PLOTS[kind] | every <= found
    assert not (PLOTS["binary"] | PLOTS["quantity"]) - PLOTS[kind] & found
    figures = text.count("<figure>")
    assert figures == text.count('role="img"') == text.count("</desc>")
    assert figures <= text.count("<details")


def test_no_id_is_there_twice_and_headings_are_in_order(written) -> None:
    """What a label points to is one thing; no level of heading is skipped."""
    read = Read(written(rates=calibration()))
    assert len(set(read.ids)) == len(read.ids)
    levels = [int(tag[1]) for tag in read.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_page_needs_nothing_else(written) -> None:
    """No script, no other host, and a policy that would stop both."""
    text = written()
    assert "script" not in Read(text).tags
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text
    outside = [found for found in re.findall(r"https?://[^\"\s<]+", text) if "www.w3.org" not in found]
    assert [] == outside


def test_the_same_verdicts_give_the_same_page(written) -> None:
    """No time, no random id."""
    assert written(rates=calibration()) == written(rates=calibration())


def test_a_red_page_says_so_in_words(written) -> None:
    """Verdict, sentence, command, the red line; colour carries nothing alone."""
    bad = Measure("equalized_odds_difference by sex", "sex: a, b", 0.2, Bound(at_most=0.08), 900, "fail", "reason")
    red = verdict("fairness", "binary", measures=(*measures("fairness"), bad))
    text = written("binary", "fairness: it is red", fairness=red, schema=None, changed=("one bound changed",))
    assert text.index("one bound changed") < text.index("<h1>NOT to be promoted") < text.index("fairness: it is red")
    assert "make fairness MODEL_VERSION=3" in text
    assert '<tr class="stop">' in text
    assert "Its verdict is missing" in text
    assert "waived by A. Person until 2027-01-31" in text


def test_what_was_not_left_is_not_drawn(written) -> None:
    """Without evidence there are tables of verdicts and a sentence each, no empty plot."""
    bare = {gate: verdict(gate, "binary", evidence={}) for gate in ("performance", "fairness", "behaviour", "parity")}
    text = written(**bare)
    assert "<figure>" not in text
    assert "It was not measured; make calibrate does it." in text
    assert "under other bounds, code or data" in written(rates=calibration(), current=False)


def test_evidence_of_another_form_is_refused(written) -> None:
    """One sentence that names the gate's file."""
    odd = verdict("fairness", "binary", evidence={"groups": [{"by": "sex"}]})
    with pytest.raises(Refusal, match=r"build/verdicts/fairness\.json is not of the form"):
        written(fairness=odd)


def hostile():
    """A red run whose data hold mark-up wherever they can."""
    groups = fairness_evidence("binary")
    groups["groups"] = [one | {"group": WILD, "by": WILD, "rate": WILD} for one in groups["groups"]]
    line = Measure(WILD, WILD, 0.5, None, 9, "shown", WILD)
    performance = verdict("performance", "binary").evidence
    performance = performance | {"confusion": {"labels": [WILD, WILD], "counts": [[1, 2], [3, 4]]}}
    return {
        "fairness": verdict("fairness", "binary", measures=(*measures("fairness"), line), evidence=groups),
        "performance": verdict("performance", "binary", evidence=performance),
    }


def test_hostile_values_are_inert(written) -> None:
    """Neither mark-up nor a template's or a formula's marks in the data do anything; the page can be written."""
    text = written("binary", f"fairness: {WILD}", **hostile())
    tags = Read(text).tags
    assert "script" not in tags
    assert text.count("<svg") == text.count("</svg>") == tags.count("svg")
    assert tags.count("style") == 1 + text.count("<defs>\n  <style")
    assert "49" not in re.findall(r"\{\{.*?\}\}", text)
    assert "{{ 7 * 7 }}" in text
    assert text.encode()
