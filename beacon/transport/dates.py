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


def mail_date(written: str, *, zoned: bool = False) -> datetime | None:
    """A time as RFC 5322 has it (mail, HTTP, RSS); without a zone it is UTC. None for others.

    With `zoned`, one without a zone, or with one that nobody knows ("BRT"), is none either: it
    may be hours off (RFC 5322, 4.3). A zone of -0000 is UTC.
    """
    if len(written) > LONGEST_DATE:
        return None
    try:
        at = parsedate_to_datetime(written)
        unknown = at.tzinfo is None and "-0000" not in written
        return None if zoned and unknown else _utc(at)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _utc(at: datetime) -> datetime:
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
