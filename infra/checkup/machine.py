"""Checks of this machine: the Python, the programs, and whom a deployment can go to (pure; stdlib only)."""

import sys
from dataclasses import dataclass

from infra.checkup.answer import Answer, code, fine, missing, unseen
from infra.checkup.offers import whole

SETUP, RUN = 1_500_000_000, 500_000_000  # bytes: the environment of the lock; what the chain writes beside it
OURS, OTHERS = "ours", "others"  # who holds the port
REGISTRY = "ghcr.io"
ORIGIN = code("git remote add origin https://github.com/OWNER/NAME.git")


@dataclass(frozen=True)
class Secret:
    """A secret that an overlay pulls images by, and whether the cluster has it; None: that cannot be seen."""

    namespace: str
    name: str
    there: bool | None


@dataclass(frozen=True)
class Machine:
    """What was found here."""

    python: str  # major.minor
    wanted: str
    system: str = sys.platform
    unlocked: tuple[str, ...] = ()  # packages that are missing, or of another version than the lock's
    absent: tuple[str, ...] = ()  # programs that are not here
    refused: str = ""  # why config.py is refused
    remote: str = ""  # owner/name
    server: tuple[bool, bool, bool] = (False, False, False)  # address, user, password in the environment
    port: int = 0
    holder: str = ""  # of the port; empty: it is free
    free: int = SETUP + RUN  # bytes
    engine: bool = False  # a container engine answers
    silent: str = ""  # why the engine that ENGINE demands does not
    process: bool = False  # ENGINE=none: no engine is wanted
    cluster: bool = False  # an API server answers
    overlays: bool = False  # there are manifests for a cluster
    secrets: tuple[Secret, ...] = ()


def python(found: Machine) -> Answer:
    """The lock is for one Python, on Linux and macOS."""
    if found.python == found.wanted and found.system in ("linux", "darwin"):
        return fine(found.python)
    text = f"this is Python {found.python} on {found.system}; the lock is for {found.wanted} on Linux and macOS"
    return missing(text, f"install Python {found.wanted}, or name it: {code('make setup PYTHON=…')}", needed=True)


def lock(found: Machine) -> Answer:
    """Every library is the lock's."""
    if not found.unlocked:
        return fine("every library is the lock's")
    names = ", ".join(found.unlocked[:3]) + (", …" if len(found.unlocked) > 3 else "")
    text = f"{len(found.unlocked)} libraries are missing or not the lock's: {names}"
    return missing(text, f"{code('make setup')}, then {code('make doctor')}", needed=True)


def programs(found: Machine) -> Answer:
    """Git and make are here."""
    needed = [name for name in ("git", "make") if name in found.absent]
    if needed:
        return missing(f"not here: {', '.join(needed)}", f"install {' and '.join(needed)}", needed=True)
    return fine("git and make are here")


def remote(found: Machine) -> Answer:
    """The tree has a remote that the platform knows."""
    if found.remote:
        return fine(f"origin is {found.remote}")
    text = "origin is no repository of the platform: nothing runs there, and the registry stays here"
    return missing(text, ORIGIN)


def config(found: Machine) -> Answer:
    """What config.py says can be read."""
    return missing(found.refused, "mend it as the sentence says", needed=True) if found.refused else fine("it is read")


def tracking(found: Machine) -> Answer:
    """The environment names a tracking server whole or not at all."""
    return whole(*found.server)


def port(found: Machine) -> Answer:
    """The service can have its port."""
    if not found.holder:
        return fine(f"{found.port} is free")
    if found.holder == OURS:
        return fine(f"the service answers on {found.port}")
    text = f"something else listens on {found.port}" if found.holder == OTHERS else found.holder
    return missing(text, f"stop it, or take another: {code('export GATEHOUSE_PORT=…')}", needed=True)


def disk(found: Machine) -> Answer:
    """There is room for what the chain writes."""
    wanted = RUN + (SETUP if found.unlocked else 0)
    text = f"{found.free / 1e9:.1f} GB are free"
    if found.free >= wanted:
        return fine(text)
    return missing(f"{text}, {wanted / 1e9:.1f} are needed", f"make room; {code('make clean')} frees some", needed=True)


def engine(found: Machine) -> Answer:
    """A container engine answers; without one a supervised process serves."""
    if found.silent:
        return missing(found.silent, f"start it, or {code('export ENGINE=none')}", needed=True)
    if found.engine:
        return fine("a container engine answers")
    if found.process:
        return fine("ENGINE=none: a supervised process serves")
    text = "no container engine answers: a supervised process serves, and no image is built here"
    return missing(text, "start Docker or Podman, or name it in DOCKER_HOST")


def kind(found: Machine) -> Answer:
    """A cluster can be made on this machine."""
    lacking = [name for name in ("kind", "kubectl") if name in found.absent]
    if not lacking:
        return fine("kind and kubectl are here: a deployment to a cluster can be rehearsed")
    return missing(f"not here: {', '.join(lacking)}; no cluster can be made here", f"install {' and '.join(lacking)}")


def cluster(found: Machine) -> Answer:
    """A cluster answers."""
    if found.cluster:
        return fine("its API server is ready")
    if "kubectl" in found.absent:
        return missing("kubectl is not here", "install kubectl, and name your cluster in KUBECONFIG")
    return missing(
        "no cluster answers", f"name yours in KUBECONFIG; {code('kubectl cluster-info')} tells what is wrong"
    )


def pull_secret(found: Machine, private: bool | None) -> Answer:
    """A cluster that pulls a private image has the secret by which it may; `private`: None where nobody knows."""
    if not found.overlays:
        return fine("nothing here is deployed to a cluster")
    if "kubectl" in found.absent:
        return unseen("kubectl is not here", "install kubectl")
    if not found.secrets and private:
        text = "the image is private, and no overlay names a secret to pull it by"
        return missing(text, "`imagePullSecrets` in infra/overlays/")
    if not found.secrets:
        return fine("no overlay names one; a public image needs none")
    absent = [one for one in found.secrets if one.there is False]
    if absent:
        names = ", ".join(f"{one.namespace}/{one.name}" for one in absent)
        return missing(f"the cluster lacks {names}", " ".join(_create(one) for one in absent))
    hidden = [f"{one.namespace}/{one.name}" for one in found.secrets if one.there is None]
    if hidden:
        return unseen(f"no cluster here shows {', '.join(hidden)}", "run it where the cluster answers")
    return fine(", ".join(f"{one.namespace}/{one.name}" for one in found.secrets))


def _create(secret: Secret) -> str:
    create = f"kubectl create secret docker-registry {secret.name} --namespace {secret.namespace}"
    return code(f"{create} --docker-server={REGISTRY} --docker-username=… --docker-password=…")


CHECKS = (python, lock, programs, config, port, disk, remote, tracking, engine, kind, cluster)
