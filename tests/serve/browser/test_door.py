"""The page in a real Chromium, of a service that wants a key."""

import pytest

from serve.guard.keys import make
from tests.browser import NEEDED
from tests.serve.browser.doing import ADMIN, KEY, LINES, ROW, open_door, predict, shown_json

pytestmark = NEEDED


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


def test_a_refusal_that_no_key_would_mend_asks_for_none(toys, opened) -> None:
    """A name that points to this machine is no reason to type a key: the service's sentence stands alone."""
    url = toys()
    tab, _ = opened("about:blank")
    tab.route("**/page.json", lambda route: route.fulfill(status=403, json={"detail": "a page of another origin asks"}))
    tab.goto(url)
    tab.get_by_text("a page of another origin asks").wait_for()
    assert not tab.locator("#door").is_visible()
