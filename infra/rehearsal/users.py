"""Users of the stable pods during a drill: they ask for predictions without a pause, and count what fails.

They come by the way that deployments come, past every edge to each pod: half of them by one connection, half by a new
one each time.
"""

import collections
import threading
from collections.abc import Sequence
from typing import Any

import httpx

from infra import process
from serve.smoke import credential

PAUSE = 0.02  # seconds between two requests of a user; the pods may have half a processor each
ENOUGH = 200  # answers, until what did not fail says something
PATIENCE = 60.0  # seconds until these have come
ANSWER_SECONDS = 20.0


class Users:
    """Four at least, one for each way and address; they ask from now on."""

    def __init__(self, urls: Sequence[str], row: dict[str, Any]) -> None:
        self.answers = 0
        self.failures: collections.Counter[str] = collections.Counter()
        self._row, self._ended, self._lock = row, threading.Event(), threading.Lock()
        each = max(1, 2 // len(urls))
        ways = [(url, stays) for url in urls for stays in (True, False) for _ in range(each)]
        self._threads = [threading.Thread(target=self._ask, args=way, daemon=True) for way in ways]
        for thread in self._threads:
            thread.start()

    def enough(self) -> bool:
        """Wait until there are enough answers, and say whether they came, or a failure did."""
        return process.wait(lambda: self.answers >= ENOUGH or bool(self.failures), PATIENCE)

    def leave(self) -> None:
        """Let them go, each when it has its answer."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, url: str, stays: bool) -> None:
        headers = credential() | ({} if stays else {"connection": "close"})
        with httpx.Client(headers=headers, timeout=ANSWER_SECONDS, trust_env=False) as client:
            while not self._ended.is_set():
                failure = self._asked(client, url)
                with self._lock:
                    if failure:
                        self.failures[failure] += 1
                    else:
                        self.answers += 1
                self._ended.wait(PAUSE)

    def _asked(self, client: httpx.Client, url: str) -> str:
        """Ask once, and say what failed; nothing where nothing did."""
        try:
            answer = client.post(f"{url}/predict", json=self._row)
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: {error}"
        return "" if answer.status_code == 200 else f"status {answer.status_code}"
