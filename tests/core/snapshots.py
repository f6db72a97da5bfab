"""Endpoints as the tables of verdict and diagnosis see them."""

from beacon.core.model import Endpoint, Evidence, Health
from beacon.core.service.endpoint_snapshot import EndpointSnapshot

OF_SPEC = ("kind", "region", "factor", "hindsight")


def snapshot(name: str, evidence: Evidence, health: Health, **more) -> EndpointSnapshot:
    of_spec = {"kind": "http"} | {key: more.pop(key) for key in OF_SPEC if key in more}
    spec = Endpoint(id=name, service="s", name=name, evidence=evidence, **of_spec)
    return EndpointSnapshot(spec, health, **more)
