"""Carry the embedded registry from job to job and from run to run, and ask it what happened.

Usage: python -m train.store restore [--from FOLDER] [--replace]   from the branch, or from a folder
       python -m train.store save [--to FOLDER]                    to the branch, or to a folder
       python -m train.store verify [--head HASH]                  the store here, byte by byte and line by line
       python -m train.store show [--at TIME | --model-version N]  what is live; what was; where a version comes from
       python -m train.store compact                               remove the files of versions that nothing needs
       python -m train.store migrate --to URL                      move every version to a tracking server

Reads   `.mlflow/`, the branch that REGISTRY names on the remote `origin`, or the folder; GITHUB_TOKEN.
Writes  the branch, the folder, or `.mlflow/`; whole or not at all.
Prints  what it holds, or the answer.
Exits   0 done; 1 somebody else saved first each time, or moved the champion; 2 used or set up wrongly (a damaged or
        rewritten store, a store in the way); 3 the outside failed.

The branch begins with the first save and is only ever added to, by plain pushes. It holds a consistent snapshot of the
database without the place where it was made, the files of registered versions, and the ledger. With
MLFLOW_TRACKING_URI set the server keeps the registry; the ledger travels, and a copy of champion and anchor to read.
What an older MLflow wrote is upgraded on a copy.
"""

from collections.abc import Sequence
from pathlib import Path

from train.travel import answers, book, carrying, compacting, merging, restoring, saving
from train.travel.ledger import MIGRATION
from validation import contract
from validation.script import NO, YES, door, log, parser, result, version_number


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    manual = parser(__doc__)
    commands = manual.add_subparsers(dest="command", required=True)
    save = commands.add_parser("save", help="save what is new here")
    save.add_argument("--to", type=Path, help="a folder, replaced if it exists, instead of the branch")
    restore = commands.add_parser("restore", help="bring the store here")
    restore.add_argument("--from", dest="source", type=Path, help="a folder instead of the branch")
    restore.add_argument("--replace", action="store_true", help="take the place of a store that is there")
    verify = commands.add_parser("verify", help="check the store here")
    verify.add_argument(
        "--head", default="", help="a line's hash that the ledger must hold, as a deployment carries it"
    )
    show = commands.add_parser("show", help="tell what is live, and what happened")
    asked = show.add_mutually_exclusive_group()
    asked.add_argument("--at", default="", help="what was live then, as 2026-11-25T14:00, UTC unless it names a zone")
    asked.add_argument("--model-version", type=version_number, help="where this version comes from and where it went")
    compact = commands.add_parser("compact", help="remove files that nothing needs, and save")
    for command in (save, restore, compact):
        command.add_argument("--remote", default="origin", help="the remote of the working tree, or its address")
    migration = commands.add_parser("migrate", help="move every version to a tracking server")
    migration.add_argument("--to", required=True, help="the server's address; a login by MLFLOW_TRACKING_USERNAME")
    given = manual.parse_args(argv)
    config = contract.load()
    try:
        if given.command == "save":
            said = carrying.save(config, given.to) if given.to else saving.save(config, given.remote)
            result(f"saved: {said}")
        elif given.command == "restore":
            said = (
                carrying.restore(config, given.source, given.replace)
                if given.source
                else restoring.restore(config, given.remote, given.replace)
            )
            result(f"restored: {said}")
        elif given.command == "compact":
            result(f"compacted: {compacting.compact(config, given.remote)}")
        elif given.command == "migrate":
            from train.migrate import migrate

            said = migrate(config, given.to)
            book.note(MIGRATION, {"to": given.to}, said)
            result(f"migrated: {said}")
        elif given.command == "verify":
            result(answers.verify(config, given.head))
        elif given.model_version:
            result(answers.of_version(config, given.model_version))
        else:
            result(answers.live(config, given.at))
    except merging.RaceLostError as lost:
        log(f"train.store: {lost}")
        return NO
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
