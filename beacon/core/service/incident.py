"""Incidents: from trouble to lasting recovery, one at a time for each service."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from beacon.core.endpoint.state import EndpointState
from beacon.core.model import CALM, LONG_AGO, RANK, RED, Moment, Verdict, joined
from beacon.core.service.diagnosis import PARTS, rank
from beacon.core.service.hold import Change
from beacon.core.views import Arrivals, Cause, IncidentState, IncidentView, VendorWord


@dataclass(slots=True)
class IncidentNumbers:
    """Numbers for incidents, one after the other, and the wall time that names them."""

    last: int = 0
    zero: float | None = None  # the wall time of moment 0 in UTC seconds; None: not known

    def open(
        self, at: Moment, service: str, verdict: Verdict, first_out: str, onset_at: Moment
    ) -> "Incident":
        """Open the next incident."""
        self.last += 1
        view = IncidentView(
            number=self.last,
            service=service,
            state=IncidentState.OPEN,
            since=at,
            verdict=verdict,
            peak=verdict,
            first_out=first_out,
            opened_utc=None if self.zero is None else self.zero + at,
        )
        return Incident(view, onset_at=onset_at)

    def clock_stepped(self, by: float) -> None:
        """Our wall clock was set: incidents that open from now on are named by the new time."""
        if self.zero is not None:
            self.zero += by


@dataclass(slots=True)
class Incident:
    """One incident as it lives, and all of it survives; `view` is how others see it."""

    view: IncidentView
    admitted_at: Moment | None = None  # the vendor's first admission
    announced_recovering: bool = False  # and not since that it relapsed
    onset_at: Moment | None = None  # the first failing reading of the first-out
    parts: tuple[str, ...] = ()  # all that was wrong with it so far: see `parts`
    flapped_at: Moment | None = None  # red again, by what flaps alone: not announced yet

    def explain(self, found: Sequence[Cause]) -> None:
        """Keep what explains the peak: recovery does not unexplain trouble.

        While it is better than at its worst, only a better explanation is taken, and never
        that it is only the part which has not come back yet.
        """
        view = self.view
        at_worst = RANK[view.verdict] >= RANK[view.peak]
        if not at_worst:
            found = [cause for cause in found if cause.cause not in PARTS]
        if found and (at_worst or rank(found) < rank(view.causes)):
            first = found[0]
            self.view = replace(
                view, cause=first.cause, explanation=first.explanation, causes=tuple(found)
            )

    def add_vendor_words(self, words: Iterable[VendorWord]) -> None:
        """Note what the vendor's sources say; one not read since a restart keeps its words."""
        latest = {word.endpoint: word for word in self.view.vendor}
        latest |= {word.endpoint: word for word in words}
        self.view = replace(self.view, vendor=tuple(latest.values()))

    def add_records(self, records: Iterable[str]) -> None:
        """Keep which records were missing or wrong: what is back now explains what failed then."""
        self.view = replace(self.view, records=joined(self.view.records, records))

    def count(self, arrivals: tuple[Arrivals, ...]) -> None:
        """Note how deliveries went while their causes were well, and while they failed."""
        self.view = replace(self.view, arrivals=arrivals)

    def follow(self, verdict: Verdict) -> None:
        """Take on the service's verdict; `peak` keeps the worst."""
        view = self.view
        peak = verdict if RANK[verdict] > RANK[view.peak] else view.peak
        state = self._state(verdict, acknowledged=view.acknowledged)
        self.view = replace(view, verdict=verdict, peak=peak, state=state)

    def acknowledge(self, at: Moment, by: str) -> None:
        """Somebody has seen it."""
        self._set_acknowledged(at, by, on=True)

    def forget_parts(self, ended: Iterable[str]) -> None:
        """Forget what is well again: wrong once more, it is new."""
        well = tuple(f"{each} " for each in ended)
        kept = tuple(part for part in self.parts if not f"{part} ".startswith(well))
        if len(kept) < len(self.parts):  # else it stays the same object: nothing is written
            self.parts = kept

    def add_parts(self, wrong: Iterable[str]) -> list[str]:
        """Note what is wrong now; the parts that are new.

        The first are not: it opened with them, or an older beacon has remembered none.
        """
        new = [part for part in dict.fromkeys(wrong) if part not in self.parts]
        known = bool(self.parts)
        if new:
            self.parts = (*self.parts, *new)
        return new if known else []

    def reopen(self) -> None:
        """Ask for acknowledgement anew."""
        self._set_acknowledged(None, None, on=False)

    def _set_acknowledged(self, at: Moment | None, by: str | None, *, on: bool) -> None:
        state = self._state(self.view.verdict, acknowledged=on)
        self.view = replace(
            self.view, acknowledged=on, acknowledged_at=at, acknowledged_by=by, state=state
        )

    def admitted(self, at: Moment) -> None:
        """Note the vendor's first admission."""
        if self.admitted_at is None:
            self.admitted_at = at
            self.view = replace(self.view, vendor_lead=max(0.0, at - self.view.since))

    def measure(self, at: Moment, session_lifetime: float | None) -> None:
        """Estimate the share of sessions that had to sign in again since the onset."""
        if session_lifetime is not None and self.view.peak in RED:
            onset = self.view.since if self.onset_at is None else self.onset_at
            share = min(1.0, (at - onset) / session_lifetime)
            self.view = replace(self.view, impact=round(share, 2))

    def close(self, at: Moment, verdict: Verdict) -> None:
        """All is lastingly well."""
        self.view = replace(self.view, state=IncidentState.CLOSED, closed_at=at, verdict=verdict)

    @staticmethod
    def _state(verdict: Verdict, *, acknowledged: bool) -> IncidentState:
        if verdict is Verdict.RECOVERING or verdict in CALM:  # well again, but not for long enough
            return IncidentState.RECOVERING
        return IncidentState.ACKNOWLEDGED if acknowledged else IncidentState.OPEN


def foremost(incidents: Iterable[Incident]) -> Incident | None:
    """The incident people should look at: the worst, then unacknowledged, then oldest."""
    return min(
        incidents,
        key=lambda i: (-RANK[i.view.verdict], i.view.acknowledged, i.view.since),
        default=None,
    )


# An incident that held nothing but slowness outlasts it: it is recovering until nothing has been
# slow for half an hour. What is slow again by then, in the same cell, is the same trouble: nobody
# is asked again. Anything else that begins meanwhile widens it; red escalates (docs/slowness.md).


def outlast_slowness(
    incident: Incident,
    change: Change,
    verdict: Verdict,
    endpoints: Sequence[EndpointState],
    at: Moment,
) -> tuple[Change, float | None]:
    """What a change of verdict means for an open incident; when to look again, if it rests.

    `Change.WIDENED` is a question: what begins after the verdict was well may be the same slowness.
    """
    if verdict in CALM:
        rests = change is Change.CLOSED or incident.view.verdict in CALM
        return _rest(incident, endpoints, at) if rests else (change, None)
    if change is Change.OPENED:
        change = Change.ESCALATED if verdict in RED else Change.WIDENED
    return change, None


def _rest(
    incident: Incident, endpoints: Sequence[EndpointState], at: Moment
) -> tuple[Change, float | None]:
    due = quiet_at(incident, endpoints)
    if at < due:
        return Change.NONE, due
    unread = any(not e.settled for e in endpoints)  # since a restart; to be read soon
    return Change.NONE if unread else Change.CLOSED, None


def quiet_at(incident: Incident, endpoints: Sequence[EndpointState]) -> float:
    """When nothing will have been slow for long enough; long ago, if that is not all it held."""
    if not only_slowness(incident):
        return LONG_AGO
    return max(e.quiet_at for e in endpoints)


def only_slowness(incident: Incident) -> bool:
    """Whether the incident has held nothing but slowness so far."""
    slow = "kind slow" in incident.parts
    return slow and all(p.startswith(("degraded ", "kind slow")) for p in incident.parts)
