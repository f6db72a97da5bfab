"""Times written by others: in ISO 8601, in Unix seconds, or as in mail and HTTP."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_DATE: Final = 100
"""Characters of a date; longer texts are not dates."""

_DIGITS: Final = "0123456789"
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_DELIMITERS: Final = dict.fromkeys(
    (9, *range(0x20, 0x30), *range(0x3B, 0x41), *range(0x5B, 0x61), *range(0x7B, 0x7F)), " "
)


def moment(written: object) -> datetime | None:
    """A time in ISO 8601 or in Unix seconds, from a number or a text; None for anything else."""
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
    """A time as in RFC 5322 (mail, HTTP, RSS); UTC without a zone. None for anything else.

    With `zoned`, also None without a zone or with an unknown one ("BRT"): it may be hours off
    (RFC 5322 §4.3). A zone of -0000 is UTC.
    """
    if len(written) > LONGEST_DATE:
        return None
    try:
        at = parsedate_to_datetime(written)
        unknown = at.tzinfo is None and "-0000" not in written
        return None if zoned and unknown else _utc(at)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def cookie_date(written: str) -> datetime | None:
    """A time in a cookie as browsers read it (RFC 6265 §5.1.1): always UTC, in any order."""
    time = day = month = year = None
    for word in written[:LONGEST_DATE].translate(_DELIMITERS).split():
        digits = len(word) - len(word.lstrip(_DIGITS))
        name = word[:3].lower()
        if time is None and (found := _clock_time(word)):
            time = found
        elif day is None and digits in (1, 2):
            day = int(word[:digits])
        elif month is None and name in _MONTHS:
            month = _MONTHS.index(name) + 1
        elif year is None and digits in (2, 3, 4):
            year = int(word[:digits])
    if time is None or day is None or month is None or year is None:
        return None
    if year < 100:
        year += 1900 if year >= 70 else 2000
    try:
        return datetime(year, month, day, *time, tzinfo=UTC) if year > 1600 else None
    except ValueError:
        return None


def _clock_time(word: str) -> tuple[int, int, int] | None:
    """Hour, minute and second of a word like 8:05:30; anything may follow."""
    hour, _, rest = word.partition(":")
    minute, _, second = rest.partition(":")
    second = second[: len(second) - len(second.lstrip(_DIGITS))]
    numbers = (hour, minute, second)
    if not all(len(each) in (1, 2) and not each.strip(_DIGITS) for each in numbers):
        return None
    return int(hour), int(minute), int(second)


def _utc(at: datetime) -> datetime:
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def since(begin: object, word: str = "since") -> str:
    """`since 19 Nov 14:10 UTC`, from a time in ISO 8601 or in Unix seconds; else empty."""
    at = moment(begin)
    return f"{word} {at.day} {at:%b %H:%M} UTC" if at is not None else ""
