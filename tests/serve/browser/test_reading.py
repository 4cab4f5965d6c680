"""The page in a real Chromium: readable by everybody, by keyboard, on a phone, in the dark."""

import pytest

from serve.guard.keys import make
from tests.browser import NEEDED
from tests.serve.browser.bundles import TARGETS
from tests.serve.browser.doing import LINES, ROW, open_door, shown_json

pytestmark = NEEDED


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
