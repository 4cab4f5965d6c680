"""What a deployment carries of the ledger can be read again, from its record and from its containers."""

from types import SimpleNamespace

import pytest

from infra import host, place
from infra.containers import Containers
from infra.supervised import Supervised
from validation.script import Refusal


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
    assert [{"all": True, "filters": {"label": f"gatehouse.home={tmp_path}"}, "ignore_removed": True}] == asked


@pytest.fixture
def offered(monkeypatch, tmp_path):
    """Choose a place by an environment of the test's own, with an engine or without one."""
    for name in ("BIND", "DOMAIN", "CERTIFICATES", "PORT"):
        monkeypatch.delenv(f"GATEHOUSE_{name}", raising=False)
    monkeypatch.delenv("WORKERS", raising=False)

    def choose(engine=None, **environ):
        for name, text in environ.items():
            monkeypatch.setenv(name, text)
        monkeypatch.setattr(host, "engine", lambda: engine)
        return place.choose(tmp_path, "")

    return choose


def test_without_an_engine_a_process_serves_this_machine_alone(offered) -> None:
    """Whoever wants others to reach it is told what that takes, before anything is started."""
    assert isinstance(offered(), Supervised)
    with pytest.raises(Refusal, match="no container engine answers, and a process serves this machine alone"):
        offered(GATEHOUSE_DOMAIN="api.example.org")


def test_an_engine_gets_containers_with_the_services_own_bounds(offered) -> None:
    """The address that people call follows from the environment, memory from SERVICE and WORKERS."""
    made = offered(SimpleNamespace(), GATEHOUSE_PORT="8123")
    assert isinstance(made, Containers)
    assert ("http://127.0.0.1:8123", "container") == (made.address, made.name)
    alone = made.memory
    named = offered(SimpleNamespace(), GATEHOUSE_DOMAIN="api.example.org", WORKERS="3")
    assert ("https://api.example.org", 3 * alone) == (named.address, named.memory)


def test_a_container_elsewhere_is_called_by_its_machines_name(offered) -> None:
    """Where others reach it; else by the loopback of that machine."""
    far = SimpleNamespace(machine=SimpleNamespace(name="host.example.org", destination="me@host.example.org"))
    made = offered(far, GATEHOUSE_PORT="8123")
    assert ("http://127.0.0.1:8123", "container on me@host.example.org") == (made.address, made.name)
    assert offered(far, GATEHOUSE_BIND="0.0.0.0").address == "http://host.example.org:8123"  # noqa: S104 -- a name
