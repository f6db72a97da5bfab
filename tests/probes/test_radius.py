"""`radius` against FreeRADIUS, broken on purpose; and against answers nobody should believe."""

import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyrad.packet import AuthPacket

from beacon.config.fields import Secret
from beacon.config.problems import ConfigError
from beacon.core.model import Outcome, Reading, Reason
from beacon.daemon.life import load_config
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.radius import Packet, RadiusAnswer
from beacon.otp.code_setting import OneTimeCode
from beacon.otp.used_codes import Token
from beacon.probes.radius import Radius
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: radius
    host: "{host}"
    port: {port}
    shared_secret: !secret canary
    username: probe
    password: !secret canary
    code: {totp: !secret seed}
    """,
)


SECRET = "canary-shared-secret"
PASSWORD = "canary-password"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ENDPOINTS = f"""
- name: sign-in
  type: radius
  host: 127.0.0.1
  shared_secret: {SECRET}
  username: probe
  password: {PASSWORD}
  code: {{totp: {SEED}}}
"""
STATUS = f"""
- {{name: server, type: radius_status, host: 127.0.0.1, shared_secret: {SECRET}}}
"""
CLOCK = """
- {name: clock, type: ntp, servers: [127.0.0.1]}
"""


class Skewed(SystemClock):
    """A clock that is ahead by so many seconds."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=self.ahead)


class Watched(Run):
    """A run whose notes something else happens at."""

    def __init__(self, budget: float, noted: Callable[[str], None]) -> None:
        super().__init__(SystemClock(), budget, memory=MEMORIES.new())
        self.noted = noted

    def note(self, line: str) -> None:
        super().note(line)
        self.noted(line)


@pytest.fixture
def early(eventually: Callable[..., None]) -> None:
    """The code that is made now is still good when the server looks: rlm_totp takes no other."""
    eventually(lambda: time.time() % 30 < 24, "the next step")


@pytest.fixture
def make(freeradius: Any) -> Callable[..., Radius]:
    """The probe of an endpoint that is configured rightly, but for what is given."""

    def build(**given: Any) -> Radius:
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": freeradius.port,
            "shared_secret": Secret(SECRET),
            "username": "probe",
            "password": Secret(PASSWORD),
            "code": OneTimeCode(totp=Secret(freeradius.seed)),
        }
        probe = Radius(**settings | given)
        assert not list(probe.faults())
        return probe

    return build


@pytest.fixture
def challenged(make: Callable[..., Radius]) -> Callable[..., Radius]:
    return lambda **given: make(**{"username": "challenged", "challenge": "{code}"} | given)


def sign_in(
    probe: Radius, budget: float = 60.0, clock: SystemClock | None = None
) -> tuple[Reading, str]:
    """One run; the reading, and what `-v` would show. Neither tells a secret."""
    run = Run(clock or SystemClock(), budget, memory=MEMORIES.of(probe))
    try:
        reading = run.take(probe)
    except DeadlinePassed:
        reading = run.overstayed()
    told = "\n".join(run.notes)
    assert "canary" not in reading.detail + told
    if probe.code is not None and probe.code.totp is not None:
        code = Token.parse(probe.code.totp.reveal()).code(time.time())
        assert code not in reading.detail + told
    return reading, told


pytestmark = pytest.mark.usefixtures("early")


# --- sound --------------------------------------------------------------------------


@pytest.mark.integration
def test_password_and_code_in_one(make: Callable[..., Radius], shown: Callable[..., Any]) -> None:
    reading, told = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted")
    assert [name for name, _ in reading.phases] == ["dns", "request"]
    assert "Access-Request" in told
    assert "Access-Accept, Message-Authenticator" in told
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps, after.shallow) == ("ok", {"green": "steady"}, False)


@pytest.mark.integration
def test_password_then_code(challenged: Callable[..., Radius]) -> None:
    reading, told = sign_in(challenged())
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted, after a challenge")
    assert [name for name, _ in reading.phases] == ["dns", "request", "code"]
    assert sum(spent for _, spent in reading.phases) <= reading.latency
    assert "Reply-Message: Enter the code of your token, ***" in told, "one line, masked"
    assert told.count("Access-Request") == 2
    assert "State" in told


@pytest.mark.integration
def test_every_attribute_arrives(make: Callable[..., Radius], freeradius: Any) -> None:
    reading, _ = sign_in(
        make(
            nas_identifier="room-4",
            nas_address="192.0.2.10",
            service_type="authenticate_only",
            calling_station_id="198.51.100.7",
        )
    )
    assert reading.reason is Reason.OK
    request = freeradius.log.rpartition("Received Access-Request")[2]
    assert 'NAS-Identifier = "room-4"' in request
    assert "NAS-IP-Address = 192.0.2.10" in request
    assert "Service-Type = Authenticate-Only" in request
    assert 'Calling-Station-Id = "198.51.100.7"' in request
    assert request.index("Message-Authenticator =") < request.index("User-Name =")


@pytest.mark.integration
def test_a_slow_answer_is_waited_for_and_the_packet_sent_again(
    make: Callable[..., Radius], freeradius: Any, eventually: Callable[..., None]
) -> None:
    """The server knows the second packet for the first: the code is looked at once."""
    asked = freeradius.log.count("Received Access-Request")
    freeradius.process.send_signal(signal.SIGSTOP)

    def wake(line: str) -> None:
        if "the same packet again" in line:
            freeradius.process.send_signal(signal.SIGCONT)

    run = Watched(60.0, wake)
    assert run.take(make()).reason is Reason.OK
    assert "the same packet again" in run.notes[-3]
    eventually(lambda: "duplicate" in freeradius.log, "the second packet")
    assert freeradius.log.count("[totp] = ok") >= 1
    assert freeradius.log.count("Received Access-Request") == asked + 1


# --- broken on purpose ------------------------------------------------------------------

RED = {"red": "fast"}
RED_AND_STOPPED = {"red": "fast", "blue": "steady"}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("mood", "wrong"),
    [
        ("back end gone", {}),
        ("", {"username": "nobody"}),
        ("", {"password": Secret("canary-other")}),
        ("", {"send": "{code}{password}"}),
    ],
    ids=["back end gone", "unknown user", "wrong password", "wrong order"],
)
def test_a_rejection_is_an_outage_if_it_ever_worked_else_ours(
    make: Callable[..., Radius],
    freeradius: Any,
    shown: Callable[..., Any],
    mood: str,
    wrong: dict[str, Any],
) -> None:
    freeradius.be(mood)
    reading, told = sign_in(make(**wrong))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "the first request was rejected"
    assert reading.latency > 0.9, "FreeRADIUS rejects a second late"
    assert "again" not in told
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED_AND_STOPPED)
    never = shown(ENDPOINTS, {"sign-in": reading}, proven=False)
    assert (never.verdict, never.lamps) == ("blind", {"white": "steady", "blue": "steady"})
    assert never.cause == "our credentials"


@pytest.mark.integration
def test_a_rejection_is_one_without_message_authenticator_too(
    make: Callable[..., Radius], freeradius: Any, shown: Callable[..., Any]
) -> None:
    """Else the guard would not know, and a wrong password would be tried until it is locked."""
    freeradius.be("bare")
    reading, _ = sign_in(make(password=Secret("canary-other")))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "the first request was rejected, without Message-Authenticator"


@pytest.mark.integration
def test_a_wrong_token(challenged: Callable[..., Radius]) -> None:
    reading, told = sign_in(challenged(code=OneTimeCode(totp=Secret("MFRGGZDFMZTWQ2LK"))))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "the answer to the challenge was rejected"
    assert "Access-Reject, Message-Authenticator" in told


@pytest.mark.integration
@pytest.mark.parametrize("ahead", [20, 45, 300, -20, -45, -300])
def test_a_wrong_clock_of_our_own(
    make: Callable[..., Radius], freeradius: Any, shown: Callable[..., Any], ahead: float
) -> None:
    clock = Skewed(ahead)
    token = Token.parse(freeradius.seed)
    old = token.step(time.time()) - token.step(clock.utc().timestamp())
    good = 0 <= old <= freeradius.steps_back
    reading, _ = sign_in(make(), clock=clock)
    assert reading.reason is (Reason.OK if good else Reason.SIGN_IN_REJECTED)
    within = 30 * (1 + freeradius.steps_back)
    assert not good or abs(ahead) < within, "an error of less cannot be seen"
    rejected = Reading(Reason.SIGN_IN_REJECTED, "the first request was rejected")
    known = shown(ENDPOINTS + CLOCK, {"sign-in": rejected, "clock": Reading(Reason.OWN_CLOCK)})
    assert (known.verdict, known.lamps) == ("blind", {"white": "steady"})
    unknown = shown(ENDPOINTS, {"sign-in": rejected})
    assert unknown.verdict == "outage", "nobody watches the clock"


@pytest.mark.integration
def test_two_runs_in_one_step_are_one_sign_in(make: Callable[..., Radius], freeradius: Any) -> None:
    probe = make()
    assert sign_in(probe)[0].reason is Reason.OK
    asked = freeradius.log.count("Received Access-Request")
    now = time.time()
    assert (now + probe.wait(now, MEMORIES.of(probe))) // 30 == now // 30 + 1, (
        "the schedule waits for the next step"
    )
    reading, _ = sign_in(probe)
    assert (reading.reason, reading.outcome) == (Reason.RATE_LIMITED, Outcome.ERROR)
    assert freeradius.log.count("Received Access-Request") == asked


@pytest.mark.integration
def test_silence_may_be_our_shared_secret(
    make: Callable[..., Radius], shown: Callable[..., Any]
) -> None:
    reading, told = sign_in(make(shared_secret=Secret("canary-other-secret")), budget=1.0)
    assert reading.reason is Reason.DEADLINE
    assert "no answer: down, hanging" in reading.detail
    assert "is `shared_secret` the one the server has for this address?" in reading.detail
    assert told.count("the same packet again") == 1
    assert shown(ENDPOINTS, {"sign-in": reading}).lamps == RED


def test_what_may_push_or_call_is_asked_once(udp_server: Callable[..., Any]) -> None:
    there = udp_server(lambda _: [])
    assert sign_in(asking(there.port), budget=0.3)[0].reason is Reason.DEADLINE
    assert len(there.asked) == 1


@pytest.mark.integration
def test_an_answer_without_message_authenticator_is_refused(
    make: Callable[..., Radius], freeradius: Any, shown: Callable[..., Any]
) -> None:
    freeradius.be("bare")
    reading, _ = sign_in(make())
    assert reading.reason is Reason.PROTOCOL_ERROR
    assert reading.detail.startswith("Access-Accept without Message-Authenticator")
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


@pytest.mark.integration
def test_where_the_server_cannot_sign_it_can_be_done_without(
    make: Callable[..., Radius], freeradius: Any
) -> None:
    freeradius.be("bare")
    reading, told = sign_in(make(require_message_authenticator=False))
    assert reading.reason is Reason.OK
    assert "Access-Accept, no Message-Authenticator" in told


@pytest.mark.integration
@pytest.mark.parametrize(
    ("mood", "given", "reason", "words"),
    [
        ("no challenge", {}, Reason.CHALLENGE_MISSING, "accepted without a challenge"),
        ("one more", {}, Reason.SIGN_IN_UNFINISHED, "one more challenge: One code more: ***"),
        (
            "",
            {"challenge": None, "send": "{password}", "code": None},
            Reason.SIGN_IN_UNFINISHED,
            "a challenge, and `challenge:` is not set: Enter the code of your token, ***",
        ),
    ],
)
def test_a_challenge_too_few_or_too_many(
    challenged: Callable[..., Radius],
    freeradius: Any,
    shown: Callable[..., Any],
    mood: str,
    given: dict[str, Any],
    reason: Reason,
    words: str,
) -> None:
    freeradius.be(mood)
    reading, _ = sign_in(challenged(**given))
    assert reading.reason is reason
    assert reading.detail.startswith(words)
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


@pytest.mark.integration
def test_a_server_that_hangs_after_the_challenge(
    challenged: Callable[..., Radius], freeradius: Any, shown: Callable[..., Any]
) -> None:
    def stop(line: str) -> None:
        if "Access-Challenge" in line:
            freeradius.process.send_signal(signal.SIGSTOP)
            run.deadline = run.clock.monotonic() + 2.0

    run = Watched(60.0, stop)
    reading = run.take(challenged())
    assert reading.reason is Reason.DEADLINE
    assert reading.detail.startswith("the answer to the challenge: 127.0.0.1 port")
    assert [name for name, _ in reading.phases] == ["dns", "request", "code"]
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


@pytest.mark.integration
def test_sign_ins_are_dropped_while_the_server_says_it_is_there(
    make: Callable[..., Radius], freeradius: Any, shown: Callable[..., Any]
) -> None:
    """The symptom decides; tests/probes/test_radius_status.py has the other half."""
    freeradius.be("drop")
    reading, _ = sign_in(make(), budget=1.0)
    assert reading.reason is Reason.DEADLINE
    after = shown(ENDPOINTS + STATUS, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


def test_a_dead_server(free_port: Callable[[], int], shown: Callable[..., Any]) -> None:
    probe = Radius(
        host="127.0.0.1",
        port=free_port(),
        shared_secret=Secret(SECRET),
        username="probe",
        password=Secret(PASSWORD),
    )
    reading, _ = sign_in(probe)
    assert reading.reason is Reason.CONNECT_REFUSED
    after = shown(ENDPOINTS, {"sign-in": reading})
    assert (after.verdict, after.lamps) == ("outage", RED)


# --- counted codes ------------------------------------------------------------------------


def test_a_code_that_was_never_judged_is_the_next_again(free_port: Callable[[], int]) -> None:
    probe = Radius(
        host="127.0.0.1",
        port=free_port(),
        shared_secret=Secret(SECRET),
        username="probe",
        code=OneTimeCode(hotp=Secret(SEED)),
    )
    assert not probe.clock_bound
    assert probe.wait(time.time(), MEMORIES.of(probe)) == 0.0
    assert sign_in(probe)[0].reason is Reason.CONNECT_REFUSED
    assert MEMORIES.ledger.count(Token.parse(SEED)) == 0


def test_a_code_that_somebody_answered_is_not_sent_again(udp_server: Callable[..., Any]) -> None:
    def bare(_: AuthPacket, reply: AuthPacket) -> list[bytes]:
        reply.message_authenticator = False
        return [reply.ReplyPacket()]

    port = udp_server(server(bare)).port
    probe = asking(port, password=None, code=OneTimeCode(hotp=Secret(SEED)))
    assert sign_in(probe)[0].reason is Reason.PROTOCOL_ERROR
    assert MEMORIES.ledger.count(Token.parse(SEED)) == 1


def test_the_deadline_gives_a_counted_code_back(
    udp_server: Callable[..., Any], observed: Callable[..., Reading]
) -> None:
    class Hurried(SystemClock):
        """Time stands still for the probe: only the prober's own deadline ends the run."""

        def monotonic(self) -> float:
            return 0.0

    probe = Radius(
        host="127.0.0.1",
        port=udp_server(lambda _: []).port,
        shared_secret=Secret(SECRET),
        username="probe",
        code=OneTimeCode(hotp=Secret(SEED)),
    )
    run = Run(Hurried(), 30.0, memory=MEMORIES.of(probe))

    def answer(_: bytes) -> list[bytes]:
        run.expire()
        return []

    probe = replace(probe, port=udp_server(answer).port)
    with pytest.raises(DeadlinePassed):
        run.take(probe)
    assert MEMORIES.ledger.count(Token.parse(SEED)) == 0


# --- answers nobody should believe -------------------------------------------------------


def server(
    change: Callable[[AuthPacket, AuthPacket], list[bytes]],
) -> Callable[[bytes], list[bytes]]:
    """A server that says what `change` makes of the request and a good answer to it."""

    def answer(asked: bytes) -> list[bytes]:
        request = AuthPacket(packet=asked, secret=SECRET.encode())
        assert request.verify_message_authenticator()
        assert asked[20] == 80, "the first attribute"
        return change(request, request.CreateReply())

    return answer


def asking(port: int, **given: Any) -> Radius:
    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "shared_secret": Secret(SECRET),
        "username": "probe",
        "password": Secret(PASSWORD),
    }
    return Radius(**settings | given)


def said(reply: AuthPacket, *messages: str) -> bytes:
    reply[18] = [message.encode() for message in messages]
    return reply.ReplyPacket()


def test_foreign_words_are_one_short_line_without_codes(udp_server: Callable[..., Any]) -> None:
    def reject(_: AuthPacket, reply: AuthPacket) -> list[bytes]:
        reply.code = 3
        return [said(reply, f"No:\r\n\x1b[31m 834211, {PASSWORD},", "x" * 250)]

    reading, _ = sign_in(asking(udp_server(server(reject)).port))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail.startswith("the first request was rejected: No: [31m ***, ***,x")
    assert len(reading.detail) == 200


def test_a_password_is_not_shown_where_the_line_is_cut(udp_server: Callable[..., Any]) -> None:
    def reject(_: AuthPacket, reply: AuthPacket) -> list[bytes]:
        reply.code = 3
        return [said(reply, "x " * 78 + "xx" + PASSWORD)]

    reading, _ = sign_in(asking(udp_server(server(reject)).port))
    assert reading.detail.endswith("x***")


# --- settings -----------------------------------------------------------------------------

TOTP = OneTimeCode(totp=Secret(SEED))


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        ({"password": None}, (), "nothing to sign in with"),
        ({"send": "{pin}{password}"}, ("send",), "{pin} is not known"),
        ({"send": "{password}{code}"}, ("send",), "{code} without `code:`"),
        ({"send": "x"}, ("password",), "password is never sent"),
        ({"code": TOTP, "send": "{password}"}, ("code",), "code is never sent"),
        (
            {"code": TOTP, "send": "{password}{code}", "challenge": "{code}"},
            ("challenge",),
            "the code would be sent twice",
        ),
        ({"code": TOTP, "send": "{code}{code}"}, ("challenge",), "the code would be sent twice"),
        ({"username": ""}, ("username",), "not a length RADIUS has room for"),
        ({"username": "ü" * 127}, ("username",), "not a length RADIUS has room for"),
        ({"nas_identifier": ""}, ("nas_identifier",), "not a length RADIUS has room for"),
        ({"nas_address": "here"}, ("nas_address",), "not an IP address"),
        ({"password": Secret("x" * 129)}, ("send",), "too long, once it is filled in"),
        ({"password": Secret("x" * 123), "code": TOTP}, ("send",), "too long, once it is filled"),
    ],
)
def test_settings_that_do_not_go_together(
    given: dict[str, Any], path: tuple[str, ...], words: str
) -> None:
    faults = list(asking(1812, **given).faults())
    assert any(fault.path == path and fault.message.startswith(words) for fault in faults)
    assert not any("xxx" in fault.message + fault.allowed for fault in faults)


def test_mistakes_are_told_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "beacon.yaml"
    path.write_text(
        "site: soc\n"
        "services:\n"
        "  - name: MFA\n"
        "    endpoints:\n"
        "      - name: one\n"
        "        type: radius\n"
        "        host: radius.example.com\n"
        '        shared_secret: ""\n'
        "        username: probe\n"
        "        code: {totp: canary-no-base32!}\n"
        "      - name: two\n"
        "        type: radius\n"
        "        host: radius.example.com\n"
        "        shared_secret: canary\n"
        "        username: probe\n"
        "        password: canary\n"
        '        send: "{password}{otp}"\n'
        "        service_type: logn\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    told = [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]
    assert told[0].startswith("8:24: services[0].endpoints[0].shared_secret: an empty secret;")
    assert told[1].startswith("10:22: services[0].endpoints[0].code.totp: not a base32 seed;")
    assert told[2].startswith("18:23: services[0].endpoints[1].service_type: ")
    assert told[2].endswith("did you mean login?")
    assert len(told) == 3, "faults of what is right one by one come when all of it is"
    assert "canary" not in str(caught.value)
    path.write_text(path.read_text().replace("logn", "login").replace('""', "canary"))
    path.write_text(path.read_text().replace("canary-no-base32!", SEED))
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert str(caught.value).removeprefix(f"{path}:") == (
        "17:15: services[0].endpoints[1].send: {otp} is not known; text with {password} and {code}"
    )


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ({}, {"send": "{password}"}),
        ({"code": TOTP}, {"send": "{password}{code}"}),
        ({"code": TOTP, "password": None}, {"send": "{code}"}),
        ({"code": TOTP, "challenge": "{code}"}, {"send": "{password}", "challenge": "{code}"}),
        ({"code": TOTP, "send": "{code}:{password}"}, {"send": "{code}:{password}"}),
        ({"password": Secret("x" * 122), "code": TOTP}, {"send": "{password}{code}"}),
    ],
)
def test_what_is_sent_without_saying_so(given: dict[str, Any], texts: dict[str, str]) -> None:
    probe = asking(1812, **given)
    assert not list(probe.faults())
    assert probe._texts == texts


@pytest.mark.parametrize(
    ("packet", "stateless", "reason", "words"),
    [
        (Packet.ACCESS_REJECT, True, Reason.SIGN_IN_REJECTED, "after a challenge without State"),
        (Packet.ACCESS_REJECT, False, Reason.SIGN_IN_REJECTED, "the challenge was rejected"),
        (Packet.ACCESS_ACCEPT, True, Reason.OK, "accepted, after a challenge"),
    ],
)
def test_a_challenge_without_state_is_named_where_its_answer_is_rejected(
    packet: Packet, stateless: bool, reason: Reason, words: str
) -> None:
    probe = asking(1812, code=TOTP, challenge="{code}")
    reading = probe.judge(RadiusAnswer(packet), challenged=True, stateless=stateless)
    assert reading.reason is reason
    assert words in reading.detail
    assert ("State" in reading.detail) is (stateless and reason is not Reason.OK)


def test_braces_of_a_password_are_not_filled_in(udp_server: Callable[..., Any]) -> None:
    heard = []

    def accept(request: AuthPacket, reply: AuthPacket) -> list[bytes]:
        heard.append(request.PwDecrypt(request[2][0]))
        return [reply.ReplyPacket()]

    port = udp_server(server(accept)).port
    password = Secret("canary{code}{password}{}ü")
    assert sign_in(asking(port, password=password))[0].reason is Reason.OK
    assert heard == [password.reveal()]


def test_an_ipv6_address_of_ours_has_an_attribute_of_its_own(
    udp_server: Callable[..., Any],
) -> None:
    heard = []

    def accept(request: AuthPacket, reply: AuthPacket) -> list[bytes]:
        heard.append((request.get(4), request.get(95)))
        return [reply.ReplyPacket()]

    sign_in(asking(udp_server(server(accept)).port, nas_address="2001:db8::10"))
    assert heard == [(None, [bytes.fromhex("20010db8000000000000000000000010")])]
