"""API keys: 256 random bits each, known here by their SHA-256 alone.

A slow hash (Argon2, bcrypt) makes guesses dear where people choose the secret. Nobody guesses 256 bits, so the quick
hash loses nothing, costs a request a microsecond, and lets no stranger buy our processor with wrong keys. Keys are
found by the first bytes of the hash, which whoever asks cannot steer, then compared whole in constant time.
"""

import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serve.guard.settings import SettingError

PREFIX = "gatehouse_"  # tells scanners for leaked secrets what they have found
SHORTEST = len(PREFIX) + 43  # characters: 32 bytes in base64; nothing shorter is looked up, so no weak key exists
SCOPES = ("predict", "feedback", "admin")
LOOK_SECONDS = 1.0  # between two looks at the file: how long a key that was taken out may still work
MOST_BYTES = 1_000_000  # of the file: ten thousand keys

LINE = re.compile(r"(?P<name>[\w.-]{1,64})\s+(?P<scopes>[a-z,]+)\s+sha256:(?P<hash>[0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True)
class Caller:
    """Who asks: what limits count by, what logs may show (never a person's name), and what is allowed."""

    name: str
    shown: str
    scopes: frozenset[str]


def make() -> str:
    """Make a key."""
    return PREFIX + secrets.token_urlsafe(32)


def line_of(key: str, name: str, scopes: str) -> str:
    """Write the line by which a key is known. Raises SettingError for a name or scope that cannot be."""
    line = f"{name} {scopes} sha256:{_hash(key).hex()}"
    parse(line, "the key")
    return line


class Keys:
    """Keys by the first bytes of their hash."""

    def __init__(self) -> None:
        self._known: dict[bytes, list[tuple[bytes, Caller]]] = {}

    def add(self, digest: bytes, caller: Caller) -> None:
        """Let a key in."""
        self._known.setdefault(digest[:8], []).append((digest, caller))

    def find(self, key: bytes) -> Caller | None:
        """Say whose key it is, or None."""
        if len(key) < SHORTEST:
            return None
        digest = hashlib.sha256(key).digest()
        for known, caller in self._known.get(digest[:8], ()):
            if hmac.compare_digest(known, digest):
                return caller
        return None


def parse(text: str, where: str) -> Keys:
    """Read lines `NAME SCOPES sha256:HASH`, one a line or after a semicolon; # begins a comment.

    One name may have several keys: that is a rotation. Raises SettingError with the number of a line that is none.
    """
    keys = Keys()
    for number, line in enumerate(text.replace(";", "\n").splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        found = LINE.fullmatch(entry)
        if found is None:
            raise SettingError(
                f"{where}, line {number}: not `NAME SCOPES sha256:HASH`; `python -m serve.key` writes one"
            )
        scopes = found["scopes"].split(",")
        wrong = [scope for scope in scopes if scope not in SCOPES]
        if wrong:
            raise SettingError(
                f"{where}, line {number}: no scope is called {wrong[0]!r}; there are {', '.join(SCOPES)}"
            )
        name = f"key {found['name']}"
        keys.add(bytes.fromhex(found["hash"]), Caller(name, found["name"], frozenset(scopes)))
    return keys


class KeysFile:
    """Keys of a mounted file, read again when it changes: a rotation needs no restart.

    A file that cannot be read leaves the keys as they were, and `tell` hears of it. An empty one lets nobody in.
    """

    def __init__(self, path: Path, clock: Callable[[], float], tell: Callable[[str], None]) -> None:
        self._path, self._clock, self._tell = path, clock, tell
        self._seen = self._stamp()
        self._looked = clock()
        self._keys = self._read()

    def find(self, key: bytes) -> Caller | None:
        """Say whose key it is, or None."""
        now = self._clock()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()
        return self._keys.find(key)

    def _look(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._keys = self._read()
        except SettingError as error:
            self._tell(f"{error}; the keys of before go on")

    def _stamp(self) -> tuple[int, ...]:
        with contextlib.suppress(OSError):
            found = self._path.stat()  # through links: a mounted secret is changed by turning one
            return found.st_ino, found.st_size, found.st_mtime_ns
        return ()

    def _read(self) -> Keys:
        where = f"API_KEYS_FILE={self._path}"
        try:
            with self._path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                raise SettingError(f"{where} is larger than {MOST_BYTES} bytes")
            return parse(content.decode(), where)
        except OSError as error:
            raise SettingError(f"{where} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingError(f"{where} holds no text") from None


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
