"""Times that others write: in ISO 8601, in seconds of Unix, or as mail and HTTP do."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_DATE: Final = 100
"""Characters of a date; what is longer is none."""


def moment(written: object) -> datetime | None:
    """A time in ISO 8601 or in seconds of Unix, of a number or a text; None for anything else."""
    if isinstance(written, datetime):
        return written
    if isinstance(written, str) and len(written) > LONGEST_DATE:
        return None
    try:
        if isinstance(written, str) and not written.strip().isdecimal():
            return _utc(datetime.fromisoformat(written.strip()))
        if isinstance(written, str | int):
            return datetime.fromtimestamp(int(written), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def mail_date(written: str) -> datetime | None:
    """A time as RFC 5322 has it (mail, HTTP, RSS); without a zone it is UTC. None for others."""
    if len(written) > LONGEST_DATE:
        return None
    try:
        return _utc(parsedate_to_datetime(written))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _utc(at: datetime) -> datetime:
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
