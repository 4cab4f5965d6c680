"""The form a pipeline travels in: a graph where there is one, else skops, said aloud; neither is a refusal."""

import os
from dataclasses import replace

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.serve.skops.conftest import fitted
from train.forms import form_of
from validation.script import Refusal
from validation.words.columns import Category, Number

FEATURES = (
    Number("size", low=0, high=9),
    Number("age", low=0, high=9),
    Category("town", values=("a", "b", "c")),
)


@pytest.fixture
def asked(config):
    """The contract of the small pipelines, with what MODEL asks for."""

    def make(runtime: str = "onnx", **changed: object):
        toy = {"features": FEATURES, "sensitive": (), "fairness": (), "behaviour": (), "dataset": config.dataset[:1]}
        model = replace(config.model, reweigh_by=None, runtime=runtime)
        return replace(config, model=model, groups=replace(config.groups, must_judge={}), **toy, **changed)

    return make


def test_what_converts_is_a_graph(asked) -> None:
    """Nobody has to say so, and nothing is said."""
    form = form_of(fitted("forest"), asked())
    assert ("onnx", "") == (form.runtime, form.why)
    assert {"runtime": "onnx"} == form.tags()


def test_what_does_not_convert_falls_back(asked) -> None:
    """With the converter's reason, cut short, unless values are private."""
    form = form_of(fitted("splines"), asked())
    assert "skops" == form.runtime
    assert form.why.startswith("the pipeline has no ONNX form (Unable to find a shape calculator for type")
    assert {"runtime": "skops", "runtime-why": form.why} == form.tags()
    assert len(form_of(fitted("categories"), asked()).why) < 250
    assert "the pipeline has no ONNX form" == form_of(fitted("splines"), asked(show_values=False)).why


def test_skops_can_be_asked_for(asked) -> None:
    """Also for what would convert, as where ONNX computes something else."""
    form = form_of(fitted("forest"), asked("skops"))
    assert ("skops", "MODEL in config.py asks for it") == (form.runtime, form.why)


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        ("onnx", r"has no ONNX form \(.*\), and no skops form either: it holds posix\.system; "),
        ("skops", r"the pipeline has no skops form: it holds posix\.system; "),
    ],
)
def test_a_step_of_somebodys_own_has_no_form(asked, runtime, said) -> None:
    """The sentence names the type, where the list is, and what to do."""
    strange = Pipeline([("own", FunctionTransformer(os.system)), ("estimator", LogisticRegression())])
    with pytest.raises(Refusal, match=f"^train/model.py: .*{said}") as refused:
        form_of(strange, asked(runtime))
    assert "serve/skops/trusted.py list: add a type there, with its reason, if it is harmless" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_skops_cannot_write_has_no_form(asked) -> None:
    """What it says of it is handed on."""
    strange = Pipeline([("own", FunctionTransformer(one for one in ())), ("estimator", LogisticRegression())])
    with pytest.raises(Refusal, match=r"and no skops form either: .*generator"):
        form_of(strange, asked())
