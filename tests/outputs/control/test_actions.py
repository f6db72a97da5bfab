"""What an operator on this machine may ask and order, against the real core and loop."""

import json
import threading
from datetime import UTC, datetime

import pytest

from beacon.core.inputs import Observed
from beacon.core.model import Endpoint, Evidence, Reading, Reason, Service, Site
from beacon.core.monitor import Monitor
from beacon.engine.clock import SystemClock
from beacon.engine.inbox import Inbox
from beacon.engine.loop import Engine
from beacon.engine.output import Heartbeat
from beacon.outputs.control.actions import Actions
from beacon.outputs.control.socket import ActionRefused

SITE = Site(
    id="test",
    services=(
        Service(
            id="door",
            name="Door",
            runbook="Call the porter.",
            endpoints=(
                Endpoint(
                    id="door/open",
                    service="door",
                    name="open",
                    kind="tcp",
                    evidence=Evidence.SYMPTOM,
                    failure_threshold=1,
                    local=True,
                ),
            ),
        ),
    ),
)


class RunningEngine:
    """An engine on the real core, nobody polled, deciding in a thread of its own."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.monitor = Monitor(SITE)
        self.tested: list[bool] = []
        heart = Heartbeat(self.clock)
        self.engine = Engine(
            judge=self.monitor,
            clock=self.clock,
            inbox=Inbox(),
            outputs=(),
            heartbeat=heart,
            renderer=heart,
            feed=lambda: None,
        )
        self.engine.start({})
        self.actions = Actions(self.engine, self.monitor, self.tested.append, self.clock).all()
        self.thread = threading.Thread(target=self.engine.run)
        self.thread.start()

    def do(self, action: str, **request):
        return self.actions[action](request, "alex")

    def fails(self) -> None:
        now = self.clock.monotonic()
        reading = Reading(Reason.CONNECT_REFUSED, "refused", 0.0123)
        self.engine.ask(lambda: self.engine.act(Observed(now, "door/open", reading, now)), 10)


@pytest.fixture
def running():
    it = RunningEngine()
    yield it
    it.engine.stop()
    it.thread.join(60)


def test_status_says_everything_and_is_json(running):
    running.fails()
    found = json.loads(json.dumps(running.do("status")))
    assert found["state"]["verdict"] == "outage"
    assert found["state"]["services"] == {"door": "outage"}
    assert found["services"]["door"]["endpoints"] == {"door/open": "down"}
    assert found["endpoints"]["door/open"]["reason"] == "connect_refused"
    assert found["endpoints"]["door/open"]["latency_ms"] == 12.3
    assert found["incidents"][0]["service"] == "door"
    assert found["incidents"][0]["acknowledged_at"] is None
    opened = datetime.fromisoformat(found["incidents"][0]["since"])
    assert found["incidents"][0]["id"] == f"test-{opened:%Y%m%dT%H%M%SZ}-1"
    assert found["incidents"][0]["runbook"] == "Call the porter."
    assert found["lamps"]["red"] == "fast"
    since = datetime.fromisoformat(found["state"]["since"])
    assert abs((datetime.now(UTC) - since).total_seconds()) < 60


def test_acknowledge_is_done_once_in_the_callers_name(running):
    with pytest.raises(ActionRefused, match="nothing to acknowledge"):
        running.do("acknowledge")
    running.fails()
    with pytest.raises(ActionRefused, match="no service 'gate'"):
        running.do("acknowledge", service="gate")
    assert running.do("acknowledge", service="door", reason="seen") == {}
    assert running.do("status")["incidents"][0]["acknowledged_by"] == "alex"


def test_silence_and_sound_again(running):
    with pytest.raises(ActionRefused, match="no incident is open"):
        running.do("silence")
    running.fails()
    assert running.do("status")["silence"] is None
    assert running.do("silence", seconds=60, reason="on the phone") == {}
    silence = running.do("status")["silence"]
    assert (silence["by"], silence["reason"]) == ("alex", "on the phone")
    since, until = (datetime.fromisoformat(silence[word]) for word in ("since", "until"))
    assert (until - since).total_seconds() == 60
    assert running.do("explain", service="door")["silence"] == silence
    assert running.do("silence", on=False) == {}
    assert running.do("explain", service="door")["silence"] is None
    with pytest.raises(ActionRefused, match="not silenced"):
        running.do("silence", on=False)


@pytest.mark.parametrize(
    ("action", "request_", "error"),
    [
        ("silence", {"on": "yes"}, "`on` is true or false"),
        ("shelve", {"service": "gate"}, "no service 'gate'; there is: door"),
        ("bypass", {"service": "door", "on": False}, "there is no bypass to end"),
        ("explain", {"service": "gate"}, "no service 'gate'; there is: door"),
        ("explain", {"service": ["door"]}, "`service` is text of at most 200 characters"),
    ],
)
def test_what_makes_no_sense_is_refused_in_the_words_of_the_core(running, action, request_, error):
    with pytest.raises(ActionRefused, match=error):
        running.do(action, **request_)


def test_overlays_are_laid_on_listed_and_taken_off(running):
    answer = running.do("maintenance", seconds=60, reason="upgrade\x1b[2J\n")
    found = json.loads(json.dumps(running.do("status")))
    assert found["services"]["door"]["overlays"] == ["maintenance"]
    (overlay,) = found["overlays"]
    since, until = (datetime.fromisoformat(overlay[key]) for key in ("since", "until"))
    assert abs((until - since).total_seconds() - 60) < 0.01
    assert answer == {"overlays": [{"subject": "door", "until": overlay["until"]}]}
    assert overlay | {"since": 0, "until": 0} == {
        "kind": "maintenance",
        "subject": "door",
        "since": 0,
        "until": 0,
        "by": "alex",
        "origin": "cli",
        "reason": "upgrade [2J",
    }
    assert running.do("maintenance", on=False) == {}
    assert running.do("status")["overlays"] == []


def test_explain_says_why_and_what_would_change_it(running):
    running.fails()
    running.do("bypass", service="door", reason="vendor")
    found = json.loads(json.dumps(running.do("explain", service="door")))
    assert (found["service"], found["verdict"]) == ("door", "outage")
    assert found["lamps"] == {"red": "fast", "blue": "steady"}
    assert found["why"][0] == "door/open: connect_refused (refused)"
    assert found["why"][1].startswith("first-out: ")
    assert found["overlaid"][0]["kind"] == "bypass"
    door = found["endpoints"]["door/open"]
    assert (door["health"], door["reason"]) == ("down", "connect_refused")
    assert door["standing"] == "0 of 2 passes in a row until it is up"
    again, silent = door["next"]
    assert again["what"] == "read again by then"
    assert silent["what"] == "unknown, if no reading comes until then"
    read, stale = (datetime.fromisoformat(x) for x in (door["read_at"], silent["at"]))
    assert abs((stale - read).total_seconds() - 95.0) < 1.0


def test_lamp_test_with_and_without_the_buzzer(running):
    running.do("lamp_test")
    running.do("lamp_test", buzzer=False)
    assert running.tested == [True, False]
