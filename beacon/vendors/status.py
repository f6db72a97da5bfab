"""What vendors say of themselves, as one reading: the worst counts, in the vendor's own words.

A source that is dead, or is not understood, is unknown: it is neither fine nor an admission,
and it hides no admission.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from beacon.core.model import OUTCOME_OF, Outcome, Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.engine.text_pattern import TextPattern
from beacon.net.probe_failure import ProbeFailure, timed
from beacon.vendors.feed import LONGEST

T = TypeVar("T")

SEVERITY: Final = (
    Reason.OK,
    Reason.SOURCE_DEAD,  # not understood: no longer fine, and hides no admission
    Reason.VENDOR_MAINTENANCE,
    Reason.VENDOR_DEGRADED,
    Reason.VENDOR_INCIDENT,
)
RESTORING: Final = "restoringservice"
"""It hides how bad it is: see what the same issue was before."""

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
"""Microsoft's words for a status, in small letters (it has two ways to write them) → reason."""

TITLE: Final = 120
"""Characters of a title that are quoted: there is more to say in a detail."""

_HUMP: Final = TextPattern(r"(?<=[a-z])(?=[A-Z])|_")


@dataclass(frozen=True, slots=True)
class Admission:
    """One thing the vendor says, and how bad it is."""

    reason: Reason
    words: str


def severer(first: Reason, second: Reason) -> Reason:
    """The worse of two."""
    return max(first, second, key=SEVERITY.index)


def worst(said: Iterable[Admission]) -> Reading:
    """The worst of what is said; of things equally bad, all of them, as far as there is room."""
    found = tuple(said)
    reason = max((one.reason for one in found), key=SEVERITY.index)
    words = dict.fromkeys(one.words for one in found if one.reason is reason)
    return Reading(reason, "; ".join(words))


def claimed(run: Run, say: Callable[[], Reading]) -> Reading:
    """The reading of a claim. Trouble on the way to a source says nothing of the vendor."""
    run.silence = Reason.SOURCE_DEAD
    try:
        return timed(run, say())
    except ProbeFailure as trouble:
        reading = trouble.reading
    if OUTCOME_OF[reading.reason] is not Outcome.ERROR:
        reading = Reading(Reason.SOURCE_DEAD, f"{reading.reason}: {reading.detail}")
    return timed(run, reading)


def entry(status: str, title: str, *more: str) -> str:
    """One thing as people read it: `Investigating: codes are late (since 19 Nov 14:10 UTC)`."""
    rest = ", ".join(one for one in more if one)
    return f"{spoken(status)}: {quoted(title, TITLE)}{f' ({rest})' if rest else ''}"


def spoken(status: str) -> str:
    """A status as words: `serviceDegradation` and `service_degradation` → Service degradation."""
    words = _HUMP.sub(" ", status).capitalize()
    return words if status.lower() in OF_MICROSOFT else quoted(words, 40)


def concerned(pattern: str | None, items: Iterable[T], text_of: Callable[[T], str]) -> list[T]:
    """Those whose text a pattern is found in. After one that takes too long to search: all."""
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
