"""What a container here is told about who may ask it (see serve/guard/settings.py); a process inherits it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from validation.script import Refusal

FOLDER = "/credentials"  # within the container: the folder of API_KEYS_FILE, for a file mounted alone never changes
PASSED = ("API_KEYS", "OIDC_ISSUER", "OIDC_AUDIENCE", "OIDC_JWKS_URL", "ACCESS_LOG")


def for_container(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the variables and the volumes of a container whose port is published on 127.0.0.1 alone.

    Where no credential is set it is told to ask for none: the engine lets this machine in and nobody else, which the
    service itself, listening on every interface of its container, cannot see. Raises Refusal for a file that is gone.
    """
    told = {name: environ[name] for name in PASSED if environ.get(name)}
    file = environ.get("API_KEYS_FILE", "")
    volumes = {}
    if file:
        path = Path(file).absolute()
        if not path.is_file():
            raise Refusal(f"API_KEYS_FILE={file} is no file; `python -m serve.key` writes its lines")
        told["API_KEYS_FILE"] = f"{FOLDER}/{path.name}"
        volumes = {str(path.parent): {"bind": FOLDER, "mode": "ro"}}
    if not any(name in told for name in ("API_KEYS", "API_KEYS_FILE", "OIDC_ISSUER")):
        told["INSECURE"] = "1"
    return told, volumes
