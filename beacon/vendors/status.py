"""All admissions of a vendor → one reading: the most severe counts, in the vendor's own words.

A source that is dead or not understood is unknown: neither fine nor an admission, and it hides no
admission of another source (docs/probes/claims.md).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from beacon.config.problems import meant
from beacon.core.model import Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.text_pattern import TextPattern
from beacon.vendors.feed import LONGEST

T = TypeVar("T")

SEVERITY: Final = (
    Reason.OK,
    Reason.SOURCE_DEAD,  # not understood: worse than fine, milder than any admission
    Reason.VENDOR_MAINTENANCE,
    Reason.VENDOR_DEGRADED,
    Reason.VENDOR_INCIDENT,
)
RESTORING: Final = "restoringservice"
"""A status without a severity: the one before of the same issue counts."""

OF_MICROSOFT: Final = {
    **dict.fromkeys(
        (
            "available",
            "operational",
            "serviceoperational",
            "servicerestored",
            "falsepositive",
            "postincidentreviewpublished",
            "resolved",
            "resolvedexternal",
            "mitigated",
            "mitigatedexternal",
        ),
        Reason.OK,
    ),
    **dict.fromkeys(
        (
            "advisory",
            "investigating",
            "investigation",
            "investigationsuspended",
            "verifyingservice",
            "servicedegradation",
            "extendedrecovery",
            "confirmed",
            "reported",
            RESTORING,
        ),
        Reason.VENDOR_DEGRADED,
    ),
    "serviceinterruption": Reason.VENDOR_INCIDENT,
}
"""Microsoft's words for a status, in lower case (it writes them in two ways) → reason."""

TITLE: Final = 120
"""Characters of a title that are quoted, so that a detail has space for more."""

_HUMP: Final = TextPattern(r"(?<=[a-z])(?=[A-Z])|_")


@dataclass(frozen=True, slots=True)
class Admission:
    """One statement of the vendor, and how severe it is."""

    reason: Reason
    words: str


def severer(first: Reason, second: Reason) -> Reason:
    """The more severe of two."""
    return max(first, second, key=SEVERITY.index)


def worst(admissions: Iterable[Admission]) -> Reading:
    """The most severe admission; several that are equally severe are joined."""
    found = tuple(admissions)
    reason = max((one.reason for one in found), key=SEVERITY.index)
    words = dict.fromkeys(one.words for one in found if one.reason is reason)
    return Reading(reason, "; ".join(words))


def unknown(text: str, name: str, known: Iterable[str]) -> Admission:
    """The admission of a source that does not have a name, with the one that was probably meant."""
    near = meant(name, known)
    hint = f"; did you mean '{quoted(near)}'?" if near else ""
    return Admission(Reason.SOURCE_DEAD, text + hint)


def entry(status: str, title: str, *more: str) -> str:
    """One statement for people: `Investigating: codes are late (since 19 Nov 14:10 UTC)`."""
    rest = ", ".join(one for one in more if one)
    return f"{status_text(status)}: {quoted(title, TITLE)}{f' ({rest})' if rest else ''}"


def status_text(status: str) -> str:
    """A status as words: `serviceDegradation` and `service_degradation` → Service degradation."""
    words = _HUMP.sub(" ", status).capitalize()
    return words if status.lower() in OF_MICROSOFT else quoted(words, 40)


def concerned(pattern: str | None, items: Iterable[T], text_of: Callable[[T], str]) -> list[T]:
    """The items whose text matches a pattern. After a search that takes too long: all the rest."""
    if pattern is None:
        return list(items)
    wanted, found, slow = TextPattern(str(pattern)), [], False
    for item in items:
        try:
            if slow or wanted.search(text_of(item)[:LONGEST]):
                found.append(item)
        except TimeoutError:
            slow = True
            found.append(item)
    return found
