"""What kinds remember: kept over a reload of equal settings, else dropped; never in settings."""

import functools
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from beacon import probes
from beacon.core.model import Reading, Reason
from beacon.core.monitor import Monitor
from beacon.daemon.life import load_config
from beacon.daemon.wiring import scheduled
from beacon.engine.clock import Clock, ManualClock, SystemClock
from beacon.engine.inbox import Inbox
from beacon.engine.loop import Engine, Item
from beacon.otp.gammu_inbox import SAVES_NOTHING
from tests.probe_memories import engine_of
from tests.probes.conformance import MOODS, case, kinds_that, tried
from tests.servers.stand_in import PASSWORD

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class Beacon:
    """An engine with one endpoint, whose configuration is loaded from a file at each reload."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._inbox: Inbox[Item] = Inbox()
        self._engine: Engine | None = None

    def read(self, text: str) -> Reading:
        """Take this configuration over, and run its endpoint once."""
        head = "site: soc\nservices:\n- name: mfa\n  endpoints:\n"
        self._path.write_text(head + textwrap.indent(textwrap.dedent(text), "  "))
        config = load_config(self._path, {})
        if self._engine is None:
            self._engine = engine_of(Monitor(config.watched), self._clock, self._inbox)
            self._engine.start(scheduled(config))
        else:
            self._engine.reconfigure(config.watched, scheduled(config))
        asked = self._engine.run_now("mfa/it")
        self._engine.turn(())
        while not asked.done():
            self._engine.turn(self._inbox.take(1.0))
        return asked.result().reading

    def stop(self) -> None:
        assert self._engine is None or self._engine.workers.stop(60)


@pytest.fixture
def beacon(tmp_path: Path) -> Iterator[Callable[[Clock], Beacon]]:
    started: list[Beacon] = []

    def start(clock: Clock) -> Beacon:
        started.append(Beacon(tmp_path / "beacon.yaml", clock))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@dataclass
class World:
    """The servers of one test."""

    vendor: Any
    other: Any
    provider: Any
    jwk: Callable[..., dict[str, Any]]
    modem: Any
    inbox: Path

    def filled(self, text: str) -> str:
        for name, value in (
            ("{vendor}", self.vendor.url),
            ("{provider}", self.provider.url),
            ("{password}", PASSWORD),
            ("{inbox}", str(self.inbox)),
            ("{modem}", str(self.modem.config)),
        ):
            text = text.replace(name, value)
        return text


@pytest.fixture
def world(
    vendors: Callable[[], Any],
    openid_provider: Callable[..., Any],
    jwk: Callable[..., dict[str, Any]],
    shared_memory: Callable[..., Any],
    tmp_path: Path,
) -> World:
    (tmp_path / "inbox").mkdir()
    return World(vendors(), vendors(), openid_provider(), jwk, shared_memory(), tmp_path / "inbox")


@dataclass(frozen=True)
class Case:
    """An endpoint that is read twice, with a reload between: what shows that it remembers.

    `change` puts another setting in the place of one. `between` is called before the reload. `seen`
    finds in the world and the second reading what `kept` and `dropped` say.
    """

    text: str
    change: tuple[str, str]
    kept: object
    dropped: object
    seen: Callable[[World, Reading], object] = lambda _, reading: reading.reason
    before: Callable[[World], object] = lambda _: None
    between: Callable[[World], object] = lambda _: None
    real_time: bool = False


def json_answer(**members: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps(members).encode()


def asked_for(path: str) -> Callable[[World, Reading], object]:
    return lambda world, _: sum(each.startswith(path) for each in world.vendor.paths)


def web(world: World) -> None:
    world.vendor.answers |= {
        "/token": json_answer(access_token="canary-token", expires_in=3600),
        "/page": json_answer(),
        "/rss": (200, {"ETag": '"1"'}, b"<rss><channel><title>x</title></channel></rss>"),
    }


def leads_elsewhere(world: World) -> None:
    """What is secret is not sent there, and there it is missed."""
    world.other.answers["/"] = (401, {}, b"")
    world.vendor.answers["/page"] = (302, {"Location": world.other.url + "/"}, b"")


def graph(world: World) -> None:
    api = "/v1.0/admin/serviceAnnouncement"
    overview = {"id": "Exchange", "service": "Exchange Online", "status": "serviceOperational"}
    world.vendor.answers |= {
        "/soc/oauth2/v2.0/token": json_answer(access_token="canary-token", expires_in=3600),
        f"{api}/healthOverviews": json_answer(value=[overview]),
    }
    issue(world, "serviceInterruption")


def issue(world: World, status: str) -> None:
    is_open = {"id": "MO1", "status": status, "title": "MFA fails", "service": "Exchange Online"}
    world.vendor.answers["/v1.0/admin/serviceAnnouncement/issues"] = json_answer(value=[is_open])


def verify(world: World) -> None:
    world.vendor.answers["/v2/Attempts/Summary"] = json_answer(
        total_attempts=100, total_converted=90
    )


def same_hour_again(world: World, _: Reading) -> bool:
    """Of each run the second question is for an hour of a week before."""
    return bool(world.vendor.paths[1] == world.vendor.paths[3])


def any_code(world: World) -> None:
    world.provider.right = lambda _: True


def other_keys(world: World) -> None:
    world.provider.keys = [world.jwk("two")]
    world.provider.signer["kid"] = "two"


def no_code(world: World) -> None:
    world.vendor.answers["/ask"] = json_answer()


def late_code(world: World) -> None:
    """What the next request brings is the code of the first."""

    def send(_: object) -> tuple[int, dict[str, str], bytes]:
        path = world.inbox / "IN20200101_000001_00_+15550100_00.txt"
        path.write_text("Your code 111111")
        return json_answer()

    world.vendor.answers["/ask"] = send


OAUTH = "token_url: '{vendor}/token', client_id: a, client_secret: b"
SMS = "mailbox: {smsd: {inbox: {inbox}, config: {modem}}}, pattern: 'code ([0-9]{6})'"
GRAPH = (
    "- {name: it, type: graph_health, tenant: soc, client_id: a, client_secret: b, "
    "services: [Exchange], graph_url: '{vendor}', login_url: '{vendor}'}"
)
CASES_OF_MEMORY = {
    "http: the token in hand": Case(
        "- {name: it, type: http, url: '{vendor}/page', auth: {oauth2: {" + OAUTH + "}}}",
        ("client_id: a", "client_id: b"),
        before=web,
        seen=asked_for("/token"),
        kept=1,
        dropped=2,
    ),
    "http: whether it passed": Case(
        "- {name: it, type: http, url: '{vendor}/page', headers: {X-Key: canary}}",
        ("X-Key", "X-Other-Key"),
        before=web,
        between=leads_elsewhere,
        kept=Reason.HTTP_STATUS,
        dropped=Reason.OWN_CREDENTIALS,
    ),
    "flow: whether it passed": Case(
        "- {name: it, type: flow, secrets: {key: canary}, steps: [{id: a, url: '{vendor}/page', "
        "headers: {X-Key: '{{ secrets.key }}'}}]}",
        ("X-Key", "X-Other-Key"),
        before=web,
        between=leads_elsewhere,
        kept=Reason.HTTP_STATUS,
        dropped=Reason.OWN_CREDENTIALS,
    ),
    "rss: what the source answered, for all endpoints": Case(
        "- {name: it, type: rss, url: '{vendor}/rss'}",
        ("/rss'", "/rss', timeout: 9s"),
        before=web,
        seen=lambda world, _: "If-None-Match" in world.vendor.asked[1].headers,
        kept=True,
        dropped=True,
    ),
    "graph_health: the token in hand": Case(
        GRAPH,
        ("[Exchange]", "[Exchange Online]"),
        before=graph,
        seen=asked_for("/soc/oauth2"),
        kept=1,
        dropped=2,
    ),
    "graph_health: the worst of an issue": Case(
        GRAPH,
        ("[Exchange]", "[Exchange Online]"),
        before=graph,
        between=lambda world: issue(world, "restoringService"),
        kept=Reason.VENDOR_INCIDENT,
        dropped=Reason.VENDOR_DEGRADED,
    ),
    "twilio_verify: the hours of weeks before": Case(
        "- {name: it, type: twilio_verify, username: AC1, password: b, url: '{vendor}'}",
        ("AC1", "AC2"),
        before=verify,
        seen=same_hour_again,
        kept=False,
        dropped=True,
    ),
    "openid: the keys of tokens": Case(
        "- {name: it, type: openid, issuer: '{provider}', client_id: a, client_secret: b}",
        ("client_id: a", "client_id: b"),
        between=other_keys,
        kept=Reason.EXPECTATION_FAILED,
        dropped=Reason.OK,
    ),
    "keycloak: the keys of tokens": Case(
        "- {name: it, type: keycloak, issuer: '{provider}', client_id: a, client_secret: b, "
        "username: probe, password: '{password}', code: {hotp: JBSWY3DPEHPK3PXP}}",
        ("client_id: a", "client_id: b"),
        before=any_code,
        between=other_keys,
        kept=Reason.EXPECTATION_FAILED,
        dropped=Reason.OK,
    ),
    "otp_sms: requests whose code may still come": Case(
        "- {name: it, type: otp_sms, factor: sms, " + SMS + ", code_lifetime: 900ms, "
        "late_after: 800ms, steps: [{id: ask, url: '{vendor}/ask'}]}",
        ("800ms", "700ms"),
        before=no_code,
        between=late_code,
        kept=Reason.CODE_LATE,
        dropped=Reason.OK,
        real_time=True,
    ),
    "otp_sms: what smsd had received": Case(
        "- {name: it, type: otp_sms, " + SMS + ", every: 10m}",
        ("10m", "11m"),
        between=lambda world: world.modem.receives(9),
        seen=lambda _, reading: reading.detail == SAVES_NOTHING,
        kept=True,
        dropped=False,
    ),
    "otp_sms: that its modem was away": Case(
        "- {name: it, type: otp_sms, " + SMS + ", every: 10m}",
        ("10m", "11m"),
        before=lambda world: world.modem.knows(network=2),
        between=lambda world: world.modem.knows(),
        kept=Reason.OWN_MODEM,
        dropped=Reason.CODE_NOT_ARRIVED,
    ),
}


@pytest.mark.parametrize("changed", [False, True], ids=["unchanged", "changed"])
@pytest.mark.parametrize("name", CASES_OF_MEMORY)
def test_a_reload_keeps_what_equal_settings_remember(
    name: str, changed: bool, world: World, beacon: Callable[[Clock], Beacon]
) -> None:
    case = CASES_OF_MEMORY[name]
    text = world.filled(case.text)
    assert case.change[0] in text
    it = beacon(SystemClock() if case.real_time else ManualClock(NOW, 1000.0))
    case.before(world)
    it.read(text)
    case.between(world)
    reading = it.read(text.replace(*case.change) if changed else text)
    assert case.seen(world, reading) == (case.dropped if changed else case.kept), reading


# --- nothing is hidden in settings ------------------------------------------------


def derived(settings: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The places of what is in settings, at any depth, and no setting."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            yield from derived(value, (*path, f"[{key}]"))
    elif isinstance(settings, tuple):
        for number, value in enumerate(settings):
            yield from derived(value, (*path, f"[{number}]"))
    elif is_dataclass(settings):
        own = {each.name for each in fields(settings)}
        yield from ((*path, name) for name in getattr(settings, "__dict__", {}) if name not in own)
        for name in own:
            yield from derived(getattr(settings, name), (*path, name))


def at(settings: Any, path: tuple[str, ...]) -> Any:
    def step(found: Any, name: str) -> Any:
        if not name.startswith("["):
            return getattr(found, name)
        return found[int(name[1:-1]) if isinstance(found, tuple) else name[1:-1]]

    return functools.reduce(step, path, settings)


@pytest.mark.parametrize("kind", kinds_that())
def test_no_kind_keeps_in_its_settings_what_a_run_learned(
    kind: str, probe_of: Callable[[str, int], Any]
) -> None:
    with case(kind).parrot(MOODS["grants it as a token"]) as parrot:
        probe, fresh = (probe_of(case(kind).settings, parrot.port) for _ in range(2))
        for _ in range(2):
            tried(probe)
    assert probe == fresh
    for path in derived(probe):
        assert at(probe, path) == at(fresh, path), ".".join(path)


@pytest.mark.parametrize("kind", sorted(probes.kinds()))
def test_no_kind_keeps_anything_for_all_its_endpoints(kind: str) -> None:
    """A class holds constants alone: what endpoints share comes with their memory."""
    for owner in probes.load(kind).__mro__:
        for name, value in vars(owner).items():
            ours = type(value).__module__.startswith("beacon.")
            frozen = is_dataclass(value) and type(value).__dataclass_params__.frozen  # type: ignore[attr-defined]
            plain = isinstance(value, str | int | float | tuple | frozenset)
            assert not ours or frozen or plain or isinstance(value, Enum), f"{owner}.{name}"
