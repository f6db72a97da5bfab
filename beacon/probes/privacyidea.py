"""`privacyidea`: whether somebody can sign in at a privacyIDEA server with a one-time code.

Its health pages stay green while its database is gone: only `/validate/check` proves it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from beacon.core.model import Evidence, Reading, Reason
from beacon.probing.base import SIGN_IN, Abilities, SettingFlaw
from beacon.probing.validate_api import ValidateAnswer, ValidateCheck

_ITS_OWN: Final = frozenset({101, 302, 707, 902, 903, 907})
"""Errors that are the server's own: subscription, configuration, HSM, database, itself, resolver.

Any other, below status 500, says no to this sign-in: policy, user, token, what was sent. Whoever
passed yesterday and is unknown today is trouble, what never passed is ours: the core knows.
"""


@dataclass(frozen=True, kw_only=True)
class PrivacyIdea(ValidateCheck):
    """A sign-in at privacyIDEA, by user and realm or by the serial of a token."""

    ABILITIES: ClassVar = Abilities(evidence=Evidence.SYMPTOM, timing=SIGN_IN, sign_in=True)
    TRANSACTION: ClassVar = "transaction_id"

    username: str | None = None
    serial: str | None = None
    exception: bool = False

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if (self.username is None) == (self.serial is None):
            yield SettingFlaw((), "one account signs in", "one of username, serial")
        if self.serial is not None and self.realm is not None:
            yield SettingFlaw(("realm",), "a serial has no realm", "`username:` beside it")
        yield from super().conflicts()

    def undecided(self, answer: ValidateAnswer) -> Reading:
        """The reading of an error: the server's own, or its rejection of this sign-in."""
        if answer.status >= 500 or answer.error is None or answer.error in _ITS_OWN:
            return super().undecided(answer)
        return Reading(Reason.SIGN_IN_REJECTED, f"error {answer.error}{answer.suffix}")

    def rejected(self, answer: ValidateAnswer, step: str) -> Reading:
        """The reading of a rejection: if only the challenge is missing, it could not be sent."""
        if answer.unsent:
            return Reading(Reason.DELIVERY_REFUSED, f"the code could not be sent{answer.suffix}")
        return super().rejected(answer, step)

    def account(self) -> dict[str, str | None]:
        """Who signs in, and whether the server names a code that it could not send."""
        exception = "1" if self.exception else None
        return {
            "user": self.username,
            "realm": self.realm,
            "serial": self.serial,
            "exception": exception,
        }


PROBE = PrivacyIdea
