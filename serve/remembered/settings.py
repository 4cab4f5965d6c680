"""What the prediction log is told: its numbers by service.json, its places by the environment."""

import dataclasses
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from serve.guard.settings import SettingError

HIDDEN = ".spool"  # of the spool below a local log; a dot keeps readers of the Parquet files out of it
LOCK = "ship.lock"


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that the log goes by, see PREDICTION_LOG in config.py.

    `spool` is the folder where records wait; `store` the folder or URL that they are shipped to, empty where somebody
    else runs `python -m serve.ship` on the spool.
    """

    rate: float
    columns: tuple[str, ...]
    queue_rows: int
    sync_seconds: float
    segment_bytes: int
    segment_seconds: float
    spool_bytes: int
    spool: Path
    store: str


def is_local(name: str) -> bool:
    """Tell whether a place is a folder of this machine."""
    return "://" not in name or name.startswith("file://")


def local(name: str) -> Path:
    """Return the folder that a local place names."""
    return Path(name.removeprefix("file://"))


def remembering(environ: Mapping[str, str], limits: Mapping[str, Any], inputs: Sequence[str]) -> Settings | None:
    """Read the settings of a service whose model takes `inputs`; None where it keeps no log.

    Reads PREDICTION_LOG and PREDICTION_SPOOL. Raises SettingError when the log cannot be kept as they say.
    """
    store, spool = (environ.get(name, "").strip() for name in ("PREDICTION_LOG", "PREDICTION_SPOOL"))
    if not store and not spool:
        return None
    numbers = limits.get("prediction_log")
    if not isinstance(numbers, dict):
        raise SettingError("service.json of the bundle does not say prediction_log; export the version again")
    unknown = [name for name in numbers["columns"] if name not in inputs]
    if unknown:
        raise SettingError(f"service.json of the bundle logs {unknown[0]!r}, which is no input of the model")
    if not spool and not is_local(store):
        raise SettingError(f"PREDICTION_LOG={store} is a URL: name a folder by PREDICTION_SPOOL, where records wait")
    for library in ("pyarrow", "fsspec") if store else ():
        if find_spec(library) is None:
            raise SettingError(
                f"PREDICTION_LOG={store}: {library} is not in this image; build it by --build-arg"
                " LIBRARIES=serve/remembered/requirements.txt, or set PREDICTION_SPOOL alone, and ship elsewhere"
            )
    folder = Path(spool) if spool else local(store) / HIDDEN
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).touch()
    except OSError as error:
        raise SettingError(f"the prediction log cannot wait in {folder}: {error.strerror}") from None
    told = {name: numbers[name] for name in NUMBERS} | {"columns": tuple(numbers["columns"])}
    return Settings(**told, spool=folder, store=store)


NUMBERS = tuple(field.name for field in dataclasses.fields(Settings) if field.name not in ("columns", "spool", "store"))
