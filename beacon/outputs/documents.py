"""The body of everything that is shown, built once and whole.

What comes in: the core's views, in monotonic seconds. What goes out: dictionaries with UTC times,
ready for JSON. The control socket and the history show a body as it is here; an MQTT topic picks
keys of it and cuts its texts (`beacon.outputs.mqtt.topics`).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import beacon
from beacon.core.explain import Explained, Prospect
from beacon.core.indication import Colour
from beacon.core.model import Reading, Site
from beacon.core.views import (
    Cause,
    CauseWindow,
    EndpointRead,
    IncidentView,
    OverallView,
    Overlay,
    ServiceView,
    SilenceChanged,
    View,
)

Body = dict[str, Any]
UtcOf = Callable[[float], datetime]
"""The wall time, in UTC, of monotonic seconds."""


def iso(moment: datetime) -> str:
    """ISO 8601 with zone, to the nearest millisecond: cut off, 06:00 might read 05:59:59.999."""
    return (moment + timedelta(microseconds=500)).isoformat(timespec="milliseconds")


def iso_at(utc: UtcOf, at: float | None) -> str | None:
    """The same of monotonic seconds; None for none."""
    return None if at is None else iso(utc(at))


def incident_id(site: str, view: IncidentView, utc: UtcOf) -> str:
    """The name of an incident outside the core: site, UTC of its opening, number.

    `utc` gives the wall time of an incident whose opening time was not noted.
    """
    noted = view.opened_utc
    opened = utc(view.since) if noted is None else datetime.fromtimestamp(noted, UTC)
    return f"{site}-{opened:%Y%m%dT%H%M%SZ}-{view.number}"


def runbook(site: Site, service: str) -> str | None:
    """What the configuration says to do for a service."""
    return next((s.runbook for s in site.services if s.id == service), None) or None


# --- one thing ----------------------------------------------------------------------


def state(overall: OverallView, utc: UtcOf, version: str) -> Body:
    """The overall verdict and what belongs to it; `version` is the beacon's."""
    return {
        "verdict": overall.verdict,
        "problem": overall.problem,
        "since": iso_at(utc, overall.since),
        "blind": overall.blind,
        "starting": overall.starting,
        "overlays": list(overall.overlays),
        "services": dict(overall.services),
        "network": overall.network,
        "clock": overall.clock,
        "storage_degraded": overall.storage_degraded,
        "first_out": overall.first_out,
        "version": version,
    }


def service(view: ServiceView, utc: UtcOf) -> Body:
    """One service as it is judged now."""
    return {
        "verdict": view.verdict,
        "since": iso_at(utc, view.since),
        "cause": view.cause,
        "explanation": view.explanation or None,
        "cells": dict(view.cells),
        "shallow": view.shallow,
        "partial": view.partial,
        "vendor_says_fine": view.vendor_says_fine,
        "vendor_admits": view.vendor_admits,
        "blind": view.blind,
        "starting": view.starting,
        "proof_at": iso_at(utc, view.proof_at),
        "endpoints": dict(view.endpoints),
        "overlays": list(view.overlays),
        "arrivals": [asdict(counts) for counts in view.arrivals],
    }


def endpoint(read: EndpointRead, utc: UtcOf) -> Body:
    """The health of an endpoint, with its last reading."""
    return {
        "health": read.health,
        **reading(read.reading),
        "checked_at": iso_at(utc, read.at),
        "failures": read.failures,
    }


def reading(last: Reading | None) -> Body:
    """What a run has found; None: nothing yet."""
    if last is None:
        return dict.fromkeys(("outcome", "reason", "detail", "latency_ms"))
    latency = last.latency
    return {
        "outcome": last.outcome,
        "reason": last.reason,
        "detail": last.detail or None,
        "latency_ms": None if latency is None else round(latency * 1000, 1),
    }


def incident(view: IncidentView, site: str, utc: UtcOf) -> Body:
    """One incident; `site` is the id of the site, and part of the incident's own."""
    return {
        "id": incident_id(site, view, utc),
        "number": view.number,
        "service": view.service,
        "state": view.state,
        "verdict": view.verdict,
        "peak": view.peak,
        "since": iso_at(utc, view.since),
        "closed_at": iso_at(utc, view.closed_at),
        "first_out": view.first_out,
        "cause": view.cause,
        "explanation": view.explanation or None,
        "causes": [_cause(cause, utc) for cause in view.causes],
        "vendor_lead_s": view.vendor_lead,
        "vendor_differs": view.vendor_differs,
        "vendor": [asdict(w) | {"since": iso_at(utc, w.since)} for w in view.vendor],
        "impact": view.impact,
        "records": list(view.records),
        "arrivals": [asdict(counts) for counts in view.arrivals],
        "acknowledged": view.acknowledged,
        "acknowledged_at": iso_at(utc, view.acknowledged_at),
        "acknowledged_by": view.acknowledged_by,
    }


def _cause(cause: Cause, utc: UtcOf) -> Body:
    return {
        "cause": cause.cause,
        "explanation": cause.explanation or None,
        "explains": cause.explains,
        "readings": [
            {
                "endpoint": cited.endpoint,
                "reason": cited.reason,
                "detail": cited.detail or None,
                "at": iso_at(utc, cited.at),
            }
            for cited in cause.readings
        ],
        "window": None if cause.window is None else _window(cause.window, utc),
    }


def _window(window: CauseWindow, utc: UtcOf) -> Body:
    return {
        "since": iso_at(utc, window.since),
        "until": iso_at(utc, window.until),
        "ttl_s": window.ttl,
        "interval_s": window.interval,
        "delivery_interval_s": window.delivery_interval,
        "code_lifetime_s": window.code_lifetime,
        "delivery": window.delivery,
        "failed_at": iso_at(utc, window.failed_at),
    }


def overlay(laid: Overlay, utc: UtcOf) -> Body:
    """One overlay."""
    return {
        "kind": laid.kind,
        "subject": laid.subject,
        "since": iso_at(utc, laid.since),
        "until": iso_at(utc, laid.until),
        "by": laid.by,
        "origin": laid.origin,
        "reason": laid.reason or None,
    }


def _guard_stopped(endpoint_id: str, since: float, utc: UtcOf) -> Body:
    """A sign-in that the guard has stopped, in the shape of an overlay."""
    return {
        "kind": "guard_stopped",
        "subject": endpoint_id,
        "since": iso_at(utc, since if math.isfinite(since) else None),
        "until": None,
        "by": "guard",
        "origin": "guard",
        "reason": None,
    }


def silence(changed: SilenceChanged, utc: UtcOf) -> Body:
    """The operator's silence."""
    return {
        "since": iso_at(utc, changed.since),
        "until": iso_at(utc, changed.until),
        "by": changed.by,
        "reason": changed.reason or None,
    }


# --- everything, and why -----------------------------------------------------------------


def status(view: View, utc: UtcOf, site: Site) -> Body:
    """Everything as it is now: the answer to `beacon status`."""
    return {
        "state": state(view.overall, utc, beacon.__version__),
        "services": {each.id: service(each, utc) for each in view.services},
        "endpoints": {read.endpoint: endpoint(read, utc) for read in view.endpoints},
        "incidents": [
            incident(each, site.id, utc) | {"runbook": runbook(site, each.service)}
            for each in view.incidents
        ],
        "overlays": [
            *(overlay(each, utc) for each in view.overlays),
            *(_guard_stopped(name, since, utc) for name, since in view.stopped),
        ],
        "silence": None if view.silence is None else silence(view.silence, utc),
        "lamps": {colour: view.indication.light(colour).pattern for colour in Colour},
    }


def explanation(found: Explained, now: float, utc: UtcOf) -> Body:
    """Why a service is shown as it is `now`: the answer to `beacon explain`."""
    return {
        "service": found.view.id,
        "at": iso_at(utc, now),
        **service(found.view, utc),
        "lamps": dict(found.lamps),
        "why": list(found.why),
        "next": _prospects(found.prospects, now, utc),
        "overlaid": [overlay(each, utc) for each in found.overlays],
        "silence": None if found.silence is None else silence(found.silence, utc),
        "endpoints": {
            each.id: {
                "evidence": each.evidence,
                "health": each.health,
                "since": iso_at(utc, each.since),
                **reading(each.last),
                "read_at": iso_at(utc, each.started),
                "standing": each.standing,
                "pace": each.pace,
                "account": each.account,
                "control": each.control,
                "controlled_at": iso_at(utc, each.controlled_at),
                "arrivals": list(each.arrivals),
                "next": _prospects(each.prospects, now, utc),
            }
            for each in found.endpoints
        },
    }


def _prospects(found: Iterable[Prospect], now: float, utc: UtcOf) -> list[Body]:
    """Upcoming changes only; overdue ones are left out."""
    upcoming = (each for each in found if each.at is None or each.at > now)
    return [{"what": each.what, "at": iso_at(utc, each.at)} for each in upcoming]
