"""The last day of a certificate, and words for it."""

import re
import ssl
from datetime import UTC, datetime
from pathlib import Path

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----")


def last_days(path: str) -> list[datetime]:
    """When each certificate of a PEM file ends, as far as that can be read."""
    try:
        blocks = _BLOCK.findall(Path(path).read_text("latin-1"))
        ends = [not_after(ssl.PEM_cert_to_DER_cert(block)) for block in blocks]
    except (OSError, ValueError):  # reported where the file is used
        return []
    return [end for end in ends if end is not None]


def certificate_words(days: float) -> str:
    """Say how many days a certificate has left."""
    if days < 0:
        return f"the certificate ended {-days:.0f} days ago"
    return f"the certificate ends in {days:.0f} days"


def not_after(der: bytes) -> datetime | None:
    """The end of validity written in a certificate; None where it cannot be read.

    The `ssl` module reads it only from certificates it has verified, so we walk the DER.
    """
    try:
        at = _inside(der, _inside(der, 0))  # Certificate, tbsCertificate
        if der[at] == 0xA0:  # the optional version
            at = _after(der, at)
        for _ in ("serial", "signature", "issuer"):
            at = _after(der, at)
        end = _after(der, _inside(der, at))  # Validity: skip notBefore
        text = der[_inside(der, end) : _after(der, end)].decode("ascii")
        if der[end] == 0x17:  # UTCTime: two digits of the year, 50 and later are 19xx
            text = ("19" if text >= "5" else "20") + text
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except (IndexError, ValueError):
        return None


def _inside(der: bytes, at: int) -> int:
    """Where the content of the element at `at` begins."""
    return at + 2 + (der[at + 1] & 0x7F if der[at + 1] & 0x80 else 0)


def _after(der: bytes, at: int) -> int:
    """Where the element after the one at `at` begins."""
    begin, length = _inside(der, at), der[at + 1]
    return begin + (int.from_bytes(der[at + 2 : begin]) if length & 0x80 else length)
