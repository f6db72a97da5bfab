"""The exit statuses of the commands, as docs/cli.md promises them."""

from enum import IntEnum
from typing import Final


class ExitStatus(IntEnum):
    """What a command returns, where no table below says more."""

    OK = 0
    FAILED = 1  # refused by the daemon, or it could not be done
    NO_BEACON = 3
    USAGE = 64
    BAD_CONFIG = 78
    INTERRUPTED = 130


OF_VERDICT: Final = {
    "ok": 0,
    "advisory": 1,
    "degraded": 1,
    "recovering": 1,
    "outage": 2,
    "gray_failure": 2,
    "blind": 3,
}
"""Of `status`."""

OF_OUTCOME: Final = {"pass": 0, "warn": 1, "fail": 2, "error": 3}
"""Of `probe`, as monitoring plugins exit. A bad configuration is an error (3), too."""
