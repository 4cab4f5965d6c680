"""API keys: known by their hash alone, several at once, changed without a restart."""

import hashlib

import pytest

from serve.guard.keys import LOOK_SECONDS, MOST_BYTES, SHORTEST, KeysFile, line_of, make, parse
from serve.guard.settings import SettingError

KEY, OTHER = make(), make()


def test_a_key_is_found_with_its_name_and_scopes() -> None:
    """By the key, never by its hash, its name or a part of it."""
    keys = parse(line_of(KEY, "batch", "predict,feedback"), "here")
    caller = keys.find(KEY.encode())
    assert ("key batch", "batch", {"predict", "feedback"}) == (caller.name, caller.shown, caller.scopes)
    for wrong in (OTHER, KEY[:-1], KEY + "x", hashlib.sha256(KEY.encode()).hexdigest(), "batch", ""):
        assert keys.find(wrong.encode()) is None


def test_a_key_is_random_and_its_line_does_not_hold_it() -> None:
    """256 bits, in a form that scanners for secrets can know."""
    assert KEY != OTHER
    assert SHORTEST == len(KEY)
    assert KEY.startswith("gatehouse_")
    assert KEY[10:] not in line_of(KEY, "batch", "predict")


def test_one_name_may_have_two_keys() -> None:
    """So a caller changes keys while both work."""
    keys = parse("; ".join(line_of(key, "batch", "predict") for key in (KEY, OTHER)), "here")
    assert keys.find(KEY.encode()) == keys.find(OTHER.encode()) is not None


def test_what_is_too_short_is_no_key() -> None:
    """Somebody may write down the hash of a password; it opens nothing."""
    keys = parse(f"weak predict sha256:{hashlib.sha256(b'hunter2').hexdigest()}", "here")
    assert keys.find(b"hunter2") is None


def test_comments_and_empty_lines_are_left_out() -> None:
    """The file may be explained."""
    keys = parse(f"# of the batch\n\n{line_of(KEY, 'batch', 'predict')}  # until May\n", "here")
    assert keys.find(KEY.encode()) is not None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("batch predict", "here, line 2: not `NAME SCOPES sha256:HASH`"),
        (f"batch predict {KEY}", "here, line 2: not `NAME SCOPES sha256:HASH`"),
        (f"batch predict md5:{'0' * 64}", "here, line 2: not `NAME SCOPES sha256:HASH`"),
        (f"ba/tch predict sha256:{'0' * 64}", "here, line 2: not `NAME SCOPES sha256:HASH`"),
        (f"batch predict,root sha256:{'0' * 64}", "here, line 2: no scope is called 'root'"),
        (f"batch , sha256:{'0' * 64}", "here, line 2: no scope is called ''"),
    ],
    ids=["two words", "a key", "md5", "a name with a slash", "an unknown scope", "no scope"],
)
def test_a_line_that_is_none_is_named_and_not_quoted(line, said) -> None:
    """By its number: it may hold a key by mistake."""
    with pytest.raises(SettingError, match="here, line 2") as error:
        parse(f"\n{line}", "here")
    assert said in str(error.value)
    assert KEY not in str(error.value)


@pytest.fixture
def rotating(tmp_path, clock):
    """A file of keys with its reader, what it told, and a way to write the file and let a look come due."""
    path, told = tmp_path / "keys", []
    path.write_text(line_of(KEY, "batch", "predict"))
    keys = KeysFile(path, clock, told.append)

    def write(content: bytes | None) -> None:
        if content is None:
            path.unlink()
        else:
            (tmp_path / "new").write_bytes(content)
            (tmp_path / "new").replace(path)
        clock.now += LOOK_SECONDS

    return keys, told, write


def test_a_changed_file_is_read_again(rotating) -> None:
    """The new key works, the old one does no more."""
    keys, told, write = rotating
    assert keys.find(KEY.encode()) is not None
    write(line_of(OTHER, "batch", "predict").encode())
    assert (None, True) == (keys.find(KEY.encode()), keys.find(OTHER.encode()) is not None)
    assert [] == told


def test_the_file_is_not_looked_at_for_each_request(rotating, clock) -> None:
    """Within a second the keys stay as they are."""
    keys, _, write = rotating
    write(line_of(OTHER, "batch", "predict").encode())
    clock.now -= LOOK_SECONDS / 2
    assert keys.find(OTHER.encode()) is None


@pytest.mark.parametrize("content", [b"nonsense", b"\xff\xfe", b"#" * (MOST_BYTES + 1), None])
def test_a_file_that_breaks_leaves_the_keys_and_is_told_once(rotating, content) -> None:
    """A slip of the pen locks nobody out."""
    keys, told, write = rotating
    write(content)
    for _ in range(3):
        assert keys.find(KEY.encode()) is not None
    assert [True] == ["the keys of before go on" in sentence for sentence in told]


def test_an_empty_file_lets_nobody_in(rotating) -> None:
    """That is how one takes every key back at once."""
    keys, _, write = rotating
    write(b"")
    assert keys.find(KEY.encode()) is None


def test_a_link_that_turns_is_a_change(tmp_path, clock) -> None:
    """As a mounted secret of Kubernetes is changed."""
    for name, key in (("one", KEY), ("two", OTHER)):
        (tmp_path / name).write_text(line_of(key, "batch", "predict"))
    link = tmp_path / "keys"
    link.symlink_to("one")
    keys = KeysFile(link, clock, print)
    link.unlink()
    link.symlink_to("two")
    clock.now += LOOK_SECONDS
    assert keys.find(OTHER.encode()) is not None


def test_a_file_that_is_not_there_keeps_the_service_from_starting(tmp_path, clock) -> None:
    """One sentence, with the name of the setting."""
    with pytest.raises(SettingError, match=r"API_KEYS_FILE=.* cannot be read: No such file"):
        KeysFile(tmp_path / "nowhere", clock, print)
