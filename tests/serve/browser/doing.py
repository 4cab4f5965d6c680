"""What tests do on the pages."""

import json
from typing import Any

from serve.guard.keys import line_of, make

ROW = {"age": 30, "ratio (%)": 0.5, "town": "a", "trade": "y"}  # the example that the form holds
KEY, ADMIN = make(), make()
LINES = "; ".join((line_of(KEY, "page", "predict"), line_of(ADMIN, "counts", "admin")))


def predict(tab: Any) -> None:
    """Press the button."""
    tab.get_by_role("button", name="Predict").click()


def shown_json(tab: Any) -> dict[str, Any]:
    """Read the answer as the page got it."""
    tab.locator(".answer details code").wait_for(state="attached")
    answer: dict[str, Any] = json.loads(tab.locator(".answer details code").text_content())
    return answer


def open_door(tab: Any, key: str) -> None:
    """Give a key."""
    tab.get_by_label("API key").fill(key)
    tab.get_by_role("button", name="Open").click()
