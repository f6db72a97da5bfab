"""How many messages may be sent in a day, for those that cost money; over restarts too.

Counted in the ledger of used one-time codes: a message is written down before it is asked for.
Days are UTC.
"""

import hashlib
from datetime import timedelta
from typing import Final

from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.used_codes import COUNTED, HashedToken, Ledger

_PER_DAY: Final = 10**6  # counters from one day to the next, more than a day has messages


def spend(run: Run, most: int) -> None:
    """Count one message of this endpoint. Raises `ProbeFailure` where `most` are sent today."""
    utc = run.clock.utc()
    # One name a month: a clock that was ahead for a while holds nothing up for longer.
    named = f"messages\0{run.endpoint}\0{utc:%Y-%m}".encode()
    first = utc.day * _PER_DAY
    ledger = run.memory.of(Ledger)
    sent = ledger.count(HashedToken(hashlib.sha256(named).digest(), COUNTED), first) - first
    if sent >= most:
        midnight = utc.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        text = f"all {most} messages of this day are sent, the next from {midnight:%Y-%m-%d} UTC on"
        raise ProbeFailure(Reason.RATE_LIMITED, text)
    run.note(f"message {sent + 1} of {most} of this day")
