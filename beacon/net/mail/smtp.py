"""Submit one message by SMTP (RFC 6409), as senders of codes do.

smtplib does the protocol, on our own socket and with a limit on what is read. Only the status
codes of the server's answers are quoted.
"""

import base64
import contextlib
import smtplib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta

from beacon.config.fields import Flaw
from beacon.core.model import Reason
from beacon.engine.run import Phase, Run
from beacon.engine.text_pattern import TextPattern
from beacon.net import tls
from beacon.net.mail.mail_server import Encryption, MailServer, answering
from beacon.net.probe_failure import ProbeFailure

ANSWER_LIMIT: Final = 256 * 1024
"""Bytes a server may send on one connection."""

_PORTS: Final = {"tls": 465, "starttls": 587, "none": 25}
_STATUS: Final = TextPattern(rb"\b[245]\.\d{1,3}\.\d{1,3}\b")
_ADDRESS: Final = TextPattern(r"[^\s<>\"@,;:]+@[A-Za-z0-9.-]+")

_Answer: TypeAlias = tuple[int, bytes | str]

Address = Annotated[str, Meta(description="name@example.com")]


@dataclass(frozen=True, kw_only=True)
class Smtp(MailServer):
    """Where to submit a message, from whom, to whom. A relay that knows us needs no account."""

    encryption: Annotated[
        Encryption, Meta(description="from the first byte, after STARTTLS, or none")
    ] = "starttls"
    sender: Address
    recipient: Address

    def flaws(self) -> Iterator[Flaw]:
        """Report settings that do not fit together, and invalid addresses."""
        yield from super().flaws()
        for name in ("sender", "recipient"):
            if not _ADDRESS.fullmatch(getattr(self, name)):
                yield (name,), "not an address", "name@example.com"

    def submit(self, run: Run, nonce: str) -> None:
        """Submit a message that contains the nonce.

        Raises `ProbeFailure`: `delivery_refused` with the status, `own_credentials`, or a failure
        of the connection.
        """
        token = self.token(run)
        sock = self.connected(run, _PORTS[self.encryption])
        with contextlib.closing(_Session(run, sock)) as session:
            run.enter(Phase.SEND)
            session.greet()
            if self.encryption == "starttls":
                session.secure(self)
            self._sign_in(session, token)
            session.send(self, self._message(run, nonce))
            run.note(f"SMTP: accepted by {self.host}")

    def _sign_in(self, session: "_Session", token: str | None) -> None:
        if token:
            session.prove_by_token(self.xoauth2(token))
        elif self.password is not None:
            session.prove(self.username or "", self.password.reveal())

    def _message(self, run: Run, nonce: str) -> bytes:
        now = run.clock.utc()
        message = EmailMessage()
        message["From"], message["To"] = self.sender, self.recipient
        message["Subject"] = f"One-time code test {nonce}"
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<{nonce}@{self.sender.rpartition('@')[2]}>"
        message.set_content(f"A monitor looks whether one-time codes arrive: {nonce}\n")
        return message.as_bytes()


class _Session:
    """One session on a connected socket. Every failure in it is a `ProbeFailure`."""

    def __init__(self, run: Run, sock: socket.socket) -> None:
        # Our address as name in EHLO: by default smtplib would look up this machine's name.
        host = sock.getsockname()[0]
        self._name = f"[{'IPv6:' if ':' in host else ''}{host}]"
        self._run = run
        self._on(sock)

    def _on(self, sock: socket.socket) -> None:
        self._sock = sock
        self.smtp = smtplib.SMTP(local_hostname=self._name)
        self.smtp.sock = sock
        self.smtp.file = self._lines = _Lines(sock)

    def close(self) -> None:
        """Close the connection."""
        self._run.release(self._sock)
        self.smtp.close()
        self._sock.close()

    def secure(self, smtp: Smtp) -> None:
        """Begin TLS by STARTTLS. What was received before is dropped."""
        self.require("STARTTLS", self.command("STARTTLS"))
        self._lines.close()
        self._on(tls.handshake(self._run, self._sock, smtp.tls, smtp.host))
        self._run.enter(Phase.SEND)
        self.hello()

    def greet(self) -> None:
        """Read the server's greeting, and send ours."""
        self.require("the greeting", self._answer("the greeting", self.smtp.getreply))
        self.hello()

    def hello(self) -> None:
        """Send EHLO, and read what the server supports."""
        self.require("EHLO", self._answer("EHLO", self.smtp.ehlo))

    def command(self, name: str, argument: str = "") -> _Answer:
        """The answer to one command."""
        return self._answer(name, lambda: self.smtp.docmd(name, argument))

    def prove(self, username: str, password: str) -> None:
        """Sign in with a password, by one mechanism: a second try is a second failure."""
        self.smtp.user, self.smtp.password = username, password
        offered = self.smtp.esmtp_features.get("auth", "").upper().split()
        ways = {"PLAIN": self.smtp.auth_plain, "LOGIN": self.smtp.auth_login}
        way = next((way for way in ways if way in offered), None)
        if way is None:
            raise ProbeFailure(Reason.OWN_CREDENTIALS, "the server accepts no password here")
        self._check_sign_in(self._answer("AUTH", lambda: self.smtp.auth(way, ways[way])))

    def prove_by_token(self, proof: str) -> None:
        """Sign in with a bearer token."""
        answer = self.command("AUTH", f"XOAUTH2 {base64.b64encode(proof.encode()).decode()}")
        if answer[0] == 334:  # the server sends an explanation, and expects an empty answer
            answer = self.command("")
        self._check_sign_in(answer)

    def _check_sign_in(self, answer: _Answer) -> None:
        if answer[0] >= 500:
            text = f"the sign-in was refused: {_status_codes(*answer)}"
            raise ProbeFailure(Reason.OWN_CREDENTIALS, text)
        self.require("AUTH", answer)

    def send(self, smtp: Smtp, message: bytes) -> None:
        """Send the envelope and the message."""
        self.require("MAIL", self.command("MAIL", f"FROM:<{smtp.sender}>"))
        self.require("RCPT", self.command("RCPT", f"TO:<{smtp.recipient}>"))
        self.require("DATA", self._answer("DATA", lambda: self.smtp.data(message)))
        with contextlib.suppress(ProbeFailure):  # the server has accepted the message
            self.command("QUIT")

    def require(self, words: str, answer: _Answer) -> None:
        """Raise `ProbeFailure` if the answer is a refusal."""
        code = answer[0]
        if not 200 <= code < 300:
            for_now = " for now" if 400 <= code < 500 else ""
            text = f"{words} refused{for_now}: {_status_codes(*answer)}"
            raise ProbeFailure(Reason.DELIVERY_REFUSED, text)

    def _answer(self, words: str, ask: Callable[[], _Answer]) -> _Answer:
        """The server's answer. Raises `ProbeFailure` without a valid one."""
        words = f"SMTP {words}"
        with answering(self._run, self._sock, words):
            try:
                return ask()
            except smtplib.SMTPResponseException as error:
                return error.smtp_code, error.smtp_error
            except (smtplib.SMTPException, ValueError) as error:  # some of them wrap an OSError
                cause = error.__context__
                if isinstance(cause, OSError) and not isinstance(cause, smtplib.SMTPException):
                    raise cause from None
        self._run.remaining()  # at the deadline the socket is shut, which reads as its end
        raise ProbeFailure(Reason.PROTOCOL_ERROR, f"{words}: not understood, or cut off")


class _Lines:
    """The server's answers, line by line, up to `ANSWER_LIMIT`."""

    def __init__(self, sock: socket.socket) -> None:
        self._file: Any = sock.makefile("rb")
        self._left = ANSWER_LIMIT

    def readline(self, size: int) -> bytes:
        """One line; empty when the limit is reached."""
        line: bytes = self._file.readline(min(size, self._left))
        self._left -= len(line)
        return line

    def close(self) -> None:
        """Close the file; smtplib needs this method."""
        self._file.close()


def _status_codes(code: int, text: bytes | str) -> str:
    """The status codes of an answer: nothing else of it is quoted."""
    found = _STATUS.search(text.encode() if isinstance(text, str) else text)
    return f"{code} {found[0].decode()}" if found else str(code)
