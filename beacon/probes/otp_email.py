"""`otp_email`: whether a code that is sent by mail arrives, and in time.

Steps over HTTP or a submission by SMTP have a server send a message. The run waits for it in a
mailbox, and may send its code back. Or somebody else has it sent, and only its age is judged.
Nothing of a message is ever quoted but what the servers on its way added to it.
"""

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain, islice, pairwise
from string import ascii_lowercase
from typing import Annotated, ClassVar, Final

from msgspec import Meta

from beacon.config.fields import Duration, Regex
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.engine.text_pattern import IGNORE_CASE, TextPattern
from beacon.net.mail.imap import Imap, ImapMessage, MailWatch
from beacon.net.mail.mail_message import Bounce, MailMessage
from beacon.net.mail.mail_server import silence_means
from beacon.net.mail.smtp import Smtp
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.code_mailbox import code_in, counted, unmatched
from beacon.probing.base import Abilities, SettingFlaw, Timing
from beacon.probing.code_requests import FORGOTTEN_AFTER
from beacon.probing.delivery import CODE, MARGIN, ArrivedCode, Delivery
from beacon.probing.dialogue import Dialogue
from beacon.probing.sign_in_step import Step

LEFTOVERS: Final = 20
"""Messages of earlier runs that are looked for in each folder, in one run."""

NONCE: Final = "nonce"
NONCE_PREFIX: Final = "beacon"
OWN_NONCE: Final = rf"\b{NONCE_PREFIX}[0-9a-z]{{16}}\b"
"""What every nonce of ours looks like; those of earlier versions had digits."""

_NONCES: Final = TextPattern(OWN_NONCE, IGNORE_CASE)
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

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.SYMPTOM,
        timing=Timing(interval=300, timeout=150, failure_threshold=2, retry_interval=60),
        sign_in=True,
    )
    GIVEN: ClassVar = (NONCE, CODE)
    BLIND: ClassVar = Reason.SOURCE_DEAD

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
        Imap | None, Meta(description="the sender's mailbox, where refusals arrive")
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
    def warn_after(self) -> float:
        """Seconds above which an arrival is a warning."""
        return float(self.late_after or self.lifetime / 2)

    @cached_property
    def _sends_nonce(self) -> bool:
        """Whether its messages hold a word of ours."""
        return self.smtp is not None or any(NONCE in step.needs() for step in self.steps)

    @property
    def clock_bound(self) -> bool:
        """Whether certificates are verified, codes made or ages judged by our clock."""
        servers = [server for server in (self.mailbox, self.smtp, self.bounces) if server]
        dates = bool(self.steps) and not self._sends_nonce
        return dates or super().clock_bound or any(server.clock_bound for server in servers)

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        yield from super().conflicts()
        if self.pattern is None and not self._sends_nonce:
            text = "nothing to know the message by"
            yield SettingFlaw((), text, "`pattern`, or {{ nonce }} in what the steps send")
        if self.verify and (self.pattern is None or not self.steps):
            yield SettingFlaw(
                ("verify",), "no code to send back", "`steps`, and `pattern` to find it by"
            )
        if self.bounces is not None and not self._sends_nonce:
            text = "nothing to know a refusal by"
            yield SettingFlaw(("bounces",), text, "`smtp`, or {{ nonce }} in what the steps send")

    # --- one run --------------------------------------------------------------------

    def look(self, run: Run) -> Reading:
        """Note what is in the mailbox, have a code sent, wait for it, send it back, tidy up."""
        with contextlib.closing(self.mailbox.open(run)) as watch:
            return self._watched(run, watch) if self.every else self._sent(run, watch)

    def _sent(self, run: Run, watch: MailWatch) -> Reading:
        """Have a code sent, and wait for it."""
        talk, nonce = Dialogue(self.flow, run), new_nonce()
        talk.give(NONCE, nonce)
        requests = self.open_request(run, self._tidy(run, watch), watch.ignore_present(run))
        run.note("IMAP: what comes from now on counts")
        with requests.sending():
            requests.began = run.clock.monotonic()
            if self.smtp is not None:
                self.smtp.submit(run, nonce)
            else:
                requests.began = self.trigger(run, talk)
        with silence_means(run, Reason.CODE_NOT_ARRIVED):
            seen = _Seen()
            until = min(requests.began + self.lifetime, run.deadline - MARGIN)
            codes = self._codes(run, watch, nonce, until, seen)
            found = self.answer(run, talk, watch, requests, codes)
            if found is None:
                seen.waited = max(until - requests.began, 0.0)
                lost = self._lost(run, watch, nonce, seen)
                found = replace(requests.reading_if_lost(lost), latency=run.elapsed())
        return found

    def _codes(
        self, run: Run, watch: MailWatch, nonce: str, until: float, seen: "_Seen"
    ) -> Iterator[ArrivedCode]:
        """The messages that may be ours, until then. What else comes is noted in `seen`.

        Raises `ProbeFailure` where a refusal comes instead.
        """
        while (mail := watch.wait(run, until)) is not None:
            if self._sends_nonce and not mail.parsed.holds(nonce):
                seen.others += 1
                run.note("a message of others")
            elif self._sends_nonce and mail.parsed.bounce is not None:
                _note_way(run, mail.parsed)
                watch.remove(run, mail)
                seen.delays.append(_delay(mail.parsed.bounce))
            elif self._is_it(mail, nonce):
                _note_way(run, mail.parsed)
                code = _code_of(self.pattern, mail) if self.pattern else None
                yield ArrivedCode(
                    message=mail,
                    text=run.hide(code) if code else None,
                    reading=partial(self.judge, mail),
                    dated=mail.parsed.dated is not None,
                    ownable=not self._sends_nonce,
                )
            else:
                seen.unmatched += 1
                run.note("a message in which `pattern` finds nothing")

    def _is_it(self, mail: ImapMessage, nonce: str) -> bool:
        """Whether this is the message, or a notice of what became of it."""
        if self._sends_nonce and not mail.parsed.holds(nonce):
            return False
        if mail.parsed.bounce is not None:
            return self._sends_nonce
        return self.pattern is None or _code_of(self.pattern, mail) is not None

    def _lost(self, run: Run, watch: MailWatch, nonce: str, seen: "_Seen") -> Reading:
        """The reading where nothing came. Raises `ProbeFailure` where the cause is known."""
        if watch.full(run):
            return Reading(Reason.SOURCE_DEAD, "our own mailbox is full")
        if self.bounces is not None:
            self._look_for_bounces(run, self.bounces, nonce, seen)
        words = [f"not arrived within {round(seen.waited, 1):g} s", *seen.words()]
        return Reading(Reason.CODE_NOT_ARRIVED, "; ".join(words))

    def _look_for_bounces(self, run: Run, mailbox: Imap, nonce: str, seen: "_Seen") -> None:
        try:
            watch = mailbox.open(run)
        except ProbeFailure as failure:  # the reading stays: no code came
            run.note(f"bounces: {failure.reading.detail}")
            return
        with contextlib.closing(watch):
            for folder in watch.earlier(run):
                for mail in islice(folder, LEFTOVERS):
                    if mail.parsed.bounce is not None and mail.parsed.holds(nonce):
                        watch.remove(run, mail)
                        seen.delays.append(_delay(mail.parsed.bounce))

    def judge(self, mail: ImapMessage, latency: float) -> Reading:
        """The reading of a message that arrived after so many seconds."""
        results = [f"{name}={result}" for name, result in mail.parsed.authentication.items()]
        flawed = [result for result in results if not result.endswith("=pass")]
        arrived = f"arrived after {latency:.1f} s"
        if mail.junk:
            return Reading(Reason.CODE_IN_JUNK, "; ".join(["in junk", arrived, *results]))
        if latency > self.warn_after:
            words = [f"{arrived} of {self.lifetime:g} s", *_slowest(mail.parsed), *flawed]
            return Reading(Reason.CODE_LATE, "; ".join(words))
        return Reading(Reason.OK, "; ".join([arrived, *flawed]))

    def _watched(self, run: Run, watch: MailWatch) -> Reading:
        """Check the age of the last code that somebody else had sent, and how long it took."""
        assert self.every is not None, "the caller checked it"
        there: list[ImapMessage] = []
        others = 0
        for folder in watch.earlier(run):
            codes, more = self._last_codes(run, folder, self.every)
            there, others = there + codes, others + more
        there.sort(key=lambda mail: mail.arrived)
        for mail in there[:-1]:
            watch.remove(run, mail)
        age = run.clock.utc().timestamp() - there[-1].arrived if there else None
        if age is None or age > self.every:
            text = "no message with a code is there"
            if age is not None:
                text = f"the last one came {age:.0f} s ago"
            return Reading(Reason.CODE_NOT_ARRIVED, "; ".join([text, *unmatched(others)]))
        mail = there[-1]
        _note_way(run, mail.parsed)
        first = mail.parsed.hops[0].at if mail.parsed.hops else mail.arrived
        latency = max(0.0, mail.arrived - first)
        return replace(self.judge(mail, latency), latency=latency)

    def _last_codes(
        self, run: Run, folder: Iterator[ImapMessage], every: float
    ) -> tuple[list[ImapMessage], int]:
        """The last codes in a folder, however many others came after them.

        And the number of others that came in time.
        """
        now = run.clock.utc().timestamp()
        found: list[ImapMessage] = []
        others = 0
        old = 0  # messages in a row that are too old for a code in time
        for number, mail in enumerate(folder, 1):
            too_old = now - mail.arrived > every
            if self._is_it(mail, ""):
                found.append(mail)
            else:
                others += not too_old
            old = old + 1 if too_old else 0
            if number >= LEFTOVERS and (found or old >= LEFTOVERS):
                break
        return found, others

    def _tidy(self, run: Run, watch: MailWatch) -> str:
        """Delete what earlier runs waited for in vain, unless it may be somebody else's.

        When the code of an earlier run came, in words.
        """
        now = run.clock.utc().timestamp()
        requests = self.open_request(run)
        for mail in chain.from_iterable(islice(each, LEFTOVERS) for each in watch.earlier(run)):
            if not self._is_it(mail, OWN_NONCE):
                continue
            if 0.0 < mail.arrived < now - FORGOTTEN_AFTER:
                run.note("a leftover")
                watch.remove(run, mail)
            elif not self._sends_nonce and requests.came_after(mail.key, mail.arrived):
                run.note("the code of an earlier run")
                came = run.clock.monotonic() - (now - mail.arrived)
                requests.match_earlier(came, mail.parsed.sent)
                watch.remove(run, mail)
        return requests.earlier_came


@dataclass
class _Seen:
    """What came instead of the message: temporary refusals, and messages of others."""

    delays: list[str] = field(default_factory=list)
    waited: float = 0.0
    others: int = 0
    unmatched: int = 0

    def words(self) -> list[str]:
        """Why the message was not found, as far as that tells."""
        words = [*self.delays, *unmatched(self.unmatched)]
        if self.others:
            words.append(f"{counted(self.others)} came without this run's nonce")
        return words


def new_nonce() -> str:
    """A word that no other run has. It has no digits, so that no pattern takes it for a code."""
    return NONCE_PREFIX + "".join(secrets.choice(ascii_lowercase) for _ in range(16))


def _code_of(pattern: str, mail: ImapMessage) -> str | None:
    """The code in a message. Our own nonces may be in it, and are no codes."""
    body, head = (_NONCES.sub("…", text) for text in (mail.text, mail.head))
    return code_in(pattern, replace(mail, text=body, head=head))


def _delay(bounce: Bounce) -> str:
    """A delay, in words. Raises `ProbeFailure` where the server has given up."""
    by = f" by {quoted(bounce.by)}" if bounce.by else ""
    means = next((f" ({means})" for code, means in _MEANS if bounce.status.endswith(code)), "")
    if not bounce.final:
        return f"delayed{by}: {bounce.status}{means}"
    if _MAILBOX_FULL.fullmatch(bounce.status):
        raise ProbeFailure(Reason.SOURCE_DEAD, f"our own mailbox is full: {bounce.status}{by}")
    raise ProbeFailure(Reason.DELIVERY_REFUSED, f"refused{by}: {bounce.status}{means}")


def _note_way(run: Run, message: MailMessage) -> None:
    for before, hop in pairwise(message.hops):
        run.note(f"mail: {quoted(before.by)} to {quoted(hop.by)}: {hop.at - before.at:+.0f} s")
    found = " ".join(f"{name}={result}" for name, result in message.authentication.items())
    run.note(f"mail: {found or 'no results of spf, dkim, dmarc'}")


def _slowest(message: MailMessage) -> list[str]:
    """Where it stayed longest, in words. A hint: it is by the clocks of others."""
    steps = [(hop.at - before.at, hop.by) for before, hop in pairwise(message.hops)]
    spent, by = max(steps, default=(0.0, ""))
    return [f"{spent:.0f} s on its way to {quoted(by)}"] if spent > 1 else []


PROBE = OtpEmail
