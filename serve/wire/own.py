"""/predict: one row, many under `records`, or `columns`; the answer names label and probability, and the version."""

from serve.rows import Rows
from serve.wire.protocol import Asked, Protocol, detail, many
from serve.wire.scored import Scored, Templates


def predict(rows: Rows, templates: Templates, version: int) -> Protocol:
    """Make the protocol of /predict."""
    tail = b',"model_version":%d}' % version
    many_tail = b"]" + tail

    def decode(body: bytes, _: bytes) -> Asked:
        values = rows.one(body)
        return Asked(values, True, 1) if values is not None else many(rows.many(body))

    def answer(scored: Scored, start: int, asked: Asked) -> bytes:
        if asked.one:
            return b'{"prediction":' + templates.row(scored, start) + tail
        return b'{"predictions":[' + templates.rows(scored, start, asked.count) + many_tail

    return Protocol("predict", decode, answer, detail)
