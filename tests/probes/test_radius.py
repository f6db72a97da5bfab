"""`radius` against FreeRADIUS, broken on purpose; and against answers nobody should believe."""

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from pyrad.packet import AuthPacket

from beacon.config.fields import Secret
from beacon.core.model import Reason
from beacon.net.radius import Packet, RadiusAnswer
from beacon.otp.code_setting import OneTimeCode
from beacon.otp.used_codes import Token
from beacon.probes.radius import Radius
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance
from tests.probes.runs import Skewed, Watched, sign_in

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
Make = Callable[..., Radius]


@pytest.fixture
def early(eventually: Callable[..., None]) -> None:
    """The code that is made now is still good when the server looks: rlm_totp takes no other."""
    eventually(lambda: time.time() % 30 < 24, "the next step")


@pytest.fixture
def make(freeradius: Any) -> Make:
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
def challenged(make: Make) -> Make:
    return lambda **given: make(**{"username": "challenged", "challenge": "{code}"} | given)


pytestmark = pytest.mark.usefixtures("early")


# --- sound --------------------------------------------------------------------------


@pytest.mark.integration
def test_password_and_code_in_one(make: Make) -> None:
    reading, notes = sign_in(make())
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted")
    assert [name for name, _ in reading.phases] == ["dns", "request"]
    assert "Access-Request" in notes
    assert "Access-Accept, Message-Authenticator" in notes


@pytest.mark.integration
def test_password_then_code(challenged: Make) -> None:
    reading, notes = sign_in(challenged())
    assert (reading.reason, reading.detail) == (Reason.OK, "accepted, after a challenge")
    assert [name for name, _ in reading.phases] == ["dns", "request", "code"]
    assert sum(spent for _, spent in reading.phases) <= reading.latency
    assert "Reply-Message: Enter the code of your token, ***" in notes, "one line, masked"
    assert notes.count("Access-Request") == 2
    assert "State" in notes


@pytest.mark.integration
def test_every_attribute_arrives(make: Make, freeradius: Any) -> None:
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
    make: Make, freeradius: Any, eventually: Callable[..., None]
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


@pytest.mark.integration
@pytest.mark.parametrize(
    ("mood", "wrong"),
    [
        ("back end gone", {}),
        ("", {"send": "{code}{password}"}),
    ],
    ids=["back end gone", "wrong order"],
)
def test_a_rejection_is_not_tried_again(
    make: Make, freeradius: Any, mood: str, wrong: dict[str, Any]
) -> None:
    freeradius.be(mood)
    reading, notes = sign_in(make(**wrong))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "the first request was rejected"
    assert reading.latency > 0.9, "FreeRADIUS rejects a second late"
    assert "again" not in notes


@pytest.mark.integration
def test_a_rejection_is_one_without_message_authenticator_too(make: Make, freeradius: Any) -> None:
    """Else the guard would not know, and a wrong password would be tried until it is locked."""
    freeradius.be("bare")
    reading, _ = sign_in(make(password=Secret("canary-other")))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "the first request was rejected, without Message-Authenticator"


@pytest.mark.integration
def test_a_wrong_token(challenged: Make) -> None:
    reading, notes = sign_in(challenged(code=OneTimeCode(totp=Secret("MFRGGZDFMZTWQ2LK"))))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "the answer to the challenge was rejected"
    assert "Access-Reject, Message-Authenticator" in notes


@pytest.mark.integration
@pytest.mark.parametrize("ahead", [20, -45, 300])
def test_a_wrong_clock_of_our_own(make: Make, freeradius: Any, ahead: float) -> None:
    clock = Skewed(ahead)
    token = Token.parse(freeradius.seed)
    old = token.step(time.time()) - token.step(clock.utc().timestamp())
    good = 0 <= old <= freeradius.steps_back
    reading, _ = sign_in(make(), clock=clock)
    assert reading.reason is (Reason.OK if good else Reason.SIGN_IN_REJECTED)
    within = 30 * (1 + freeradius.steps_back)
    assert not good or abs(ahead) < within, "an error of less cannot be seen"


@pytest.mark.integration
def test_silence_may_be_our_shared_secret(make: Make) -> None:
    reading, notes = sign_in(make(shared_secret=Secret("canary-other-secret")), budget=1.0)
    assert reading.reason is Reason.DEADLINE
    assert "no answer: down, hanging" in reading.detail
    assert "is `shared_secret` the one the server has for this address?" in reading.detail
    assert notes.count("the same packet again") == 1


def test_what_may_push_or_call_is_asked_once(udp_server: Callable[..., Any]) -> None:
    there = udp_server(lambda _: [])
    assert sign_in(asking(there.port), budget=0.3)[0].reason is Reason.DEADLINE
    assert len(there.asked) == 1


@pytest.mark.integration
@pytest.mark.parametrize(
    ("required", "reason", "words"),
    [
        (True, Reason.PROTOCOL_ERROR, "Access-Accept without Message-Authenticator"),
        (False, Reason.OK, "accepted"),
    ],
)
def test_an_answer_without_message_authenticator_is_refused_unless_it_need_not_have_one(
    make: Make, freeradius: Any, required: bool, reason: Reason, words: str
) -> None:
    freeradius.be("bare")
    reading, _ = sign_in(make(require_message_authenticator=required))
    assert (reading.reason, reading.detail[: len(words)]) == (reason, words)


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
    challenged: Make, freeradius: Any, mood: str, given: dict[str, Any], reason: Reason, words: str
) -> None:
    freeradius.be(mood)
    reading, _ = sign_in(challenged(**given))
    assert reading.reason is reason
    assert reading.detail.startswith(words)


@pytest.mark.integration
def test_a_server_that_hangs_after_the_challenge(challenged: Make, freeradius: Any) -> None:
    def stop(line: str) -> None:
        if "Access-Challenge" in line:
            freeradius.process.send_signal(signal.SIGSTOP)
            run.deadline = run.clock.monotonic() + 2.0

    run = Watched(60.0, stop)
    reading = run.take(challenged())
    assert reading.reason is Reason.DEADLINE
    assert reading.detail.startswith("the answer to the challenge: 127.0.0.1 port")
    assert [name for name, _ in reading.phases] == ["dns", "request", "code"]


def test_a_dead_server(free_port: Callable[[], int]) -> None:
    assert sign_in(asking(free_port()))[0].reason is Reason.CONNECT_REFUSED


# --- counted codes ------------------------------------------------------------------------


def test_a_code_that_somebody_answered_is_not_sent_again(udp_server: Callable[..., Any]) -> None:
    def bare(_: AuthPacket, reply: AuthPacket) -> list[bytes]:
        reply.message_authenticator = False
        return [reply.ReplyPacket()]

    port = udp_server(server(bare)).port
    probe = asking(port, password=None, code=OneTimeCode(hotp=Secret(SEED)))
    assert sign_in(probe)[0].reason is Reason.PROTOCOL_ERROR
    assert MEMORIES.ledger.count(Token.parse(SEED)) == 1


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


def test_what_it_says_is_one_line_of_200_characters(udp_server: Callable[..., Any]) -> None:
    def reject(_: AuthPacket, reply: AuthPacket) -> list[bytes]:
        reply.code = 3
        reply[18] = [f"No:\r\n\x1b[31m 834211, {PASSWORD},".encode(), b"x" * 250]
        return [reply.ReplyPacket()]

    reading, _ = sign_in(asking(udp_server(server(reject)).port))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail.startswith("the first request was rejected: No: [31m ***, ***,x")
    assert len(reading.detail) == 200


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
        ({"username": ""}, ("username",), "not a length that RADIUS allows"),
        ({"username": "ü" * 127}, ("username",), "not a length that RADIUS allows"),
        ({"nas_identifier": ""}, ("nas_identifier",), "not a length that RADIUS allows"),
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
    received = []

    def accept(request: AuthPacket, reply: AuthPacket) -> list[bytes]:
        received.append(request.PwDecrypt(request[2][0]))
        return [reply.ReplyPacket()]

    port = udp_server(server(accept)).port
    password = Secret("canary{code}{password}{}ü")
    assert sign_in(asking(port, password=password))[0].reason is Reason.OK
    assert received == [password.reveal()]


def test_an_ipv6_address_of_ours_has_an_attribute_of_its_own(
    udp_server: Callable[..., Any],
) -> None:
    received = []

    def accept(request: AuthPacket, reply: AuthPacket) -> list[bytes]:
        received.append((request.get(4), request.get(95)))
        return [reply.ReplyPacket()]

    sign_in(asking(udp_server(server(accept)).port, nas_address="2001:db8::10"))
    assert received == [(None, [bytes.fromhex("20010db8000000000000000000000010")])]
