"""DNS records as administrators write them, and as values that can be compared."""

import contextlib
from collections.abc import Iterable
from typing import Final

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

_TEXTS: Final = frozenset({dns.rdatatype.TXT, dns.rdatatype.SPF})
_STRANGE: Final = frozenset("@: \\\"'<>()[],;=")
"""Not allowed in a name to look up; a slash is, in names below in-addr.arpa (RFC 2317)."""
_EXAMPLES: Final = {
    dns.rdatatype.A: "192.0.2.1",
    dns.rdatatype.AAAA: "2001:db8::1",
    dns.rdatatype.MX: "10 mx.example.com",
    dns.rdatatype.SRV: "0 5 443 server.example.com",
}


def one_type(text: str) -> dns.rdatatype.RdataType | None:
    """The record type of that name; None for unknown types and for meta types such as ANY."""
    try:
        kind = dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError):
        return None
    none = kind == dns.rdatatype.NONE or dns.rdatatype.is_metatype(kind)
    return None if none else kind


def is_name(text: str) -> bool:
    """Whether it can be a domain name; URLs and mail addresses cannot."""
    strange = _STRANGE if text.lower().rstrip(".").endswith(".arpa") else _STRANGE | {"/"}
    if not text.isprintable() or strange & set(text):
        return False
    try:
        dns.name.from_text(text)
    except (dns.exception.DNSException, ValueError):
        return False
    return bool(text)


def is_mail_domain(text: str) -> bool:
    """Whether it can be the part of a mail address after the @."""
    labels = text.removesuffix(".").split(".")
    plain = all(label and label[0] != "_" and "*" not in label for label in labels)
    return is_name(text) and plain and len(labels) > 1 and not labels[-1].isdigit()


def is_selector(text: str) -> bool:
    """Whether it can name a DKIM key: the part before `._domainkey`."""
    labels = text.lower().split(".")
    return is_name(f"{text}._domainkey.example") and "_domainkey" not in labels and "*" not in text


def value(kind: dns.rdatatype.RdataType, text: str) -> dns.rdata.Rdata:
    """Parse a record: a TXT needs no quotes, a name no final dot. Raises `DNSException`."""
    if kind in _TEXTS and not text.startswith('"'):
        data = text.encode()
        pieces = [data[start : start + 255] for start in range(0, len(data), 255)] or [b""]
        text = " ".join(f'"{_escaped(piece)}"' for piece in pieces)
    return dns.rdata.from_text(
        dns.rdataclass.IN, kind, text, origin=dns.name.root, relativize=False
    )


def _escaped(piece: bytes) -> str:
    return "".join(f"\\{byte:03d}" for byte in piece)


def example(kind: dns.rdatatype.RdataType) -> str:
    """How a record of that type is written."""
    return _EXAMPLES.get(kind, "the record's data as in a zone file")


def digest(record: dns.rdata.Rdata) -> bytes:
    """Bytes to compare records by: names in lower case, the strings of a TXT joined."""
    if record.rdtype in _TEXTS:
        return b"".join(getattr(record, "strings", ()))
    return record.to_digestable(dns.name.root)


def shown(record: dns.rdata.Rdata) -> str:
    """A record for people, printable."""
    if record.rdtype not in _TEXTS:
        return record.to_text()
    text = digest(record).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else "?" for char in text)


def written(record: dns.rdata.Rdata) -> str:
    """A record as `value` reads it: as `shown` where that is lossless, else as in a zone file."""
    text = shown(record)
    with contextlib.suppress(dns.exception.DNSException):
        if digest(value(record.rdtype, text)) == digest(record):
            return text
    return record.to_text()


def listed(texts: Iterable[str], longest: int = 70) -> str:
    """Several texts on one line, sorted, cut at `longest` characters."""
    line = ", ".join(sorted(texts)) or "nothing"
    return line if len(line) <= longest else line[: longest - 1] + "…"
