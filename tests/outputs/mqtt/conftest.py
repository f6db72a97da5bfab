"""What the tests of MQTT share: a real mosquitto, somebody who listens, a small house."""

import json
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from beacon.config.schema import Buzzer, Config, Mqtt, Tower
from beacon.core.effects import Effect, IncidentChanged, OverallChanged, ServiceChanged
from beacon.core.indication import Colour
from beacon.core.model import (
    Endpoint,
    Evidence,
    Health,
    Reading,
    Reason,
    Service,
    Site,
    Verdict,
)
from beacon.core.views import EndpointRead, IncidentState, IncidentView, OverallView, ServiceView
from beacon.engine.clock import SystemClock
from beacon.engine.output import Heartbeat
from beacon.outputs.mqtt.output import MqttOutput
from beacon.outputs.mqtt.push import MqttPush
from beacon.outputs.mqtt.session import SessionTimes

BASE = "mfa-beacon/lab"
QUICK = SessionTimes(
    first_retry=0.05,
    last_retry=0.1,
    settled=0.2,
    patience=0.5,
    welcome=2.0,
    read_back=0.1,
    birth=(0.01, 0.02),
    forgotten=0.02,
    again=300.0,
    farewell=2.0,
)


# --- a broker ----------------------------------------------------------------------


class Mosquitto:
    """One mosquitto on one port, without persistence: what is down forgets."""

    def __init__(self, binary: Path, port: int, directory: Path) -> None:
        self.port, self._binary, self._directory = port, binary, directory
        self._process: subprocess.Popen[bytes] | None = None
        self.lines: tuple[str, ...] = ("allow_anonymous true",)

    def start(self, *lines: str) -> None:
        self.lines = lines or self.lines
        conf = self._directory / "mosquitto.conf"
        own = ("user root", "persistence false", f"listener {self.port} 127.0.0.1")
        conf.write_text("\n".join([*own, "log_type all", *self.lines]) + "\n")
        log = self._directory / "mosquitto.log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [self._binary, "-c", conf], stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        until = time.monotonic() + 60
        while not re.search(rb"mosquitto version \S+ running", log.read_bytes()):
            if self._process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"mosquitto did not start: {log.read_text()}")
            time.sleep(0.005)

    def freeze(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def broker(need, free_port, tmp_path) -> Iterator[Mosquitto]:
    """A mosquitto that is not yet started."""
    directory = tmp_path / "mosquitto"
    directory.mkdir()
    mosquitto = Mosquitto(need("mosquitto"), free_port(), directory)
    yield mosquitto
    mosquitto.stop()


class Listener:
    """Somebody who subscribes to everything and remembers it."""

    def __init__(self, port: int, topic: str = "#", **login: Any) -> None:
        self.received: list[MQTTMessage] = []
        self.kept: dict[str, str] = {}
        self._news = threading.Condition()
        self._subscribed = False
        self._client = Client(
            CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, **login
        )
        self._client.on_connect = lambda client, *_: client.subscribe(
            topic, options=SubscribeOptions(qos=1, retainAsPublished=True)
        )
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self.until(lambda: self._subscribed, "the subscription")

    def _on_subscribe(self, *_: Any) -> None:
        with self._news:
            self._subscribed = True
            self._news.notify_all()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        with self._news:
            self.received.append(message)
            if message.retain:
                self.kept[message.topic] = message.payload.decode()
            self._news.notify_all()

    def until(self, holds: Callable[[], object], what: str, within: float = 60.0) -> None:
        until = time.monotonic() + within
        with self._news:
            while not holds():
                if time.monotonic() < until:
                    self._news.wait(0.01)  # what is waited for may be a deed, not a message
                    continue
                seen = "\n".join(f"{m.topic} {m.payload[:120]!r}" for m in self.received[-15:])
                pytest.fail(f"{what} did not come within {within:g} s; last messages:\n{seen}")

    def json(self, path: str) -> dict[str, Any]:
        """What is retained below the base, {} if nothing."""
        found: dict[str, Any] = json.loads(self.kept.get(f"{BASE}/{path}") or "{}")
        return found

    def all(self, path: str) -> list[dict[str, Any]]:
        """Every JSON document received on a topic below the base."""
        with self._news:
            found = [m for m in self.received if m.topic == f"{BASE}/{path}"]
        return [json.loads(m.payload) for m in found]

    def say(self, topic: str, payload: str = "", retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain).wait_for_publish(5)

    def command(self, name: str, payload: str, retain: bool = False) -> None:
        self.say(f"{BASE}/cmd/{name}", payload, retain)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Make listeners; all are closed at the end."""
    listeners: list[Listener] = []

    def make(port: int, topic: str = "#", **login: Any) -> Listener:
        listeners.append(Listener(port, topic, **login))
        return listeners[-1]

    yield make
    for listener in listeners:
        listener.close()


# --- a small house -----------------------------------------------------------------


def endpoint_of(path: str, **more: Any) -> Endpoint:
    service, _, name = path.partition("/")
    plain: dict[str, Any] = {"name": name, "kind": "http", "evidence": Evidence.SYMPTOM}
    return Endpoint(id=path, service=service, **(plain | more))


SITE = Site(
    id="lab",
    name="Lab",
    services=(
        Service(
            id="sign-in",
            name="Sign-in",
            endpoints=(
                endpoint_of("sign-in/portal"),
                endpoint_of("sign-in/otp", sign_in=True, interval=60.0),
            ),
            runbook="Call the duty officer.",
        ),
        Service(
            id="sms", name="SMS codes", endpoints=(endpoint_of("sms/gateway", interval=300.0),)
        ),
    ),
    witnesses=(endpoint_of("witness/canary", evidence=Evidence.WITNESS, interval=10.0),),
)


@pytest.fixture
def house() -> Callable[..., Config]:
    """A configuration that talks to 127.0.0.1:port; `more` goes into its section mqtt."""

    def build(port: int = 1883, site: Site = SITE, **more: Any) -> Config:
        mqtt = Mqtt(host="127.0.0.1", port=port, encrypted=False)
        return Config(
            path="beacon.yaml",
            name="Lab beacon",
            watched=site,
            probes={},
            tower=Tower(
                lamps={Colour.RED: 17, Colour.AMBER: 27, Colour.GREEN: 22}, buzzer=Buzzer(pin=18)
            ),
            mqtt=replace(mqtt, **more),
            digest="0123abcd",
        )

    return build


class Words:
    """Effects as the core would send them, at a moment."""

    def __init__(self, at: float) -> None:
        self.at = at

    def overall(self, verdict: Verdict = Verdict.OK, **more: Any) -> OverallChanged:
        plain: dict[str, Any] = {"blind": False, "starting": False, "services": ()}
        problem = verdict not in (Verdict.OK, Verdict.ADVISORY)
        view = OverallView(verdict=verdict, problem=problem, since=self.at, **(plain | more))
        return OverallChanged(self.at, view)

    def service(self, verdict: Verdict = Verdict.OK, **more: Any) -> ServiceChanged:
        view = ServiceView(id=more.pop("id", "sign-in"), verdict=verdict, since=self.at, **more)
        return ServiceChanged(self.at, view)

    def read(
        self,
        path: str = "sign-in/portal",
        reason: Reason = Reason.OK,
        health: Health = Health.UP,
        **more: Any,
    ) -> EndpointRead:
        reading = Reading(reason, more.pop("detail", ""), more.pop("latency", 0.25))
        return EndpointRead(more.pop("at", self.at), path, reading, health, more.pop("failures", 0))

    def incident(self, **more: Any) -> IncidentView:
        plain: dict[str, Any] = {
            "number": 7,
            "service": "sign-in",
            "state": IncidentState.OPEN,
            "since": self.at,
            "verdict": Verdict.OUTAGE,
            "peak": Verdict.OUTAGE,
            "first_out": "sign-in/portal",
        }
        return IncidentView(**(plain | more))

    def standing(self, verdict: Verdict = Verdict.OK) -> list[Effect]:
        """All there is, as at the start."""
        return [
            self.service(verdict),
            self.service(verdict, id="sms"),
            *(self.read(e.id) for e in SITE.endpoints),
            IncidentChanged(self.at, None, 0),
            self.overall(verdict),
        ]


@pytest.fixture
def endpoint() -> Callable[..., Endpoint]:
    """Make an endpoint from its id, the rest plain."""
    return endpoint_of


@pytest.fixture
def words() -> type[Words]:
    return Words


@dataclass
class Beacon:
    """An MQTT output with what it did to others."""

    output: MqttOutput
    submitted: list[Any]
    tested: list[bool]
    clock: SystemClock
    judge: Heartbeat

    def words(self) -> Words:
        return Words(self.clock.monotonic())


@pytest.fixture
def quick() -> SessionTimes:
    return QUICK


@pytest.fixture
def beacon(house) -> Iterator[Callable[..., Beacon]]:
    """Make and start outputs; all are stopped at the end."""
    made: list[Beacon] = []

    def make(
        config: Config,
        pace: SessionTimes = QUICK,
        submit: Any = None,
        lamp_test: Any = None,
        push: MqttPush | None = None,
        judged: bool = False,
    ):
        submitted: list[Any] = []
        tested: list[bool] = []
        clock = SystemClock()
        judge = Heartbeat(clock)
        output = MqttOutput(
            config,
            clock,
            submit or submitted.append,
            lamp_test or (lambda: tested.append(True)),
            "1.2.3",
            random.Random(1),
            pace,
            push,
            judge if judged else None,
        )
        made.append(Beacon(output, submitted, tested, clock, judge))
        output.start()
        return made[-1]

    yield make
    for one in made:
        one.output.stop(10.0)
