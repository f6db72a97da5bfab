"""What the first bytes say that come back after CONNECT, where paho only says: a protocol error.

They are told by their shape and never quoted: who echoes our CONNECT echoes our password.
"""

from typing import Final

_CONNACK: Final = 0x20
_DISCONNECT: Final = 0xE0
_REFUSALS: Final = {
    1: "Unsupported protocol version",
    2: "Client identifier not valid",
    3: "Server unavailable",
    4: "Bad user name or password",
    5: "Not authorized",
}
"""Codes of MQTT 3.1.1, which old brokers also give to those who speak 5."""


def no_broker(opening: bytes, where: str) -> str:
    """What else than a broker answers at `where`; empty if it may be one, or has said nothing."""
    if not opening or opening[0] & 0xF0 in (_CONNACK, _DISCONNECT):
        return ""
    if opening[0] in (0x15, 0x16) and opening[1:2] in (b"\x03", b""):  # a TLS record
        return f"{where} looks like a TLS port: write mqtts:// in mqtt.broker"
    if b"HTTP/".startswith(opening[:5]):
        return f"a web server answers at {where}: see the port in mqtt.broker (WebSockets are none)"
    return f"what answers at {where} speaks no MQTT: see the port in mqtt.broker"


def refusal(opening: bytes, protocol: str) -> str:
    """What a CONNACK says that paho does not understand."""
    code = _code(opening)
    if code is None or not code:
        return f"its answer is no CONNACK of MQTT {protocol}"
    return _REFUSALS.get(code, f"code {code}, which MQTT {protocol} does not have")


def _code(opening: bytes) -> int | None:
    at = 1
    while opening[at : at + 1] >= b"\x80":  # the length goes on
        at += 1
    code = opening[at + 2 : at + 3]  # behind the last byte of the length, and the flags
    return code[0] if code else None
