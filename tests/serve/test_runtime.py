"""What runs a model follows from its file; its libraries are loaded for that model and for no other."""

import json
import shutil
import subprocess
import sys

import pytest

from serve.bundle import MANIFEST, BundleError, seal
from serve.loaded import Bundle
from serve.runtime import FILES, LIBRARIES, NOTES, model_file, runtime_of
from serve.words import RUNTIMES
from validation.script import ROOT

STRANGE = "{'sklearn', 'pandas', 'skops', 'joblib', 'scipy', 'onnxruntime', 'mlflow', 'config', 'train', 'validation'}"
LOADED = f"""
import sys
from pathlib import Path
from serve.loaded import load
load(Path("build/model"))
print(sorted({STRANGE} & set(sys.modules)))
"""
REFUSED = """
import sys
for name in sys.argv[1].split():
    sys.modules[name] = None
from serve.app import main
raise SystemExit(main([]))
"""


def ran(chain, code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a few lines in a workspace as the service would be run."""
    command = [sys.executable, "-c", code, *arguments]
    environment = chain.environment() | {"BUNDLE": "build/model", "PORT": "0"}
    return subprocess.run(command, cwd=chain.root, env=environment, capture_output=True, text=True, timeout=60)


def test_each_runtime_has_its_file_its_lock_and_its_note() -> None:
    """One more word, and all of them are asked for."""
    assert set(RUNTIMES) == set(FILES) == set(LIBRARIES) == set(NOTES)
    assert all((ROOT / lock).is_file() for lock in LIBRARIES.values())


@pytest.mark.parametrize(
    ("names", "said"),
    [([], "holds neither of model.onnx and model.skops"), (["model.onnx", "model.skops"], "holds both of")],
)
def test_a_folder_without_one_model_is_refused(tmp_path, names, said) -> None:
    """None, or two of which nobody knows which one counts."""
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(BundleError, match=said):
        runtime_of(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_the_file_names_the_runtime(tmp_path, name) -> None:
    """And nothing else does."""
    (tmp_path / FILES[name]).touch()
    assert (name, tmp_path / FILES[name]) == (runtime_of(tmp_path), model_file(tmp_path))


def test_a_graph_loads_nothing_of_scikit_learn(chain) -> None:
    """Neither it nor pandas nor skops, which its image does not hold."""
    done = ran(chain, LOADED)
    assert "['onnxruntime']\n" == done.stdout, done.stderr


def test_a_pipeline_loads_no_graph(skops_chain) -> None:
    """Nor anything that trains."""
    done = ran(skops_chain, LOADED)
    assert "['joblib', 'pandas', 'scipy', 'sklearn', 'skops']\n" == done.stdout, done.stderr


@pytest.mark.parametrize("absent", ["sklearn", "pandas", "skops", "joblib sklearn skops pandas scipy threadpoolctl"])
def test_without_scikit_learn_the_lock_is_named(skops_chain, absent) -> None:
    """One sentence: what is missing, and both ways to have it."""
    done = ran(skops_chain, REFUSED, absent)
    assert 2 == done.returncode
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"model.skops needs {absent.split()[0]}, which is not installed here" in done.stderr
    lock = LIBRARIES["skops"]
    assert f"install {lock}, or build the image with LIBRARIES={lock}\n" in done.stderr


def test_without_the_graphs_library_its_lock_is_named(chain) -> None:
    """The same for the other one."""
    done = ran(chain, REFUSED, "onnxruntime")
    assert (2, True) == (done.returncode, "install serve/requirements.txt" in done.stderr)


@pytest.mark.parametrize(("said", "taken"), [("skops", False), ("onnx", True), (None, True)])
def test_a_release_that_names_another_runtime_is_refused(chain, tmp_path, said, taken) -> None:
    """release.json and the file in model/ belong together; one from before there was a choice says nothing."""
    bundle = shutil.copytree(chain.root / "build/model", tmp_path / "bundle")
    release = json.loads((bundle / "release.json").read_text()) | {"runtime": said}
    kept = {name: value for name, value in release.items() if value is not None}
    (bundle / "release.json").write_text(json.dumps(kept))
    (bundle / MANIFEST).unlink()
    seal(bundle)
    if taken:
        assert "onnx" == Bundle(bundle).model.runtime
    else:
        with pytest.raises(BundleError, match="names another runtime"):
            Bundle(bundle)
