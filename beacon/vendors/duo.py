"""Duo's Auth API: calls signed by its version 5, and what the envelope of an answer says.

Signed as Duo's own client for Python signs (duo_client 5): its signatures are the vectors of
the tests. Foreign words are quoted without what is hidden and without what may be a code.
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

_LOOK_AT: Final = {
    40102: "`integration_key`, and at the type of its application",
    40103: "`secret_key`",
}
_HARMLESS: Final = frozenset({"result", "status", "devices.type", "devices.capabilities"})
_HOST: Final = TextPattern(r"[A-Za-z0-9.-]+")
_KEY: Final = TextPattern(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class DuoCall:
    """What is asked. `params` go into the address of a GET, and as JSON into a POST."""

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
        """The body of a POST: to the byte what is signed."""
        if self.method != "POST":
            return b""
        return json.dumps(self.params, sort_keys=True, separators=(",", ":")).encode()


PING: Final = DuoCall(path="/auth/v2/ping")
CHECK: Final = DuoCall(path="/auth/v2/check")


def signature(call: DuoCall, host: str, date: str, secret_key: str) -> str:
    """What proves a call, in hexadecimal digits. `date` is as in the header `Date`."""
    lines = (
        date,
        call.method,
        host.lower(),
        call.path,
        call.query,
        hashlib.sha512(call.body).hexdigest(),
        hashlib.sha512(b"").hexdigest(),  # of headers X-Duo-…, and we send none
    )
    return hmac.new(secret_key.encode(), "\n".join(lines).encode(), "sha512").hexdigest()


@dataclass(frozen=True, kw_only=True)
class DuoApplication(Reach):
    """An application (Auth API, or Admin API): where its deployment is, and who we are to it."""

    host: Annotated[Text, msgspec.Meta(description="the API hostname: api-XXXXXXXX.…")]
    port: Port = 443
    integration_key: Text
    secret_key: Secret

    def flaws(self) -> Iterator[Flaw]:
        """What is wrong with these settings."""
        if not _HOST.fullmatch(self.host):
            yield ("host",), "not the name of a host", "the API hostname alone, without https://"
        if not _KEY.fullmatch(self.integration_key):
            yield ("integration_key",), "not an integration key", "letters and digits"
        yield from self.reach_flaws()

    def clock_offset(self, run: Run, spent: Steps) -> float:
        """Seconds our clock is behind Duo's, by the unsigned ping. Raises `ProbeFailure`."""
        said = self._ask(run, PING, {}, _Ping, spent)
        # Cut to whole seconds: half of one is its middle.
        offset = said.time + 0.5 - run.clock.utc().timestamp()
        run.clock_seen = ClockSeen(offset, self.host)
        run.note(f"by its time, our clock is off by {-offset:+.1f} s")
        return offset

    def ask(self, run: Run, call: DuoCall, form: type[T], spent: Steps) -> T:
        """Sign and send a call; what was answered, in its form. Raises `ProbeFailure`."""
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
            run.silence = Reason.OWN_CLOCK  # whatever comes of the ping, this much is known
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
            return told_as(form, opened(run, answer))
        except ProbeFailure as trouble:
            detail = f"{call.name}: {trouble.reading.detail}"
            raise type(trouble)(trouble.reading.reason, detail) from None
        finally:
            spent.append((call.name, run.elapsed() - began))


class NotUnderstood(ProbeFailure):
    """An answer that came, and is not what Duo answers: what was asked may have been done."""


class _Ping(msgspec.Struct):
    time: Annotated[int, msgspec.Meta(ge=0, le=2**40)]


class _Envelope(msgspec.Struct):
    stat: str
    response: dict[str, Any] = {}
    code: int | None = None
    message: str | None = None
    message_detail: str | None = None


def opened(run: Run, answer: Answer) -> Mapping[str, Any]:
    """What is in the envelope of an answer that says OK. Raises `ProbeFailure` for any other.

    That is `NotUnderstood` where the status says OK and the body cannot be read.
    """
    try:
        envelope = told_as(_Envelope, parse_json(answer.body))
    except ProbeFailure as trouble:
        if answer.status == 200:
            raise NotUnderstood(trouble.reading.reason, trouble.reading.detail) from None
        envelope = _Envelope("")
    if answer.status == 200 and envelope.stat == "OK":
        run.note(outline(envelope.response, _HARMLESS))
        return envelope.response
    code = envelope.code or 0
    said = words(f"{envelope.message or ''} {envelope.message_detail or ''}")
    told = f"status {answer.status}" + (f", code {code}" if code else "") + said
    run.note(told)
    raise ProbeFailure(*_refused(answer.status, code, told))


def _refused(status: int, code: int, told: str) -> tuple[Reason, str]:
    """What a code comes to: of signatures they are 401…, of our clock one of these."""
    if status == 429 or code // 100 == 429:
        return Reason.RATE_LIMITED, told
    if code == BAD_TIMESTAMP:
        return Reason.OWN_CLOCK, f"Duo refuses our time (code {code})"
    if code // 100 == 401:
        look = f" (look at {_LOOK_AT[code]})" if code in _LOOK_AT else ""
        return Reason.OWN_CREDENTIALS, told + look
    if status == 200:
        return Reason.PROTOCOL_ERROR, f"{told}, and it does not say OK"
    return Reason.HTTP_STATUS, told


def words(said: str) -> str:
    """Foreign words as the end of a detail; nothing where none."""
    found = quoted(said)
    return f": {found}" if found else ""


def told_as(form: type[T], said: object) -> T:
    """What was said, in its form. Raises `ProbeFailure` for anything of another form."""
    try:
        return msgspec.convert(said, form)
    except msgspec.ValidationError as error:
        detail = f"not what Duo answers: {quoted(error)}"
        raise NotUnderstood(Reason.PROTOCOL_ERROR, detail) from None
