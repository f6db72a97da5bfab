"""Commands that come over MQTT: what is allowed, what it says, how often. No client here.

Whatever arrives is foreign text: a command is understood whole or refused with a
sentence for the sender, never guessed at.
"""

import json
import math
from collections.abc import Mapping
from typing import Final

from beacon.config.fields import Duration, SettingRefused
from beacon.config.schema import COMMANDS
from beacon.core.model import Verdict
from beacon.core.operator.commands import Command
from beacon.engine.clock import Clock
from beacon.outputs.mqtt.topics import line

LARGEST: Final = 1024
"""Bytes of one command."""

SWITCHES: Final = ("silence", "maintenance", "bypass", "shelve", "drill")
UNDONE: Final = ("acknowledge", "attest")
"""Those that are pressed, and can be taken back."""
HANDLED: Final = COMMANDS
"""The commands somebody carries out; only these are subscribed to and allowed."""

FIELDS: Final = {
    "acknowledge": ("state", "by", "reason", "service"),
    "silence": ("state", "by", "reason", "for"),
    "lamp_test": ("by", "reason"),
    "maintenance": ("state", "by", "reason", "service", "for"),
    "bypass": ("state", "by", "reason", "service"),
    "shelve": ("state", "by", "reason", "service", "for"),
    "attest": ("state", "by", "reason", "service"),
    "drill": ("state", "by", "reason", "verdict", "for"),
}
"""What an object on a command's topic may hold."""
_AT_MOST: Final = {"silence": (3600.0, "1h")}
"""Seconds; of the others the core says when it is too long."""


def read(name: str, payload: bytes, allowed: tuple[str, ...], services: tuple[str, ...]) -> Command:
    """What a message on `cmd/<name>` asks for. Raises `SettingRefused`, for the sender to read."""
    if name not in HANDLED:
        raise SettingRefused("unknown command", f"known: {', '.join(HANDLED)}")
    if name not in allowed:
        raise SettingRefused("switched off by mqtt.commands")
    if len(payload) > LARGEST:
        raise SettingRefused(f"{len(payload)} bytes are too many", f"at most {LARGEST}")
    fields = _fields(name, payload)
    service = fields.get("service")
    if service is not None and name != "attest" and service not in services:
        raise SettingRefused("no such service", f"known: {', '.join(services)}")
    return Command(
        name,
        by=line(fields.get("by")) or "mqtt",
        reason=line(fields.get("reason")),
        service=service,
        on=fields.get("state", "ON") == "ON",
        seconds=_seconds(name, fields.get("for")),
        verdict=_verdict(fields.get("verdict")),
    )


def refusal(refused: SettingRefused) -> str:
    """The sentence that goes back to the sender."""
    return f"{refused.message}; {refused.allowed}" if refused.allowed else refused.message


def _fields(name: str, payload: bytes) -> Mapping[str, str]:
    words = _words(name)
    wanted = f"send {' or '.join(words)}, or an object of {', '.join(FIELDS[name])}"
    try:
        raw = payload.decode("utf-8").strip()
        if raw in words:
            return {"state": "OFF" if raw == "OFF" else "ON"}
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise SettingRefused("not understood", wanted) from None
    if not isinstance(document, dict) or set(document) - set(FIELDS[name]):
        raise SettingRefused("not understood", wanted)
    fields = {key: value for key, value in document.items() if value is not None}
    if not all(isinstance(value, str) for value in fields.values()):
        raise SettingRefused("every value is text", wanted)
    stated = "state" in fields or name in SWITCHES
    if stated and fields.get("state") not in ("ON", "OFF"):
        raise SettingRefused("`state` is ON or OFF", wanted)
    return fields


def _words(name: str) -> tuple[str, ...]:
    if name in SWITCHES:
        return "ON", "OFF"
    return ("PRESS", "OFF") if name in UNDONE else ("PRESS",)


def _verdict(written: str | None) -> Verdict:
    try:
        return Verdict(written or Verdict.OUTAGE)
    except ValueError:
        raise SettingRefused("no such verdict", f"known: {', '.join(Verdict)}") from None


def _seconds(name: str, written: str | None) -> float | None:
    if written is None:
        return None
    try:
        seconds = Duration.parse(written)
    except SettingRefused as refused:
        raise SettingRefused("`for` is not a duration", refused.allowed) from None
    most, words = _AT_MOST.get(name, (math.inf, ""))
    if seconds > most:
        raise SettingRefused("`for` is too long", f"at most {words}")
    return float(seconds)


class Limit:
    """At most `BURST` commands at once, then `RATE` a second."""

    BURST: Final = 10
    RATE: Final = 1.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = float(self.BURST)
        self._at = clock.monotonic()

    def allows(self) -> bool:
        """Whether one more command may pass now; one that passes is counted."""
        now = self._clock.monotonic()
        self._left = min(float(self.BURST), self._left + (now - self._at) * self.RATE)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
