"""The proxy's configuration, and the small files by which it is told where requests go.

Caddy drops idle connections when it takes another configuration, and with them requests that are on their way: measured
with 16 busy callers, eight of them a reload. So a switch changes no configuration. Where requests go stands in small
files that Caddy reads anew for each request, and that change by being renamed into place.
"""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from validation.script import Refusal

GATE, ROUTES = "/gate", "routes"  # within the proxy's container: a volume, and the folder of the files in it
FOLDER = f"{GATE}/{ROUTES}"
CERTIFICATES, STORE = "/certificates", "caddy"  # a volume, and the folder in it
ADMIN = "unix//tmp/admin.sock"
LIVE, CANDIDATE, SHARE, UNTIL = "live", "candidate", "share", "until"  # names of the files
PLAIN, HTTP, HTTPS = 8080, 8081, 8443  # ports within a container that has a network of its own
PATIENCE = "10s"  # for which a request waits for a service that is being started again
KEPT = "3s"  # that a silent connection to the service is kept: it closes them itself after 5
STRICT = "max-age=31536000"  # a year of HTTPS alone, as serve/guard/refused.py has it
MOST = 2**32


@dataclass(frozen=True)
class Edge:
    """How callers reach the service: `bind:port` by HTTP and, where there is a `domain`, that one by HTTPS.

    `certificates` is empty for those of Let's Encrypt, `internal` for an authority of the proxy's own, else the URL of
    an ACME directory. The numbers are those of SERVICE in config.py.
    """

    port: int
    bind: str = "127.0.0.1"
    domain: str = ""
    certificates: str = ""
    http: int = 80
    https: int = 443
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    max_header_bytes: int = 16_384

    @property
    def exposed(self) -> bool:
        """Whether others than the machine itself reach it."""
        return bool(self.domain) or not ipaddress.ip_address(self.bind).is_loopback

    @property
    def near(self) -> str:
        """The address by which its own machine reaches it."""
        return "127.0.0.1" if ipaddress.ip_address(self.bind).is_unspecified else self.bind


def edge(environ: Mapping[str, str], port: int, **numbers: Any) -> Edge:
    """Read what the environment says of the edge. Raises Refusal when it is no address or domain."""
    bind, domain, certificates = (
        environ.get(f"GATEHOUSE_{name}", "").strip() for name in ("BIND", "DOMAIN", "CERTIFICATES")
    )
    try:
        ipaddress.IPv4Address(bind or "127.0.0.1")
    except ValueError:
        raise Refusal(f"GATEHOUSE_BIND={bind} is no IPv4 address; 0.0.0.0 means all of the machine's") from None
    labels = domain.lower().split(".")
    if domain and not all(label.replace("-", "a").isalnum() and label.isascii() for label in labels):
        raise Refusal(f"GATEHOUSE_DOMAIN={domain} is no name of a host, as api.example.org")
    if certificates not in ("", "internal") and not certificates.startswith("https://"):
        raise Refusal(f"GATEHOUSE_CERTIFICATES={certificates}: say internal, or the https:// URL of an ACME directory")
    return Edge(port, bind or "127.0.0.1", domain.lower(), certificates, **numbers)


def share(part: float) -> str:
    """Write a share of the requests as the file has it: the first digits of a random number that is still in it."""
    if not 0 <= part <= 1:
        raise ValueError(f"{part} is no share from 0 to 1")
    return f"{min(int(part * MOST), MOST - 1):08x}" if part else ""


def configuration(edge: Edge, *, bridged: bool) -> str:
    """Write Caddy's configuration; `bridged` tells that its container has a network of its own."""
    plain = f":{PLAIN}" if bridged else f"{edge.bind}:{edge.port}"
    handle = _routes()
    servers: dict[str, Any] = {"plain": _server(edge, plain, handle) | {"automatic_https": {"disable": True}}}
    apps: dict[str, Any] = {"http": {"servers": servers}}
    if edge.domain:
        ports = (
            {"http_port": HTTP, "https_port": HTTPS} if bridged else {"http_port": edge.http, "https_port": edge.https}
        )
        apps["http"] |= ports
        strict = {"handler": "headers", "response": {"set": {"Strict-Transport-Security": [STRICT]}}}
        inside = {"handler": "subroute", "routes": handle}
        named = [{"match": [{"host": [edge.domain]}], "handle": [strict, inside], "terminal": True}]
        servers["secure"] = _server(edge, f":{ports['https_port']}", named)
        issuer = {"module": "acme"} | ({"ca": edge.certificates} if edge.certificates else {})
        issuer = {"module": "internal"} if edge.certificates == "internal" else issuer
        apps["tls"] = {"automation": {"policies": [{"subjects": [edge.domain], "issuers": [issuer]}]}}
        apps["pki"] = {"certificate_authorities": {"local": {"install_trust": False}}}
    told = {
        "admin": {"listen": ADMIN, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN"}}},
        "storage": {"module": "file_system", "root": f"{CERTIFICATES if edge.domain else '/tmp'}/{STORE}"},  # noqa: S108 -- in memory, where nothing is kept
        "apps": apps,
    }
    return json.dumps(told, indent=1, sort_keys=True) + "\n"


def _server(edge: Edge, listen: str, routes: list[dict[str, Any]]) -> dict[str, Any]:
    """Write a server with the service's own patience: what is slow to arrive is refused before it reaches it."""
    return {
        "listen": [listen],
        "protocols": ["h1", "h2"],
        "read_header_timeout": f"{edge.header_seconds:g}s",
        "read_timeout": f"{edge.header_seconds + edge.body_seconds:g}s",
        "max_header_bytes": edge.max_header_bytes,
        "routes": routes,
    }


def _routes() -> list[dict[str, Any]]:
    """Write where requests go: to the candidate those whose own random number falls into its share, until that ends."""
    chosen = f"ph(req, 'http.request.uuid') < ph(req, 'file.{FOLDER}/{SHARE}')"
    chosen += f" && ph(req, 'time.now.unix') < ph(req, 'file.{FOLDER}/{UNTIL}')"  # digits, ten until the year 2286
    shared = _proxied(CANDIDATE, LIVE) | {"health_checks": {"passive": {"fail_duration": "1s"}}}
    untold = {"handler": "headers", "response": {"deferred": True, "delete": ["Server", "Via"]}}  # who hands it on
    return [
        {"match": [{"expression": chosen}], "handle": [untold, shared], "terminal": True},
        {"handle": [untold, _proxied(LIVE)]},
    ]


def _proxied(*names: str) -> dict[str, Any]:
    """Hand a request to the first of several that takes the connection; ids, traces and addresses are passed on."""
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"{{file.{FOLDER}/{name}}}"} for name in names],
        "load_balancing": {
            "selection_policy": {"policy": "first"},
            "try_duration": PATIENCE,
            "try_interval": "50ms",
            "retry_match": [{"expression": "false"}],  # what a service has taken may have been its end: not sent again
        },
        "transport": {
            "protocol": "http",
            "keep_alive": {"idle_timeout": KEPT},
            "network_proxy": {"from": "none"},  # of ~/.docker/config.json, which the SDK tells every container
        },
    }
