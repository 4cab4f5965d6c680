"""Models to judge: sealed in seconds from a part of the rows, good ones and poisoned ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import kept
from train.bundle import seal_model
from train.data import Parts, outcomes
from train.recipe import fit_recipe
from train.view import Version
from validation import judged
from validation.candidate import Candidate
from validation.contract import Config


@pytest.fixture(scope="session")
def parts() -> Parts:
    """The bundled data, split."""
    return kept.parts()


@pytest.fixture(scope="session")
def rows(parts: Parts) -> pd.DataFrame:
    """The frozen test part."""
    return parts.test


@pytest.fixture(autouse=True)
def same_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the test part once, not once a test."""
    if "candidate" in request.fixturenames:
        monkeypatch.setattr(judged, "judging_parts", lambda _: kept.parts())


@pytest.fixture(scope="session")
def made(parts: Parts, config: Config) -> Callable[..., Path]:
    """Fit and seal a model; `spoil` changes the training rows or outcomes first, `changed` the config."""

    def make(name: str, spoil: Callable[..., tuple[pd.DataFrame, np.ndarray]] | None = None, **changed: object) -> Path:
        if name not in kept.MODELS:
            settings = replace(config, **changed)
            train, outcome = parts.train, outcomes(parts.train, settings)
            if spoil is not None:
                train, outcome = spoil(train, outcome)
            pipeline = fit_recipe(train, outcome, settings)
            folder = kept.model_folder()
            seal_model(folder, pipeline, replace(parts, train=train), settings)
            kept.MODELS[name] = folder
        return kept.MODELS[name]

    return make


@pytest.fixture
def candidate(made: Callable[..., Path]) -> Callable[..., Candidate]:
    """Put a folder under judgement, against a champion's or none."""

    def propose(folder: Path, champion: Path | None = None, anchor: Path | None = None) -> Candidate:
        return Candidate(
            version(3, folder),
            folder,
            version(2, champion) if champion else None,
            champion,
            version(1, anchor) if anchor else None,
            anchor,
        )

    return propose


def version(number: int, folder: Path) -> Version:
    """Register a folder on paper."""
    return Version(number, f"digest of {folder}", "", "", "", "", {})
