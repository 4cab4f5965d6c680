"""The real service behind its guard: a process on loopback, asked as a client asks."""

import json
import socket
import ssl
import subprocess
import sys
import time

import httpx
import jwt
import pytest

from serve import health
from serve.guard.keys import line_of, make

MINE, NEXT, ADMIN = make(), make(), make()


@pytest.fixture(scope="module")
def row(chain) -> dict:
    return json.loads((chain.root / "build/model/model/golden.json").read_text())["rows"][-1]


def by(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_keys_change_while_it_serves(serving, row, tmp_path) -> None:
    """Old and new key together, then the new one alone; no request of either fails in between, and no restart."""
    file = tmp_path / "keys"

    def write(*keys: str) -> None:
        (tmp_path / "fresh").write_text("\n".join(line_of(key, "batch", "predict") for key in keys))
        (tmp_path / "fresh").replace(file)

    write(MINE)
    url = serving(API_KEYS_FILE=str(file))

    def status(key: str) -> int:
        return httpx.post(f"{url}/predict", json=row, headers=by(key)).status_code

    def becomes(key: str, wanted: int) -> bool:
        for _ in range(600):  # the file is looked at once a second
            if status(key) == wanted:
                return True
            time.sleep(0.05)
        return False

    assert [200, 401] == [status(MINE), status(NEXT)]
    write(MINE, NEXT)
    assert becomes(NEXT, 200)
    assert 200 == status(MINE)
    write(NEXT)
    assert becomes(MINE, 401)
    assert 200 == status(NEXT)


def test_each_route_asks_for_its_scope(serving, row) -> None:
    """Health, version and empty pages are public, facts want predict, /metrics admin; the schema says so."""
    lines = "; ".join((line_of(MINE, "batch", "predict"), line_of(ADMIN, "prometheus", "admin")))
    url = serving(API_KEYS=lines)
    with httpx.Client(base_url=url, timeout=60) as client:
        assert [200] * 3 == [client.get(path).status_code for path in ("/healthz", "/readyz", "/version")]
        assert [200] * 3 == [client.get(path).status_code for path in ("/", "/docs", "/page/page.js")]
        closed = ("/metrics", "/page.json", "/openapi.json", "/nowhere")
        assert [401] * 4 == [client.get(path).status_code for path in closed]
        assert [403, 200, 200, 403] == [client.get(path, headers=by(MINE)).status_code for path in closed]
        assert [200, 403, 403, 404] == [client.get(path, headers=by(ADMIN)).status_code for path in closed]
        for path in ("/", "/docs"):
            assert "script-src 'self'; style-src 'self'" in client.get(path).headers["content-security-policy"]
        assert 401 == client.request("OPTIONS", "/predict", headers={"Origin": "https://a.example"}).status_code
        assert [401, 403] == [client.post("/predict", json=row, headers=h).status_code for h in ({}, by(ADMIN))]
        schema = client.get("/openapi.json", headers=by(MINE)).json()
    assert {"bearer", "key"} == set(schema["components"]["securitySchemes"])
    assert {"401", "403", "429", "503"} < set(schema["paths"]["/predict"]["post"]["responses"])
    assert [{"bearer": []}, {"key": []}] == schema["paths"]["/predict"]["post"]["security"]
    assert "security" not in schema["paths"]["/healthz"]["get"]


def test_who_is_turned_away_from_a_prediction_is_counted(serving, row) -> None:
    """By protocol and status, as what the model refuses; who asks for something else is not."""
    lines = "; ".join((line_of(MINE, "batch", "predict"), line_of(ADMIN, "prometheus", "admin")))
    url = serving(API_KEYS=lines, OIDC_ISSUER="https://127.0.0.1:9", OIDC_AUDIENCE="nobody")

    def ask(method: str, path: str, key: str, content: bytes) -> int:
        return httpx.request(method, url + path, content=content, headers=by(key), timeout=60).status_code

    good, large = json.dumps(row).encode(), b" " * 6_000_000
    token = jwt.encode({"iss": "https://127.0.0.1:9", "aud": "nobody", "exp": 2**32}, "x" * 32, headers={"kid": "a"})
    asked = [
        ("POST", "/predict", MINE, good), ("POST", "/predict", NEXT, good), ("POST", "/predict", ADMIN, good),
        ("POST", "/predict", MINE, large), ("POST", "/invocations", NEXT, good), ("POST", "/predict", token, good),
        ("GET", "/predict", NEXT, b""), ("POST", "/nowhere", NEXT, good), ("POST", "/feedback", NEXT, b"{}"),
    ]  # fmt: skip
    assert [200, 401, 403, 413, 401, 401, 401, 401, 401] == [ask(*each) for each in asked]
    told = httpx.get(f"{url}/metrics", headers=by(ADMIN)).text
    counted = {line for line in told.splitlines() if line.startswith("predict_answers_total{")}
    assert {
        'predict_answers_total{protocol="predict",status="200"} 1.0',
        'predict_answers_total{protocol="predict",status="401"} 2.0',
        'predict_answers_total{protocol="predict",status="403"} 1.0',
        'predict_answers_total{protocol="predict",status="413"} 1.0',
        'predict_answers_total{protocol="mlflow",status="401"} 1.0',
    } == {line for line in counted if not line.endswith(" 0.0")}
    assert "\npredict_in_flight 0.0\n" in told


def test_a_token_of_the_issuer_is_taken(serving, row, issuer) -> None:
    """The service fetches the issuer's keys itself; another's token is refused."""
    url = serving(OIDC_ISSUER=issuer.url, OIDC_AUDIENCE="gatehouse")
    answers = [
        httpx.post(f"{url}/predict", json=row, headers=by(token))
        for token in (issuer.token(), issuer.token(aud="somebody"), issuer.token(scope="openid"))
    ]
    assert [200, 401, 403] == [answer.status_code for answer in answers]
    assert "the token is for another audience" == answers[1].json()["detail"]


def test_smoke_asks_with_the_key_it_is_given(serving, chain, monkeypatch) -> None:
    """SERVICE_KEY; without it, smoke says what the service said."""
    url = serving(API_KEYS=line_of(MINE, "smoke", "predict"))
    smoke = ("serve.smoke", "--url", url, "--bundle", "build/model")
    assert "/predict answers 401" in chain.run(*smoke).err
    monkeypatch.setenv("SERVICE_KEY", MINE)
    assert 0 == chain.run(*smoke).code


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_speaks_tls(serving, row, certificate, monkeypatch, workers) -> None:
    """By certificate and key, strict from then on; plain HTTP finds nobody, and the health check knows."""
    cert, key = map(str, certificate)
    url = serving(TLS_CERT_FILE=cert, TLS_KEY_FILE=key, WORKERS=workers)
    for _ in range(4):  # who leaves amid a handshake
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
    answer = httpx.post(f"{url}/predict", json=row, verify=ssl.create_default_context(cafile=cert), trust_env=False)
    assert (200, "max-age=31536000") == (answer.status_code, answer.headers["strict-transport-security"])
    with pytest.raises(httpx.HTTPError):
        httpx.get(url.replace("https", "http") + "/healthz", trust_env=False)
    monkeypatch.setenv("PORT", url.rpartition(":")[2])
    assert health.main() == 1
    monkeypatch.setenv("TLS_CERT_FILE", cert)
    assert 0 == health.main()


def started(chain, **settings: str) -> subprocess.CompletedProcess[str]:
    """Start the service where it should refuse."""
    environment = chain.environment() | {"BUNDLE": str(chain.root / "build/model"), "PORT": "0"} | settings
    return subprocess.run(
        [sys.executable, "-m", "serve.app"], cwd=chain.root, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"HOST": "0.0.0.0"}, "others reach 0.0.0.0 and no credential is set"),  # noqa: S104
        ({"API_KEYS": "nonsense"}, "API_KEYS, line 1: not `NAME SCOPES sha256:HASH`"),
        ({"API_KEYS_FILE": "/nowhere"}, "API_KEYS_FILE=/nowhere cannot be read"),
        ({"OIDC_ISSUER": "http://login.example", "OIDC_AUDIENCE": "a"}, "keys are fetched by https"),
        ({"TLS_CERT_FILE": "/nowhere"}, "TLS_CERT_FILE and TLS_KEY_FILE go together"),
    ],
)
def test_a_setting_that_would_leave_it_open_keeps_it_from_starting(chain, settings, said) -> None:
    """Exit 2, one sentence."""
    done = started(chain, **settings)
    assert (2, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert said in done.stderr


def test_an_inherited_socket_counts_by_its_own_address(chain) -> None:
    """Whatever HOST says: a socket on every interface needs a credential."""
    with socket.create_server(("0.0.0.0", 0)) as listener:  # noqa: S104
        number = listener.fileno()
        environment = {"BUNDLE": str(chain.root / "build/model"), "HOST": "127.0.0.1", "LISTEN_FD": str(number)}
        done = subprocess.run(
            [sys.executable, "-m", "serve.app"], cwd=chain.root, env=chain.environment() | environment,
            pass_fds=[number], capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert (2, True) == (done.returncode, "others reach 0.0.0.0" in done.stderr)


def test_insecure_opens_it_and_says_so(serving, row, capfd) -> None:
    """On every interface, without a credential, by an explicit word."""
    url = serving(HOST="0.0.0.0", INSECURE="1")  # noqa: S104
    assert [200, 200] == [
        httpx.post(f"{url}/predict", json=row).status_code, httpx.get(f"{url}/metrics").status_code,
    ]  # fmt: skip
    assert "INSECURE: no credential is asked for" in capfd.readouterr().err


def test_without_an_issuer_nothing_of_it_is_loaded(chain) -> None:
    """PyJWT and cryptography cost start-up time and memory only where tokens are taken."""
    code = "import sys\nimport serve.app\nprint(sorted({'jwt', 'cryptography'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=chain.root, capture_output=True, text=True)
    assert "[]\n" == done.stdout, done.stderr
