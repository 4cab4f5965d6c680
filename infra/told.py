"""What a container here is told of this environment; a process inherits it.

Credentials (serve/guard/settings.py), workers, the prediction log (docs/predictions.md), where spans and crashes go.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from validation.script import Refusal, digest, to_json

CREDENTIALS = ("API_KEYS", "API_KEYS_FILE", "OIDC_ISSUER")  # with one of them the service asks who comes
PASSED = re.compile(
    r"API_KEYS|OIDC_(ISSUER|AUDIENCE|JWKS_URL)|ACCESS_LOG|WORKERS|PREDICTION_(LOG|SPOOL)|OTEL_\w+|SENTRY_(DSN|ENVIRONMENT)"
)
STORES = re.compile(r"(AWS|AZURE_STORAGE)_\w+")  # the keys of the prediction log's store, for a log that is a URL
OWN = re.compile(r"API_KEYS_FILE|INSECURE|TLS_(CERT|KEY)_FILE")  # what a process reads besides
KEYS = "/credentials"  # within the container: the folder of API_KEYS_FILE, for a file mounted alone never changes
LOG = "/predictions"  # the folder that PREDICTION_LOG names
SPOOL = "/spool"
SPOOLED = f"{SPOOL}/log"  # a folder of the service's own user, in a volume that is root's


@dataclass(frozen=True)
class Told:
    """Variables, folders of the engine's machine that are mounted (within: from, writable), and whether it spools."""

    variables: dict[str, str]
    folders: dict[str, tuple[str, bool]]
    spools: bool

    @property
    def asks_nobody(self) -> bool:
        """Whether it is told to take whoever comes."""
        return "INSECURE" in self.variables

    @property
    def digest(self) -> str:
        """What tells this apart from what another one was told; who sees it at a container sees the variables too."""
        return digest(to_json([self.variables, self.folders, self.spools]).encode())


def tell(environ: Mapping[str, str], *, exposed: bool, elsewhere: bool) -> Told:
    """Say what a container is told.

    `exposed`: others than its machine reach it, so it has to ask who comes. Else, where no credential is set, it is
    told to ask for none: it cannot see for itself that only its machine is let in. `elsewhere`: the engine is on
    another machine, and paths are of that one. Raises Refusal for what cannot be passed on.
    """
    variables = _given(environ, PASSED)
    folders: dict[str, tuple[str, bool]] = {}
    if file := environ.get("API_KEYS_FILE", ""):
        path = Path(file) if elsewhere else Path(file).absolute()
        if not path.is_absolute():
            raise Refusal(f"API_KEYS_FILE={file}: give the whole path on the machine of the engine, as /etc/keys/keys")
        if not elsewhere and not path.is_file():
            raise Refusal(f"API_KEYS_FILE={file} is no file; `python -m serve.key` writes its lines")
        variables["API_KEYS_FILE"] = f"{KEYS}/{path.name}"
        folders[KEYS] = str(path.parent), False
    if not any(environ.get(name) for name in CREDENTIALS):
        if exposed and environ.get("INSECURE") != "1":
            raise Refusal(
                "others reach the service (GATEHOUSE_DOMAIN or GATEHOUSE_BIND) and no credential is set: set API_KEYS,"
                " API_KEYS_FILE or OIDC_ISSUER, or say INSECURE=1 to take whoever comes"
            )
        variables["INSECURE"] = "1"
    store = variables.get("PREDICTION_LOG", "")
    if "://" in store.removeprefix("file://"):
        variables |= _given(environ, STORES)
    elif store:
        folders[LOG] = str(Path(store.removeprefix("file://")).absolute()), True
        variables["PREDICTION_LOG"] = LOG
    spools = bool(store or variables.get("PREDICTION_SPOOL"))
    if spools:
        variables["PREDICTION_SPOOL"] = SPOOLED
    return Told(variables, folders, spools)


def is_served(name: str) -> bool:
    """Whether the service reads a variable of this name, so that what was proven with it has to serve with it."""
    return any(pattern.fullmatch(name) for pattern in (PASSED, STORES, OWN))


def handed(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a process of the service is told of an environment. Raises Refusal for what cannot be passed on."""
    return _given(environ, PASSED, STORES, OWN)


def _given(environ: Mapping[str, str], *patterns: re.Pattern[str]) -> dict[str, str]:
    found = {name: text for name, text in environ.items() if text and any(one.fullmatch(name) for one in patterns)}
    for name, text in found.items():
        try:
            text.encode()
        except UnicodeEncodeError:  # which would reach the service as something else
            raise Refusal(f"{name} is no text in UTF-8; set it anew") from None
    return found
