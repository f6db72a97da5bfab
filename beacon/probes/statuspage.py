"""`statuspage`: what the vendor admits on an Atlassian Statuspage (v2, `summary.json`).

The worst of the components and of the open incidents that touch them counts: pages have
shown a critical incident above components that all read operational. A page that cannot be
read is a dead source: unknown, neither fine nor an admission.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import urlsplit

import msgspec

from beacon.config.fields import Url
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.net.http.client import Answer, Request
from beacon.net.http.conditional_client import ConditionalClient
from beacon.net.http.expectations import parse_json_as
from beacon.net.http.route import Reach
from beacon.net.parsing.dates import moment, since
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.base import CLAIM, Abilities, Kind, SettingFlaw, unnamed
from beacon.vendors.status import Admission, entry, unknown, worst

_SUMMARY: Final = "/api/v2/summary.json"
_OF_COMPONENT: Final = {
    "operational": Reason.OK,
    "under_maintenance": Reason.VENDOR_MAINTENANCE,
    "degraded_performance": Reason.VENDOR_DEGRADED,
    "major_outage": Reason.VENDOR_INCIDENT,
}
_OF_IMPACT: Final = {
    "maintenance": Reason.VENDOR_MAINTENANCE,
    "major": Reason.VENDOR_INCIDENT,
    "critical": Reason.VENDOR_INCIDENT,
}
"""Any other impact, `none` too, is degraded: an incident is opened before it is rated."""
_OVER: Final = frozenset(
    {"resolved", "postmortem", "scheduled", "completed", "closed", "canceled", "cancelled"}
)


EARLY: Final = timedelta(hours=1)
"""How long before its time a maintenance may begin."""


class _Component(msgspec.Struct):
    id: str
    name: str
    status: str
    group_id: str | None = None


class _Touched(msgspec.Struct):
    id: str


class _Event(msgspec.Struct):
    """An incident, or a scheduled maintenance."""

    name: str
    status: str
    impact: str | None = None
    components: tuple[_Touched, ...] = ()
    created_at: str | None = None
    started_at: str | None = None
    scheduled_for: str | None = None
    scheduled_until: str | None = None


class PageSummary(msgspec.Struct, frozen=True):
    """What of a page concerns us."""

    components: tuple[_Component, ...]
    incidents: tuple[_Event, ...]
    scheduled_maintenances: tuple[_Event, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StatusPage(Reach, Kind):
    """A vendor's status page, and which of its components concern us.

    `url` is the page or its summary. `components` are names, ids or "group/name"; a group
    stands for all in it; none named: the whole page.
    """

    ABILITIES: ClassVar = Abilities(evidence=Evidence.CLAIM, timing=CLAIM, second_hand=True)

    url: Url
    components: tuple[str, ...] = ()

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        yield from unnamed("components", self.components, "component")
        path = urlsplit(self.url).path
        if path.endswith(".json") and not path.endswith("/summary.json"):
            text = "this file does not tell components and incidents together"
            yield SettingFlaw(("url",), text, f"the page's address, or …{_SUMMARY}")

    def look(self, run: Run) -> Reading:
        """Read the summary and judge it; a source that cannot be read is dead, not guilty."""
        request = Request(url=self.summary)
        now = run.clock.utc()
        client = run.memory.of(ConditionalClient)
        return self.judge(client.read(run, request, parsed, self.route), now)

    @property
    def summary(self) -> str:
        """The address of the page's summary."""
        if urlsplit(self.url).path.endswith(".json"):
            return self.url
        return self.url.rstrip("/") + _SUMMARY

    def judge(self, page: PageSummary, now: datetime) -> Reading:
        """What a page admits at a time."""
        watched, lost = self._watched(page.components)
        partial = Reason.VENDOR_INCIDENT if self.components else Reason.VENDOR_DEGRADED
        return worst((*_admissions(page, watched, partial, now), *lost))

    def _watched(
        self, components: Sequence[_Component]
    ) -> tuple[dict[str, _Component], list[Admission]]:
        """The components that concern us by id, and the names on the page nobody has."""
        if not self.components:
            return {component.id: component for component in components}, []
        watched: dict[str, _Component] = {}
        lost = []
        names = {component.id: component.name for component in components}
        for wanted in self.components:
            found = {c.id for c in components if _folded(wanted) in _names(c, names)}
            watched |= {c.id: c for c in components if {c.id, c.group_id} & found}
            if not found:
                text = f"no component {wanted!r} on the page"
                lost.append(unknown(text, wanted, names.values()))
        return watched, lost


def parsed(_: Run, answer: Answer) -> PageSummary:
    """The page. Raises `ProbeFailure` where it cannot be understood."""
    try:
        return parse_json_as(answer.body, PageSummary)
    except msgspec.ValidationError as error:
        raise ProbeFailure(Reason.SOURCE_DEAD, f"not a summary: {quoted(error)}") from None


def _names(component: _Component, names: dict[str, str]) -> set[str]:
    """Every way to name a component."""
    group = names.get(component.group_id or "", "")
    return {*map(_folded, (component.id, component.name, f"{group}/{component.name}"))}


def _folded(name: str) -> str:
    """A name as it is compared: pages have names with blanks around them."""
    return "/".join(part.strip() for part in name.casefold().split("/"))


def _admissions(
    page: PageSummary, watched: dict[str, _Component], partial: Reason, now: datetime
) -> Iterator[Admission]:
    """All that the page says of the watched components; `partial` is what a partial outage is."""
    if page.components:
        text = f"{len(watched)} components operational, no open incident"
        yield Admission(Reason.OK, text)
    else:
        yield Admission(Reason.SOURCE_DEAD, "the page lists no components")
    for event in page.incidents:
        if _goes_on(event, now) and _touches(event, watched):
            impact = f"impact {event.impact or 'not rated'}"
            begin = since(event.started_at or event.created_at)
            yield Admission(_rated(event), entry(event.status, event.name, impact, begin))
    for event in page.scheduled_maintenances:
        if _goes_on(event, now) and _touches(event, watched):
            words = entry(
                event.status, event.name, "maintenance", since(event.scheduled_until, "until")
            )
            yield Admission(Reason.VENDOR_MAINTENANCE, words)
    groups = {component.id: component.name for component in page.components}
    for component in watched.values():
        status = _word(component.status)
        ours = partial if status == "partial_outage" else Reason.SOURCE_DEAD
        reason = _OF_COMPONENT.get(status, ours)
        if reason is not Reason.OK:
            group = f"{groups[component.group_id]}/" if component.group_id in groups else ""
            shown_status = component.status.replace("_", " ")
            yield Admission(reason, f"{quoted(group + component.name)}: {quoted(shown_status)}")


def _goes_on(event: _Event, now: datetime) -> bool:
    """Whether it is under way: maintenance of tomorrow is not, whatever its status says."""
    begin = moment(event.scheduled_for)
    planned = begin is not None and begin > now + EARLY
    return _word(event.status) not in _OVER and not planned


def _touches(event: _Event, watched: Iterable[str]) -> bool:
    """Whether it concerns us; an event that names no component concerns everybody."""
    return not event.components or any(touched.id in watched for touched in event.components)


def _rated(incident: _Event) -> Reason:
    if _word(incident.status) == "monitoring":  # a fix is in place, and watched
        return Reason.VENDOR_DEGRADED
    return _OF_IMPACT.get(_word(incident.impact or ""), Reason.VENDOR_DEGRADED)


def _word(written: str) -> str:
    """A word of the page's lists: other makers of such pages write `Under maintenance`."""
    return "_".join(written.casefold().split())


PROBE = StatusPage
