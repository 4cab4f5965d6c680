"""The data as they are stored: one file below the repository, or at a URL (stdlib only, until a URL is read)."""

from validation.contract import Config
from validation.script import ROOT, OutsideError, Refusal, digest, digest_of

FORMATS = (".parquet", ".csv")


def read(source: str) -> bytes:
    """Read a file below the repository, or any URL that fsspec knows.

    Raises Refusal when it is missing or its kind is unknown, OutsideError when the store behind the URL fails.
    """
    if not source.lower().endswith(FORMATS):
        raise Refusal(f"{source}: the data must be one {' or '.join(FORMATS)} file; set DATA in config.py")
    if "://" not in source:
        path = ROOT / source
        if not path.is_file():
            raise Refusal(f"{source} does not exist; put the data there, or set DATA in config.py")
        return path.read_bytes()
    import fsspec

    try:
        with fsspec.open(source, "rb") as file:
            return bytes(file.read())
    except FileNotFoundError:
        raise Refusal(f"{source} does not exist; set DATA in config.py") from None
    except (ImportError, ValueError) as error:
        raise Refusal(f"{source}: {error}") from None
    except Exception as error:  # each store has errors of its own
        raise OutsideError(f"{source} cannot be read: {type(error).__name__}: {error}") from error


def data_digest(config: Config) -> str:
    """SHA-256 of the data as they are stored, and of every file that is joined to them."""
    main = digest(read(config.data))
    return digest_of([main, *(digest(read(name)) for name in config.joined)]) if config.joined else main
