"""The wiring as data, and the power-on walk."""

from collections.abc import Callable

from beacon.config.schema import Tower
from beacon.core.indication import Colour
from beacon.outputs.tower.channels import walk, wiring


class RecordedLines:
    """Lines that record every call."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def set(self, channel: str, lit: bool) -> None:
        self.calls.append((channel, lit))

    def pressed(self) -> bool:
        return False

    def close(self) -> None:
        self.calls.append("closed")


def test_wiring_lists_lamps_from_the_top_then_buzzer_and_relay(make_tower: Callable[..., Tower]):
    tower = make_tower(lamps={Colour.GREEN: 22, Colour.RED: 17})
    assert list(wiring(tower).items()) == [("red", 17), ("green", 22), ("buzzer", 18), ("alive", 6)]
    assert wiring(Tower()) == {}


def test_the_walk_lights_one_output_at_a_time_and_says_which(make_tower: Callable[..., Tower]):
    lines = RecordedLines()
    tower = make_tower(lamps={Colour.RED: 17, Colour.AMBER: 27}, alive_relay=None)
    walk(tower, lines, lines.calls.append, lines.calls.append)
    assert lines.calls == [
        "red", ("red", True), 1.0, ("red", False),
        "amber", ("amber", True), 1.0, ("amber", False),
        "buzzer", ("buzzer", True), 0.2, ("buzzer", False),
    ]  # fmt: skip
