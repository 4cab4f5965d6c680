"""Does the service beside this script live? The image's health check.

Reads   AIP_HTTP_PORT or PORT (8000), and TLS_CERT_FILE, as serve.app does.
Prints  nothing.
Exits   0 it answers, 1 it does not.
"""

import http.client
import os
import ssl

SECONDS = 2.0  # for an answer


def main() -> int:
    """Ask /healthz."""
    port = int(os.environ.get("AIP_HTTP_PORT") or os.environ.get("PORT") or 8000)
    if os.environ.get("TLS_CERT_FILE"):
        # it is asked by another name than its certificate bears, and nothing secret is told
        unchecked = ssl._create_unverified_context()  # noqa: S323
        ask: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=SECONDS, context=unchecked
        )
    else:
        ask = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        ask.request("GET", "/healthz")
        return 0 if ask.getresponse().status == 200 else 1
    except (OSError, http.client.HTTPException):
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
