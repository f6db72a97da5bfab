"""Do codes arrive while what they depend on is well, and while it fails? Counts, kept small."""

from dataclasses import replace
from typing import Any, Final

from beacon.core.views import Arrivals

_COUNTS: Final = ("well_arrived", "well_lost", "failing_arrived", "failing_lost")
MOST: Final = 4096
"""Counts are halved when they reach this together: two weeks of a code every five minutes."""


def arrived(was: Arrivals, *, failing: bool, lost: bool) -> Arrivals:
    """Count one more code: whether the cause was failing, and whether the code was lost."""
    counts: dict[str, Any] = {name: getattr(was, name) for name in _COUNTS}
    if sum(counts.values()) >= MOST:
        counts = {name: count // 2 for name, count in counts.items()}
    counts[f"{'failing' if failing else 'well'}_{'lost' if lost else 'arrived'}"] += 1
    return replace(was, **counts)


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
