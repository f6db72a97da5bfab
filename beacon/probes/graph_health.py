"""`graph_health`: what Microsoft tells this tenant of its services, by Graph.

Both the health of the services that are named and every open issue that speaks of sign-ins
count: outages of MFA were filed under other services. A service that is not there is unknown.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec

from beacon.config.fields import Regex
from beacon.config.problems import meant
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.net.http.conditional_client import BoundedCache
from beacon.net.parsing.dates import since
from beacon.probing.base import CLAIM, Abilities, Kind, SettingFlaw, unnamed
from beacon.vendors.graph import GraphApplication
from beacon.vendors.status import (
    OF_MICROSOFT,
    RESTORING,
    Admission,
    concerned,
    entry,
    severer,
    status_text,
    worst,
)

SIGN_INS: Final = Regex(
    r"(?i)multi-?factor|\bMFA\b|passcode|\bOTP\b|verification code|authenticat|sign-?in"
)
_PERMISSION: Final = "ServiceHealth.Read.All"
_API: Final = "v1.0/admin/serviceAnnouncement"


class Overview(msgspec.Struct):
    """A service and its health."""

    id: str
    service: str
    status: str


class Issue(msgspec.Struct, rename="camel"):
    """An issue, open or not, of one service."""

    id: str
    status: str
    title: str | None = None
    service: str | None = None
    is_resolved: bool = False
    feature: str | None = None
    feature_group: str | None = None
    impact_description: str | None = None
    start_date_time: str | None = None

    def text(self) -> str:
        """All of it that may say what it is about."""
        parts = (self.title, self.feature, self.feature_group, self.impact_description)
        return "\n".join(part for part in parts if part)


class WorstSeen(BoundedCache[Reason]):
    """The worst that each issue was seen at, by its id."""

    def __init__(self) -> None:
        super().__init__(256)


@dataclass(frozen=True, kw_only=True)
class GraphHealth(GraphApplication, Kind):
    """Service health of a tenant, read as an application with `ServiceHealth.Read.All`.

    `services` are ids or names. Open issues of any other service count if `keywords` is found
    in them; null: they do not.
    """

    ABILITIES: ClassVar = Abilities(evidence=Evidence.CLAIM, timing=CLAIM, second_hand=True)

    services: tuple[str, ...]
    keywords: Regex | None = SIGN_INS

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if not self.services:
            text = "no service named: nothing would tell whether there is anything to read"
            yield SettingFlaw(("services",), text, "ids or names as healthOverviews lists them")
        yield from unnamed("services", self.services, "service")

    def look(self, run: Run) -> Reading:
        """Read the services and the open issues, and judge them."""
        overviews = self.listed(run, f"{_API}/healthOverviews", Overview, _PERMISSION)
        path, prefer = f"{_API}/issues?$filter=isResolved%20eq%20false", "odata.maxpagesize=100"
        issues = self.listed(run, path, Issue, _PERMISSION, prefer=prefer)
        run.note("services: " + ", ".join(quoted(f"{one.service} ({one.id})") for one in overviews))
        return self.judge(overviews, issues, run.memory.of(WorstSeen))

    def judge(
        self, overviews: Sequence[Overview], issues: Iterable[Issue], seen: WorstSeen
    ) -> Reading:
        """What Microsoft admits: the worst of our services and of the issues that concern us."""
        wanted = {name.strip().casefold(): name for name in self.services}
        ours = [one for one in overviews if _names(one) & wanted.keys()]
        known = {name for one in ours for name in _names(one)}
        admissions = [
            *self._of_issues(issues, known | wanted.keys(), seen),
            *_of_services(ours),
            *_lost(overviews, [name for folded, name in wanted.items() if folded not in known]),
        ]
        text = ", ".join(
            f"{quoted(one.service)}: {status_text(one.status).lower()}" for one in ours
        )
        return worst((*admissions, Admission(Reason.OK, f"{text}; no open issue concerns us")))

    def _of_issues(
        self, issues: Iterable[Issue], ours: set[str], seen: WorstSeen
    ) -> Iterator[Admission]:
        unsolved = [issue for issue in issues if not issue.is_resolved]
        named = concerned(self.keywords, unsolved, Issue.text) if self.keywords else []
        words = {issue.id for issue in named}
        for issue in unsolved:
            if (issue.service or "").strip().casefold() not in ours and issue.id not in words:
                continue
            reason = _reason(issue, seen)
            if reason is not Reason.OK:
                more = (quoted(issue.id), quoted(issue.service), since(issue.start_date_time))
                yield Admission(reason, entry(issue.status, issue.title or "", *more))


def _reason(issue: Issue, seen: WorstSeen) -> Reason:
    """How bad it is; while the service is being restored, as bad as it ever was."""
    status = issue.status.casefold()
    reason = OF_MICROSOFT.get(status, Reason.SOURCE_DEAD)
    if reason is Reason.SOURCE_DEAD:
        return reason
    worst_yet = severer(seen.get(issue.id) or reason, reason)
    seen.put(issue.id, worst_yet)
    return worst_yet if status == RESTORING else reason


def _names(overview: Overview) -> set[str]:
    return {overview.id.strip().casefold(), overview.service.strip().casefold()}


def _of_services(ours: Iterable[Overview]) -> Iterator[Admission]:
    for one in ours:
        reason = OF_MICROSOFT.get(one.status.casefold(), Reason.SOURCE_DEAD)
        if reason is not Reason.OK:
            yield Admission(reason, f"{quoted(one.service)}: {status_text(one.status).lower()}")


def _lost(overviews: Sequence[Overview], names: Iterable[str]) -> Iterator[Admission]:
    """Say of each service that is not there what was probably meant, and what there is."""
    there = [one.service for one in overviews]
    for name in names:
        near = meant(name, [*there, *(one.id for one in overviews)])
        hint = f"did you mean '{quoted(near)}'? " if near else ""
        listed = ", ".join(there) or "none"
        yield Admission(
            Reason.SOURCE_DEAD, f"no service {name!r}; {hint}there are: {quoted(listed)}"
        )


PROBE = GraphHealth
