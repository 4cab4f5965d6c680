"""What the proxy is told: who is let in where, and whom a request goes to."""

import json
import shutil
import subprocess

import pytest

from infra import caddy
from infra.caddy import Edge
from validation.script import Refusal


def test_without_a_word_only_this_machine_reaches_it():
    """Loopback, plain, no certificate."""
    edge = caddy.edge({}, 8000)
    assert (edge.bind, edge.near, edge.exposed, edge.domain) == ("127.0.0.1", "127.0.0.1", False, "")


@pytest.mark.parametrize(
    ("environ", "near"),
    [
        ({"GATEHOUSE_BIND": "0.0.0.0"}, "127.0.0.1"),  # noqa: S104 -- the name of all of them
        ({"GATEHOUSE_BIND": "10.0.0.5"}, "10.0.0.5"),
        ({"GATEHOUSE_DOMAIN": "API.example.org"}, "127.0.0.1"),
    ],
)
def test_an_address_or_a_domain_lets_others_in(environ, near):
    """And it is known how its own machine reaches it."""
    edge = caddy.edge(environ, 8000)
    assert (edge.exposed, edge.near, edge.domain) == (True, near, environ.get("GATEHOUSE_DOMAIN", "").lower())


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"GATEHOUSE_BIND": "here"}, "GATEHOUSE_BIND=here is no IPv4 address"),
        ({"GATEHOUSE_BIND": "::1"}, "is no IPv4 address"),
        ({"GATEHOUSE_DOMAIN": "https://a.org"}, "GATEHOUSE_DOMAIN=https://a.org is no name of a host"),
        ({"GATEHOUSE_DOMAIN": "a..org"}, "is no name of a host"),
        ({"GATEHOUSE_CERTIFICATES": "http://ca.org"}, "say internal, or the https:// URL"),
    ],
)
def test_what_is_no_address_is_refused(environ, sentence):
    """Before anything is started."""
    with pytest.raises(Refusal, match=sentence):
        caddy.edge(environ, 8000)


def test_a_share_is_the_beginning_of_a_random_number():
    """None is below the empty one; a part that is none is a fault of ours."""
    assert ("", "19999999", "80000000", "ffffffff") == tuple(caddy.share(part) for part in (0, 0.1, 0.5, 1))
    with pytest.raises(ValueError, match=r"1\.5 is no share"):
        caddy.share(1.5)


@pytest.mark.parametrize("bridged", [True, False])
@pytest.mark.parametrize("certificates", ["", "internal", "https://ca.org/directory"])
def test_caddy_takes_what_is_written_for_it(tmp_path, bridged, certificates):
    """Each form of it is checked by the program itself."""
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("no caddy is installed: `make setup` brings one")
    for domain in ("", "api.example.org"):
        text = caddy.configuration(Edge(8000, domain=domain, certificates=certificates), bridged=bridged)
        (tmp_path / "caddy.json").write_text(text.replace('"/certificates/', f'"{tmp_path}/'))
        done = subprocess.run(
            [program, "validate", "--config", tmp_path / "caddy.json"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_a_domain_is_served_by_https_and_told_to_stay_there():
    """The plain door stays on its own port, for deployments and for this machine."""
    apps = json.loads(caddy.configuration(Edge(8000, domain="a.org"), bridged=True))["apps"]
    servers = apps["http"]["servers"]
    assert (servers["plain"]["listen"], servers["secure"]["listen"]) == ([":8080"], [":8443"])
    assert servers["plain"]["automatic_https"] == {"disable": True}
    [route] = servers["secure"]["routes"]
    assert route["match"] == [{"host": ["a.org"]}]
    assert route["handle"][0]["response"]["set"] == {"Strict-Transport-Security": ["max-age=31536000"]}
    assert apps["tls"]["automation"]["policies"][0] == {"subjects": ["a.org"], "issuers": [{"module": "acme"}]}


def test_the_services_patience_is_the_proxys():
    """What is slow or large is refused at the edge."""
    edge = Edge(8000, header_seconds=3, body_seconds=4, max_header_bytes=99)
    server = json.loads(caddy.configuration(edge, bridged=False))["apps"]["http"]["servers"]["plain"]
    told = tuple(server[name] for name in ("listen", "read_header_timeout", "read_timeout", "max_header_bytes"))
    assert told == (["127.0.0.1:8000"], "3s", "7s", 99)
