"""What a container here is told about who may ask it."""

import pytest

from infra import host
from infra.credentials import FOLDER, for_container
from validation.script import Refusal


def test_without_a_credential_it_is_told_to_ask_for_none() -> None:
    """Its port is published on 127.0.0.1 alone; what else is in the environment stays outside."""
    assert ({"INSECURE": "1"}, {}) == for_container({"HOST": "10.0.0.1", "HOME": "/x", "API_KEYS": ""})


@pytest.mark.parametrize(
    "told", [{"API_KEYS": "a predict sha256:0"}, {"OIDC_ISSUER": "https://a", "OIDC_AUDIENCE": "b"}]
)
def test_a_credential_is_passed_on(told) -> None:
    """And then nothing is insecure."""
    assert (told, {}) == for_container(told)


def test_a_file_of_keys_is_mounted_with_its_folder(tmp_path) -> None:
    """Read-only; a file mounted alone would stay the one that it was when it is replaced."""
    (tmp_path / "keys").write_text("")
    told, volumes = for_container({"API_KEYS_FILE": str(tmp_path / "keys")})
    assert {"API_KEYS_FILE": f"{FOLDER}/keys"} == told
    assert {str(tmp_path): {"bind": FOLDER, "mode": "ro"}} == volumes


def test_a_file_of_keys_that_is_not_there_is_refused(tmp_path) -> None:
    """The engine would make an empty folder in its place."""
    with pytest.raises(Refusal, match=r"API_KEYS_FILE=.* is no file"):
        for_container({"API_KEYS_FILE": str(tmp_path / "keys")})


class Engine:
    """Remembers how a container was started."""

    def __init__(self, *drivers: str) -> None:
        self.containers = self.networks = self
        self.drivers = drivers

    def list(self):
        """Name the networks."""
        return [type("Network", (), {"attrs": {"Driver": driver}}) for driver in self.drivers]

    def run(self, _, **settings):
        """Start nothing."""
        self.settings = settings


@pytest.mark.parametrize(
    ("drivers", "environment", "published"),
    [
        (["bridge"], {"INSECURE": "1"}, ("127.0.0.1", 8000)),
        (["host"], {"HOST": "127.0.0.1", "PORT": "8000"}, None),
    ],
)
def test_insecure_is_said_only_where_the_port_is_published_on_loopback(
    monkeypatch, drivers, environment, published
) -> None:
    """On the network of the host it listens on loopback itself, and asks for nothing there by its own rule."""
    for name in ("API_KEYS", "API_KEYS_FILE", "OIDC_ISSUER", "OIDC_AUDIENCE", "OIDC_JWKS_URL", "ACCESS_LOG"):
        monkeypatch.delenv(name, raising=False)
    engine = Engine(*drivers)
    host.start(engine, "image", "name", port=8000, labels={}, restart=False)
    assert environment == engine.settings["environment"]
    assert published == engine.settings.get("ports", {}).get("8000/tcp")
