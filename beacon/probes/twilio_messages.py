"""`twilio_messages`: what became of a text message, by Twilio's own API.

Steps over HTTP make a server send a message through this account, which then appears among its
messages. Both `status` and `error_code` count. "sent" is handed to a carrier,
which is not received. A message's body, which holds the code, is never looked at.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Annotated, ClassVar, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from beacon.config.fields import Secret, Url
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.net.http.auth import Basic, unencrypted
from beacon.net.http.client import Answer, Request, exchange
from beacon.net.http.expectations import parse_json_as
from beacon.net.parsing.dates import mail_date
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.base import Abilities, SettingFlaw, Timing
from beacon.probing.delivery import SmsDelivery, note_moments
from beacon.probing.dialogue import Dialogue

PAUSES: Final = (1.0, 1.0, 2.0, 3.0)
"""Seconds between two questions at first; then the last for ever: 40 questions in 2 minutes."""

LISTED: Final = 20
"""Messages to one number that are looked at, the newest."""

_ARRIVED: Final = frozenset({"delivered", "read", "received"})
_REFUSED: Final = frozenset({"failed", "undelivered", "canceled", "partially_delivered"})
_HANDED_ON: Final = "sent"
_UNDER_WAY: Final = frozenset({"accepted", "scheduled", "queued", "sending", _HANDED_ON})


class TwilioMessage(msgspec.Struct):
    """One message as Twilio tells it; dates are RFC 2822."""

    sid: str
    status: str
    error_code: int | None = None
    error_message: str | None = None
    date_created: str | None = None
    date_updated: str | None = None


class _Page(msgspec.Struct):
    messages: list[TwilioMessage]


@dataclass(frozen=True, kw_only=True)
class TwilioMessages(SmsDelivery):
    """Which account sends, and to whom.

    `username` and `password` are an API key's SID and secret, or (left out) the account's SID
    and its token.
    """

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.SYMPTOM,
        timing=Timing(interval=900, timeout=150, failure_threshold=2, retry_interval=120),
        sign_in=True,
        metered=True,
    )

    account: Annotated[
        str, Meta(pattern=r"^AC[0-9a-zA-Z]+$", description="its SID, which begins with AC")
    ]
    password: Secret
    to: Annotated[
        str, Meta(pattern=r"^\+[1-9][0-9]{4,14}$", description="whom the codes are sent to")
    ]
    username: Annotated[str | None, Meta(description="an API key's SID; left out: the account")] = (
        None
    )
    url: Url = Url("https://api.twilio.com")  # noqa: RUF009 - it is a text

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        yield from super().conflicts()
        for flaw in unencrypted("url", self.url):
            yield SettingFlaw(*flaw)

    def look(self, run: Run) -> Reading:
        """Find the message and follow it. Raises `ProbeFailure`."""
        there = self._messages(run)
        if self.every:
            return self._last(run, there)
        known = {message.sid for message in there}  # what is there does not count
        began = self.trigger(run, Dialogue(self.flow, run))
        triggered = run.clock.monotonic()
        found = self._followed(run, known, began)
        came = run.clock.monotonic()
        moments = [("trigger", triggered), ("arrival", came)]
        note_moments(run, moments, began)
        return replace(found, latency=came - began)

    # --- a code that we make be sent --------------------------------------------------

    def _followed(self, run: Run, known: Collection[str], began: float) -> Reading:
        """Ask until the message has come to an end, or its code has."""
        until = self.until(run, began)
        message, trouble = None, None
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            try:
                message = next(self._new(run, known), message)
                trouble = None
            except ProbeFailure as failure:  # one answer that fails is no lost message
                run.note(failure.reading.detail)
                trouble = failure.reading
            if message is not None:
                run.note(f"message: {_status(message)}")
                found = self.judge(message, run.clock.monotonic() - began)
                if found is not None:
                    return found
            left = until - run.clock.monotonic()
            if left <= 0:
                break
            run.pause(min(pause, left))
        if message is None and trouble is not None:
            return trouble
        return self.given_up(message, run.clock.monotonic() - began)

    def _new(self, run: Run, known: Collection[str]) -> Iterator[TwilioMessage]:
        """What was not there before, the oldest first."""
        return (each for each in reversed(self._messages(run)) if each.sid not in known)

    def judge(self, message: TwilioMessage, latency: float) -> Reading | None:
        """What a message comes to after so many seconds; None: it is under way."""
        if message.error_code is not None or message.status in _REFUSED:
            words = quoted(message.error_message)
            return Reading(Reason.DELIVERY_REFUSED, f"{_status(message)}{words and f': {words}'}")
        if message.status in _ARRIVED:
            return self.arrived(latency)
        if message.status not in _UNDER_WAY:
            return Reading(Reason.PROTOCOL_ERROR, "a message with a status that is not known")
        return None

    def given_up(self, message: TwilioMessage | None, waited: float) -> Reading:
        """What it means that a message has come to no end in so many seconds."""
        if message is None:
            text = f"no message to this number appeared at Twilio within {waited:.0f} s"
            return Reading(Reason.CODE_NOT_ARRIVED, text)
        if message.status == _HANDED_ON:
            text = f"handed to the carrier, receipt not confirmed within {waited:.0f} s"
            return Reading(Reason.CODE_LATE, text)
        text = f"still {quoted(message.status)} at Twilio after {waited:.0f} s"
        return Reading(Reason.CODE_NOT_ARRIVED, text)

    # --- a code that somebody else makes be sent --------------------------------------

    def _last(self, run: Run, there: Collection[TwilioMessage]) -> Reading:
        """The last one that has come to an end, or should have."""
        assert self.every is not None, "asked for"
        run.has_latency = False  # nobody measured it
        now = run.clock.utc().timestamp()
        for message in there:
            created = _moment(message.date_created)
            found = self.judge(message, max(0.0, _moment(message.date_updated) - created))
            if found is None and now - created < self.lifetime:
                continue  # the one before it says more
            run.note(f"message: {_status(message)}")
            if now - created > self.every:
                text = f"the last one was sent {now - created:.0f} s ago"
                found = Reading(Reason.CODE_NOT_ARRIVED, text)
            return found or self.given_up(message, now - created)
        text = "no message to this number is there"
        return Reading(Reason.CODE_NOT_ARRIVED, text)

    # --- the API ------------------------------------------------------------------------

    def _messages(self, run: Run) -> list[TwilioMessage]:
        """Those to this number, the newest first. Raises `ProbeFailure`."""
        who = self.username or self.account
        proof = Basic(username=who, password=self.password).authorization()
        query = urlencode({"To": self.to, "PageSize": LISTED})
        path = f"/2010-04-01/Accounts/{self.account}/Messages.json"
        url = f"{self.url.rstrip('/')}{path}?{query}"
        request = Request(url=url, headers={"Authorization": proof, "Accept": "application/json"})
        answer = exchange(run, request, self.route, follow=False)
        _look_at_status(answer)
        try:
            return parse_json_as(answer.body, _Page).messages[:LISTED]
        except msgspec.ValidationError as error:
            raise ProbeFailure(
                Reason.PROTOCOL_ERROR, f"not a list of messages: {quoted(error)}"
            ) from None


def _look_at_status(answer: Answer) -> None:
    if answer.status in (401, 403):
        text = f"Twilio: status {answer.status}: look at `account`, `username` and `password`"
        raise ProbeFailure(Reason.OWN_CREDENTIALS, text)
    if answer.status == 429:
        raise ProbeFailure(Reason.RATE_LIMITED, "Twilio: too many requests (status 429)")
    if answer.status != 200:
        raise ProbeFailure(Reason.HTTP_STATUS, f"Twilio: status {answer.status}")


def _status(message: TwilioMessage) -> str:
    known = message.status in _ARRIVED | _REFUSED | _UNDER_WAY
    status = message.status if known else "of an unknown status"
    return status if message.error_code is None else f"{status}, but error {message.error_code}"


def _moment(date: str | None) -> float:
    """UTC seconds; 0 where there is none."""
    at = mail_date(date or "")
    return 0.0 if at is None else at.timestamp()


PROBE = TwilioMessages
