"""`twilio_verify`: how many of the codes that Twilio Verify sent were typed in by their users."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Literal
from urllib.parse import urlencode

import msgspec

from beacon.config.fields import Duration, Secret, Url
from beacon.core.model import Evidence, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.net.http.auth import Basic, unencrypted
from beacon.net.http.client import Request
from beacon.net.http.conditional_client import ConditionalClient
from beacon.net.http.expectations import parse_json_as
from beacon.net.http.route import Reach
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.base import USERS, Abilities, SettingFlaw
from beacon.probing.sign_in_stats import Span, Tally, Users, granted

_SUMMARY: Final = "/v2/Attempts/Summary"


class AttemptSummary(msgspec.Struct):
    """All attempts of a span, and those whose code was typed in. Its own rate is not used."""

    total_attempts: int | None = None
    total_converted: int | None = None


@dataclass(frozen=True, kw_only=True)
class TwilioVerify(Users, Reach):
    """The share of verification attempts that were converted.

    `username` is the account SID or an API key's, `password` its token or secret. `service` and
    `channel` narrow what is counted.
    """

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.SYMPTOM,
        timing=USERS,
        second_hand=True,
        clock_bound=True,  # by our clock it says of which time it asks
        looks_back=1800,
    )

    username: str
    password: Secret
    service: str | None = None
    channel: Literal["sms", "call", "email", "whatsapp", "rbm"] | None = None
    url: Url = Url("https://verify.twilio.com")  # noqa: RUF009 - it is a text
    lag: Duration = Duration(600)  # noqa: RUF009 - it is a number

    @property
    def counted(self) -> str:
        """What is counted, in the plural."""
        return "codes sent"

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        yield from super().conflicts()
        for flaw in unencrypted("url", self.url):
            yield SettingFlaw(*flaw)

    def tally(self, run: Run, span: Span) -> Tally:
        """Count what happened in a span of time. Raises `ProbeFailure`."""
        since, until = span.texts
        asked = {
            "DateCreatedAfter": since,
            "DateCreatedBefore": until,
            "VerifyServiceSid": self.service,
            "Channel": self.channel,
        }
        query = urlencode({name: value for name, value in asked.items() if value})
        proof = Basic(username=self.username, password=self.password).authorization()
        url = f"{self.url.rstrip('/')}{_SUMMARY}?{query}"
        request = Request(url=url, headers={"Authorization": proof, "Accept": "application/json"})
        limits = ("twilio", self.url, self.username)
        client = run.memory.of(ConditionalClient)
        answer = client.ask(run, request, limits, self.route, follow=False)
        body = granted(answer, "Twilio", "`username` and `password`").body
        try:
            summary = parse_json_as(body, AttemptSummary)
        except msgspec.ValidationError as error:
            raise ProbeFailure(Reason.SOURCE_DEAD, f"not a summary: {quoted(error)}") from None
        total, good = summary.total_attempts, summary.total_converted
        if total is None or good is None or not 0 <= good <= total:
            raise ProbeFailure(Reason.SOURCE_DEAD, "a summary without its numbers")
        return Tally(good, total - good)


PROBE = TwilioVerify
