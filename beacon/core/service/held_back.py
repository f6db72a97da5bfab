"""What holds the alarms of one service back: an operator, or what its trouble depends on.

*Suppressed* (shelved, in maintenance): it is probed as ever, and asks for nothing. Afterwards it is
no alarm before a fresh probe confirmed it, and only what is worse than before is one.
*Inhibited*: something it depends on explains all its trouble (`inhibition`). Lamps flash, silently.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from beacon.core.effects import Recheck
from beacon.core.endpoint.state import SHORTEST_WAIT, EndpointState
from beacon.core.model import NO_PROBLEM, OPENING, RED, Moment, Outcome, Verdict
from beacon.core.service.hold import ALARMING, Change
from beacon.core.service.incident import Incident
from beacon.core.service.inhibition import Parent, depends_on_trouble
from beacon.core.service.shared_parts import SharedParts


@dataclass(frozen=True, slots=True)
class Suppression:
    """A service that is suppressed, or was until just now and is not yet confirmed.

    `before` is its verdict when it began, or that it has recovered since; `ended_at` is None while
    it is suppressed.
    """

    before: Verdict
    ended_at: Moment | None = None


def time_to_confirm(endpoints: Iterable[EndpointState]) -> float:
    """Seconds after a suppression in which what is wrong must be read again, or is an alarm."""
    return max((e.longest_unread for e in endpoints if e.rereadable), default=SHORTEST_WAIT)


def confirmed(verdict: Verdict, culprits: Iterable[EndpointState], since: float) -> bool:
    """Whether any of what is wrong with a service has been probed since then, and failed again.

    What cannot be asked again counts by its last reading: there may never be another.
    """
    return verdict not in OPENING or any(
        not e.rereadable or (e.started >= since and _failed(e)) for e in culprits
    )


def _failed(culprit: EndpointState) -> bool:
    because = culprit.because
    return because is not None and because.outcome in (Outcome.FAIL, Outcome.WARN)


def worse_than(before: Verdict, verdict: Verdict, *, incident: bool) -> Change | None:
    """What a service is worse by than before it was suppressed. `incident`: one is open."""
    if verdict not in OPENING:
        return None
    if not incident:
        return Change.OPENED
    if verdict in RED and before not in RED:
        return Change.RELAPSED if before is Verdict.RECOVERING else Change.ESCALATED
    return None


class HeldBack:
    """One service. What survives a restart is `suppression` and `inhibited`."""

    def __init__(self, service: str, shared: SharedParts) -> None:
        self.suppression: Suppression | None = None  # by an operator, or until just now
        self.inhibited = False  # all its trouble is explained by what it depends on
        self.parents: Mapping[str, tuple[Parent, ...]] = {}
        self._service, self._shared = service, shared

    def restore(self, suppression: Suppression | None, *, inhibited: bool) -> None:
        """Go on from what was kept."""
        self.suppression = suppression
        self._set_inhibited(on=inhibited)

    @property
    def awaits_reading(self) -> bool:
        """Whether every reading may end what holds an alarm back, even one that changes nothing.

        Inhibited: the first reading after the parent came back. Suppressed until just now: the
        reading that confirms what is wrong.
        """
        suppression = self.suppression
        return self.inhibited or (suppression is not None and suppression.ended_at is not None)

    def hold(
        self,
        change: Change,
        verdict: Verdict,
        endpoints: Sequence[EndpointState],
        incident: Incident | None,
        at: Moment,
    ) -> Change:
        """What a change means once all is taken off that must not alarm now."""
        change = self._suppress(change, verdict, endpoints, incident, at)
        if self.suppression is not None:
            return change
        if verdict in OPENING and incident is None and not self.inhibited:
            change = Change.OPENED  # wrong anew after an alarm that was held back until it was over
        return self._inhibit(change, verdict, endpoints, incident, at)

    # --- suppressed by an operator ------------------------------------------------

    def follow_overlays(
        self,
        verdict: Verdict,
        endpoints: Iterable[EndpointState],
        incident: Incident | None,
        at: Moment,
    ) -> None:
        """Begin or end the suppression, as the overlays say."""
        suppression, shared = self.suppression, self._shared
        if shared.overlays.suppressed(self._service):
            before = verdict if suppression is None else suppression.before
            self.suppression = Suppression(before)
            shared.tower.annunciator.suppress(self._service)
        elif suppression is not None and suppression.ended_at is None:
            self.suppression = replace(suppression, ended_at=at)
            self._await_confirmation(suppression, incident)
            if asked := tuple(e.spec.id for e in endpoints if e.rereadable):
                shared.effects.append(Recheck(at, at, asked))

    def restore_suppression(self, incident: Incident | None) -> None:
        """Go on with a suppression of before a restart."""
        if self.suppression is not None and self.suppression.ended_at is not None:
            self._await_confirmation(self.suppression, incident)

    def _await_confirmation(self, suppression: Suppression, incident: Incident | None) -> None:
        """Show at once what was wrong before and still is; the rest waits for a probe."""
        held = incident is not None or self.inhibited
        shown = suppression.before if held and suppression.before in OPENING else None
        self._shared.tower.annunciator.await_confirmation(self._service, shown)

    def _suppress(
        self,
        change: Change,
        verdict: Verdict,
        endpoints: Sequence[EndpointState],
        incident: Incident | None,
        at: Moment,
    ) -> Change:
        """Hold alarms back while it is suppressed, and until it is confirmed afterwards.

        Then only what is worse than before is an alarm (docs/operators.md).
        """
        suppression, timer = self.suppression, ("unconfirmed", self._service)
        if suppression is None:
            return change
        calm = Change.NONE if change in ALARMING else change
        if suppression.ended_at is None:
            if change is Change.RECOVERING:  # red again is a relapse, of which nobody knows
                self.suppression = Suppression(Verdict.RECOVERING)
            return calm
        due, culprits = suppression.ended_at + time_to_confirm(endpoints), _culprits(endpoints)
        if at < due and not confirmed(verdict, culprits, suppression.ended_at):
            self._shared.timers.set(timer, due)
            return calm
        self._shared.timers.set(timer, None)
        self.suppression = None
        self._shared.tower.annunciator.end_suppression(self._service, at)
        return worse_than(suppression.before, verdict, incident=incident is not None) or calm

    # --- inhibited by what it depends on ------------------------------------------

    def _inhibit(
        self,
        change: Change,
        verdict: Verdict,
        endpoints: Sequence[EndpointState],
        incident: Incident | None,
        at: Moment,
    ) -> Change:
        """Hold an alarm back while all the trouble depends on something else.

        The lamps flash as usual; incident and sound come when it fails by itself
        (docs/operators.md).
        """
        if not self.inhibited and change not in ALARMING:
            return change
        if verdict in NO_PROBLEM or change in (Change.RECOVERING, Change.CLOSED):
            self._set_inhibited(on=False)
            return change
        culprits = _culprits(endpoints)
        explained = [depends_on_trouble(e, self.parents[e.spec.id], at) for e in culprits]
        if all(explained) if culprits else self.inhibited:
            self._set_inhibited(on=True)
            if change in ALARMING:
                self._flash(incident)
            return Change.NONE
        if self.inhibited:
            self._set_inhibited(on=False)
            change = Change.RELAPSED
        return Change.OPENED if incident is None else change

    def _set_inhibited(self, *, on: bool) -> None:
        self.inhibited = on
        self._shared.tower.annunciator.inhibit(self._service, on=on)

    def _flash(self, incident: Incident | None) -> None:
        """Ask for acknowledgement without a sound, of the lamp as of the incident."""
        if incident is not None:
            incident.reopen()
        self._shared.tower.annunciator.flash(self._service)


def _culprits(endpoints: Iterable[EndpointState]) -> list[EndpointState]:
    """The endpoints that are wrong now."""
    return [e for e in endpoints if e.wrong]
