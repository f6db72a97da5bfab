"""`otp_sms`: whether a code that is sent by text message arrives at our own modem, and in time.

Steps over HTTP make a server send a message, it is awaited in gammu-smsd's inbox, and its code
may be sent back. Or somebody else makes it be sent, and only its age is judged. Nothing of a
message is ever quoted. A modem without a network is our own trouble, never an outage.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

from msgspec import Meta

from beacon.config.fields import Regex
from beacon.core.model import Reading, Reason
from beacon.engine.run import Run
from beacon.probes import Fault
from beacon.probes._delivery import FORGOTTEN_AFTER, SmsDelivery, taken
from beacon.probes._step import Step
from beacon.probes.flow import Talk
from beacon.transport.arrivals import Message, found_in
from beacon.transport.smsd import Smsd, SmsdWatch
from beacon.transport.trouble import timed


@dataclass(frozen=True, kw_only=True)
class Phone:
    """Where text messages arrive."""

    smsd: Annotated[Smsd, Meta(description="gammu-smsd, on this machine")]


@dataclass
class _Owed:
    """The first request whose code was not seen: when, by the monotonic clock."""

    since: float | None = None

    def recent(self, now: float) -> float | None:
        """When it was, if its code may still come."""
        old = self.since is None or now - self.since >= FORGOTTEN_AFTER
        return None if old else self.since


@dataclass(frozen=True, kw_only=True)
class OtpSms(SmsDelivery):
    """Where the message arrives, how it is known, and how its code is sent back."""

    mailbox: Annotated[Phone, Meta(description="where the code arrives")]
    pattern: Annotated[
        Regex, Meta(description="what is in the message; its first group is the code")
    ]
    verify: Annotated[
        tuple[Step, ...], Meta(description="requests that send {{ code }} back, as of `flow`")
    ] = ()

    @property
    def after(self) -> tuple[Step, ...]:
        """The steps once a code has arrived."""
        return self.verify

    @cached_property
    def _owed(self) -> _Owed:
        return _Owed()

    def faults(self) -> Iterator[Fault]:
        """What is wrong with the settings taken together."""
        yield from super().faults()
        if self.verify and not self.steps:
            yield Fault(("verify",), "nobody to send the code back to", "`steps` that ask for it")
        if self.mailbox.smsd.config is None:
            text = "a modem without a network would be taken for a code that does not arrive"
            yield Fault(("mailbox", "smsd"), text, "`config:`, the file smsd was started with")

    def look(self, run: Run) -> Reading:
        """Watch the inbox from before the first request on. Raises `Trouble`."""
        with contextlib.closing(self.mailbox.smsd.open(run)) as watch:
            return self._last(run, watch) if self.every else self._sent(run, watch)

    # --- a code that we make be sent --------------------------------------------------

    def _sent(self, run: Run, watch: SmsdWatch) -> Reading:
        self._tidy(run, watch)
        earlier = self._owed.recent(run.clock.monotonic())
        talk = Talk(self.flow, run)
        began = self.trigger(run, talk)
        triggered = run.clock.monotonic()
        self._owed.since = began if earlier is None else earlier
        while (code := self._awaited(run, watch, began)) is not None:
            came = run.clock.monotonic()
            found = self.verified(talk, code, self._judged(began, came, earlier))
            if found.reason is Reason.CODE_WRONG and earlier is not None:
                run.note(f"{found.detail}: it may be the code of an earlier run")
                self._owed.since, earlier = began, None
                continue
            self._owed.since = None
            moments = [("trigger", triggered), ("arrival", came)]
            moments += [("verify", run.clock.monotonic())] if self.verify else []
            return replace(taken(run, found, moments, began), latency=came - began)
        waited = run.clock.monotonic() - began
        return timed(run, Reading(Reason.CODE_NOT_ARRIVED, f"not arrived within {waited:.0f} s"))

    def _awaited(self, run: Run, watch: SmsdWatch, began: float) -> str | None:
        """The next code, hidden, its message removed; None: none in time."""
        before, run.silence = run.silence, Reason.CODE_NOT_ARRIVED
        while (message := watch.wait(run, self.until(run, began))) is not None:
            code = found_in(self.pattern, message.text)
            if code:
                run.hide(code)
                watch.remove(run, message)
                break
            run.note("a message of others")
        else:
            code = None
        run.silence = before
        return code

    def _judged(self, began: float, came: float, earlier: float | None) -> Reading:
        """What an arrival comes to; it may be of a request before, whose code is still owed."""
        if earlier is None or self.verify:
            return self.arrived(came - began)
        text = f"arrived {came - began:.0f} s after this request, or {came - earlier:.0f} s after "
        return Reading(Reason.CODE_LATE, text + "one whose code never came")

    def _tidy(self, run: Run, watch: SmsdWatch) -> None:
        """Delete codes that came too late for their runs; a fresh one may be another's."""
        for age, message in self._earlier(run, watch):
            since = self._owed.since
            if since is not None and age < run.clock.monotonic() - since:
                run.note(f"the code of an earlier run came {age:.0f} s ago")
                self._owed.since = None
                watch.remove(run, message)
            elif age > FORGOTTEN_AFTER:
                run.note("a leftover")
                watch.remove(run, message)

    def _earlier(self, run: Run, watch: SmsdWatch) -> list[tuple[float, Message]]:
        """What was there before and holds a code: its age in seconds, the youngest first."""
        found = watch.earlier(run)
        return [(age, message) for age, message in found if found_in(self.pattern, message.text)]

    # --- a code that somebody else makes be sent --------------------------------------

    def _last(self, run: Run, watch: SmsdWatch) -> Reading:
        """How old the last one is; the ones before it go."""
        assert self.every is not None, "asked for"
        there = self._earlier(run, watch)
        for _, message in there[1:]:
            watch.remove(run, message)
        if not there:
            return timed(run, Reading(Reason.CODE_NOT_ARRIVED, "no message with a code is there"))
        age = there[0][0]
        reason = Reason.CODE_NOT_ARRIVED if age > self.every else Reason.OK
        reading = timed(run, Reading(reason, f"the last one came {age:.0f} s ago"))
        return replace(reading, latency=None)  # how long it was on its way is not known


PROBE = OtpSms
