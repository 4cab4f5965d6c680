"""The cluster to rehearse on: the one of KUBECONFIG, else one that kind makes in containers here, and deletes again."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from infra.environ import holding
from validation.script import ROOT, OutsideError, Refusal, digest, log

VERSION = "v0.33.0"  # of kind; the node's image is of its release notes
NODE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
NAME = f"gatehouse-{digest(str(ROOT).encode())[:8]}"  # of this clone: another one's rehearsal is not in the way
READY_SECONDS = 180  # of the node
CALL_SECONDS = 600.0  # a slow pull of the node's image, 1 GB, included


@contextlib.contextmanager
def cluster(folder: Path, keep: bool) -> Iterator[None]:
    """Let KUBECONFIG name a cluster while the block runs; one that was made for it is deleted then, unless kept.

    Raises Refusal when there is none to be had, OutsideError when kind fails.
    """
    if os.environ.get("KUBECONFIG"):
        yield
        return
    if shutil.which("kind") is None:
        raise Refusal(
            f"there is no cluster to rehearse on: set KUBECONFIG, or install kind {VERSION} and a container engine"
            " (https://kind.sigs.k8s.io)"
        )
    path = folder / "kubeconfig"
    path.parent.mkdir(parents=True, exist_ok=True)
    here = _kind("version").strip()
    if f" {VERSION} " not in f"{here} ":
        log(f"infra.rehearse: this is {here}; the node's image belongs to kind {VERSION}")
    try:
        _delete(path)  # of a run that was killed, or kept
        log(f"infra.rehearse: kind makes the cluster {NAME} ({NODE.partition('@')[0]})")
        _kind("create", "cluster", f"--image={NODE}", f"--wait={READY_SECONDS}s", *_named(path))
        with holding(KUBECONFIG=str(path), KUBE_CONTEXT=None):
            yield
    finally:
        if keep:
            log(f"infra.rehearse: the cluster stays: KUBECONFIG={path}; `kind delete cluster --name {NAME}` ends it")
        else:
            _end(path)


def nodes() -> list[str]:
    """Name the containers that are the nodes of our cluster."""
    return _kind("get", "nodes", f"--name={NAME}").split()


def _named(path: Path) -> tuple[str, str]:
    return f"--name={NAME}", f"--kubeconfig={path}"


def _delete(path: Path) -> None:
    _kind("delete", "cluster", *_named(path))
    path.unlink(missing_ok=True)


def _end(path: Path) -> None:
    """Delete it; a failure of that takes no other one's place."""
    try:
        _delete(path)
        log(f"infra.rehearse: the cluster {NAME} is deleted")
    except OutsideError as error:
        log(f"infra.rehearse: {error}; `kind delete cluster --name {NAME}` tries again")


def _kind(*arguments: str) -> str:
    """Call kind, out of reach of a Ctrl-C that is meant for us."""
    try:
        done = subprocess.run(
            ["kind", *arguments], capture_output=True, text=True, timeout=CALL_SECONDS, start_new_session=True
        )
    except subprocess.TimeoutExpired:
        raise OutsideError(f"kind {' '.join(arguments[:2])} did not end within {CALL_SECONDS:g} s") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        said = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        raise OutsideError(f"kind {' '.join(arguments[:2])} failed: {said.removeprefix('ERROR: ')}")
    return done.stdout
