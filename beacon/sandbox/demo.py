"""19 November 2018 in ninety seconds: a script breaks the sandbox, and the daemon judges.

The daemon is an unmodified process that knows nothing of the script; the tower is drawn from what
it publishes. Each act waits until the tower shows what it should, then for `stay` seconds.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from rich.console import Console
from rich.live import Live

from beacon.config.schema import Config
from beacon.core.indication import Colour, Pattern
from beacon.engine.clock import Clock
from beacon.outputs.terminal.render import Picture
from beacon.outputs.terminal.screen import TerminalScreen
from beacon.sandbox.mirror import Mirror
from beacon.sandbox.servers import Ports, sandbox
from beacon.sandbox.world import HOST, RECOVER, Fault, SandboxTimes, World

PACE: Final = SandboxTimes(slow=2.0, hang=5.0, period=5)
FRAME: Final = 0.1
"""Seconds between two frames."""
PATIENCE: Final = 45.0
"""Seconds until the tower must show an act's lamps."""
STOP_LIMIT: Final = 15.0
LOG_TAIL: Final = 15
"""Lines of the daemon's log shown when it fails."""

Lamps = Mapping[Colour, Pattern]
Daemon = subprocess.Popen[bytes]


@dataclass(frozen=True, kw_only=True)
class Act:
    """One act of the demo. Lamps not in `lamps` must be off; `stay` is in seconds.

    Title and caption together fit on one line of a small terminal.
    """

    title: str
    caption: str
    lamps: Lamps
    stay: float
    breaks: str | None = None
    acknowledges: bool = False


STORY: Final = (
    Act(
        title="All well",
        caption="a sign-in with a real one-time code succeeds every few seconds.",
        lamps={Colour.GREEN: Pattern.STEADY},
        stay=8,
    ),
    Act(
        title="It slows down",
        caption="people can sign in, but slowly. So began 19 November 2018.",
        breaks=Fault.SLOW,
        lamps={Colour.AMBER: Pattern.FAST},
        stay=7,
    ),
    Act(
        title="Gray failure",
        caption="nobody can sign in; health and vendor page say all is well.",
        breaks=Fault.OUTAGE,
        lamps={Colour.RED: Pattern.FAST, Colour.AMBER: Pattern.FAST},
        stay=9,
    ),
    Act(
        title="Vendor admits it",
        caption="now it is an outage. The tower showed it earlier.",
        breaks=Fault.CLAIM,
        lamps={Colour.RED: Pattern.FAST},
        stay=7,
    ),
    Act(
        title="Acknowledged",
        caption="the button stops flashing and sound. Red stays on.",
        acknowledges=True,
        lamps={Colour.RED: Pattern.STEADY},
        stay=7,
    ),
    Act(
        title="Recovering",
        caption="sign-ins work again. Green comes only after some time.",
        breaks=RECOVER,
        lamps={Colour.AMBER: Pattern.SLOW, Colour.GREEN: Pattern.SLOW},
        stay=6,
    ),
    Act(
        title="Over",
        caption="sign-ins still work. The incident is closed.",
        lamps={Colour.GREEN: Pattern.STEADY},
        stay=6,
    ),
)


class Failed(Exception):
    """The demo does not go as planned; the message says where."""


class ViewerLeft(Exception):
    """The demo was interrupted."""


class DemoStage:
    """A sandbox, the daemon that watches it, and the mirror of what it publishes."""

    def __init__(
        self, world: World, mirror: Mirror, publish: Callable[[str, str], object], daemon: Daemon
    ) -> None:
        self._world, self._mirror, self._publish, self._daemon = world, mirror, publish, daemon

    @property
    def view(self) -> TerminalScreen:
        """The screen to draw."""
        return self._mirror.view

    def begin(self, act: Act) -> None:
        """Carry out this act."""
        self.view.caption = f"{act.title}: {act.caption}"
        if act.breaks:
            self._world.break_(act.breaks)
        if act.acknowledges:
            self._publish("cmd/acknowledge", '{"by":"analyst"}')

    def shows(self, lamps: Lamps) -> bool:
        """Whether the tower shows exactly these lamps."""
        lit = {c: p for c, p in self._mirror.lamps.items() if p != Pattern.OFF}
        return lit == dict(lamps)

    def check(self) -> None:
        """Raise `Failed` if the daemon has ended."""
        if self._daemon.poll() is not None:
            raise Failed(f"the daemon ended with status {self._daemon.returncode}")


def play(
    story: Sequence[Act],
    stage: DemoStage,
    clock: Clock,
    wait: Callable[[], None],
    seen: Callable[[Act], None],
) -> None:
    """Play the acts; `wait` draws one frame, `seen` is called at the end of each act.

    Raises `Failed` if the tower does not show an act's lamps in time.
    """
    for act in story:
        stage.begin(act)
        late = clock.monotonic() + PATIENCE
        while not stage.shows(act.lamps):
            stage.check()
            if clock.monotonic() > late:
                raise Failed(f"the tower did not show “{act.title}” within {PATIENCE:g} s")
            wait()
        over = clock.monotonic() + act.stay
        while clock.monotonic() < over:
            wait()
        seen(act)


def run(
    story: Sequence[Act],
    config: Config,
    ports: Ports,
    clock: Clock,
    *,
    console: Console,
    leaving: threading.Event,
) -> None:
    """Play the acts, drawn if the console is a terminal; print what the tower showed, and when.

    Raises `SandboxCannotStart`, `Failed`, and `ViewerLeft` once `leaving` is set.
    """
    began, drawn = clock.monotonic(), console.is_terminal
    lines: list[str] = []
    with (
        staged(config, ports, clock) as stage,
        Live(console=console, screen=drawn, auto_refresh=False, transient=True) as screen,
    ):

        def wait() -> None:
            if drawn:
                screen.update(Picture(stage.view, clock.monotonic()), refresh=True)
            if leaving.wait(FRAME):
                raise ViewerLeft

        def seen(act: Act) -> None:
            lamps = ", ".join(f"{colour} {pattern}" for colour, pattern in act.lamps.items())
            lines.append(f"{clock.monotonic() - began:4.0f} s  {act.title:<20}  {lamps}")
            if not drawn:
                console.print(lines[-1])

        play(story, stage, clock, wait, seen)
    if drawn:
        console.print("\n".join(lines))


@contextlib.contextmanager
def staged(config: Config, ports: Ports, clock: Clock) -> Iterator[DemoStage]:
    """Inside, sandbox, daemon and MQTT client run. Raises `SandboxCannotStart`, `Failed`."""
    if config.mqtt is None:
        raise Failed(f"{config.path} has no section `mqtt`: the demo draws what is published there")
    base = f"{config.mqtt.base_topic}/{config.watched.id}"
    mirror = Mirror(config.watched, [c for c in Colour if c in config.tower.lamps], clock)
    with (
        sandbox(ports, PACE, clock) as world,
        _listening(ports.mqtt, base, mirror) as client,
        _daemon(config.path) as daemon,
    ):
        yield DemoStage(
            world, mirror, lambda path, text: client.publish(f"{base}/{path}", text), daemon
        )


@contextlib.contextmanager
def _listening(port: int, base: str, mirror: Mirror) -> Iterator[mqtt.Client]:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)

    def receive(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        mirror.receive(message.topic.removeprefix(f"{base}/"), message.payload.decode())

    client.on_message = receive
    client.connect(HOST, port)
    client.loop_start()
    client.subscribe(f"{base}/#")
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


@contextlib.contextmanager
def _daemon(config: str) -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="beacon-demo-") as place:
        log = Path(place) / "log"
        with log.open("wb") as sink:
            daemon = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-m", "beacon", "run", "-c", config, "--state-dir", place],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={**os.environ, "STATE_DIRECTORY": place, "RUNTIME_DIRECTORY": place},
            )
        try:
            yield daemon
        except Failed as error:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL:])
            raise Failed(f"{error}; the last lines of the daemon's log:\n{tail}") from None
        finally:
            daemon.terminate()
            daemon.wait(STOP_LIMIT)
