"""Run in the image's build: drop what the service never loads, compile what it does load, and give every file one time.

The base's own Python runs it: a library that does not load there, or lacks what was dropped, ends the build. What is
the same has the same bytes, order and time then, so two builds give the same layers (stdlib only).

A layer is a folder that is laid over the image's root: /layers/libraries/libraries/numpy becomes /libraries/numpy.

Reads   the layers given: the service's first, then those of libraries
Writes  there, and beside them the layer of bytecode: the service's, the libraries' and the interpreter's
Exits   0 done; 2 used wrongly; 1 and a traceback when a library does not load
"""

import ast
import importlib
import importlib.util
import os
import py_compile
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

BYTECODE = "bytecode"  # the layer, and the folder within: what PYTHONPYCACHEPREFIX names in the image
UNUSED = (  # in a folder of libraries: a third of what pip lays down
    *("bin", "**/tests", "**/include", "**/*.pyi", "**/*.pxd", "**/*.pyx", "**/*.c", "**/*.h", "**/*.a"),
    *("numpy/distutils", "numpy/f2py"),
    *(f"onnxruntime/{name}" for name in ("backend", "datasets", "quantization", "tools", "transformers")),
    "onnxruntime/capi/libonnxruntime.so*",  # for programs in C; Python's module has it all linked in
    *("*.dist-info/RECORD", "*.dist-info/REQUESTED", "*.dist-info/direct_url.json"),  # true no more, or of one build
)
WHEN = 315_532_800.0  # 1980-01-01, the earliest that every archive knows


def drop(libraries: Path) -> None:
    """Remove what is not used from a folder of libraries."""
    for pattern in UNUSED:
        for path in sorted(libraries.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def imported(code: Path) -> Iterator[str]:
    """Name every module that our code imports anywhere, inside functions too."""
    for path in sorted(code.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module


def load(names: set[str]) -> None:
    """Import modules as the service will; what needs a package that this image does not have is left out."""
    for name in sorted(names):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if importlib.util.find_spec(str(error.name).partition(".")[0]):  # there, and a part of it was dropped
                raise


def compile_loaded(layers: Sequence[Path]) -> Path:
    """Write the bytecode of the service and of all that is loaded, which no start has to check; return its layer."""
    target = layers[0].parent / BYTECODE
    loaded = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    sources = {*loaded, *map(str, layers[0].rglob("*.py"))} - {__file__}
    for source in sorted(source for source in sources if source.endswith(".py")):
        place = next((layer for layer in layers if Path(source).is_relative_to(layer)), Path("/"))
        final = Path("/") / Path(source).relative_to(place)  # where it lies in the image
        name = f"{final.stem}.{sys.implementation.cache_tag}.pyc"
        py_compile.compile(
            source,
            str(target / BYTECODE / final.parent.relative_to("/") / name),
            str(final),
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    return target


def settle(layer: Path) -> None:
    """Give all that lies in a layer one time, and rights that do not depend on who built it."""
    for path in layer.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (WHEN, WHEN), follow_symlinks=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Pack the layers."""
    layers = [Path(text) for text in (sys.argv[1:] if argv is None else argv)]
    if not layers or not all(layer.is_dir() for layer in layers):
        sys.stderr.write("infra.packing: name layers that are there: the service's or the bundle's, then libraries\n")
        return 2
    code, *others = layers
    if others:
        for layer in others:
            for folder in layer.iterdir():
                drop(folder)
        load(set(imported(code)))
        layers.append(compile_loaded(layers))
    for layer in layers:
        settle(layer)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
