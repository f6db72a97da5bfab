"""`aws_events`: what AWS admits on its public health dashboard, `currentevents`.

A snapshot of what is open, in UTF-16, its numbers written as texts. It names only what is in
trouble: a service that is misspelled here cannot be found out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec

from beacon.config.fields import Url
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.run import Run
from beacon.engine.text_pattern import DOT_ALL, TextPattern
from beacon.probes import CLAIM, Fault, Timing
from beacon.transport.claim import Admission, claimed, entry, since, worst
from beacon.transport.expect import parse_json_as
from beacon.transport.http import Answer, Request
from beacon.transport.source import SOURCES, Sources
from beacon.transport.trouble import Trouble

_OF_STATUS: Final = {
    "0": (Reason.OK, "resolved"),
    "1": (Reason.VENDOR_DEGRADED, "degraded"),
    "2": (Reason.VENDOR_DEGRADED, "degraded"),
    "3": (Reason.VENDOR_INCIDENT, "outage"),
}
_REGION: Final = TextPattern(r"[a-z]{2}(-[a-z]+)+-\d")
_ARN: Final = TextPattern(r"arn:aws[a-z-]*:health:([a-z0-9-]*):[^:]*:event/([^/]+)/.*", DOT_ALL)
_EVERYWHERE: Final = ("global", "")
_SEVERAL: Final = "multiple_services"
_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xfe\xff", "utf-16"),
    (b"\xff\xfe", "utf-16"),
)


class Event(msgspec.Struct, frozen=True):
    """One event: where, of what, how bad."""

    arn: str
    status: str | int
    summary: str | None = None
    service: str | None = None
    service_name: str | None = None
    region_name: str | None = None
    date: str | int | None = None
    end_time: Any = None
    impacted_services: Any = None

    @property
    def region(self) -> str:
        """The region it is of; `global` concerns every region."""
        found = _ARN.fullmatch(self.arn)
        return found[1] if found else ""

    def names(self) -> Iterator[str]:
        """Every way to name what is in trouble, in small letters."""
        found = _ARN.fullmatch(self.arn)
        slugs = [self.service or ""]
        if isinstance(self.impacted_services, dict):
            slugs += [str(slug) for slug in self.impacted_services]
        for name in (found[2] if found else "", self.service_name or "", *slugs):
            yield name.casefold()
        for slug in slugs:  # iam, of iam-us-east-1
            yield slug.casefold().removesuffix(f"-{self.region}")


@dataclass(frozen=True, kw_only=True)
class AwsEvents:
    """The public events of AWS, and which regions and services concern us; none named: all."""

    EVIDENCE: ClassVar = Evidence.CLAIM
    TIMING: ClassVar[Timing] = CLAIM
    SIGN_IN: ClassVar = False
    SOURCES: ClassVar[Sources] = SOURCES

    url: Url = Url("https://health.aws.amazon.com/public/currentevents")  # noqa: RUF009 - a text
    regions: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    @property
    def clock_bound(self) -> bool:
        """Whether certificates are verified, which is done by our clock."""
        return self.url.lower().startswith("https:")

    def faults(self) -> Iterator[Fault]:
        """What is wrong with the settings taken together."""
        for number, name in enumerate(self.regions):
            if not _REGION.fullmatch(name):
                yield Fault(("regions", number), f"not a region: {name!r}", "eu-west-1 …")
        for number, name in enumerate(self.services):
            if not name.strip():
                yield Fault(("services", number), "a service without a name")

    def wait(self, utc: float) -> float:  # noqa: ARG002 - other kinds need the time
        """It may always run."""
        return 0.0

    def observe(self, run: Run) -> Reading:
        """Read the snapshot and judge it."""
        request = Request(url=self.url)
        return claimed(run, lambda: self.judge(self.SOURCES.read(run, request, parsed)))

    def judge(self, events: Iterable[Event]) -> Reading:
        """What AWS admits of our regions and services."""
        wanted = {name.strip().casefold() for name in self.services}
        ours = [one for one in events if self._is_near(one) and _is_of(one, wanted)]
        return worst((Admission(Reason.OK, "no current event concerns us"), *map(_said, ours)))

    def _is_near(self, event: Event) -> bool:
        return not self.regions or event.region in (*self.regions, *_EVERYWHERE)


def _is_of(event: Event, wanted: set[str]) -> bool:
    """Whether it is of one of these services; one of several that names none is of all."""
    names = set(event.names())
    unnamed = _SEVERAL in names and not event.impacted_services
    return not wanted or unnamed or bool(names & wanted)


def _said(event: Event) -> Admission:
    unknown = (Reason.SOURCE_DEAD, f"status {event.status}")
    reason, state = _OF_STATUS.get(str(event.status), unknown)
    if event.end_time:
        reason = Reason.OK
    what = event.service_name or event.service or ""
    where = event.region_name or event.region
    words = entry(state, event.summary or "an event", what, where, since(event.date))
    return Admission(reason, words)


def parsed(_: Run, answer: Answer) -> tuple[Event, ...]:
    """The events. Raises `Trouble` where they cannot be understood."""
    try:
        return parse_json_as(_text(answer.body).encode(), tuple[Event, ...])
    except UnicodeError:
        raise Trouble(Reason.BODY_UNDECODABLE, "the body is neither UTF-16 nor UTF-8") from None
    except msgspec.ValidationError as error:
        raise Trouble(Reason.SOURCE_DEAD, f"no list of events: {error}") from None


def _text(body: bytes) -> str:
    """The body by its mark, else by where its zeros are: JSON begins with ASCII."""
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return body.decode(charset)
    if body[:1] == b"\0":
        return body.decode("utf-16-be")
    return body.decode("utf-16-le" if body[1:2] == b"\0" else "utf-8")


PROBE = AwsEvents
