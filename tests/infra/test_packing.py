"""Packing: what leaves a layer, what is compiled, and that the time of the build is nowhere."""

import importlib.util
import marshal
import os
import subprocess
import sys

import pytest

from infra import packing
from validation.script import ROOT


@pytest.fixture
def layers(tmp_path):
    """Make a layer of code that imports a library, and a layer of that library."""

    def lay(name, code, library):
        root = tmp_path / name
        files = {f"service/service/serve/{path}": text for path, text in code.items()}
        files |= {f"libraries/libraries/{path}": text for path, text in library.items()}
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return root

    return lay


def pack(root):
    """Pack as the Dockerfile does."""
    path = os.pathsep.join(map(str, (root / "libraries/libraries", root / "service/service")))
    command = [sys.executable, "-B", str(ROOT / "infra/packing.py"), str(root / "service"), str(root / "libraries")]
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True)
    return done.returncode, done.stderr


def below(folder):
    """Give (time, rights, content) of all below a folder."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mtime,
            oct(path.stat().st_mode),
            path.read_bytes() if path.is_file() else b"",
        )
        for path in folder.rglob("*")
    }


CODE = {"app.py": "def late():\n    import lib.inner\n", "other.py": "import nowhere\n", "data.json": "{}"}
LIBRARY = {
    "lib/__init__.py": "",
    "lib/inner.py": "import json\n",
    "lib/unused.py": "x = 1\n",
    "lib/inner.pyi": "x: int",
    "lib/tests/test_lib.py": "import nothing\n",
    "bin/lib": "#!",
    "lib-1.dist-info/METADATA": "Name: lib",
    "lib-1.dist-info/LICENSE": "MIT",
    "lib-1.dist-info/RECORD": "lib,1",
    "lib-1.dist-info/direct_url.json": "{}",
}


def test_what_the_service_never_loads_is_left_out(layers):
    """Tests, stubs, programs and pip's notes go; licences stay, and names and versions, which scanners read."""
    root = layers("a", CODE, LIBRARY)
    assert (0, "") == pack(root)
    left = {path for path, (_, _, content) in below(root / "libraries/libraries").items() if content}
    assert {"lib/inner.py", "lib/unused.py", "lib-1.dist-info/METADATA", "lib-1.dist-info/LICENSE"} == left


def test_what_is_loaded_is_compiled_for_the_place_where_it_will_lie(layers):
    """Ours whole, of libraries and Python what is imported; no start compares it with its source."""
    root = layers("a", CODE, LIBRARY)
    assert (0, "") == pack(root)
    tag = sys.implementation.cache_tag
    compiled = {name for name in below(root / "bytecode/bytecode") if name.endswith(".pyc")}
    ours = {name for name in compiled if name.startswith(("service/", "libraries/"))}
    names = ("service/serve/app", "service/serve/other", "libraries/lib/__init__", "libraries/lib/inner")
    assert {f"{name}.{tag}.pyc" for name in names} == ours
    assert any(name.endswith(f"/json/decoder.{tag}.pyc") for name in compiled - ours)
    content = (root / f"bytecode/bytecode/libraries/lib/inner.{tag}.pyc").read_bytes()
    assert importlib.util.MAGIC_NUMBER + b"\1\0\0\0" == content[:8]  # PEP 552: by hash, unchecked
    assert "/libraries/lib/inner.py" == marshal.loads(content[16:]).co_filename  # noqa: S302  our own


def test_two_builds_give_the_same_files(layers):
    """Bytes, times and rights, whenever and by whomever the sources were written."""
    one, two = layers("a", CODE, LIBRARY), layers("b", CODE, LIBRARY)
    for path in two.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    assert (0, 0) == (pack(one)[0], pack(two)[0])
    for layer in ("service", "libraries", "bytecode"):
        found = below(one / layer)
        assert found
        assert found == below(two / layer)
        assert {packing.WHEN} == {when for when, _, _ in found.values()}
        assert {"0o100644", "0o40755"} == {rights for _, rights, _ in found.values()}


def test_a_library_that_lacks_a_part_ends_the_build(layers):
    """Whatever was dropped, or does not load on this base, is found here and not in production."""
    root = layers("a", {"app.py": "import lib.numbers\n"}, {"lib/__init__.py": "", "lib/numbers.c": "int x;"})
    code, said = pack(root)
    assert code == 1
    assert "No module named 'lib.numbers'" in said


def test_a_bundle_is_only_given_a_time(tmp_path):
    """Nothing is dropped from it, and nothing compiled."""
    (tmp_path / "bundle/bundle/tests").mkdir(parents=True)
    (tmp_path / "bundle/bundle/tests/a.h").write_text("x")
    assert 0 == packing.main([str(tmp_path / "bundle")])
    assert {"bundle"} == {path.name for path in tmp_path.iterdir()}
    assert {packing.WHEN} == {path.stat().st_mtime for path in (tmp_path / "bundle").rglob("*")}


@pytest.mark.parametrize("given", [[], ["nowhere"]])
def test_no_layer_is_said(given, capsys):
    """Exit 2."""
    assert 2 == packing.main(given)
    assert "name layers that are there" in capsys.readouterr().err
