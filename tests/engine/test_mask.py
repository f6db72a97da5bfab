"""What a run hides is in none of its notes, and not in its reading."""

from urllib.parse import quote

from beacon.core.model import Reading, Reason
from beacon.engine.clock import ManualClock
from beacon.engine.mask import Mask
from beacon.engine.run import Run


def test_a_run_hides_what_it_is_told_to_before_and_after(clock: ManualClock) -> None:
    run = Run(clock, 5.0)
    run.note("p&ss was noted")
    assert run.hide("p&ss") == "p&ss"
    run.note(f"GET /?a={quote('p&ss')}")
    assert [note.split("  ")[-1] for note in run.notes] == ["*** was noted", "GET /?a=***"]
    assert run.masked(Reading(Reason.HTTP_STATUS, "no p&ss")).detail == "no ***"
    reading = Reading(Reason.HTTP_STATUS, "nothing")
    assert run.masked(reading) is reading


def test_nothing_blank_is_hidden_and_the_longest_first() -> None:
    mask = Mask()
    assert [mask.hide(each) for each in (" ", "ab", "abc")] == [" ", "ab", "abc"]
    assert mask.over("a b abc ab") == "a b *** ***"
