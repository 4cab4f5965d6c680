"""Parts belong to one job and one process."""

import datetime

import pyarrow as pa
import pytest

from serve.bulk import parts
from serve.bulk.errors import InputError

TABLE = pa.table({"row": [1, 2]})


def test_the_same_job_finds_its_parts_and_its_begin(tmp_path, monkeypatch) -> None:
    """Whatever the clock says the second time."""
    with parts.opened(tmp_path / "p", {"source": 1}) as first:
        kept = first.keep(0, TABLE, TABLE.slice(0, 0))
    monkeypatch.setattr(parts, "now", lambda: datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC))
    with parts.opened(tmp_path / "p", {"source": 1}) as again:
        assert (True, False) == (again.has(0), again.has(1))
        assert (TABLE, TABLE.slice(0, 0)) == again.read(0) == kept
        assert first.begun == again.begun


@pytest.mark.parametrize("damage", ["another job", "no JSON"])
def test_what_another_job_left_is_removed(tmp_path, damage) -> None:
    """Another input, bundle, library or set of columns begins anew; so does a job whose record is none."""
    with parts.opened(tmp_path / "p", {"source": 1}) as first:
        first.keep(0, TABLE, TABLE)
    if damage == "no JSON":
        (tmp_path / "p/job.json").write_text("{")
    with parts.opened(tmp_path / "p", {"source": 2 if damage == "another job" else 1}) as other:
        assert not other.has(0)


def test_two_runs_do_not_write_one_output(tmp_path) -> None:
    """The second one is told so, and the first one's parts stay."""
    with parts.opened(tmp_path / "p", {}) as first:
        first.keep(0, TABLE, TABLE)
        with pytest.raises(InputError, match="another run writes the same output"), parts.opened(tmp_path / "p", {}):
            pass
        assert first.has(0)


def test_nothing_is_left_of_a_job_that_is_done(tmp_path) -> None:
    """The folder goes too."""
    with parts.opened(tmp_path / "p", {}) as first:
        first.keep(0, TABLE, TABLE)
        parts.finished(first)
    assert [] == list(tmp_path.iterdir())
