"""An entry of a feed → whether its incident is over, and how severe it is (docs/probes/rss.md).

Only the newest update counts. Vendors write all updates into one text, each in another format.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Final

from beacon.core.model import Reason
from beacon.engine.text_pattern import IGNORE_CASE, TextPattern
from beacon.vendors.feed import FeedEntry
from beacon.vendors.status import OF_MICROSOFT

LABELS: Final = MappingProxyType(
    {
        "investigating": False,  # Statuspage, Instatus, Cachet
        "identified": False,  # Statuspage, Instatus, Cachet
        "monitoring": False,  # Statuspage, Instatus
        "watching": False,  # Cachet
        "scheduled": False,  # Statuspage
        "in progress": False,  # Statuspage
        "verifying": False,  # Statuspage
        "update": False,  # Statuspage, Google Cloud: the state is unchanged; the text says more
        "resolved": True,  # Statuspage, Instatus, Google Cloud, Okta
        "completed": True,  # Statuspage, of maintenance
        "postmortem": True,  # Statuspage: written after the end
        "mitigated": True,  # Azure
        "fixed": True,  # Cachet
        "recovered": True,  # this one and the next two are used by several vendors
        "closed": True,
        "reopened": False,
    }
)
"""Heading of an update, as in "Resolved - …" → whether the incident is over."""

ENDS: Final = (
    # Azure, Google Cloud, Statuspage: "this incident has been resolved", "mitigated"
    r"resolved|mitigated|restored|completed|fixed",
    # AWS: "the service is (now) operating normally"; others say working, functioning, running
    r"(?:operating|working|functioning|running)\s+(?:normally|as\s+(?:normal|expected))",
    # of many: "has been addressed", "has been remediated"
    r"been\s+(?:addressed|remediated|rectified)",
    # Okta, Slack: "has recovered", "have fully recovered", "recovered at 11:00"
    r"(?:has|have|is|are|now|fully)\s+(?:\w+ly\s+|now\s+|since\s+)*recovered|recovered\s+(?:at|by)",
    # Duo, Twilio: "is back to normal", "have returned to normal"
    r"(?:back|returned)\s+to\s+normal",
    r"(?:has|have|is)\s+(?:now\s+)?(?:ended|cleared|concluded)|all\s+clear",
    # Google Cloud: "Incident began at 10:00 and ended at 11:00"
    r"ended\s+at",
    # of many: "this incident is now closed", "the issue is over"
    r"(?:incident|issue|outage)\s+(?:(?:is|was|has\s+been)\s+)?(?:now\s+)?(?:closed|over)",
    # of many: "is now stable", "up and running again"
    r"(?:now|again)\s+stable|up\s+and\s+running",
    # Duo, Google Cloud: "this was a false alarm"
    r"false\s+(?:alarm|positive)",
    # Cloudflare, GitHub: "fully operational", "all systems operational"
    r"(?:fully|again|now|systems|services|is|are)\s+operational",
)
"""Words for an end within a text, and who uses them."""

UPDATES: Final = 50
"""Headings of one text that are read."""

_END: Final = "|".join(ENDS)
_ENDED: Final = TextPattern(rf"\b(?:{_END})\b(?:\s+again\b)?", IGNORE_CASE)
_LAST_ENDS: Final = 10  # how many words for an end are checked, from the last one back
_SENTENCE: Final = 100  # characters before such a word that show whether the end has come
_WITHIN: Final = r"(?:(?!\s[-–—|]\s|[.!?;:]).){0,60}?"  # one sentence, or part of a title
_HOPED: Final = TextPattern(
    rf"\b(?:(?:until|once|when|if|working\s+(?:to|on|with|towards?)|expect\w*|hope\w*|will)\b"
    rf"{_WITHIN}\b|(?:not|never|cannot|\w+n['’]t|unable\s+to)\s+(?:\S+\s+){{0,3}}?"
    rf"|(?:only|no|none|some|few|\d+\s?%)\s+(?:\S+\s+){{0,3}}?"
    rf"|(?:be|being|partially|partly)\s+(?:\w+ly\s+)?|(?:has|have)\s+(?:partially|partly)\s+)"
    rf"(?:{_END}|recovered)\b(?:\s+again)?\Z",
    IGNORE_CASE,
)
"""`… to be resolved`, `until … is restored`: the end is mentioned, but has not come."""

_IN_TITLE: Final = TextPattern(
    r"(?:^|[-–—:|(\[])\s*(?:recovered|closed|ended)\s*(?:$|[-–—:|)\]])", IGNORE_CASE
)
"""Common words that mean an end only where they stand alone."""

# "Engineers will continue to investigate to establish the full root cause": Azure, after the end.
_AFTERWARDS: Final = TextPattern(
    r"\bcontinu\w+\s+(?:to\s+)?(?:investigat\w+|review\w*|work\w*)[^.]{0,80}?"
    r"\b(?:root\s+cause|future|prevent\w*)\b",
    IGNORE_CASE,
)

# "Restored to one of three zones; sign-ins continue to fail" is not an end.
_GOES_ON: Final = TextPattern(
    r"\b(?:investigating|continu\w+|still|again|fail(?:s|ing)?|cannot|can['’]t|persist\w*|re-?occur\w*"
    r"|did\s+not|rolling\s+out|being\s+(?:deployed|rolled\s+out)|(?:is|are)\s+back(?!\s+to)"
    r"|(?:is|are|remains?)\s+(?:currently\s+|partially\s+)?"
    r"(?:affected|broken|degraded|down|elevated|impacted|unable|unavailable|unstable)"
    r"|for\s+(?:a\s+(?:few|subset)|many|most|some)|(?:\d+|one|two|some|most|many) of)\b",
    IGNORE_CASE,
)
_COURTESY: Final = TextPattern(
    r"\b(?:sorry|apolog\w+|thank|if\s+(?:you|your|users|customers|any))\b[^.!?]*", IGNORE_CASE
)
"""Polite words after an end: `if you continue to see errors, tell us`."""

_WATCHED: Final = TextPattern(
    r"\b(?:continu\w+\s+(?:to\s+)?(?:\w+ly\s+)?)?monitor(?:ing)?\b", IGNORE_CASE
)
_STATE: Final = TextPattern(
    r"\b(investigating|identified|monitoring|verifying|in progress|scheduled(?! event))\b",
    IGNORE_CASE,
)
_MAINTENANCE: Final = TextPattern(r"\bmaintenance\b|\bscheduled\b", IGNORE_CASE)

_LABEL: Final = TextPattern(
    rf"\b(?P<label>{'|'.join(LABELS).replace(' ', '[ _]')})"
    r"(?:\s*(?:-|–|—|:|\])\s|(?=\s+(?:this|we|the|an?|our|all)\b))",
    IGNORE_CASE,
)
_BEFORE: Final = ".!?;:)[]…"  # characters (or a time) after which an update begins
_MONTH: Final = "(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DATED: Final = TextPattern(
    rf"\b(?:{_MONTH}\.?\s+(?P<day>\d{{1,2}})\s*,?(?:\s+\d{{4}},?)?"
    rf"|(?P<day>\d{{1,2}})\.?\s+{_MONTH}\.?,?(?:\s+\d{{4}},?)?"
    r"|\d{4}-(?P<number>\d{2})-(?P<day>\d{2})\]?(?:T(?=\d))?)"
    r"\s*(?:at\s+)?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2})?\s*(?P<half>[AP]M\b)?"
)
_TIMED: Final = TextPattern(r"\d:\d{2}(?:Z|\s*[AP]M)?\Z")
_CLOCKED: Final = TextPattern(r"\b\d{1,2}:\d{2}\s+[AP]M\s+P[SD]?T\b")  # AWS, the oldest first
_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"

_PER_UPDATE: Final = TextPattern(r"(.*#[\w.-]+)_\d{9,11}")  # AWS: an id for each update
_HEADING: Final = TextPattern(
    r"^(?:service is operating normally|informational message|performance issues"
    r"|service (?:degradation|disruption|impact))\s*:\s*|\[resolved\]\s*",
    IGNORE_CASE,
)


@dataclass(frozen=True, slots=True)
class Update:
    """One update of an entry: its heading in lower case, its text, and where it begins.

    `at` is for comparing only.
    """

    label: str
    text: str
    at: tuple[int, ...] | None = None
    begin: int = 0


def incident_of(one: FeedEntry) -> str:
    """What identifies an incident, also where each update has an id of its own."""
    found = _PER_UPDATE.fullmatch(one.of)
    if found is None:
        return one.of
    return f"{found[1]}\n{_HEADING.sub('', one.title).casefold()}"


def severity(one: FeedEntry) -> tuple[Reason, str]:
    """How severe an incident is by its newest entry, and the word for its state."""
    status = "".join(one.status.split()).casefold()
    if status in OF_MICROSOFT:
        return OF_MICROSOFT[status], one.status
    newest = newest_update(one.text)
    if LABELS.get(newest.label) or (not newest.label and _ended(one.title)):
        return Reason.OK, ""
    planned = _MAINTENANCE.search(f"{one.title}\n{one.text}") is not None
    if newest.label and newest.label != "update":
        return _rated(newest.label, planned=planned), newest.label
    if (end := _after_the_end(newest.text)) is not None:
        watched = _WATCHED.search(end) is not None
        return (Reason.VENDOR_DEGRADED, "monitoring") if watched else (Reason.OK, "")
    found = _STATE.search(f"{one.title}\n{newest.text}")
    state = found[1].lower() if found else "open"
    return _rated(state, planned=planned), state


def newest_update(text: str) -> Update:
    """The newest update in a text; the whole text if there is only one."""
    updates = list(_updates(text))
    if not updates:
        clocked = list(_CLOCKED.finditer(text))
        return Update("", text[clocked[-1].end() :] if clocked else text)
    dated = [update for update in updates if update.at is not None]
    if len(dated) < len(updates):  # vendors that write no times write the newest first
        before = text[: updates[0].begin]
        return Update("", before) if _after_the_end(before) is not None else updates[0]
    latest = max(update.at or () for update in updates)
    return next(update for update in updates if update.at == latest)


def _updates(text: str) -> Iterator[Update]:
    """The updates with a heading, in the order of the text."""
    labels = islice(_LABEL.finditer(text), UPDATES)
    begins = [found for found in labels if _is_heading(text, found.start())]
    ends = [found.start() for found in begins[1:]] + [len(text)]
    before = 0
    december = "Dec" in text or "-12-" in text
    for found, end in zip(begins, ends, strict=False):
        dates = list(_DATED.finditer(text[max(before, found.start() - 60) : found.start()]))
        at = _moment(dates[-1].groupdict(), december=december) if dates else None
        before = found.end()
        label = found["label"].lower().replace("_", " ")
        yield Update(label, text[found.end() : end], at, found.start())


def _is_heading(text: str, at: int) -> bool:
    before = text[max(0, at - 40) : at].rstrip()
    if not before or before[-1] in _BEFORE or _TIMED.search(before):
        return text[at].isupper()
    capitals = before[-3:]
    return text[at].isupper() and capitals.isascii() and capitals.isupper()  # 11:00 UTC, EVENT


def _moment(date: dict[str, str | None], *, december: bool) -> tuple[int, ...]:
    name, number = date["month"], date["number"]
    month = _MONTHS.index(name) // 3 + 1 if name else int(number or 0)
    if december and month == 1:
        month = 13
    hour = int(date["hour"] or 0)
    if date["half"]:
        hour = hour % 12 + (12 if date["half"] == "PM" else 0)
    return month, int(date["day"] or 0), hour, int(date["minute"] or 0)


def _last_end(text: str) -> int | None:
    """Where the last words for an end that has come stop; None without any."""
    ends = [found.span() for found in _ENDED.finditer(text)]
    for begin, end in reversed(ends[-_LAST_ENDS:]):
        if not _HOPED.search(text[max(0, begin - _SENTENCE) : end]):
            return end
    return None


def _ended(title: str) -> bool:
    return _last_end(title) is not None or _IN_TITLE.search(title) is not None


def _after_the_end(text: str) -> str | None:
    """The text after the last words for an end; None if the incident is not over."""
    end = _last_end(text)
    if end is None:
        return None
    rest = _COURTESY.sub(" ", _AFTERWARDS.sub(" ", text[end:]))
    return None if _GOES_ON.search(_WATCHED.sub(" ", rest)) else rest


def _rated(state: str, *, planned: bool) -> Reason:
    if state in ("monitoring", "watching"):  # a fix is in place and is being watched
        return Reason.VENDOR_DEGRADED
    if planned and state == "scheduled":
        return Reason.OK
    if planned and state in ("in progress", "verifying"):
        return Reason.VENDOR_MAINTENANCE
    return Reason.VENDOR_INCIDENT
