"""`okta_log`: how users of an Okta organisation fare, by its System Log; break-glass sign-ins.

Either the second factor itself, or whether the codes that Okta sent by SMS or voice arrived: for
each message sent there should be one receipt.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlencode

import msgspec
from requests.utils import parse_header_links

from beacon.config.fields import Duration, Secret, Url
from beacon.core.model import Evidence, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.net.http.auth import unencrypted
from beacon.net.http.client import Answer, Request
from beacon.net.http.conditional_client import ConditionalClient
from beacon.net.http.expectations import parse_json_as
from beacon.net.http.route import Reach
from beacon.net.origin import same_origin
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.base import USERS, Abilities, SettingFlaw
from beacon.probing.sign_in_stats import (
    SAMPLE,
    USES,
    LoggedSignIn,
    Span,
    Tally,
    WatchedUsers,
    granted,
)

PAGE: Final = 200
PAGES: Final = 20
"""Pages of one list at most; a page without news is the last one, whatever it says of a next."""
PAGE_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of one page: events are large."""
VALUES: Final = 200_000
"""Values of one page."""
SPARED: Final = 10
"""Requests of the present minute that are left to others; with fewer the sample is smaller."""

_FACTOR: Final = "user.authentication.auth_via_mfa"
_SESSION: Final = "user.session.start"
_GOOD: Final = frozenset({"SUCCESS", "ALLOW"})
_BAD: Final = frozenset({"FAILURE", "DENY"})
_BLOCKED: Final = "DENY"  # by Okta, as fraud: it was never sent
_PASSWORD: Final = "PASSWORD_AS_FACTOR"  # noqa: S105 - the name of a factor
_WHAT: Final = {"mfa": "sign-ins", "sms": "text messages", "voice": "calls"}


class OktaOutcome(msgspec.Struct):
    """How it ended."""

    result: str = ""


class Actor(msgspec.Struct, rename="camel"):
    """Who did it."""

    id: str | None = None
    alternate_id: str | None = None


class Debug(msgspec.Struct, rename="camel"):
    """What is not promised to stay."""

    debug_data: dict[str, Any] | None = None


class OktaEvent(msgspec.Struct, rename="camel"):
    """One event of the System Log."""

    uuid: str
    published: str
    event_type: str
    outcome: OktaOutcome | None = None
    actor: Actor | None = None
    debug_context: Debug | None = None

    @property
    def result(self) -> str:
        """How it ended, in one way to write it."""
        return (self.outcome.result if self.outcome else "").upper()

    @property
    def factor(self) -> object:
        """The factor, where it is logged."""
        return ((self.debug_context and self.debug_context.debug_data) or {}).get("factor")


@dataclass(frozen=True, kw_only=True)
class OktaLog(WatchedUsers, Reach):
    """The share of second factors that go well, or of codes that arrive.

    `token` is an API token; `break_glass` is label → login or id of the user.
    """

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.SYMPTOM,
        timing=USERS,
        second_hand=True,
        clock_bound=True,  # by our clock it says of which time it asks
        looks_back=1800,
    )
    ACCOUNT: ClassVar = "a login, or the id of a user"

    url: Url
    token: Secret
    lag: Duration = Duration(120)  # noqa: RUF009 - it is a number
    count: Literal["mfa", "sms", "voice"] = "mfa"

    @property
    def counted(self) -> str:
        """What is counted, in the plural."""
        return _WHAT[self.count]

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        yield from super().conflicts()
        for flaw in unencrypted("url", self.url):
            yield SettingFlaw(*flaw)

    def tally(self, run: Run, span: Span) -> Tally:
        """Count what happened in a span of time. Raises `ProbeFailure`."""
        if self.count == "mfa":
            found = self._events(run, f'eventType eq "{_FACTOR}"', span, SAMPLE)
            results = [e.result for e in found if e.factor != _PASSWORD]
            return Tally(sum(r in _GOOD for r in results), sum(r in _BAD for r in results))
        start = f"system.{self.count}."
        which = f'eventType sw "{start}send_" or eventType eq "{start}receive_status"'
        found = self._events(run, which, span, SAMPLE)
        sends = [e.result for e in found if e.event_type.startswith(f"{start}send_")]
        sent = len([r for r in sends if r != _BLOCKED])
        receipts = [e.result for e in found if e.event_type == f"{start}receive_status"]
        arrived = min(sent, sum(r in _GOOD for r in receipts))
        return Tally(arrived, sent - arrived)

    def entries(self, run: Run, span: Span, accounts: tuple[str, ...]) -> Iterator[LoggedSignIn]:
        """Every attempt of these accounts to sign in that the log has. Raises `ProbeFailure`."""
        names = (f'actor.id eq "{a}" or actor.alternateId eq "{a}"' for a in accounts)
        which = f'eventType eq "{_SESSION}" and ({" or ".join(names)})'
        for event in self._events(run, which, span, USES):
            actor = event.actor or Actor()
            for account in (actor.id, actor.alternate_id):
                yield LoggedSignIn(event.uuid, account or "", event.published)

    def _events(self, run: Run, which: str, span: Span, most: int) -> list[OktaEvent]:
        """The newest events of a span, each once, page by page, from this host alone."""
        since, until = span.texts
        limit = str(min(PAGE, most))
        asked = {"since": since, "until": until, "filter": which, "limit": limit}
        url: str | None = (
            f"{self.url.rstrip('/')}/api/v1/logs?sortOrder=DESCENDING&{urlencode(asked)}"
        )
        found: dict[str, OktaEvent] = {}
        read: set[str] = set()
        while url is not None and url not in read and len(read) < PAGES and len(found) < most:
            if not same_origin(url, self.url):
                raise ProbeFailure(
                    Reason.SOURCE_DEAD, "the address of the next page is at another host"
                )
            read.add(url)
            answer, before = self._ask(run, url), len(found)
            found |= {event.uuid: event for event in _page(answer)}
            url = _next(answer.headers) if len(found) > before else None
        return list(found.values())[:most]

    def _ask(self, run: Run, url: str) -> Answer:
        proof = f"SSWS {self.token.reveal()}"
        headers = {"Authorization": proof, "Accept": "application/json"}
        request = Request(url=url, headers=headers, limit=PAGE_LIMIT)
        limits = ("okta", self.url, self.token)
        client = run.memory.of(ConditionalClient)
        answer = client.ask(run, request, limits, self.route, follow=False)
        return granted(answer, "Okta", "`token`, and at the rights of its owner")


def _page(answer: Answer) -> list[OktaEvent]:
    try:
        return parse_json_as(answer.body, list[OktaEvent], VALUES)
    except msgspec.ValidationError as error:
        raise ProbeFailure(
            Reason.SOURCE_DEAD, f"not a page of the System Log: {quoted(error)}"
        ) from None


def _next(headers: Mapping[str, str]) -> str | None:
    """The address of the next page; None at the end, or where others need what is left to ask."""
    left = headers.get("x-rate-limit-remaining", "")
    if left.isdecimal() and int(left[:9]) < SPARED:
        return None
    links = parse_header_links(headers.get("link", "")[:8192])
    return next((link.get("url") for link in links if link.get("rel") == "next"), None)


PROBE = OktaLog
