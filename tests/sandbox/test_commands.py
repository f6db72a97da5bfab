"""The commands as the command line calls them."""

import argparse
import contextlib
import io
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.publish as publish
import pytest

from beacon.sandbox.commands import break_, demo, serve, watch
from beacon.sandbox.servers import Ports
from beacon.sandbox.world import HOST, World


def arguments(ports: Ports, **more: Any) -> argparse.Namespace:
    return argparse.Namespace(
        http_port=ports.http, dns_port=ports.dns, mqtt_port=ports.mqtt, slow=1.0, period=30, **more
    )


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_serve_says_where_it_is_and_ends_in_order(
    when: Callable[..., None],
    ports: Ports,
    ask: Callable[..., Any],
    ending: signal.Signals,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def healthy() -> bool:
        with contextlib.suppress(OSError):
            return bool(ask(ports.http, "GET", "/health") == (200, {"status": "ok"}))
        return False

    when(healthy, ending)
    assert serve(arguments(ports)) == 0
    out, err = capsys.readouterr()
    assert f"http://127.0.0.1:{ports.http}" in out
    assert "beacon sandbox break slow|outage|dns|claim|recover" in out
    assert err == ""


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
    running: World, at: Ports, capsys: pytest.CaptureFixture[str]
) -> None:
    assert break_(arguments(at, fault="outage")) == 0
    assert [fault.value for fault in running.faults] == ["outage"]
    assert capsys.readouterr().out == (
        "outage: sign-ins hang and fail; the health page stays green\n"
        "repair it with: beacon sandbox break recover\n"
    )
    assert break_(arguments(at, fault="recover")) == 0
    assert running.faults == ()
    assert capsys.readouterr().out == "all is well again\n"


def test_break_without_a_sandbox_says_how_to_start_one(
    ports: Ports, capsys: pytest.CaptureFixture[str]
) -> None:
    assert break_(arguments(ports, fault="slow")) == 1
    assert "start one with `beacon sandbox serve` or `make run`" in capsys.readouterr().err


def test_break_does_not_take_another_server_for_the_sandbox(
    running: World, at: Ports, capsys: pytest.CaptureFixture[str]
) -> None:
    assert break_(arguments(at, fault="meteor")) == 1
    assert "another program listens there" in capsys.readouterr().err


def test_watch_prints_what_the_broker_keeps_and_ends_by_a_signal(
    running: World, when: Callable[..., None], at: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish.single("hall/state", "ok", 1, True, HOST, at.mqtt)
    monkeypatch.setattr(sys, "stdout", shown := io.StringIO())
    when(shown.getvalue, signal.SIGINT)
    assert watch(arguments(at, topic="hall/#")) == 0
    assert shown.getvalue() == "hall/state ok\n"


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


def test_serve_without_the_extra_says_which(
    ports: Ports, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "amqtt", None)
    monkeypatch.delitem(sys.modules, "beacon.sandbox.broker", raising=False)
    assert serve(arguments(ports)) == 1
    assert capsys.readouterr().err == (
        "beacon: the sandbox's MQTT broker needs the package amqtt: "
        "pip install 'mfa-beacon[demo]'\n"
    )
