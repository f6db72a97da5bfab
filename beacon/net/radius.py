"""RADIUS (RFC 2865, 3579, 5997): requests to one server within one run, and verified answers.

pyrad writes and reads the packets and computes their signatures. Sockets, deadlines and the
meaning of an answer are ours. An answer not signed with the shared secret is ignored, and the
wait goes on (docs/adr/0012).
"""

import contextlib
import math
import selectors
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from pyrad.packet import AuthPacket, PacketError

from beacon.config.fields import Secret
from beacon.core.model import Reason
from beacon.engine.run import EXHAUSTED, Phase, Run
from beacon.net.dial import IpVersion, reason_of, resolve, trouble_of
from beacon.net.probe_failure import ProbeFailure

PORT: Final = 1812

RESEND_AFTER: Final = 3.0
"""Seconds after which an unanswered packet is sent once more. Servers remember a packet for about
five seconds (FreeRADIUS: `cleanup_delay`): until then a repetition is not a second sign-in."""

LONGEST: Final = 253
"""Bytes an attribute's value can have."""

LONGEST_PASSWORD: Final = 128
"""Bytes a User-Password can have."""

_PATIENCE: Final = 0.95  # of the time left; the rest is for a reading that explains the silence
_LARGEST: Final = 4096  # bytes of a packet

_FORGED: Final = "an answer that is not signed with our shared secret"
_REJECTED: Final = "an Access-Reject that is not signed with our shared secret"
_SHARED_SECRET: Final = "is `shared_secret` the one the server has for this address?"  # noqa: S105
_CHANGED: Final = "it knew our secret before: was it changed there, or does something else answer?"


class Packet(IntEnum):
    """Packet types."""

    ACCESS_REQUEST = 1
    ACCESS_ACCEPT = 2
    ACCESS_REJECT = 3
    ACCESS_CHALLENGE = 11
    STATUS_SERVER = 12

    @property
    def words(self) -> str:
        """As the RFCs write it: Access-Request."""
        return self.name.replace("_", "-").title()


class Attribute(IntEnum):
    """The attributes that are used here."""

    USER_NAME = 1
    USER_PASSWORD = 2
    NAS_IP_ADDRESS = 4
    SERVICE_TYPE = 6
    REPLY_MESSAGE = 18
    STATE = 24
    CALLING_STATION_ID = 31
    NAS_IDENTIFIER = 32
    MESSAGE_AUTHENTICATOR = 80
    NAS_IPV6_ADDRESS = 95

    @property
    def words(self) -> str:
        """As the RFCs write it: User-Name."""
        words = self.name.replace("_", "-").title()
        return words.replace("Nas-", "NAS-").replace("-Ip", "-IP")


_ANSWERS: Final = frozenset({Packet.ACCESS_ACCEPT, Packet.ACCESS_REJECT, Packet.ACCESS_CHALLENGE})


@dataclass(frozen=True, slots=True)
class RadiusAnswer:
    """A server's answer. `message` is its Reply-Message as it came: foreign text.

    `signed`: with a Message-Authenticator. Where one is required, only an Access-Reject is
    accepted without: forging it gains nothing, and a wrong password must be noticed.
    """

    packet: Packet
    state: tuple[bytes, ...] = ()
    message: str = ""
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Server:
    """The server to ask.

    `signed`: answers need a Message-Authenticator. `resend`: an unanswered packet is sent once
    more; off where a forgetful server could call somebody's phone twice.
    """

    host: str
    port: int
    shared_secret: Secret
    ip_version: IpVersion | None = None
    signed: bool = True
    resend: bool = True

    def __str__(self) -> str:
        """Its name and port."""
        return f"{self.host} port {self.port}"


_PROVEN: Final[set[Server]] = set()
"""Servers that have signed an answer with our secret since the start: the secret is right."""


class RadiusExchange:
    """Requests of one run to one address of a server, from one local port.

    After a refusal the next address is tried. After silence it is not: the server may have used
    the code. Once an address has answered, only that one is used.
    """

    def __init__(self, run: Run, server: Server) -> None:
        self._run, self._server = run, server
        self._key = server.shared_secret.reveal().encode()
        run.enter(Phase.DNS)
        self._addresses = resolve(
            run, server.host, server.port, server.ip_version, socket.SOCK_DGRAM
        )
        run.remaining()
        run.enter(Phase.SEND)
        self._sock: socket.socket | None = None
        self._where = ""
        self._asked = _CHANGED if server in _PROVEN else _SHARED_SECRET
        self._id = AuthPacket.CreateAuthenticator()[0]

    def ask(
        self,
        packet: Packet,
        attributes: Mapping[Attribute, Sequence[bytes]],
        password: str | None = None,
    ) -> RadiusAnswer:
        """Send one request, once more if nobody answers, and wait for a proven answer.

        Raises `ProbeFailure` where there is none, and `DeadlinePassed`.
        """
        request = self._request(packet, attributes, password)
        carried = ", ".join(Attribute(key).words for key in request)
        self._run.note(f"{packet.words} {request.id}: {carried}")
        while True:
            try:
                return self._exchange(request)
            except OSError as error:
                if error.errno in EXHAUSTED:
                    raise
                self._run.remaining()
                self._run.nothing_left()  # the port is closed: nobody has it
                self._run.note(f"{self._where}: {reason_of(error)}")
                self.close()
                if not self._addresses:
                    raise trouble_of(error, str(self._server)) from None

    def close(self) -> None:
        """Close the socket."""
        if self._sock is not None:
            self._run.release(self._sock)
            self._sock.close()
            self._sock = None

    def _request(
        self, packet: Packet, attributes: Mapping[Attribute, Sequence[bytes]], password: str | None
    ) -> AuthPacket:
        self._id = (self._id + 1) % 256
        request = AuthPacket(int(packet), self._id, self._key, AuthPacket.CreateAuthenticator())
        # It must be the first attribute: after others it does not stop CVE-2024-3596.
        request.add_message_authenticator()
        for attribute, values in attributes.items():
            request[int(attribute)] = list(values)
        if password is not None:
            hidden = request.PwCrypt(self._run.hide(password))
            request[int(Attribute.USER_PASSWORD)] = [hidden]
        return request

    def _exchange(self, request: AuthPacket) -> RadiusAnswer:
        """Raises `OSError` where this address cannot be reached."""
        run, sock = self._run, self._connected()
        payload = request.RequestPacket()
        run.enter(Phase.WAIT)
        began, left = run.clock.monotonic(), run.remaining()
        until = began + left * _PATIENCE
        again = began + min(RESEND_AFTER, left / 3) if self._server.resend else math.inf
        if request.code == Packet.ACCESS_REQUEST:
            run.credentials_leave()
        sock.send(payload)
        passed_over: list[str] = []
        while (now := run.clock.monotonic()) < until:
            if now >= again:
                run.note("no answer: the same packet again")
                sock.send(payload)
                again = math.inf
            data = self._receive(sock, min(until, again) - now)
            if data is None:
                continue
            answer = self._proven(request, data)
            if isinstance(answer, RadiusAnswer):
                run.answered()
                self._addresses.clear()
                return answer
            if answer not in passed_over:  # each kind once: there may be a flood of them
                run.note(f"ignored: {answer}")
                passed_over.append(answer)
                again = math.inf  # the request arrived: a second one may count as a second sign-in
        raise self._silence(passed_over)

    def _receive(self, sock: socket.socket, patience: float) -> bytes | None:
        """The next datagram; None where nothing came in time."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(sock, selectors.EVENT_READ)
            ready = waiting.select(patience)
        self._run.remaining()  # at the deadline the socket is ready too, with nothing to read
        with contextlib.suppress(BlockingIOError):  # ready, but the checksum was wrong
            return sock.recv(_LARGEST) if ready else None
        return None

    def _connected(self) -> socket.socket:
        if self._sock is None:
            family, address = self._addresses.pop(0)
            self._where = f"{address[0]} port {address[1]}"
            self._sock = sock = socket.socket(family, socket.SOCK_DGRAM)
            self._run.watch(sock)
            sock.settimeout(0)
            sock.connect(address)  # the kernel then drops what others send, and reports a dead port
            self._run.note(f"to {self._where}")
        return self._sock

    def _proven(self, request: AuthPacket, data: bytes) -> RadiusAnswer | str:
        """The answer, or why it is ignored. Raises `ProbeFailure` where a setting is wrong."""
        try:
            reply = request.CreateReply(packet=data)
        except PacketError:
            return "data that is not a RADIUS packet"
        if reply.id != request.id or reply.code not in _ANSWERS:
            return "an answer to another request"
        if not request.VerifyReply(reply):
            rejected = (request.code, reply.code) == (Packet.ACCESS_REQUEST, Packet.ACCESS_REJECT)
            return _REJECTED if rejected else _FORGED
        _PROVEN.add(self._server)
        packet, signed = Packet(reply.code), Attribute.MESSAGE_AUTHENTICATOR in reply
        if self._server.signed and not signed and packet is not Packet.ACCESS_REJECT:
            text = (
                f"{packet.words} without Message-Authenticator: it could be forged "
                "(CVE-2024-3596); have the server send one, see the page of this kind"
            )
            raise ProbeFailure(Reason.PROTOCOL_ERROR, text)
        message = b"".join(reply.get(int(Attribute.REPLY_MESSAGE), [])).decode(errors="replace")
        self._run.note(f"{packet.words}, {'' if signed else 'no '}Message-Authenticator")
        return RadiusAnswer(packet, tuple(reply.get(int(Attribute.STATE), [])), message, signed)

    def _silence(self, passed_over: Sequence[str]) -> ProbeFailure:
        if _REJECTED in passed_over:
            # With another shared secret the server decrypts a wrong password. Each try may count
            # against the account, and only this reason stops the sign-ins.
            text = f"{self._server}: {_REJECTED}: {self._asked}"
            return ProbeFailure(Reason.SIGN_IN_REJECTED, text)
        if _FORGED in passed_over:
            text = f"{self._server}: the answers are not signed with our secret: {self._asked}"
            return ProbeFailure(Reason.OWN_CREDENTIALS, text)
        if passed_over:
            text = f"{self._server}: nothing came but {passed_over[-1]}"
            return ProbeFailure(Reason.PROTOCOL_ERROR, text)
        unknown = self._asked is _SHARED_SECRET
        more = f", hanging, or it does not know us: {_SHARED_SECRET}" if unknown else " or hanging"
        return ProbeFailure(Reason.DEADLINE, f"{self._server}: no answer: down{more}")


def conversation(run: Run, server: Server) -> contextlib.closing[RadiusExchange]:
    """An exchange that is closed at the end. Raises `ProbeFailure` where there is no address."""
    return contextlib.closing(RadiusExchange(run, server))
