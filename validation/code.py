"""Which of our files an outcome depends on: a script, and whatever it imports, at its top or inside a function."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from validation.script import ROOT, digest, digest_of_files

LOCK = ROOT / "requirements.txt"


def code_digest(*scripts: str, but: tuple[str, ...] = ()) -> str:
    """SHA-256 of scripts (paths in the repository), of our modules they import, and of the lock.

    `but` names modules that do not matter, nor what only they import.
    """
    found: set[Path] = set()
    waiting = [ROOT / script for script in scripts]
    while waiting:
        path = waiting.pop()
        if path in found or path.relative_to(ROOT).as_posix() in but:
            continue
        found.add(path)
        waiting += _imports(path)
    return digest_of_files([*sorted(found), LOCK])


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    return tuple(file for name in _names(ast.parse(path.read_bytes())) if (file := _file(name)) is not None)


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(module: str) -> Path | None:
    """Find the file of one of our modules; config.py is read by its values, not by its text."""
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file() and module != "config":
            return file
    return None


def file_digest(name: str) -> str:
    """SHA-256 of a file of the repository, or `none`."""
    path = ROOT / name
    return digest(path.read_bytes()) if path.is_file() else "none"
