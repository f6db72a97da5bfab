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

    def undecided(self, said: ValidateAnswer) -> Reading:
        """What an error comes to: the server's own, or its no to this sign-in."""
        if said.status >= 500 or said.error is None or said.error in _ITS_OWN:
            return super().undecided(said)
        return Reading(Reason.SIGN_IN_REJECTED, f"error {said.error}{said.suffix}")

    def rejected(self, said: ValidateAnswer, step: str) -> Reading:
        """What a no comes to: where only the challenge is missing, it could not be sent."""
        if said.unsent:
            return Reading(Reason.DELIVERY_REFUSED, f"the code could not be sent{said.suffix}")
        return super().rejected(said, step)

    def account(self) -> dict[str, str | None]:
        """Who signs in, and how it shall be told that a code could not be sent."""
        exception = "1" if self.exception else None
        return {
            "user": self.username,
            "realm": self.realm,
            "serial": self.serial,
            "exception": exception,
        }


PROBE = PrivacyIdea
