"""Smoke: what differs from training is found, what cannot be reached is said."""

import json
import shutil

from serve.bundle import MANIFEST, seal


def test_a_service_of_another_bundle_fails(serving, chain, tmp_path) -> None:
    """Golden rows of one model against the service of another: red, each difference in a sentence."""
    url = serving()
    other = shutil.copytree(chain.root / "build/model", tmp_path / "other")
    golden = json.loads((other / "model/golden.json").read_text())
    golden["outputs"][3] = golden["outputs"][3][::-1]
    (other / "model/golden.json").write_text(json.dumps(golden))
    (other / MANIFEST).unlink()
    seal(other)
    ran = chain.run("serve.smoke", "--url", url, "--bundle", str(other))
    assert (1, "### Smoke: FAIL") == (ran.code, ran.out.splitlines()[0])
    assert "/version names bundle" in ran.err
    assert "golden row 3, together: gives" in ran.err
    assert "golden row 3, alone: gives" in ran.err


def test_nobody_there_is_the_outsides_fault(chain) -> None:
    """Exit 3, one sentence."""
    ran = chain.run("serve.smoke", "--url", "http://127.0.0.1:9", "--bundle", "build/model")
    assert (3, "") == (ran.code, ran.out)
    assert "cannot be reached" in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_an_address_that_is_none_is_the_callers_fault(chain) -> None:
    """Exit 2 or 3 with a sentence, never a traceback."""
    for url in ("nonsense", "ftp://127.0.0.1", "http://"):
        ran = chain.run("serve.smoke", "--url", url, "--bundle", "build/model")
        assert ran.code in (2, 3)
        assert "Traceback" not in ran.err


def test_a_damaged_bundle_is_refused(chain, tmp_path) -> None:
    """Nothing is compared with what is not what it was."""
    bundle = shutil.copytree(chain.root / "build/model", tmp_path / "bundle")
    (bundle / "card.md").unlink()
    ran = chain.run("serve.smoke", "--url", "http://127.0.0.1:9", "--bundle", str(bundle))
    assert (2, True) == (ran.code, "card.md is missing" in ran.err)
