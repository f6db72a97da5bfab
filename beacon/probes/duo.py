"""`duo`: whether Duo lets somebody sign in who has the right code.

Ping and check (`duo_ping`) never touch what judges factors. Here a code is judged: preauth asks
whether this user may try, auth has the code of a token looked at. Nothing is pushed to anybody.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Final

import msgspec

from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.run import Run
from beacon.otp.code_setting import OneTimeCode
from beacon.probing.base import SIGN_IN, Abilities, Kind
from beacon.vendors.duo import DuoApplication, DuoCall, Text, words

_BYPASSED: Final = "let in without a second factor"


class DuoAnswer(msgspec.Struct, frozen=True):
    """What preauth and auth answer."""

    result: str
    status: str | None = None
    status_msg: str | None = None

    @property
    def words(self) -> str:
        """Its message as the end of a detail."""
        return words(self.status_msg or "")


@dataclass(frozen=True, kw_only=True)
class Duo(DuoApplication, Kind):
    """A second factor at Duo: preauth, and auth with the code of a token."""

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.SYMPTOM,
        timing=replace(SIGN_IN, retry_interval=None),  # one auth an interval
        sign_in=True,
        clock_bound=True,  # what is signed has a date
    )

    username: Text
    code: OneTimeCode

    @property
    def user(self) -> str:
        """Who signs in, and where."""
        return f"{self.host.lower()} {self.username}"

    def look(self, run: Run) -> Reading:
        """Ask whether the user may try, then try; latency by call: `preauth`, `auth`."""
        call = DuoCall(path="/auth/v2/preauth", method="POST", params={"username": self.username})
        stopped = self.stopped(self.ask(run, call, DuoAnswer, run.steps))
        return stopped or self.judge(self._send_code(run))

    def _send_code(self, run: Run) -> DuoAnswer:
        params = {
            "async": "0",
            "factor": "passcode",
            "passcode": self.code.claim(run),
            "username": self.username,
        }
        call = DuoCall(path="/auth/v2/auth", method="POST", params=params)
        return self.ask(run, call, DuoAnswer, run.steps)

    def stopped(self, answer: DuoAnswer) -> Reading | None:
        """The reading of a preauth that asks for no code; None: it asks for one."""
        if answer.result == "auth":
            return None
        if answer.result == "allow":
            return Reading(Reason.CHALLENGE_MISSING, f"preauth: {_BYPASSED}{answer.words}")
        if answer.result == "deny":
            text = f"preauth: denied, no code was sent{answer.words}"
            return Reading(Reason.SIGN_IN_REJECTED, text)
        if answer.result == "enroll":
            text = f"preauth: a user Duo does not know, or without a device{answer.words}"
            return Reading(Reason.SIGN_IN_REJECTED, text)
        return Reading(Reason.PROTOCOL_ERROR, "preauth: an unknown result")

    def judge(self, answer: DuoAnswer) -> Reading:
        """The reading of auth."""
        if answer.result == "deny":
            how = "locked out" if answer.status == "locked_out" else "denied"
            return Reading(Reason.SIGN_IN_REJECTED, f"auth: {how}{answer.words}")
        if answer.result != "allow":
            text = f"auth: neither allowed nor denied{answer.words}"
            return Reading(Reason.SIGN_IN_UNFINISHED, text)
        if answer.status == "bypass":
            return Reading(Reason.CHALLENGE_MISSING, f"auth: {_BYPASSED}{answer.words}")
        return Reading(Reason.OK, "the code was accepted")


PROBE = Duo
