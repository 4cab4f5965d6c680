"""What a registry of images asks for before it answers, and the login that `docker login` left for it."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from typing import Any

from infra.connection import first_line
from validation.script import OutsideError, Refusal

# a scheme, or a parameter of the one before it: with a value that is quoted or, as some registries write it, is not
WORD = re.compile(r"""([\w!#$%&'*+.^`|~-]+)(\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*)))?""", re.ASCII)
SECONDS = 30.0  # for a helper, which may look into a keychain
ABSENT = "credentials not found in native keychain"  # a helper's way of saying that it has none


def schemes(headers: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the parameters of each scheme of the WWW-Authenticate headers, the first of its name alone."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for word in WORD.finditer(", ".join(headers)):
        name, value, quoted, plain = word.groups()
        if value is None:
            current = {}
            found.setdefault(name.lower(), current)
        else:
            current.setdefault(name.lower(), plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    return found


def known(host: str) -> str:
    """Return the login that `docker login` left for a registry, in its file or its store; empty without one.

    Raises Refusal when the store fails, OutsideError when it never ends.
    """
    from docker import auth, errors

    try:
        config = auth.load_config()
        helper = config.get_credential_store(host)
        told = _helped(f"docker-credential-{helper}", host) if helper else None
        found = told or auth.AuthConfig({"auths": config.auths}).resolve_authconfig(host) or {}
    except errors.DockerException as error:
        raise Refusal(f"the login of {host} cannot be read: {first_line(error)}; `docker login {host}`") from error
    user, password = (found.get(name) or found.get(name.title()) for name in ("username", "password"))
    return base64.b64encode(f"{user}:{password}".encode()).decode() if user and password else ""


def _helped(program: str, host: str) -> dict[str, Any] | None:
    """Ask a credential helper, which the SDK would wait for without an end, and believe whatever it says."""
    from docker.auth import INDEX_NAME, INDEX_URL

    advice = f"the login of {host} cannot be read: {program}"
    where = shutil.which(program)
    if where is None:
        raise Refusal(f"{advice} is not on this machine; `docker login {host}`")
    asked = INDEX_URL if host == INDEX_NAME else host
    try:
        # its stderr is the caller's: a pipe that a program of its own keeps open would outlast the deadline
        done = subprocess.run([where, "get"], input=asked.encode(), stdout=subprocess.PIPE, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise OutsideError(f"{advice} did not answer within {SECONDS:g} s") from None
    except OSError as error:
        raise Refusal(f"{advice} cannot be started: {os.strerror(error.errno or 0)}; `docker login {host}`") from None
    said = done.stdout.decode(errors="replace").strip()
    if done.returncode:
        if ABSENT in said:
            return None
        why = said.splitlines()[0] if said else f"exit code {done.returncode}"
        raise Refusal(f"{advice} failed: {why}; `docker login {host}`")
    try:
        told = json.loads(said)
        user, secret = str(told["Username"]), str(told["Secret"])
    except (ValueError, KeyError, TypeError):
        raise Refusal(f"{advice} gives no Username and Secret; `docker login {host}`") from None
    return {"username": user, "password": secret} if user and user != "<token>" else None
