"""Lines made of GPIO pins by gpiozero: lgpio on a Raspberry Pi, gpiozero's mock elsewhere.

Every device gets the pin factory explicitly: gpiozero's own search would try all drivers and
hide why the right one failed.
"""

import contextlib
import importlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from gpiozero import InputDevice, OutputDevice
from gpiozero.exc import GPIOPinInUse, PinInvalidPin, PinUnknownPi
from gpiozero.pins import Factory

from beacon.config.schema import Driver, Tower
from beacon.outputs.tower.channels import ALIVE, BUZZER, TowerError, wiring

_log = logging.getLogger(__name__)

MODEL: Final = Path("/proc/device-tree/model")
"""The file that names the model of a Raspberry Pi."""

_OLDEST_LGPIO: Final = 0x000202
_GET_LGPIO: Final = (
    "on Raspberry Pi OS install the package python3-lgpio (sudo apt install python3-lgpio) and "
    "make the virtual environment with --system-site-packages; elsewhere set `tower.driver: mock`"
)
_CHIP_REFUSED: Final = (
    "tower: can not open the GPIO chip. One of three: /dev/gpiochip0 does not exist (no GPIO on "
    "this machine: set `tower.driver: mock`); this user is not in the group gpio (sudo usermod "
    "-aG gpio USER, or SupplementaryGroups=gpio in the unit); or the unit's sandbox forbids it "
    "(DeviceAllow=char-gpiochip rw, no PrivateDevices=yes)"
)


def open_lines(tower: Tower, model: Path = MODEL) -> "GpioChannels":
    """Take every line of the tower, dark. Raises `TowerError`."""
    return GpioChannels(tower, pin_factory(tower.driver, model))


def pin_factory(driver: Driver, model: Path = MODEL) -> Factory:
    """Make gpiozero's factory for this driver; `auto` is lgpio on a Pi, else mock."""
    if driver is Driver.AUTO:
        driver = Driver.LGPIO if _is_a_pi(model) else Driver.MOCK
    if driver is Driver.LGPIO:
        return _lgpio_factory()
    from gpiozero.pins.mock import MockFactory, MockPin  # noqa: PLC0415 - only without a Pi

    return MockFactory(revision="a02082", pin_class=MockPin)


def _is_a_pi(model: Path) -> bool:
    try:
        return b"Raspberry Pi" in model.read_bytes()
    except OSError:
        return False


def _lgpio_factory() -> Factory:
    lgpio = _load_lgpio()
    from gpiozero.pins.lgpio import LGPIOFactory  # noqa: PLC0415 - imports lgpio

    try:
        return LGPIOFactory()
    except PinUnknownPi as error:
        message = (
            "tower: this is not a Raspberry Pi (or its revision in /proc is hidden from the unit): "
            "set `tower.driver: mock`"
        )
        raise TowerError(message) from error
    except lgpio.error as error:
        raise TowerError(_CHIP_REFUSED) from error


def _load_lgpio() -> ModuleType:
    with _lgpio_directory() as directory:
        try:
            lgpio = importlib.import_module("lgpio")
        except ImportError as error:
            raise TowerError(f"tower: the Python module lgpio is missing; {_GET_LGPIO}") from error
        except OSError as error:
            message = f"tower: lgpio can not make its FIFO in {directory} ({error.strerror})"
            raise TowerError(f"{message}; set LG_WD to a directory this user may write") from error
    if getattr(lgpio, "LGPIO_PY_VERSION", 0) >> 8 < _OLDEST_LGPIO:
        # PyPI has an empty 0.0.0.2, which pip takes where no newer wheel fits.
        raise TowerError(f"tower: lgpio is older than 0.2.2 or empty; {_GET_LGPIO}")
    return lgpio


@contextlib.contextmanager
def _lgpio_directory() -> Iterator[str]:
    """A directory for the FIFO that lgpio makes when imported.

    With LG_WD set the import also changes the process's working directory: it is restored here.
    """
    before = Path.cwd()
    with contextlib.ExitStack() as stack:
        chosen = os.environ.get("LG_WD") or os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
        # lgpio keeps its FIFO open, so a directory of our own can be removed at once.
        directory = chosen or stack.enter_context(tempfile.TemporaryDirectory(prefix="beacon-"))
        os.environ["LG_WD"] = directory
        try:
            yield directory
        finally:
            os.chdir(before)


class GpioChannels:
    """Every line of one tower, held until `close`. Raises `TowerError` when one is refused."""

    def __init__(self, tower: Tower, factory: Factory) -> None:
        self._factory = factory
        self._outputs: dict[str, OutputDevice] = {}
        self._button: InputDevice | None = None
        try:
            for channel, pin in wiring(tower).items():
                self._outputs[channel] = _claim(
                    OutputDevice, channel, pin, active_high=tower.active_high, pin_factory=factory
                )
            if tower.buttons.acknowledge is not None:
                # An InputDevice claims no edge: with one claimed, lgpio spins (design: 20 Hz poll).
                self._button = _claim(
                    InputDevice,
                    "acknowledge",
                    tower.buttons.acknowledge,
                    pull_up=True,
                    pin_factory=factory,
                )
        except TowerError:
            self.close()
            raise

    @property
    def chip(self) -> str | None:
        """The GPIO character device whose lines these are; None for the mock's."""
        number = getattr(self._factory, "chip", None)
        return None if number is None else f"/dev/gpiochip{number}"

    def set(self, channel: str, lit: bool) -> None:
        """Drive one line."""
        self._outputs[channel].value = lit

    def pressed(self) -> bool:
        """Read the button's line."""
        return self._button is not None and self._button.is_active

    def close(self) -> None:
        """Drive every output dark, then release: gpiozero leaves a released pin an input."""
        outputs, self._outputs = self._outputs, {}
        for channel, output in outputs.items():
            try:
                output.off()
            except Exception:  # noqa: BLE001 - the other lamps must go dark too
                _log.exception("tower: %s could not be made dark", channel)
        self._button = None
        self._factory.close()


_SETTING: Final = {
    BUZZER: "tower.buzzer.pin",
    ALIVE: "tower.alive_relay",
    "acknowledge": "tower.buttons.acknowledge",
}


def _claim(make: Callable[..., Any], channel: str, pin: int, **settings: Any) -> Any:  # noqa: ANN401
    setting = _SETTING.get(channel, f"tower.lamps.{channel}")
    try:
        return make(pin, **settings)
    except PinInvalidPin as error:
        raise TowerError(f"{setting}: this board has no GPIO {pin} on its header") from error
    except GPIOPinInUse as error:
        raise TowerError(f"{setting}: GPIO {pin} is already used by this tower") from error
    except Exception as error:
        raise TowerError(
            f"{setting}: GPIO {pin} is refused ({error}). Another process or the kernel holds the "
            "line: see its consumer with `gpioinfo` and its holder with `fuser -v /dev/gpiochip*`, "
            "stop that, or choose another pin"
        ) from error
