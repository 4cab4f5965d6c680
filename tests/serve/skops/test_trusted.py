"""The list of types: each is needed by somebody, and nothing else is built, whatever a file says."""

import json
import os
from operator import methodcaller

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from serve.bundle import BundleError
from serve.skops.pipeline import load
from serve.skops.trusted import TRUSTED
from tests.serve.skops.conftest import STEPS, fitted, forged, rows, written


def test_every_type_on_the_list_is_needed() -> None:
    """A type that no pipeline here needs is one that nobody has looked at."""
    needed = {name for steps in STEPS for name in skops.io.get_untrusted_types(data=written(fitted(steps)))}
    assert needed == set(TRUSTED)
    assert all(why.strip() for why in TRUSTED.values())


@pytest.mark.parametrize("name", STEPS)
def test_what_is_loaded_gives_what_was_fitted(put, name) -> None:
    """The same outputs to the last bit, for each of these pipelines."""
    pipeline, frame = fitted(name), rows()
    again = load(put(written(pipeline)))
    method = "predict" if name == "quantity" else "predict_proba"
    np.testing.assert_array_equal(getattr(pipeline, method)(frame), getattr(again, method)(frame))


def poisoned(step) -> bytes:
    """A pipeline with one step that is not scikit-learn's business."""
    return written(Pipeline([("harm", step), ("estimator", LogisticRegression())]))


@pytest.mark.parametrize(
    ("step", "named"),
    [
        (FunctionTransformer(os.system), "posix.system"),
        (FunctionTransformer(json.loads), "json.loads"),
        (FunctionTransformer(eval), "builtins.eval"),
        (FunctionTransformer(methodcaller("to_pickle", "/x")), "operator.methodcaller"),
    ],
)
def test_a_function_of_somebody_elses_is_refused(put, step, named) -> None:
    """However it got into the pipeline; the sentence names it and the list."""
    with pytest.raises(BundleError, match=r"model\.skops holds .*serve/skops/trusted\.py lists those") as refused:
        load(put(poisoned(step)))
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def call(module: str, name: str, argument: str) -> dict[str, object]:
    """A node that calls a function when it is built, as skops would write one."""
    said = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(argument)}
    told = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [said]}
    return {"__class__": name, "__module__": module, "__loader__": "ConstructorFromReduceNode", "content": told}


@pytest.mark.parametrize("place", ["the pipeline", "within it"])
@pytest.mark.parametrize(("module", "name"), [("os", "system"), ("posix", "system"), ("builtins", "exec")])
def test_a_call_that_was_written_into_the_file_does_not_happen(put, tmp_path, place, module, name) -> None:
    """It is refused by its name before anything is built: nothing was touched."""
    mark = tmp_path / "touched"
    argument = f"touch {mark}" if name == "system" else f"open({str(mark)!r}, 'w')"

    def change(schema) -> None:
        node = call(module, name, argument)
        if place == "the pipeline":
            schema.update(node)
        else:
            schema["content"]["content"]["verbose"] = node

    with pytest.raises(BundleError, match=f"holds {module}.{name}, which is not among"):
        load(put(forged(written(fitted("forest")), change)))
    assert not mark.exists()


def test_a_type_of_our_list_is_built_where_another_is_not(put) -> None:
    """One strange type among good ones is enough, and all strange ones are named."""

    def change(schema) -> None:
        schema["content"]["content"]["verbose"] = call("subprocess", "Popen", "true")
        schema["content"]["content"]["memory"] = call("shutil", "rmtree", "/nowhere")

    with pytest.raises(BundleError, match=r"holds shutil\.rmtree, subprocess\.Popen, which"):
        load(put(forged(written(fitted("splines")), change)))


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"\x80\x04\x95", written({"a": 1}), written(fitted("forest"))[:-400], written(LogisticRegression())],
    ids=["empty", "a word", "a pickle", "no pipeline", "cut short", "no pipeline but an estimator"],
)
def test_what_is_no_pipeline_is_a_sentence(put, content) -> None:
    """Whatever lies there, one line and no traceback."""
    with pytest.raises(BundleError, match=r"model\.skops cannot be loaded: ") as refused:
        load(put(content))
    assert "\n" not in str(refused.value)
