"""Moments and spans as people read them. Moments are UTC in ISO 8601, as our documents have them.

A moment is shown to the nearest second everywhere, so that two commands show the same one alike.
"""

from datetime import UTC, datetime, timedelta


def second(moment: str) -> str:
    """Write a moment in UTC, to the nearest second."""
    nearest = datetime.fromisoformat(moment).astimezone(UTC) + timedelta(milliseconds=500)
    return f"{nearest:%Y-%m-%d %H:%M:%S} UTC"


def minute(moment: str) -> str:
    """Write a moment without its seconds, for a list."""
    return f"{second(moment)[:16]} UTC"


def between(since: str, until: str) -> float:
    """Seconds from one moment to a later one; 0 if it is not later."""
    passed = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    return max(0.0, passed.total_seconds())


def age(moment: str, now: str) -> str:
    """Say how long ago a moment was, and when."""
    return f"{between(moment, now):.0f} s ago ({second(moment)})"


def span(seconds: float) -> str:
    """Write a span in its two largest units, from 48 hours on in days."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} days"
    if hours:
        return f"{hours} h {minutes:02} m"
    return f"{minutes} m {rest:02} s" if minutes else f"{rest} s"
