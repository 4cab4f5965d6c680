"""Files of the spool: written whole, finished once, taken over from the dead alone."""

import errno
import os

import pytest

from serve.remembered import lines, segments
from serve.remembered.segments import Segment, finished, take_over, used

HEADER = lines.encode({"kind": "segment"})
ONE = lines.encode({"kind": "prediction", "ids": ["a:0"]})


def test_a_line_is_whole_or_none(tmp_path) -> None:
    """Cut at any byte, or with any byte changed, a line is not read; the ones before it are."""
    for cut in range(len(ONE)):
        (tmp_path / "file").write_bytes(HEADER + ONE[:cut])
        assert [True, *[False] * bool(cut)] == [line is not None for line in lines.read(tmp_path / "file")]
        changed = bytearray(ONE)
        changed[cut] ^= 0x20 if changed[cut] != 0x2A else 1  # never into a line's end
        assert lines.decode(bytes(changed)) is None
    assert {"kind": "prediction", "ids": ["a:0"]} == lines.decode(ONE)


def test_what_lives_is_left_alone_and_what_is_dead_is_taken_over(tmp_path) -> None:
    """A file under its writer's lock is not touched; without the lock it is finished, its lines as they were."""
    alive, dead = Segment(tmp_path, HEADER), Segment(tmp_path, HEADER)
    dead.append(ONE)
    assert (0, []) == (take_over(tmp_path), finished(tmp_path))
    os.close(dead._file)  # as the system does when a process ends
    assert take_over(tmp_path) == 1
    [path] = finished(tmp_path)
    assert HEADER + ONE == path.read_bytes()
    alive.append(ONE)
    alive.finish()
    assert 2 == len(finished(tmp_path))
    assert 2 * len(HEADER + ONE) == used(tmp_path)


def test_of_two_who_find_the_same_dead_file_one_finishes_it(tmp_path, monkeypatch) -> None:
    """Another one was quicker between the look and the lock: its file stays as it is, and is not counted twice."""
    dead = Segment(tmp_path, HEADER)
    dead.append(ONE)
    os.close(dead._file)
    flock = segments.fcntl.flock

    def late(file: int, how: int) -> None:
        for path in tmp_path.glob("*.open"):
            path.rename(path.with_suffix(".jsonl"))
        flock(file, how)

    monkeypatch.setattr(segments.fcntl, "flock", late)
    assert take_over(tmp_path) == 0
    assert HEADER + ONE == finished(tmp_path)[0].read_bytes()


def test_a_file_without_a_record_is_removed(tmp_path) -> None:
    """Nothing to ship is no file."""
    Segment(tmp_path, HEADER).finish()
    assert [] == list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch) -> None:
    """The write that fails half-way is taken back; when there is room again the file goes on."""
    segment, write = Segment(tmp_path, HEADER), os.write
    room = 5

    def full(file: int, content: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(file, bytes(content)[:room])
        room -= done
        return done

    monkeypatch.setattr(segments.os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        segment.append(ONE)
    monkeypatch.undo()
    segment.append(ONE)
    segment.finish()
    assert HEADER + ONE == finished(tmp_path)[0].read_bytes()


def test_a_file_that_cannot_be_begun_is_not_there(tmp_path, monkeypatch) -> None:
    """Where even the header does not fit, nothing is left behind."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(segments.os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        Segment(tmp_path, HEADER)
    assert [] == list(tmp_path.iterdir())
