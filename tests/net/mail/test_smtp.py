"""Submitting by SMTP: scripted servers; Postfix is with `otp_email`."""

import base64
import contextlib
import socket
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from beacon.config.fields import Secret
from beacon.core.model import Outcome, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Phase, Run
from beacon.net.mail.smtp import Smtp
from beacon.net.probe_failure import ProbeFailure

PASSWORD = "canary-password"
NONCE = "beacon0123456789abcdef"


@dataclass
class FakeSmtp:
    """Says what `answers` has for the first word of a command; "" is its greeting."""

    answers: dict[str, bytes]
    received: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            caller, _ = self._listening.accept()
            with caller, caller.makefile("rb") as lines:
                caller.sendall(self.answers.get("", b"220 ready\r\n"))
                in_data = False
                for line in lines:
                    command = line.decode().strip()
                    self.received.append(command)
                    word = "." if in_data and command == "." else command.partition(" ")[0].upper()
                    if in_data and word != ".":
                        continue
                    answer = self.answers.get(word, PROPER.get(word, b"250 ok\r\n"))
                    if answer == b"hang up":
                        return
                    caller.sendall(answer)
                    in_data = word == "DATA"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(60)


PROPER = {
    "EHLO": b"250-mx.example.org\r\n250 AUTH PLAIN LOGIN\r\n",
    "AUTH": b"235 2.7.0 welcome\r\n",
    "DATA": b"354 go on\r\n",
    "QUIT": b"221 bye\r\n",
}


@pytest.fixture
def fake_smtp():
    with contextlib.ExitStack() as servers:

        def start(**answers: bytes) -> FakeSmtp:
            names = {"greeting": "", "end": "."}
            server = FakeSmtp({names.get(word, word): answer for word, answer in answers.items()})
            servers.callback(server.close)
            return server

        yield start


def settings(port: int, **given: Any) -> Smtp:
    usual = {"host": "127.0.0.1", "encryption": "none", "username": "sender"}
    where = {"sender": "sender@example.org", "recipient": "probe@example.com", "port": port}
    smtp = Smtp(**{**usual, **where, "password": Secret(PASSWORD)} | given)
    assert list(smtp.flaws()) == []
    return smtp


def trouble(server: FakeSmtp, **given: Any) -> str:
    run = Run(SystemClock(), 60.0)
    with pytest.raises(ProbeFailure) as raised:
        settings(server.port, **given).submit(run, NONCE)
    shown = "\n".join([raised.value.reading.detail, *run.notes])
    assert "canary" not in shown
    assert "secret words" not in shown
    return f"{raised.value.reading.reason}: {raised.value.reading.detail}"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"sender": "nobody"}, ("sender",)),
        ({"recipient": "a@b\r\nRCPT TO:<c@d>"}, ("recipient",)),
        ({"host": "192.0.2.1"}, ("encryption",)),
        ({"username": None}, ()),
    ],
)
def test_settings_that_do_not_go_together(given, path):
    usual: dict[str, Any] = {
        "host": "127.0.0.1",
        "sender": "a@b.example",
        "recipient": "c@d.example",
    }
    account = {"username": "a", "password": Secret("b"), "encryption": "none"}
    assert list(Smtp(**usual, encryption="none").flaws()) == [], "a relay that knows us"
    assert path in [flaw[0] for flaw in Smtp(**usual | account | given).flaws()]


def test_the_message_holds_the_nonce(fake_smtp):
    server = fake_smtp()
    settings(server.port).submit(Run(SystemClock(), 60.0), NONCE)
    received = "\n".join(server.received)
    assert "ehlo [127.0.0.1]" in received
    proof = base64.b64encode(f"\0sender\0{PASSWORD}".encode()).decode()
    assert f"AUTH PLAIN {proof}" in received
    assert "MAIL FROM:<sender@example.org>\nRCPT TO:<probe@example.com>" in received
    assert f"Message-ID: <{NONCE}@example.org>" in received
    assert received.count(NONCE) == 3
    assert server.received[-1] == "QUIT"


def test_a_relay_needs_no_sign_in(fake_smtp):
    server = fake_smtp(QUIT=b"garbage\r\n")
    settings(server.port, username=None, password=None).submit(Run(SystemClock(), 60.0), NONCE)
    assert not any(line.startswith("AUTH") for line in server.received)


def test_one_mechanism_is_tried_and_no_other(fake_smtp):
    server = fake_smtp(AUTH=b"535 5.7.8 secret words\r\n")
    assert trouble(server) == "own_credentials: the sign-in was refused: 535 5.7.8"
    assert sum(line.startswith("AUTH") for line in server.received) == 1
    login = fake_smtp(EHLO=b"250-x\r\n250 AUTH CRAM-MD5 LOGIN\r\n", AUTH=b"535 no\r\n")
    assert trouble(login) == "own_credentials: the sign-in was refused: 535"
    assert login.received[1].startswith("AUTH LOGIN")


@pytest.mark.parametrize(
    ("answers", "comes_to"),
    [
        ({"greeting": b"554 5.7.1 secret words\r\n"}, "refused: the greeting refused: 554 5.7.1"),
        ({"EHLO": b"502 no\r\n"}, "refused: EHLO refused: 502"),
        ({"EHLO": b"250 x\r\n"}, "own_credentials: the server accepts no password here"),
        ({"AUTH": b"454 4.7.0 busy\r\n"}, "refused: AUTH refused for now: 454 4.7.0"),
        ({"MAIL": b"550 5.7.60 secret words\r\n"}, "refused: MAIL refused: 550 5.7.60"),
        ({"RCPT": b"451 4.7.1 greylisted\r\n"}, "refused: RCPT refused for now: 451 4.7.1"),
        ({"RCPT": b"550 no such user\r\n"}, "refused: RCPT refused: 550"),
        ({"DATA": b"452 4.3.1 full\r\n"}, "refused: DATA refused for now: 452 4.3.1"),
        ({"end": b"550-5.7.26 a\r\n550 5.7.26 b\r\n"}, "refused: DATA refused: 550 5.7.26"),
        ({"MAIL": b"\xff\r\n"}, "refused: MAIL refused: -1"),
        ({"greeting": b"* OK IMAP4 secret words\r\n"}, "refused: the greeting refused: -1"),
        ({"MAIL": b"250-" + b"x" * 90_000 + b"\r\n"}, "refused: MAIL refused: 500"),
        ({"MAIL": (b"250-" + b"x" * 1000 + b"\r\n") * 300}, "protocol_error: SMTP MAIL"),
    ],
)  # fmt: skip
def test_what_a_server_may_say(answers, comes_to, fake_smtp):
    server = fake_smtp(**answers)
    assert trouble(server).removeprefix("delivery_").startswith(comes_to)


def test_starttls_that_is_refused_sends_no_password(fake_smtp):
    server = fake_smtp(STARTTLS=b"454 4.7.0 not now\r\n")
    found = trouble(server, encryption="starttls")
    assert found == "delivery_refused: STARTTLS refused for now: 454 4.7.0"
    assert [line.partition(" ")[0] for line in server.received] == ["ehlo", "STARTTLS"]


def test_a_password_that_cannot_be_sent(fake_smtp):
    found = trouble(fake_smtp(), password=Secret("canary-ü"))
    assert found.startswith("protocol_error: SMTP AUTH")


def test_a_server_that_hangs_up(fake_smtp):
    found = trouble(fake_smtp(RCPT=b"hang up"))
    assert found == "protocol_error: SMTP RCPT: not understood, or cut off"


def test_nobody_is_there(free_port):
    with pytest.raises(ProbeFailure) as raised:
        settings(free_port()).submit(Run(SystemClock(), 60.0), NONCE)
    assert raised.value.reading.reason is Reason.CONNECT_REFUSED
    assert raised.value.reading.outcome is Outcome.FAIL


def test_a_server_that_hangs(expire_in):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = Run(SystemClock(), 60.0)
        expire_in(run, Phase.SEND)
        with pytest.raises(DeadlinePassed):
            settings(silent.getsockname()[1]).submit(run, NONCE)
    assert run.overstayed().reason is Reason.DEADLINE
