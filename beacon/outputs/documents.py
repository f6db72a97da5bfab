"""How things stand, as documents: for the command line, MQTT and other programs."""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import beacon
from beacon.core.explain import Explained, Prospect
from beacon.core.model import Reading, Site
from beacon.core.tower.indication import Colour
from beacon.core.views import EndpointRead, Overlay, ServiceView, SilenceChanged, View
from beacon.outputs.history.incidents import document, runbook
from beacon.outputs.mqtt.topics import incident_id, iso


def status(view: View, moment: Callable[[float], datetime], site: Site) -> dict[str, Any]:
    """Everything as it stands: one document for the command line and other programs."""

    def when(at: float | None) -> str | None:
        return None if at is None else iso(moment(at))

    overall = view.overall
    return {
        "state": {
            "verdict": overall.verdict,
            "problem": overall.problem,
            "since": when(overall.since),
            "blind": overall.blind,
            "starting": overall.starting,
            "overlays": list(overall.overlays),
            "services": dict(overall.services),
            "network": overall.network,
            "clock": overall.clock,
            "storage_degraded": overall.storage_degraded,
            "first_out": overall.first_out,
            "version": beacon.__version__,
        },
        "services": {service.id: _service(service, when) for service in view.services},
        "endpoints": {read.endpoint: _endpoint(read, when) for read in view.endpoints},
        "incidents": [
            document(each, incident_id(site.id, each, moment), moment)
            | {"runbook": runbook(site, each.service)}
            for each in view.incidents
        ],
        "overlays": [
            *(_overlay(overlay, when) for overlay in view.overlays),
            *(_stopped(endpoint, since, when) for endpoint, since in view.stopped),
        ],
        "silence": _silence(view.silence, when),
        "lamps": {colour: view.indication.light(colour).pattern for colour in Colour},
    }


def explanation(
    found: Explained, now: float, moment: Callable[[float], datetime]
) -> dict[str, Any]:
    """Why a service is shown as it is `now`: one document for people and other programs."""

    def when(at: float | None) -> str | None:
        return None if at is None else iso(moment(at))

    return {
        "service": found.view.id,
        "at": when(now),
        **_service(found.view, when),
        "lamps": dict(found.lamps),
        "why": list(found.why),
        "next": _prospects(found.prospects, now, when),
        "overlaid": [_overlay(overlay, when) for overlay in found.overlays],
        "silence": _silence(found.silence, when),
        "endpoints": {
            each.id: {
                "evidence": each.evidence,
                "health": each.health,
                "since": when(each.since),
                **_reading(each.last),
                "read_at": when(each.started),
                "standing": each.standing,
                "pace": each.pace,
                "arrivals": list(each.arrivals),
                "next": _prospects(each.prospects, now, when),
            }
            for each in found.endpoints
        },
    }


When = Callable[[float | None], str | None]


def _prospects(found: Iterable[Prospect], now: float, when: When) -> list[dict[str, Any]]:
    """What comes next; what is overdue has no moment any more that anybody could name."""
    to_come = (each for each in found if each.at is None or each.at > now)
    return [{"what": each.what, "at": when(each.at)} for each in to_come]


def _service(view: ServiceView, when: When) -> dict[str, Any]:
    return {
        "verdict": view.verdict,
        "since": when(view.since),
        "cause": view.cause,
        "explanation": view.explanation or None,
        "cells": dict(view.cells),
        "shallow": view.shallow,
        "partial": view.partial,
        "vendor_says_fine": view.vendor_says_fine,
        "vendor_admits": view.vendor_admits,
        "blind": view.blind,
        "starting": view.starting,
        "proof_at": when(view.proof_at),
        "endpoints": dict(view.endpoints),
        "overlays": list(view.overlays),
        "arrivals": [asdict(counts) for counts in view.arrivals],
    }


def _overlay(overlay: Overlay, when: When) -> dict[str, Any]:
    return {
        "kind": overlay.kind,
        "subject": overlay.subject,
        "since": when(overlay.since),
        "until": when(overlay.until),
        "by": overlay.by,
        "origin": overlay.origin,
        "reason": overlay.reason or None,
    }


def _stopped(endpoint: str, since: float, when: When) -> dict[str, Any]:
    """A sign-in that the guard has stopped, told like an overlay."""
    return {
        "kind": "guard_stopped",
        "subject": endpoint,
        "since": when(since if math.isfinite(since) else None),
        "until": None,
        "by": "guard",
        "origin": "guard",
        "reason": None,
    }


def _silence(silence: SilenceChanged | None, when: When) -> dict[str, Any] | None:
    if silence is None:
        return None
    return {
        "since": when(silence.since),
        "until": when(silence.until),
        "by": silence.by,
        "reason": silence.reason or None,
    }


def _endpoint(read: EndpointRead, when: When) -> dict[str, Any]:
    return {
        "health": read.health,
        **_reading(read.reading),
        "checked_at": when(read.at),
        "failures": read.failures,
    }


def _reading(reading: Reading | None) -> dict[str, Any]:
    if reading is None:
        return dict.fromkeys(("outcome", "reason", "detail", "latency_ms"))
    latency = reading.latency
    return {
        "outcome": reading.outcome,
        "reason": reading.reason,
        "detail": reading.detail or None,
        "latency_ms": None if latency is None else round(latency * 1000, 1),
    }
