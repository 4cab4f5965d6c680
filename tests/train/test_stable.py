"""The same pipeline is the same bytes, whatever process wrote it; and still the same pipeline."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import skops.io

from tests.serve.skops.conftest import STEPS, fitted, rows
from train.stable import stable
from validation.script import ROOT

TOLD = "a comment"
CODE = """
import sys
from tests.serve.skops.conftest import STEPS, fitted
from train.stable import stable
from validation.script import digest
import skops.io
held = [object() for _ in range(int(sys.argv[1]))]
told = {"sets": {"one", "two", "three"}, "bytes": b"x", "of": [fitted(name) for name in STEPS]}
print(digest(stable(skops.io.dumps(told), "")))
"""


@pytest.mark.parametrize("name", STEPS)
def test_what_is_written_twice_is_the_same(name) -> None:
    """By skops itself they are other bytes, as it names objects by where they lie."""
    pipeline = fitted(name)
    again = skops.io.loads(
        skops.io.dumps(pipeline), trusted=skops.io.get_untrusted_types(data=skops.io.dumps(pipeline))
    )
    first, second = (skops.io.dumps(one) for one in (pipeline, again))
    assert first != second
    assert stable(first, TOLD) == stable(second, TOLD)
    assert stable(stable(first, TOLD), TOLD) == stable(first, TOLD)


def test_each_process_writes_the_same() -> None:
    """Another hash seed, another memory, another number of threads."""
    digests = set()
    for seed, threads in (("0", "1"), ("6", "2")):
        command = [sys.executable, "-W", "ignore", "-c", CODE, str(int(seed) * 1000)]
        settings = {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)
        assert 0 == done.returncode, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1


def test_what_was_one_object_stays_one() -> None:
    """An array that two hold is written once, and is one again when it is read."""
    shared = np.arange(5.0)
    content = stable(skops.io.dumps({"a": shared, "b": shared, "c": np.arange(5.0)}), TOLD)
    read = skops.io.loads(content)
    assert read["a"] is read["b"]
    assert read["a"] is not read["c"]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert ["1.npy", "2.npy", "schema.json"] == archive.namelist()


def test_nothing_of_the_moment_is_in_the_file() -> None:
    """No time, no address, no compression that hangs on a library; the comment is ours."""
    with zipfile.ZipFile(io.BytesIO(stable(skops.io.dumps(fitted("categories")), TOLD))) as archive:
        assert TOLD.encode() == archive.comment
        assert {(1980, 1, 1, 0, 0, 0)} == {entry.date_time for entry in archive.infolist()}
        assert {zipfile.ZIP_STORED} == {entry.compress_type for entry in archive.infolist()}
        schema = json.loads(archive.read("schema.json"))
    assert skops.__version__ == schema["_skops_version"]


@pytest.mark.parametrize("name", STEPS)
def test_it_is_the_same_pipeline(name) -> None:
    """What is read gives the same outputs."""
    pipeline = fitted(name)
    content = stable(skops.io.dumps(pipeline), TOLD)
    again = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    np.testing.assert_array_equal(pipeline.predict(rows()), again.predict(rows()))
