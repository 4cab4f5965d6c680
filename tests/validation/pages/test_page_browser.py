"""The page in a real Chromium: readable by everybody, on a phone, in the dark, and shut off from the world."""

from pathlib import Path

import pytest

from tests.browser import NEEDED, watched
from tests.validation.pages.evidence import KINDS, calibration, measures, verdict, version
from tests.validation.pages.test_page import hostile
from train.view import View
from validation.gate import Measure
from validation.pages.page import page
from validation.pages.summary import summarise
from validation.words.bounds import Bound

pytestmark = NEEDED


@pytest.fixture
def written(tmp_path, collected_of, config_of):
    """Write a page to a file: a red one, with all that a page can hold."""

    def make(kind="binary", **replaced) -> Path:
        bad = Measure("equalized_odds_difference by sex", "sex: a, b", 0.2, Bound(at_most=0.08), 900, "fail", "reason")
        red = {"fairness": verdict("fairness", kind, measures=(*measures("fairness"), bad))} | replaced
        collected, config = collected_of(kind, "fairness: red", **red), config_of(kind, changed=("one bound",))
        summary = summarise(version(), collected, config, calibration(), True)
        path = tmp_path / "index.html"
        path.write_text(page(summary, collected, View({3: version()}, {}), config), encoding="utf-8")
        return path

    return make


@pytest.fixture
def opened(chromium):
    """Open a page; give it with what it asked for and complained of."""
    tabs = []

    def make(path: Path, width=1280, scheme="light"):
        tab, noticed = watched(chromium, width, scheme)
        tabs.append(tab)
        tab.goto(path.as_uri())
        return tab, noticed

    yield make
    for tab in tabs:
        tab.context.close()


def open_all(shown) -> None:
    """Open every folded part."""
    shown.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing(written, opened, kind, scheme) -> None:
    """Names, contrasts, landmarks, headings, labels: no violation, folded parts open, in light and dark."""
    from axe_playwright_python.sync_playwright import Axe

    shown, _ = opened(written(kind), scheme=scheme)
    open_all(shown)
    found = Axe().run(shown)
    assert 0 == found.violations_count, found.generate_report()
    assert len(found.response["passes"]) >= 20


def test_axe_would_find_a_fault(written, opened) -> None:
    """A plot without a name, or too faint a grey, is a violation: the check above can fail."""
    from axe_playwright_python.sync_playwright import Axe

    path = written()
    text = path.read_text().replace("--soft: #59636e", "--soft: #a9a9a9")
    path.write_text(text.replace("aria-labelledby", "data-x").replace("<title id", "<desc id"))
    found = {one["id"] for one in Axe().run(opened(path)[0]).response["violations"]}
    assert {"color-contrast", "svg-img-alt"} <= found


@pytest.mark.parametrize("width", [320, 360, 1280])
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_does_not_scroll_sideways(written, opened, kind, width) -> None:
    """Tables scroll within themselves, down to a small phone."""
    shown, _ = opened(written(kind), width)
    open_all(shown)
    assert shown.evaluate("document.documentElement.scrollWidth") == width


def test_nothing_leaves_the_page_and_nothing_is_complained_of(written, opened) -> None:
    """One request, for the page itself; no word on the console, hostile values or not."""
    for path in (written(), written(**hostile())):
        shown, noticed = opened(path)
        open_all(shown)
        shown.wait_for_timeout(200)
        assert [path.as_uri()] == noticed
        assert 0 == shown.evaluate("document.querySelectorAll('script, iframe, object, img').length")


def test_the_policy_stops_a_script_and_a_request(written, opened) -> None:
    """Were a script or a picture of another host ever in the page, Chromium would not run or fetch it."""
    path = written()
    inside = "<script>document.title = 'taken'</script><img src='https://evil.example/x.png' alt=''>"
    path.write_text(path.read_text().replace("<main", inside + "<main"))
    shown, noticed = opened(path)
    assert "taken" != shown.title()
    assert sum("Content Security Policy" in one for one in noticed) >= 2


def test_the_keyboard_reaches_every_table(written, opened) -> None:
    """Tab goes to the skip link first, then on to each region that scrolls, and the focus is always seen."""
    shown, _ = opened(written(), 360)
    open_all(shown)
    wanted = shown.evaluate("[...document.querySelectorAll('[role=region]')].map(one => one.ariaLabel)")
    reached, outlines = [], set()
    for _ in range(len(wanted) * 3 + 40):
        shown.keyboard.press("Tab")
        told = "[document.activeElement.ariaLabel ?? document.activeElement.textContent,"
        name, outline = shown.evaluate(f"{told} getComputedStyle(document.activeElement).outlineStyle]")
        reached.append(name)
        outlines.add(outline)
    assert reached[0].startswith("Skip to")
    assert set(wanted) <= set(reached)
    assert len(wanted) == len(set(wanted)) >= 15
    assert {"solid"} == outlines - {"none"}


def test_the_skip_link_leads_to_the_details(written, opened) -> None:
    """Enter on it moves the focus behind the navigation."""
    shown, _ = opened(written())
    shown.keyboard.press("Tab")
    shown.keyboard.press("Enter")
    assert "main" == shown.evaluate("document.activeElement.id")


def test_the_page_prints(written, opened) -> None:
    """On paper: some pages, dark ink on white whatever the scheme."""
    shown, _ = opened(written(), scheme="dark")
    assert shown.pdf(format="A4").startswith(b"%PDF")
    shown.emulate_media(media="print", color_scheme="dark")
    assert "rgb(255, 255, 255)" == shown.evaluate("getComputedStyle(document.body).backgroundColor")
