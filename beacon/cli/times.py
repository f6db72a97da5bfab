"""Moments as people read them."""

from datetime import datetime, timedelta


def utc_second(moment: str) -> str:
    """Write a moment in UTC, to the nearest second."""
    nearest = datetime.fromisoformat(moment) + timedelta(milliseconds=500)
    return f"{nearest:%Y-%m-%d %H:%M:%S} UTC"


def age(moment: str, now: str) -> str:
    """Say how long ago a moment was, and when."""
    passed = datetime.fromisoformat(now) - datetime.fromisoformat(moment)
    return f"{passed.total_seconds():.0f} s ago ({utc_second(moment)})"
