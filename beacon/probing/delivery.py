"""What kinds share that have a code sent, and check whether it arrives in time."""

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
from beacon.net.http.route import Reach
from beacon.net.mail.mail_server import silence_means
from beacon.net.mailbox import Message, Watch
from beacon.net.origin import Origin
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.daily_quota import spend
from beacon.otp.used_codes import Token
from beacon.probing.base import Kind, SettingFlaw
from beacon.probing.code_requests import CodeRequest, OpenRequests, Owner, UnansweredRequests
from beacon.probing.dialogue import Dialogue, DialogueSettings
from beacon.probing.sign_in_step import Step

LIFETIME: Final = 120.0
"""Seconds a code is good if `code_lifetime` is left out: privacyIDEA's default."""

WARN_AFTER: Final = 30.0
"""Seconds after which people wonder where their text message is."""

MARGIN: Final = 1.0
"""Seconds before the run's end at which it stops waiting for a code, to make its reading."""

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
    def warn_after(self) -> float:
        """Seconds above which an arrival is a warning."""

    @property
    def clock_bound(self) -> bool:
        """Whether certificates are verified, codes made or ages judged by our clock."""
        return super().clock_bound or self.flow.clock_bound or self.every is not None

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
        if self.warn_after > self.lifetime:
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

    def knock(self, run: Run) -> bool:
        """As its steps do."""
        return bool(self.steps) and self.flow.knock(run)

    @property
    def tokens(self) -> Iterator[Token]:
        """What makes the codes of its steps."""
        return self.flow.tokens

    def weigh(self, run: Run, reading: Reading) -> Reading:
        """The reading, corrected where the mailbox could not receive."""
        return run.memory.of(Reception).weigh(run, reading, self.BLIND, self.every)

    def trigger(self, run: Run, talk: Dialogue) -> float:
        """Have a code sent; when its last step began. Raises `ProbeFailure` where none is sent."""
        began = run.clock.monotonic()
        for step in self.steps:
            began = run.clock.monotonic()
            found = talk.take(step)
            if found.outcome not in (Outcome.PASS, Outcome.WARN):
                raise ProbeFailure(found.reason, found.detail)
        return began

    def open_request(
        self,
        run: Run,
        earlier_came: str = "",
        next_numbers: Mapping[tuple[bytes, int], int] | None = None,
    ) -> OpenRequests:
        """The request this run is about to make, beside the earlier ones whose code may come."""
        now = run.clock.monotonic()
        request = CodeRequest(now, run.clock.utc().timestamp(), next_numbers or {})
        unanswered = run.memory.of(UnansweredRequests)
        return OpenRequests(unanswered, request, unanswered.recent(now), earlier_came)

    def answer(
        self,
        run: Run,
        talk: Dialogue,
        watch: Watch,
        requests: OpenRequests,
        codes: Iterator["ArrivedCode"],
    ) -> Reading | None:
        """The reading of the code that answers this run's request; None: none does."""
        triggered = run.clock.monotonic()
        for code in codes:
            arrived = run.clock.monotonic()
            owner = self._owner(run, watch, requests, code)
            if owner is Owner.EARLIER:
                continue
            reading = code.reading(arrived - requests.began)
            moments = [("trigger", triggered), ("arrival", arrived)]
            if self.after and code.text is not None:
                with silence_means(run, None):
                    reading = self.verified(talk, code.text, reading)
                moments.append(("verify", run.clock.monotonic()))
                if owner is Owner.UNSURE and reading.reason is Reason.CODE_WRONG:
                    run.note(f"{reading.detail}: it may be the code of an earlier run")
                    requests.drop_oldest()
                    continue
            requests.answered()
            note_moments(run, moments, requests.began)
            return replace(reading, latency=arrived - requests.began)
        return None

    def _owner(self, run: Run, watch: Watch, requests: OpenRequests, code: "ArrivedCode") -> Owner:
        """Whose code it is. It is removed from the mailbox, unless it may be somebody else's.

        Only a server to which it is sent back can tell whose an unsure one is. Without one it
        counts for the earlier request.
        """
        now, sent = run.clock.monotonic(), code.message.sent
        owner = requests.owner(run, sent, code.dated) if code.ownable else Owner.OURS
        if owner is Owner.EARLIER and not requests.match_earlier(now, sent):
            return owner  # it may be somebody else's
        watch.remove(run, code.message)
        if owner is Owner.UNSURE and not self.after:
            requests.match_unsure(now)
            return Owner.EARLIER
        return owner

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
    """A message that may answer a request, with its code (None: it has none to send back).

    `reading` makes its reading from the seconds until it arrived. `dated`: it has a date of its
    own. Without `ownable` it is ours for certain.
    """

    message: Message
    text: str | None
    reading: Callable[[float], Reading]
    dated: bool = False
    ownable: bool = True


@dataclass
class Reception:
    """Since when the mailbox can receive again (`back`); None: it always could.

    After a time in which it could not receive, a missing code is not lost: it is on its way, or
    was sent meanwhile. So none counts as missing before `every` has passed once more.
    """

    blind: bool = False
    back: float | None = None

    def weigh(
        self, run: Run, found: Reading, reason: Reason | None, every: float | None
    ) -> Reading:
        """The reading, corrected where the mailbox could not receive."""
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
    def warn_after(self) -> float:
        """Seconds above which an arrival is a warning."""
        return float(self.late_after or min(WARN_AFTER, self.lifetime))

    def trigger(self, run: Run, talk: Dialogue) -> float:
        """Count the message, then have it sent."""
        spend(run, self.messages_per_day)
        return super().trigger(run, talk)

    def until(self, run: Run, began: float) -> float:
        """Until when to wait for a code that was requested at `began`."""
        return min(began + self.lifetime, run.deadline - MARGIN)

    def arrived(self, latency: float) -> Reading:
        """The reading of a code that arrived after so many seconds."""
        words = f"arrived after {latency:.1f} s"
        if latency > self.lifetime:
            text = f"{words}, its code is good for {self.lifetime:g} s"
            return Reading(Reason.CODE_NOT_ARRIVED, text)
        if latency > self.warn_after:
            return Reading(Reason.CODE_LATE, f"{words} of {self.lifetime:g} s")
        return Reading(Reason.OK, words)


def note_moments(run: Run, moments: Collection[tuple[str, float]], began: float) -> None:
    """Note the seconds between moments as the steps of the run: (name, its end) each."""
    before = began
    for name, end in moments:
        run.steps.append((name, max(0.0, end - before)))
        before = max(before, end)
