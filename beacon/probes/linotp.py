"""`linotp`: whether somebody can sign in at a LinOTP server with a one-time code.

It answers an error of its own, and a code it could not send, like a wrong code: with
`status: true, value: false`. So a known-good token that is rejected is trouble.
"""

from dataclasses import dataclass
from typing import ClassVar

from beacon.core.model import Evidence
from beacon.probing.base import SIGN_IN, Abilities
from beacon.probing.validate_api import ValidateCheck


@dataclass(frozen=True, kw_only=True)
class LinOtp(ValidateCheck):
    """A sign-in at LinOTP, by user and realm."""

    ABILITIES: ClassVar = Abilities(evidence=Evidence.SYMPTOM, timing=SIGN_IN, sign_in=True)
    TRANSACTION: ClassVar = "transactionid"

    username: str

    def account(self) -> dict[str, str | None]:
        """Who signs in."""
        return {"user": self.username, "realm": self.realm}


PROBE = LinOtp
