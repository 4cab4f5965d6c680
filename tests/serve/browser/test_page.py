"""The page in a real Chromium: it shows the model, asks it, sends a key where one is wanted, lets nothing run."""

import json

import pytest

from serve.guard.keys import line_of, make
from tests.browser import NEEDED
from tests.serve.browser.bundles import TARGETS

pytestmark = NEEDED
ROW = {"age": 30, "ratio (%)": 0.5, "town": "a", "trade": "y"}
PLOTS = {
    "binary": {"ROC curve", "Precision and recall", "Calibration", "Thresholds", "Confusion"},
    "classes": {"Calibration", "Confusion"},
    "quantity": {"Residuals"},
}


def predict(tab) -> None:
    tab.get_by_role("button", name="Predict").click()


def shown_json(tab) -> dict:
    """The answer as the page got it."""
    tab.locator(".answer details code").wait_for(state="attached")
    return json.loads(tab.locator(".answer details code").text_content())


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


KEY, ADMIN = make(), make()
LINES = "; ".join((line_of(KEY, "page", "predict"), line_of(ADMIN, "counts", "admin")))


def open_door(tab, key: str) -> None:
    tab.get_by_label("API key").fill(key)
    tab.get_by_role("button", name="Open").click()


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_key_opens_the_page(toys, opened, path) -> None:
    """Nothing is told before; a wrong key, or one of another scope, gets the service's sentence."""
    tab, noticed = opened(toys(API_KEYS=LINES) + path)
    assert "toy" not in tab.content()
    assert "" == tab.locator("#door-says").text_content()
    for key, sentence in ((make(), "the key is not known"), (ADMIN, "this credential lacks the scope predict")):
        open_door(tab, key)
        tab.get_by_text(sentence).wait_for()
    open_door(tab, "a key with späces")
    tab.get_by_text("That is no key").wait_for()
    open_door(tab, KEY)
    tab.get_by_role("heading", name="toy version 7").wait_for()
    assert not tab.locator("#door").is_visible()
    assert KEY not in tab.content() + "".join(noticed)


def test_the_key_is_sent_with_predictions_and_gone_when_it_is_forgotten(toys, opened, answer_of) -> None:
    """It lasts a reload, in this tab alone."""
    url = toys(API_KEYS=LINES)
    tab, _ = opened(url)
    open_door(tab, KEY)
    predict(tab)
    assert answer_of(url, ROW, authorization=f"Bearer {KEY}") == shown_json(tab)
    tab.reload()
    predict(tab)
    other = tab.context.new_page()
    other.goto(url)
    other.get_by_label("API key").wait_for()
    assert [KEY] == tab.evaluate("Object.values(sessionStorage)")
    assert [] == tab.evaluate("[...Object.values(localStorage), ...document.cookie]")
    tab.get_by_role("button", name="Forget the key").click()
    tab.get_by_label("API key").wait_for()
    assert [] == tab.evaluate("Object.values(sessionStorage)")
    assert "toy" not in tab.locator("#model").text_content()


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


@pytest.mark.parametrize("kind", TARGETS)
def test_hostile_texts_are_shown_and_do_not_run(toys, opened, kind) -> None:
    """Names, values, units, labels, figures, drawings, card that are scripts: text on both pages, a picture at most."""
    url = toys(kind, wild=True)
    tab, noticed = opened(url)
    predict(tab)
    assert "window.taken = 1" in str(shown_json(tab)) or kind == "quantity"
    tab.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    tab.wait_for_timeout(300)
    for where in ("#model h1", "#try label", "#try option[value]:not([value=''])", "#figures", "#fairness", "#card"):
        assert "<script>window.taken = 1</script>" in tab.locator(where).first.text_content()
    assert tab.evaluate("window.taken") is None
    alien = "script:not([src^=page]), iframe, object, embed, svg, [onerror], [href^=java]"
    own = f"document.querySelectorAll('{alien}').length"
    assert 0 == tab.evaluate(own)
    tab.goto(f"{url}/docs", wait_until="networkidle")
    assert "<script>window.taken = 1</script>" in tab.locator("#row").text_content()
    assert [None, 0] == [tab.evaluate("window.taken"), tab.evaluate(own)]
    assert {True} == {one.startswith((url, "data:image/svg+xml,")) for one in noticed}, noticed


def test_the_policy_stops_what_would_run(toys, opened) -> None:
    """Were a script or another host's picture ever in the page, Chromium would not run or fetch it."""
    tab, noticed = opened(toys())
    made = "const script = document.createElement('script'); script.append('window.taken = 1');"
    tab.evaluate(f"() => {{ {made} document.body.append(script) }}")
    tab.evaluate("() => document.body.append(Object.assign(new Image(), {src: 'https://evil.example/x.png'}))")
    tab.wait_for_timeout(200)
    assert tab.evaluate("window.taken") is None
    said = " ".join(noticed)
    assert "TrustedScript" in said, said
    assert 'violates the following Content Security Policy directive: "img-src data:"' in said, said
    assert "TypeError" in tab.evaluate(
        "(() => { try { document.body.innerHTML = 'x' } catch (e) { return e.name } })()"
    )


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("kind", "path"), [*((kind, "/") for kind in TARGETS), ("binary", "/docs")])
def test_axe_finds_nothing(toys, opened, kind, path, scheme) -> None:
    """Names, contrasts, landmarks, headings, labels: no violation, folded parts open, an answer shown."""
    from axe_playwright_python.sync_playwright import Axe

    tab, _ = opened(toys(kind) + path, scheme=scheme)
    tab.get_by_role("button", name="Predict" if path == "/" else "Send").click()
    tab.get_by_role("status").filter(has_text="7").wait_for()
    tab.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    tab.wait_for_timeout(300)  # until the bar has its length
    found = Axe().run(tab)
    assert 0 == found.violations_count, found.generate_report()
    assert len(found.response["passes"]) >= 20


def test_axe_finds_nothing_at_the_door(toys, opened) -> None:
    """Nor before a key is given."""
    from axe_playwright_python.sync_playwright import Axe

    tab, _ = opened(toys(API_KEYS=LINES))
    open_door(tab, make())
    tab.get_by_text("the key is not known").wait_for()
    found = Axe().run(tab)
    assert 0 == found.violations_count, found.generate_report()


@pytest.mark.parametrize("width", [320, 375, 1280])
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_it_does_not_scroll_sideways(toys, opened, path, width) -> None:
    """Tables scroll within themselves, down to a small phone."""
    tab, _ = opened(toys() + path, width)
    tab.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert width == tab.evaluate("document.documentElement.scrollWidth")


def test_the_keyboard_is_enough(toys, opened, answer_of) -> None:
    """Skip link first, then every input in order, and Enter asks; the focus is always seen."""
    url = toys()
    tab, _ = opened(url)
    reached, outlines = [], set()
    for _ in range(9):
        tab.keyboard.press("Tab")
        told = "const one = document.activeElement; return [one.labels?.[0]?.textContent ?? one.textContent,"
        name, outline = tab.evaluate(f"(() => {{ {told} getComputedStyle(one).outlineStyle] }})()")
        reached.append(name)
        outlines.add(outline)
    assert ["Skip to the model", "API", "age", "ratio (%)", "town", "trade", "Predict"] == reached[:7]
    assert {"solid"} == outlines
    tab.get_by_label("age", exact=True).focus()
    tab.keyboard.press("Enter")
    assert answer_of(url, ROW) == shown_json(tab)
