"""Where a log is kept, and when a service that should keep one does not start."""

import pytest

from serve.guard.settings import SettingError
from serve.remembered import settings
from serve.remembered.settings import remembering

NUMBERS = {
    "rate": 0.1, "columns": ["age"], "queue_rows": 10, "sync_seconds": 1, "segment_bytes": 10, "segment_seconds": 1,
    "spool_bytes": 100,
}  # fmt: skip
LIMITS = {"prediction_log": NUMBERS}


def test_nothing_named_is_no_log(tmp_path) -> None:
    """Off, whatever the bundle says, until the environment names a place."""
    assert remembering({}, LIMITS, ["age"]) is None
    assert remembering({"PREDICTION_LOG": " "}, {}, ["age"]) is None


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_folder_has_its_spool_inside(tmp_path, scheme) -> None:
    """Where readers of Parquet do not look; a spool of one's own, or alone, is taken as it is."""
    told = remembering({"PREDICTION_LOG": f"{scheme}{tmp_path}/log"}, LIMITS, ["age"])
    assert (tmp_path / "log/.spool", ("age",), 0.1) == (told.spool, told.columns, told.rate)
    assert told.spool.is_dir()
    alone = remembering({"PREDICTION_SPOOL": str(tmp_path / "own")}, LIMITS, ["age"])
    assert (tmp_path / "own", "") == (alone.spool, alone.store)


def refused(environ: dict, limits: dict = LIMITS) -> str:
    with pytest.raises(SettingError) as error:
        remembering(environ, limits, ["age"])
    return str(error.value)


def test_what_cannot_be_kept_is_a_sentence(tmp_path, monkeypatch) -> None:
    """A URL without a spool, a spool that is no folder, a bundle of before, a column that is no input, no library."""
    (tmp_path / "file").touch()
    here = {"PREDICTION_LOG": str(tmp_path / "log")}
    assert "name a folder by PREDICTION_SPOOL" in refused({"PREDICTION_LOG": "s3://bucket/log"})
    assert "Not a directory" in refused({"PREDICTION_SPOOL": str(tmp_path / "file/spool")})
    assert "export the version again" in refused(here, {})
    assert "'x', which is no input" in refused(here, {"prediction_log": NUMBERS | {"columns": ["x"]}})
    monkeypatch.setattr(settings, "find_spec", lambda _: None)
    assert "pyarrow is not in this image" in refused(here)
    assert remembering({"PREDICTION_SPOOL": str(tmp_path / "own")}, LIMITS, ["age"])
