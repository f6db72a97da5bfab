"""Whether a web server answers as it should: status, headers, body, JSON, TLS, certificate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlencode

import msgspec

from beacon.config.certificate import certificate_words
from beacon.config.fields import Secret, Url
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.run import Run
from beacon.net.http.auth import Auth
from beacon.net.http.client import Answer, Request, exchange, prepare
from beacon.net.http.expectations import Expectations, judge
from beacon.net.http.route import Reach
from beacon.net.origin import Origin
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.base import FAST, Abilities, Kind, SettingFlaw

Days = Annotated[int, msgspec.Meta(ge=0, description="days; 0: never warn")]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True, kw_only=True)
class Http(Reach, Kind):
    """Whether a web server answers as it should.

    The values of `headers`, `form` and `json` are kept as secrets. One of `body` (text), `form`
    and `json` may be sent. `certificate_days` before its end a certificate is warned of.
    """

    ABILITIES: ClassVar = Abilities(evidence=Evidence.HEALTH, timing=FAST)

    url: Url
    method: Method = "GET"
    headers: Mapping[str, Secret] = field(default_factory=dict)
    body: Secret | None = None
    form: Mapping[str, Secret] = field(default_factory=dict)
    json: Any = field(default=None, repr=False, metadata={"secret": True})
    expect: Expectations = field(default_factory=Expectations)
    prefer: Expectations | None = None
    auth: Auth | None = None
    follow_redirects: bool = True
    certificate_days: Days = 14
    follow_to: tuple[Origin, ...] = ()

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if sum((self.body is not None, bool(self.form), self.json is not None)) > 1:
            yield SettingFlaw((), "more than one body to send", "one of body, form, json")
        if self.method in ("GET", "HEAD") and self._payload()[0] is not None:
            yield SettingFlaw(
                ("method",), f"{self.method} sends no body", "POST, PUT, PATCH, DELETE"
            )
        try:
            prepare(self._request(self.auth.written if self.auth else ""))
        except ProbeFailure:
            text = "an address or a header that cannot be sent"
            yield SettingFlaw(("url",), text, "printable text, in headers of Latin-1")

    def look(self, run: Run) -> Reading:
        """Ask once, redirects followed, and judge the answer."""
        return self.judge(self._fetch(run))

    def judge(self, answer: Answer) -> Reading:
        """What an answer comes to; no latency yet."""
        reading = judge(answer, self.expect, self.prefer)
        days = answer.certificate_days
        if reading.reason is Reason.OK and days is not None and days < self.certificate_days:
            return Reading(Reason.CERTIFICATE_EXPIRING, certificate_words(days))
        return reading

    def _fetch(self, run: Run) -> Answer:
        route = self.route
        proof = self.auth.authorization(run, route) if self.auth else ""
        answer = exchange(run, self._request(proof), route, follow=self.follow_redirects)
        if self.auth and answer.status == 401:
            self.auth.refused(run)
        return answer

    def _request(self, proof: str) -> Request:
        body, kind = self._payload()
        headers = {"Content-Type": kind} if kind else {}
        headers |= {name: value.reveal() for name, value in self.headers.items()}
        if proof:
            headers["Authorization"] = proof
        return Request(
            url=self.url,
            method=self.method,
            headers=headers,
            body=body,
            follow_to=self.follow_to,
        )

    def _payload(self) -> tuple[bytes | None, str]:
        """The body as sent, and its type."""
        if self.form:
            pairs = {name: value.reveal() for name, value in self.form.items()}
            return urlencode(pairs).encode(), "application/x-www-form-urlencoded"
        if self.json is not None:
            return msgspec.json.encode(self.json), "application/json"
        return (self.body.reveal().encode(), "") if self.body else (None, "")


PROBE = Http
