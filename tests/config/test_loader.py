"""A whole configuration: ids, times by kind and by default, sections, digest, warnings."""

import dataclasses
import zoneinfo
from operator import attrgetter

import certifi
import pytest

from beacon.config.fields import Secret
from beacon.config.file_fields import Bind
from beacon.config.loader import ConfigError, load, load_embedded, read
from beacon.config.schema import Buzzer, Discovery, Driver, QuietHoursSetting, Tower
from beacon.core.indication import Colour
from beacon.core.model import Attestation, Evidence, Preset, Sequence
from beacon.core.operator.commands import OVER_MQTT

WHOLE = """
site: london-soc
name: London SOC
tower:
  driver: auto
  preset: tower-5
  lamps: {red: 17, amber: 27, green: 22, blue: 23, white: 24}
  active_high: false
  buzzer:
    pin: 18
    quiet_hours: {from: "22:00", to: "06:00", time_zone: Europe/London}
  buttons: {acknowledge: 5}
  alive_relay: 6
  sequence: R
  lock_in: false
  on_death: [amber, red]
mqtt:
  broker: mqtts://broker.example.com
  username: beacon
  password: word
  tls: {ca: CA_FILE}
  base_topic: soc/beacon
  discovery: {enabled: false, prefix: ha}
  commands: [silence, silence]
defaults: {interval: 20s, success_threshold: 3, recovery_hold: 10m, degraded_hold: 4m}
witnesses:
  - {name: gateway, type: tcp, host: 192.0.2.1, port: 53, local: true}
  - {name: Canary A, type: http, url: "https://www.example.com/"}
  - {name: canary-b, type: http, url: "https://www.example.net/", interval: 1m}
services:
  - name: Entra MFA
    session_lifetime: 1h
    runbook: |
      1. Confirm.
    endpoints:
      - name: sign-in
        type: sign-in
        url: https://idp.example.com/
        password: word
        region: emea
        factor: totp
        guard_max: 3
      - name: metadata
        type: http
        url: http://idp.example.com/
        evidence: symptom
        slow_after: 800ms
        stale_after: 2m
        depends_on: [entra-mfa/resolver]
      - {name: resolver, id: resolver, type: tcp, host: 192.0.2.53, port: 53, retry_interval: null}
      - {name: azure status, type: page, url: "https://status.example.com", components: [SMS]}
"""


@pytest.fixture
def whole(load_text):
    return load_text(WHOLE.replace("CA_FILE", certifi.where()))


def test_every_setting_arrives(whole):
    expected = {
        "name": "London SOC",
        "warnings": (),
        "watched.id": "london-soc",
        "watched.name": "London SOC",
        "watched.sequence": Sequence.R,
        "watched.lock_in": False,
        "watched.preset": Preset.TOWER_5,
        "tower.driver": Driver.AUTO,
        "tower.lamps": dict(zip(Colour, (17, 27, 22, 23, 24), strict=True)),
        "tower.active_high": False,
        "tower.buzzer": Buzzer(
            pin=18,
            quiet_hours=QuietHoursSetting(begin="22:00", end="06:00", time_zone="Europe/London"),
        ),
        "tower.buttons.acknowledge": 5,
        "tower.alive_relay": 6,
        "tower.on_death": (Colour.RED, Colour.AMBER),
        "mqtt.host": "broker.example.com",
        "mqtt.port": 8883,
        "mqtt.encrypted": True,
        "mqtt.username": "beacon",
        "mqtt.password": Secret("word"),
        "mqtt.protocol": "5",
        "mqtt.tls.ca": certifi.where(),
        "mqtt.base_topic": "soc/beacon",
        "mqtt.discovery": Discovery(enabled=False, prefix="ha"),
        "mqtt.commands": ("silence",),
    }
    assert {path: attrgetter(path)(whole) for path in expected} == expected
    assert whole.watched.version


@pytest.mark.parametrize(
    ("mode", "written", "warned"),
    [
        (0o600, "word", False),
        (0o640, "word", True),
        (0o644, "word", True),
        (0o644, "!secret word", False),
        (0o644, "!env_var WORD", False),
    ],
)
def test_a_secret_that_others_may_read_is_warned_of(tmp_path, kinds, mode, written, warned):
    path = tmp_path / "beacon.yaml"
    path.write_text(
        "site: soc\nservices:\n  - name: Sign-in\n    endpoints:\n      - {name: in, type: sign-in,"
        f' url: "https://idp.example.com/", password: {written}}}\n'
    )
    (tmp_path / "secrets.yaml").write_text("word: hidden")
    (tmp_path / "secrets.yaml").chmod(0o600)
    path.chmod(mode)
    found = [
        w for w in load(path, environ={"WORD": "x"}, **kinds).warnings if "a secret in a file" in w
    ]
    assert bool(found) == warned
    assert not warned or f"{path}:5:" in found[0]
    assert not warned or f"(mode {mode:04o}); written as !secret name, the" in found[0]


def test_ids_evidence_and_times_by_kind_by_default_and_by_endpoint(whole):
    """Interval, timeout, failure threshold, re-check, success threshold, stale after."""
    key = attrgetter(
        *("evidence", "interval", "timeout", "failure_threshold", "retry_interval"),
        *("success_threshold", "stale_after"),
    )
    found = {endpoint.id: key(endpoint) for endpoint in whole.watched.endpoints}
    assert found == {
        "witness/gateway": ("witness", 10, 2, 1, None, 3, 32),
        "witness/canary-a": ("witness", 10, 2, 1, None, 3, 32),
        "witness/canary-b": ("witness", 60, 2, 1, None, 3, 182),
        "entra-mfa/sign-in": ("symptom", 60, 30, 3, 30, 3, 210),
        "entra-mfa/metadata": ("symptom", 20, 5, 3, 5, 3, 120),
        "entra-mfa/resolver": ("health", 20, 5, 3, None, 3, 65),
        "entra-mfa/azure-status": ("claim", 120, 10, 1, None, 3, 370),
    }
    assert list(whole.probes) == list(found)


def test_what_an_endpoint_and_a_service_say_of_themselves(whole):
    (service,) = whole.watched.services
    sign_in, metadata, *_ = service.endpoints
    gateway, canary, _ = whole.watched.witnesses
    assert (sign_in.region, sign_in.factor, sign_in.guard_max) == ("emea", "totp", 3)
    assert (sign_in.sign_in, sign_in.clock_bound) == (True, True)
    assert (metadata.sign_in, metadata.clock_bound) == (False, False)
    assert (metadata.depends_on, metadata.slow_after) == (("entra-mfa/resolver",), 0.8)
    assert (gateway.local, canary.local, canary.clock_bound) == (True, False, True)
    assert (service.session_lifetime, service.runbook) == (3600, "1. Confirm.\n")
    assert (service.recovery_hold, service.recovery_hold_long) == (600, 1800)
    assert (service.long_outage, service.degraded_hold) == (7200, 240)


def test_the_core_is_given_plain_numbers(whole):
    for thing in (*whole.watched.endpoints, *whole.watched.services):
        for field in dataclasses.fields(thing):
            value = getattr(thing, field.name)
            assert type(value) is float or not isinstance(value, float), field.name


PLAIN = "username: me, password: word"
HOURS = '{from: "22:00", to: "06:00", time_zone: Europe/London}'


@pytest.mark.parametrize(
    ("added", "path", "value"),
    [
        ("", "name", "soc"),
        ("", "mqtt", None),
        ("", "web", None),
        ("", "tower", Tower(lamps=dict(zip(Colour, (17, 27, 22, 23, 24), strict=True)))),
        ("mqtt:", "mqtt", None),
        ("web:", "web", None),
        ("tower:", "tower.lamps", dict(zip(Colour, (17, 27, 22, 23, 24), strict=True))),
        ("tower: {preset: tower-3}", "tower.lamps", dict(zip(Colour, (17, 27, 22), strict=False))),
        ("tower: {on_death: dark}", "tower.on_death", ()),
        ("witnesses: []", "watched.witnesses", ()),
        ("web: {}", "web", Bind("127.0.0.1", 8427)),
        ('web: {bind: "127.0.0.1:9000"}', "web", Bind("127.0.0.1", 9000)),
        ('web: {bind: "[::1]:9000"}', "web", Bind("::1", 9000)),
        # A password in the clear to this machine, and where it is allowed.
        (f'mqtt: {{broker: "mqtt://127.0.0.1", {PLAIN}}}', "mqtt.port", 1883),
        (f'mqtt: {{broker: "mqtt://localhost:1884/", {PLAIN}}}', "mqtt.port", 1884),
        (f'mqtt: {{broker: "mqtt://[::1]", {PLAIN}}}', "mqtt.host", "::1"),
        (
            f"mqtt: {{broker: mqtt://h.example.com, {PLAIN}, allow_plain_password: true}}",
            "mqtt.encrypted",
            False,
        ),
        (
            'mqtt: {broker: "mqtt://localhost"}',
            "mqtt.commands",
            ("acknowledge", "silence", "lamp_test"),  # what hides nothing
        ),
        ('mqtt: {broker: "mqtt://localhost", commands: all}', "mqtt.commands", OVER_MQTT),
        ('mqtt: {broker: "mqtt://localhost", commands: []}', "mqtt.commands", ()),
    ],
)
def test_what_is_left_out_and_what_a_word_means(load_text, minimal, added, path, value):
    config = load_text(f"{minimal}{added}\n")
    assert attrgetter(path)(config) == value
    assert not [each for each in config.warnings if ": witnesses: " not in each]


def test_what_is_pushed_has_times_of_its_own(load_text):
    text = (
        "site: soc\nweb: {}\nmqtt: {broker: mqtt://h.example}\nservices:\n"
        "  - name: Mail\n    endpoints:\n"
        "      - {name: a, type: push, token: correct horse battery}\n"
        "      - {name: b, type: push, mqtt: true, every: 1d}\n"
        "      - {name: c, type: push, mqtt: true, every: 1d, success_threshold: 4}\n"
        "defaults: {interval: 10s, success_threshold: 7}\n"
    )
    a, b, c = load_text(text).watched.services[0].endpoints
    assert (a.interval, a.failure_threshold, a.success_threshold) == (300.0, 1, 1)
    assert (a.pushed, a.retry_interval, a.stale_after) == (True, None, 930.0)
    assert (b.interval, b.stale_after, c.success_threshold) == (86400.0, 259230.0, 4)


@pytest.fixture
def no_time_zones():
    """A machine without the distribution's tzdata."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(to=before)


@pytest.mark.usefixtures("no_time_zones")
def test_a_machine_without_time_zones_has_ours(load_text, minimal):
    config = load_text(f"{minimal}tower: {{buzzer: {{pin: 18, quiet_hours: {HOURS}}}}}\n")
    assert config.tower.buzzer.quiet_hours.time_zone == "Europe/London"


def test_planned_windows_and_attestations(load_text, minimal):
    config = load_text(
        minimal + "maintenance:\n"
        '  - {name: Patches, weekdays: [tue, sun], from: "22:00", to: "02:00", time_zone: UTC}\n'
        '  - {name: Days, from: "01:00", to: "02:00", time_zone: UTC, services: [sign-in]}\n'
        "attest:\n"
        "  - {name: Break-glass accounts}\n"
        "  - {name: Tokens, id: spares, every: 30d, services: [sign-in]}\n"
    )
    everything = tuple(service.id for service in config.watched.services)
    patches, days = config.maintenance
    assert (patches.weekdays, patches.services) == ((1, 6), everything)
    assert (patches.begin, patches.end, patches.time_zone) == ("22:00", "02:00", "UTC")
    assert (days.weekdays, days.services) == (tuple(range(7)), ("sign-in",))
    day = 86_400.0
    assert config.watched.attest == (
        Attestation(id="break-glass-accounts", name="Break-glass accounts", every=90 * day),
        Attestation(id="spares", name="Tokens", every=30 * day, services=("sign-in",)),
    )


def test_the_digest_follows_the_configuration_but_no_secret(load_text, minimal):
    text = minimal + "mqtt: {broker: mqtts://h.example.com, username: me, password: !secret word}\n"
    first = load_text(text, secrets="word: one\n").digest
    assert load_text(text, secrets="word: two\n").digest == first
    assert load_text(text + "name: x\n", secrets="word: two\n").digest != first
    assert len(first) == 12


def test_secrets_are_in_no_text_of_the_configuration(whole):
    assert "word" not in repr(whole).replace("password", "")


# --- embedded -------------------------------------------------------------------------

REPLAY = """
title: A bad morning
config:
  services:
    - name: Entra MFA
      endpoints:
        - {name: sign-in, type: sign-in}
        - {name: health, type: http, url: "http://idp.example.com/"}
        - {name: status, type: page, url: "https://status.example.com"}
events: [{at: 5m, endpoint: entra-mfa/sign-in}]
"""


@pytest.fixture
def replay(tmp_path, kinds):
    """A replay file read, with what `load_embedded` makes of its configuration."""

    def read_it(text):
        path = tmp_path / "replay.yaml"
        path.write_text(text)
        document = read(path, environ={})
        return document, load_embedded(document, ("config",), **kinds)

    return read_it


def test_probe_settings_may_be_left_out_of_a_replay(replay):
    document, config = replay(REPLAY)
    document.check()
    assert config.watched.id == "replay"
    assert list(config.probes) == ["entra-mfa/health", "entra-mfa/status"]
    sign_in = config.watched.services[0].endpoints[0]
    assert (sign_in.interval, sign_in.sign_in, sign_in.evidence) == (60, True, Evidence.SYMPTOM)
    assert sign_in.clock_bound


def test_what_is_written_in_a_replay_is_checked_all_the_same(replay):
    document, config = replay(
        REPLAY.replace("type: sign-in", "type: sign-in, urll: x, tries: 0").replace("5m", "5")
    )
    assert config is None
    document.refuse(("events", 0, "at"), "5 has no unit", "5m", "5m")
    document.refuse(("events", 0, "fail"), "nothing happens")
    with pytest.raises(ConfigError) as caught:
        document.check()
    lines = [str(problem).partition("replay.yaml:")[2] for problem in caught.value.problems]
    assert [line.partition(";")[0] for line in lines] == [
        "7:42: config.services[0].endpoints[0].urll: unknown key",
        "7:58: config.services[0].endpoints[0].tries: not allowed: 0",
        "10:10: events[0].fail: nothing happens",
        "10:15: events[0].at: 5 has no unit",
    ]


@pytest.mark.parametrize("place", ["services", "endpoints", "witnesses"])
def test_a_list_with_something_unreadable_is_reported_once(load_text, place):
    lists = {"services": "", "endpoints": "", "witnesses": ""} | {place: "!env_var NO, "}
    text = f"""
site: soc
witnesses: [{lists["witnesses"]}{{name: w, type: tcp, host: h, port: 1}}]
services:
  [{lists["services"]}{{name: a, endpoints: [{lists["endpoints"]}{{name: b, type: page}}]}}]
"""
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    found = [problem.message for problem in caught.value.problems]
    assert sorted(found) == ["`url` is missing", "environment variable NO is not set"]


def test_probes_are_loaded_only_when_configured(load_text, minimal, kinds, monkeypatch):
    asked, loaded = [], kinds["registry"].load
    monkeypatch.setattr(kinds["registry"], "load", lambda k: asked.append(k) or loaded(k))
    load_text(minimal)
    assert asked == ["http"]


LOCAL = "{name: b, type: tcp, host: h, port: 2, local: true}"
FAR = "a lost network of our own cannot be told from an outage; at least two, in different networks"


@pytest.mark.parametrize(
    ("added", "path", "warned"),
    [
        ("", "witnesses", [f"no witness that is not local: {FAR}"]),
        (f"witnesses: [{LOCAL}]", "witnesses", [f"no witness that is not local: {FAR}"]),
        (
            f"witnesses: [{LOCAL}, {{name: a, type: tcp, host: h, port: 1}}]",
            "witnesses",
            [f"only one witness that is not local: {FAR}"],
        ),
        ('web: {bind: "0.0.0.0:8427"}', "web.bind", ["unencrypted from other machines; 127.0.0.1"]),
        ('web: {bind: "192.0.2.1:8427"}', "web.bind", ["behind a reverse proxy with TLS"]),
        ('web: {bind: "[::]:8427"}', "web.bind", ["unencrypted"]),
        ("tower: {alive_relay: 12}", "tower.alive_relay", []),
        ("tower: {alive_relay: 9}", "tower.alive_relay", []),
        ("tower: {alive_relay: 26}", "tower.alive_relay", []),
        ("tower: {alive_relay: 6, active_high: false}", "tower.alive_relay", []),
        (
            "tower: {alive_relay: 6}",
            "tower.alive_relay",
            ["GPIO 6 is pulled up while nobody drives it: the relay would look alive"],
        ),
        ("tower: {alive_relay: 8}", "tower.alive_relay", ["GPIO 8 is pulled up"]),
        (
            "tower: {alive_relay: 12, active_high: false}",
            "tower.alive_relay",
            ["GPIO 12 is pulled down while nobody drives it: the relay would look alive"],
        ),
        ("tower: {buzzer: {pin: 0}}", "tower.buzzer.pin", ["memory of a board"]),
        ("tower: {buzzer: {pin: 3}}", "tower.buzzer.pin", ["fixed resistor"]),
        ("tower: {buzzer: {pin: 14}}", "tower.buzzer.pin", ["serial console"]),
        ("tower: {buzzer: {pin: 26}}", "tower.buzzer.pin", []),
        ("tower: {buttons: {acknowledge: 3}}", "tower.buttons.acknowledge", []),
        (
            "tower: {lamps: {red: 17}}",
            "tower.lamps",
            [f"without a {lamp} lamp nobody sees" for lamp in ("amber", "green", "blue", "white")],
        ),
        (
            "tower: {lamps: {red: 17, amber: 27, green: 22}}",
            "tower.lamps",
            ["without a blue lamp nobody sees", "without a white lamp nobody sees"],
        ),
        (
            "tower: {lamps: {green: 22}, preset: tower-3}",
            "tower.lamps",
            ["without a red lamp nobody sees", "without a amber lamp nobody sees"],
        ),
        ("tower: {preset: tower-3}", "tower.lamps", []),
    ],
)
def test_what_works_but_should_be_changed_is_warned_of(load_text, minimal, added, path, warned):
    config = load_text(f"{minimal}{added}\n")
    found = [each for each in config.warnings if f": {path}: " in each]
    assert [words in text for words, text in zip(warned, found, strict=True)] == [True] * len(found)
    line = 6 if added.startswith(path.partition(".")[0]) else 1
    assert all(f"beacon.yaml:{line}:" in text for text in found)
