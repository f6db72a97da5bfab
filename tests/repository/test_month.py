"""The simulated month: what it counts as found, missed and false."""

from dataclasses import replace

import pytest

from beacon.core.model import Reading, Reason
from scripts import month
from scripts.month_site import DAY, HOUR, MINUTE, Plan, Trouble, scene, site

MADE = scene(1, site({"Portal": 2, "VPN": 3}))
SERVICE = "vpn-3"
OUTAGE = Trouble(
    "outage",
    SERVICE,
    tuple(f"{SERVICE}/{name}" for name in "abc"),
    9 * HOUR,
    10 * HOUR,
    Reading(Reason.DEADLINE),
    due=3 * MINUTE,
)


def planned(trouble):
    plan = Plan(MADE.site, 1, 1)
    plan.add(trouble)
    return plan


@pytest.fixture(scope="module")
def watch():
    """A day with one outage."""
    plan = planned(OUTAGE)
    return month.run(MADE, plan, 1)


def test_a_day_with_one_outage_has_one_opening_soon(watch):
    told = month.measure(watch, planned(OUTAGE))
    assert told["beneath"] == {"outage": 1}
    assert (told["false"], told["missed"], told["stale"], told["standing"]) == ([], [], 0, 0)
    assert 60 <= told["delays"]["outage"][0] <= 180
    assert told["sounds"][0] >= 1
    assert 3600 <= told["lit"]["red"] * DAY + told["lit"]["amber"] * DAY < 3 * HOUR


def test_an_alarm_with_nothing_beneath_is_false(watch):
    told = month.measure(watch, planned(replace(OUTAGE, real=False)))
    assert [alarm[0] for alarm in told["false"]] == [SERVICE]


@pytest.mark.parametrize("due", [1.0, 30.0])
def test_a_trouble_that_is_announced_too_late_is_missed(watch, due):
    (missed,) = month.measure(watch, planned(replace(OUTAGE, due=due)))["missed"]
    assert missed[:4] == ["outage", SERVICE, round(OUTAGE.begin), round(due)]
    assert missed[4] > due


def test_a_trouble_that_nobody_announced_is_missed(watch):
    (missed,) = month.measure(watch, planned(replace(OUTAGE, begin=HOUR, end=2 * HOUR)))["missed"]
    assert missed[4] is None


def test_the_site_is_as_large_as_the_page_says_and_a_seed_gives_the_same_month():
    made = scene(30, site())
    assert (len(made.site.services), len(made.site.endpoints)) == (30, 200)
    troubles = Plan(made.site, 30, 1).month().troubles
    assert {t.kind for t in troubles} >= {"outage", "deployment", "patch", "a vendor's page"}
    assert troubles == Plan(made.site, 30, 1).month().troubles
