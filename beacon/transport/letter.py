"""One message of mail, read without trust: its text, its way here, what its receiver said of it.

Mail is the most foreign of texts: charsets that do not exist, parts in parts without end, base64
that is none. Whatever is wrong with a message costs that part of it only; nothing here raises.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from functools import cached_property
from typing import Final

from beacon.engine.text_pattern import IGNORE_CASE, TextPattern
from beacon.transport.charset import codec
from beacon.transport.dates import mail_date
from beacon.transport.plain import unescaped

PARTS_LIMIT: Final = 50
"""Parts of a message that are looked at, whatever lies in whatever."""

HOPS_LIMIT: Final = 30
"""Servers on its way that are told of."""

_SHOWN: Final = ("From", "To", "Subject")
_UNSEEN: Final = TextPattern(r"(?si)<(style|script)\b.*?</\1\s*>|<!--.*?-->|<[^<>]*>")
_BY: Final = TextPattern(r"\bby\s+\[?([A-Za-z0-9._:-]{1,100})")
_HOST: Final = TextPattern(r"[A-Za-z0-9._-]{1,100}")
_STATUS: Final = TextPattern(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_JUDGED: Final = TextPattern(r"\b(spf|dkim|dmarc)\s*=\s*([a-z]+)")
_JUDGEMENTS: Final = frozenset(
    {
        "none",
        "neutral",
        "pass",
        "fail",
        "hardfail",
        "softfail",
        "policy",
        "temperror",
        "permerror",
        "bestguesspass",
    }
)
_BROKEN: Final = (MessageError, ValueError, LookupError, TypeError, RecursionError, AssertionError)
"""What Python's mail package raises for what is no mail."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A server that passed the message on: its name, and the time it says (seconds, UTC)."""

    by: str
    at: float


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a delivery status notification (RFC 3464) says of the message it is about.

    `status` is the enhanced status code ("5.7.26"), `by` the server that said it, if told;
    `final` is false for a mere delay.
    """

    status: str
    by: str
    final: bool


class Letter:
    """A message by its bytes, of which the end may be missing. Never shows itself."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._message = _parsed(raw)

    @cached_property
    def text(self) -> str:
        """From, To and Subject, each on its line, and all its texts, without the tags of HTML."""
        head = [f"{name}: {_header(self._message, name)}" for name in _SHOWN]
        return "\n".join([*head, "", *filter(None, map(_text, self._leaves()))])

    def holds(self, pattern: str) -> bool:
        """Whether a pattern of ASCII is anywhere in it, in any case: headers, texts."""
        seen = (self.text, self._raw.decode("ascii", "replace"))
        return any(TextPattern(pattern, IGNORE_CASE).search(text) for text in seen)

    @cached_property
    def hops(self) -> tuple[Hop, ...]:
        """The servers on its way that gave their time, the first one first."""
        found = (_hop(value) for value in _all(self._message, "Received")[:HOPS_LIMIT])
        return tuple(hop for hop in found if hop)[::-1]

    @cached_property
    def authentication(self) -> dict[str, str]:
        """What its receiver found of spf, dkim and dmarc: name → result (RFC 8601).

        By the topmost header alone: those below came with the message. One good signature of
        several is enough.
        """
        found: dict[str, str] = {}
        for value in _all(self._message, "Authentication-Results")[:1]:
            for name, result in _JUDGED.findall(value.lower()):
                if result in _JUDGEMENTS and found.get(name) != "pass":
                    found[name] = result
        return found

    @cached_property
    def bounce(self) -> Bounce | None:
        """What it says of another message's delivery; None where it is no such notification."""
        for part in self._parts():
            if part.get_content_type() == "message/delivery-status":
                told = [_told(block) for block in _inside(part)]
                return next((bounce for bounce in told if bounce), None)
        return None

    def _parts(self) -> Iterator[Message]:
        waiting = [self._message]
        for _ in range(PARTS_LIMIT):
            if not waiting:
                return
            part = waiting.pop(0)
            yield part
            waiting[:0] = _inside(part)

    def _leaves(self) -> Iterator[Message]:
        return (part for part in self._parts() if part.get_content_maintype() == "text")

    def __repr__(self) -> str:
        """Show nothing."""
        return "Letter(…)"


def _parsed(raw: bytes) -> Message:
    try:
        return message_from_bytes(raw)
    except _BROKEN:
        return BytesHeaderParser().parsebytes(raw)


def _inside(part: Message) -> list[Message]:
    inside = part.get_payload() if part.is_multipart() else ()
    return [each for each in inside if isinstance(each, Message)]


def _all(message: Message, name: str) -> list[str]:
    return [" ".join(str(value).split()) for value in message.get_all(name, [])]


def _header(message: Message, name: str) -> str:
    try:
        pieces = decode_header(message.get(name, ""))
        return "".join(
            piece if isinstance(piece, str) else decoded(piece, charset or "ascii")
            for piece, charset in pieces
        )
    except _BROKEN:
        return ""


def _text(part: Message) -> str:
    try:
        payload = part.get_payload(decode=True)
        charset = part.get_content_charset() or "utf-8"
    except _BROKEN:
        return ""
    text = decoded(payload, charset) if isinstance(payload, bytes) else ""
    return _without_tags(text) if part.get_content_subtype() == "html" else text


def decoded(raw: bytes, charset: str) -> str:
    """The bytes as text, by a charset that may not exist; what does not fit is replaced."""
    return raw.decode(codec(charset) or "utf-8", "replace")


def _without_tags(page: str) -> str:
    try:
        bare = _UNSEEN.sub(" ", page)
    except TimeoutError:
        return ""
    return unescaped(bare)


def _hop(received: str) -> Hop | None:
    by = _BY.search(received)
    at = mail_date(received.rpartition(";")[2].strip())
    return None if at is None else Hop(by[1] if by else "unnamed", at.timestamp())


def _told(block: Message) -> Bounce | None:
    """What one block of a notification says; None for the one about the message as a whole."""
    action = str(block.get("Action", "")).strip().lower()
    status = _STATUS.search(str(block.get("Status", "")))
    if action not in ("failed", "delayed") or not status:
        return None
    # "5.0.0" says nothing: the words of the server that refused often do.
    said = _STATUS.search(str(block.get("Diagnostic-Code", "")))
    code = said[1] if said and status[1].endswith(".0.0") else status[1]
    host = _HOST.fullmatch(str(block.get("Remote-MTA", "")).rpartition(";")[2].strip())
    return Bounce(code, host[0] if host else "", action == "failed")
