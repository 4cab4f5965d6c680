"""What the guard is told: credentials and TLS by the environment, limits by service.json; and whether it may open."""

import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from serve.guard.address import is_loopback, is_safe


class SettingError(Exception):
    """A setting is wrong, or leaves the service open to others: one sentence."""


@dataclass(frozen=True)
class Limits:
    """The limits of service.json, see SERVICE in config.py."""

    max_body_bytes: int
    max_header_bytes: int
    header_seconds: float
    body_seconds: float
    requests_per_second: float
    burst: int
    concurrent: int
    connections: int


@dataclass(frozen=True)
class Oidc:
    """Whose tokens are taken, and for whom they must be made; `jwks_url` is empty where discovery tells it."""

    issuer: str
    audience: str
    jwks_url: str = ""


@dataclass(frozen=True)
class Settings:
    """All that the guard goes by.

    `api_keys` holds lines of keys, `api_keys_file` names a file of such. `open` is why it asks for no credential:
    "loopback", "insecure", or empty when it asks for one. `access_log` is the share of answers that are logged.
    """

    limits: Limits
    api_keys: str = ""
    api_keys_file: Path | None = None
    oidc: Oidc | None = None
    open: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    access_log: float = 0.0


def read(environ: Mapping[str, str], limits: Mapping[str, Any], address: str, insecure: bool = False) -> Settings:
    """Read the settings of a service that listens on `address`, an IP address or a name.

    Reads API_KEYS, API_KEYS_FILE, OIDC_ISSUER, OIDC_AUDIENCE, OIDC_JWKS_URL, TLS_CERT_FILE, TLS_KEY_FILE, INSECURE,
    ACCESS_LOG. Raises SettingError when one is wrong, a limit lacks, or others could reach the service and no
    credential is asked for.
    """
    told = {name: environ.get(name, "").strip() for name in NAMES}
    oidc = _oidc(told)
    credential = bool(told["API_KEYS"] or told["API_KEYS_FILE"] or oidc)
    if told["INSECURE"] not in ("", "0", "1"):
        raise SettingError(f"INSECURE={told['INSECURE']}: say 1, or leave it out")
    insecure = insecure or told["INSECURE"] == "1"
    if insecure and credential:
        raise SettingError("--insecure (INSECURE=1) and a credential contradict each other; leave one of them out")
    if not credential and not insecure and not is_loopback(address):
        raise SettingError(
            f"others reach {address} and no credential is set: set API_KEYS_FILE or OIDC_ISSUER, listen on"
            " HOST=127.0.0.1, or take whoever comes by --insecure (INSECURE=1)"
        )
    _tls(told["TLS_CERT_FILE"], told["TLS_KEY_FILE"])
    return Settings(
        limits=limits_of(limits),
        api_keys=told["API_KEYS"],
        api_keys_file=Path(told["API_KEYS_FILE"]) if told["API_KEYS_FILE"] else None,
        oidc=oidc,
        open="" if credential else "insecure" if insecure else "loopback",
        tls_cert=told["TLS_CERT_FILE"],
        tls_key=told["TLS_KEY_FILE"],
        access_log=_share(told["ACCESS_LOG"]),
    )


def limits_of(told: Mapping[str, Any]) -> Limits:
    """Take the limits out of a bundle's service.json.

    Raises SettingError when one lacks, is no finite number above 0, or counts something and is no whole one.
    """
    for field in fields(Limits):
        if field.name not in told:
            raise SettingError(f"service.json of the bundle does not say {field.name}; export the version again")
        value, counts = told[field.name], field.type is int
        taken = type(value) is int or (type(value) is float and math.isfinite(value) and not counts)
        if not (taken and value > 0):
            kind = "whole number" if counts else "number"
            raise SettingError(
                f"service.json of the bundle: {field.name} is no {kind} above 0; export the version again"
            )
    return Limits(**{field.name: told[field.name] for field in fields(Limits)})


NAMES = (
    "API_KEYS", "API_KEYS_FILE", "OIDC_ISSUER", "OIDC_AUDIENCE", "OIDC_JWKS_URL", "TLS_CERT_FILE", "TLS_KEY_FILE",
    "INSECURE", "ACCESS_LOG",
)  # fmt: skip


def says(settings: Settings, where: str) -> str:
    """Say in a sentence who may ask the service."""
    if settings.open == "loopback":
        return f"no credential is set: it listens on {where}, for this machine alone"
    if settings.open == "insecure":
        return f"INSECURE: no credential is asked for; whoever reaches {where} may ask"
    ways = ["API keys"] if settings.api_keys or settings.api_keys_file else []
    ways += [f"tokens of {settings.oidc.issuer}"] if settings.oidc else []
    return f"it listens on {where} and asks for a credential: {' or '.join(ways)}"


def _oidc(told: Mapping[str, str]) -> Oidc | None:
    issuer, audience, url = told["OIDC_ISSUER"], told["OIDC_AUDIENCE"], told["OIDC_JWKS_URL"]
    if not issuer and not audience and not url:
        return None
    if not issuer or not audience:
        raise SettingError(
            "OIDC_ISSUER and OIDC_AUDIENCE go together; a token for somebody else is none for this service"
        )
    for name in ("OIDC_ISSUER", "OIDC_JWKS_URL"):
        if told[name] and not is_safe(told[name]):
            raise SettingError(f"{name}={told[name]}: keys are fetched by https, or by http from this machine")
    return Oidc(issuer, audience, url)


def _tls(cert: str, key: str) -> None:
    if bool(cert) != bool(key):
        raise SettingError("TLS_CERT_FILE and TLS_KEY_FILE go together; one of them is empty")
    if cert:
        try:
            # the empty password: a key that wants one must fail here, not wait at a prompt
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
        except (OSError, ValueError) as error:
            raise SettingError(f"TLS_CERT_FILE={cert} with TLS_KEY_FILE={key} cannot be used: {error}") from None


def _share(text: str) -> float:
    try:
        share = float(text or 0)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingError(f"ACCESS_LOG={text}: give the share of answers to log, from 0 to 1")
    return share
