"""What lies beside a file or URL has its folder, its kind, and what the URL tells of the store."""

import pytest

from serve.bulk.place import Place


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("out.parquet", "out.rejects.parquet"),
        ("a.b/out.2.csv", "a.b/out.2.rejects.csv"),
        ("s3://bucket/out.csv", "s3://bucket/out.rejects.csv"),
        ("gs://b/out.csv?endpoint_override=127.0.0.1%3A1&scheme=http",
         "gs://b/out.rejects.csv?endpoint_override=127.0.0.1%3A1&scheme=http"),
    ],
)  # fmt: skip
def test_the_reject_file_lies_beside_the_output(name, beside) -> None:
    """A dot behind the question mark is no kind of file."""
    assert beside == Place(name).beside("rejects").name
