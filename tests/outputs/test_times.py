"""Moments and spans as people read them."""

import pytest

from beacon.outputs import times


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-01-05T12:00:00.499+00:00", "2026-01-05 12:00:00 UTC"),
        ("2026-01-05T12:00:00.500+00:00", "2026-01-05 12:00:01 UTC"),
        ("2025-12-31T23:59:59.900+00:00", "2026-01-01 00:00:00 UTC"),
        ("2026-01-05T13:00:00.000+01:00", "2026-01-05 12:00:00 UTC"),
    ],
)
def test_a_moment_is_shown_to_the_nearest_second(moment, shown):
    assert times.second(moment) == shown
    assert times.minute(moment) == f"{shown[:16]} UTC"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.4, "0 s"),
        (59.6, "1 m 00 s"),
        (125, "2 m 05 s"),
        (3909, "1 h 05 m"),
        (172_799, "47 h 59 m"),
        (172_800, "2 days"),
    ],
)
def test_a_span_is_shown_in_its_two_largest_units(seconds, shown):
    assert times.span(seconds) == shown


def test_an_age_is_never_negative():
    early, late = "2026-01-05T12:00:00.000+00:00", "2026-01-05T12:01:12.000+00:00"
    assert times.age(early, late) == "72 s ago (2026-01-05 12:00:00 UTC)"
    assert times.age(late, early) == "0 s ago (2026-01-05 12:01:12 UTC)"
