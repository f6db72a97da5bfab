"""What answered our CONNECT, from its first bytes. paho only reports a protocol error.

The bytes are recognised by their shape and never quoted: a server that echoes our CONNECT echoes
our password.
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
"""Codes of MQTT 3.1.1; old brokers also send them to clients of MQTT 5."""


def no_broker(opening: bytes, where: str) -> str:
    """What answers at `where` if it is no broker; empty if it may be one, or sent nothing."""
    if not opening or opening[0] & 0xF0 in (_CONNACK, _DISCONNECT):
        return ""
    if opening[0] in (0x15, 0x16) and opening[1:2] in (b"\x03", b""):  # a TLS record
        return f"{where} looks like a TLS port: write mqtts:// in mqtt.broker"
    if b"HTTP/".startswith(opening[:5]):
        return f"a web server answers at {where}: see the port in mqtt.broker (WebSockets are none)"
    return f"what answers at {where} speaks no MQTT: see the port in mqtt.broker"


def refusal(opening: bytes, protocol: str) -> str:
    """The meaning of a CONNACK that paho does not understand."""
    code = _code(opening)
    if code is None or not code:
        return f"its answer is no CONNACK of MQTT {protocol}"
    return _REFUSALS.get(code, f"code {code}, which MQTT {protocol} does not have")


def _code(opening: bytes) -> int | None:
    at = 1
    while opening[at : at + 1] >= b"\x80":  # the length continues
        at += 1
    code = opening[at + 2 : at + 3]  # after the length and the flags
    return code[0] if code else None
