"""`otp_email`: whether a code that is sent by mail arrives, and in time.

Something makes a server send a message (steps over HTTP, a submission by SMTP), it is awaited in
a mailbox, and its code may be sent back. Or somebody else makes it, and only its age is judged.
Nothing of a message is ever quoted but what the servers on its way said of it.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Annotated, ClassVar, Final
from uuid import uuid4

from msgspec import Meta

from beacon.config.fields import Duration, Regex
from beacon.core.model import Reading, Reason
from beacon.engine.run import Run
from beacon.engine.text_pattern import TextPattern
from beacon.probes import Fault, Timing
from beacon.probes._delivery import CODE, FORGOTTEN_AFTER, Delivery, taken
from beacon.probes._step import Step
from beacon.probes.flow import Talk
from beacon.transport.arrivals import found_in
from beacon.transport.imap import Imap, Mail, MailWatch
from beacon.transport.letter import Bounce, Letter
from beacon.transport.mail_server import silence_means
from beacon.transport.smtp import Smtp
from beacon.transport.trouble import Trouble, timed

LEFTOVERS: Final = 20
"""Messages of earlier runs that are looked for in each folder, in one run."""

NONCE: Final = "nonce"
MARK: Final = "beacon"
OWN_MARK: Final = rf"\b{MARK}[0-9a-f]{{16}}\b"
"""What every nonce of ours looks like."""

_MAILBOX_FULL: Final = TextPattern(r"[45]\.2\.2")
_MEANS: Final = (
    (".7.23", "no PTR record"),
    (".7.25", "no PTR record"),
    (".7.26", "neither SPF nor DKIM passed"),
    (".7.27", "SPF failed"),
    (".7.30", "DKIM failed"),
    (".7.515", "not authenticated as is required"),
)
"""How the great receivers put it that a sender's DNS records are wrong."""


@dataclass(frozen=True, kw_only=True)
class OtpEmail(Delivery):
    """How a code is sent, where it arrives, how it is known, and how long it is good."""

    TIMING: ClassVar[Timing] = Timing(
        interval=300, timeout=150, failure_threshold=2, retry_interval=60
    )
    GIVEN: ClassVar = (NONCE, CODE)

    mailbox: Annotated[Imap, Meta(description="where the code arrives")]
    smtp: Annotated[
        Smtp | None, Meta(description="submit a message, as whoever sends codes does")
    ] = None
    pattern: Annotated[
        Regex | None, Meta(description="what is in the message; its first group is the code")
    ] = None
    verify: Annotated[
        tuple[Step, ...], Meta(description="requests that send {{ code }} back, as of `flow`")
    ] = ()
    bounces: Annotated[
        Imap | None, Meta(description="the sender's mailbox, where refusals are told")
    ] = None
    late_after: Annotated[
        Duration | None, Meta(description="a warning above; left out: half the lifetime")
    ] = None
    # --- settings -------------------------------------------------------------------

    @property
    def after(self) -> tuple[Step, ...]:
        """The steps once a code has arrived."""
        return self.verify

    @property
    def ways(self) -> Mapping[str, bool]:
        """Which of the settings are given by which a code comes to be sent."""
        return {**super().ways, "smtp": self.smtp is not None}

    @property
    def late(self) -> float:
        """Seconds above which an arrival is a warning."""
        return float(self.late_after or self.lifetime / 2)

    @cached_property
    def _marked(self) -> bool:
        """Whether its messages hold a word of ours."""
        return self.smtp is not None or _mention(self.steps, NONCE)

    @property
    def clock_bound(self) -> bool:
        """Whether certificates are verified, codes made or ages judged by our clock."""
        servers = [server for server in (self.mailbox, self.smtp, self.bounces) if server]
        return super().clock_bound or any(server.clock_bound for server in servers)

    def faults(self) -> Iterator[Fault]:
        """What is wrong with the settings taken together."""
        yield from super().faults()
        for name in ("mailbox", "smtp", "bounces"):
            server = getattr(self, name)
            for path, message, allowed in server.flaws() if server else ():
                yield Fault((name, *path), message, allowed)
        yield from self._own_faults()

    def _own_faults(self) -> Iterator[Fault]:
        if self.pattern is None and not self._marked:
            text = "nothing to know the message by"
            yield Fault((), text, "`pattern`, or {{ nonce }} in what the steps send")
        if self.verify and (self.pattern is None or not self.steps):
            yield Fault(("verify",), "no code to send back", "`steps`, and `pattern` to find it by")
        if self.bounces is not None and not self._marked:
            text = "nothing to know a refusal by"
            yield Fault(("bounces",), text, "`smtp`, or {{ nonce }} in what the steps send")

    # --- one run --------------------------------------------------------------------

    def look(self, run: Run) -> Reading:
        """Note what is in the mailbox, make a code be sent, await it, send it back, tidy up."""
        with contextlib.closing(self.mailbox.open(run)) as watch:
            return self._watched(run, watch) if self.every else self._sent(run, watch)

    def _sent(self, run: Run, watch: MailWatch) -> Reading:
        """A code that we make be sent."""
        self._tidy(run, watch)
        nonce = f"{MARK}{uuid4().hex[:16]}"
        talk = Talk(self.flow, run)
        talk.give(NONCE, nonce)
        began = run.clock.monotonic()
        if self.smtp is not None:
            self.smtp.submit(run, nonce)
        else:
            began = self.trigger(run, talk)
        triggered = run.clock.monotonic()
        with silence_means(run, Reason.CODE_NOT_ARRIVED):
            delays: list[str] = []
            mail = self._awaited(run, watch, nonce, began + self.lifetime, delays)
            came = run.clock.monotonic()
            if mail is None:
                return timed(run, self._lost(run, watch, nonce, delays))
        reading = self.judge(mail, came - began)
        moments = [("trigger", triggered), ("arrival", came)]
        code = found_in(self.pattern, mail.text) if self.pattern else None
        if self.verify and code is not None:
            reading = self.verified(talk, run.hide(code), reading)
            moments.append(("verify", run.clock.monotonic()))
        watch.remove(run, mail)
        return replace(taken(run, reading, moments, began), latency=came - began)

    def _awaited(
        self, run: Run, watch: MailWatch, nonce: str, until: float, delays: list[str]
    ) -> Mail | None:
        """The message, or none until then; what is told of its delay.

        Raises `Trouble` where a refusal comes in its place.
        """
        while (mail := watch.wait(run, until)) is not None:
            if not self._is_it(mail.letter, nonce):
                run.note("a message of others")
                continue
            _note_way(run, mail.letter)
            if mail.letter.bounce is None:
                return mail
            watch.remove(run, mail)
            delays.append(_heard(mail.letter.bounce))
        return None

    def _is_it(self, letter: Letter, nonce: str) -> bool:
        """Whether this is the message, or tells what became of it."""
        if self._marked and not letter.holds(nonce):
            return False
        if letter.bounce is not None:
            return self._marked
        return self.pattern is None or found_in(self.pattern, letter.text) is not None

    def _lost(self, run: Run, watch: MailWatch, nonce: str, delays: list[str]) -> Reading:
        """What it means that nothing came. Raises `Trouble` where that is known."""
        if watch.full(run):
            return Reading(Reason.SOURCE_DEAD, "our own mailbox is full")
        if self.bounces is not None:
            self._look_for_bounces(run, self.bounces, nonce, delays)
        words = [f"not arrived within {self.lifetime:g} s", *delays]
        return Reading(Reason.CODE_NOT_ARRIVED, "; ".join(words))

    def _look_for_bounces(self, run: Run, mailbox: Imap, nonce: str, delays: list[str]) -> None:
        try:
            watch = mailbox.open(run)
        except Trouble as trouble:  # that nothing came is known all the same
            run.note(f"bounces: {trouble.reading.detail}")
            return
        with contextlib.closing(watch):
            for mail in watch.earlier(run, LEFTOVERS):
                if mail.letter.bounce is not None and mail.letter.holds(nonce):
                    watch.remove(run, mail)
                    delays.append(_heard(mail.letter.bounce))

    def judge(self, mail: Mail, latency: float) -> Reading:
        """What a message that arrived after so many seconds comes to."""
        found = mail.letter.authentication
        flawed = [f"{name}={result}" for name, result in found.items() if result != "pass"]
        words = [f"arrived after {latency:.1f} s"]
        if mail.junk:
            told = [f"{name}={result}" for name, result in found.items()]
            return Reading(Reason.CODE_IN_JUNK, "; ".join(["in junk", *words, *told]))
        if latency > self.late:
            words += [f"of {self.lifetime:g} s", *_slowest(mail.letter)]
            return Reading(Reason.CODE_LATE, "; ".join([" ".join(words[:2]), *words[2:], *flawed]))
        return Reading(Reason.OK, "; ".join(words + flawed))

    def _watched(self, run: Run, watch: MailWatch) -> Reading:
        """A code that somebody else makes be sent: how old the last one is, and how late it was."""
        assert self.every is not None, "asked for"
        there = [mail for mail in watch.earlier(run, LEFTOVERS) if self._is_it(mail.letter, "")]
        there.sort(key=lambda mail: mail.arrived)
        for mail in there[:-1]:
            watch.remove(run, mail)
        if not there:
            return timed(run, Reading(Reason.CODE_NOT_ARRIVED, "no message with a code is there"))
        mail = there[-1]
        age = run.clock.utc().timestamp() - mail.arrived
        if age > self.every:
            text = f"the last one came {age:.0f} s ago"
            return timed(run, Reading(Reason.CODE_NOT_ARRIVED, text))
        _note_way(run, mail.letter)
        first = mail.letter.hops[0].at if mail.letter.hops else mail.arrived
        latency = max(0.0, mail.arrived - first)
        return replace(timed(run, self.judge(mail, latency)), latency=latency)

    def _tidy(self, run: Run, watch: MailWatch) -> None:
        """Delete what earlier runs waited for in vain; what may be another's is left."""
        now = run.clock.utc().timestamp()
        for mail in watch.earlier(run, LEFTOVERS):
            old = 0.0 < mail.arrived < now - FORGOTTEN_AFTER
            if old and self._is_it(mail.letter, OWN_MARK):
                run.note("a leftover")
                watch.remove(run, mail)


def _heard(bounce: Bounce) -> str:
    """What a server says of a delay. Raises `Trouble` where it says that all is over."""
    by = f" by {bounce.by}" if bounce.by else ""
    means = next((f" ({means})" for code, means in _MEANS if bounce.status.endswith(code)), "")
    if not bounce.final:
        return f"delayed{by}: {bounce.status}{means}"
    if _MAILBOX_FULL.fullmatch(bounce.status):
        raise Trouble(Reason.SOURCE_DEAD, f"our own mailbox is full: {bounce.status}{by}")
    raise Trouble(Reason.DELIVERY_REFUSED, f"refused{by}: {bounce.status}{means}")


def _mention(steps: Collection[Step], name: str) -> bool:
    """Whether a template of these steps has this value in it."""
    return any(name in step.needs() for step in steps)


def _note_way(run: Run, letter: Letter) -> None:
    for before, hop in pairwise(letter.hops):
        run.note(f"mail: {before.by} to {hop.by}: {hop.at - before.at:+.0f} s")
    found = " ".join(f"{name}={result}" for name, result in letter.authentication.items())
    run.note(f"mail: {found or 'nothing said of spf, dkim, dmarc'}")


def _slowest(letter: Letter) -> list[str]:
    """Where it stayed longest, in words; by clocks of others, so a hint."""
    steps = [(hop.at - before.at, hop.by) for before, hop in pairwise(letter.hops)]
    spent, by = max(steps, default=(0.0, ""))
    return [f"{spent:.0f} s on its way to {by}"] if spent > 1 else []


PROBE = OtpEmail
