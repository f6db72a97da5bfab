"""Do codes arrive while what they depend on is well, and while it fails? Counts, kept small."""

from dataclasses import replace
from typing import Final

from beacon.core.views import Arrivals

MOST: Final = 4096
"""Counts are halved when they reach this together: two weeks of a code every five minutes."""


def arrived(was: Arrivals, *, failing: bool, lost: bool) -> Arrivals:
    """Count one more code: whether the cause was failing, and whether the code was lost."""
    if was.well_arrived + was.well_lost + was.failing_arrived + was.failing_lost >= MOST:
        was = replace(
            was,
            well_arrived=was.well_arrived // 2,
            well_lost=was.well_lost // 2,
            failing_arrived=was.failing_arrived // 2,
            failing_lost=was.failing_lost // 2,
        )
    if failing and lost:
        return replace(was, failing_lost=was.failing_lost + 1)
    if failing:
        return replace(was, failing_arrived=was.failing_arrived + 1)
    if lost:
        return replace(was, well_lost=was.well_lost + 1)
    return replace(was, well_arrived=was.well_arrived + 1)


def in_words(counts: Arrivals) -> str:
    """The counts in words."""
    parts = [
        f"{arrived} of {arrived + lost} arrived while it {was}"
        for was, arrived, lost in (
            ("was well", counts.well_arrived, counts.well_lost),
            ("failed", counts.failing_arrived, counts.failing_lost),
        )
        if arrived + lost
    ]
    return f"{counts.delivery}: {', '.join(parts)}"
