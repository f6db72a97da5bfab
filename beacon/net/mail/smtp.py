"""Submitting one message by SMTP (RFC 6409), as whoever sends codes does.

smtplib speaks; the socket and the length of what is read are ours. Of what the server says only
its status codes are told.
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
"""Bytes a server may say in one connection."""

_PORTS: Final = {"tls": 465, "starttls": 587, "none": 25}
_STATUS: Final = TextPattern(rb"\b[245]\.\d{1,3}\.\d{1,3}\b")
_ADDRESS: Final = TextPattern(r"[^\s<>\"@,;:]+@[A-Za-z0-9.-]+")

_Answer: TypeAlias = tuple[int, bytes | str]

Address = Annotated[str, Meta(description="name@example.com")]


@dataclass(frozen=True, kw_only=True)
class Smtp(MailServer):
    """Where to submit a message, from whom, to whom. Without an account: a relay that knows us."""

    encryption: Annotated[
        Encryption, Meta(description="from the first byte, after STARTTLS, or none")
    ] = "starttls"
    sender: Address
    recipient: Address

    def flaws(self) -> Iterator[Flaw]:
        """What is wrong with the settings taken together."""
        yield from super().flaws()
        for name in ("sender", "recipient"):
            if not _ADDRESS.fullmatch(getattr(self, name)):
                yield (name,), "not an address", "name@example.com"

    def submit(self, run: Run, nonce: str) -> None:
        """Hand over a message that holds the nonce.

        Raises `ProbeFailure`: `delivery_refused` with the status, `own_credentials`, or the reason
        of what went wrong with the connection.
        """
        token = self.token(run)
        with contextlib.closing(_Talk(run, self.connected(run, _PORTS[self.encryption]))) as talk:
            run.enter(Phase.SEND)
            talk.greeted()
            if self.encryption == "starttls":
                talk.secure(self)
            self._sign_in(talk, token)
            talk.send(self, self._message(run, nonce))
            run.note(f"SMTP: taken by {self.host}")

    def _sign_in(self, talk: "_Talk", token: str | None) -> None:
        if token:
            talk.prove_by_token(self.xoauth2(token))
        elif self.password is not None:
            talk.prove(self.username or "", self.password.reveal())

    def _message(self, run: Run, nonce: str) -> bytes:
        now = run.clock.utc()
        message = EmailMessage()
        message["From"], message["To"] = self.sender, self.recipient
        message["Subject"] = f"One-time code test {nonce}"
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<{nonce}@{self.sender.rpartition('@')[2]}>"
        message.set_content(f"A monitor looks whether one-time codes arrive: {nonce}\n")
        return message.as_bytes()


class _Talk:
    """A conversation on a connected socket; what goes wrong in it is `ProbeFailure`."""

    def __init__(self, run: Run, sock: socket.socket) -> None:
        # An address as name: its own would look up what this machine is called.
        host = sock.getsockname()[0]
        self._name = f"[{'IPv6:' if ':' in host else ''}{host}]"
        self._run = run
        self._on(sock)

    def _on(self, sock: socket.socket) -> None:
        self._sock = sock
        self.smtp = smtplib.SMTP(local_hostname=self._name)
        self.smtp.sock = sock
        self.smtp.file = self._heard = _Lines(sock)

    def close(self) -> None:
        """Hang up."""
        self._run.release(self._sock)
        self.smtp.close()
        self._sock.close()

    def secure(self, smtp: Smtp) -> None:
        """STARTTLS. What was heard before it is forgotten."""
        self.take("STARTTLS", self.command("STARTTLS"))
        self._heard.close()
        self._on(tls.handshake(self._run, self._sock, smtp.tls, smtp.host))
        self._run.enter(Phase.SEND)
        self.hello()

    def greeted(self) -> None:
        """Hear who it is, and say who we are."""
        self.take("the greeting", self._answer("the greeting", self.smtp.getreply))
        self.hello()

    def hello(self) -> None:
        """Say who we are, and hear what it can do."""
        self.take("EHLO", self._answer("EHLO", self.smtp.ehlo))

    def command(self, name: str, argument: str = "") -> _Answer:
        """The answer to one command."""
        return self._answer(name, lambda: self.smtp.docmd(name, argument))

    def prove(self, username: str, password: str) -> None:
        """Sign in with a password, once: a second mechanism would be a second failure."""
        self.smtp.user, self.smtp.password = username, password
        offered = self.smtp.esmtp_features.get("auth", "").upper().split()
        ways = {"PLAIN": self.smtp.auth_plain, "LOGIN": self.smtp.auth_login}
        way = next((way for way in ways if way in offered), None)
        if way is None:
            raise ProbeFailure(Reason.OWN_CREDENTIALS, "the server takes no password here")
        self._signed_in(self._answer("AUTH", lambda: self.smtp.auth(way, ways[way])))

    def prove_by_token(self, proof: str) -> None:
        """Sign in with a bearer token."""
        answer = self.command("AUTH", f"XOAUTH2 {base64.b64encode(proof.encode()).decode()}")
        if answer[0] == 334:  # it explains itself, and wants an empty answer
            answer = self.command("")
        self._signed_in(answer)

    def _signed_in(self, answer: _Answer) -> None:
        if answer[0] >= 500:
            raise ProbeFailure(Reason.OWN_CREDENTIALS, f"the sign-in was refused: {_told(*answer)}")
        self.take("AUTH", answer)

    def send(self, smtp: Smtp, message: bytes) -> None:
        """The envelope and the message."""
        self.take("MAIL", self.command("MAIL", f"FROM:<{smtp.sender}>"))
        self.take("RCPT", self.command("RCPT", f"TO:<{smtp.recipient}>"))
        self.take("DATA", self._answer("DATA", lambda: self.smtp.data(message)))
        with contextlib.suppress(ProbeFailure):  # it has the message: what comes now is manners
            self.command("QUIT")

    def take(self, words: str, answer: _Answer) -> None:
        """Go on where the answer is good. Raises `ProbeFailure` where it is a refusal."""
        code = answer[0]
        if not 200 <= code < 300:
            text = f"{words} refused{' for now' if 400 <= code < 500 else ''}: {_told(*answer)}"
            raise ProbeFailure(Reason.DELIVERY_REFUSED, text)

    def _answer(self, words: str, ask: Callable[[], _Answer]) -> _Answer:
        """What the server says. Raises `ProbeFailure` where that is no answer."""
        words = f"SMTP {words}"
        with answering(self._run, self._sock, words):
            try:
                return ask()
            except smtplib.SMTPResponseException as error:
                return error.smtp_code, error.smtp_error
            except (smtplib.SMTPException, ValueError) as error:  # of which some are OSErrors
                cause = error.__context__
                if isinstance(cause, OSError) and not isinstance(cause, smtplib.SMTPException):
                    raise cause from None
        self._run.remaining()  # a socket shut by the deadline reads as its end
        raise ProbeFailure(Reason.PROTOCOL_ERROR, f"{words}: not understood, or cut off")


class _Lines:
    """What the server says, line by line and counted."""

    def __init__(self, sock: socket.socket) -> None:
        self._file: Any = sock.makefile("rb")
        self._left = ANSWER_LIMIT

    def readline(self, size: int) -> bytes:
        """One line; none where the limit is reached."""
        line: bytes = self._file.readline(min(size, self._left))
        self._left -= len(line)
        return line

    def close(self) -> None:
        """As smtplib wants it."""
        self._file.close()


def _told(code: int, said: bytes | str) -> str:
    """The status codes of an answer: nothing else of it is quoted."""
    found = _STATUS.search(said.encode() if isinstance(said, str) else said)
    return f"{code} {found[0].decode()}" if found else str(code)
