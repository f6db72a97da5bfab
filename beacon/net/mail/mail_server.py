"""What IMAP and SMTP have in common: settings, connection, sign-in, errors."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta

from beacon.config.checks import loopback
from beacon.config.fields import Flaw, Host, Port, Secret
from beacon.config.tls import DEFAULT_TLS, TlsPolicy
from beacon.core.model import Outcome, Reason
from beacon.engine.run import EXHAUSTED, DeadlinePassed, Run
from beacon.net import dial, tls
from beacon.net.http.auth import OAuth2
from beacon.net.http.route import Proxy, ProxyUrl, Route, proxy_flaws, proxy_of
from beacon.net.probe_failure import ProbeFailure

ANSWER_WITHIN: Final = 20.0
"""Seconds a mail server has for one answer."""

Encryption = Literal["tls", "starttls", "none"]


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """A server, and an account there: a password, or a token of OAuth 2 (XOAUTH2)."""

    host: Host
    port: Annotated[Port | None, Meta(description="left out: the usual one")] = None
    encryption: Annotated[
        Encryption, Meta(description="from the first byte, after STARTTLS, or none")
    ] = "tls"
    tls: TlsPolicy = DEFAULT_TLS
    username: str | None = None
    password: Secret | None = None
    oauth2: Annotated[OAuth2 | None, Meta(description="client credentials, for XOAUTH2")] = None
    proxy: Annotated[
        ProxyUrl | Proxy | None,
        Meta(description="on the way to the token of `oauth2`, as of `http`"),
    ] = None

    @property
    def clock_bound(self) -> bool:
        """Whether our own clock decides: it does where a certificate is verified."""
        return (self.encryption != "none" and self.tls.verify) or self.oauth2 is not None

    def flaws(self) -> Iterator[Flaw]:
        """Report settings that do not fit together."""
        for path, message, allowed in self.tls.flaws():
            yield ("tls", *path), message, allowed
        yield from proxy_flaws(self.proxy)
        ways = sum(way is not None for way in (self.password, self.oauth2))
        if ways and self.encryption == "none" and not loopback(self.host):
            text = f"the password would go unencrypted to {self.host}"
            yield ("encryption",), text, "tls or starttls"
        if ways > 1 or (self.username is None) != (ways == 0):
            yield (), "not exactly one way to sign in", "`username`, and one of password, oauth2"

    def connected(self, run: Run, port: int) -> socket.socket:
        """A socket to the server, watched by the run; with TLS for `encryption: tls`.

        Raises `ProbeFailure`.
        """
        sock = dial.connect(run, self.host, self.port or port)
        if self.encryption != "tls":
            return sock
        try:
            return tls.handshake(run, sock, self.tls, self.host)
        except BaseException:
            run.release(sock)
            sock.close()
            raise

    def token(self, run: Run) -> str | None:
        """The bearer token, masked in notes and details; None where a password is used.

        Raises `ProbeFailure` with an error: without a token the mailbox was not tested.
        """
        if self.oauth2 is None:
            return None
        route = Route(proxy=proxy_of(self.proxy))
        with own_trouble("the token"):
            return run.hide(self.oauth2.authorization(run, route).removeprefix("Bearer "))

    def xoauth2(self, token: str) -> str:
        """User and token in the form of XOAUTH2."""
        return f"user={self.username}\x01auth=Bearer {token}\x01\x01"


@contextlib.contextmanager
def own_trouble(where: str) -> Iterator[None]:
    """Inside, every failure becomes an error: our means are broken, not the watched service."""
    try:
        yield
    except ProbeFailure as trouble:
        reading = trouble.reading
        if reading.outcome is Outcome.ERROR:
            raise ProbeFailure(reading.reason, f"{where}: {reading.detail}") from None
        detail = f"{where}: {reading.reason}: {reading.detail}"
        raise ProbeFailure(Reason.SOURCE_DEAD, detail) from None


@contextlib.contextmanager
def silence_means(run: Run, reason: Reason | None) -> Iterator[None]:
    """Inside, no answer until the deadline has this reason."""
    before, run.silence = run.silence, reason
    try:
        yield
    except DeadlinePassed:
        raise  # the reading of a missed deadline is made later, and needs `run.silence`
    except BaseException:
        run.silence = before
        raise
    run.silence = before


@contextlib.contextmanager
def answering(
    run: Run, sock: socket.socket, words: str, within: float = ANSWER_WITHIN
) -> Iterator[None]:
    """Inside, the server has `within` seconds to answer; `words` say what it was asked for.

    Raises `ProbeFailure` for silence and for errors of the connection.
    """
    patience = min(within, run.remaining())
    try:
        sock.settimeout(patience)
        yield
    except TimeoutError:
        run.remaining()
        raise ProbeFailure(Reason.DEADLINE, f"{words}: no answer within {patience:.2g} s") from None
    except ssl.SSLError as error:
        run.remaining()
        raise tls.trouble_of(error) from None
    except OSError as error:
        run.remaining()  # at the deadline the socket is shut, which looks like other trouble
        if error.errno in EXHAUSTED:
            raise
        raise dial.trouble_of(error, words) from None
