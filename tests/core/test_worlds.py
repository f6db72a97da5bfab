"""What holds in every random world, at every moment. docs/properties.md says how each was broken.

`BEACON_WORLDS` is how many are lived (`make slow ARGS=worlds`: 5,000).
"""

import math
import os
from collections import Counter

import pytest

from beacon.core.effects import (
    Announced,
    Announcement,
    IndicationChanged,
    Sounded,
    Transition,
)
from beacon.core.endpoint.staleness import RECHECK_LATE_BY
from beacon.core.indication import Pattern, Sound
from beacon.core.model import RANK, Endpoint, Evidence, Health, Outcome, Verdict
from beacon.core.views import EndpointRead

from .worlds import HOUR, STEP, World

pytestmark = pytest.mark.untraced

WORLDS = int(os.environ.get("BEACON_WORLDS", "200"))
PARTS = 10
FOUND = (827, 1738, 1750, 2555, 3653)
"""Worlds that once broke a rule: they are lived every time."""
ASKS = (
    *(Announcement.OPENED, Announcement.ESCALATED),
    *(Announcement.RELAPSED, Announcement.WIDENED),
)
SUPPRESSED = {"shelved", "maintenance"}


class Rules:
    """What is remembered of one world to judge it by."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stories: dict[int, list[Announcement]] = {}
        self.chirps: list[float] = []
        self.lamp_changes: list[float] = []
        self.asked = False
        self.free_since = {s.id: world.now for s in world.site.services}
        self.fell_at: dict[str, float] = {}
        self.was_up: dict[str, bool] = {}
        self.passed_at: dict[str, float] = {}
        self.was = world.view

    def hold(self) -> None:
        self._note_proofs()
        for rule in (
            self.one_opening_and_one_end,
            self.chirps_are_few,
            self.lamps_change_seldom,
            self.green_is_proved,
            self.unknown_changes_no_rank,
            self.what_lasts_is_announced,
            self.acknowledged_is_silent,
            self.a_reload_of_the_same_changes_nothing,
        ):
            rule()
        self.was = self.world.view

    def one_opening_and_one_end(self) -> None:
        for each in self.world.effects:
            if isinstance(each, Announced) and each.incident is not None:
                story = self.stories.setdefault(each.incident.number, [])
                assert (each.what is Announcement.OPENED) is not bool(story)
                assert Announcement.CLOSED not in story
                story.append(each.what)

    def chirps_are_few(self) -> None:
        soft = (Sound.CHIRP, Sound.TWO_CHIRPS)
        for each in self.world.effects:
            if isinstance(each, Sounded) and each.sound in soft:
                self.chirps.append(each.at)
        for first, seventh in zip(self.chirps, self.chirps[6:], strict=False):
            assert seventh - first >= HOUR

    def lamps_change_seldom(self) -> None:
        self.lamp_changes += [e.at for e in self.world.effects if isinstance(e, IndicationChanged)]
        most = 40 * len(self.world.site.services)
        for first, last in zip(self.lamp_changes, self.lamp_changes[most:], strict=False):
            assert last - first >= HOUR

    def green_is_proved(self) -> None:
        world = self.world
        if world.view.indication.green.pattern is Pattern.OFF:
            return
        for service in world.view.services:
            if SUPPRESSED & set(service.overlays):
                continue
            assert not service.blind
            assert service.verdict in (Verdict.OK, Verdict.ADVISORY, Verdict.RECOVERING)
            for name, _ in service.endpoints:
                spec, since = world.by_id[name], world.failing_since.get(name, math.inf)
                if spec.evidence is Evidence.SYMPTOM:
                    assert world.now - since <= spec.stale_after + STEP, name
                    late = spec.timeout + RECHECK_LATE_BY + STEP
                    assert world.now - self.passed_at[name] <= spec.stale_after + late, name

    def unknown_changes_no_rank(self) -> None:
        """What was proved within an incident counts on while it is unknown."""
        changes = [e for e in self.world.effects if isinstance(e, Transition)]
        changed = Counter(_service(e.endpoint) for e in changes)
        ended = {e.service for e in self.world.effects if _says(e, Announcement.CLOSED)}
        for change in changes:
            name, spec = _service(change.endpoint), self.world.by_id.get(change.endpoint)
            before = next((i for i in self.was.incidents if i.service == name), None)
            if change.now is not Health.UNKNOWN or changed[name] > 1 or not before or not spec:
                continue
            if name in ended or before.verdict is Verdict.RECOVERING:
                continue  # its hold ended
            if change.at - before.since <= spec.stale_after + 2 * spec.interval:
                continue  # it may not have been proved since
            after = next((i for i in self.world.view.incidents if i.service == name), None)
            assert after is not None, "unknown closes nothing"
            assert RANK[after.verdict] == RANK[before.verdict], change

    def _note_proofs(self) -> None:
        """When each endpoint passed last, and when it fell."""
        for each in self.world.effects:
            if isinstance(each, EndpointRead) and each.reading.outcome is Outcome.PASS:
                self.passed_at[each.endpoint] = each.at
            if isinstance(each, Transition) and each.now is Health.DOWN:
                if self.was_up.get(each.endpoint):  # else it is only known again
                    self.fell_at[each.endpoint] = each.at
                self.was_up[each.endpoint] = False
            if isinstance(each, Transition) and each.now in (Health.UP, Health.DEGRADED):
                self.was_up[each.endpoint] = True

    def what_lasts_is_announced(self) -> None:
        world = self.world
        for service in world.view.services:
            if SUPPRESSED & set(service.overlays) or "inhibited" in service.overlays:
                self.free_since[service.id] = world.now
            for name, _ in service.endpoints:
                spec, since = world.by_id[name], world.failing_since.get(name, math.inf)
                if spec.evidence is not Evidence.SYMPTOM:
                    continue
                begun = max(since, self.free_since[service.id], world.disturbed_at)
                bound = max(2 * spec.interval + spec.timeout, 300.0)
                detected = spec.failure_threshold * spec.interval + spec.timeout
                doubted = service.blind and self._said_blind(service.id) and world.witnesses_doubt
                if doubted or self._excused(spec):
                    self.free_since[service.id] = world.now
                elif world.now - begun > bound + detected:
                    self._has_an_incident(service.id, name, bound)

    def _has_an_incident(self, service: str, name: str, bound: float) -> None:
        world = self.world
        incident = next((i for i in world.view.incidents if i.service == service), None)
        assert incident is not None, f"{name} fails in silence"
        if incident.acknowledged:
            fell = self.fell_at.get(name, -math.inf)
            seen = world.last_announced(service, Announcement.ACKNOWLEDGED)
            if seen < fell < world.now - 1800.0 - bound:
                asked = world.last_announced(service, *ASKS)
                assert asked >= fell, f"{name} fell beneath an acknowledged"

    def _said_blind(self, service: str) -> bool:
        """Whether it was announced that we are blind, and not the contrary since."""
        blind = self.world.last_announced(service, Announcement.BLIND)
        return blind > self.world.last_announced(service, Announcement.SIGHTED)

    def _excused(self, spec: Endpoint) -> bool:
        """What it depends on does not work, so it may be inhibited."""
        healths = dict(pair for each in self.world.view.services for pair in each.endpoints)
        return any(healths[parent] is not Health.UP for parent in spec.depends_on)

    def acknowledged_is_silent(self) -> None:
        effects = self.world.effects
        asks = [e for e in effects if isinstance(e, Announced) and e.what in ASKS]
        pulses = [
            e
            for e in effects
            if isinstance(e, Sounded) and e.sound in (Sound.PULSE, Sound.THREE_PULSES)
        ]
        waiting = [
            i for i in (*self.was.incidents, *self.world.view.incidents) if not i.acknowledged
        ]
        assert not pulses or asks or waiting

    def a_reload_of_the_same_changes_nothing(self) -> None:
        """But for how many codes arrived and how many people are hit, which grow with time."""
        shown = (Announced, Sounded, Transition, IndicationChanged)
        assert not [e for e in self.world.reloaded if isinstance(e, shown)]


def _service(endpoint: str) -> str:
    return endpoint.partition("/")[0]


def _says(effect: object, what: Announcement) -> bool:
    return isinstance(effect, Announced) and effect.what is what


def live(seed: int) -> None:
    world = World(seed)
    rules = Rules(world)
    rules.hold()
    going = True
    while going:
        going = world.step()
        try:
            rules.hold()
        except AssertionError as error:
            raise AssertionError(f"world {seed} at {world.now:g}: {error}") from error


@pytest.mark.parametrize("part", range(PARTS))
def test_rules_hold_in_every_world(part):
    for seed in range(part, WORLDS, PARTS):
        live(seed)


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_once_found_stays_mended(seed):
    live(seed)
