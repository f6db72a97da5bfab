"""The timeline: one time for one moment, colour only where it is wanted, paced when asked."""

import io
from datetime import UTC, datetime

import pytest

from beacon.core.effects import IndicationChanged, Sounded
from beacon.core.indication import DARK, Sound
from beacon.replay.timeline import Replayed, TimelineEntry, TimelinePrinter, coloured

START = datetime(2026, 1, 12, 23, 59, tzinfo=UTC)
ENTRIES = (
    TimelineEntry(0.0, "sound", "chirp"),
    TimelineEntry(0.0, "tower", "amber fast"),
    TimelineEntry(0.0, "tower", "red fast, green off"),
    TimelineEntry(0.0, "verdict", "mfa is outage: ok it is not"),
    TimelineEntry(60.0, "script", "analyst: acknowledge"),
    TimelineEntry(3660.0, "told", "closed"),
)


class Terminal(io.StringIO):
    """Something that says it is a terminal."""

    def isatty(self):
        """Say so."""
        return True


def printed(failures=(), **options):
    out = io.StringIO()
    TimelinePrinter(out, **options).print(Replayed("A title", START, ENTRIES, failures))
    return out.getvalue()


def test_one_time_for_each_moment_and_one_line_for_each_day():
    assert printed().splitlines() == [
        "A title",
        "",
        "  ─── Monday 12 January 2026, UTC ───────────────────────────────",
        "  23:59:00    +0:00:00  ▌ mfa is outage: ok it is not",
        "                        ☼ red fast, green off",
        "                        ♪ chirp",
        "",
        "  ─── Tuesday 13 January 2026, UTC ──────────────────────────────",
        "  00:00:00    +0:01:00  · analyst: acknowledge",
        "            ⋮",
        "  01:00:00    +1:01:00  ► closed",
        "  every expectation holds",
        "",
    ]


def test_of_a_verdict_only_what_it_came_to_at_one_moment():
    entries = (
        TimelineEntry(0.0, "verdict", "mfa is degraded"),
        TimelineEntry(0.0, "verdict", "sms is ok"),
        TimelineEntry(0.0, "verdict", "mfa is outage"),
        TimelineEntry(1.0, "verdict", "mfa is ok"),
    )
    out = io.StringIO()
    TimelinePrinter(out).print(Replayed("A title", START, entries, ()))
    assert [line.partition("▌ ")[2] for line in out.getvalue().splitlines() if "▌" in line] == [
        "mfa is outage",
        "sms is ok",
        "mfa is ok",
    ]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_long_lines_are_folded_under_their_own_text(width):
    words = "mfa/sign-in reads deadline and says why in many words, one after another, at length"
    out = io.StringIO()
    TimelinePrinter(out, width=width).print(
        Replayed("Title", START, (TimelineEntry(0.0, "script", words),), ())
    )
    lines = out.getvalue().splitlines()[3:-2]
    assert len(lines) > 1
    assert max(len(line) for line in lines) <= max(width, 50)
    assert " ".join(line[26:] for line in lines) == words
    assert all(line.startswith(" " * 26) for line in lines[1:])


def test_nothing_a_script_says_moves_the_cursor():
    out = io.StringIO()
    entry = TimelineEntry(0.0, "script", "eve\x1b[2J: acknowledge")
    TimelinePrinter(out).print(Replayed("A\x1b[31m title\r", START, (entry,), ()))
    assert "A [31m title \n" in out.getvalue()
    assert "eve [2J: acknowledge" in out.getvalue()


def test_what_does_not_hold_is_counted():
    assert "  2 expectation(s) do not hold\n" in printed(("one", "two"))


def test_colours_are_the_lamps_own():
    out = printed(colour=True)
    assert "▌ mfa is \033[1;91moutage\033[0m: ok it is not" in out
    assert "☼ \033[91mred fast\033[0m, \033[92mgreen off\033[0m" in out
    assert "\033" not in printed()


@pytest.mark.parametrize(
    ("out", "environ", "expected"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals_whose_owner_wants_it(out, environ, expected):
    assert coloured(out, environ) is expected


def test_paced_it_waits_between_moments():
    waited = []
    printed(speed=60, wait=waited.append)
    assert waited == [1.0, 60.0]


def test_the_tower_shows_each_moment_as_it_is_printed():
    dark, loud = IndicationChanged(0.0, DARK), Sounded(60.0, Sound.CHIRP)
    seen = []
    TimelinePrinter(io.StringIO(), show=seen.append).print(
        Replayed("A title", START, ENTRIES, (), signals=(dark, loud))
    )
    assert seen == [[dark], [loud], []]
