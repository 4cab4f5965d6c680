"""What a model that is no ONNX graph costs is said wherever somebody reads about the model; of a graph nothing is."""

from dataclasses import replace

import pytest

from serve.runtime import NOTES
from tests.validation.pages.evidence import verdict, version
from train.view import View
from validation.pages.card import card, release_of
from validation.pages.markdown import markdown
from validation.pages.pace import pace
from validation.pages.page import page
from validation.pages.summary import read_summary, summarise, write_summary

WHY = "the pipeline has no ONNX form (no converter for <b>Spline</b> | @team)"
SAID = f"Not served as an ONNX graph: {WHY}. {NOTES['skops']}."
MEASURED = " Where parity was judged, a row alone took 31.2 microseconds, in a batch 2.1."


def of(runtime: str, why: str = ""):
    """A version with this runtime."""
    tags = {"runtime": runtime} | ({"runtime-why": why} if why else {})
    return replace(version(), tags=version().tags | tags)


@pytest.fixture
def texts(collected_of, config_of):
    """The report as Markdown and as a page, and the card, of one version."""

    def make(one, limit: int = 60_000) -> list[str]:
        collected, config = collected_of(), config_of("binary", changed=())
        summary = summarise(one, collected, config)
        whole = page(summary, collected, View({3: one}, {}), config)
        return [markdown(summary, limit), whole, card(release_of(one, config), collected.verdicts, config)]

    return make


def test_a_graph_has_nothing_to_say(texts, config_of) -> None:
    """Nor has a version from before there was a choice."""
    for one in (version(), of("onnx")):
        assert "onnx" == release_of(one, config_of("binary"))["runtime"]
        assert not [text for text in texts(one) if "Not served as an ONNX graph" in text]


def test_every_text_says_it_escaped(texts) -> None:
    """Why, what it means, and what was measured; a type's name is no mark-up and calls nobody."""
    for text in texts(of("skops", WHY)):
        assert "Not served as an ONNX graph: the pipeline has no ONNX form (no converter for " in text
        assert f"{NOTES['skops']}.{MEASURED}" in text
        assert "<b>Spline" not in text
    assert "@team" not in texts(of("skops", WHY))[0]


def test_without_parity_nothing_is_measured(collected_of, config_of) -> None:
    """A verdict that is missing, or from before there were times, leaves the rest of the sentence."""
    release = release_of(of("skops", WHY), config_of("binary"))
    assert SAID + MEASURED == pace(release, collected_of().verdicts)
    assert SAID == pace(release, collected_of(parity=None).verdicts)
    assert SAID == pace(release, collected_of(parity=verdict("parity", "binary", evidence={})).verdicts)


def test_it_is_cut_where_a_comment_has_to_be_short(texts, tmp_path, collected_of, config_of) -> None:
    """However long a reason somebody gave; and it is read back."""
    long = of("skops", "w" * 5_000)
    assert len(texts(long, 5_000)[0]) <= 5_000
    summary = summarise(long, collected_of(), config_of("binary", changed=()))
    write_summary(tmp_path / "report.json", summary)
    assert read_summary(tmp_path / "report.json") == summary


def test_a_report_from_before_is_read(tmp_path, collected_of, config_of) -> None:
    """It has no such field."""
    import json

    path = tmp_path / "report.json"
    write_summary(path, summarise(version(), collected_of(), config_of("binary", changed=())))
    content = json.loads(path.read_text())
    assert "" == content.pop("pace")
    path.write_text(json.dumps(content))
    assert "" == read_summary(path).pace
