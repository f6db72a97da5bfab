"""`ldap_bind`: whether a directory lets somebody in who has the password and the one-time code.

A simple bind over TLS (RFC 4511, RFC 4513). LDAP has no field for a code: proxies and directories
that want one take it behind the password.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from socket import socket
from typing import ClassVar, Final

from beacon.config.fields import Host, Port, Secret
from beacon.config.tls import DEFAULT_TLS, TlsPolicy
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.run import Phase, Run
from beacon.net import dial
from beacon.net.mail.mail_server import answering
from beacon.net.probe_failure import ProbeFailure
from beacon.net.tls import handshake
from beacon.otp.code_setting import OneTimeCode
from beacon.probing.base import SIGN_IN, Abilities, Kind, SettingFlaw

_LONGEST: Final = 65536  # bytes of an answer
_SEQUENCE, _INTEGER, _OCTETS, _ENUMERATED = 0x30, 0x02, 0x04, 0x0A
_BIND_REQUEST, _BIND_RESPONSE, _SIMPLE = 0x60, 0x61, 0x80
_SUCCESS, _INVALID_CREDENTIALS = 0, 49
_WORDS: Final = {1: "operations error", 51: "busy", 52: "unavailable", 53: "unwilling", 80: "other"}


@dataclass(frozen=True, kw_only=True)
class LdapBind(Kind):
    """A simple bind over TLS: `username` is the name of an entry, `code` follows the password."""

    ABILITIES: ClassVar = Abilities(evidence=Evidence.SYMPTOM, timing=SIGN_IN, sign_in=True)

    host: Host
    port: Port = Port(636)  # noqa: RUF009 - it is a number
    username: str
    password: Secret
    code: OneTimeCode | None = None
    tls: TlsPolicy = DEFAULT_TLS
    ip_version: dial.IpVersion | None = None

    @property
    def clock_bound(self) -> bool:
        """Whether it verifies a certificate or makes codes by our clock."""
        return self.tls.verify or super().clock_bound

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if not self.username:  # RFC 4513, 5.1.2: such a bind succeeds and proves nothing
            yield SettingFlaw(("username",), "an empty name signs nobody in", "cn=probe,dc=example")

    def look(self, run: Run) -> Reading:
        """Bind once."""
        sock = dial.connect(run, self.host, self.port, self.ip_version)
        try:
            sock = handshake(run, sock, self.tls, self.host)
            with closing(sock):
                return self.judge(self._bind(run, sock))
        finally:
            run.release(sock)
            sock.close()

    def judge(self, result: int) -> Reading:
        """What a result code comes to."""
        if result == _SUCCESS:
            return Reading(Reason.OK, "accepted")
        if result == _INVALID_CREDENTIALS:
            return Reading(Reason.SIGN_IN_REJECTED, "rejected: invalid credentials")
        words = _WORDS.get(result, "not a result of a bind that we know")
        return Reading(Reason.EXPECTATION_FAILED, f"result {result}: {words}")

    def _bind(self, run: Run, sock: socket) -> int:
        password = self.password.reveal() + (self.code.claim(run) if self.code else "")
        name = _field(_OCTETS, self.username.encode())
        bind = _field(_INTEGER, b"\x03") + name + _field(_SIMPLE, password.encode())
        message = _field(_INTEGER, b"\x01") + _field(_BIND_REQUEST, bind)
        with answering(run, sock, "bind"):
            run.enter(Phase.SEND)
            run.credentials_leave()
            sock.sendall(_field(_SEQUENCE, message))
            run.enter(Phase.WAIT)
            result = _result(sock)
        run.answered()
        return result


def _field(tag: int, body: bytes) -> bytes:
    """One field in BER: its tag, its length, its bytes."""
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 | len(length)]) + length + body


def _result(sock: socket) -> int:
    """The result code of the answer. Raises `ProbeFailure` for what is no answer to a bind."""
    with sock.makefile("rb") as stream:
        tag, size = _head(stream.read(2))
        if size > 128:
            size = int.from_bytes(stream.read(size - 128), "big")
        if tag != _SEQUENCE or size > _LONGEST:
            raise ProbeFailure(Reason.PROTOCOL_ERROR, "not an LDAP message")
        message = stream.read(size)
    at = message.find(bytes([_ENUMERATED, 1]))
    if message[:3] != b"\x02\x01\x01" or message[3:4] != bytes([_BIND_RESPONSE]) or not 4 < at < 10:
        raise ProbeFailure(Reason.PROTOCOL_ERROR, "not an answer to our bind")
    return message[at + 2]


def _head(pair: bytes) -> tuple[int, int]:
    if len(pair) < 2:
        raise ProbeFailure(Reason.PROTOCOL_ERROR, "the connection was closed without an answer")
    return pair[0], pair[1]


PROBE = LdapBind
