"""The file system behind a URL: fsspec's, or Arrow's own of S3, GCS and Azure where fsspec's is not installed."""

from typing import Any


def found(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, as fsspec has them, and the path in it.

    Raises ImportError when fsspec or the library of this store is not installed, ValueError when nobody knows such a
    store or the URL is none of it.
    """
    from fsspec.core import url_to_fs

    try:
        store, path = url_to_fs(url)
    except ImportError as lacking:
        from fsspec.implementations.arrow import ArrowFSWrapper
        from pyarrow.fs import FileSystem

        try:
            inner, path = FileSystem.from_uri(url)
        except ValueError as refused:
            if "Unrecognized filesystem" in str(refused):  # not one of Arrow's
                raise lacking from None
            raise
        store = ArrowFSWrapper(inner)
    return store, path
