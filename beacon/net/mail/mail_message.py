"""One message of mail, read without trust: its text, its way here, what its receiver said of it.

Mail is the most foreign of texts: charsets that do not exist, parts in parts without end, base64
that is none. Whatever is wrong with a message costs that part of it only; nothing here raises.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from beacon.engine.text_pattern import IGNORE_CASE, TextPattern
from beacon.net.mail.mail_html import shown_text
from beacon.net.mail.mime import Part, header_text, parse_fields, parse_message
from beacon.net.parsing.dates import mail_date

HOPS_LIMIT: Final = 30
"""Servers on its way that are told of."""

BLOCKS_LIMIT: Final = 50
"""Recipients a notification tells of that are looked at."""

_SHOWN: Final = ("Subject", "From", "To")
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


class MailMessage:
    """A message by its bytes, of which the end may be missing. Never shows itself."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._message = parse_message(raw)

    @cached_property
    def body(self) -> str:
        """Its texts as a mail reader shows them: attached files only for want of others."""
        texts = list(_texts(self._message, attached=False)) or self._texts()
        return "\n".join(map(_shown, texts))

    @cached_property
    def head(self) -> str:
        """Subject, From and To, each on its line."""
        head = ((name, self._message.first(name.lower())) for name in _SHOWN)
        return "\n".join(f"{name}: {header_text(value)}" for name, value in head)

    def holds(self, pattern: str) -> bool:
        """Whether a pattern of ASCII is anywhere in it, in any case: headers, texts, addresses."""
        raw = self._raw.decode("ascii", "replace")
        seen = (self.body, self.head, raw, *(part.text for part in self._texts()))
        return any(_found(pattern, text) for text in seen)

    @cached_property
    def sent(self) -> float | None:
        """When it was sent as far as it tells, by the clocks of others (UTC seconds).

        Its date, or when the first server on its way took it, whichever is earlier.
        """
        moments = [self.dated, *(hop.at for hop in self.hops[:1])]
        return min((moment for moment in moments if moment is not None), default=None)

    @cached_property
    def dated(self) -> float | None:
        """Its own date (UTC seconds); None where it has none."""
        return _moment(self._message.first("date"))

    @cached_property
    def hops(self) -> tuple[Hop, ...]:
        """The servers on its way that gave their time, the first one first."""
        found = (_hop(value) for value in self._message.all("received")[:HOPS_LIMIT])
        return tuple(hop for hop in found if hop)[::-1]

    @cached_property
    def authentication(self) -> dict[str, str]:
        """What its receiver found of spf, dkim and dmarc: name → result (RFC 8601).

        By the topmost header alone: those below came with the message. One good signature of
        several is enough.
        """
        found: dict[str, str] = {}
        for value in self._message.all("authentication-results")[:1]:
            for name, result in _JUDGED.findall(value.lower()):
                if result in _JUDGEMENTS and found.get(name) != "pass":
                    found[name] = result
        return found

    @cached_property
    def bounce(self) -> Bounce | None:
        """What it says of another message's delivery; None where it is no such notification."""
        for part in self._message.walk():
            if part.type == "message/delivery-status":
                blocks = part.body.split(b"\n\n", BLOCKS_LIMIT)[:BLOCKS_LIMIT]
                told = (_told(parse_fields(block)[0]) for block in blocks)
                return next((bounce for bounce in told if bounce), None)
        return None

    def _texts(self) -> list[Part]:
        return list(_texts(self._message, attached=True))

    def __repr__(self) -> str:
        """Show nothing."""
        return "Letter(…)"


def _texts(part: Part, *, attached: bool) -> Iterator[Part]:
    """The texts in a part; those of attached files and messages only if they are wanted."""
    if not attached and part.first("content-disposition").lower().startswith("attachment"):
        return
    if part.type.startswith("text/"):
        yield part
    for each in part.parts:
        yield from _texts(each, attached=attached)


def _shown(part: Part) -> str:
    try:
        return shown_text(part.text) if part.type == "text/html" else part.text
    except TimeoutError:
        return ""


def _found(pattern: str, text: str) -> bool:
    try:
        return TextPattern(pattern, IGNORE_CASE).search(text) is not None
    except TimeoutError:
        return False


def _moment(date: str) -> float | None:
    at = mail_date(date.strip(), zoned=True)
    return None if at is None else at.timestamp()


def _hop(received: str) -> Hop | None:
    by, at = _BY.search(received), _moment(received.rpartition(";")[2])
    return None if at is None else Hop(by[1] if by else "unnamed", at)


def _told(fields: Sequence[tuple[str, str]]) -> Bounce | None:
    """What one block of a notification says; None for the one about the message as a whole."""
    block = dict(reversed(fields))
    action = block.get("action", "").strip().lower()
    status = _status(block.get("status", ""))
    if action not in ("failed", "delayed") or not status:
        return None
    # "5.0.0" says nothing: the words of the server that refused often do.
    said = _status(block.get("diagnostic-code", ""))
    code = said if said and status.endswith(".0.0") else status
    host = _HOST.fullmatch(block.get("remote-mta", "").rpartition(";")[2].strip())
    return Bounce(code, host[0] if host else "", action == "failed")


def _status(text: str) -> str:
    found = _STATUS.search(text)
    return found[1] if found else ""
