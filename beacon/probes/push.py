"""`push`: readings that others deliver, by HTTP or MQTT; nothing is asked here.

What comes is foreign: it is understood whole or refused, and of its text one line is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from beacon.config.fields import Count, Duration, Secret
from beacon.core.model import DETAIL_LIMIT, Evidence, Outcome, Reading, Reason
from beacon.engine.pushed.receiver import PushDenied, Pushed, PushRefusal, Way
from beacon.engine.pushed.samples import Share
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.probing.base import Abilities, Kind, SettingFlaw, Timing
from beacon.probing.webhooks import alertmanager, decoded, sendgrid, ses

LARGEST: Final = 65536
"""Bytes of one push."""
ERRORS: Final = frozenset(
    {Reason.OWN_CREDENTIALS, Reason.OWN_MODEM, Reason.SOURCE_DEAD, Reason.RATE_LIMITED}
)
"""What others may say of themselves; the other errors are our own word about ourselves."""

_TIMEOUT: Final = 30.0
_SHORTEST_TOKEN: Final = 16
_SHORTEST_HEARTBEAT: Final = Duration(60)
_OLDEST: Final = Duration(3600)
_SHORTEST_WINDOW: Final = Duration(10)
_LONGEST_WINDOW: Final = Duration(21600)
_IN_GENERAL: Final = MappingProxyType(
    {
        Outcome.PASS: Reason.OK,
        Outcome.WARN: Reason.PREFERENCE_UNMET,
        Outcome.FAIL: Reason.EXPECTATION_FAILED,
        Outcome.ERROR: Reason.SOURCE_DEAD,
    }
)
"""The reasons of those who tell none."""


class PushBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A push in our own words."""

    outcome: Outcome | None = None
    reason: Reason | None = None
    detail: str = ""
    latency_ms: Annotated[float, msgspec.Meta(ge=0, le=86_400_000)] | None = None
    at: (
        Annotated[datetime, msgspec.Meta(tz=True)]
        | Annotated[float, msgspec.Meta(ge=0, le=4_102_444_800)]
        | None
    ) = None
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None


def beacon(body: bytes) -> Pushed:
    """Read a push in our own words. Raises `PushDenied`."""
    pushed = decoded(body, PushBody)
    reason = _reason(pushed)
    at = pushed.at.timestamp() if isinstance(pushed.at, datetime) else pushed.at
    latency = None if pushed.latency_ms is None else pushed.latency_ms / 1000
    return Pushed(Reading(reason, quoted(pushed.detail, DETAIL_LIMIT), latency), at, pushed.id)


def _reason(pushed: PushBody) -> Reason:
    if pushed.reason is None and pushed.outcome is None:
        raise PushDenied(PushRefusal.MALFORMED, "it says neither `reason` nor `outcome`")
    reason = pushed.reason or _IN_GENERAL[pushed.outcome or Outcome.ERROR]
    outcome = reason.outcome
    if pushed.outcome not in (None, outcome):
        raise PushDenied(PushRefusal.MALFORMED, f"{reason} is a {outcome}, not a {pushed.outcome}")
    if outcome is Outcome.ERROR and reason not in ERRORS:
        allowed = ", ".join(sorted(ERRORS))
        raise PushDenied(
            PushRefusal.MALFORMED, f"{reason} is our own word; of errors send {allowed}"
        )
    return reason


_FORMATS: Final = MappingProxyType(
    {"beacon": beacon, "alertmanager": alertmanager, "sendgrid": sendgrid, "ses": ses}
)
_OF_MAILS: Final = frozenset({"sendgrid", "ses"})


@dataclass(frozen=True, kw_only=True)
class Push(Kind):
    """What is pushed to one endpoint. `token` lets it come by HTTP, `mqtt` by its topic."""

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.HEALTH,
        timing=Timing(
            interval=300,
            timeout=_TIMEOUT,
            failure_threshold=1,
            retry_interval=None,
            success_threshold=1,
        ),
        pushed=True,
        needs={"token": "web", "mqtt": "mqtt"},
    )

    token: Annotated[Secret | None, msgspec.Meta(description="lets it come by HTTP")] = None
    mqtt: Annotated[bool, msgspec.Meta(description="lets it come by MQTT")] = False
    format: Annotated[
        Literal["beacon", "alertmanager", "sendgrid", "ses"],
        msgspec.Meta(description="whose words it is in"),
    ] = "beacon"
    heartbeat: Annotated[
        Duration | None, msgspec.Meta(description="silence for so long is a fail; left out: none")
    ] = None
    max_age: Annotated[
        Duration, msgspec.Meta(description="how far a push may be from our clock")
    ] = field(default=Duration(300))
    window: Annotated[
        Duration, msgspec.Meta(description="mails of how long are judged together")
    ] = field(default=Duration(900))
    minimum: Annotated[
        Count, msgspec.Meta(description="fewer mails in the window are not judged")
    ] = 5
    min_ratio: Annotated[
        float, msgspec.Meta(gt=0, le=1, description="the share of mails that must arrive")
    ] = 0.5

    @property
    def timing(self) -> Timing:
        """The times that go with the heartbeat, where there is one."""
        if self.heartbeat is None:
            return super().timing
        interval = float(self.heartbeat)
        return replace(super().timing, interval=interval, timeout=min(_TIMEOUT, interval / 2))

    @property
    def dated(self) -> bool:
        """Whether what comes can say when it was seen; Alertmanager does not."""
        return self.format != "alertmanager"

    @property
    def share(self) -> Share | None:
        """How events of mails become one reading; None where each push is one."""
        if self.format not in _OF_MAILS:
            return None
        return Share(window=self.window, minimum=self.minimum, min_ratio=self.min_ratio)

    @property
    def ways(self) -> tuple[Way, ...]:
        """How it may come."""
        ways = {Way.HTTP: self.token is not None, Way.MQTT: self.mqtt}
        return tuple(way for way, open_ in ways.items() if open_)

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if not self.ways:
            allowed = "a `token:` for HTTP, or `mqtt: true`, or both"
            yield SettingFlaw((), "nobody can push to it", allowed)
        if self.token is not None and len(self.token.reveal()) < _SHORTEST_TOKEN:
            yield SettingFlaw(("token",), "a token that can be guessed", "at least 16 characters")
        if self.token is not None and not self.token.reveal().isascii():
            yield SettingFlaw(("token",), "a token that no header can carry", "ASCII")
        if self.heartbeat is not None and self.heartbeat < _SHORTEST_HEARTBEAT:
            yield SettingFlaw(("heartbeat",), "too often", f"at least {_SHORTEST_HEARTBEAT}")
        if self.max_age > _OLDEST:
            yield SettingFlaw(("max_age",), "too old", f"at most {_OLDEST}")
        if not _SHORTEST_WINDOW <= self.window <= _LONGEST_WINDOW:
            allowed = f"{_SHORTEST_WINDOW} to {_LONGEST_WINDOW}"
            yield SettingFlaw(("window",), f"{self.window} is no time to judge by", allowed)

    def look(self, run: Run) -> Reading:
        """Nothing is asked: only `beacon probe` ever comes here."""
        run.note("its readings are pushed; nothing is asked")
        return Reading(Reason.STALE, "nothing to ask: its readings are pushed by others")

    def read(self, body: bytes) -> Pushed | None:
        """What a body says; None where it says nothing of health. Raises `PushDenied`."""
        if len(body) > LARGEST:
            raise PushDenied(PushRefusal.TOO_LARGE, f"at most {LARGEST} bytes")
        return _FORMATS[self.format](body)


PROBE = Push
