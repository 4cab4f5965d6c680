"""What is costly to make and only read: made once in a process, and inherited where a mutation run forks it."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pandas as pd

from train.data import Parts, load, split
from validation import contract
from validation.contract import Config

MODELS: dict[str, Path] = {}  # sealed folders, by a name


@cache
def config() -> Config:
    """Read the contract of the bundled example."""
    return contract.load()


@cache
def frame() -> pd.DataFrame:
    """Load the bundled data; copy before changing them."""
    return load(config())


@cache
def parts() -> Parts:
    """Split the bundled data."""
    return split(frame(), config())


def model_folder() -> Path:
    """Make a folder for a model that lasts as long as the process."""
    folder = tempfile.mkdtemp(prefix="gatehouse-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
