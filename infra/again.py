"""Units put together again from the registry, which keeps the bundle of everything that was ever deployed."""

from pathlib import Path

from infra import bundle as bundles
from infra import machine
from infra.bundle import Bundle
from infra.place import Place
from serve.bundle import BundleError
from train import kept, registry
from train.travel import book, history
from train.travel.history import Unit
from train.travel.ledger import DEPLOYMENT, ROLLBACK
from validation import contract
from validation.script import Refusal, log


def together(unit: Unit, to: Path) -> Bundle:
    """Bring the very bundle of a unit to the folder `to`. Raises Refusal when the registry does not have it whole."""
    kept.bundle_folder(registry.view(contract.load()).version(unit.version), unit.bundle, to)
    try:
        sealed = bundles.read(to)
        found = bundles.unit(sealed, unit.image)
    except BundleError as error:
        raise Refusal(f"the kept bundle of version {unit.version} is no longer whole: {error}") from None
    if found != unit:
        raise Refusal(f"the bundle of version {unit.version} is not the unit that the ledger says was live")
    return sealed


def keep(sealed: Bundle, unit: Unit, record: bool) -> None:
    """Keep a bundle in the registry here, so that it can be gone back to; say so when the registry lacks its version.

    Raises Refusal then when the deployment is recorded for others.
    """
    version = registry.view(contract.load()).versions.get(unit.version)
    if version is not None and version.digest == unit.model:
        kept.keep_bundle(version, sealed.folder)
        return
    sentence = f"the registry here does not have this version {unit.version}, so it could not be rolled back to"
    if record:
        raise Refusal(f"{sentence}; restore the registry that registered it, or leave out --record")
    log(f"infra.deploy: {sentence}; it is deployed all the same")


def live_in(environment: str) -> Unit:
    """Return the unit that an environment has live. Raises Refusal when it has none."""
    line = history.live(book.lines(), environment)
    if line is None:
        raise Refusal(f"nothing is live in {environment}, as far as the ledger knows: deploy there first")
    return history.unit_of(line.facts)


def recall(place: Place, home: Path) -> None:
    """Have a copy of the bundle that serves, with which the bake compares: a job begins with an empty home."""
    serves = machine.serving(place.url)
    shelf = home / "bundles" / serves[:12]
    if not serves or shelf.exists():
        return
    units = [history.unit_of(line.facts) for line in book.lines() if line.event in (DEPLOYMENT, ROLLBACK)]
    numbers = [one.version for one in units if one.bundle == serves]
    found = registry.view(contract.load()).versions.get(numbers[-1]) if numbers else None
    if found is None:
        return
    try:
        kept.bundle_folder(found, serves, shelf)
    except Refusal as refusal:
        log(f"infra.deploy: {refusal}")
