"""A beacon that lives through anything: what holds after every single event.

The machine is the world around `Monitor`: endpoints read, operators, the calendar, the disk,
reloads, restarts. It answers what the core asks of the witnesses at once, as the engine does,
and keeps an account of its own by which it judges what is announced and shown.
"""

import math
from dataclasses import dataclass, replace
from typing import get_args

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from beacon.core.effects import (
    Announced,
    Announcement,
    Answered,
    IncidentChanged,
    IndicationChanged,
    OverallChanged,
    OverlaysChanged,
    Recheck,
    ServiceChanged,
    Sounded,
    Transition,
)
from beacon.core.indication import Colour, Pattern, Sound
from beacon.core.inputs import (
    Acknowledge,
    Attest,
    Bypass,
    ClockStepped,
    ClockSynchronised,
    Controlled,
    DateImplausible,
    Drill,
    Event,
    HourBegan,
    Maintenance,
    Observed,
    OperatorEvent,
    QuietHours,
    Resume,
    RunDelayed,
    Scheduled,
    Shelve,
    Silence,
    StorageDegraded,
    TimePassed,
)
from beacon.core.model import (
    NO_PROBLEM,
    RANK,
    RED,
    Attestation,
    ClockSeen,
    Endpoint,
    Evidence,
    Health,
    Outcome,
    Preset,
    Reading,
    Reason,
    Sequence,
    Service,
    Site,
    Verdict,
)
from beacon.core.monitor import Monitor
from beacon.core.views import EndpointRead, IncidentState, SilenceChanged
from tests.core.conftest import shifted
from tests.examples import few

pytestmark = pytest.mark.untraced

MINUTE, HOUR = 60.0, 3600.0
INTERVAL, STALE_AFTER = 30.0, 95.0
WHO = {"by": "analyst", "origin": "cli"}


def endpoint(name, evidence, kind="http", **more):
    service = name.partition("/")[0]
    return Endpoint(id=name, service=service, name=name, kind=kind, evidence=evidence, **more)


EYE = {"failure_threshold": 1, "retry_interval": None}
WITNESSES = (
    endpoint("witness/gateway", Evidence.WITNESS, local=True, **EYE),
    endpoint("witness/a", Evidence.WITNESS, **EYE),
    endpoint("witness/b", Evidence.WITNESS, **EYE),
    endpoint("witness/clock", Evidence.WITNESS, kind="ntp", **EYE),
)
MFA = Service(
    id="mfa",
    name="MFA",
    endpoints=(
        endpoint("mfa/a", Evidence.SYMPTOM, region="emea"),
        endpoint("mfa/b", Evidence.SYMPTOM, region="apac"),
        endpoint("mfa/health", Evidence.HEALTH),
        endpoint("mfa/vendor", Evidence.CLAIM, failure_threshold=1),
        endpoint("mfa/records", Evidence.CAUSE),
        endpoint("mfa/users", Evidence.SYMPTOM, hindsight=600.0, failure_threshold=1),
    ),
    session_lifetime=HOUR,
)
SMS = Service(
    id="sms",
    name="SMS",
    endpoints=(endpoint("sms/send", Evidence.SYMPTOM, depends_on=("mfa/a",)),),
)
VPN = Service(
    id="vpn",
    name="VPN",
    endpoints=(endpoint("vpn/sign-in", Evidence.SYMPTOM, sign_in=True, clock_bound=True),),
)
WHOLE = (MFA, SMS, VPN)
FEWER = (replace(MFA, endpoints=(MFA.endpoints[0], *MFA.endpoints[2:])), VPN)
BASIS = ("mfa/a", "mfa/b", "sms/send", "vpn/sign-in")
NAMES = tuple(e.id for s in WHOLE for e in s.endpoints)
EYES = tuple(w.id for w in WITNESSES)
OUTSIDE = ("witness/a", "witness/b", "witness/clock")

GOOD = (Outcome.PASS, Outcome.WARN)
ALARMS = (
    Announcement.OPENED,
    Announcement.ESCALATED,
    Announcement.RELAPSED,
    Announcement.WIDENED,
)
LENDING = (Verdict.OK, Verdict.ADVISORY, Verdict.RECOVERING)
SUPPRESSED = {"shelved", "maintenance"}
COMMANDS = (Acknowledge, Silence, Shelve, Maintenance, Bypass, Attest, Drill, Resume)
CHANGES = (Announced, Sounded, OverlaysChanged, SilenceChanged, ServiceChanged, IndicationChanged)
BUDGETED = (Sound.CHIRP, Sound.TWO_CHIRPS)

services = st.sampled_from(("mfa", "sms", "vpn"))
anything = st.sampled_from(Reason)
trouble = st.sampled_from(
    (
        Reason.DEADLINE,
        Reason.DEADLINE,
        Reason.DNS_NXDOMAIN,
        Reason.SLOW,
        Reason.SIGN_IN_REJECTED,
        Reason.CERTIFICATE_EXPIRING,
        Reason.INTERNAL_ERROR,
        Reason.TLS_NOT_YET_VALID,
    )
)


@dataclass
class Account:
    """What is known of one service's endpoint without asking the core."""

    good_at: float = -math.inf  # since the last restart, change of settings, or loss of trust
    fails: int = 0  # since then
    errors: int = 0  # in a row

    def read(self, reading, at):
        outcome = reading.outcome
        if reading.reason is Reason.SAMPLE_TOO_SMALL:
            return  # nobody was there: silence
        self.errors = self.errors + 1 if outcome is Outcome.ERROR else 0
        if outcome in GOOD:
            self.good_at, self.fails = at, 0
        elif outcome is Outcome.FAIL:
            self.fails += 1

    def fresh(self, at):
        return at - self.good_at <= STALE_AFTER and self.fails < 3 and self.errors < 3


class Beacon(RuleBasedStateMachine):
    """One site's life."""

    @initialize(
        sequence=st.sampled_from(Sequence), lock_in=st.booleans(), preset=st.sampled_from(Preset)
    )
    def begin(self, sequence, lock_in, preset):
        self.site = Site(
            id="soc",
            services=WHOLE,
            witnesses=WITNESSES,
            sequence=sequence,
            lock_in=lock_in,
            preset=preset,
            attest=(Attestation(id="keys", name="Keys", every=2 * HOUR, services=("vpn",)),),
        )
        self.now = self.before = 1000.0
        self.eyes = dict.fromkeys(EYES, Reason.OK)  # what each witness would see now
        self.accounts = {name: Account() for name in NAMES}
        self.last = {}  # the last effect of each kind, by what it is about
        self.stories = {}  # incident number → what was announced of it
        self.spent = []
        self.asked = True  # somebody may have something to acknowledge
        self.presses = dict.fromkeys(("mfa", "sms", "vpn"), 0)  # since it was last in trouble
        # Not suppressed since it was last well.
        self.never_suppressed = dict.fromkeys(("mfa", "sms", "vpn"), True)
        self.quiet = self.nameless = False
        self.attested = False
        self.monitor = Monitor(self.site)
        self.take(None, self.monitor.start(self.now), ())

    # --- the world ----------------------------------------------------------------

    def handle(self, event):
        """Hand in an event, after everything that comes due before it; judge what follows."""
        if not isinstance(event, TimePassed):
            self.handle(TimePassed(event.at))
        self.now = event.at
        was = self.monitor.view()
        effects = self.monitor.handle(event)
        if isinstance(event, Observed) and event.endpoint in self.accounts:
            self.accounts[event.endpoint].read(event.reading, event.at)
        self.take(event, effects, suppressed(was), was)
        self.nothing_was_left()
        self.answer(effects)

    def nothing_was_left(self):
        """Whatever follows from an event comes with it: to look again says nothing new.

        But for how many codes arrived: while all is well, that waits for other news.
        """
        was = self.monitor.view()
        known = {replace(service, arrivals=()) for service in was.services}
        again = self.monitor.handle(StorageDegraded(self.now, was.overall.storage_degraded))
        news = [e for e in again if isinstance(e, CHANGES)]
        left = [
            e
            for e in news
            if not isinstance(e, ServiceChanged) or replace(e.service, arrivals=()) not in known
        ]
        assert not left, "left for the next event"
        self.only_changes(again)  # shares grow with time

    def answer(self, effects):
        """Run the witnesses that were asked for, at once."""
        for effect in effects:
            if isinstance(effect, Recheck):
                assert effect.endpoints, "an order to nobody"
                for name in (n for n in effect.endpoints if n in EYES):
                    at = max(self.now, effect.due)
                    self.handle(Observed(at, name, Reading(self.eyes[name]), at, regular=False))

    def look(self):
        """All witnesses, regularly."""
        for name in EYES:
            self.read(name, self.eyes[name])

    def read(self, name, reason, regular=True):
        self.handle(Observed(self.now, name, Reading(reason), self.now, regular=regular))

    def wait(self, seconds):
        """Let time pass as the engine does: from deadline to deadline."""
        until = self.now + seconds
        while (due := self.monitor.next_deadline()) is not None and due <= until:
            self.handle(TimePassed(due))
        self.handle(TimePassed(until))

    # --- rules --------------------------------------------------------------------

    @rule(
        name=st.sampled_from(NAMES), reason=anything, wait=st.floats(0, 60), regular=st.booleans()
    )
    def one_reading(self, name, reason, wait, regular):
        self.wait(wait)
        self.read(name, reason, regular)

    @rule(
        names=st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
        reason=trouble,
        times=st.integers(1, 6),
    )
    def some_read_ill(self, names, reason, times):
        """The others read well."""
        for _ in range(times):
            self.wait(INTERVAL)
            self.look()
            for name in NAMES:
                self.read(name, reason if name in names else Reason.OK)

    @rule(
        names=st.lists(st.sampled_from(NAMES), unique=True),
        vendor=st.sampled_from(
            (Reason.OK, Reason.VENDOR_INCIDENT, Reason.VENDOR_DEGRADED, Reason.HTTP_STATUS)
        ),
        outage=st.sampled_from((BASIS, ("mfa/a", "mfa/b"), ("sms/send",), ("vpn/sign-in",))),
    )
    def outage(self, names, vendor, outage):
        """Whole services fail, whatever the vendor says."""
        for _ in range(3):
            self.wait(INTERVAL)
            self.look()
            for name in NAMES:
                ill = name in outage or name in names
                self.read(name, Reason.DEADLINE if ill else Reason.OK)
            self.read("mfa/vendor", vendor)

    @rule(minutes=st.sampled_from((1, 3, 20)))
    def all_well(self, minutes):
        for _ in range(2 * minutes):
            self.wait(INTERVAL)
            self.look()
            for name in NAMES:
                self.read(name, Reason.OK)

    @rule(seconds=st.one_of(st.floats(0, 400), st.sampled_from((HOUR, 9 * HOUR, 48 * HOUR))))
    def time_passes(self, seconds):
        self.wait(seconds)

    @rule(seconds=st.sampled_from((10.0, 100.0, 2 * HOUR)))
    def halts(self, seconds):
        """The machine stood still: everything comes due at once."""
        self.handle(TimePassed(self.now + seconds))

    @rule(names=st.sampled_from((OUTSIDE, EYES, ("witness/a",))))
    def own_network_goes(self, names):
        self.eyes |= dict.fromkeys(names, Reason.CONNECT_TIMEOUT)
        self.look()

    @rule()
    def own_clock_goes(self):
        self.eyes["witness/clock"] = Reason.OWN_CLOCK
        self.look()

    @rule()
    def own_eyes_are_back(self):
        self.eyes = dict.fromkeys(EYES, Reason.OK)
        self.look()

    @rule(on=st.booleans())
    def synchronised(self, on):
        self.handle(ClockSynchronised(self.now, on))

    @rule(
        hour=st.sampled_from((None, 0, 167, 168, 10_000)),
        latency=st.sampled_from((0.1, 3.0, 20.0)),
        times=st.integers(1, 8),
    )
    def latency_changes(self, hour, latency, times):
        self.handle(HourBegan(self.now, hour))
        for _ in range(times):
            self.wait(INTERVAL)
            for name in NAMES:
                slow = Reading(Reason.OK, latency=latency)
                self.handle(Observed(self.now, name, slow, self.now))

    @rule(by=st.sampled_from((-1e9, -86_400.0, 3.0, 86_400.0, 1e9)))
    def clock_is_set(self, by):
        self.handle(ClockStepped(self.now, by))

    @rule(
        names=st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
        offset=st.sampled_from((0.0, 14.0, 3600.0, -1e9)),
    )
    def tell_the_time(self, names, offset):
        """Answers that carry a date."""
        self.wait(INTERVAL)
        for name in names:
            seen = Reading(Reason.OK, clock=ClockSeen(offset, name), ttl=300.0)
            self.handle(Observed(self.now, name, seen, self.now))

    @rule(names=st.lists(st.sampled_from((*NAMES, *OUTSIDE)), min_size=2, unique=True))
    def no_name_is_found(self, names):
        """Our own resolver, or somebody's zone."""
        self.nameless = True  # without names the network is lost, but what is reached is proof
        self.wait(INTERVAL)
        for name in names:
            unresolved = Reading(Reason.DNS_SERVFAIL, resolver=False)
            self.handle(Observed(self.now, name, unresolved, self.now))

    @rule(on=st.booleans())
    def date(self, on):
        self.handle(DateImplausible(self.now, on))

    @rule(on=st.booleans())
    def storage(self, on):
        self.handle(StorageDegraded(self.now, on))
        assert self.monitor.view().overall.storage_degraded is on

    @rule(on=st.booleans())
    def quiet_hours(self, on):
        self.handle(QuietHours(self.now, on))

    @rule(hours=st.sampled_from((0.1, 8.0)))
    def a_night(self, hours):
        self.handle(QuietHours(self.now, on=True))
        self.wait(hours * HOUR)
        self.handle(QuietHours(self.now, on=False))

    @rule(service=st.one_of(st.none(), services))
    def acknowledge(self, service):
        self.handle(Acknowledge(self.now, by="analyst", origin="button", service=service))

    @rule(service=st.one_of(st.none(), services))
    def take_back(self, service):
        """Somebody had not seen it after all."""
        self.handle(Acknowledge(self.now, by="analyst", origin="button", service=service, on=False))

    @rule(on=st.booleans(), seconds=st.sampled_from((600.0, HOUR)))
    def silence(self, on, seconds):
        self.handle(Silence(self.now, on, **WHO, seconds=seconds))

    @rule(service=services, seconds=st.sampled_from((100.0, HOUR, 8 * HOUR)))
    def shelve(self, service, seconds):
        self.handle(Shelve(self.now, service, True, **WHO, seconds=seconds))

    @rule(service=st.one_of(st.none(), services), seconds=st.sampled_from((4 * HOUR, 300.0)))
    def maintain(self, service, seconds):
        self.handle(Maintenance(self.now, service, True, **WHO, seconds=seconds))

    @rule(names=st.lists(services, unique=True), seconds=st.sampled_from((100.0, HOUR)))
    def windows(self, names, seconds):
        ends = self.now + seconds
        self.handle(Scheduled(self.now, tuple((name, ends, "window") for name in names)))

    @rule(service=st.one_of(st.none(), services), on=st.booleans())
    def bypass(self, service, on):
        self.handle(Bypass(self.now, service, on, **WHO))

    @rule(name=st.sampled_from(NAMES), seconds=st.floats(0, 60))
    def must_wait_for_a_code(self, name, seconds):
        self.handle(RunDelayed(self.now, name, seconds))

    @rule(service=st.one_of(st.none(), services))
    def resume(self, service):
        self.handle(Resume(self.now, service, **WHO))

    @rule(kind=st.sampled_from((Shelve, Maintenance)), service=st.one_of(st.none(), services))
    def unsuppress(self, kind, service):
        self.handle(kind(self.now, service, False, **WHO))

    @rule(on=st.booleans())
    def attest(self, on):
        self.handle(Attest(self.now, "keys", **WHO, on=on))

    @rule(on=st.booleans(), verdict=st.sampled_from(Verdict))
    def drill(self, on, verdict):
        self.handle(Drill(self.now, on, **WHO, verdict=verdict))

    @rule(chosen=st.sampled_from((WHOLE, FEWER)), changed=st.sets(st.sampled_from(NAMES)))
    def reload(self, chosen, changed):
        """Endpoints and services come and go."""
        self.handle(TimePassed(self.now))
        gone = {s.id for s in self.site.services} - {s.id for s in chosen}
        was = self.monitor.view()
        there = {e.id for e in self.site.endpoints}
        self.site = replace(self.site, services=chosen)
        watched = {e.id for e in self.site.endpoints}
        for name in NAMES:
            if name in changed or name not in there or name not in watched:
                self.accounts[name] = Account()
        self.last = {k: v for k, v in self.last.items() if k[1] not in {*gone, *changed}}
        self.last = {k: v for k, v in self.last.items() if k[1] not in there - watched}
        effects = self.monitor.reconfigure(self.site, self.now, frozenset(changed))
        assert not {s.id for s in self.monitor.view().services} & gone
        self.take(None, effects, suppressed(was), was)
        self.answer(effects)

    @rule(
        down=st.sampled_from((0.0, 40.0, 2 * HOUR)),
        shift=st.sampled_from((0.0, -500.0, 1e6)),
        resume=st.booleans(),
    )
    def restart(self, down, shift, resume):
        """Die, whatever way, and come back; monotonic time may begin anew."""
        self.handle(TimePassed(self.now))
        before = self.monitor.view()
        memory = shifted(self.monitor.remember(self.now), shift)
        self.now += down + shift
        self.before = self.now
        self.spent = [at + shift for at in self.spent]
        self.accounts = {name: Account() for name in NAMES}
        self.last = {}
        self.monitor = Monitor(self.site)
        effects = self.monitor.start(self.now, memory, resume=resume)
        stopped = {s.id for s in before.services if "guard_stopped" in s.overlays}
        for effect in effects:
            assert not isinstance(effect, Sounded)
            if isinstance(effect, Announced):
                assert effect.what is Announcement.BLIND, "nothing else is new"
                assert effect.service in stopped, "what is not read again cannot be starting"
        self.take(None, effects, ())
        self.as_before(before, self.monitor.view(), shift, down)
        if self.quiet:
            self.handle(QuietHours(self.now, on=True))

    def as_before(self, before, after, shift, down):
        """What was bad is held, what was good is forgotten; what was open is as it was."""
        grown = [i.impact for i in after.incidents]  # as the outage goes on
        open_ones = zip(before.incidents, grown, strict=True)
        assert after.incidents == tuple(replace(shifted(i, shift), impact=g) for i, g in open_ones)
        held = {s.id: s.verdict for s in before.services if s.verdict not in NO_PROBLEM}
        for service in after.services:
            assert service.verdict is held.get(service.id, Verdict.BLIND)
            assert service.blind or "guard_stopped" in service.overlays, "what is held was seen"
        assert after.indication.green.pattern is Pattern.OFF
        scheduled = any(o.origin == "schedule" for o in before.overlays)  # the edge says it anew
        drill = "drill" in before.overall.overlays  # comes back as acknowledged
        if down or drill or scheduled:
            return
        assert after.indication.red == before.indication.red
        if all(s.verdict is not Verdict.ADVISORY for s in before.services):
            assert after.indication.amber == before.indication.amber

    # --- what holds ---------------------------------------------------------------

    def take(self, event, effects, suppressed_before, was=None):
        """Judge one batch of effects and the view after it."""
        view = self.monitor.view()
        if isinstance(event, QuietHours):
            self.quiet = event.on
        self.well_formed(event, effects, view)
        self.answered(event, effects)
        self.doubt(e.endpoint for e in effects if isinstance(e, EndpointRead) and void(e))
        self.only_changes(effects)
        self.all_is_published(view)
        self.overall_is_the_worst(view)
        calls = self.announced_in_order(effects, view)
        self.sounds_have_a_reason(event, effects, view, was, calls)
        if not any("drill" in v.overall.overlays for v in (view, was) if v is not None):
            self.sounds_are_few(effects)  # a drill has a budget of its own
        self.suppressed_are_mute(effects, suppressed_before, view)
        self.green_is_proved(view)
        self.red_is_proved(view)
        self.amber_has_a_reason(event, view)
        self.incidents_match_verdicts(view)
        if was is not None:
            self.well_meant_words_lower_nothing(event, was, view)
        lit = [view.indication.light(c).pattern is not Pattern.OFF for c in Colour]
        assert any(lit) or view.indication.flags, "dark means dead"
        due = self.monitor.next_deadline()
        assert due is None or event is None or due > self.now

    def well_formed(self, event, effects, view):
        """Every field holds what its annotation promises, and time goes forward."""
        for thing in (*effects, view):
            assert msgspec.convert(msgspec.to_builtins(thing), type(thing)) == thing
        if event is None:
            return  # what is recalled keeps its moment
        moments = [e.at for e in effects]
        assert moments == sorted(moments)
        assert all(at >= self.before for at in moments), "not before what was handled last"
        self.before = self.now
        assert all(at <= self.now for at in moments)
        if not isinstance(event, TimePassed):
            assert all(at == self.now for at in moments), "what was due came before"

    def answered(self, event, effects):
        """Whoever orders is answered, once, by name."""
        answers = [e for e in effects if isinstance(e, Answered)]
        if not isinstance(event, COMMANDS):
            assert answers == []
            return
        (answer,) = answers
        assert answer.command == type(event).__name__.lower()
        asked = (event.at, event.by, event.origin, event.reason)
        assert (answer.at, answer.by, answer.origin, answer.reason) == asked
        assert answer.ok is not bool(answer.error)
        assert answer.ok or not [e for e in effects if isinstance(e, CHANGES)], "refused: nothing"

    def overall_is_the_worst(self, view):
        overall, services = view.overall, view.services
        ranks = [RANK[s.verdict] for s in services]
        assert RANK[overall.verdict] == max(ranks)
        assert overall.problem is (overall.verdict not in NO_PROBLEM)
        assert overall.blind is any(s.blind for s in services)
        assert overall.starting is any(s.starting for s in services)
        assert overall.services == tuple((s.id, s.verdict) for s in services)
        assert [s.id for s in services] == [s.id for s in self.site.services]
        healths = {r.endpoint: r.health for r in view.endpoints}
        for service, spec in zip(services, self.site.services, strict=True):
            assert [name for name, _ in service.endpoints] == [e.id for e in spec.endpoints]
            for name, health in service.endpoints:
                assert health is healths.get(name, Health.UNKNOWN)
            words = set(service.overlays) - {"drill"}
            assert words <= set(overall.overlays)

    def only_changes(self, effects):
        for effect in effects:
            match effect:
                case ServiceChanged(service=view):
                    key, now = (ServiceChanged, view.id), view
                case OverallChanged(overall=view):
                    key, now = (OverallChanged, ""), view
                case IncidentChanged():
                    key, now = (IncidentChanged, ""), (effect.incident, effect.others)
                case IndicationChanged():
                    key, now = (IndicationChanged, ""), effect.indication
                case SilenceChanged():
                    key, now = (SilenceChanged, ""), effect.on
                    assert effect.on or self.last.get(key, True)
                case OverlaysChanged():
                    key = OverlaysChanged, effect.kind
                    now = effect.overlays, effect.overdue
                case Transition():
                    assert effect.was is not effect.now
                    known = self.last.get((Health, effect.endpoint), Health.UNKNOWN)
                    assert effect.was is known
                    key, now = (Health, effect.endpoint), effect.now
                case EndpointRead():
                    self.last[EndpointRead, effect.endpoint] = effect
                    continue
                case _:
                    continue
            assert key[0] is SilenceChanged or self.last.get(key) != now, f"{key} published twice"
            self.last[key] = now

    def all_is_published(self, view):
        """Who follows the effects knows all that the view shows."""
        assert self.last.get((OverallChanged, "")) == view.overall
        for service in view.services:
            assert self.last[ServiceChanged, service.id] == service
        for report in view.endpoints:
            assert self.last[EndpointRead, report.endpoint] == report
        shown, others = self.last.get((IncidentChanged, ""), (None, 0))
        assert len(view.incidents) == (others + 1 if shown else 0)
        assert shown is None or shown in view.incidents

    def announced_in_order(self, effects, view):
        """Opened once and first, closed once and last; return what calls for somebody."""
        calls = []
        for effect in effects:
            if not isinstance(effect, Announced) or effect.incident is None:
                continue
            story = self.stories.setdefault(effect.incident.number, [])
            assert (effect.what is Announcement.OPENED) is not bool(story)
            assert Announcement.CLOSED not in story
            story.append(effect.what)
            assert effect.verdict is effect.incident.verdict
            assert effect.service == effect.incident.service
            assert effect.cause == effect.incident.cause
            acknowledged = effect.what is Announcement.ACKNOWLEDGED
            taken_back = effect.what is Announcement.UNACKNOWLEDGED
            assert (effect.by is not None) is (acknowledged or taken_back)
            assert not acknowledged or effect.incident.acknowledged_by == effect.by
            assert not taken_back or not effect.incident.acknowledged
            closed = effect.what is Announcement.CLOSED
            assert (effect.incident.closed_at == effect.at) is closed
            assert (effect.incident.state is IncidentState.CLOSED) is closed
            relapsed = effect.what is Announcement.RELAPSED
            if relapsed and not self.relapse_calls(effect, view):
                continue
            if effect.what in ALARMS:
                assert not effect.incident.acknowledged
                assert effect.verdict in RED or effect.what is not Announcement.ESCALATED
                calls.append(effect)
        return calls

    def relapse_calls(self, effect, view):
        """It asks again; where only what flaps is red, it takes back that it was recovering."""
        incident = effect.incident
        if not incident.acknowledged:
            return True
        presses = (Announcement.ACKNOWLEDGED, Announcement.UNACKNOWLEDGED)
        announced = [what for what in self.stories[incident.number] if what not in presses]
        assert announced[-2] is Announcement.RECOVERING
        assert self.flaps(incident.service, view)
        return False

    def flaps(self, service, view):
        """Whether something that counts against a service flaps."""
        kept = self.monitor.remember(self.now).endpoints
        flapping = {name for name, each in kept.items() if each.flapping}
        (shown,) = (dict(s.endpoints) for s in view.services if s.id == service)
        ill = {name for name, health in shown.items() if health in (Health.DEGRADED, Health.DOWN)}
        return bool(ill & flapping - {"mfa/vendor"})

    def sounds_have_a_reason(self, event, effects, view, was, alarms):
        sounds = [e.sound for e in effects if isinstance(e, Sounded)]
        pulses = [s for s in sounds if s in (Sound.PULSE, Sound.THREE_PULSES)]
        if alarms or (isinstance(event, Drill) and event.on):
            self.asked = True
        assert self.asked or not pulses, "acknowledged, and nothing new"
        if isinstance(event, Acknowledge) and event.service is None:
            self.asked = not event.on
        if pulses and not alarms and "drill" not in (*view.overall.overlays, *was.overall.overlays):
            waiting = [i for i in was.incidents if not i.acknowledged and i.verdict in RED]
            assert {i.service for i in waiting} - suppressed(was), "nobody's alarm"
        began = isinstance(event, Drill | QuietHours)
        assert sounds.count(Sound.THREE_PULSES) <= max(1, len(alarms) + began)
        if self.quiet:
            assert not sounds
        silenced = self.last.get((SilenceChanged, ""), False)
        ended = any(isinstance(e, SilenceChanged) for e in effects)
        if silenced and not ended:
            assert set(sounds) <= {Sound.THREE_PULSES}

    def sounds_are_few(self, effects):
        self.spent += [e.at for e in effects if isinstance(e, Sounded) and e.sound in BUDGETED]
        for first, seventh in zip(self.spent, self.spent[6:], strict=False):
            assert seventh - first >= HOUR

    def suppressed_are_mute(self, effects, suppressed_before, view):
        still = set(suppressed_before) & suppressed(view)
        turns = sum(isinstance(e, OverlaysChanged) for e in effects)
        if turns:
            return  # one may have ended and another begun between two events
        for effect in effects:
            if isinstance(effect, Announced) and effect.service in still:
                assert effect.what not in (*ALARMS, Announcement.BLIND)
        if "drill" not in view.overall.overlays and len(still) == len(view.services):
            assert not [e for e in effects if isinstance(e, Sounded)]

    def green_is_proved(self, view):
        if view.overall.network == "lost" and not self.nameless:
            self.doubt(BASIS)
        if view.overall.clock == "lost":
            self.doubt(("vpn/sign-in",))
        if view.indication.green.pattern is Pattern.OFF:
            return
        not_suppressed = [s for s in view.services if s.id not in suppressed(view)]
        lend = [s.id for s in not_suppressed if s.verdict in LENDING and not s.blind]
        assert lend, "nobody lends it"
        worst = max((s.verdict for s in not_suppressed), key=RANK.__getitem__)
        assert worst in LENDING
        assert len(lend) == len(not_suppressed), "somebody is blind"
        watched = {e.id for e in self.site.endpoints}
        for name in BASIS:
            if name in watched and name.partition("/")[0] in lend:
                assert self.accounts[name].fresh(self.now), name

    def doubt(self, names):
        for name in self.accounts.keys() & set(names):
            self.accounts[name].good_at = -math.inf

    def red_is_proved(self, view):
        if view.indication.red.pattern is Pattern.OFF or "drill" in view.overall.overlays:
            return
        not_suppressed = [s for s in view.services if s.id not in suppressed(view)]
        reds = [s for s in not_suppressed if s.verdict in RED]
        assert reds
        for service in reds:
            known = {h for _, h in service.cells if h is not Health.UNKNOWN}
            assert service.blind or known == {Health.DOWN}

    def amber_has_a_reason(self, event, view):
        """Trouble, or trouble that is over and was not yet acknowledged (and reset)."""
        presses = isinstance(event, Acknowledge) and event.on
        for service in view.services:
            if service.verdict not in (Verdict.OK, Verdict.BLIND):
                self.presses[service.id] = 0
            elif presses and event.service in (None, service.id):
                self.presses[service.id] += 1
        if view.indication.amber.pattern is Pattern.OFF or "drill" in view.overall.overlays:
            return
        not_suppressed = {s.id for s in view.services} - suppressed(view)
        assert any(self.presses[name] < 2 for name in not_suppressed)

    def incidents_match_verdicts(self, view):
        states = {i.service: i for i in view.incidents}
        assert len(states) == len(view.incidents), "one for each service"
        verdicts = {s.id: s.verdict for s in view.services}
        for name, incident in states.items():
            assert incident.verdict is verdicts[name]
            assert incident.verdict not in (*NO_PROBLEM, Verdict.BLIND)
            assert RANK[incident.peak] >= RANK[incident.verdict]
            recovering = incident.state is IncidentState.RECOVERING
            assert recovering is (incident.verdict is Verdict.RECOVERING)
            assert incident.closed_at is None
        for name, verdict in verdicts.items():
            if name in suppressed(view):
                self.never_suppressed[name] = False
            elif verdict in NO_PROBLEM:
                self.never_suppressed[name] = True
        bad = verdicts["mfa"] not in (*NO_PROBLEM, Verdict.BLIND)
        if self.never_suppressed["mfa"] and bad:
            assert "mfa" in states, "trouble is an incident"

    def well_meant_words_lower_nothing(self, event, was, view):
        """A passing claim or health reading beside a failing symptom."""
        if not isinstance(event, Observed) or event.reading.outcome is not Outcome.PASS:
            return
        if event.endpoint not in ("mfa/vendor", "mfa/health"):
            return
        before = next(s for s in was.services if s.id == "mfa")
        after = next(s for s in view.services if s.id == "mfa")
        if Health.DOWN in dict(before.cells).values():
            assert after.cells == before.cells
            assert RANK[after.verdict] >= RANK[before.verdict]
            assert after.since == before.since or after.verdict is not before.verdict
            if was.indication.red.pattern is not Pattern.OFF:
                assert view.indication.red.pattern is not Pattern.OFF


def void(read):
    """Whether a reading was found to be worth nothing."""
    return read.reading.reason in (Reason.OWN_NETWORK, Reason.OWN_CLOCK)


def suppressed(view):
    return {s.id for s in view.services if SUPPRESSED & set(s.overlays)}


class TestBeacon(Beacon.TestCase):
    """A few short lives; `make slow ARGS=worlds` lives many."""

    settings = settings(
        max_examples=few(8),
        stateful_step_count=30,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


def test_an_event_that_the_machine_never_sends_is_noticed():
    clock = {DateImplausible, ClockSynchronised, ClockStepped, HourBegan, QuietHours, Scheduled}
    others = {StorageDegraded, Observed, Controlled, RunDelayed, TimePassed, OperatorEvent}
    assert set(get_args(Event)) == {*clock, *others}
    asked = {kind.__name__ for kind in OperatorEvent.__subclasses__()}
    assert asked == {kind.__name__ for kind in COMMANDS}
