"""Deploy a bundle beside the one that serves, prove it, and only then switch; on failure the old one goes on serving.

States: plan (verify the bundle, repair what a killed run left) -> candidate (started beside the old one) -> ready
-> smoke (the golden rows, every output) -> switch | undo. `local` is this machine: a container when an engine answers,
else a supervised process.

Reads   the bundle (build/model); ENGINE, DOCKER_HOST, BASE_IMAGE (see infra.image); GATEHOUSE_PORT (else the port of
        config.py); GATEHOUSE_HOME (where state, logs and copies of bundles lie, else build/local)
Prints  a table: what is live, where, and what was before
Exits   0 live; 1 the candidate failed, the old one serves; 2 used or set up wrongly; 3 the outside failed
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from infra import bundle as bundles
from infra import place as places
from infra import process
from infra.bundle import Bundle
from infra.place import Place
from serve.bundle import BundleError
from validation import script
from validation.script import NO, ROOT, YES, OutsideError, Refusal, log, result

ENVIRONMENTS = ("local",)
Replay = Callable[[str, Path], list[str]]


class CandidateError(Exception):
    """The new one does not serve as it should: one sentence."""


def deploy(place: Place, sealed: Bundle, home: Path, replay: Replay) -> dict[str, Any]:
    """Bring `sealed` to `place` and return the record of what is live.

    Raises CandidateError when it was not good enough; then what served before still serves.
    """
    place.settle()
    record_file = home / places.RECORD
    record = process.read(record_file) if place.is_up() else {}
    code = script.digest_of_files([*sorted((ROOT / "serve").glob("*.py")), ROOT / "serve/requirements.txt"])
    if (record.get("digest"), record.get("code")) == (sealed.digest, code) and _serves(place.url, sealed):
        log(f"infra.deploy: {sealed.model} {sealed.version} is live already, nothing to do")
        return record
    shelf = home / "bundles"
    stay = {str(record["digest"])[:12]} if record else set()
    kept = bundles.keep(sealed, shelf)
    try:
        with _undoing(place):
            _try_out(place, kept, replay)
            _switch(place, kept)
        previous = {key: record[key] for key in ("digest", "version")} if record else None
        record = {"digest": kept.digest, "version": kept.version, "code": code, "what": place.name, "url": place.url}
        record["previous"] = previous
        with script.writing(record_file) as file:
            file.write(script.to_json(record))
        stay.add(kept.short)
    finally:
        for copy in shelf.iterdir():
            if copy.name not in stay:
                shutil.rmtree(copy, ignore_errors=True)
    return record


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
        place.remove_candidate()
        place.switch_back()
        raise
    place.remove_candidate()


def _try_out(place: Place, kept: Bundle, replay: Replay) -> None:
    """Start a candidate and judge it; raises CandidateError."""
    log(f"infra.deploy: candidate: {kept.model} {kept.version} ({kept.short}) as {place.name}")
    url = place.start_candidate(kept)
    ended: list[str] = []

    def settled() -> bool:
        ended.extend(filter(None, [place.candidate_ended()]))
        return bool(ended) or _ready(url)

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
    log(f"infra.deploy: switch: {place.url}")
    if why := place.switch(kept):
        raise CandidateError(f"switch: {why}")
    _confirm(place, kept)


def _confirm(place: Place, kept: Bundle) -> None:
    if not process.wait(lambda: _serves(place.url, kept), place.ready_seconds):
        raise CandidateError(f"switch: {place.url} does not serve the new bundle after {place.ready_seconds:g} s")


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _serves(url: str, bundle: Bundle) -> bool:
    """Whether this very bundle answers at `url`, ready."""
    try:
        return (
            _ready(url)
            and httpx.get(f"{url}/version", timeout=2, trust_env=False).json()["bundle_digest"] == bundle.digest
        )
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return False


def table(record: dict[str, Any]) -> str:
    """Show what is live as Markdown."""
    before = record["previous"]
    was = f"{before['version']} ({before['digest'][:12]})" if before else "none"
    cells = ("local", record["what"], record["version"], record["digest"][:12], record["url"], was)
    head = "| environment | what | version | bundle | url | previous |\n| --- | --- | --- | --- | --- | --- |\n"
    return head + "| " + " | ".join(map(str, cells)) + " |"


@script.door
def main(argv: Sequence[str] | None = None) -> int:
    """Deploy, or take down."""
    arguments = script.parser(__doc__)
    arguments.add_argument("--environment", required=True, choices=ENVIRONMENTS)
    arguments.add_argument("--bundle", type=Path, default=script.BUILD / "model", help="the sealed bundle")
    arguments.add_argument("--model-version", type=script.version_number, help="the version that the bundle must hold")
    arguments.add_argument("--image", default="", help="use this image instead of building one around the bundle")
    arguments.add_argument("--remove", action="store_true", help="take the environment down")
    given = arguments.parse_args(argv)
    home = places.home()
    if given.remove:
        with places.alone(home):
            found = places.remove(home)
        log(f"infra.deploy: {given.environment} {'is taken down' if found else 'was down already'}")
        return YES
    if given.model_version is None:
        raise Refusal("--model-version is missing; `make fit` prints one (model-version=N)")
    from serve import smoke

    try:
        sealed = bundles.read(given.bundle)
        if sealed.version != given.model_version:
            raise Refusal(f"{given.bundle} holds version {sealed.version}, not {given.model_version}; export it again")
        with places.alone(home):
            record = deploy(places.choose(home, given.image), sealed, home, smoke.replay)
    except BundleError as error:
        log(f"infra.deploy: plan: {error}; nothing was touched")
        return NO
    except CandidateError as error:
        log(f"infra.deploy: {error}; what served before serves on")
        return NO
    result(table(record))
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
