"""The MFA beacon: a light stack that knows first when sign-in fails."""

__version__ = "0.1.0"
