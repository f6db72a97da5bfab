"""Outputs that come later are offered all that stands; those that go cost nobody anything."""

import logging
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from beacon.config.fields import Secret
from beacon.config.problems import ConfigError, Position, Problem
from beacon.config.schema import Config, Mqtt, Tower
from beacon.core.effects import OverallChanged, ServiceChanged
from beacon.core.indication import Colour
from beacon.core.inputs import Observed
from beacon.core.model import Endpoint, Evidence, Reading, Reason, Service, Site
from beacon.core.monitor import Monitor
from beacon.core.views import EndpointRead
from beacon.daemon.reload import ReloadableOutputs, Reloader
from beacon.engine.inbox import Inbox
from beacon.engine.loop import Engine
from beacon.engine.output import Heartbeat


def endpoint(name: str) -> Endpoint:
    return Endpoint(id=f"s/{name}", service="s", name=name, kind="tcp", evidence=Evidence.HEALTH)


def site(*names: str) -> Site:
    service = Service(id="s", name="S", endpoints=tuple(endpoint(name) for name in names))
    return Site(id="test", services=(service,))


def config(*names: str) -> Config:
    return Config(
        path="",
        name="",
        watched=site(*names),
        probes={},
        tower=Tower(lamps={Colour.RED: 17}),
        mqtt=None,
        digest="",
    )


@dataclass
class RecordingOutput:
    name: str = "output"
    fails: bool = False
    offered: list = field(default_factory=list)
    life: list = field(default_factory=list)

    def start(self):
        self.life.append("start")

    def offer(self, effects):
        self.offered.append(tuple(effects))

    def stop(self, budget):
        self.life.append("stop")
        if self.fails:
            raise OSError("password=hunter2")


@pytest.fixture
def engine(clock):
    heart = Heartbeat(clock)
    return Engine(
        judge=Monitor(site("a", "b")),
        clock=clock,
        inbox=Inbox(),
        outputs=(),
        heartbeat=heart,
        renderer=heart,
        feed=lambda: None,
    )


def at_once(call):
    call()


def test_a_new_output_is_offered_what_stands_and_then_what_comes(engine, clock):
    engine.start({})
    made = [RecordingOutput(), RecordingOutput()]
    queue = list(made)
    outputs = ReloadableOutputs(engine, lambda _config: [queue.pop(0)])
    outputs.show(config("a", "b"), at_once)
    first, second = made
    [known] = first.offered
    assert {type(effect) for effect in known} >= {OverallChanged, ServiceChanged}
    now = clock.monotonic()
    engine.turn([Observed(now, name, Reading(Reason.OK), now) for name in ("s/a", "s/b")])
    assert any(isinstance(effect, EndpointRead) for effect in first.offered[1])

    engine.reconfigure(site("a"), {})
    outputs.show(config("a"), at_once)
    assert first.life == ["start", "stop"]
    assert second.life == ["start"]
    [known] = second.offered
    assert [e.endpoint for e in known if isinstance(e, EndpointRead)] == ["s/a"]
    before = len(first.offered)
    engine.turn([Observed(now, "s/a", Reading(Reason.SLOW), now)])
    assert (len(first.offered), len(second.offered)) == (before, 2)
    outputs.stop()
    outputs.stop()
    assert second.life == ["start", "stop"]


def test_one_that_is_made_again_stays_and_is_offered_what_stands(engine, clock):
    engine.start({})
    stays, first, second = RecordingOutput("stays"), RecordingOutput(), RecordingOutput()
    made = [[stays, first], [stays, second]]
    outputs = ReloadableOutputs(engine, lambda _config: made.pop(0))
    outputs.show(config("a", "b"), at_once)
    engine.reconfigure(site("a"), {})
    outputs.show(config("a"), at_once)
    assert (stays.life, first.life, second.life) == (["start"], ["start", "stop"], ["start"])
    known, changed, again = stays.offered
    assert {type(effect) for effect in again} == {type(effect) for effect in known}
    assert changed, "what the new site changed"
    now = clock.monotonic()
    engine.turn([Observed(now, "s/a", Reading(Reason.OK), now)])
    assert len(stays.offered) == 4, "each effect once"


def test_one_that_does_not_end_keeps_no_other_from_ending(engine, caplog):
    made = [RecordingOutput("good"), RecordingOutput("bad", fails=True)]
    outputs = ReloadableOutputs(engine, lambda _config: made)
    outputs.show(config("a"), at_once)
    with caplog.at_level(logging.DEBUG):
        outputs.stop()
    assert [output.life for output in made] == [["start", "stop"], ["start", "stop"]]
    assert "output bad did not stop" in caplog.text
    assert "hunter2" not in caplog.text.replace('raise OSError("password=hunter2")', "")


def reloaded(running: Config, load: Mock, outputs: Any, follow: Mock) -> Mock:
    """Reload once; return the notifier."""
    parts = SimpleNamespace(
        config=running,
        options=SimpleNamespace(environ={"CREDENTIALS_DIRECTORY": "/run/credentials"}),
        follow=follow,
        engine=SimpleNamespace(ask=lambda call, _timeout: call()),
    )
    requests: SimpleQueue[bool] = SimpleQueue()
    for each in (True, False):
        requests.put(each)
    notifier = Mock()
    Reloader(requests, load, parts, outputs, notifier).run()
    return notifier


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("load", "not reloaded: the configuration in use goes on unchanged"),
        ("follow", "reload failed halfway"),
        ("show", "reload failed halfway"),
    ],
)
def test_a_reload_that_breaks_says_whether_anything_changed(caplog, broken, words):
    calls = {"load": Mock(return_value=config("b")), "follow": Mock(), "show": Mock()}
    calls[broken] = Mock(side_effect=OSError("password=hunter2"))
    outputs = SimpleNamespace(show=calls["show"])
    notifier = reloaded(config("a"), calls["load"], outputs, calls["follow"])
    assert words in caplog.text
    assert ("halfway" in caplog.text) is (broken != "load")
    assert "hunter2" not in caplog.text
    notifier.ready.assert_called_once_with()


@pytest.mark.parametrize(("password", "shown"), [("old", False), ("new", True)])
def test_outputs_follow_a_secret_that_changed(password, shown):
    def with_password(word: str) -> Config:
        broker = Mqtt(host="broker", port=8883, encrypted=True, password=Secret(word))
        return replace(config("a"), mqtt=broker)

    outputs = SimpleNamespace(show=Mock())
    reloaded(with_password("old"), Mock(return_value=with_password(password)), outputs, Mock())
    assert outputs.show.called is shown


def test_a_reload_says_what_needs_a_restart(caplog):
    caplog.set_level(logging.INFO)
    running, follow = config("a"), Mock()
    fresh = replace(
        config("b"), watched=replace(site("b"), id="other"), tower=Tower(lamps={Colour.RED: 18})
    )
    reloaded(running, Mock(return_value=fresh), SimpleNamespace(show=Mock()), follow)
    taken = follow.call_args.args[0]
    assert (taken.watched.id, taken.tower) == ("test", running.tower)
    assert [e.id for e in taken.watched.endpoints] == ["s/b"]
    assert "changes of `site` and `tower` need a restart" in caplog.text
    assert "credentials are read by systemd at start" in caplog.text
    assert "reloaded; endpoints: 1" in caplog.text


def test_a_bad_file_is_logged_with_every_problem_and_changes_nothing(caplog):
    problems = [Problem(Position("beacon.yaml", line, 5), "door", "wrong") for line in (9, 10)]
    follow = Mock()
    load = Mock(side_effect=ConfigError(problems))
    notifier = reloaded(config("a"), load, SimpleNamespace(show=Mock()), follow)
    assert [record.getMessage() for record in caplog.records][:2] == [*map(str, problems)]
    assert "not reloaded: the configuration in use goes on unchanged" in caplog.text
    assert not follow.called
    notifier.ready.assert_called_once_with()
