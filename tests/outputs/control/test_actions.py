"""What an operator on this machine may ask and order, against the real core and loop."""

import json
import re
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
from beacon.outputs.documents import status

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


class Room:
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
def room():
    it = Room()
    yield it
    it.engine.stop()
    it.thread.join(60)


def test_status_says_everything_and_is_json(room):
    room.fails()
    found = json.loads(json.dumps(room.do("status")))
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


def test_times_are_told_by_the_wall_clock(room):
    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    view = room.engine.ask(room.monitor.view, 10)
    assert status(view, lambda at: noon, SITE)["state"]["since"] == "2026-01-05T12:00:00.000+00:00"


def test_acknowledge_is_done_once_in_the_callers_name(room):
    with pytest.raises(ActionRefused, match="nothing to acknowledge"):
        room.do("acknowledge")
    room.fails()
    with pytest.raises(ActionRefused, match="no service 'gate'"):
        room.do("acknowledge", service="gate")
    assert room.do("acknowledge", service="door", reason="seen") == {}
    assert room.do("status")["incidents"][0]["acknowledged_by"] == "alex"


def test_silence_and_sound_again(room):
    with pytest.raises(ActionRefused, match="no incident is open"):
        room.do("silence")
    room.fails()
    assert room.do("status")["silence"] is None
    assert room.do("silence", seconds=60, reason="on the phone") == {}
    told = room.do("status")["silence"]
    assert (told["by"], told["reason"]) == ("alex", "on the phone")
    since, until = (datetime.fromisoformat(told[word]) for word in ("since", "until"))
    assert (until - since).total_seconds() == 60
    assert room.do("explain", service="door")["silence"] == told
    assert room.do("silence", on=False) == {}
    assert room.do("explain", service="door")["silence"] is None
    with pytest.raises(ActionRefused, match="not silenced"):
        room.do("silence", on=False)


@pytest.mark.parametrize(
    ("action", "request_", "error"),
    [
        ("silence", {"on": "yes"}, "`on` is true or false"),
        ("silence", {"seconds": True}, "`seconds` is a number"),
        ("silence", {"seconds": "60"}, "`seconds` is a number"),
        ("silence", {"seconds": -1}, "`seconds` is a number"),
        ("silence", {"seconds": float("nan")}, "`seconds` is a number"),
        ("silence", {"reason": 7}, "`reason` is text"),
        ("acknowledge", {"reason": "x" * 201}, "`reason` is text of at most 200"),
        ("acknowledge", {"service": ["door"]}, "`service` is the id of one"),
        ("acknowledge", {"service": ""}, "`service` is the id of one, or left out for all"),
        ("silence", {"seconds": 9 * 3600}, "too long: at most 1 h"),
        ("silence", {"seconds": 10**400}, "too long: at most 1 h"),
        ("drill", {"verdict": "fire"}, "`verdict` is one of ok, advisory"),
        ("drill", {"service": "door"}, "drill concerns the whole tower: leave `service` out"),
        ("silence", {"service": "door"}, "silence concerns the whole tower"),
        ("shelve", {"service": "door", "seconds": 30_000}, "too long: at most 8 h"),
        ("shelve", {"service": "door", "seconds": 10**400}, "too long: at most 8 h"),
    ],
)
def test_a_wrong_request_is_refused(room, action, request_, error):
    room.fails()
    with pytest.raises(ActionRefused, match=error):
        room.do(action, **request_)


def test_overlays_are_laid_on_listed_and_taken_off(room):
    said = room.do("maintenance", seconds=60, reason="upgrade\x1b[2J\n")
    found = json.loads(json.dumps(room.do("status")))
    assert found["services"]["door"]["overlays"] == ["maintenance"]
    (overlay,) = found["overlays"]
    since, until = (datetime.fromisoformat(overlay[key]) for key in ("since", "until"))
    assert abs((until - since).total_seconds() - 60) < 0.01
    assert said == {"overlays": [{"subject": "door", "until": overlay["until"]}]}
    assert overlay | {"since": 0, "until": 0} == {
        "kind": "maintenance",
        "subject": "door",
        "since": 0,
        "until": 0,
        "by": "alex",
        "origin": "cli",
        "reason": "upgrade [2J",
    }
    assert room.do("maintenance", on=False) == {}
    assert room.do("status")["overlays"] == []


UNKNOWN = "no service 'gate'; there is: door"


@pytest.mark.parametrize(
    ("action", "request_", "error"),
    [
        ("acknowledge", {}, UNKNOWN),
        ("acknowledge", {"on": False}, UNKNOWN),
        ("shelve", {}, UNKNOWN),
        ("shelve", {"on": False}, UNKNOWN),
        ("maintenance", {}, UNKNOWN),
        ("maintenance", {"on": False}, UNKNOWN),
        ("bypass", {}, UNKNOWN),
        ("bypass", {"on": False}, UNKNOWN),
        ("attest", {}, "nothing to attest"),
        ("explain", {}, UNKNOWN),
        ("acknowledge", {"on": False, "service": "door"}, "no open incident is acknowledged"),
        ("silence", {"on": False, "service": None}, "not silenced"),
        ("shelve", {"on": False, "service": "door"}, "there is no shelving to end"),
        ("maintenance", {"on": False, "service": None}, "there is no maintenance to end"),
        ("bypass", {"on": False, "service": "door"}, "there is no bypass to end"),
        ("drill", {"on": False, "service": None}, "no drill is on"),
    ],
)
def test_what_is_not_there_or_over_is_refused_and_changes_nothing(room, action, request_, error):
    room.fails()
    before = room.do("status")
    with pytest.raises(ActionRefused, match=error):
        room.do(action, **{"service": "gate"} | request_)
    assert without_drift(room.do("status")) == without_drift(before)


def without_drift(status):
    """The same to the second: wall times are worked out anew at every look."""
    return json.loads(re.sub(r"T[0-9:.]+\+", "T+", json.dumps(status)))


def test_an_acknowledgement_is_taken_back(room):
    room.fails()
    room.do("acknowledge")
    assert room.do("acknowledge", on=False) == {}
    incident = room.do("status")["incidents"][0]
    assert (incident["acknowledged"], incident["acknowledged_by"]) == (False, None)
    assert room.do("status")["state"]["first_out"] == "door"


@pytest.mark.parametrize("action", ["shelve", "bypass"])
def test_what_concerns_a_service_is_done_to_it_and_undone(room, action):
    (laid,) = room.do(action, service="door")["overlays"]
    assert (laid["subject"], laid["until"] is None) == ("door", action == "bypass")
    with pytest.raises(ActionRefused, match="on already"):
        room.do(action, service="door")
    assert room.do(action, service="door", on=False) == {}


def test_a_drill_of_a_verdict(room):
    passed = Observed(room.clock.monotonic(), "door/open", Reading(Reason.OK), 0.0)
    room.engine.ask(lambda: room.engine.act(passed), 10)
    assert room.do("drill", verdict="degraded")["overlays"][0]["subject"] == "degraded"
    assert room.do("status")["lamps"]["amber"] == "fast"
    assert room.do("status")["lamps"]["blue"] == "fast"
    assert room.do("drill", on=False) == {}


def test_nothing_to_attest(room):
    with pytest.raises(ActionRefused, match="nothing to attest"):
        room.do("attest")


def test_explain_says_why_and_what_would_change_it(room):
    room.fails()
    room.do("bypass", service="door", reason="vendor")
    found = json.loads(json.dumps(room.do("explain", service="door")))
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
    assert silent["what"] == "unknown, if nothing is heard until then"
    read, stale = (datetime.fromisoformat(x) for x in (door["read_at"], silent["at"]))
    assert abs((stale - read).total_seconds() - 95.0) < 1.0


def test_explain_of_a_service_that_is_not_there(room):
    with pytest.raises(ActionRefused, match="no service 'gate'; there is: door"):
        room.do("explain", service="gate")


def test_lamp_test_with_and_without_the_buzzer(room):
    room.do("lamp_test")
    room.do("lamp_test", buzzer=False)
    assert room.tested == [True, False]
