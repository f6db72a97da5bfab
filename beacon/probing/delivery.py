"""What kinds share that make a code be sent, and look whether it arrives in time."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, ClassVar, Final

from msgspec import Meta

from beacon.config.fields import Duration, Secret
from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import Run
from beacon.net.address import Origin
from beacon.net.http.route import Reach
from beacon.net.mail.mail_server import silence_means
from beacon.net.mailbox import Message, Watch
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.daily_quota import spend
from beacon.probing.base import Kind, SettingFlaw
from beacon.probing.code_requests import CodeRequest, OpenRequests, Owner, UnansweredRequests
from beacon.probing.dialogue import Dialogue, DialogueSettings
from beacon.probing.sign_in_step import Step

LIFETIME: Final = 120.0
"""Seconds a code is good where nothing else is said: privacyIDEA's default."""

LATE: Final = 30.0
"""Seconds after which people wonder where their text message is."""

MARGIN: Final = 1.0
"""Seconds before the run's end at which no code is awaited any more: there is a reading to make."""

CODE: Final = "code"


@dataclass(frozen=True, kw_only=True)
class Delivery(Reach, Kind):
    """How a code comes to be sent, and how long it is good."""

    GIVEN: ClassVar[tuple[str, ...]] = (CODE,)
    """Values that steps may send without having captured them."""
    BLIND: ClassVar[Reason | None] = None
    """What it reads while its own mailbox can receive nothing; None: it has none."""

    steps: Annotated[
        tuple[Step, ...], Meta(description="requests that make a code be sent, as of `flow`")
    ] = ()
    every: Annotated[
        Duration | None, Meta(description="somebody else makes codes be sent, so often at least")
    ] = None
    code_lifetime: Annotated[
        Duration | None, Meta(description="how long a code is good; left out: 2m")
    ] = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    follow_to: Annotated[
        tuple[Origin, ...], Meta(description="other origins that the steps may send secrets to")
    ] = ()

    @property
    def after(self) -> tuple[Step, ...]:
        """The steps once a code has arrived: its setting `verify`."""
        return ()

    @property
    def ways(self) -> Mapping[str, bool]:
        """Which of the settings are given by which a code comes to be sent."""
        return {"steps": bool(self.steps), "every": self.every is not None}

    @property
    def lifetime(self) -> float:
        """Seconds a code is good."""
        return float(self.code_lifetime or LIFETIME)

    @property
    @abstractmethod
    def late(self) -> float:
        """Seconds above which an arrival is a warning."""

    @property
    def clock_bound(self) -> bool:
        """Whether certificates are verified, codes made or ages judged by our clock."""
        return self.flow.clock_bound or self.every is not None

    @cached_property
    def flow(self) -> DialogueSettings:
        """All of its steps."""
        steps = self.steps + self.after
        return DialogueSettings(
            steps=steps,
            secrets=self.secrets,
            variables=self.variables,
            tls=self.tls,
            proxy=self.proxy,
            ip_version=self.ip_version,
            follow_to=self.follow_to,
        )

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        for fault in self.flow.step_faults(given=self.GIVEN):
            yield replace(fault, path=self._path(fault.path))
        if sum(self.ways.values()) != 1:
            text = "not exactly one way a code comes to be sent"
            yield SettingFlaw((), text, f"one of {', '.join(self.ways)}")
        for number, step in enumerate(self.steps):
            if CODE in step.needs():
                yield SettingFlaw(
                    ("steps", number), "no code has arrived by then", "{{ code }} later"
                )
        if self.late > self.lifetime:
            text = f"late only after the code's end ({self.lifetime:g}s)"
            yield SettingFlaw(("late_after",), text, "less than `code_lifetime`")

    def _path(self, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
        section, number, *rest = path
        number = int(number)
        if number < len(self.steps):
            return section, number, *rest
        return "verify", number - len(self.steps), *rest

    def wait(self, utc: float, memory: ProbeMemory) -> float:
        """Seconds until its steps have an unused one-time code."""
        return self.flow.wait(utc, memory)

    def weigh(self, run: Run, reading: Reading) -> Reading:
        """What a reading comes to by what the mailbox could have received."""
        return run.memory.of(Reception).weigh(run, reading, self.BLIND, self.every)

    def trigger(self, run: Run, talk: Dialogue) -> float:
        """When the last request for a code began. Raises `ProbeFailure` where none was sent."""
        began = run.clock.monotonic()
        for step in self.steps:
            began = run.clock.monotonic()
            found = talk.take(step)
            if found.outcome not in (Outcome.PASS, Outcome.WARN):
                raise ProbeFailure(found.reason, found.detail)
        return began

    def asks(self, run: Run, mark: Mapping[tuple[bytes, int], int] | None = None) -> OpenRequests:
        """The request this run is about to make, beside the earlier ones whose code may come."""
        now = run.clock.monotonic()
        request = CodeRequest(now, run.clock.utc().timestamp(), mark or {})
        unanswered = run.memory.of(UnansweredRequests)
        return OpenRequests(unanswered, request, unanswered.recent(now))

    def answer(
        self,
        run: Run,
        talk: Dialogue,
        watch: Watch,
        asked: OpenRequests,
        codes: Iterator["ArrivedCode"],
    ) -> Reading | None:
        """What the code comes to that answers this run's request; None: none did."""
        triggered = run.clock.monotonic()
        for code in codes:
            came = run.clock.monotonic()
            sent = code.message.sent
            owner = asked.owner(run, sent, code.dated) if code.ownable else Owner.OURS
            if owner is Owner.EARLIER and not asked.is_late(came, sent):
                continue  # it may be somebody else's
            watch.remove(run, code.message)
            if owner is Owner.EARLIER:
                continue
            if owner is Owner.UNSURE and not self.after:
                asked.may_be_late(came)
                continue
            reading = code.reading(came - asked.began)
            moments = [("trigger", triggered), ("arrival", came)]
            if self.after and code.text is not None:
                with silence_means(run, None):
                    reading = self.verified(talk, code.text, reading)
                moments.append(("verify", run.clock.monotonic()))
                if owner is Owner.UNSURE and reading.reason is Reason.CODE_WRONG:
                    run.note(f"{reading.detail}: it may be the code of an earlier run")
                    asked.was_late()
                    continue
            asked.answered()
            note_moments(run, moments, asked.began)
            return replace(reading, latency=came - asked.began)
        return None

    def verified(self, talk: Dialogue, code: str, reading: Reading) -> Reading:
        """The reading after the code was sent back."""
        talk.give(CODE, code)
        for step in self.after:
            found = talk.take(step)
            if found.reason is Reason.SIGN_IN_REJECTED:
                return Reading(Reason.CODE_WRONG, found.detail)
            if found.outcome not in (Outcome.PASS, Outcome.WARN):
                return found
            if found.outcome is Outcome.WARN and reading.outcome is Outcome.PASS:
                reading = found
        return reading


@dataclass(frozen=True, slots=True)
class ArrivedCode:
    """A message that may answer a request: its code (None: it has none to send back).

    `reading` is what it comes to after so many seconds, `dated` is whether it has a date of its
    own. Without `ownable` it is ours for certain.
    """

    message: Message
    text: str | None
    reading: Callable[[float], Reading]
    dated: bool = False
    ownable: bool = True


@dataclass
class Reception:
    """Since when the mailbox can receive again, as far as runs saw; None: nothing was amiss.

    After a time in which it could not, codes that are not there were not lost: they are on their
    way, or were sent meanwhile. So they are not missed before `every` has passed once more.
    """

    blind: bool = False
    back: float | None = None

    def weigh(
        self, run: Run, found: Reading, reason: Reason | None, every: float | None
    ) -> Reading:
        """A reading by what the mailbox could have received."""
        if reason is None or every is None:
            return found
        if found.outcome is Outcome.ERROR:
            self.blind = self.blind or found.reason is reason
            return found
        now = run.clock.monotonic()
        self.blind, self.back = False, now if self.blind else self.back
        if found.reason is not Reason.CODE_NOT_ARRIVED:
            self.back = None
        elif self.back is not None and now - self.back < every:
            text = f"it can receive again for {now - self.back:.0f} s, a code comes in {every:g} s"
            return replace(found, reason=reason, detail=text)
        return found


@dataclass(frozen=True, kw_only=True)
class SmsDelivery(Delivery):
    """The same by text message: when one is late, and how many may be sent."""

    late_after: Annotated[Duration | None, Meta(description="a warning above; left out: 30s")] = (
        None
    )
    messages_per_day: Annotated[
        int, Meta(ge=1, le=10_000, description="made be sent at most, by UTC, over restarts too")
    ] = 120

    @property
    def late(self) -> float:
        """Seconds above which an arrival is a warning."""
        return float(self.late_after or min(LATE, self.lifetime))

    def trigger(self, run: Run, talk: Dialogue) -> float:
        """Count the message, then ask for it."""
        spend(run, self.messages_per_day)
        return super().trigger(run, talk)

    def until(self, run: Run, began: float) -> float:
        """Until when a code is awaited that was asked for at `began`."""
        return min(began + self.lifetime, run.deadline - MARGIN)

    def arrived(self, latency: float) -> Reading:
        """What a code that arrived after so many seconds comes to."""
        words = f"arrived after {latency:.1f} s"
        if latency > self.lifetime:
            text = f"{words}, its code is good for {self.lifetime:g} s"
            return Reading(Reason.CODE_NOT_ARRIVED, text)
        if latency > self.late:
            return Reading(Reason.CODE_LATE, f"{words} of {self.lifetime:g} s")
        return Reading(Reason.OK, words)


def note_moments(run: Run, moments: Collection[tuple[str, float]], began: float) -> None:
    """Note the seconds between moments as the steps of the run: (name, its end) each."""
    before = began
    for name, end in moments:
        run.steps.append((name, max(0.0, end - before)))
        before = max(before, end)
