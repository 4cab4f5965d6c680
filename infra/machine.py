"""The state machine of a deployment: the new one is proved beside the old one, and only then takes its place.

States: canary (started beside the old one) -> ready -> smoke (the golden rows, every output) -> bake (what users ask
of it, or replayed requests) -> finish (it takes the old one's place) | undo. Deployments and rollbacks both go this
way; a rollback does not bake again.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from infra import bundle as bundles
from infra import place as places
from infra import process
from infra.asked import is_ready
from infra.baking.verdict import FINISH
from infra.bundle import Bundle
from infra.place import Place
from infra.trial import Trial
from serve.bundle import BundleError
from validation import script
from validation.script import ROOT, OutsideError, Refusal, log


class CandidateError(Exception):
    """The new one does not serve as it should: one sentence, and the bake's numbers where it came so far."""

    def __init__(self, sentence: str, numbers: str = "") -> None:
        super().__init__(sentence)
        self.numbers = numbers


def already(place: Place, sealed: Bundle, home: Path) -> dict[str, Any] | None:
    """Return the record when this bundle is live in the image that is ordered, if one is by its digest, and as ordered.

    Where the image is built on the spot, it has to be of the code of now; what it was told of the environment has to be
    what it would be told now. The place has settled.
    """
    record = _record(place, home)
    known = (record.get("digest"), record.get("code")) == (sealed.digest, _code())
    other = "@sha256:" in place.image and place.live_image() not in ("", place.image)
    if known and not other and place.as_told() and _serves(place.url, sealed):
        log(f"infra.deploy: {sealed.model} {sealed.version} is live already, nothing to do")
        return record
    return None


def bring(place: Place, sealed: Bundle, home: Path, trial: Trial) -> dict[str, Any]:
    """Bring `sealed` to `place` and return the record of what is live; `bake` in it are the numbers of the bake.

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
            url = _try_out(place, kept, trial)
            numbers = _bake(place, url, kept, _old(place, shelf), trial)
            trial.may_switch()
            _finish(place, kept)
        previous = {key: record[key] for key in ("digest", "version")} if record else None
        record = {"digest": kept.digest, "version": kept.version, "what": place.name, "url": place.address}
        record |= {"code": _code(), "ledger": place.ledger, "previous": previous, "bake": numbers}
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
            try:
                for line in place.candidate_log():
                    log(f"  | {line}")
            except OutsideError as lost:  # what is shown beside the reason keeps nothing from being undone
                log(f"  | {lost}")
        try:
            place.switch_back()  # first, while what served before the switch still runs
        finally:
            place.remove_candidate()  # no user asks what failed, whatever becomes of the old one
        raise
    place.remove_candidate()


def _old(place: Place, shelf: Path) -> Bundle | None:
    """Return the bundle that serves; None where nothing does, or its copy is gone, which is said."""
    if not (serves := serving(place.url)):
        if place.stable:
            log("infra.deploy: what serves does not answer now: the new one is judged alone")
        return None
    try:
        found = bundles.read(shelf / serves[:12])
        if found.digest == serves:
            return found
        why = f"the copy is of bundle {found.short}"
    except (BundleError, Refusal) as error:
        why = str(error)
    log(f"infra.deploy: no copy is kept of bundle {serves[:12]}, which serves: the new one is judged alone ({why})")
    return None


def _try_out(place: Place, kept: Bundle, trial: Trial) -> str:
    """Start a candidate and ask it for the golden rows; return its address. Raises CandidateError."""
    log(f"infra.deploy: canary: {kept.model} {kept.version} ({kept.short}) as {place.name}")
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
        findings = trial.smoke(url, kept.folder)
    except (OutsideError, httpx.HTTPError, OSError) as error:
        raise CandidateError(f"smoke: the candidate stopped answering: {error}") from error
    if findings:
        for finding in findings[:10]:
            log(f"  {finding}")
        raise CandidateError(f"smoke: {len(findings)} finding(s), the first: {findings[0]}")
    log("infra.deploy: smoke: every golden output is equal")
    return url


def _bake(place: Place, url: str, kept: Bundle, old: Bundle | None, trial: Trial) -> str:
    """Compare the candidate with what serves; return the numbers. Raises CandidateError unless all of them are good."""
    if trial.bake is None:
        log("infra.deploy: bake: not again, it was live before")
        return ""
    verdict = trial.bake(place, url, kept, old)
    if verdict.outcome != FINISH:
        raise CandidateError(f"bake: {verdict.outcome}: {verdict.sentence}", verdict.markdown())
    log(f"infra.deploy: bake: {verdict.sentence}")
    return verdict.markdown()


def _finish(place: Place, kept: Bundle) -> None:
    log(f"infra.deploy: finish: {place.address}")
    if why := place.switch(kept):
        raise CandidateError(f"finish: {why}")
    _confirm(place, kept)


def _confirm(place: Place, kept: Bundle) -> None:
    if not process.wait(lambda: _serves(place.url, kept), place.ready_seconds):
        raise CandidateError(f"finish: {place.address} does not serve the new bundle after {place.ready_seconds:g} s")


def _serves(url: str, bundle: Bundle) -> bool:
    return serving(url) == bundle.digest


def serving(url: str) -> str:
    """Return the digest of the bundle that answers at `url`, ready; empty when none does."""
    if not is_ready(url):
        return ""
    try:
        told = httpx.get(f"{url}/version", headers={"Accept": "application/json"}, timeout=2, trust_env=False)
        return str(told.json()["bundle_digest"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return ""
