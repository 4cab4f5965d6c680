"""The state machine of a deployment: the new one is proved beside the old one, and only then takes its place.

States: candidate (started beside the old one) -> ready -> smoke (the golden rows, every output) -> switch | undo.
Deployments and rollbacks both go this way.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from infra import bundle as bundles
from infra import place as places
from infra import process
from infra.asked import is_ready
from infra.bundle import Bundle
from infra.place import Place
from validation import script
from validation.script import ROOT, OutsideError, log

Replay = Callable[[str, Path], list[str]]


class CandidateError(Exception):
    """The new one does not serve as it should: one sentence."""


def already(place: Place, sealed: Bundle, home: Path) -> dict[str, Any] | None:
    """Return the record when this bundle is live, served by the code of now; the place has settled."""
    record = _record(place, home)
    if (record.get("digest"), record.get("code")) == (sealed.digest, _code()) and _serves(place.url, sealed):
        log(f"infra.deploy: {sealed.model} {sealed.version} is live already, nothing to do")
        return record
    return None


def bring(place: Place, sealed: Bundle, home: Path, replay: Replay) -> dict[str, Any]:
    """Bring `sealed` to `place` and return the record of what is live.

    Raises CandidateError when it was not good enough; then what served before still serves.
    """
    place.settle()
    if (found := already(place, sealed, home)) is not None:
        return found
    record = _record(place, home)
    shelf = home / "bundles"
    stay = {str(digest)[:12] for digest in (record.get("digest"), serving(place.url)) if digest}
    kept = bundles.keep(sealed, shelf)
    try:
        with _undoing(place):
            _try_out(place, kept, replay)
            _switch(place, kept)
        previous = {key: record[key] for key in ("digest", "version")} if record else None
        record = {"digest": kept.digest, "version": kept.version, "what": place.name, "url": place.address}
        record |= {"code": _code(), "ledger": place.ledger, "previous": previous}
        with script.writing(home / places.RECORD) as file:
            file.write(script.to_json(record))
        stay.add(kept.short)
    finally:
        for copy in shelf.iterdir():
            if copy.name not in stay:
                shutil.rmtree(copy, ignore_errors=True)
    return record


def _record(place: Place, home: Path) -> dict[str, Any]:
    return process.read(home / places.RECORD) if place.is_up() else {}


def _code() -> str:
    return script.digest_of_files([*sorted((ROOT / "serve").rglob("*.py")), ROOT / "serve/requirements.txt"])


@contextlib.contextmanager
def _undoing(place: Place) -> Iterator[None]:
    """Undo whatever the block did when it does not end well, Ctrl-C included."""
    try:
        yield
    except BaseException as error:
        log("infra.deploy: undo")
        if isinstance(error, CandidateError):
            for line in place.candidate_log():
                log(f"  | {line}")
        place.switch_back()  # first, while what served before the switch still runs
        place.remove_candidate()
        raise
    place.remove_candidate()


def _try_out(place: Place, kept: Bundle, replay: Replay) -> None:
    """Start a candidate and judge it; raises CandidateError."""
    log(f"infra.deploy: candidate: {kept.model} {kept.version} ({kept.short}) as {place.name}")
    url = place.start_candidate(kept)
    ended: list[str] = []

    def settled() -> bool:
        ended.extend(filter(None, [place.candidate_ended()]))
        return bool(ended) or is_ready(url)

    began = time.monotonic()
    came_up = process.wait(settled, place.ready_seconds)
    if ended:
        raise CandidateError(f"ready: the candidate never was: {ended[0]}")
    if not came_up:
        raise CandidateError(
            f"ready: the candidate was not ready within {place.ready_seconds:g} s (config.py, SERVICE)"
        )
    log(f"infra.deploy: ready after {time.monotonic() - began:.1f} s")
    if not _serves(url, kept):
        raise CandidateError("ready: the candidate serves another bundle than the one that was ordered (see /version)")
    try:
        findings = replay(url, kept.folder)
    except (OutsideError, httpx.HTTPError, OSError) as error:
        raise CandidateError(f"smoke: the candidate stopped answering: {error}") from error
    if findings:
        for finding in findings[:10]:
            log(f"  {finding}")
        raise CandidateError(f"smoke: {len(findings)} finding(s), the first: {findings[0]}")
    log("infra.deploy: smoke: every golden output is equal")


def _switch(place: Place, kept: Bundle) -> None:
    log(f"infra.deploy: switch: {place.address}")
    if why := place.switch(kept):
        raise CandidateError(f"switch: {why}")
    _confirm(place, kept)


def _confirm(place: Place, kept: Bundle) -> None:
    if not process.wait(lambda: _serves(place.url, kept), place.ready_seconds):
        raise CandidateError(f"switch: {place.address} does not serve the new bundle after {place.ready_seconds:g} s")


def _serves(url: str, bundle: Bundle) -> bool:
    return serving(url) == bundle.digest


def serving(url: str) -> str:
    """Return the digest of the bundle that answers at `url`, ready; empty when none does."""
    try:
        told = httpx.get(f"{url}/version", timeout=2, trust_env=False).json() if is_ready(url) else {}
        return str(told["bundle_digest"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return ""
