"""`duo`: whether Duo lets somebody sign in who has the right code.

Ping and check (`duo_ping`) never touch what judges factors. Here a code is judged: preauth asks
whether this user may try, auth has the code of a token looked at. Nothing is pushed to anybody.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Final

import msgspec

from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.probe_failure import ProbeFailure, timed
from beacon.otp.code_setting import OneTimeCode
from beacon.probing.base import SIGN_IN, SettingFlaw, Timing
from beacon.vendors.duo import DuoApplication, DuoCall, NotUnderstood, Steps, Text, words

_BYPASSED: Final = "let in without a second factor"


class DuoAnswer(msgspec.Struct, frozen=True):
    """What preauth and auth answer."""

    result: str
    status: str | None = None
    status_msg: str | None = None


@dataclass(frozen=True, kw_only=True)
class Duo(DuoApplication):
    """A second factor at Duo: preauth, and auth with the code of a token."""

    EVIDENCE: ClassVar = Evidence.SYMPTOM
    TIMING: ClassVar[Timing] = replace(SIGN_IN, retry_interval=None)  # one auth an interval
    SIGN_IN: ClassVar = True

    username: Text
    code: OneTimeCode

    @property
    def clock_bound(self) -> bool:
        """Always: what is signed has a date."""
        return True

    def faults(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        for path, message, allowed in self.flaws():
            yield SettingFlaw(path, message, allowed)

    def wait(self, utc: float, memory: ProbeMemory) -> float:
        """Seconds until its token has a code nobody has used."""
        return self.code.wait(utc, memory)

    def observe(self, run: Run) -> Reading:
        """Ask whether the user may try, then try; latency by call: `preauth`, `auth`."""
        spent: Steps = []
        try:
            reading = self._sign_in(run, spent)
        except ProbeFailure as trouble:
            reading = trouble.reading
        return replace(timed(run, reading), phases=tuple(spent))

    def _sign_in(self, run: Run, spent: Steps) -> Reading:
        call = DuoCall(path="/auth/v2/preauth", method="POST", params={"username": self.username})
        said = self.ask(run, call, DuoAnswer, spent)
        stopped = self.stopped(said, words(said.status_msg or ""))
        if stopped is not None:
            return stopped
        said = self._entered(run, spent)
        return self.judge(said, words(said.status_msg or ""))

    def _entered(self, run: Run, spent: Steps) -> DuoAnswer:
        passcode = self.code.claim(run)
        params = {
            "async": "0",
            "factor": "passcode",
            "passcode": passcode,
            "username": self.username,
        }
        call = DuoCall(path="/auth/v2/auth", method="POST", params=params)
        try:
            return self.ask(run, call, DuoAnswer, spent)
        except NotUnderstood:
            raise  # it may have been judged
        except (ProbeFailure, DeadlinePassed):
            self.code.give_back(run, passcode)
            raise

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
