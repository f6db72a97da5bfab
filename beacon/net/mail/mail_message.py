"""One mail: its text, the servers it came through, and its receiver's SPF, DKIM and DMARC results.

Any bytes may come as mail: unknown charsets, endlessly nested parts, invalid base64. An error
loses only the part of the message it is in; nothing here raises (docs/adr/0031).
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
"""`Received` fields that are read."""

BLOCKS_LIMIT: Final = 50
"""Recipients of a notification that are read."""

_SHOWN: Final = ("Subject", "From", "To")
_BY: Final = TextPattern(r"\bby\s+\[?([A-Za-z0-9._:-]{1,100})")
_HOST: Final = TextPattern(r"[A-Za-z0-9._-]{1,100}")
_STATUS: Final = TextPattern(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_RESULT: Final = TextPattern(r"\b(spf|dkim|dmarc)\s*=\s*([a-z]+)")
_RESULTS: Final = frozenset(
    (
        *("none", "neutral", "pass", "fail", "hardfail", "softfail", "policy"),
        *("temperror", "permerror", "bestguesspass"),
    )
)


@dataclass(frozen=True, slots=True)
class Hop:
    """A server on the message's way: its name, and its time (seconds, UTC)."""

    by: str
    at: float


@dataclass(frozen=True, slots=True)
class Bounce:
    """A delivery status notification (RFC 3464): another message was refused or is delayed.

    `status` is the enhanced status code ("5.7.26"), `by` the server it is from, if known; `final`
    is false for a delay.
    """

    status: str
    by: str
    final: bool


class MailMessage:
    """A message from its bytes; the end may be missing. Its `repr` shows nothing of it."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._message = parse_message(raw)

    @cached_property
    def body(self) -> str:
        """Its texts as a mail reader shows them; attached ones only if there are no others."""
        texts = list(_texts(self._message, attached=False)) or self._texts()
        return "\n".join(map(_shown, texts))

    @cached_property
    def head(self) -> str:
        """Subject, From and To, one on each line."""
        head = ((name, self._message.first(name.lower())) for name in _SHOWN)
        return "\n".join(f"{name}: {header_text(value)}" for name, value in head)

    def holds(self, pattern: str) -> bool:
        """Whether it contains an ASCII pattern anywhere, in upper or lower case."""
        raw = self._raw.decode("ascii", "replace")
        seen = (self.body, self.head, raw, *(part.text for part in self._texts()))
        return any(_found(pattern, text) for text in seen)

    @cached_property
    def sent(self) -> float | None:
        """When it was sent, by the clocks of others (UTC seconds).

        Its date, or the time of the first server on its way, whichever is earlier.
        """
        moments = [self.dated, *(hop.at for hop in self.hops[:1])]
        return min((moment for moment in moments if moment is not None), default=None)

    @cached_property
    def dated(self) -> float | None:
        """Its `Date` (UTC seconds); None without one."""
        return _moment(self._message.first("date"))

    @cached_property
    def hops(self) -> tuple[Hop, ...]:
        """The servers on its way that noted their time, in order."""
        found = (_hop(value) for value in self._message.all("received")[:HOPS_LIMIT])
        return tuple(hop for hop in found if hop)[::-1]

    @cached_property
    def authentication(self) -> dict[str, str]:
        """Its receiver's results: spf, dkim or dmarc → result (RFC 8601).

        Only the topmost header counts: the sender may have written those below. One valid
        signature of several is enough.
        """
        found: dict[str, str] = {}
        for value in self._message.all("authentication-results")[:1]:
            for name, result in _RESULT.findall(value.lower()):
                if result in _RESULTS and found.get(name) != "pass":
                    found[name] = result
        return found

    @cached_property
    def bounce(self) -> Bounce | None:
        """Its report on another message's delivery; None if it is not a notification."""
        for part in self._message.walk():
            if part.type == "message/delivery-status":
                blocks = part.body.split(b"\n\n", BLOCKS_LIMIT)[:BLOCKS_LIMIT]
                return next(filter(None, (_bounce(parse_fields(each)[0]) for each in blocks)), None)
        return None

    def _texts(self) -> list[Part]:
        return list(_texts(self._message, attached=True))

    def __repr__(self) -> str:
        """Show nothing."""
        return "MailMessage(…)"


def _texts(part: Part, *, attached: bool) -> Iterator[Part]:
    """The texts in a part, with or without attached files and messages."""
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


def _bounce(fields: Sequence[tuple[str, str]]) -> Bounce | None:
    """The report in one block of a notification; None for the block about the whole message."""
    block = dict(reversed(fields))
    action = block.get("action", "").strip().lower()
    status = _status(block.get("status", ""))
    if action not in ("failed", "delayed") or not status:
        return None
    # "5.0.0" is unspecific: the words of the refusing server often contain a better code.
    better = _status(block.get("diagnostic-code", ""))
    code = better if better and status.endswith(".0.0") else status
    host = _HOST.fullmatch(block.get("remote-mta", "").rpartition(";")[2].strip())
    return Bounce(code, host[0] if host else "", action == "failed")


def _status(text: str) -> str:
    found = _STATUS.search(text)
    return found[1] if found else ""
