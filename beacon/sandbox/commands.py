"""The commands `beacon sandbox serve|break|watch` and `beacon demo`.

Each takes parsed arguments and returns an exit status.
"""

import argparse
import http.client
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from beacon import probes
from beacon.config.loader import load
from beacon.config.problems import ConfigError
from beacon.engine.clock import SystemClock
from beacon.sandbox.servers import Ports, SandboxCannotStart, sandbox
from beacon.sandbox.web import BREAK
from beacon.sandbox.world import HOST, RECOVER, Fault, SandboxTimes

MEANING: Final = {
    Fault.SLOW: "sign-ins work, but take very long",
    Fault.OUTAGE: "sign-ins hang and fail; the health page stays green",
    Fault.DNS: "the OTP sender's domain has lost its SPF and MX records",
    Fault.CLAIM: "the vendor's status page admits an incident",
}
ABSENT: Final = (
    f"no {{what}} answers at {HOST}:{{port}} ({{error}}): "
    "start one with `beacon sandbox serve` or `make run`"
)
BAD_CONFIG: Final = 78
INTERRUPTED: Final = 130
ADMIN_LIMIT: Final = 5.0
"""Seconds for the sandbox to answer `beacon sandbox break`."""


def serve(args: argparse.Namespace) -> int:
    """Run the sandbox until a signal."""
    ports = Ports(http=args.http_port, dns=args.dns_port, mqtt=args.mqtt_port)
    stopping = _set_by(signal.SIGINT, signal.SIGTERM)
    try:
        with sandbox(ports, SandboxTimes(slow=args.slow, period=args.period), SystemClock()):
            _print(_welcome(ports))
            stopping.wait()
    except SandboxCannotStart as error:
        return _refuse(str(error))
    return 0


def break_(args: argparse.Namespace) -> int:
    """Break something in the running sandbox, or repair everything."""
    try:
        faults = _switch(args.fault, args.http_port)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _refuse(ABSENT.format(what="sandbox", port=args.http_port, error=error))
    for fault in faults:
        _print(f"{fault}: {MEANING[fault]}")
    _print(f"repair it with: beacon sandbox break {RECOVER}" if faults else "all is well again")
    return 0


def watch(args: argparse.Namespace) -> int:
    """Print the broker's retained messages and all new ones, until a signal."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)

    def subscribe(*_: object) -> None:
        client.subscribe(args.topic)

    client.on_connect = subscribe
    client.on_message = _show
    try:
        client.connect(HOST, args.mqtt_port)
    except OSError as error:
        return _refuse(ABSENT.format(what="broker", port=args.mqtt_port, error=error))
    try:
        client.loop_forever()
    except KeyboardInterrupt:
        client.disconnect()
    return 0


def demo(args: argparse.Namespace) -> int:
    """Play 19 November 2018 with a sandbox, a daemon and a drawn tower."""
    # Only this command needs rich, which draws the tower.
    from rich.console import Console  # noqa: PLC0415

    from beacon.sandbox.demo import STORY, Failed, ViewerLeft, run  # noqa: PLC0415

    # A flag, not an exception: raised during the daemon's start it would leave it running.
    leaving = _set_by(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ports = Ports(http=args.http_port, dns=args.dns_port, mqtt=args.mqtt_port)
    try:
        config = load(Path(args.config), registry=probes, environ=os.environ)
        run(STORY, config, ports, SystemClock(), console=Console(), leaving=leaving)
    except ConfigError as error:
        return _refuse("\n".join(str(problem) for problem in error.problems), BAD_CONFIG)
    except (SandboxCannotStart, Failed) as error:
        return _refuse(str(error))
    except ViewerLeft:
        return INTERRUPTED
    return 0


def _set_by(*numbers: signal.Signals) -> threading.Event:
    """An event that is set by these signals."""
    ending = threading.Event()
    for number in numbers:
        signal.signal(number, lambda *_: ending.set())
    return ending


def _switch(word: str, port: int) -> tuple[Fault, ...]:
    """Let the sandbox break something; returns all faults that are on now."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ADMIN_LIMIT)
    try:
        connection.request("POST", BREAK + word, headers={"Content-Length": "0"})
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    if "faults" not in answer:
        raise ValueError("another program listens there")
    return tuple(Fault(fault) for fault in answer["faults"])


def _show(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
    _print(f"{message.topic} {message.payload.decode('utf-8', 'replace')}")


def _welcome(ports: Ports) -> str:
    words = "|".join((*Fault, RECOVER))
    return f"""\
A local identity provider to try the beacon on; only this machine can reach it.
  sign-in, health, status page   http://{HOST}:{ports.http}
  DNS of otp.example             {HOST}:{ports.dns}
  MQTT broker (3.1.1)            {HOST}:{ports.mqtt}
Break it:  beacon sandbox break {words}
Watch it:  beacon sandbox watch"""


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _refuse(text: str, status: int = 1) -> int:
    sys.stderr.write(f"beacon: {text}\n")
    return status
