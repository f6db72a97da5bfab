"""What is new beneath an acknowledged incident asks again; what somebody has seen does not."""

import pytest

from beacon.core.inputs import Shelve
from beacon.core.model import Evidence, Reason, Service, Verdict
from beacon.core.service.parts import KIND

MINUTE = 60.0
HOUR = 3600.0
EMEA, APAC, PAGE, OTHER = "mfa/emea", "mfa/apac", "mfa/page", "mfa/other"
SPF, DMARC = "mfa/spf", "mfa/dmarc"


@pytest.fixture
def known(make_harness, make_endpoint):
    """Two regions, two pages, two causes; one page fails, and an analyst knows."""
    service = Service(
        id="mfa",
        name="mfa",
        endpoints=(
            make_endpoint("mfa", "emea", Evidence.SYMPTOM, region="emea"),
            make_endpoint("mfa", "apac", Evidence.SYMPTOM, region="apac"),
            make_endpoint("mfa", "page", Evidence.HEALTH),
            make_endpoint("mfa", "other", Evidence.HEALTH),
            make_endpoint("mfa", "spf", Evidence.CAUSE),
            make_endpoint("mfa", "dmarc", Evidence.CAUSE),
        ),
    )
    harness = make_harness(service).advance(HOUR).script(Reason.HTTP_STATUS, PAGE)
    return harness.advance(5 * MINUTE).acknowledge().clear_effects()


def shelve(harness, *, on):
    event = Shelve(harness.now, "mfa", on, by="analyst", origin="cli")
    harness.effects += harness.simulation.tell(event)
    return harness


@pytest.mark.parametrize(
    ("reason", "where", "widens"),
    [
        (Reason.DEADLINE, EMEA, True),  # a cell, though the kind is known
        (Reason.SLOW, EMEA, True),
        (Reason.DNS_NXDOMAIN, OTHER, True),  # another kind
        (Reason.DEADLINE, OTHER, False),  # the same kind, and no cell
        (Reason.SPF_MISSING, SPF, True),
        (Reason.CERTIFICATE_EXPIRING, OTHER, False),
    ],
)
def test_what_widens_an_acknowledged_incident(known, reason, where, widens):
    known.script(reason, where).advance(10 * MINUTE)
    assert known.announcements == (["widened"] if widens else [])
    assert known.sounds == (["chirp"] if widens else [])
    assert known.lamps["amber"] == ("fast" if widens else "steady")
    assert known.incident.acknowledged is not widens


def test_it_chirps_every_half_hour_at_most_and_what_waits_is_not_dropped(known):
    known.script(Reason.DEADLINE, EMEA).advance(10 * MINUTE).acknowledge().clear_effects()
    known.script(Reason.SPF_MISSING, SPF).advance(10 * MINUTE)
    assert (known.announcements, known.sounds, known.lamps["amber"]) == (["widened"], [], "fast")
    assert known.advance(20 * MINUTE).sounds == ["chirp"]


def test_acknowledging_cancels_what_waits(known):
    known.script(Reason.DEADLINE, EMEA).advance(10 * MINUTE).acknowledge().clear_effects()
    known.script(Reason.SPF_MISSING, SPF).advance(10 * MINUTE).acknowledge()
    assert known.advance(HOUR).sounds == []


def test_a_cell_that_comes_back_and_falls_again_is_news_a_kind_is_not(known):
    known.script(Reason.DEADLINE, EMEA).advance(10 * MINUTE).acknowledge()
    known.script(Reason.OK, EMEA).script(Reason.DNS_NXDOMAIN, OTHER).advance(10 * MINUTE)
    known.acknowledge().script(Reason.OK, OTHER).advance(HOUR).clear_effects()
    assert known.script(Reason.DNS_NXDOMAIN, OTHER).advance(10 * MINUTE).announcements == []
    assert known.script(Reason.DEADLINE, EMEA).advance(10 * MINUTE).announcements == ["widened"]


def test_beneath_red_only_a_cause_or_a_cell_widens_and_without_re_alarms(known):
    known.script(Reason.DEADLINE, EMEA, APAC).advance(10 * MINUTE).acknowledge().clear_effects()
    assert known.verdict() is Verdict.OUTAGE
    known.script(Reason.DNS_NXDOMAIN, OTHER).advance(HOUR)
    assert (known.announcements, known.lamps["red"]) == ([], "steady")
    known.script(Reason.SPF_MISSING, SPF).advance(HOUR)
    assert known.announcements == ["widened"]
    assert (known.sounds, known.lamps["red"]) == (["chirp"], "fast")


def test_nothing_widens_what_nobody_has_acknowledged(make_harness, usual_service):
    harness = make_harness(usual_service()).advance(HOUR)
    harness.script(Reason.HTTP_STATUS, "mfa/health").advance(10 * MINUTE).clear_effects()
    harness.script(Reason.SLOW, "mfa/sign-in").advance(10 * MINUTE)
    assert (harness.announcements, harness.sounds) == ([], [])


def test_what_came_while_it_was_shelved_is_news_afterwards(known):
    shelve(known, on=True).script(Reason.DEADLINE, EMEA).advance(10 * MINUTE)
    assert known.announcements == []
    assert shelve(known, on=False).advance(5 * MINUTE).announcements == ["widened"]


def test_what_came_back_and_fell_again_while_it_was_shelved_is_news_afterwards(known):
    known.script(Reason.DEADLINE, EMEA).advance(10 * MINUTE)
    shelve(known, on=True).script(Reason.OK, EMEA).advance(10 * MINUTE).acknowledge()
    known.script(Reason.DEADLINE, EMEA).advance(10 * MINUTE).clear_effects()
    shelve(known, on=False).advance(5 * MINUTE)
    assert (known.announcements, known.lamps["amber"]) == (["widened"], "fast")


def test_a_restart_announces_nothing_that_was_announced(known):
    known.script(Reason.DEADLINE, EMEA).advance(10 * MINUTE).acknowledge()
    known.simulation.restart(30.0)
    assert known.clear_effects().advance(HOUR).announcements == []


def test_every_reason_is_of_a_kind():
    assert set(KIND) == set(Reason)
    assert "" not in KIND.values()
    assert KIND[Reason.DEADLINE] == KIND[Reason.HTTP_STATUS] != KIND[Reason.SPF_MISSING]
