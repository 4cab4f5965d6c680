"""The page in a real Chromium, of a bundle that attacks: nothing runs, nothing is fetched."""

import pytest

from tests.browser import NEEDED
from tests.serve.browser.bundles import TARGETS
from tests.serve.browser.doing import predict, shown_json

pytestmark = NEEDED


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
