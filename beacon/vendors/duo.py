"""Duo's Auth API: signed calls (signature version 5), and the envelope of its answers.

The signature equals that of Duo's own client for Python (duo_client 5): the tests compare with it
(docs/adr/0015). Duo's words are quoted without secrets and without anything like a code.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import quote

import msgspec

from beacon.config.fields import Flaw, Port, Secret
from beacon.core.model import ClockSeen, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.engine.text_pattern import TextPattern
from beacon.net.http.client import Answer, Request, exchange
from beacon.net.http.expectations import parse_json
from beacon.net.http.route import Reach
from beacon.net.outline import outline
from beacon.net.probe_failure import ProbeFailure

T = TypeVar("T")
Text = Annotated[str, msgspec.Meta(min_length=1)]
Steps = list[tuple[str, float]]
"""The seconds of each call, by the last part of its path."""

BAD_TIMESTAMP: Final = 40105
"""The code of a request whose `Date` is too far from Duo's time."""

_TO_CHECK: Final = {
    40102: "`integration_key`, and at the type of its application",
    40103: "`secret_key`",
}
_HARMLESS: Final = frozenset({"result", "status", "devices.type", "devices.capabilities"})
_HOST: Final = TextPattern(r"[A-Za-z0-9.-]+")
_KEY: Final = TextPattern(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class DuoCall:
    """One call. `params` go into the address of a GET, and as JSON into a POST."""

    path: str
    method: Literal["GET", "POST"] = "GET"
    params: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def query(self) -> str:
        """The parameters of a GET as they are signed and sent (RFC 3986, in order)."""
        if self.method != "GET":
            return ""
        pairs = sorted((quote(k, safe="~"), quote(v, safe="~")) for k, v in self.params.items())
        return "&".join(f"{key}={value}" for key, value in pairs)

    @property
    def body(self) -> bytes:
        """The body of a POST: exactly the bytes that are signed."""
        if self.method != "POST":
            return b""
        return json.dumps(self.params, sort_keys=True, separators=(",", ":")).encode()


PING: Final = DuoCall(path="/auth/v2/ping")
CHECK: Final = DuoCall(path="/auth/v2/check")


def signature(call: DuoCall, host: str, date: str, secret_key: str) -> str:
    """The signature of a call, in hexadecimal digits. `date` is as in the header `Date`."""
    lines = (
        date,
        call.method,
        host.lower(),
        call.path,
        call.query,
        hashlib.sha512(call.body).hexdigest(),
        hashlib.sha512(b"").hexdigest(),  # of headers X-Duo-…, which we do not send
    )
    return hmac.new(secret_key.encode(), "\n".join(lines).encode(), "sha512").hexdigest()


@dataclass(frozen=True, kw_only=True)
class DuoApplication(Reach):
    """An application (Auth API or Admin API): its host, and our keys."""

    host: Annotated[Text, msgspec.Meta(description="the API hostname: api-XXXXXXXX.…")]
    port: Port = 443
    integration_key: Text
    secret_key: Secret

    def flaws(self) -> Iterator[Flaw]:
        """Report invalid settings."""
        if not _HOST.fullmatch(self.host):
            yield ("host",), "not the name of a host", "only the API hostname, without https://"
        if not _KEY.fullmatch(self.integration_key):
            yield ("integration_key",), "not an integration key", "letters and digits"

    def clock_offset(self, run: Run, spent: Steps) -> float:
        """Seconds our clock is behind Duo's, by the unsigned ping. Raises `ProbeFailure`."""
        answer = self._ask(run, PING, {}, _Ping, spent)
        # Its time is cut to whole seconds: on average it is half a second early.
        offset = answer.time + 0.5 - run.clock.utc().timestamp()
        run.clock_seen = ClockSeen(offset, self.host)
        run.note(f"by its time, our clock is off by {-offset:+.1f} s")
        return offset

    def knock(self, run: Run) -> bool:
        """Ping."""
        self.clock_offset(run, [])
        return True

    def ask(self, run: Run, call: DuoCall, form: type[T], spent: Steps) -> T:
        """Sign and send a call; returns the answer as `form`. Raises `ProbeFailure`."""
        date = format_datetime(run.clock.utc())
        secret_key = self.secret_key.reveal()
        proof = f"{self.integration_key}:{signature(call, self.host, date, secret_key)}"
        proof = run.hide(base64.b64encode(proof.encode()).decode())
        headers = {"Date": date, "Authorization": f"Basic {proof}"}
        try:
            return self._ask(run, call, headers, form, spent)
        except ProbeFailure as trouble:
            if trouble.reading.reason is not Reason.OWN_CLOCK:
                raise
            run.silence = Reason.OWN_CLOCK  # known by now, even if the ping fails
            detail = trouble.reading.detail + self._off_by(run, spent)
            raise ProbeFailure(Reason.OWN_CLOCK, detail) from None

    def _off_by(self, run: Run, spent: Steps) -> str:
        try:
            return f": by its own, our clock is off by {-self.clock_offset(run, spent):+.0f} s"
        except ProbeFailure as trouble:
            return f", and does not tell its own: {trouble.reading.detail}"

    def _ask(
        self, run: Run, call: DuoCall, headers: Mapping[str, str], form: type[T], spent: Steps
    ) -> T:
        began = run.elapsed()
        url = f"https://{self.host}:{self.port}{call.path}" + (call.query and f"?{call.query}")
        kind = {"Content-Type": "application/json"} if call.body else {}
        body = call.body or None
        request = Request(url=url, method=call.method, headers={**headers, **kind}, body=body)
        try:
            answer = exchange(run, request, self.route, follow=False)
            return parse_as(form, unwrap(run, answer))
        except ProbeFailure as trouble:
            detail = f"{call.name}: {trouble.reading.detail}"
            raise ProbeFailure(trouble.reading.reason, detail) from None
        finally:
            spent.append((call.name, run.elapsed() - began))


class _Ping(msgspec.Struct):
    time: Annotated[int, msgspec.Meta(ge=0, le=2**40)]


class _Envelope(msgspec.Struct):
    stat: str
    response: dict[str, Any] = {}
    code: int | None = None
    message: str | None = None
    message_detail: str | None = None


def unwrap(run: Run, answer: Answer) -> Mapping[str, Any]:
    """The content of the envelope of an answer that says OK. Raises `ProbeFailure` for others."""
    try:
        envelope = parse_as(_Envelope, parse_json(answer.body))
    except ProbeFailure as trouble:
        if answer.status == 200:
            raise trouble from None
        envelope = _Envelope("")
    if answer.status == 200 and envelope.stat == "OK":
        run.note(outline(envelope.response, _HARMLESS))
        return envelope.response
    code = envelope.code or 0
    message = words(f"{envelope.message or ''} {envelope.message_detail or ''}")
    detail = f"status {answer.status}" + (f", code {code}" if code else "") + message
    run.note(detail)
    raise ProbeFailure(*_refused(answer.status, code, detail))


def _refused(status: int, code: int, detail: str) -> tuple[Reason, str]:
    """The reason for a code: 401… is about signatures, one of them about our clock."""
    if status == 429 or code // 100 == 429:
        return Reason.RATE_LIMITED, detail
    if code == BAD_TIMESTAMP:
        return Reason.OWN_CLOCK, f"Duo refuses our time (code {code})"
    if code // 100 == 401:
        check = f" (check {_TO_CHECK[code]})" if code in _TO_CHECK else ""
        return Reason.OWN_CREDENTIALS, detail + check
    if status == 200:
        return Reason.PROTOCOL_ERROR, f"{detail}, and it does not say OK"
    return Reason.HTTP_STATUS, detail


def words(text: str) -> str:
    """Foreign text as the end of a detail; empty without any."""
    found = quoted(text)
    return f": {found}" if found else ""


def parse_as(form: type[T], content: object) -> T:
    """Content of an answer as `form`. Raises `ProbeFailure` if it has another form."""
    try:
        return msgspec.convert(content, form)
    except msgspec.ValidationError as error:
        detail = f"not in the form of Duo's answers: {quoted(error)}"
        raise ProbeFailure(Reason.PROTOCOL_ERROR, detail) from None
