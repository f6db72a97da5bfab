"""The commands as users type them, and as the command line calls them."""

import argparse
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.publish as publish
import pytest

from beacon.engine.clock import SystemClock
from beacon.sandbox.commands import break_, demo, serve, watch
from beacon.sandbox.servers import Ports, sandbox
from beacon.sandbox.world import HOST, SandboxTimes, World

Spawn = Callable[..., "subprocess.Popen[str]"]


def arguments(ports: Ports, **more: Any) -> argparse.Namespace:
    return argparse.Namespace(
        http_port=ports.http, dns_port=ports.dns, mqtt_port=ports.mqtt, slow=1.0, period=30, **more
    )


@pytest.fixture
def running(ports: Ports, pace: SandboxTimes) -> Iterator[World]:
    with sandbox(ports, pace, SystemClock()) as world:
        yield world


def options(ports: Ports) -> list[str]:
    return [
        *("--http-port", str(ports.http)),
        *("--dns-port", str(ports.dns)),
        *("--mqtt-port", str(ports.mqtt)),
    ]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_serve_says_where_it_is_and_ends_in_order(
    spawn: Spawn, ports: Ports, ask: Callable[..., Any], ending: signal.Signals
) -> None:
    process = spawn("sandbox", "serve", *options(ports))
    assert process.stdout is not None
    said = []
    while not said or not said[-1].startswith("Watch it"):
        said.append(process.stdout.readline())
        assert said[-1], process.communicate()
    assert f"http://127.0.0.1:{ports.http}" in "".join(said)
    assert "beacon sandbox break slow|outage|dns|claim|recover" in "".join(said)
    assert ask(ports.http, "GET", "/health") == (200, {"status": "ok"})
    process.send_signal(ending)
    assert process.communicate(timeout=120) == ("", "")
    assert process.returncode == 0


def test_serve_says_which_port_is_taken(ports: Ports, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((HOST, ports.http)):
        assert serve(arguments(ports)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"beacon: the sandbox's web server cannot listen at 127.0.0.1:{ports.http}: Address already"
        " in use; stop the program that listens there (another sandbox?), or set another"
        " --http-port\n"
    )


def test_break_says_what_is_broken_and_how_to_mend_it(
    running: World, ports: Ports, capsys: pytest.CaptureFixture[str]
) -> None:
    assert break_(arguments(ports, fault="outage")) == 0
    assert [fault.value for fault in running.faults] == ["outage"]
    assert capsys.readouterr().out == (
        "outage: sign-ins hang and fail; the health page stays green\n"
        "repair it with: beacon sandbox break recover\n"
    )
    assert break_(arguments(ports, fault="recover")) == 0
    assert running.faults == ()
    assert capsys.readouterr().out == "all is well again\n"


def test_break_without_a_sandbox_says_how_to_start_one(
    ports: Ports, capsys: pytest.CaptureFixture[str]
) -> None:
    assert break_(arguments(ports, fault="slow")) == 1
    assert "start one with `beacon sandbox serve` or `make run`" in capsys.readouterr().err


def test_break_does_not_take_another_server_for_the_sandbox(
    running: World, ports: Ports, capsys: pytest.CaptureFixture[str]
) -> None:
    assert break_(arguments(ports, fault="meteor")) == 1
    assert "another program listens there" in capsys.readouterr().err


def test_watch_prints_what_the_broker_keeps_and_ends_by_a_signal(
    running: World, spawn: Spawn, ports: Ports
) -> None:
    publish.single("mfa-beacon/room/state", "ok", 1, True, HOST, ports.mqtt)
    process = spawn("sandbox", "watch", "--mqtt-port", str(ports.mqtt))
    assert process.stdout is not None
    assert process.stdout.readline() == "mfa-beacon/room/state ok\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120)[1] == ""
    assert process.returncode == 0


def test_watch_without_a_broker_says_how_to_start_one(
    ports: Ports, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch(arguments(ports, topic="#")) == 1
    assert f"no broker answers at 127.0.0.1:{ports.mqtt}" in capsys.readouterr().err


def test_demo_with_a_bad_configuration_says_so(
    tmp_path: Path, ports: Ports, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "demo.yaml"
    file.write_text("sight: london\n")
    assert demo(arguments(ports, config=str(file))) == 78
    assert f"{file}:1:1" in capsys.readouterr().err


def test_serve_without_the_extra_says_which(ports: Ports) -> None:
    code = "import sys; sys.modules['amqtt'] = None; from beacon.cli.main import main; exit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", code, "sandbox", "serve", *options(ports)],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "beacon: the sandbox's MQTT broker needs the package amqtt: "
        "pip install 'mfa-beacon[demo]'\n"
    )
