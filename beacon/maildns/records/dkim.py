"""DKIM keys (RFC 6376, 3.6.1; RFC 8301; RFC 8463): whether receivers can use a record. Pure."""

import base64
import binascii
import string
from typing import Final

from beacon.maildns.records.tag_list import BrokenList, excerpt, read, tags

SMALLEST: Final = 1024
"""Bits of an RSA key; receivers must not use a smaller one (RFC 8301, 3.2)."""
_BASE64: Final = frozenset(string.ascii_letters + string.digits + "+/")
_ED25519: Final = 32  # bytes
_RSA: Final = bytes.fromhex("06092a864886f70d0101010500")
"""The algorithm rsaEncryption with its NULL (RFC 3279, 2.3.1), as DER."""
_INTEGER, _BITS, _SEQUENCE = 0x02, 0x03, 0x30


def is_key(text: str) -> bool:
    """Whether a TXT is intended as a key."""
    return "p" in tags(text) and tags(text).get("v", "DKIM1") == "DKIM1"


def is_revoked(text: str) -> bool:
    """Whether a key is marked as no longer used."""
    return not tags(text)["p"]


def flaw(text: str) -> str | None:
    """Why receivers cannot use a key; None: they can."""
    try:
        found = read(text)
        for name, allowed in (("s", {"*", "email"}), ("h", {"sha256"})):
            if name in found and not allowed & {v.strip() for v in found[name].split(":")}:
                return f"{name}={excerpt(found[name])} does not allow mail"
        kind = found.get("k", "rsa")
        data = _decoded("".join(found["p"].split()))
        if kind == "rsa":
            return _rsa_flaw(data)
        if kind == "ed25519":
            right = len(data) == _ED25519
            return None if right else f"an Ed25519 key has 32 bytes, this one {len(data)}"
    except (BrokenList, _NoKey) as error:
        return str(error)
    return f"k={excerpt(kind)} is not a known type of key"


class _NoKey(Exception):
    """The text is not a valid key."""


def _decoded(text: str) -> bytes:
    """The bytes of `p=`. Strict, because some receivers refuse invalid base64."""
    digits = text.rstrip("=")
    strange = next((char for char in digits if char not in _BASE64), None)
    if strange is not None:
        raise _NoKey(f"p= contains {excerpt(strange)}, which is not base64")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise _NoKey(f"p= is cut off: {len(text)} characters of base64") from None


def _rsa_flaw(data: bytes) -> str | None:
    try:
        modulus, exponent = _rsa(data)
    except ValueError as error:
        raise _NoKey(f"p= is not an RSA key: {error}") from None
    bits = modulus.bit_length()
    if bits < SMALLEST:
        return f"an RSA key of {bits} bits: receivers want {SMALLEST} or more"
    if not modulus % 2 or exponent < 3 or not exponent % 2:
        return "p= is not an RSA key: its numbers are impossible"
    return None


def _rsa(data: bytes) -> tuple[int, int]:
    """Modulus and exponent of a SubjectPublicKeyInfo, or of a bare RSAPublicKey."""
    inside = _only(_SEQUENCE, data)
    if inside[:1] == bytes([_SEQUENCE]):
        algorithm, rest = _first(_SEQUENCE, inside)
        if algorithm != _RSA:
            raise ValueError("a key of another type")
        bits = _only(_BITS, rest)
        inside = _only(_SEQUENCE, bits[1:])
    modulus, rest = _first(_INTEGER, inside)
    return int.from_bytes(modulus), int.from_bytes(_only(_INTEGER, rest))


def _only(tag: int, data: bytes) -> bytes:
    """The content of the only element."""
    content, rest = _first(tag, data)
    if rest:
        raise ValueError("more follows")
    return content


def _first(tag: int, data: bytes) -> tuple[bytes, bytes]:
    """The content of the first element (DER), and the bytes after it."""
    if data[:1] != bytes([tag]):
        raise ValueError("not DER")
    length, start = data[1] if len(data) > 1 else 0, 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start])
    if start + length > len(data):
        raise _NoKey(f"p= is cut off: {len(data)} bytes of {start + length}")
    return data[start : start + length], data[start + length :]
