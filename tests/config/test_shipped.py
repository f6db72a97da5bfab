"""The configurations in the repository: right, and true to the sandbox."""

import os
from functools import cache
from pathlib import Path

import pytest

from beacon import probes
from beacon.config.loader import load
from beacon.core.model import Evidence
from beacon.sandbox import provider, servers

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.stem for path in (ROOT / "config").glob("*.yaml"))


@cache
def shipped(name):
    return load(ROOT / "config" / f"{name}.yaml", registry=probes, environ={})


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_right_and_needs_nothing_from_outside(name):
    config = shipped(name)
    assert set(config.probes) == {endpoint.id for endpoint in config.watched.endpoints}


@pytest.mark.parametrize("name", ["beacon", "public"])
def test_what_people_copy_has_nothing_to_warn_of(name):
    assert shipped(name).warnings == ()


def test_beacon_yaml_has_a_service_of_every_evidence():
    config = shipped("beacon")
    assert {endpoint.evidence for endpoint in config.watched.endpoints} == set(Evidence)


def test_beacon_yaml_points_at_the_sandbox_and_nothing_else():
    text = (ROOT / "config" / "beacon.yaml").read_text()
    ports = servers.Ports()
    config = shipped("beacon")
    assert (config.mqtt.host, config.mqtt.port) == ("127.0.0.1", ports.mqtt)
    lines = [line.partition(" #")[0] for line in text.splitlines() if not line.startswith("#")]
    settings = os.linesep.join(line for line in lines if not line.strip().startswith("#"))
    assert settings.count(f"http://127.0.0.1:{ports.http}") == settings.count("http://")
    assert "https://" not in settings
    resolvers = {
        config.probes[each.id].resolvers for each in config.watched.endpoints if each.kind == "dns"
    }
    assert resolvers == {(f"127.0.0.1:{ports.dns}",)}


def test_beacon_yaml_signs_in_as_the_sandbox_expects():
    flow = shipped("beacon").probes["sign-in/with-a-code"]
    assert flow.variables["username"] == provider.USERNAME
    assert flow.secrets["password"].reveal() == provider.PASSWORD
    assert flow.secrets["seed"].reveal() == provider.SEED
