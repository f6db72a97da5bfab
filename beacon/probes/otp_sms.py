"""`otp_sms`: whether a code that is sent by text message arrives at our own modem, and in time.

Steps over HTTP have a server send a message. The run waits for it in gammu-smsd's inbox, and may
send its code back. Or somebody else has it sent, and only its age is judged. Nothing of a message
is ever quoted. A modem without a network is our own trouble, never an outage.
"""

import contextlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Annotated, ClassVar, Final

from msgspec import Meta

from beacon.config.fields import Regex
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.run import Run
from beacon.net.mail.mail_server import silence_means
from beacon.net.mailbox import MESSAGES_LIMIT
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.code_mailbox import code_in, unmatched
from beacon.otp.gammu_inbox import SAVES_NOTHING, Progress, Smsd, SmsdWatch
from beacon.probing.base import Abilities, SettingFlaw, Timing
from beacon.probing.code_requests import FORGOTTEN_AFTER
from beacon.probing.delivery import ArrivedCode, Reception, SmsDelivery
from beacon.probing.dialogue import Dialogue
from beacon.probing.sign_in_step import Step

LEFTOVERS: Final = 100
"""Messages that were there before, of which a run looks through so many."""


@dataclass(frozen=True, kw_only=True)
class Phone:
    """Where text messages arrive."""

    smsd: Annotated[Smsd, Meta(description="gammu-smsd, on this machine")]


@dataclass(frozen=True, kw_only=True)
class OtpSms(SmsDelivery):
    """Where the message arrives, how it is known, and how its code is sent back."""

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.SYMPTOM,
        timing=Timing(interval=900, timeout=150, failure_threshold=2, retry_interval=120),
        sign_in=True,
        metered=True,
    )
    BLIND: ClassVar = Reason.OWN_MODEM

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

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        yield from super().conflicts()
        if self.verify and not self.steps:
            yield SettingFlaw(
                ("verify",), "nobody to send the code back to", "`steps` that ask for it"
            )
        if self.mailbox.smsd.config is None:
            text = "a modem without a network would be taken for a code that does not arrive"
            yield SettingFlaw(
                ("mailbox", "smsd"), text, "`config:`, the file smsd was started with"
            )

    def look(self, run: Run) -> Reading:
        """Watch the inbox from before the first request on. Raises `ProbeFailure`."""
        with contextlib.closing(self.mailbox.smsd.open(run)) as watch:
            return self._last(run, watch) if self.every else self._sent(run, watch)

    # --- a code that we make be sent --------------------------------------------------

    def _sent(self, run: Run, watch: SmsdWatch) -> Reading:
        requests = self.open_request(run, self._tidy(run, watch))
        talk = Dialogue(self.flow, run)
        with requests.sending():
            requests.began = self.trigger(run, talk)
        others: list[Hashable] = []
        codes = self._codes(run, watch, requests.began, others)
        with silence_means(run, Reason.CODE_NOT_ARRIVED):
            found = self.answer(run, talk, watch, requests, codes)
        if found is not None:
            return found
        waited = run.clock.monotonic() - requests.began
        words = [f"not arrived within {waited:.0f} s", *unmatched(len(others))]
        lost = Reading(Reason.CODE_NOT_ARRIVED, "; ".join(words))
        return replace(requests.reading_if_lost(lost), latency=run.elapsed())

    def _codes(
        self, run: Run, watch: SmsdWatch, began: float, others: list[Hashable]
    ) -> Iterator[ArrivedCode]:
        """The messages with a code, until its time is up. Those without one go into `others`."""
        while (message := watch.wait(run, self.until(run, began))) is not None:
            code = code_in(self.pattern, message)
            if code:
                yield ArrivedCode(message, run.hide(code), self.arrived)
            else:
                others.append(message.key)
                run.note("a message in which `pattern` finds nothing")

    def _tidy(self, run: Run, watch: SmsdWatch) -> str:
        """Delete codes that came too late for their runs; a fresh one may be somebody else's.

        When the last of them came, in words.
        """
        requests, now = self.open_request(run), run.clock.monotonic()
        for age, message in islice(watch.earlier(run), LEFTOVERS):
            if not code_in(self.pattern, message):
                continue
            if requests.earlier and age < now - requests.earlier[0].at:
                run.note(f"the code of an earlier run came {age:.0f} s ago")
                requests.match_earlier(now - age)
                watch.remove(run, message)
            elif age > FORGOTTEN_AFTER:
                run.note("a leftover")
                watch.remove(run, message)
        return requests.earlier_came

    # --- a code that somebody else makes be sent --------------------------------------

    def _last(self, run: Run, watch: SmsdWatch) -> Reading:
        """Check the age of the last code, and delete the ones before it."""
        assert self.every is not None, "the caller checked it"
        reading = self._aged(*self._last_code(run, watch, self.every), self.every)
        now = watch.progress()
        earlier = run.memory.of(EarlierProgress)
        before, earlier.progress = earlier.progress, now
        if before is not None and now.restarted(before):
            run.memory.of(Reception).blind = True  # nobody knows for how long smsd was away
        if reading.reason is not Reason.OK and before is not None and now.saves_nothing(before):
            raise ProbeFailure(Reason.OWN_MODEM, SAVES_NOTHING)
        run.has_latency = False  # nobody knows how long it was on its way
        return reading

    def _last_code(self, run: Run, watch: SmsdWatch, every: float) -> tuple[float | None, int]:
        """How old the last code is, and how many other messages came in time, before or after."""
        last, age = None, 0.0
        number = others = 0
        for number, (age, message) in enumerate(islice(watch.earlier(run), MESSAGES_LIMIT), 1):
            if code_in(self.pattern, message):
                if last is not None:
                    watch.remove(run, message)
                last = age if last is None else last
            else:
                others += age <= every
            if number >= LEFTOVERS and (last is not None or age > every):
                break
        if last is None and number == MESSAGES_LIMIT and age <= every:
            text = f"more than {MESSAGES_LIMIT} messages without a code came within {every:g} s"
            raise ProbeFailure(Reason.OWN_MODEM, text)
        return last, others

    def _aged(self, age: float | None, others: int, every: float) -> Reading:
        """The reading of a last code that is so old; None: there is none."""
        text = "no message with a code is there"
        if age is not None:
            text = f"the last one came {age:.0f} s ago"
            if age <= every:
                return Reading(Reason.OK, text)
        return Reading(Reason.CODE_NOT_ARRIVED, "; ".join([text, *unmatched(others)]))


@dataclass
class EarlierProgress:
    """What the run before saw of smsd."""

    progress: Progress | None = None


PROBE = OtpSms
