"""`authelia`: whether somebody can sign in at an Authelia portal with password and TOTP.

As its own pages do it: first factor, second factor, a look at what that came to, log out.
Its health page looks at nothing; this is the proof.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec

from beacon.config.fields import Secret, Url
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.net.http.client import Request, exchange, fresh_jar
from beacon.net.http.expectations import parse_json
from beacon.net.http.route import Reach
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.code_setting import OneTimeCode
from beacon.probing.base import SIGN_IN, SettingFlaw, Timing
from beacon.probing.steps import Steps

_LEVEL: Final = 2
"""The authentication level of somebody who has shown both factors."""
_JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass(frozen=True, kw_only=True)
class Authelia(Reach):
    """A sign-in at the portal whose address people open: its cookie is for no other."""

    EVIDENCE: ClassVar = Evidence.SYMPTOM
    TIMING: ClassVar[Timing] = SIGN_IN
    SIGN_IN: ClassVar = True

    url: Url
    username: str
    password: Secret
    code: OneTimeCode

    @property
    def clock_bound(self) -> bool:
        """Always: its codes are made by our clock."""
        return True

    def faults(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if self.code.totp is None:
            yield SettingFlaw(("code",), "Authelia has no counted codes", "totp")
        for flaw in self.reach_flaws():
            yield SettingFlaw(*flaw)

    def wait(self, utc: float) -> float:
        """Seconds until its token has a code nobody has used."""
        return self.code.wait(utc)

    def observe(self, run: Run) -> Reading:
        """Sign in and out; latency by step: `password`, `code`, `state`, `logout`."""
        talk = _Talk(self, run)
        try:
            reading = talk.sign_in()
        except ProbeFailure as trouble:
            reading = trouble.reading
        return talk.steps.told(reading)


class _Talk:
    """One run: its cookies and its steps."""

    def __init__(self, kind: Authelia, run: Run) -> None:
        self._kind, self._run = kind, run
        self._jar = fresh_jar()
        self.steps = Steps(run)

    def sign_in(self) -> Reading:
        """Take the steps; what they come to. Raises `ProbeFailure`."""
        kind = self._kind
        with self.steps.step("password"):
            # `keepMeLoggedIn` would make a session of a month.
            form = {"username": kind.username, "password": kind.password.reveal()}
            self._send("firstfactor", {**form, "keepMeLoggedIn": False})
        try:
            with self.steps.signing_out(self._leave):
                with self.steps.step("code"):
                    self._send("secondfactor/totp", {"token": str(kind.code.claim(self._run))})
                with self.steps.step("state"):
                    reading = judge(self._ask("state", None)[1])
        except ProbeFailure as trouble:
            reading = trouble.reading
        return self._signed_out(reading)

    def _leave(self, run: Run) -> None:
        self._run = run
        self._ask("logout", {})

    def _send(self, path: str, form: Mapping[str, object]) -> None:
        """Show one factor. Raises `ProbeFailure` unless it is accepted."""
        status, said = self._ask(path, form)
        if said.get("status") == "OK" and status == 200:
            return
        words = quoted(said.get("message"))
        told = f"status {status}" + (f": {words}" if words else "")
        # Wrong, banned, and a back end that is gone are all one: its pages must not tell.
        no = said.get("status") == "KO" and status < 500
        raise ProbeFailure(Reason.SIGN_IN_REJECTED if no else Reason.HTTP_STATUS, told)

    def _signed_out(self, reading: Reading) -> Reading:
        """The reading, or a warning where nothing else is wrong: sessions would pile up."""
        try:
            with self.steps.step("logout"):
                status, said = self._ask("logout", {})
                if said.get("status") != "OK" or status != 200:
                    raise ProbeFailure(Reason.HTTP_STATUS, f"status {status}")
        except ProbeFailure as trouble:
            if reading.reason is Reason.OK:
                text = f"signed in, but not out: {trouble.reading.detail}"
                return Reading(Reason.PREFERENCE_UNMET, text)
        return reading

    def _ask(self, path: str, form: Mapping[str, object] | None) -> tuple[int, dict[str, object]]:
        """The status and the document of an answer. Raises `ProbeFailure` where it is none."""
        request = Request(
            url=f"{self._kind.url.rstrip('/')}/api/{path}",
            method="GET" if form is None else "POST",
            headers=_JSON,
            body=None if form is None else msgspec.json.encode(form),
        )
        # A redirect would carry password and code to where nobody configured them to go.
        answer = exchange(self._run, request, self._kind.route, follow=False, jar=self._jar)
        if answer.status == 429:
            raise ProbeFailure(Reason.RATE_LIMITED, "status 429: it asks us to come less often")
        try:
            said = parse_json(answer.body)
        except ProbeFailure as trouble:
            raise (_strange(answer.status) or trouble) from None
        if not isinstance(said, dict) or said.get("status") not in ("OK", "KO"):
            text = "not an answer of Authelia: no `status`"
            raise _strange(answer.status) or ProbeFailure(Reason.OPERAND_MISSING, text)
        self._run.note(f"{said['status']} {quoted(said.get('message'))}".rstrip())
        return answer.status, said


def judge(said: Mapping[str, object]) -> Reading:
    """What `/api/state` comes to after both factors."""
    data = said.get("data")
    level = data.get("authentication_level") if isinstance(data, dict) else None
    if not isinstance(level, int) or isinstance(level, bool):
        return Reading(Reason.OPERAND_MISSING, "state: no `authentication_level`")
    if level < _LEVEL:
        text = f"state: both factors were accepted, and the session has level {level}"
        return Reading(Reason.SIGN_IN_UNFINISHED, text)
    return Reading(Reason.OK, "accepted, signed in with both factors")


def _strange(status: int) -> ProbeFailure | None:
    """The trouble an answer in another form is by its status alone."""
    if status == 200:
        return None
    if status in (401, 407):
        text = f"status {status}: something before the portal wants to know who we are"
        return ProbeFailure(Reason.OWN_CREDENTIALS, text)
    return ProbeFailure(Reason.HTTP_STATUS, f"status {status}, and not a word of Authelia's own")


PROBE = Authelia
