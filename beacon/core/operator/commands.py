"""Every command an operator can give, and the one way from what was asked to an event of the core.

The command line, the control socket, MQTT, the list `mqtt.commands` of the configuration, Home
Assistant's buttons and a replay's `operator:` lines are derived from `COMMANDS`. Each of them reads
its own notation into the same fields and calls `parse`; so a rule has one sentence, whoever asks.
A new command is a row here, its event in `beacon.core.inputs`, and a method of `operations`. A new
field is also read in `cli.parser`, `mqtt.commands` and `replay.load`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from beacon.core.inputs import (
    Acknowledge,
    Attest,
    Bypass,
    Drill,
    Maintenance,
    OperatorEvent,
    Resume,
    Shelve,
    Silence,
)
from beacon.core.model import Verdict

LONGEST_REASON: Final = 200
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60))


@dataclass(frozen=True, slots=True)
class LampTest:
    """Every lamp and the buzzer in turn. The tower does it; the core takes no part."""

    at: float
    by: str
    origin: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command is not carried out, and the field that is wrong (`command`: its name)."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorCommand:
    """One command. `done` and `undone` are what people read when it was carried out.

    Every command takes `by`, `origin` and `reason`; `fields` are what it takes beside them.
    Without `undone` it cannot be undone.
    """

    name: str
    event: Callable[..., OperatorEvent | LampTest]
    summary: str
    example: str
    done: str
    undone: str = ""
    fields: tuple[str, ...] = ()
    subject: str = ""  # what `service` names, for the help
    subject_word: str = "SERVICE"
    longest: float = 0.0  # seconds it may last
    instead: str = ""  # what to do if that is too short
    over_mqtt: bool = True
    harmless: bool = False  # allowed over MQTT unless the configuration says otherwise
    switch: bool = False  # over MQTT it is ON or OFF; else PRESS
    one_press: bool = False  # needs no choice: Home Assistant shows a button or a switch for it

    @property
    def usual(self) -> float:
        """Seconds it lasts unless the operator gives a time: the default of its event."""
        parameters = inspect.signature(self.event).parameters
        return float(parameters["seconds"].default)


def _attest(*, service: str | None, **fields: Any) -> Attest:  # noqa: ANN401 - `parse` checks them
    return Attest(item=service, **fields)


COMMANDS: Final[Mapping[str, OperatorCommand]] = {
    command.name: command
    for command in (
        OperatorCommand(
            name="acknowledge",
            event=Acknowledge,
            summary="say that somebody has seen it: no fast flashing, no sound",
            example='beacon acknowledge entra-mfa --reason "with the vendor"',
            done="acknowledged",
            undone="asks again",
            fields=("service",),
            subject="only this one",
            harmless=True,
            one_press=True,
        ),
        OperatorCommand(
            name="silence",
            event=Silence,
            summary="no sound until the incident ends, at most an hour",
            example="beacon silence --for 30m",
            done="silent",
            undone="sound again",
            fields=("seconds",),
            longest=3600.0,
            harmless=True,
            switch=True,
            one_press=True,
        ),
        OperatorCommand(
            name="lamp_test",
            event=LampTest,
            summary="every lamp and the buzzer in turn",
            example="beacon lamp-test -c config/beacon.yaml",
            done="the running daemon tests its lamps",
            harmless=True,
            one_press=True,
        ),
        OperatorCommand(
            name="maintenance",
            event=Maintenance,
            summary="planned work: no red, amber or sound for a time",
            example="beacon maintenance entra-mfa --for 3h --reason upgrade",
            done="in maintenance",
            undone="maintenance ended",
            fields=("service", "seconds"),
            subject="all, if left out",
            longest=604_800.0,
            switch=True,
            one_press=True,
        ),
        OperatorCommand(
            name="bypass",
            event=Bypass,
            summary="record that MFA is switched off as a mitigation; "
            "reminds when all is well again",
            example="beacon bypass entra-mfa --reason approved-by-the-CISO",
            done="bypass recorded",
            undone="bypass ended",
            fields=("service",),
            subject="all, if left out",
            switch=True,
            one_press=True,
        ),
        OperatorCommand(
            name="shelve",
            event=Shelve,
            summary="put a service aside for a time: no red, amber or sound from it",
            example="beacon shelve sms-codes --for 2h --reason ticket-17",
            done="shelved",
            undone="taken back",
            fields=("service", "seconds"),
            subject="with --off: all, if left out",
            longest=28_800.0,
            instead="for planned work there is maintenance",
            switch=True,
        ),
        OperatorCommand(
            name="attest",
            event=_attest,
            summary="record that something was tested by hand",
            example="beacon attest break-glass-accounts",
            done="attested",
            undone="attestation withdrawn",
            fields=("service",),
            subject="its id; the only one there is",
            subject_word="THING",
        ),
        OperatorCommand(
            name="drill",
            event=Drill,
            summary="rehearse a verdict on the real tower, without an incident",
            example="beacon drill gray_failure --for 10m",
            done="drill begun",
            undone="drill ended",
            fields=("verdict", "seconds"),
            longest=3600.0,
            switch=True,
        ),
        OperatorCommand(
            name="resume",
            event=Resume,
            summary="let a sign-in that the guard stopped be tried once more",
            example="beacon resume entra-mfa/sign-in --reason unlocked",
            done="resumed: it is tried once, and stops again if rejected",
            fields=("service",),
            subject="of a service or an endpoint; all, if left out",
            subject_word="ID",
            over_mqtt=False,
        ),
    )
}

OVER_MQTT: Final = tuple(name for name, command in COMMANDS.items() if command.over_mqtt)
"""The commands that the configuration may allow over MQTT."""
HARMLESS: Final = tuple(name for name, command in COMMANDS.items() if command.harmless)
"""The commands that are allowed over MQTT unless the configuration says otherwise."""
REHEARSED: Final = tuple(verdict.value for verdict in Verdict if verdict is not Verdict.OK)
"""The verdicts of a drill."""


def parse(
    name: str, asked: Mapping[str, object], *, at: float, by: str, origin: str
) -> OperatorEvent | LampTest | Refusal:
    """Read one command. What makes no sense as things stand is for the core to refuse, later.

    `asked` holds `on`, `reason`, `service`, `seconds` and `verdict`; None and a missing one are the
    same. Other keys belong to whoever carries the command.
    """
    command = COMMANDS.get(name)
    if command is None:
        return Refusal("command", f"no command {name!r}; there is: {', '.join(COMMANDS)}")
    given: dict[str, Any] = {key: asked[key] for key in _CHECKS if asked.get(key) is not None}
    for key, value in given.items():
        if problem := _CHECKS[key](command, value):
            return Refusal(key, problem)
    fields: dict[str, Any] = {"at": at, "by": by, "origin": origin}
    fields["reason"] = _one_line(given.get("reason", ""))
    if command.undone:
        fields["on"] = given.get("on", True)
    if "service" in command.fields:
        fields["service"] = given.get("service")
    if "verdict" in given:
        fields["verdict"] = Verdict(given["verdict"])
    if "seconds" in given and fields["on"]:
        if given["seconds"] > command.longest:
            return Refusal("seconds", too_long(command))
        fields["seconds"] = float(given["seconds"])
    return command.event(**fields)


def too_long(command: OperatorCommand) -> str:
    """Refuse a command that would last longer than it may."""
    instead = f"; {command.instead}" if command.instead else ""
    return f"too long: at most {span(command.longest)}{instead}"


def span(seconds: float) -> str:
    """Write a usual or longest time in the largest unit that divides it: 15 min, 8 h, 7 d."""
    unit, size = next((u, s) for u, s in _UNITS if seconds % s == 0)
    return f"{seconds / size:g} {unit}"


def _one_line(words: str) -> str:
    """Leave nothing in it that moves a cursor or looks like a line of its own."""
    return "".join(c if c.isprintable() else " " for c in words).strip()


# --- what a field may hold: a sentence where it may not -----------------------------


def _on(command: OperatorCommand, value: object) -> str:
    if not isinstance(value, bool):
        return "`on` is true or false"
    return "" if value or command.undone else f"{command.name} cannot be undone"


def _reason(_command: OperatorCommand, value: object) -> str:
    fits = isinstance(value, str) and len(value) <= LONGEST_REASON
    return "" if fits else f"`reason` is text of at most {LONGEST_REASON} characters"


def _service(command: OperatorCommand, value: object) -> str:
    if "service" not in command.fields:
        return f"{command.name} concerns the whole tower: leave `service` out"
    fits = isinstance(value, str) and value
    return "" if fits else "`service` is the id of one, or left out for all"


def _seconds(command: OperatorCommand, value: object) -> str:
    if "seconds" not in command.fields:
        return f"{command.name} takes no time: leave it out"
    number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    return "" if number else "`seconds` is a number greater than 0"


def _verdict(command: OperatorCommand, value: object) -> str:
    if "verdict" not in command.fields:
        return f"{command.name} takes no verdict: leave it out"
    return "" if value in tuple(Verdict) else f"`verdict` is one of {', '.join(Verdict)}"


_CHECKS: Final[Mapping[str, Callable[[OperatorCommand, object], str]]] = {
    "on": _on,
    "reason": _reason,
    "service": _service,
    "seconds": _seconds,
    "verdict": _verdict,
}
