"""`flow`: sign in as a user does, step by step, with a one-time code that counts."""

from beacon.probing.dialogue import Flow

PROBE = Flow
