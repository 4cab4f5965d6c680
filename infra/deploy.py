"""Deploy a bundle beside the one that serves, prove it, and only then switch; on failure the old one goes on serving.

States: plan (verify the bundle, repair what a killed run left, keep it to be gone back to) -> canary, ready, smoke,
bake, finish | undo (infra/machine.py) -> the ledger's line. How long the bake takes, and what it tolerates, says DEPLOY
in config.py. Environments are where infra.target says; `local` is this machine, or the one that
DOCKER_HOST names by ssh: containers behind a proxy when an engine answers, else a supervised process. Whoever else
deploys to staging or production is waited for (infra.lease). Production is deployed to only when somebody is asked
(infra.approved). What a rollback left is held, and not deployed until it is
released (see infra.rollback).

Reads   the bundle (build/model); the registry and its ledger; GATEHOUSE_HOME (where state, logs and copies of bundles
        lie, else build/<environment>); DEPLOY_TARGET, what leads there and STORE_KEYS (see infra.target);
        ENGINE, BASE_IMAGE (see infra.image), PROXY_IMAGE (another Caddy than the pinned one);
        DOCKER_HOST, also as ssh://user@host, where paths are those of that machine
        GATEHOUSE_PORT (else the port of config.py) and GATEHOUSE_BIND (else 127.0.0.1), where it answers by HTTP
        GATEHOUSE_DOMAIN, a name that others reach by HTTPS on port 443, with 80 open for its certificates;
        GATEHOUSE_CERTIFICATES, `internal` or the URL of an ACME directory, else Let's Encrypt's
        API_KEYS_FILE, API_KEYS, OIDC_ISSUER and the like, WORKERS, PREDICTION_LOG, OTEL_..., SENTRY_DSN reach the
        service (see serve.app); SERVICE_KEY is the key by which smoke (scope predict) and bake (admin) ask it
        REPLAY_FILE, recorded requests for the bake (Parquet or JSON lines, see docs/deploy.md), else they are made up
        ATTESTATION, how an image given by its digest is proved (see infra.verified)
Prints  a table: what is live, where, and what was before; and the numbers of the bake, also of one that failed
Writes  the ledger's lines `intent`, then `live` or `failed`, `removed` by --remove; the bundle's kept files beside its
        version
Exits   0 live; 1 the candidate failed or is held, the old one serves; 2 used or set up wrongly; 3 the outside failed
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra import again, approved, machine, noted, trial, verified
from infra import bundle as bundles
from infra import place as places
from infra.approved import UnapprovedError
from infra.bundle import Bundle
from infra.granted import must_be_granted
from infra.held import HeldError, must_be_free
from infra.lease import BREAK, Lease, in_turn
from infra.machine import CandidateError
from infra.noted import Order
from infra.target import ENVIRONMENTS, PRODUCTION, STAGING, reached
from infra.verified import UnverifiedError
from serve.bundle import BundleError
from train.travel import book
from train.travel.ledger import DEPLOYMENT
from validation import contract, script
from validation.script import NO, YES, Refusal, log, result

BROUGHT = script.BUILD / "brought"


def deploy(sealed: Bundle, image: str, environment: str, record: bool, broken: bool = False) -> dict[str, Any]:
    """Bring a bundle to an environment, unless it is live there; return the record of what is live.

    Whoever else deploys there is waited for, unless that one's lease is to be `broken`.

    Raises UnverifiedError for an image that was not published for this bundle, UnapprovedError for one that nobody
    approves or compared with the champion of now, HeldError when a rollback holds it back, CandidateError when it was
    not good enough, Refusal when staging or production is handed no image by its digest.
    """
    config, home = contract.load(), places.home(environment)
    unit = bundles.unit(sealed, image if "@sha256:" in image else "")
    lease = Lease(environment, home, lambda: noted.save(record))
    order = Order(environment, DEPLOYMENT, unit, lease, record=record)
    with reached(environment), places.alone(home):
        if environment in (STAGING, PRODUCTION) and not unit.image:
            raise Refusal(
                f"{environment} takes the published image alone, by its digest (--image REPOSITORY@sha256:...), not"
                f" {image or 'one that is built on the spot'}"
            )
        tried = trial.of_new(config, sealed)
        if unit.image:
            verified.must_be_published(unit.image, unit, book.lines())
        approved.must_be(environment, unit, config.deploy)
        place = places.choose(home, image, environment)
        if record:
            must_be_granted(unit)  # before a save, which may grant it another number than the lines would tell of

        def brought() -> dict[str, Any]:
            lease.wait(broken)
            approved.must_be_judged(environment, unit, config)
            place.settle()
            if noted.repair(place, environment):
                noted.save(record)
            must_be_free(environment, unit)
            again.keep(sealed, unit, record)
            if (found := machine.already(place, sealed, home)) is not None:
                noted.adopt(order, place)
                return found
            return noted.carry_out(order, place, sealed, home, tried)

        return in_turn(brought)


def table(environment: str, record: dict[str, Any]) -> str:
    """Show what is live as Markdown."""
    before = record["previous"]
    was = f"{before['version']} ({before['digest'][:12]})" if before else "none"
    cells = (environment, record["what"], record["version"], record["digest"][:12], record["url"], was)
    head = "| environment | what | version | bundle | url | previous |\n| --- | --- | --- | --- | --- | --- |\n"
    return head + "| " + " | ".join(map(str, cells)) + " |" + ("\n\n" + record["bake"] if record.get("bake") else "")


def _ordered(given: argparse.Namespace) -> tuple[Bundle, str]:
    """Return the bundle and the image that are asked for; with --from both as that environment has them live."""
    if given.source is None:
        sealed, image, where = bundles.read(given.bundle), given.image, str(given.bundle)
    else:
        unit = again.live_in(given.source)
        if given.image not in ("", unit.image):
            there = unit.image or "no image"
            raise UnapprovedError(f"{given.source} has {there} by now, and {given.image} was asked for; begin anew")
        sealed, image, where = again.together(unit, BROUGHT), unit.image, given.source
    if sealed.version != given.model_version:
        raise Refusal(f"{where} has version {sealed.version}, not {given.model_version}; export or deploy it again")
    return sealed, image


@script.door
def main(argv: Sequence[str] | None = None) -> int:
    """Deploy, or take down."""
    arguments = script.parser(__doc__)
    arguments.add_argument("--environment", required=True, choices=ENVIRONMENTS)
    arguments.add_argument("--bundle", type=Path, default=script.BUILD / "model", help="the sealed bundle")
    arguments.add_argument("--model-version", type=script.version_number, help="the version that the bundle must hold")
    arguments.add_argument("--from", dest="source", choices=ENVIRONMENTS, help="bring what this environment has live")
    arguments.add_argument("--image", default="", help="use this image, by its digest; with --from, that one or none")
    arguments.add_argument("--record", action="store_true", help="save the ledger's lines to the registry's branch")
    arguments.add_argument("--remove", action="store_true", help="take the environment down")
    arguments.add_argument("--break-lease", action="store_true", help=BREAK)
    given = arguments.parse_args(argv)
    if given.remove:
        home = places.home(given.environment)
        with reached(given.environment), places.alone(home):
            Lease(given.environment, home, lambda: noted.save(given.record)).wait(given.break_lease)
            found = places.remove(home, given.environment)
            noted.taken_down(given.environment, given.record)
        log(f"infra.deploy: {given.environment} {'is taken down' if found else 'was down already'}")
        return YES
    if given.model_version is None:
        raise Refusal("--model-version is missing; `make fit` prints one (model-version=N)")
    try:
        sealed, image = _ordered(given)
        record = deploy(sealed, image, given.environment, given.record, given.break_lease)
    except (BundleError, HeldError, UnapprovedError, UnverifiedError) as error:
        log(f"infra.deploy: plan: {error}; nothing was touched")
        return NO
    except CandidateError as error:
        log(f"infra.deploy: {error}; what served before serves on")
        if error.numbers:
            result(error.numbers)
        return NO
    result(table(given.environment, record))
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
