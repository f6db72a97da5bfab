"""The MQTT output against a real broker: everything that can happen to a connection."""

import contextlib
import json
import logging
import socket
import statistics
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from beacon.config.fields import Secret
from beacon.config.tls import TlsPolicy
from beacon.core.effects import Announced, Announcement, Answered
from beacon.core.indication import Colour
from beacon.core.inputs import Acknowledge, Silence
from beacon.core.model import Health, Reason, Verdict
from beacon.outputs.mqtt.topics import HealthReport
from beacon.outputs.tower.renderer import Shown

pytestmark = pytest.mark.integration

BASE = "mfa-beacon/lab"
CONFIG = "homeassistant/device/mfa_beacon_lab/config"
STANDING = {
    "availability",
    "state",
    "incident",
    "silence",
    "info",
    "service/sign-in",
    "service/sms",
    "endpoint/sign-in/portal",
    "endpoint/sign-in/otp",
    "endpoint/sms/gateway",
    "witness/canary",
    "lamp/red",
    "lamp/green",
    "buzzer",
    "health",
}
ON = "the beacon goes on without and tries again"
BOTH = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


def health(at, **more):
    plain = {
        "loop_lag_ms": 1.0,
        "stalled": False,
        "clock_synced": True,
        "clock_offset_ms": 3.0,
        "storage_degraded": False,
        "rss_mb": 40.0,
    }
    return HealthReport(at, **(plain | more))


def tell_all(one, verdict=Verdict.OK):
    words = one.words()
    one.output.offer(words.standing(verdict))
    one.output.shown(Shown({Colour.RED: "off", Colour.GREEN: "steady"}))
    one.output.health(health(words.at))


def standing(listener):
    return {t.removeprefix(f"{BASE}/") for t in listener.kept if t.startswith(BASE)}


def settled(listener):
    """Whether the description, and everything after it, reached one who listened before."""
    topics = [m.topic.removeprefix(f"{BASE}/") for m in listener.received]
    return topics.count("info") == 2 and set(topics[topics.index(CONFIG) :]) >= STANDING


def causes(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


# --- what stands there -------------------------------------------------------------


@BOTH
def test_a_late_subscriber_finds_the_whole_state(broker, listen, beacon, house, protocol):
    broker.start()
    one = beacon(house(broker.port, protocol=protocol))
    tell_all(one)
    early = listen(broker.port)
    early.until(lambda: standing(early) == STANDING and CONFIG in early.kept, "all of it")
    late = listen(broker.port)
    late.until(lambda: standing(late) == STANDING and CONFIG in late.kept, "all of it, retained")
    assert late.kept[f"{BASE}/availability"] == "online"
    assert late.kept[f"{BASE}/lamp/green"] == "steady"
    assert late.json("state")["verdict"] == "ok"
    assert late.json("state")["version"] == "1.2.3"
    assert late.json("incident")["state"] == "none"
    assert late.json("silence")["state"] == "OFF"
    assert late.json("info")["config_hash"] == "0123abcd"


# --- the connection ----------------------------------------------------------------


def test_a_clean_stop_says_offline_after_the_last_change(broker, listen, beacon, house):
    broker.start()
    one = beacon(house(broker.port))
    tell_all(one)
    listener = listen(broker.port)
    listener.until(lambda: standing(listener) == STANDING, "all of it")
    one.output.offer([one.words().overall(Verdict.BLIND)])
    one.output.stop(5.0)
    listener.until(lambda: listener.kept[f"{BASE}/availability"] == "offline", "the goodbye")
    assert listener.json("state")["verdict"] == "blind"
    assert listener.received[-1].topic == f"{BASE}/availability"


@BOTH
def test_a_broker_that_forgot_everything_gets_the_present(
    broker, listen, beacon, house, protocol, eventually, caplog
):
    caplog.set_level(logging.INFO)
    broker.start()
    one = beacon(house(broker.port, protocol=protocol))
    tell_all(one)
    before = listen(broker.port)
    before.until(lambda: standing(before) == STANDING, "all of it")
    before.close()
    broker.stop()
    eventually(lambda: causes(caplog), "the loss")
    words = one.words()
    one.output.offer([Announced(words.at, Announcement.OPENED, "sign-in", Verdict.OUTAGE)])
    one.output.offer([words.overall(Verdict.OUTAGE), words.service(Verdict.OUTAGE)])
    one.output.offer([words.read(reason=Reason.DEADLINE, health=Health.DOWN)])
    broker.start()
    after = listen(broker.port)
    after.until(lambda: standing(after) == STANDING and CONFIG in after.kept, "all of it again")
    assert after.json("state")["verdict"] == "outage"
    assert after.json("service/sign-in")["verdict"] == "outage"
    assert after.json("endpoint/sign-in/portal")["reason"] == "deadline"
    assert {s["verdict"] for s in after.all("state")} == {"outage"}
    assert after.all("event") == []
    assert any("1 events were not published while offline" in c for c in causes(caplog))


def test_a_broker_that_comes_late(broker, listen, beacon, house, eventually, caplog):
    one = beacon(house(broker.port))
    tell_all(one)
    eventually(lambda: causes(caplog), "the cause")
    broker.start()
    listener = listen(broker.port)
    listener.until(lambda: standing(listener) == STANDING, "all of it")
    assert [c for c in causes(caplog) if "connection refused" in c] == [
        f"MQTT: nobody listens at 127.0.0.1:{broker.port}: connection refused; {ON}"
    ]


def assert_offers_are_quick(one, seconds):
    took, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        effects = one.words().standing(Verdict.DEGRADED)
        before = time.monotonic()
        one.output.offer(effects)
        took.append(time.monotonic() - before)
    # Half of them, not all: the machine has hiccups. To wait for this broker takes longer.
    assert statistics.median(took) < 0.1


def test_a_broker_that_never_answers_delays_nobody(beacon, house, quick, eventually, caplog):
    with socket.create_server(("127.0.0.1", 0)) as hole:
        one = beacon(house(hole.getsockname()[1]), replace(quick, welcome=0.2))
        assert_offers_are_quick(one, 0.3)
        eventually(lambda: any("does not answer" in c for c in causes(caplog)), "the cause")
        one.output.stop(3600.0)


def test_a_broker_that_freezes_delays_nobody_and_gets_the_latest(broker, listen, beacon, house):
    broker.start()
    one = beacon(house(broker.port))
    tell_all(one)
    listener = listen(broker.port)
    listener.until(lambda: standing(listener) == STANDING, "all of it")
    broker.freeze()
    try:
        for number in range(3000):
            words = one.words()
            words.at += 61.0 * number
            effects = [words.read(e, detail="x" * 200) for e in ("sign-in/portal", "sms/gateway")]
            one.output.offer([*effects, words.overall(blind=number % 2 == 0)])
        assert_offers_are_quick(one, 0.2)
        one.output.offer([one.words().overall(Verdict.GRAY_FAILURE)])
    finally:
        broker.thaw()
    listener.until(lambda: listener.json("state")["verdict"] == "gray_failure", "the latest")


def test_a_frozen_broker_does_not_hold_up_the_end(broker, listen, beacon, house, quick):
    broker.start()
    one = beacon(house(broker.port), replace(quick, farewell=0.2))
    listener = listen(broker.port)
    listener.until(lambda: CONFIG in listener.kept, "the description")
    broker.freeze()
    try:
        one.output.stop(3600.0)
    finally:
        broker.thaw()


@BOTH
def test_a_wrong_password_is_logged_once_with_its_cause(
    broker, beacon, house, need, tmp_path, protocol, eventually, caplog
):
    passwords = tmp_path / "passwords"
    subprocess.run([need("mosquitto_passwd"), "-b", "-c", passwords, "beacon", "right"], check=True)
    broker.start("allow_anonymous false", f"password_file {passwords}")
    secret = Secret("wrong-7f3a")
    one = beacon(house(broker.port, protocol=protocol, username="beacon", password=secret))
    eventually(lambda: causes(caplog), "the cause")
    log = tmp_path / "mosquitto" / "mosquitto.log"
    eventually(lambda: log.read_text().count("not authorised") >= 4, "four tries")
    assert len(causes(caplog)) == 1
    admitted = "whether it admits the client id mfa-beacon-lab (mosquitto: clientid_prefixes)"
    assert f"check mqtt.username and mqtt.password, and {admitted}" in causes(caplog)[0]
    assert "wrong-7f3a" not in caplog.text
    one.output.stop(5.0)
    beacon(house(broker.port, protocol=protocol, username="beacon", password=Secret("right")))
    eventually(lambda: "as mfa-beacon-lab" in log.read_text(), "a session")


def test_sessions_that_do_not_last_are_logged(beacon, broker, house, quick, eventually, caplog):
    """MQTT 3.1.1 has no reason for it: nobody is blamed for what we do not know."""
    broker.start()
    pace = replace(quick, settled=5.0)
    both = [beacon(house(broker.port, protocol="3.1.1"), pace) for _ in range(2)]
    unsaid = "MQTT: no session lasts 5 s: the connection was lost, and the broker gave no reason"
    eventually(lambda: sum(c.startswith(unsaid) for c in causes(caplog)) >= 2, "what is wrong")
    named = [cause for cause in causes(caplog) if cause.startswith(unsaid)]
    assert all("look for mfa-beacon-lab in the broker's log" in cause for cause in named)
    assert "another client" not in caplog.text
    assert len(caplog.records) < 20, caplog.text
    for one in both:
        one.output.stop(5.0)


def with_words(reason, words):
    """A reason code with a reason string, as CONNACK and DISCONNECT of MQTT 5 hold them."""
    text = words.encode()
    return bytes([reason, len(text) + 3, 0x1F, 0, len(text)]) + text


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (b"\x20", "the broker refuses us: Quota exceeded (too many, *** and gone)"),
        (b"\xe0", "the broker ended it: Quota exceeded (too many, *** and gone)"),
    ],
)
def test_the_brokers_own_words_are_logged_without_our_password(
    beacon, house, quick, kind, shown, eventually, caplog
):
    tail = with_words(0x97, "too many, hunter2-7f3a and gone")
    head = b"\x00" if kind == b"\x20" else b""
    packet = kind + bytes([len(head + tail)]) + head + tail
    packet = packet if head else V5[CONNECT](b"")[:5] + packet
    with contextlib.closing(Fake({CONNECT: lambda _: packet})) as fake:
        login = {"username": "beacon", "password": Secret("hunter2-7f3a")}
        one = beacon(house(fake.port, **login), replace(quick, farewell=0.2))
        eventually(lambda: any(shown in c for c in causes(caplog)), shown)
        one.output.stop(5.0)
    assert "hunter2" not in caplog.text


def test_another_client_is_named_when_the_broker_says_so(beacon, house, quick, eventually, caplog):
    with contextlib.closing(Fake(V5)) as fake:
        one = beacon(house(fake.port), replace(quick, settled=5.0, farewell=0.2))
        shown = (
            "no session lasts 5 s: the broker ended it: Session taken over: another client uses"
            " this id (mfa-beacon-lab); give every beacon its `site`"
        )
        eventually(lambda: any(shown in c for c in causes(caplog)), "what the broker answered")
        one.output.stop(5.0)


def test_an_acl_that_forbids_is_named(broker, beacon, house, tmp_path, eventually, caplog):
    acl = tmp_path / "acl"
    acl.write_text(f"topic read {BASE}/cmd/+\n")
    broker.start("allow_anonymous true", f"acl_file {acl}")
    one = beacon(house(broker.port))
    tell_all(one)
    eventually(lambda: causes(caplog), "the cause")
    assert "the broker refuses what we publish: Not authorized: check its ACL" in causes(caplog)[0]


def test_the_documented_acl_is_enough(broker, listen, beacon, house, need, tmp_path, eventually):
    text = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text()
    acl_text = text.split("```acl\n")[1].split("```")[0].replace("london-soc", "lab")
    acl, passwords = tmp_path / "acl", tmp_path / "passwords"
    acl.write_text(acl_text)
    create = ["-c"]
    for user in ("beacon", "operator"):
        subprocess.run([need("mosquitto_passwd"), "-b", *create, passwords, user, "pw"], check=True)
        create = []
    broker.start("allow_anonymous false", f"password_file {passwords}", f"acl_file {acl}")
    one = beacon(house(broker.port, username="beacon", password=Secret("pw")))
    tell_all(one)
    who = ["-h", "127.0.0.1", "-p", str(broker.port), "-u", "operator", "-P", "pw"]
    once = ["-t", f"{BASE}/state", "-C", "1", "-W", "10"]
    seen = subprocess.run([need("mosquitto_sub"), *who, *once], check=True, capture_output=True)
    assert json.loads(seen.stdout)["verdict"] == "ok"
    command = ["-q", "1", "-t", f"{BASE}/cmd/acknowledge", "-m", "PRESS"]
    subprocess.run([need("mosquitto_pub"), *who, *command], check=True)
    eventually(lambda: one.submitted, "the command")


# --- brokers that are none ----------------------------------------------------------


class Fake:
    """Takes one connection after another and answers each packet by its type."""

    def __init__(self, answers):
        self._answers = answers
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                with self._server.accept()[0] as sock, contextlib.suppress(OSError):
                    while packet := sock.recv(4096):
                        if not self._answers:
                            break
                        answer = self._answers.get(packet[0] & 0xF0, lambda _: b"")
                        sock.sendall(answer(packet))

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


CONNECT, SUBSCRIBE = 0x10, 0x80
V5 = {CONNECT: lambda _: b"\x20\x03\x00\x00\x00\xe0\x02\x8e\x00"}
V311 = {
    CONNECT: lambda _: b"\x20\x02\x00\x00",
    SUBSCRIBE: lambda packet: b"\x90\x03" + packet[2:4] + b"\x80",
}
V3_ONLY = {CONNECT: lambda _: b"\x20\x02\x00\x01"}
V5_NAME = {CONNECT: lambda _: b"\x20\x03\x00\x85\x00"}
V5_BUSY = {CONNECT: lambda _: b"\x20\x03\x00\x89\x00"}


def says(answer):
    return {CONNECT: lambda _: answer}


HTTP = says(b"HTTP/1.1 400 Bad Request\r\n\r\n")
ALERT = says(b"\x15\x03\x01\x00\x02\x02\x46")
ECHO = {CONNECT: lambda packet: packet}
FAKES = [
    ("5", {}, "without an answer; if it is a TLS port: mqtts:// in mqtt.broker; if it is an old"),
    *((each, HTTP, "a web server answers at 127.0.0.1:") for each in ("5", "3.1.1")),
    *((each, ALERT, " looks like a TLS port: write mqtts:// in") for each in ("5", "3.1.1")),
    *((each, ECHO, " speaks no MQTT: see the port") for each in ("5", "3.1.1")),
    ("5", says(b"220 mail.example.com ESMTP\r\n"), " speaks no MQTT: see the port"),
    ("5", says(b"\x20"), "the broker takes the connection but does not answer"),
    ("5", says(b"\x20\x03\x00\x7f\x00"), "refuses us: code 127, which MQTT 5 does not have"),
    ("5", says(b"\x20\x82\x00\x00\x7f"), "refuses us: code 127, which MQTT 5 does not have"),
    ("3.1.1", says(b"\x20\x02\x00\x63"), "us: code 99, which MQTT 3.1.1 does not have"),
    ("5", says(b"\x20\x02\x00\x05"), "refuses us: Not authorized: set mqtt.username and"),
    ("5", says(b"\x20\x02\x00\x00"), "refuses us: its answer is no CONNACK of MQTT 5"),
    ("3.1.1", says(b"\x20\x03\x00\x00\x00"), "its answer is no CONNACK of MQTT 3.1.1"),
    ("5", V5, "the broker ended it: Session taken over"),
    ("5", V3_ONLY, 'refuses us: Unsupported protocol version: try mqtt.protocol: "3.1.1"'),
    ("3.1.1", V3_ONLY, 'refuses us: Unsupported protocol version: try mqtt.protocol: "5"'),
    ("5", V5_NAME, "Client identifier not valid: see whether it admits the client id mfa-beacon-l"),
    ("5", V5_BUSY, "the broker refuses us: Server busy; the beacon goes on"),
    ("3.1.1", V311, "the broker refuses a subscription: Unspecified error: check its ACL"),
]


@pytest.mark.parametrize(("protocol", "answers", "cause"), FAKES)
def test_a_broker_that_misbehaves_is_named(
    beacon, house, quick, protocol, answers, cause, eventually, caplog
):
    with contextlib.closing(Fake(answers)) as fake:
        one = beacon(house(fake.port, protocol=protocol), replace(quick, welcome=0.3, farewell=0.2))
        eventually(lambda: any(cause in c for c in causes(caplog)), cause)
        one.output.stop(5.0)


def test_tls_that_is_never_answered(beacon, house, eventually, caplog):
    with socket.create_server(("127.0.0.1", 0)) as hole:
        port = hole.getsockname()[1]
        one = beacon(house(port, encrypted=True))
        eventually(lambda: causes(caplog), "the cause")
        assert f"no answer from 127.0.0.1:{port}" in causes(caplog)[0]
        one.output.stop(5.0)


# --- TLS ---------------------------------------------------------------------------


def issue(home):
    """A new CA's certificate, and what it issues for the broker and for us."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(home / "ca.pem")
    for name, host in (("server", "127.0.0.1"), ("client", "beacon.example.com")):
        issued = authority.issue_cert(host)
        issued.private_key_pem.write_to_path(home / f"{name}.key")
        with (home / f"{name}.pem").open("wb") as out:
            out.writelines(blob.bytes() for blob in issued.cert_chain_pems)


@pytest.fixture
def authority(tmp_path):
    issue(tmp_path)
    return tmp_path


def over_tls(authority):
    return [
        "allow_anonymous true",
        f"cafile {authority}/ca.pem",
        f"certfile {authority}/server.pem",
        f"keyfile {authority}/server.key",
        "require_certificate true",
    ]


@pytest.fixture
def tls(authority):
    return TlsPolicy(
        ca=f"{authority}/ca.pem",
        certificate=f"{authority}/client.pem",
        key=f"{authority}/client.key",
    )


@BOTH
def test_tls_with_a_client_certificate(
    broker, listen, beacon, house, authority, tls, protocol, free_port
):
    plain = free_port()
    lines = [*over_tls(authority), f"listener {plain} 127.0.0.1", "allow_anonymous true"]
    broker.start(*lines)
    one = beacon(house(broker.port, protocol=protocol, encrypted=True, tls=tls))
    tell_all(one)
    listener = listen(plain)
    listener.until(lambda: standing(listener) == STANDING, "all of it")
    listener.command("silence", "ON")
    listener.until(lambda: one.submitted, "the command")
    broker.stop()
    issue(authority)  # renewed files count from the next connection
    broker.start(*lines)
    listener = listen(plain)
    listener.until(lambda: standing(listener) == STANDING, "all of it again")


def test_a_missing_client_certificate_is_named(
    broker, beacon, house, authority, tls, eventually, caplog
):
    broker.start(*over_tls(authority))
    tls = replace(tls, certificate=None, key=None)
    beacon(house(broker.port, encrypted=True, tls=tls))
    eventually(lambda: causes(caplog), "the cause")
    assert "mqtt.tls.certificate and key" in causes(caplog)[0]


# --- commands ----------------------------------------------------------------------


@BOTH
def test_commands_become_events_and_their_result_is_published(
    broker, listen, beacon, house, protocol
):
    broker.start()
    one = beacon(house(broker.port, protocol=protocol))
    listener = listen(broker.port)
    listener.until(lambda: CONFIG in listener.kept, "the description")
    listener.command("acknowledge", "PRESS")
    listener.command("silence", '{"state": "ON", "by": "Ann", "for": "10m"}')
    listener.command("lamp_test", "PRESS")
    listener.until(lambda: listener.all("result"), "the lamp test's result")
    assert one.tested == [True]
    assert listener.all("result")[0]["cmd"] == "lamp_test"
    acknowledge, silence = one.submitted
    assert acknowledge == Acknowledge(acknowledge.at, by="mqtt", origin="mqtt")
    assert silence == Silence(silence.at, on=True, by="Ann", origin="mqtt", seconds=600.0)
    one.output.offer([Answered(silence.at, "silence", ok=True, by="Ann", origin="mqtt")])
    listener.until(lambda: len(listener.all("result")) == 2, "the result")
    result = listener.all("result")[1]
    assert (result["cmd"], result["ok"], result["error"]) == ("silence", True, None)
    assert result["at"].endswith("+00:00")


def test_over_mqtt_5_a_retained_command_does_not_even_come(broker, listen, beacon, house):
    broker.start()
    listener = listen(broker.port)
    listener.command("silence", "ON", retain=True)
    one = beacon(house(broker.port))
    listener.until(lambda: CONFIG in listener.kept, "the description")
    listener.command("acknowledge", "PRESS")
    listener.until(lambda: one.submitted, "the other command")
    assert [type(e) for e in one.submitted] == [Acknowledge]
    assert listener.all("result") == []


# --- Home Assistant ----------------------------------------------------------------


def test_what_is_no_longer_there_is_removed_first(broker, listen, beacon, house):
    broker.start()
    old = {"cmps": {"service_gone": {"p": "sensor"}, "problem": {"p": "sensor"}}}
    listener = listen(broker.port)
    listener.say(CONFIG, json.dumps(old), retain=True)
    beacon(house(broker.port))

    def configs():
        return [m.payload for m in listener.received if m.topic == CONFIG]

    listener.until(lambda: len(configs()) == 3, "stubs and the final message")
    stubs, final = (json.loads(c)["cmps"] for c in configs()[1:])
    assert stubs["service_gone"] == {"p": "sensor"}
    assert stubs["problem"] == {"p": "sensor"}
    assert "service_gone" not in final
    assert final["problem"]["p"] == "binary_sensor"


# --- threads -----------------------------------------------------------------------


def test_many_threads_may_note_and_the_last_word_stands(broker, listen, beacon, house):
    broker.start()
    one = beacon(house(broker.port))
    listener = listen(broker.port)

    def note():
        for number in range(500):
            one.output.shown(Shown({Colour.RED: ("off", "fast")[number % 2]}))
            one.output.health(health(float(number)))

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.output.shown(Shown({Colour.RED: "double"}))
    listener.until(lambda: listener.kept.get(f"{BASE}/lamp/red") == "double", "the last word")


def test_stop_before_start_and_twice(house, beacon):
    one = beacon(house(1))
    one.output.stop(10.0)
    one.output.stop(10.0)
    one.output.offer([one.words().overall()])
