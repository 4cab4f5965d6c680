"""The pipeline as it serves: the columns it wants, the thread it runs on, and the version of its library."""

import threading
from io import BytesIO
from zipfile import ZipFile

import joblib
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline

from serve.bundle import BundleError, OtherLibraryError
from serve.skops.pipeline import Fitted, made_by
from tests.serve.skops.conftest import fitted, forged, rows, written

INPUTS = [{"name": name} for name in ("size", "age", "town")]
BINARY, QUANTITY = {"kind": "binary"}, {"kind": "quantity"}


def feeds() -> list[np.ndarray]:
    frame = rows()
    return [frame[name].to_numpy().reshape(-1, 1) for name in frame]


def test_it_scores_what_it_was_fitted_with(put) -> None:
    """Probabilities for labels, the number itself for a quantity."""
    for name, target, method in (("categories", BINARY, "predict_proba"), ("quantity", QUANTITY, "predict")):
        pipeline = fitted(name)
        scores = Fitted(put(written(pipeline)), INPUTS, target, 1).run(feeds())
        np.testing.assert_array_equal(getattr(pipeline, method)(rows()), scores)


@pytest.mark.parametrize(
    ("pipeline", "inputs", "said"),
    [
        (lambda: fitted("categories"), INPUTS[:2], "takes other columns than the contract lists"),
        (lambda: fitted("categories"), INPUTS[::-1], "takes other columns than the contract lists"),
        (lambda: Pipeline([("estimator", RidgeClassifier())]), INPUTS, "a pipeline without predict_proba"),
    ],
)
def test_what_does_not_fit_the_contract_is_refused(put, pipeline, inputs, said) -> None:
    """Columns missing or in another order, and a last step that knows no probabilities."""
    with pytest.raises(BundleError, match=said):
        Fitted(put(written(pipeline())), inputs, BINARY, 1)


def test_it_runs_on_the_thread_that_asks(put, monkeypatch) -> None:
    """Whatever n_jobs a pipeline was fitted with: no thread, no process, one thread of the libraries below."""
    forest = RandomForestClassifier(n_estimators=3, random_state=0, n_jobs=2)
    halves = [(name, "passthrough", [name]) for name in ("size", "age")]
    frame = rows()
    pipeline = Pipeline([("encode", ColumnTransformer(halves, n_jobs=2)), ("estimator", forest)])
    pipeline.fit(frame, (frame["size"] > 5).astype("float64"))
    session = Fitted(put(written(pipeline)), INPUTS, BINARY, 1)
    seen = []

    def noted(frame, real=session._predict):
        pools = {pool["user_api"]: pool["num_threads"] for pool in session._pools.info()}
        seen.append((threading.active_count(), pools, joblib.effective_n_jobs(2)))
        scores = real(frame)
        seen.append(threading.active_count())
        return scores

    monkeypatch.setattr(session, "_predict", noted)
    before = threading.active_count()
    np.testing.assert_allclose(pipeline.predict_proba(frame), session.run(feeds()), atol=1e-12)
    assert [(before, {"openmp": 1, "blas": 1}, 1), before] == seen


def aged(content: bytes) -> bytes:
    """Say that another scikit-learn has written a file."""
    made = BytesIO(content)
    with ZipFile(made, "a") as archive:
        archive.comment = b"scikit-learn 1.2.3"
    return made.getvalue()


def test_a_file_of_another_version_that_still_runs_is_taken(put) -> None:
    """The golden rows decide, not a number."""
    pipeline = fitted("categories")
    scores = Fitted(put(aged(written(pipeline))), INPUTS, BINARY, 1).run(feeds())
    np.testing.assert_array_equal(pipeline.predict_proba(rows()), scores)


def test_one_that_runs_no_more_is_told_by_both_versions(put) -> None:
    """When it is loaded, or when it is asked; with the same version it is the file that is broken."""

    def break_it(schema) -> None:
        del schema["content"]["content"]["steps"]["content"][0]["content"][1]["content"]["content"]["_predictors"]

    def lose_it(schema) -> None:
        schema["content"]["content"]["steps"] = None

    said = f"was written by scikit-learn 1.2.3, here is {made_by()}"
    content = written(fitted("categories"))
    with pytest.raises(OtherLibraryError, match=said):
        Fitted(put(aged(forged(content, lose_it))), INPUTS, BINARY, 1)
    with pytest.raises(BundleError, match="cannot be loaded"):
        Fitted(put(forged(content, lose_it)), INPUTS, BINARY, 1)
    with pytest.raises(OtherLibraryError, match=said):
        Fitted(put(aged(forged(content, break_it))), INPUTS, BINARY, 1).run(feeds())
    with pytest.raises(AttributeError):
        Fitted(put(forged(content, break_it)), INPUTS, BINARY, 1).run(feeds())
