"""The cluster behind the fake kubectl, as a test sees it: what is in it, what it lacks, and a place to deploy to."""

import contextlib
import fcntl
import json
import pathlib
import sys

from infra.cluster import Cluster
from infra.kube import kubectl
from validation.script import ROOT

FAKE = pathlib.Path(__file__).with_name("fake_kubectl.py")
STAGING = ROOT / "infra/overlays/staging"


class Faked:
    """One namespace in a file."""

    def __init__(self, folder, monkeypatch):
        self.folder, self._file = folder, folder / "cluster.json"
        self._file.write_text(json.dumps({"objects": {}, "images": {}, "faults": {}, "calls": [], "count": 0}))
        monkeypatch.setenv("FAKE_CLUSTER", str(self._file))
        monkeypatch.setenv("REAL_KUBECTL", kubectl.program())
        monkeypatch.delenv("KUBE_CONTEXT", raising=False)
        for name in ("canary.LOOK_SECONDS", "track.LOOK_SECONDS"):
            monkeypatch.setattr(f"infra.kube.{name}", 0.02)  # this cluster is quick
        for name in ("STUCK_SECONDS", "SAID_SECONDS"):
            monkeypatch.setattr(f"infra.kube.track.{name}", 0.5)
        program = folder / "bin/kubectl"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {FAKE} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        self._home = folder / "home"
        self._home.mkdir(exist_ok=True)

    def place(self, sealed=None, overlay=STAGING, ready_seconds=20, model="income"):
        """Return the place, with the image that holds a bundle."""
        image = ""
        if sealed is not None:
            image = f"registry.example.org/service@sha256:{sealed.digest}"
            with self.changing() as state:
                state["images"][image] = str(sealed.folder)
        return Cluster(overlay, self._home, ready_seconds, model, image)

    @contextlib.contextmanager
    def changing(self):
        """Change the file while nobody else does."""
        with self._file.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            state = json.load(file)
            yield state
            file.seek(0)
            file.truncate()
            json.dump(state, file)

    def fault(self, **faults):
        """Let the cluster lack something, or do something wrongly, from now on."""
        with self.changing() as state:
            state["faults"] = {name.replace("_", " "): why for name, why in faults.items()}

    @property
    def objects(self):
        """What is in the namespace, by kind and name."""
        with self.changing() as state:
            return state["objects"]

    @property
    def calls(self):
        """What was asked, one after the other."""
        with self.changing() as state:
            return state["calls"]

    def names(self, kind):
        """Name the objects of a kind."""
        return sorted(one["metadata"]["name"] for one in self.objects.values() if one["kind"] == kind)

    def pods(self, track):
        """Return the pods of a track, as (version, whether users ask it)."""
        found = [one["metadata"] for one in self.objects.values() if one["kind"] == "Pod"]
        mine = [one for one in found if one["labels"]["gatehouse.track"] == track]
        return [(int(one["annotations"]["gatehouse.version"]), "gatehouse.serves" in one["labels"]) for one in mine]

    def record(self):
        """Return the versions that the record has as live and as next."""
        data = self.objects.get("ConfigMap/gatehouse-record", {"data": {}})["data"]

        def version(objects):
            (found,) = [one for one in objects if one["kind"] == "Deployment"]
            return int(found["metadata"]["annotations"]["gatehouse.version"])

        return [version(json.loads(data[name])) if name in data else None for name in ("live", "next")]
