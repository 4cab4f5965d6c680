"""The page in a real Chromium: it shows the model, asks it, and says in the service's words what is wrong."""

import json

import pytest

from serve.runtime import NOTES
from tests.browser import NEEDED
from tests.serve.browser.bundles import TARGETS
from tests.serve.browser.doing import ROW, predict, shown_json
from tests.serve.conftest import started

pytestmark = NEEDED
PLOTS = {
    "binary": {"ROC curve", "Precision and recall", "Calibration", "Thresholds", "Confusion"},
    "classes": {"Calibration", "Confusion"},
    "quantity": {"Residuals"},
}


@pytest.mark.parametrize("kind", TARGETS)
def test_it_shows_the_model_and_what_fits_its_kind(toys, opened, kind) -> None:
    """Name, version, figures, plots that the kind has, fairness, card; nothing complained of, nobody else asked."""
    url = toys(kind)
    tab, noticed = opened(url)
    assert "toy, version 7" == tab.title()
    assert "toy version 7" == tab.get_by_role("heading", level=1).text_content()
    assert "0.9276" in tab.locator("#figures").text_content()
    assert "demographic_parity_difference by sex" in tab.locator("#fairness").text_content()
    assert "For tests; see docs." in tab.locator("#card").text_content()
    assert PLOTS[kind] == set(tab.locator("#figures figure h3").all_text_contents())
    assert set(tab.evaluate("[...document.images].map(one => one.alt.length > 9)")) == {True}
    tab.evaluate("[...document.images].forEach(one => one.loading = 'eager')")
    tab.wait_for_function("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
    assert {True} == {one.startswith((url, "data:image/svg+xml,")) for one in noticed}, noticed


def test_a_model_that_is_no_graph_has_a_note(skops_chain, toys, opened) -> None:
    """Why it is none, and what that means, below its name; the page of a graph has none."""
    with started(skops_chain.root) as (url, _):
        tab, _ = opened(url)
        said = tab.locator("#runtime").text_content()
        assert said.startswith("Not served as an ONNX graph: the pipeline has no ONNX form (For operator Sklearn")
        assert said.endswith(f". {NOTES['skops']}.")
        assert "skops" == tab.locator(".digests dd").last.text_content()
    tab, _ = opened(toys())
    assert 0 == tab.locator("#runtime").count()
    assert "onnx" == tab.locator(".digests dd").last.text_content()


@pytest.mark.parametrize("kind", TARGETS)
def test_the_form_gives_the_answer_of_predict(toys, opened, answer_of, kind) -> None:
    """The same JSON, and the label or value large; numbers leave as they were typed."""
    url = toys(kind)
    tab, _ = opened(url)
    tab.get_by_label("age", exact=True).fill("41.0")
    tab.get_by_label("ratio (%)", exact=True).fill("0.12345678901234567")
    tab.get_by_label("town", exact=True).select_option("b & c")
    tab.get_by_label("trade", exact=True).fill("unheard of")
    with tab.expect_request("**/predict") as asked:
        predict(tab)
    assert '"age":41.0,"ratio (%)":0.12345678901234567,' in asked.value.post_data
    wanted = answer_of(url, {"age": 41, "ratio (%)": 0.12345678901234567, "town": "b & c", "trade": "unheard of"})
    assert wanted == shown_json(tab)
    chosen = wanted["prediction"].get("label", "410 CHF a month")
    assert chosen == tab.locator(".chosen strong").text_content()
    assert len(TARGETS[kind]["labels"]) == tab.locator(".bars li").count()


def test_the_example_is_filled_in_and_an_empty_field_is_missing(toys, opened, answer_of) -> None:
    """The page is of use before anything is typed."""
    url = toys()
    tab, _ = opened(url)
    predict(tab)
    assert answer_of(url, ROW) == shown_json(tab)
    tab.get_by_label("ratio (%)", exact=True).fill("")
    tab.get_by_label("town", exact=True).select_option("")
    with tab.expect_request("**/predict") as asked:
        predict(tab)
    assert ROW | {"ratio (%)": None, "town": None} == json.loads(asked.value.post_data)


@pytest.mark.parametrize("typed", ["101", "1e3", "x", "", "0x10", "1.5", "NaN"])
def test_a_bad_value_shows_the_service_s_own_sentence(toys, opened, answer_of, typed) -> None:
    """Word for word, and the field that it names is marked and has the focus; then a good one is answered again."""
    url = toys()
    tab, _ = opened(url)
    tab.get_by_label("age", exact=True).fill(typed)
    predict(tab)
    said = tab.locator("#try [role=alert]")
    said.filter(has_text="age").wait_for()
    value = float(typed) if typed in ("101", "1e3", "1.5") else typed or None
    assert answer_of(url, ROW | {"age": value})["detail"] == said.text_content()
    assert ["age", "true"] == tab.evaluate(
        "[document.activeElement.labels[0].textContent, document.activeElement.ariaInvalid]"
    )
    tab.get_by_label("age", exact=True).fill("30")
    predict(tab)
    assert answer_of(url, ROW) == shown_json(tab)
    assert "" == said.text_content()
    assert 0 == tab.locator("[aria-invalid]").count()


def test_without_a_service_the_page_says_so(toys, opened) -> None:
    """One sentence in the place of an answer."""
    tab, _ = opened(toys())
    tab.context.set_offline(True)
    predict(tab)
    tab.get_by_text("The service cannot be reached").wait_for()


def test_a_bundle_without_a_page_still_has_its_form(toys, opened, answer_of) -> None:
    """One that was exported before there was a page says what it lacks."""
    url = toys(page=False)
    tab, _ = opened(url)
    tab.get_by_text("This bundle holds no figures").wait_for()
    predict(tab)
    assert answer_of(url, ROW) == shown_json(tab)


def test_the_api_s_page_sends_its_examples(toys, opened) -> None:
    """Every example of /predict is answered, a bad body with the service's sentence, and nobody else is asked."""
    url = toys()
    tab, noticed = opened(f"{url}/docs")
    assert "ratio (%)" in tab.locator("#row").text_content()
    shown = tab.get_by_role("status", name="Answer")
    for name, key in (("one row", "prediction"), ("many rows", "predictions"), ("columns", "predictions")):
        tab.get_by_label("Example").select_option(name)
        tab.get_by_role("button", name="Send").click()
        shown.filter(has_text=f'"{key}"').wait_for()
        assert 7 == json.loads(shown.text_content())["model_version"]
    tab.get_by_label("Body").fill("{")
    tab.get_by_role("button", name="Send").click()
    shown.filter(has_text="400: the body is no JSON").wait_for()
    assert [] == [one for one in noticed if not one.startswith(url) and "400" not in one]
