"""A real Chromium for tests that look at pages."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
NEEDED = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason=f"no Chromium: none of {', '.join(NAMES)} is here, nor $CHROMIUM set"),
]


@contextmanager
def started() -> Iterator[Any]:
    """Start a Chromium; end it after the block."""
    from playwright.sync_api import sync_playwright

    unconfined = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has no sandbox
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=unconfined)
        yield browser
        browser.close()


def watched(browser: Any, width: int = 1280, scheme: str = "light") -> tuple[Any, list[str]]:
    """Make an empty tab; give it with a list of what it will ask for and complain of."""
    tab = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme).new_page()
    noticed: list[str] = []
    tab.on("request", lambda request: noticed.append(request.url))
    tab.on("console", lambda message: noticed.append(message.text))
    tab.on("pageerror", lambda error: noticed.append(str(error)))
    tab.on("dialog", lambda dialog: (noticed.append(dialog.message), dialog.dismiss()))
    return tab, noticed
