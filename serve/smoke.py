"""Stages 4 and 5: does the running service give what training recorded? The golden rows, over HTTP.

Usage: python -m serve.smoke [--url http://127.0.0.1:8000] --bundle build/model

Reads   the service, the bundle; SERVICE_KEY, a key or token with the scope predict, where the service asks for one.
Prints  a table of what was asked and what came back.
Exits   0 all equal, 1 something differs, 2 used or set up wrongly, 3 the service cannot be reached.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serve.bundle import BundleError, read_json, verify
from validation.script import NO, YES, OutsideError, Refusal, door, log, parser, result

SAME = 1e-6  # largest difference of an output: share of the range for a quantity, else probability


def replay(url: str, bundle: Path, timeout: float = 30) -> list[str]:
    """Ask for every golden row of the bundle, together and one by one; return a sentence for each difference.

    `timeout` is in seconds, a request. Raises OutsideError when the service cannot be reached, Refusal when the bundle
    is damaged.
    """
    import httpx

    try:
        digest = verify(bundle)
        golden = read_json(bundle / "model" / "golden.json")
        target = read_json(bundle / "model" / "contract.json")["target"]
    except BundleError as error:
        raise Refusal(str(error)) from None
    rows, expected = golden["rows"], golden["outputs"]
    found = []
    try:
        headers = {"Accept": "application/json", **credential()}
        with httpx.Client(base_url=url, headers=headers, timeout=timeout, trust_env=False) as client:
            ready = client.get("/readyz")
            if ready.status_code != 200:
                found.append(f"/readyz answers {ready.status_code}, not 200")
            served = _json(client.get("/version"), "/version", found).get("bundle_digest")
            if served != digest:
                found.append(f"/version names bundle {str(served)[:12]}, not {digest[:12]}")
            together = _json(client.post("/predict", json={"records": rows}), "/predict", found).get("predictions")
            if not isinstance(together, list) or len(together) != len(rows):
                found.append(f"{len(rows)} golden rows together give no list of {len(rows)} predictions")
            else:
                found += _differences(together, expected, target, "together")
            alone = [_json(client.post("/predict", json=row), "/predict", found).get("prediction") for row in rows]
            found += _differences(alone, expected, target, "alone")
    except httpx.InvalidURL as error:
        raise Refusal(f"--url {url} is no address: {error}") from None
    except httpx.HTTPError as error:
        raise OutsideError(f"{url} cannot be reached: {type(error).__name__}: {error}") from None
    return found


def credential() -> dict[str, str]:
    """Return the header by which the service is asked, where SERVICE_KEY holds a key or token."""
    key = os.environ.get("SERVICE_KEY", "")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _json(response: Any, route: str, found: list[str]) -> dict[str, Any]:
    if response.status_code != 200:
        found.append(f"{route} answers {response.status_code}: {response.text[:200]}")
        return {}
    try:
        value = response.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        found.append(f"{route} answers no JSON object")
        return {}
    return value


def _differences(answers: list[Any], expected: list[list[float]], target: dict[str, Any], how: str) -> list[str]:
    found = []
    for row, (answer, outputs) in enumerate(zip(answers, expected, strict=True)):
        wrong = difference(answer if isinstance(answer, dict) else {}, outputs, target)
        if wrong:
            found.append(f"golden row {row}, {how}: {wrong}")
    return found


def difference(answer: dict[str, Any], outputs: list[float], target: dict[str, Any]) -> str | None:
    """Say in how far the prediction of a row is not what its outputs are; None where it is."""
    if target["kind"] == "quantity":
        given, wanted, scale = [answer.get("value")], outputs, target["range"]
    elif target["kind"] == "binary":
        given, wanted, scale = [answer.get("probability")], outputs[1:], 1.0
    else:
        probabilities = answer.get("probabilities", {})
        given, wanted, scale = [probabilities.get(str(label)) for label in target["labels"]], outputs, 1.0
    for got, want in zip(given, wanted, strict=True):
        if not isinstance(got, int | float) or not math.isfinite(got) or abs(got - want) / scale > SAME:
            return f"gives {got} instead of {want}"
    if target["labels"]:
        label = target["labels"][outputs.index(max(outputs))]
        if answer.get("label") != label:
            return f"gives label {answer.get('label')!r} instead of {label!r}"
    return None


def _deployed() -> str:
    """Return the address that the last deployment on this machine recorded."""
    from infra.place import RECORD, home

    try:
        return str(read_json(home() / RECORD)["url"])
    except (BundleError, KeyError):
        raise Refusal("nothing is deployed on this machine; give --url, or run `make deploy` first") from None


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("--url", help="where the service answers; else where infra.deploy put it on this machine")
    options.add_argument("--bundle", type=Path, default=Path("build/model"), help="the bundle it should serve")
    given = options.parse_args(argv)
    url = given.url or _deployed()
    found = replay(url, given.bundle)
    lines = ["### Smoke: " + ("FAIL" if found else "pass"), "", *(f"- {sentence}" for sentence in found[:20])]
    if not found:
        lines.append(f"Every golden row gives at {url} what training recorded.")
    result("\n".join(lines) + "\n")
    for sentence in found[:20]:
        log(f"smoke: {sentence}")
    return NO if found else YES


if __name__ == "__main__":
    raise SystemExit(main())
