"""Commands that come over MQTT: what is allowed, what they say, how often, and their answers.

Whatever arrives is foreign text: a command is understood whole, or refused with a sentence for the
sender. Nothing is guessed. What a command may say is in `beacon.core.operator.commands`.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Final

from beacon.config.fields import Duration, SettingRefused
from beacon.config.schema import Config
from beacon.core.effects import Answered
from beacon.core.inputs import OperatorEvent
from beacon.core.operator.commands import (
    COMMANDS,
    OVER_MQTT,
    LampTest,
    OperatorCommand,
    Refusal,
    parse,
)
from beacon.engine.clock import Clock
from beacon.outputs.mqtt.topics import line, text

_log = logging.getLogger(__name__)

LARGEST: Final = 1024
"""Bytes of one command."""
_WRITTEN: Final = {"seconds": "for"}
"""How a field is written over MQTT, where it differs."""


def fields_of(command: OperatorCommand) -> tuple[str, ...]:
    """List what an object on a command's topic may hold."""
    state = ("state",) if command.undone else ()
    return (*state, "by", "reason", *(_WRITTEN.get(field, field) for field in command.fields))


def words_of(command: OperatorCommand) -> tuple[str, ...]:
    """List the payloads that are one word."""
    if command.switch:
        return "ON", "OFF"
    return ("PRESS", "OFF") if command.undone else ("PRESS",)


def read(
    name: str, payload: bytes, allowed: tuple[str, ...], at: float
) -> OperatorEvent | LampTest:
    """Read a message on `cmd/<name>`. Raises `SettingRefused`, for the sender to read."""
    if name not in OVER_MQTT:
        raise SettingRefused("unknown command", f"known: {', '.join(OVER_MQTT)}")
    if name not in allowed:
        raise SettingRefused("switched off by mqtt.commands")
    if len(payload) > LARGEST:
        raise SettingRefused(f"{len(payload)} bytes are too many", f"at most {LARGEST}")
    fields = _fields(COMMANDS[name], payload)
    asked = {
        "on": fields.get("state", "ON") == "ON",
        "reason": line(fields.get("reason")),
        "service": fields.get("service"),
        "seconds": _seconds(fields.get("for")),
        "verdict": fields.get("verdict"),
    }
    event = parse(name, asked, at=at, by=line(fields.get("by")) or "mqtt", origin="mqtt")
    if isinstance(event, Refusal):
        raise SettingRefused(event.message)
    return event


def _fields(command: OperatorCommand, payload: bytes) -> Mapping[str, str]:
    words, known = words_of(command), fields_of(command)
    wanted = f"send {' or '.join(words)}, or an object of {', '.join(known)}"
    try:
        raw = payload.decode("utf-8").strip()
        if raw in words:
            return {"state": "OFF" if raw == "OFF" else "ON"}
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise SettingRefused("not understood", wanted) from None
    if not isinstance(document, dict) or set(document) - set(known):
        raise SettingRefused("not understood", wanted)
    fields = {key: value for key, value in document.items() if value is not None}
    if not all(isinstance(value, str) for value in fields.values()):
        raise SettingRefused("every value is text", wanted)
    stated = "state" in fields or command.switch
    if stated and fields.get("state") not in ("ON", "OFF"):
        raise SettingRefused("`state` is ON or OFF", wanted)
    return fields


def _seconds(written: str | None) -> float | None:
    try:
        return None if written is None else float(Duration.parse(written))
    except SettingRefused as refused:
        raise SettingRefused("`for` is not a duration", refused.allowed) from None


class Limit:
    """At most `BURST` commands at once, then `RATE` a second."""

    BURST: Final = 10
    RATE: Final = 1.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = float(self.BURST)
        self._at = clock.monotonic()

    def allows(self) -> bool:
        """Count one more command, if it may pass now."""
        now = self._clock.monotonic()
        self._left = min(float(self.BURST), self._left + (now - self._at) * self.RATE)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class CommandRunner:
    """Carries out what comes on `cmd/`; every command gets an answer on `result`."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        submit: Callable[[OperatorEvent], None],
        lamp_test: Callable[[], None],
        answer: Callable[[Answered], None],
    ) -> None:
        self._allowed = config.mqtt.commands if config.mqtt else ()
        self._clock = clock
        self._submit, self._lamp_test, self._answer = submit, lamp_test, answer
        self._limit = Limit(clock)

    def obey(self, name: str, payload: bytes, *, retained: bool) -> None:
        """Carry out one command, or say why not."""
        if not self._limit.allows():
            burst = f"{Limit.BURST} at once, then 1 a second"
            self._refuse(name, f"ignored: too many commands; {burst}")
            return
        if retained:
            self._refuse(name, "ignored: retained")
            return
        try:
            event = read(name, payload, self._allowed, self._clock.monotonic())
        except SettingRefused as refused:
            allowed = f"; {refused.allowed}" if refused.allowed else ""
            self._refuse(name, refused.message + allowed)
            return
        try:
            self._carry_out(name, event)
        except Exception:  # noqa: BLE001 - the border: costs this command only
            _log.exception("MQTT: the command %s failed", name)
            self._refuse(name, "failed: see the beacon's log")

    def _refuse(self, name: str, error: str) -> None:
        now = self._clock.monotonic()
        self._answer(
            Answered(now, text(name) or "", ok=False, by="mqtt", origin="mqtt", error=error)
        )

    def _carry_out(self, name: str, event: OperatorEvent | LampTest) -> None:
        _log.info("command %s over MQTT, by %s %s", name, event.by, event.reason)
        if isinstance(event, LampTest):
            self._lamp_test()
            self._answer(Answered(event.at, name, ok=True, by=event.by, origin="mqtt"))
        else:
            self._submit(event)
