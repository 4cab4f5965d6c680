"""The image's health check."""

from serve import health


def test_it_is_red_when_nobody_answers(monkeypatch) -> None:
    """Whether it should answer by TLS or not; that it is green is seen beside the real service."""
    monkeypatch.setenv("PORT", "9")
    assert health.main() == 1
    monkeypatch.setenv("TLS_CERT_FILE", "tls.crt")
    assert health.main() == 1
