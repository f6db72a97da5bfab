"""How the body of an HTTP answer is compressed, and how to decompress it up to a limit."""

import zlib
from typing import Final

from beacon.core.model import Reason
from beacon.engine.redaction import quoted
from beacon.net.probe_failure import ProbeFailure

_UNDONE: Final = ("gzip", "x-gzip", "deflate")
_CODINGS: Final = frozenset(
    {*_UNDONE, "br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip"}
)
"""All content codings of IANA's list but `identity`, which means none."""


def coding_of(written: str) -> str:
    """The coding the body is compressed by; empty without one. Raises `ProbeFailure`.

    Words in the header that are not codings (`UTF-8`, `none`) are ignored, as browsers do.
    """
    found = [word for each in written.split(",") if (word := each.strip().lower()) in _CODINGS]
    if len(found) > 1:
        raise ProbeFailure(Reason.BODY_UNDECODABLE, "the body is compressed more than once")
    if found and found[0] not in _UNDONE:
        raise ProbeFailure(
            Reason.BODY_UNDECODABLE, f"content encoding '{quoted(found[0])}' was not asked for"
        )
    return found[0] if found else ""


class Inflate:
    """Decompresses gzip and deflate, each time up to a limit."""

    def __init__(self, coding: str, begin: bytes) -> None:
        self._bits = 16 + zlib.MAX_WBITS
        if coding == "deflate":
            # With a zlib header as the RFC says, or without, as many servers do.
            self._bits = zlib.MAX_WBITS if begin[0] & 0x0F == 8 else -zlib.MAX_WBITS
        self._coding = coding
        self._stream = zlib.decompressobj(self._bits)

    @property
    def complete(self) -> bool:
        """Whether the end of the compressed data was reached."""
        return self._stream.eof

    def feed(self, data: bytes, limit: int) -> bytes:
        """Decompress `data`, to at most `limit` bytes."""
        out = bytearray()
        try:
            while data and len(out) < limit:
                if self._stream.eof:  # gzip may hold several members
                    self._stream = zlib.decompressobj(self._bits)
                out += self._stream.decompress(data, limit - len(out))
                data = self._stream.unused_data
        except zlib.error:
            raise ProbeFailure(Reason.BODY_UNDECODABLE, f"not {self._coding} data") from None
        return bytes(out)
