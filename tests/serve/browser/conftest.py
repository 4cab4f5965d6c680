"""The page of a made-up bundle in a real Chromium."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser import watched
from tests.conftest import REPOSITORY
from tests.serve.browser.bundles import make
from tests.serve.conftest import started


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Serve a made-up bundle, once for the same wishes; give its address."""
    running: dict[str, str] = {}
    with ExitStack() as stack:

        def start(kind: str = "binary", wild: bool = False, page: bool = True, **settings: str) -> str:
            wishes = repr((kind, wild, page, settings))
            if wishes not in running:
                root: Path = make(tmp_path_factory.mktemp("toy"), kind, wild, page)
                service = started(root, PYTHONPATH=str(REPOSITORY), **settings)
                running[wishes], _ = stack.enter_context(service)
            return running[wishes]

        yield start


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., tuple[Any, list[str]]]]:
    """Open an address in a tab of its own; give it with what it asked for and complained of."""
    tabs = []

    def make(url: str, width: int = 1280, scheme: str = "light") -> tuple[Any, list[str]]:
        tab, noticed = watched(chromium, width, scheme)
        tabs.append(tab)
        tab.goto(url, wait_until="networkidle")
        return tab, noticed

    yield make
    for tab in tabs:
        tab.context.close()


@pytest.fixture
def answer_of() -> Callable[..., dict[str, Any]]:
    """Ask /predict as a program does."""
    return lambda url, row, **headers: httpx.post(f"{url}/predict", json=row, headers=headers, timeout=60).json()
