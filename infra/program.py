"""The image of the proxy: the pinned one, else one around the same program from the package index.

The lock brings Caddy in the image's very version, and the engine a base for the service (BASE_IMAGE): a laptop that
reaches the package index alone has all that it takes.
"""

import io
import os
import platform
import shutil
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from infra import host
from infra.connection import Engine
from validation.script import OutsideError, digest, log

IMAGE = "caddy:2.11.7-alpine@sha256:d8542f48d34a9cf4e4c11a478865229840e87e4c96ea3f439101f31a5d35f75f"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # as engines and as kernels call them


def ordered() -> str:
    """Return the image that the proxy should have: PROXY_IMAGE, else the pinned one."""
    return os.environ.get("PROXY_IMAGE") or IMAGE


def fetch(engine: Engine, reference: str) -> str:
    """Return an image of the proxy that the engine has: `reference`, or what takes the pinned one's place.

    Raises OutsideError.
    """
    try:
        host.fetch(engine, reference)
        return reference
    except OutsideError as error:
        program, base = _program(engine), os.environ.get("BASE_IMAGE", "")
        if reference != IMAGE or program is None or not base or not host.has(engine, base):
            raise OutsideError(
                f"{error}; set PROXY_IMAGE to an image of Caddy that the engine has, or ENGINE=none, which does without"
            ) from error
        log(f"infra.proxy: {error}; the same program from the package index is laid on {base} (BASE_IMAGE) instead")
        return _around(engine, program, base)


def _program(engine: Engine) -> Path | None:
    """Return the program beside our Python, where the engine can run it: on this machine, of its kind."""
    found = shutil.which("caddy", path=str(Path(sys.executable).parent))
    if found is None or sys.platform != "linux" or host.machine(engine) is not None:
        return None
    with host.asking("tell its architecture"):
        told = str(engine.info().get("Architecture", ""))
    return Path(found) if MACHINES.get(told, told) == platform.machine() else None


def _around(engine: Engine, program: Path, base: str) -> str:
    content = program.read_bytes()
    name = f"gatehouse-proxy:{digest(base.encode() + content)[:12]}"
    if host.has(engine, name):
        return name
    files = {"Dockerfile": f"FROM {base}\nCOPY caddy /usr/bin/caddy\n".encode(), "caddy": content}
    context = packed(files)
    with host.asking(f"build {name}"):
        for step in engine.api.build(
            fileobj=context, custom_context=True, tag=name, rm=True, forcerm=True, decode=True
        ):
            if "error" in step:
                raise OutsideError(f"the container engine could not build {name}: {str(step['error']).strip()}")
    return name


def packed(files: Mapping[str, bytes]) -> io.BytesIO:
    """Pack files for an engine's builder; times are left out, so that what is unchanged is in its cache."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    context.seek(0)
    return context
