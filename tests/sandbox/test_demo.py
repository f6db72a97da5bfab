"""The story: by a script with everything faked but the script, and once for real."""

import argparse
import contextlib
import dataclasses
import io
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from beacon.config.schema import Config
from beacon.core.indication import Colour
from beacon.core.model import Site
from beacon.daemon.life import load_config
from beacon.engine.clock import ManualClock, SystemClock
from beacon.sandbox.commands import demo
from beacon.sandbox.demo import FRAME, PATIENCE, STORY, Act, Daemon, DemoStage, Failed, play, run
from beacon.sandbox.mirror import Mirror
from beacon.sandbox.servers import Ports
from beacon.sandbox.world import HOST, World

ROOT = Path(__file__).parents[2]


class Scene:
    """A stage on which the tower shows what is wanted a second after each act began."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 1, 5, 12, tzinfo=UTC))
        self.world, self.published, self.status = World(), [], None
        self.mirror = Mirror(Site(id="demo"), tuple(Colour), self.clock)
        self.stage = DemoStage(self.world, self.mirror, self._say, cast("Daemon", self))
        self.seen: list[tuple[str, float, tuple[str, ...]]] = []
        self.captions: list[str] = []
        self.returncode = 9

    published: list[tuple[str, str]]
    status: int | None

    def poll(self) -> int | None:
        return self.status

    def _say(self, path: str, word: str) -> None:
        self.published.append((path, word))

    def wait(self) -> None:
        self.clock.advance(FRAME)

    def lit(self) -> None:
        """Pass a frame; every second the tower shows the act that runs."""
        self.wait()
        caption = self.mirror.view.caption
        if caption not in self.captions:
            self.captions.append(caption)
            (act,) = [act for act in STORY if caption.startswith(f"{act.title}: ")]
            for colour in Colour:
                self.mirror.receive(f"lamp/{colour}", act.lamps.get(colour, "off"))

    def note(self, act: Act) -> None:
        self.seen.append((act.title, self.clock.monotonic(), self.world.faults))


def test_each_act_breaks_its_thing_and_is_looked_at() -> None:
    scene = Scene()
    play(STORY, scene.stage, scene.clock, scene.lit, scene.note)
    assert [title for title, _, _ in scene.seen] == [act.title for act in STORY]
    assert [faults for _, _, faults in scene.seen] == [
        (),
        ("slow",),
        ("slow", "outage"),
        ("slow", "outage", "claim"),
        ("slow", "outage", "claim"),
        (),
        (),
    ]
    assert scene.published == [("cmd/acknowledge", '{"by":"analyst"}')]
    assert scene.seen[-1][1] >= sum(act.stay for act in STORY)
    assert all(len(caption) < 80 for caption in scene.captions)


def test_a_tower_that_does_not_follow_ends_the_story() -> None:
    scene = Scene()
    with pytest.raises(Failed, match="did not show “All well” within 45 s"):
        play(STORY, scene.stage, scene.clock, scene.wait, scene.note)
    assert PATIENCE < scene.clock.monotonic() < PATIENCE + 2 * FRAME
    assert scene.seen == []


def test_a_daemon_that_ends_ends_the_story_at_once() -> None:
    scene = Scene()
    scene.status = 9
    with pytest.raises(Failed, match="ended with status 9"):
        play(STORY, scene.stage, scene.clock, scene.wait, scene.note)
    assert scene.clock.monotonic() == 0


def test_one_lamp_too_many_is_not_the_act() -> None:
    scene = Scene()
    scene.mirror.receive("lamp/green", "steady")
    assert scene.stage.shows(STORY[0].lamps)
    scene.mirror.receive("lamp/white", "slow")
    assert not scene.stage.shows(STORY[0].lamps)


def arguments(configuration: Path, ports: Ports) -> argparse.Namespace:
    return argparse.Namespace(
        config=str(configuration),
        http_port=ports.http,
        dns_port=ports.dns,
        mqtt_port=ports.mqtt,
    )


@pytest.fixture
def configuration(ports: Ports, tmp_path: Path) -> Path:
    """config/demo.yaml on this test's ports, with a shorter recovery."""
    text = (ROOT / "config/demo.yaml").read_text().replace("hold: 10s", "hold: 2s")
    for name, port in dataclasses.asdict(Ports()).items():
        assert f"127.0.0.1:{port}" in text
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{getattr(ports, name)}")
    path = tmp_path / "demo.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setenv("TERM", "xterm")  # on a dumb one nothing is drawn
    return Console(file=io.StringIO(), force_terminal=True, width=80, height=24)


def watched(story: Sequence[Act], config: Config, ports: Ports, screen: Console) -> None:
    """Tell a story to somebody who stays."""
    run(story, config, ports, SystemClock(), console=screen, leaving=threading.Event())


@pytest.mark.realtime
def test_the_story_comes_true(configuration: Path, ports: Ports, screen: Console) -> None:
    """The sandbox, the daemon and the broker as they are; only nobody stays to look."""
    story = [dataclasses.replace(act, stay=0) for act in STORY]
    watched(story, load_config(configuration, os.environ), ports, screen)
    shown = cast("io.StringIO", screen.file).getvalue()
    lines = shown.splitlines()[-len(story) :]
    for line, act in zip(lines, story, strict=True):
        assert act.title in line
    assert "GRAY FAILURE" in shown


def test_the_daemons_last_log_lines_are_shown(
    configuration: Path, ports: Ports, screen: Console
) -> None:
    config = load_config(configuration, os.environ)
    configuration.write_text("sight: london\n")  # the daemon reads it anew
    with pytest.raises(
        Failed, match=r"ended with status 78.*last lines of the daemon.s log:\n.*sight"
    ) as failed:
        watched(STORY, config, ports, screen)
    assert isinstance(failed.value, Failed)


def test_without_mqtt_there_is_nothing_to_see(
    configuration: Path, ports: Ports, screen: Console
) -> None:
    config = dataclasses.replace(load_config(configuration, os.environ), mqtt=None)
    with pytest.raises(Failed, match="has no section `mqtt`"):
        watched(STORY, config, ports, screen)


def test_the_command_says_what_it_could_not_start(
    configuration: Path, ports: Ports, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server((HOST, ports.http)):
        assert demo(arguments(configuration, ports)) == 1
    assert "web server cannot listen" in capsys.readouterr().err


@pytest.mark.realtime
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGHUP])
def test_leaving_in_the_middle_leaves_nothing_behind(
    configuration: Path, ports: Ports, when: Callable[..., None], ending: signal.Signals
) -> None:
    when(lambda: running(configuration), ending)
    assert demo(arguments(configuration, ports)) == 130
    assert running(configuration) == []


def running(configuration: Path) -> list[str]:
    """The processes that name this configuration on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().decode(errors="replace")
            found += [line] if str(configuration) in line else []
    return found
