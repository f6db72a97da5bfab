"""Pins taken, refused and released; gpiozero is real, lgpio's answers are scripted."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from gpiozero.exc import PinUnknownPi
from gpiozero.pins.local import LocalPiFactory
from gpiozero.pins.mock import MockFactory

from beacon.config.schema import Buttons, Driver, Tower
from beacon.core.indication import Colour
from beacon.outputs.tower.channels import TowerError
from beacon.outputs.tower.gpio import GpioChannels, open_lines, pin_factory

MakeTower = Callable[..., Tower]


class LgpioError(Exception):
    """lgpio's own error: no more than a text, in quotes."""

    def __str__(self) -> str:
        return repr(self.args[0])


class FakeLgpio(ModuleType):
    """What gpiozero uses of lgpio, with lines that can be refused."""

    LGPIO_PY_VERSION = 0x00020200
    SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 128, 32, 64
    BOTH_EDGES, RISING_EDGE, FALLING_EDGE = 3, 1, 2
    error = LgpioError

    def __init__(self) -> None:
        super().__init__("lgpio")
        self.busy: set[int] = set()
        self.modes: dict[int, int] = {}
        self.done: list[tuple[object, ...]] = []
        self.chip_opens = True

    def gpiochip_open(self, chip: int) -> int:
        if not self.chip_opens:
            raise LgpioError("can not open gpiochip")
        return 1

    def gpiochip_close(self, handle: int) -> None:
        self.done.append(("chip closed",))

    def gpio_claim_input(self, handle: int, line: int, flags: int = 0) -> None:
        if line in self.busy:
            raise LgpioError("GPIO busy")
        self.modes[line] = flags
        self.done.append(("input", line))

    def gpio_claim_output(self, handle: int, line: int, level: int = 0, flags: int = 0) -> None:
        self.modes[line] = 2
        self.done.append(("output", line, level))

    def gpio_get_mode(self, handle: int, line: int) -> int:
        return {32: 1 << 5, 64: 1 << 6}.get(self.modes[line], self.modes[line])

    def gpio_free(self, handle: int, line: int) -> None: ...

    def gpio_read(self, handle: int, line: int) -> int:
        return 0

    def gpio_write(self, handle: int, line: int, level: bool) -> None:
        self.done.append(("write", line, bool(level)))


@pytest.fixture
def lgpio(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLgpio]:
    """Stand in for the library on a Raspberry Pi 3."""
    fake = FakeLgpio()
    monkeypatch.setitem(sys.modules, "lgpio", fake)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    monkeypatch.setattr("gpiozero.pins.local.get_pi_revision", lambda: 0xA02082)
    monkeypatch.setenv("LG_WD", os.environ.get("LG_WD", ""))
    yield fake
    sys.modules.pop("gpiozero.pins.lgpio", None)
    LocalPiFactory.pins.clear()
    LocalPiFactory._reservations.clear()


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Make `import lgpio` find a module with this source."""

    def write(source: str) -> None:
        (tmp_path / "lgpio.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)

    monkeypatch.delitem(sys.modules, "lgpio", raising=False)
    monkeypatch.setenv("LG_WD", "")
    yield write
    sys.modules.pop("lgpio", None)


def test_elsewhere_than_on_a_pi_auto_is_the_mock(tmp_path: Path):
    assert isinstance(pin_factory(Driver.AUTO, tmp_path / "no-model"), MockFactory)
    other = tmp_path / "model"
    other.write_bytes(b"Some Other Board\0")
    assert isinstance(pin_factory(Driver.AUTO, other), MockFactory)


def test_on_a_pi_auto_is_lgpio(tmp_path: Path, lgpio: FakeLgpio):
    model = tmp_path / "model"
    model.write_bytes(b"Raspberry Pi 3 Model B Rev 1.2\0")
    factory = pin_factory(Driver.AUTO, model)
    assert type(factory).__name__ == "LGPIOFactory"
    factory.close()
    assert lgpio.done == [("chip closed",)]


def test_lines_are_taken_dark_and_left_dark(make_tower: MakeTower):
    tower = make_tower(driver=Driver.MOCK)
    factory = pin_factory(tower.driver)
    lines = GpioChannels(tower, factory)
    pins = {colour: factory.pin(pin) for colour, pin in tower.lamps.items()}
    assert {pin.function for pin in pins.values()} == {"output"}
    lines.set("red", True)
    lines.set("buzzer", True)
    assert pins[Colour.RED].state
    lines.close()
    assert [s.state for s in pins[Colour.RED].states] == [False, True, False]
    assert {pin.function for pin in pins.values()} == {"input"}
    lines.close()


def test_an_active_low_board_is_left_high(make_tower: MakeTower):
    factory = pin_factory(Driver.MOCK)
    lines = GpioChannels(make_tower(active_high=False), factory)
    red = factory.pin(17)
    lines.set("red", True)
    lines.close()
    assert [s.state for s in red.states] == [False, True, False, True]


def test_the_lines_of_a_real_chip_are_written_dark_before_they_are_let_go(
    make_tower: MakeTower, lgpio: FakeLgpio
):
    tower = make_tower(driver=Driver.LGPIO, lamps={Colour.RED: 17}, buzzer=None, alive_relay=None)
    lines = open_lines(tower)
    lines.set("red", True)
    lgpio.done.clear()
    lines.close()
    assert lgpio.done[0] == ("write", 17, False)
    assert lgpio.done[-1] == ("chip closed",)


def test_the_button_claims_no_edge(make_tower: MakeTower, lgpio: FakeLgpio):
    # FakeLgpio has no gpio_claim_alert: a Button, which needs it, could not be made.
    lines = open_lines(make_tower(driver=Driver.LGPIO))
    assert lines.pressed()
    assert lines.chip == "/dev/gpiochip0"
    assert lgpio.modes[5] == lgpio.SET_PULL_UP
    lines.close()


def test_without_a_button_nothing_is_ever_pressed(make_tower: MakeTower):
    lines = open_lines(make_tower(driver=Driver.MOCK, buttons=Buttons()))
    assert not lines.pressed()
    assert lines.chip is None
    lines.close()


def test_a_busy_line_is_named_with_what_to_do_and_the_others_are_let_go(
    make_tower: MakeTower, lgpio: FakeLgpio
):
    lgpio.busy = {27}
    with pytest.raises(TowerError) as refused:
        open_lines(make_tower(driver=Driver.LGPIO))
    assert str(refused.value) == (
        "tower.lamps.amber: GPIO 27 is refused ('GPIO busy'). Another process or the kernel holds "
        "the line: see its consumer with `gpioinfo` and its holder with "
        "`fuser -v /dev/gpiochip*`, stop that, or choose another pin"
    )
    assert ("write", 17, False) in lgpio.done
    assert lgpio.done[-1] == ("chip closed",)


def test_a_line_used_twice_is_refused(make_tower: MakeTower):
    with pytest.raises(TowerError, match=r"tower\.alive_relay: GPIO 17 is already used"):
        open_lines(make_tower(driver=Driver.MOCK, alive_relay=17))


def test_a_line_the_header_lacks_is_refused(make_tower: MakeTower):
    with pytest.raises(TowerError, match=r"tower\.buttons\.acknowledge: .* no GPIO 53 on its"):
        open_lines(make_tower(driver=Driver.MOCK, buttons=Buttons(acknowledge=53)))


def test_a_chip_that_can_not_be_opened_names_all_three_causes(lgpio: FakeLgpio):
    lgpio.chip_opens = False
    with pytest.raises(TowerError) as refused:
        pin_factory(Driver.LGPIO)
    for cause in ("/dev/gpiochip0 does not exist", "group gpio", "DeviceAllow=char-gpiochip rw"):
        assert cause in str(refused.value)


def test_lgpio_on_another_machine_says_mock(lgpio: FakeLgpio, monkeypatch: pytest.MonkeyPatch):
    def unknown() -> int:
        raise PinUnknownPi("unable to locate Pi revision")

    monkeypatch.setattr("gpiozero.pins.local.get_pi_revision", unknown)
    with pytest.raises(TowerError, match=r"not a Raspberry Pi.*tower\.driver: mock"):
        pin_factory(Driver.LGPIO)


@pytest.mark.parametrize("source", ["", "LGPIO_PY_VERSION = 0x00000200"])
def test_an_empty_or_old_lgpio_names_the_package(importable: Callable[[str], None], source: str):
    importable(source)
    with pytest.raises(TowerError, match=r"older than 0\.2\.2 or empty; .* python3-lgpio"):
        pin_factory(Driver.LGPIO)


def test_a_missing_lgpio_names_the_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "lgpio", None)
    monkeypatch.setenv("LG_WD", "")
    with pytest.raises(TowerError, match=r"lgpio is missing; .* python3-lgpio"):
        pin_factory(Driver.LGPIO)


LIKE_LGPIO = "import os\nos.chdir(os.environ['LG_WD'])\nopen('.lgd-nfy0', 'wb').close()\n"


def test_lgpio_makes_its_fifo_in_the_runtime_directory_and_we_stay_where_we_were(
    importable: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    runtime, here = tmp_path / "runtime", tmp_path / "here"
    runtime.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{runtime}:/elsewhere")
    importable(LIKE_LGPIO)
    with pytest.raises(TowerError, match="older"):
        pin_factory(Driver.LGPIO)
    assert [p.name for p in runtime.iterdir()] == [".lgd-nfy0"]
    assert list(here.iterdir()) == []
    assert Path.cwd() == here


def test_without_a_runtime_directory_the_fifo_leaves_no_trace(
    importable: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    importable(LIKE_LGPIO)
    with pytest.raises(TowerError, match="older"):
        pin_factory(Driver.LGPIO)
    assert list(here.iterdir()) == list(temporary.iterdir()) == []


def test_a_fifo_that_can_not_be_made_says_where_and_what_to_set(
    importable: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "gone"))
    importable(LIKE_LGPIO)
    with pytest.raises(TowerError, match=r"FIFO in .*gone \(No such file.*\); set LG_WD"):
        pin_factory(Driver.LGPIO)


def test_a_lamp_that_can_not_be_made_dark_does_not_keep_the_others_lit(
    make_tower: MakeTower, lgpio: FakeLgpio, caplog: pytest.LogCaptureFixture
):
    tower = make_tower(driver=Driver.LGPIO)
    lines = open_lines(tower)
    write = lgpio.gpio_write

    def fail_on_red(handle: int, line: int, level: bool) -> None:
        if line == 17:
            raise LgpioError("bad GPIO write")
        write(handle, line, level)

    lgpio.gpio_write = fail_on_red  # type: ignore[method-assign]
    lgpio.done.clear()
    lines.close()
    assert ("write", 22, False) in lgpio.done
    assert "red could not be made dark" in caplog.text
