"""`flow`: sign in as a user does, step by step, with a one-time code that counts."""

from dataclasses import dataclass
from typing import ClassVar

from beacon.core.model import Evidence
from beacon.probing.base import SIGN_IN, Abilities
from beacon.probing.dialogue import DialogueSettings


@dataclass(frozen=True, kw_only=True)
class Flow(DialogueSettings):
    """A sign-in of several steps, with secrets, captured values and one-time codes."""

    ABILITIES: ClassVar = Abilities(evidence=Evidence.SYMPTOM, timing=SIGN_IN, sign_in=True)


PROBE = Flow
