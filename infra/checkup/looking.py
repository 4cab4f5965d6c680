"""Look at this machine once, for all that its checks read; what needs a library is imported where it is looked at."""

import importlib.metadata
import os
import platform
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from infra.checkup import here
from infra.checkup.facts import peek
from infra.checkup.machine import OTHERS, OURS, Machine, Secret
from validation import contract
from validation.script import ROOT, OutsideError, Refusal

PROGRAMS = ("git", "make", "gh", "kubectl", "kind")
LOCKED = re.compile(r"^([\w.-]+)==([\w.!+-]+) \\$", re.MULTILINE)  # lines with a marker may not be for this machine
OVERLAYS = ROOT / "infra/overlays"
SECRET = "kubernetes.io/dockerconfigjson"  # the type  # noqa: S105
SECONDS = 20.0  # for kubectl to say a word


def look() -> Machine:
    """Return what is found here."""
    service = _service()
    port, holder = _port(service if isinstance(service, int) else 0)
    engine, silent = _engine()
    absent = tuple(name for name in PROGRAMS if shutil.which(name) is None)
    cluster = "kubectl" not in absent and bool(_kubectl("get", "--raw", "/readyz", "--request-timeout=5s"))
    overlays = sorted(path.parent for path in OVERLAYS.glob("*/kustomization.yaml"))
    return Machine(
        python=".".join(platform.python_version_tuple()[:2]),
        wanted=(ROOT / ".python-version").read_text().strip(),
        unlocked=tuple(_unlocked((ROOT / "requirements.txt").read_text())),
        absent=absent,
        refused=service if isinstance(service, str) else "",
        remote=here.remote(),
        server=here.server(),
        port=port,
        holder=holder,
        free=shutil.disk_usage(ROOT).free,
        engine=engine,
        silent=silent,
        process=os.environ.get("ENGINE") == "none",
        cluster=cluster,
        overlays=bool(overlays),
        secrets=tuple(_secrets(overlays, cluster)) if "kubectl" not in absent else (),
    )


def _service() -> int | str:
    """Return the service's port, or why config.py is refused."""
    try:
        return contract.load().service.port
    except Refusal as refusal:
        return str(refusal)


def _unlocked(text: str) -> Iterator[str]:
    for name, version in LOCKED.findall(text):
        try:
            there = importlib.metadata.version(name) == version
        except importlib.metadata.PackageNotFoundError:
            there = False
        if not there:
            yield name


def _port(usual: int) -> tuple[int, str]:
    """Return the port, and who holds it: nobody, the service, others, or why it is no port."""
    text = os.environ.get("GATEHOUSE_PORT", "") or str(usual)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        return 0, f"GATEHOUSE_PORT={text} is no port" if usual else ""
    with socket.socket() as asking:
        asking.settimeout(1.0)
        if asking.connect_ex(("127.0.0.1", int(text))):
            return int(text), ""
    try:
        from infra import machine
    except ImportError:
        return int(text), OTHERS
    return int(text), OURS if machine.serving(f"http://127.0.0.1:{text}") else OTHERS


def _engine() -> tuple[bool, str]:
    """Tell whether an engine answers, and why one that is demanded does not."""
    from infra import host

    try:
        return host.engine() is not None, ""
    except ImportError:
        return False, ""
    except (OutsideError, Refusal) as error:
        return False, str(error)


def _secrets(overlays: list[Path], cluster: bool) -> Iterator[Secret]:
    """Give the pull secrets that the overlays name, each once."""
    found: dict[tuple[str, str], None] = {}
    for folder in overlays:
        found |= dict.fromkeys(_named(_kubectl("kustomize", str(folder))))
    for namespace, name in found:
        yield Secret(namespace, name, _there(namespace, name) if cluster else None)


def _named(manifests: str) -> Iterator[tuple[str, str]]:
    try:
        import yaml
    except ImportError:
        return
    try:
        documents = list(yaml.safe_load_all(manifests))
    except yaml.YAMLError:
        return
    for document in documents:
        pod = peek(document, "spec", "template", "spec")
        for secret in peek(pod, "imagePullSecrets") or []:
            yield str(peek(document, "metadata", "namespace") or "default"), str(peek(secret, "name"))


def _there(namespace: str, name: str) -> bool | None:
    """Tell whether the cluster has a secret; None where its namespace is not there, or may not be seen."""
    may = _kubectl("auth", "can-i", "get", f"secrets/{name}", "--namespace", namespace) == "yes"
    if not may or not _kubectl("get", "namespace", namespace, "--output=name"):
        return None
    return _kubectl("get", "secret", name, "--namespace", namespace, "--output=jsonpath={.type}") == SECRET


def _kubectl(*words: str) -> str:
    context = os.environ.get("KUBE_CONTEXT", "")
    chosen = [f"--context={context}"] if context and words[0] != "kustomize" else []
    return here.said(["kubectl", *words, *chosen], seconds=SECONDS)
