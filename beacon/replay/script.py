"""The grammar of a replay file: what may stand in it, as frozen classes.

`load` reads a file into them. See docs/replay.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import msgspec

from beacon.config.fields import Duration, SettingRefused
from beacon.config.yaml.nodes import Node
from beacon.core.indication import Colour, Pattern
from beacon.core.model import Verdict
from beacon.core.views import IncidentState
from beacon.replay.timeline import relative

LONGEST: Final = 31 * 86400.0
"""Seconds before and after the start that a script may reach."""
YEARS: Final = range(1970, 3000)


class Offset(float):
    """Seconds from the script's start, written with a unit and perhaps a minus: -20m, 1h30m."""

    ALLOWED: ClassVar = "a time from the start: -20m, 0m, 90s, 1h30m"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read one or several durations after one optional sign."""
        found = re.fullmatch(r"([+-]?)((?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)", str(raw).strip())
        if not found:
            raise SettingRefused(f"not a time: {raw!r}", cls.ALLOWED)
        seconds = sum(_seconds(part) for part in re.findall(r"[\d.]+[a-z]+", found[2]))
        return cls(-seconds if found[1] == "-" else seconds)

    def __str__(self) -> str:
        """Return it as +0:04:30."""
        return relative(self)


def _seconds(part: str) -> float:
    return 0.0 if re.match(r"0+(\.0+)?[a-z]", part) else float(Duration.parse(part))


class At(Offset):
    """When something happens: at most `LONGEST` away from the start."""

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read an offset of at most `LONGEST`."""
        found = super().parse(raw)
        if abs(found) > LONGEST:
            raise SettingRefused(f"too far from the start: {raw}", f"at most {LONGEST / 86400:g}d")
        return found


class ScriptMoment(str):
    """A moment in UTC: 2018-11-19T04:39:00Z."""

    __slots__ = ()
    ALLOWED: ClassVar = "a moment in UTC: 2018-11-19T04:39:00Z"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "format": "date-time"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read an ISO 8601 moment that carries its zone."""
        try:
            moment = datetime.fromisoformat(str(raw))
        except ValueError:
            raise SettingRefused(f"not a moment: {raw!r}", cls.ALLOWED) from None
        if moment.year not in YEARS:
            raise SettingRefused(f"not a moment of this age: {raw}", cls.ALLOWED)
        if moment.tzinfo is None:
            raise SettingRefused(f"{raw} has no zone", cls.ALLOWED, f"{raw}Z")
        return cls(moment.astimezone(UTC).isoformat())

    @property
    def utc(self) -> datetime:
        """As a moment."""
        return datetime.fromisoformat(self)


class ClockWord(StrEnum):
    """What this machine reports about its own clock from now on."""

    BEFORE_BUILD = "before_build"  # the date lies before this beacon was built
    PLAUSIBLE = "plausible"  # the date is later than that again
    SYNCHRONISED = "synchronised"  # the kernel says so
    UNSYNCHRONISED = "unsynchronised"


@dataclass(frozen=True, kw_only=True)
class Restart:
    """The beacon is killed and starts again some time later, with what it had saved."""

    after: Duration


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of `events`, with exactly one subject.

    The subject is `endpoint` (what it reads from now on), `operator` (a command), `clock` or
    `clock_set` (our own clock), or `restart` (the beacon is killed).

    `clock_offset`: according to this reading our clock is this much behind (negative: ahead).
    `resolver`: whether our own resolver answered. `clock_set`: our clock is set forward by this
    much. `break_glass`: labels of the accounts that were used at the line's time, as this
    reading reports them. `also`: reasons to fail that are found beside `fail`, each a trouble of
    its own. `control`: what a wrong code comes to from now on (left out: it is refused).
    """

    at: At
    endpoint: str | None = None
    passes: str | None = field(default=None, metadata={"key": "pass"})
    warn: str | None = None
    fail: str | None = None
    error: str | None = None
    silent: bool = False
    control: Literal["refused", "accepted", "unanswered"] | None = None
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0  # of its readings; the others pass
    latency: Duration | None = None
    ttl: Duration | None = None
    detail: str = ""
    also: tuple[str, ...] = ()
    break_glass: tuple[str, ...] = ()
    clock_offset: Offset | None = None
    resolver: bool | None = None
    clock: ClockWord | None = None
    clock_set: Offset | None = None
    restart: Restart | None = None
    operator: str | None = None
    by: str = "operator"
    reason: str = ""
    service: str | None = None
    on: bool = True
    lasting: Duration | None = field(default=None, metadata={"key": "for"})
    verdict: Verdict | None = None
    modelled: bool = False


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One line of `expect`; what is left out is not compared."""

    at: At
    service: str | None = None
    verdict: Verdict | None = None
    lamps: Literal["dark"] | Mapping[Colour, Pattern] = field(default_factory=dict)
    sounds: int | None = None
    incident: IncidentState | None = None
    blind: bool | None = None
    cause: str | None = None
    partial: bool | None = None
    peak: Verdict | None = None
    vendor_lead: Offset | None = None
    says: str | None = None  # a part of the service's explanation


@dataclass(frozen=True, kw_only=True)
class Script:
    """A replay file; the loader reads `config`.

    `boot`: the beacon starts with the first line. Otherwise every endpoint passes for a while
    before it. `modelled`: what is our choice, other than single lines of `events`.
    """

    title: str
    start: ScriptMoment
    config: Node
    summary: str = ""
    source: tuple[str, ...] = ()
    modelled: tuple[str, ...] = ()
    boot: bool = False
    events: tuple[Line, ...] = ()
    expect: tuple[Expectation, ...] = ()
