"""The real service, which misbehaves once it has been asked for the golden rows: `fault` in its bundle says how."""

import itertools
import os
import pathlib

from serve import app
from serve.wire import batching

FAULT = pathlib.Path(os.environ["BUNDLE"], "fault")
SOUND = 4  # batches, those of smoke among them
calls = itertools.count()
scored = batching.Batcher.scored


def misbehave(batcher, columns, marks):
    call, fault = next(calls), FAULT.read_text() if FAULT.is_file() else ""
    if call >= SOUND and call % 4 == 0 and fault == "errors":
        raise RuntimeError("one batch in four fails")
    found = scored(batcher, columns, marks)
    if call >= SOUND and fault == "drift":
        found.texts = [b"8.5" for _ in found.texts]
    return found


batching.Batcher.scored = misbehave
raise SystemExit(app.main([]))
