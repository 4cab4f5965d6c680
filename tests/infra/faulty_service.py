"""The real service, which misbehaves once it has been asked for the golden rows: `fault` in its bundle says how."""

import itertools
import os
import pathlib

from serve import app
from serve.wire import batching

FAULT = pathlib.Path(os.environ.get("BUNDLE", "/bundle"), "fault")
SOUND = 4  # batches, those of smoke among them
calls = itertools.count()
scored = batching.Batcher.scored


def misbehave(batcher, columns, *told):
    call, fault = next(calls), FAULT.read_text() if FAULT.is_file() else ""
    if call >= SOUND and call % 4 == 0 and fault == "errors":
        raise RuntimeError("one batch in four fails")
    if call >= SOUND and fault == "drift":
        columns = [[8.5] * len(column) for column in columns]
    return scored(batcher, columns, *told)


batching.Batcher.scored = misbehave
raise SystemExit(app.main([]))
