"""Signing in by `/validate/check`, which privacyIDEA and LinOTP share; each judges for itself.

What a server says is never judged by its words: they are translated, and policies hide them.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import msgspec

from beacon.config.fields import Secret, Url
from beacon.core.model import Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.net.http.client import Answer, Request, exchange, is_answered, prepare
from beacon.net.http.condition import SUCCESS
from beacon.net.http.expectations import parse_json_as
from beacon.net.http.route import Reach
from beacon.net.origin import origin
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.code_setting import OneTimeCode
from beacon.probing.base import Kind, SettingFlaw

CHECK: Final = "/validate/check"
_FORM: Final = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "Accept-Language": "en",  # the words in details and notes; nothing is judged by them
}
_STEPS: Final = {"request": "the first request", "code": "the answer to the challenge"}


class _Error(msgspec.Struct):
    code: int | None = None
    message: str = ""


class _Result(msgspec.Struct):
    status: bool
    value: bool | None = None
    authentication: str | None = None
    error: _Error | None = None


class _Detail(msgspec.Struct):
    message: str | None = None
    error: str | None = None
    transaction_id: str | None = None
    transactionid: str | None = None
    multi_challenge: list[Any] | None = None


class _Document(msgspec.Struct):
    result: _Result
    detail: _Detail | None = None


@dataclass(frozen=True, kw_only=True)
class ValidateAnswer:
    """What a server answered to `/validate/check`.

    `error` is its code where it could not decide, `transaction` that of a challenge. `unsent`:
    the password was right, and no challenge could be made of it.
    """

    status: int
    decided: bool = True
    accepted: bool = False
    error: int | None = None
    transaction: str | None = None
    unsent: bool = False
    words: str = field(default="", repr=False)

    @property
    def suffix(self) -> str:
        """Its words as the end of a detail."""
        words = quoted(self.words)
        return f": {words}" if words else ""


@dataclass(frozen=True, kw_only=True)
class ValidateCheck(Reach, Kind):
    """A sign-in with password and one-time code, at once or with a challenge between them."""

    TRANSACTION: ClassVar[str]
    """What a server calls the id of a challenge."""

    url: Url
    realm: str | None = None
    password: Secret | None = None
    code: OneTimeCode | None = None
    challenge: bool = False
    headers: Mapping[str, Secret] = field(default_factory=dict)

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if self.code is None and not self.challenge:
            text = "a sign-in without a second factor"
            yield SettingFlaw((), text, "code, or challenge: true to see that one is asked for")
        if self.challenge and self.password is None:
            yield SettingFlaw(("challenge",), "nothing to ask for it with", "`password:` beside it")
        try:
            prepare(self.request({}))
        except ProbeFailure:
            yield SettingFlaw(("headers",), "a header that cannot be sent", "printable text")

    def request(self, form: dict[str, str]) -> Request:
        """One question, as it goes on the wire: who signs in, and this."""
        headers = _FORM | {name: value.reveal() for name, value in self.headers.items()}
        url = self.url.rstrip("/") + CHECK
        known = {name: value for name, value in self.account().items() if value is not None}
        body = urlencode(known | form).encode()
        return Request(url=url, method="POST", headers=headers, body=body)

    def knock(self, run: Run) -> bool:
        """Ask without a user: it says that one is missing."""
        return is_answered(run, self.url.rstrip("/") + CHECK, self.route)

    @property
    def user(self) -> str:
        """Who signs in, and where."""
        return f"{origin(self.url)} {sorted(self.account().items(), key=str)}"

    def look(self, run: Run) -> Reading:
        """Sign in; latency by step: `request`, and `code` where a challenge was answered."""
        password = self.password.reveal() if self.password else ""
        if not self.challenge:
            assert self.code is not None, "else there is a challenge"
            answer = self._ask(run, "request", {"pass": password + self.code.claim(run)})
            return self.judge(answer, challenged=False)
        answer = self._ask(run, "request", {"pass": password})
        if answer.transaction is None or self.code is None:
            return self.judge(answer, challenged=False)
        form = {"pass": self.code.claim(run), self.TRANSACTION: answer.transaction}
        return self.judge(self._ask(run, "code", form), challenged=True)

    def _ask(self, run: Run, step: str, form: dict[str, str]) -> ValidateAnswer:
        began = run.elapsed()
        try:
            # A redirect would carry password and code to where nobody configured them to go.
            answer = parse(exchange(run, self.request(form), self.route, follow=False))
        except ProbeFailure as failure:
            if not self.challenge:
                raise
            detail = f"{_STEPS[step]}: {failure.reading.detail}"
            raise ProbeFailure(failure.reading.reason, detail) from None
        finally:
            run.steps.append((step, run.elapsed() - began))
        if answer.transaction is not None:
            run.hide(answer.transaction)
        run.note(_outline(answer))
        return answer

    def judge(self, answer: ValidateAnswer, *, challenged: bool) -> Reading:
        """The reading of the last answer; `challenged`: it is the answer to a challenge."""
        if not answer.decided:
            return self.undecided(answer)
        if answer.transaction is not None:
            if self.challenge and self.code is None:
                return Reading(Reason.OK, f"a challenge was made{answer.suffix}")
            more = "one more challenge" if challenged else "a challenge, which is not set"
            return Reading(Reason.SIGN_IN_UNFINISHED, f"{more}{answer.suffix}")
        if not answer.accepted:
            return self.rejected(answer, _STEPS["code" if challenged else "request"])
        if self.challenge and not challenged:
            text = "accepted without a challenge: nobody asked for the second factor"
            return Reading(Reason.CHALLENGE_MISSING, text)
        return Reading(Reason.OK, "accepted, after a challenge" if challenged else "accepted")

    def undecided(self, answer: ValidateAnswer) -> Reading:
        """The reading of an answer in which the server says that it could not decide."""
        code = "" if answer.error is None else f", error {answer.error}"
        reason = Reason.EXPECTATION_FAILED if answer.status in SUCCESS else Reason.HTTP_STATUS
        return Reading(reason, f"status {answer.status}{code}{answer.suffix}")

    def rejected(self, answer: ValidateAnswer, step: str) -> Reading:
        """The reading of a rejection; `step` in words."""
        return Reading(Reason.SIGN_IN_REJECTED, f"{step} was rejected{answer.suffix}")

    @abstractmethod
    def account(self) -> dict[str, str | None]:
        """Who signs in, in the server's words; what is None is not sent."""


def parse(answer: Answer) -> ValidateAnswer:
    """The answer of such a server. Raises `ProbeFailure` for any other."""
    status = answer.status
    if status == 429:
        raise ProbeFailure(Reason.RATE_LIMITED, "status 429: the server asks us to come less often")
    try:
        document = parse_json_as(answer.body, _Document)
    except ProbeFailure as trouble:
        raise (_strange(status) or trouble) from None
    except msgspec.ValidationError as error:
        text = f"not an answer of {CHECK}: {quoted(error)}"
        raise (_strange(status) or ProbeFailure(Reason.OPERAND_MISSING, text)) from None
    result, detail = document.result, document.detail or _Detail()
    failure = result.error or _Error()
    words = failure.message or detail.message or detail.error or ""
    value, kind = result.value is True, result.authentication  # old servers and LinOTP have no kind
    challenged = not value and kind in (None, "CHALLENGE")
    return ValidateAnswer(
        status=status,
        decided=result.status and status in SUCCESS,
        accepted=value and kind in (None, "ACCEPT"),
        error=failure.code,
        transaction=(detail.transaction_id or detail.transactionid) if challenged else None,
        unsent=not value and detail.multi_challenge == [],
        words=words,
    )


def _strange(status: int) -> ProbeFailure | None:
    """The trouble an answer in another form is by its status alone."""
    if status in SUCCESS:
        return None
    if status in (401, 407):
        text = f"status {status}: something before the server wants to know who we are"
        return ProbeFailure(Reason.OWN_CREDENTIALS, text)
    return ProbeFailure(Reason.HTTP_STATUS, f"status {status}, and not a word of the server's own")


def _outline(answer: ValidateAnswer) -> str:
    if not answer.decided:
        what = "undecided" if answer.error is None else f"error {answer.error}"
    elif answer.transaction is not None:
        what = "challenge"
    else:
        what = "accepted" if answer.accepted else "rejected"
    return f"{what}{answer.suffix}"
