"""Settings: closed by default, and each slip is a sentence."""

import math
from dataclasses import asdict

import pytest

from serve.guard.keys import line_of, make
from serve.guard.settings import SettingError, read, says
from tests.serve.guard.conftest import LIMITS

OIDC = {"OIDC_ISSUER": "https://login.example", "OIDC_AUDIENCE": "gatehouse"}
KEYS = {"API_KEYS": line_of(make(), "batch", "predict")}


def settings(address="127.0.0.1", insecure=False, **environ):
    return read(environ, asdict(LIMITS) | {"max_rows": 7}, address, insecure)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_without_a_credential_it_opens_to_this_machine(address) -> None:
    """And says so."""
    made = settings(address)
    assert "loopback" == made.open
    assert "no credential is set: it listens on here, for this machine alone" == says(made, "here")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])  # noqa: S104
def test_without_a_credential_it_opens_to_nobody_else(address) -> None:
    """The sentence names the ways out."""
    with pytest.raises(SettingError, match=r"no credential is set: set API_KEYS_FILE or OIDC_ISSUER.*--insecure"):
        settings(address)


@pytest.mark.parametrize("told", [{"insecure": True}, {"INSECURE": "1"}])
def test_insecure_is_said_aloud(told) -> None:
    """By the flag or the variable."""
    made = settings("0.0.0.0", **told)  # noqa: S104
    assert "insecure" == made.open
    assert says(made, "here").startswith("INSECURE: no credential is asked for")


@pytest.mark.parametrize("told", [KEYS, OIDC, {"API_KEYS_FILE": "/keys"}, KEYS | OIDC])
def test_a_credential_is_asked_for_once_it_is_set(told) -> None:
    """On loopback as well."""
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104
        made = settings(address, **told)
        assert "" == made.open
        assert "asks for a credential" in says(made, "here")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (KEYS | {"INSECURE": "1"}, "contradict each other"),
        ({"INSECURE": "yes"}, "INSECURE=yes: say 1"),
        ({"OIDC_ISSUER": "https://login.example"}, "OIDC_ISSUER and OIDC_AUDIENCE go together"),
        ({"OIDC_AUDIENCE": "gatehouse"}, "OIDC_ISSUER and OIDC_AUDIENCE go together"),
        ({"OIDC_JWKS_URL": "https://login.example/keys"}, "OIDC_ISSUER and OIDC_AUDIENCE go together"),
        (OIDC | {"OIDC_ISSUER": "http://login.example"}, "OIDC_ISSUER=http://login.example: keys are fetched by https"),
        (OIDC | {"OIDC_JWKS_URL": "file:///etc/keys"}, "OIDC_JWKS_URL=file:///etc/keys: keys are fetched by https"),
        (OIDC | {"OIDC_ISSUER": "https://"}, "keys are fetched by https"),
        ({"TLS_CERT_FILE": "/tls.crt"}, "TLS_CERT_FILE and TLS_KEY_FILE go together"),
        ({"TLS_CERT_FILE": "/no.crt", "TLS_KEY_FILE": "/no.key"}, "TLS_CERT_FILE=/no.crt .* cannot be used: .*No such"),
        ({"ACCESS_LOG": "2"}, "ACCESS_LOG=2: give the share"),
        ({"ACCESS_LOG": "all"}, "ACCESS_LOG=all: give the share"),
        ({"ACCESS_LOG": "nan"}, "ACCESS_LOG=nan: give the share"),
    ],
)
def test_a_wrong_setting_is_a_sentence(told, said) -> None:
    """Nothing starts on half a setting."""
    with pytest.raises(SettingError, match=said) as error:
        settings(**told)
    assert len(str(error.value).splitlines()) == 1


def test_tls_files_that_fit_are_taken(certificate) -> None:
    """Certificate and key are tried before anything listens."""
    cert, key = map(str, certificate)
    made = settings(TLS_CERT_FILE=cert, TLS_KEY_FILE=key)
    assert (cert, key) == (made.tls_cert, made.tls_key)
    with pytest.raises(SettingError, match="cannot be used"):
        settings(TLS_CERT_FILE=key, TLS_KEY_FILE=cert)


def test_the_limits_are_those_of_the_bundle() -> None:
    """What is not for the guard is left to others; a bundle of before, which lacks one, is named as such."""
    assert LIMITS == settings().limits
    with pytest.raises(SettingError, match="does not say header_seconds; export the version again"):
        read({}, {name: value for name, value in asdict(LIMITS).items() if name != "header_seconds"}, "127.0.0.1")


COUNTS = ("max_body_bytes", "max_header_bytes", "burst", "concurrent", "connections")
MEASURES = ("header_seconds", "body_seconds", "requests_per_second")


@pytest.mark.parametrize("wrong", ["many", 0, -1, None, math.nan, math.inf, True, [1]], ids=str)
@pytest.mark.parametrize("name", COUNTS + MEASURES)
def test_a_limit_is_a_number_above_0(name, wrong) -> None:
    """A finite one; True is none."""
    kind = "whole number" if name in COUNTS else "number"
    with pytest.raises(SettingError, match=f"{name} is no {kind} above 0; export the version again"):
        read({}, asdict(LIMITS) | {name: wrong}, "127.0.0.1")


@pytest.mark.parametrize("name", COUNTS + MEASURES)
@pytest.mark.parametrize("value", [0.5, 2.0])
def test_what_counts_is_a_whole_number_and_what_measures_need_not_be(name, value) -> None:
    """Half a request is none: `concurrent` of 0.5 would refuse all but the first."""
    told = asdict(LIMITS) | {name: value}
    if name in MEASURES:
        assert value == getattr(read({}, told, "127.0.0.1").limits, name)
        return
    with pytest.raises(SettingError, match=f"{name} is no whole number above 0; export the version again"):
        read({}, told, "127.0.0.1")
