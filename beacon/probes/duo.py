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
from beacon.vendors.duo import DuoApplication, DuoCall, NotUnderstood, Text, words

_BYPASSED: Final = "let in without a second factor"


class DuoAnswer(msgspec.Struct, frozen=True):
    """What preauth and auth answer."""

    result: str
    status: str | None = None
    status_msg: str | None = None


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

    def look(self, run: Run) -> Reading:
        """Ask whether the user may try, then try; latency by call: `preauth`, `auth`."""
        call = DuoCall(path="/auth/v2/preauth", method="POST", params={"username": self.username})
        answer = self.ask(run, call, DuoAnswer, run.steps)
        stopped = self.stopped(answer, words(answer.status_msg or ""))
        if stopped is not None:
            return stopped
        answer = self._send_code(run)
        return self.judge(answer, words(answer.status_msg or ""))

    def _send_code(self, run: Run) -> DuoAnswer:
        passcode = self.code.claim(run)
        params = {
            "async": "0",
            "factor": "passcode",
            "passcode": passcode,
            "username": self.username,
        }
        call = DuoCall(path="/auth/v2/auth", method="POST", params=params)
        try:
            answer = self.ask(run, call, DuoAnswer, run.steps)
        except NotUnderstood:
            run.codes_judged()  # it may have been
            raise
        run.codes_judged()
        return answer

    def stopped(self, said: DuoAnswer, told: str) -> Reading | None:
        """What preauth comes to where no code is asked for; None: it is. `told`: its words."""
        if said.result == "auth":
            return None
        if said.result == "allow":
            return Reading(Reason.CHALLENGE_MISSING, f"preauth: {_BYPASSED}{told}")
        if said.result == "deny":
            return Reading(Reason.SIGN_IN_REJECTED, f"preauth: denied, no code was sent{told}")
        if said.result == "enroll":
            text = "preauth: a user Duo does not know, or without a device"
            return Reading(Reason.SIGN_IN_REJECTED, f"{text}{told}")
        return Reading(Reason.PROTOCOL_ERROR, "preauth: an unknown result")

    def judge(self, said: DuoAnswer, told: str) -> Reading:
        """What auth comes to; `told` are its words."""
        if said.result == "deny":
            how = "locked out" if said.status == "locked_out" else "denied"
            return Reading(Reason.SIGN_IN_REJECTED, f"auth: {how}{told}")
        if said.result != "allow":
            text = "auth: neither allowed nor denied"
            return Reading(Reason.SIGN_IN_UNFINISHED, f"{text}{told}")
        if said.status == "bypass":
            return Reading(Reason.CHALLENGE_MISSING, f"auth: {_BYPASSED}{told}")
        return Reading(Reason.OK, "the code was accepted")


PROBE = Duo
