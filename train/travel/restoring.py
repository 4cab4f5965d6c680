"""Restore the store from its branch: the newest commit alone, and files of versions when somebody asks for them."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from serve.bundle import MANIFEST
from train import embedded, following
from train.embedded import STORE
from train.travel import book, content, ledger
from train.travel.effects import ANCHOR, CHAMPION
from train.travel.origin import Origin, find
from train.view import Version
from validation import contract
from validation.contract import Config
from validation.script import Refusal, log


def restore(config: Config, remote: str, replace: bool) -> str:
    """Put the store of the branch in the place of the one here; return what it holds, in words.

    Raises Refusal when the branch is damaged, was rewritten since, or the store here has what is not saved.
    """
    from train import registry

    origin = find(config.registry.branch, remote)
    commit = origin.fetch()
    if commit is None:
        lost = content.base()
        if lost["lines"] and not replace:
            raise Refusal(
                f"the branch {origin.branch} is gone, and this store was restored from it; see who removed it"
            )
        return f"nothing: the branch {origin.branch} does not exist yet; the first save begins it"
    with tempfile.TemporaryDirectory() as temporary:
        saved = content.fetch(origin, commit, Path(temporary), config)
        if saved is None:
            return f"nothing: the store of branch {origin.branch} is set aside; the first save begins one of our own"
        if not replace:
            known = content.base()
            ledger.must_hold(saved.lines, known["lines"], known["head"], f"the branch {origin.branch}")
            have = {line.id for line in saved.lines}
            here = following.follow(config).versions if (STORE / embedded.DATABASE).is_file() else {}
            unsaved = [line for line in book.lines() if line.id not in have]
            if unsaved:
                raise Refusal(
                    f".mlflow/ holds {len(here)} version(s) and {len(unsaved)} line(s) of the ledger that are not on"
                    " the branch: `python -m train.store save` first, or give --replace to give them up"
                )
        content.install(saved, commit)
    if not embedded.embedded():
        return f"{len(saved.lines)} line(s) of the ledger; the tracking server keeps the registry"
    view = registry.view(config)
    if saved.is_copy:
        what = "the copy of its champion" if view.versions else "no copy of a champion: versions are judged without one"
        log(f"a tracking server keeps this registry; this is {what}")
    live = {number: view.versions[number] for number in view.aliases.values() if number in view.versions}
    wanted = {view.aliases.get(name, 0) for name in (CHAMPION, ANCHOR)}
    bring_files([version for number, version in live.items() if number in wanted], origin)
    return f"{len(view.versions)} version(s), {len(saved.lines)} line(s) of the ledger"


def bring_files(versions: Sequence[Version], origin: Origin | None = None) -> None:
    """Fetch the files of versions that lie on the branch and not here.

    Raises Refusal when the branch does not hold them.
    """
    lacking = [version for version in versions if not (embedded.inside(version.files) / MANIFEST).is_file()]
    if not lacking:
        return
    commit = content.base()["commit"]
    numbers = ", ".join(str(version.number) for version in lacking)
    if not commit:
        raise Refusal(f"the files of model version {numbers} are not in .mlflow/; restore it from where it was saved")
    origin = origin or find(contract.load().registry.branch)
    log(f"fetching the files of version {numbers} from the branch {origin.branch}")
    there, wanted = origin.files(commit), []
    for version in lacking:
        if f"{version.files}/{MANIFEST}" not in there:
            raise Refusal(f"the branch {origin.branch} lacks the files of model version {version.number}")
        wanted += [path for path in there if path.startswith(f"{version.files}/")]
    # The manifests come last: each says that the other files of its version are here
    origin.bring(commit, sorted(wanted, key=lambda path: path.endswith(f"/{MANIFEST}")), STORE)
