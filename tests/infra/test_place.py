"""What a deployment carries of the ledger can be read again, from its record and from its containers."""

from types import SimpleNamespace

from infra import host, place


def test_the_heads_that_deployments_carry_are_told(tmp_path, monkeypatch) -> None:
    """Each with what carries it; one without a head is left out, and where nothing was deployed there is none."""
    monkeypatch.setattr(host, "engine", lambda: None)
    assert {} == place.heads(tmp_path)
    (tmp_path / "deployment.json").write_text('{"ledger": "a1"}')
    record = f"the deployment in {tmp_path}/deployment.json"
    assert {record: "a1"} == place.heads(tmp_path)
    asked = []

    def listed(**named):
        asked.append(named)
        return [
            SimpleNamespace(name="x-live", labels={"gatehouse.ledger": "b2"}),
            SimpleNamespace(name="x-previous", labels={}),
        ]

    monkeypatch.setattr(host, "engine", lambda: SimpleNamespace(containers=SimpleNamespace(list=listed)))
    assert {record: "a1", "the container x-live": "b2"} == place.heads(tmp_path)
    assert [{"all": True, "filters": {"label": f"gatehouse.home={tmp_path}"}}] == asked
