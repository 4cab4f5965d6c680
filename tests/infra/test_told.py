"""What a container is told of the environment of a deployment."""

import pytest

from infra import contained
from infra.network import Network
from infra.told import KEYS, LOG, SPOOLED, Told, handed, tell
from validation.script import Refusal


def told(environ, exposed=False, elsewhere=False):
    return tell(environ, exposed=exposed, elsewhere=elsewhere)


def test_without_a_credential_it_is_told_to_ask_for_none():
    """This machine alone reaches it; what else is in the environment stays outside."""
    outside = {"HOST": "10.0.0.1", "HOME": "/x", "API_KEYS": "", "AWS_SECRET_ACCESS_KEY": "of somebody else"}
    assert told(outside) == Told({"INSECURE": "1"}, {}, spools=False)


@pytest.mark.parametrize(
    "given", [{"API_KEYS": "a predict sha256:0"}, {"OIDC_ISSUER": "https://a", "OIDC_AUDIENCE": "b"}]
)
def test_a_credential_is_passed_on(given):
    """And then nothing is insecure, whoever reaches it."""
    assert told(given, exposed=True) == Told(given, {}, spools=False)


def test_what_is_no_text_is_named_and_its_value_is_not():
    """As an accent of another encoding; of what the service does not read nobody asks."""
    odd = {"OTEL_RESOURCE_ATTRIBUTES": "team=donn\udce9es"}
    for tells in (told, handed):
        with pytest.raises(Refusal, match=r"^OTEL_RESOURCE_ATTRIBUTES is no text in UTF-8; set it anew$"):
            tells(odd)
        tells({"PS1": "\udce9"})


def test_where_others_reach_it_a_credential_is_wanted():
    """Nobody is let in by forgetting; who says so is taken at the word."""
    with pytest.raises(Refusal, match=r"others reach the service \(GATEHOUSE_DOMAIN .* say INSECURE=1"):
        told({}, exposed=True)
    assert told({"INSECURE": "1"}, exposed=True).variables == {"INSECURE": "1"}


@pytest.mark.parametrize(
    "name",
    ["WORKERS", "ACCESS_LOG", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME", "SENTRY_DSN", "SENTRY_ENVIRONMENT"],
)
def test_what_the_service_is_set_up_by_is_passed_on(name):
    """As a process gets it by itself."""
    assert told({name: "3"}).variables[name] == "3"


def test_a_file_of_keys_is_mounted_with_its_folder(tmp_path):
    """Read-only; a file mounted alone would stay the one that it was when it is replaced."""
    (tmp_path / "keys").write_text("")
    said = told({"API_KEYS_FILE": str(tmp_path / "keys")})
    assert said == Told({"API_KEYS_FILE": f"{KEYS}/keys"}, {KEYS: (str(tmp_path), False)}, spools=False)


def test_a_file_of_keys_that_is_not_there_is_refused(tmp_path):
    """On this machine it is looked for; on another one its path has to be whole, and the engine looks."""
    with pytest.raises(Refusal, match=r"API_KEYS_FILE=.* is no file"):
        told({"API_KEYS_FILE": str(tmp_path / "keys")})
    assert told({"API_KEYS_FILE": "/there/keys"}, elsewhere=True).folders == {KEYS: ("/there", False)}
    with pytest.raises(Refusal, match="give the whole path on the machine of the engine"):
        told({"API_KEYS_FILE": "keys"}, elsewhere=True)


def test_a_prediction_log_by_url_gets_its_spool_and_the_stores_keys():
    """Records wait in a volume; the keys go along with a log alone."""
    said = told({"PREDICTION_LOG": "s3://bucket/log", "AWS_ACCESS_KEY_ID": "k", "PREDICTION_SPOOL": "/var/spool"})
    expected = {"PREDICTION_LOG": "s3://bucket/log", "AWS_ACCESS_KEY_ID": "k", "PREDICTION_SPOOL": SPOOLED}
    assert said.variables == expected | {"INSECURE": "1"}
    assert (said.folders, said.spools) == ({}, True)


def test_a_prediction_log_in_a_folder_is_mounted(tmp_path):
    """Writable, unlike the keys."""
    said = told({"PREDICTION_LOG": f"file://{tmp_path}"})
    assert said.folders == {LOG: (str(tmp_path), True)}
    assert said.variables["PREDICTION_LOG"] == LOG


def test_what_a_process_is_told_is_what_the_service_reads():
    """Not what else a job has in its environment."""
    read = {"API_KEYS": "a", "API_KEYS_FILE": "/k", "INSECURE": "1", "AWS_SECRET_ACCESS_KEY": "s", "TLS_KEY_FILE": "/t"}
    assert read == handed({**read, "GITHUB_TOKEN": "t", "PATH": "/bin", "WORKERS": ""})


def test_what_two_are_told_alike_has_one_digest_that_says_none_of_it():
    """Another key, another folder, or none asked for is another one."""
    one = told({"API_KEYS": "a predict sha256:0"})
    others = [told({"API_KEYS": "a predict sha256:1"}), told({}), told({"API_KEYS": "a", "WORKERS": "2"})]
    assert one.digest == told({"API_KEYS": "a predict sha256:0"}).digest
    assert 4 == len({one.digest, *(other.digest for other in others)})
    assert "predict" not in one.digest
    assert (False, True) == (one.asks_nobody, told({}).asks_nobody)


class Engine:
    """Remembers how a container was made."""

    def __init__(self):
        self.api = self.containers = self

    def create_endpoint_config(self, aliases):
        """Say by which names it is known."""
        return aliases

    def create(self, _, **settings):
        """Make nothing."""
        self.settings = settings
        return self

    def start(self):
        """Start nothing."""

    def version(self):
        """Be no Podman."""
        return {}


@pytest.fixture
def started(monkeypatch):
    """Start the service in a network, in an environment without credentials."""
    for name in ("API_KEYS", "API_KEYS_FILE", "OIDC_ISSUER", "OIDC_AUDIENCE", "OIDC_JWKS_URL", "ACCESS_LOG"):
        monkeypatch.delenv(name, raising=False)

    def start(network):
        engine = Engine()
        contained.start(engine, "image", "name", network, {}, 2**30)
        return engine.settings

    return start


def test_in_a_network_of_its_own_it_publishes_a_port_of_loopback_alone(started):
    """Its proxy knows it by a name, and what that says of the caller is believed."""
    settings = started(Network("n", True, "10.1.0.0/16", False))
    assert settings["environment"] == {"INSECURE": "1", "FORWARDED_ALLOW_IPS": "10.1.0.0/16"}
    assert settings["ports"] == {"8000/tcp": ("127.0.0.1", None)}
    [alias] = settings["networking_config"]["n"]
    assert settings["labels"][contained.UPSTREAM] == f"{alias}:8000"


def test_on_the_machines_network_it_listens_on_loopback(started):
    """It asks for nothing there by its own rule, and is not told to."""
    settings = started(Network("n", False, "127.0.0.1", False))
    port = settings["labels"][contained.PORT]
    assert settings["environment"] == {"FORWARDED_ALLOW_IPS": "127.0.0.1", "HOST": "127.0.0.1", "PORT": port}
    assert settings["labels"][contained.UPSTREAM] == f"127.0.0.1:{port}"
    assert "ports" not in settings


def test_a_container_may_do_little(started):
    """Read-only, without a privilege, bounded in memory, processes and log."""
    settings = started(Network("n", False, "127.0.0.1", False))
    assert (True, ["ALL"], ["no-new-privileges"]) == tuple(
        settings[name] for name in ("read_only", "cap_drop", "security_opt")
    )
    assert (2**30, 2**30, 256) == tuple(settings[name] for name in ("mem_limit", "memswap_limit", "pids_limit"))
    assert settings["log_config"].config == {"max-size": "10m", "max-file": "3"}
