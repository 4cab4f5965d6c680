"""Killed anywhere and run again, a job gives the same bytes; nothing half-written ever has the final name."""

import json
import subprocess
import sys

import pandas as pd
import pytest

# Forks a run for each change of the disk that a whole run makes, kills it there, and runs it again an hour later. The
# libraries are loaded once; what dies are processes of the product's own path, by SIGKILL, without any seam in it.
DRIVER = """
import datetime, json, os, shutil, signal, sys
from pathlib import Path

from serve import batch
from serve.bulk import job, parts, source

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}
source.CHUNK = job.CHUNK = 400
begun = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


def run(folder, hours, die_at):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    os.chdir(folder)
    os.dup2(os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    os.dup2(2, 1)
    seen = 0

    def watch(event, arguments):
        nonlocal seen
        if event in CHANGES:
            seen += 1
            if seen == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    parts.now = lambda: begun + datetime.timedelta(hours=hours)
    kind = sys.argv[2]
    places = ["--input", f"../in.{kind}", "--output", f"out.{kind}", "--bundle", sys.argv[1]]
    os._exit(batch.main([*places, "--keep", "all"]))


def left(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file() and path.name != "log"}


def made(name):
    shutil.rmtree(name, ignore_errors=True)
    Path(name).mkdir()
    return Path(name)


whole = [made(f"whole-{hours}") for hours in (0, 1)]
assert [0, 0] == [run(folder, hours, None) for hours, folder in enumerate(whole)]
found = []
for die_at in range(1, 1000):
    folder = made("killed")
    status = run(folder, 0, die_at)
    if not status:
        break
    seen = {name: content for name, content in left(folder).items() if not name.startswith(".")}
    halves = [name for name, content in seen.items() if content != left(whole[0])[name]]
    recorded = (folder / f".out.{sys.argv[2]}.parts/job.json").exists()
    again = run(folder, 1, None)
    same = [left(folder) == left(one) for one in whole]
    log = (folder / "log").read_text()
    resumed = "were scored by a run that was killed" in log
    found.append([os.WIFSIGNALED(status), halves, recorded, again, same, resumed, log])
print(json.dumps(found))
"""


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_killed_anywhere_and_run_again_gives_the_same_bytes(chain, frame, tmp_path, kind) -> None:
    """At every step that changes what lies on disk; the time is the one at which the job first began."""
    rows = pd.concat([frame.iloc[:900], frame.iloc[:1].assign(age=7)])
    getattr(rows, "to_csv" if kind == "csv" else "to_parquet")(tmp_path / f"in.{kind}", index=False)
    command = [sys.executable, "-c", DRIVER, str(chain.root / "build/model"), kind]
    environment = chain.environment() | {"PYTHONPATH": str(chain.root)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert 0 == done.returncode, done.stderr[-3000:]
    kills = json.loads(done.stdout)
    assert len(kills) > 10
    assert any(resumed for *_, resumed, _ in kills)
    for killed, halves, recorded, again, same, _, log in kills:
        assert (True, [], 0) == (killed, halves, again), log
        # Before the job is on record, or once all of it was there, the second run is a job of its own
        assert [recorded, not recorded] == same, log
