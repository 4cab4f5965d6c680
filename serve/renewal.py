"""Another bundle in the place of the one that serves: SIGHUP asks for it, where the bundle's folder is mounted.

It is loaded and checked on a thread, while the old one answers. What is not fit to serve is refused by a line in the
log, and the old one serves on. Whoever asks while a reload is under way gets another one after it.
"""

import gc
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from serve.bundle import MANIFEST, BundleError, sha256
from serve.guard import logs
from serve.guard.around import Guard
from serve.guard.settings import SettingError, limits_of
from serve.loaded import Bundle, load
from serve.wire.routes import scopes
from serve.wire.served import Served, serving


class Unchanged(Exception):
    """The folder holds the bundle that serves already."""


class Wish:
    """Whether a reload is asked for; heard from the first moment on, for SIGHUP would end a process that is deaf."""

    def __init__(self) -> None:
        self.there = False
        signal.signal(signal.SIGHUP, self.ask)

    def ask(self, *_: object) -> None:
        """Ask for a reload; a handler of signals."""
        self.there = True


class Renewal:
    """What serves, and what comes after it; `served` is the one or, once `look` said so, the other."""

    def __init__(self, folder: Path, served: Served, guard: Guard, rows: int, wish: Wish) -> None:
        self.served = served
        self._folder, self._guard, self._rows, self._wish = folder, guard, rows, wish
        self._loading: Future[Served] | None = None

    @property
    def under_way(self) -> bool:
        """Whether a thread is loading."""
        return self._loading is not None

    def look(self) -> bool:
        """Begin a reload that was asked for, or end one that is loaded; tell whether another bundle serves from now."""
        if self._loading is None and self._wish.there:
            self._wish.there = False
            self._loading = _on_a_thread(self._load)
        if self._loading is None or not self._loading.done():
            return False
        loading, self._loading = self._loading, None
        version = self.served.bundle.version
        try:
            served = loading.result()
        except Unchanged:
            logs.write("info", "reload", message=f"the folder holds the bundle that serves, version {version}")
            return False
        except Exception as error:  # whatever it is, it is no reason to stop serving
            self.served.counts.reloaded("refused")
            logs.write("error", "reload refused", message=f"{_sentence(error)}; version {version} serves on")
            return False
        self.served = served
        served.counts.reloaded("done")
        self._guard.follow(limits_of(served.bundle.limits), scopes(served.routes))
        return True

    def _load(self) -> Served:
        old = self.served.bundle
        if (self._folder / MANIFEST).is_file() and sha256(self._folder / MANIFEST) == old.digest:
            raise Unchanged
        bundle = load(self._folder, self._rows, old)
        if bundle.name != old.name:
            raise BundleError(f"it holds model {bundle.name}, this service serves {old.name}; start one of its own")
        limits_of(bundle.limits)
        served = serving(bundle, self._guard)
        served.pages.load()
        return served


def tell(before: int, after: Bundle) -> None:
    """Write to the log that a reload has ended; `before` is the version that served before it."""
    said = f"version {after.version} of {after.name} answers, after version {before}"
    runtime = after.model.runtime
    logs.write("info", "reloaded", message=said, bundle_digest=after.digest, loaded=after.loaded, runtime=runtime)


def forget() -> None:
    """Release what the old bundle left in circles of references, and keep the collector from walking the rest."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _on_a_thread(load: Callable[[], Served]) -> "Future[Served]":
    future: Future[Served] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(load())
        except Exception as error:  # told where the future is looked at
            future.set_exception(error)

    # a daemon: an end that is asked for does not wait for it
    threading.Thread(target=run, name="reload", daemon=True).start()
    return future


def _sentence(error: Exception) -> str:
    if isinstance(error, (BundleError, SettingError)):
        return str(error)
    return f"the bundle cannot be loaded: {type(error).__name__}: {error}".splitlines()[0]
