"""The table, row by row."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.model import RANK, RED, Evidence, Health, Verdict
from beacon.core.service.endpoint_snapshot import EndpointSnapshot
from beacon.core.service.verdict import judge
from tests.core.snapshots import snapshot

UP, SLOW, DOWN, DARK = Health.UP, Health.DEGRADED, Health.DOWN, Health.UNKNOWN


def cells(*healths: Health, evidence: Evidence = Evidence.SYMPTOM) -> list[EndpointSnapshot]:
    return [
        snapshot(f"s/{n}", evidence, health, region=f"r{n}") for n, health in enumerate(healths)
    ]


def claim(health: Health) -> EndpointSnapshot:
    return snapshot("s/vendor", Evidence.CLAIM, health)


FINE, ADMITS, NO_WORD = UP, DOWN, DARK

TABLE = [
    ((UP, UP), FINE, Verdict.OK),
    ((UP, UP), ADMITS, Verdict.ADVISORY),
    ((UP, UP), SLOW, Verdict.ADVISORY),
    ((UP, UP), NO_WORD, Verdict.OK),
    ((UP, SLOW), FINE, Verdict.DEGRADED),
    ((UP, SLOW), ADMITS, Verdict.DEGRADED),
    ((UP, SLOW), NO_WORD, Verdict.DEGRADED),
    ((UP, DOWN), FINE, Verdict.DEGRADED),
    ((UP, DOWN), ADMITS, Verdict.DEGRADED),
    ((UP, DOWN), NO_WORD, Verdict.DEGRADED),
    ((DOWN, DOWN), FINE, Verdict.GRAY_FAILURE),
    ((DOWN, DOWN), ADMITS, Verdict.OUTAGE),
    ((DOWN, DOWN), NO_WORD, Verdict.OUTAGE),
    ((DARK, DARK), FINE, Verdict.BLIND),
    ((DARK, DARK), ADMITS, Verdict.BLIND),
    ((DARK, DARK), NO_WORD, Verdict.BLIND),
    ((DOWN, DARK), FINE, Verdict.GRAY_FAILURE),
    ((DOWN, DARK), NO_WORD, Verdict.OUTAGE),
    ((UP, DARK), FINE, Verdict.BLIND),
    ((UP, DOWN, DARK), FINE, Verdict.DEGRADED),
    ((SLOW, DARK), FINE, Verdict.DEGRADED),
    ((SLOW, DOWN), FINE, Verdict.DEGRADED),
]


@pytest.mark.parametrize(("ours", "vendor", "verdict"), TABLE)
@pytest.mark.parametrize("evidence", [Evidence.SYMPTOM, Evidence.HEALTH])
def test_the_table(ours, vendor, verdict, evidence):
    found = judge([*cells(*ours, evidence=evidence), claim(vendor)])
    assert found.verdict is verdict
    assert found.shallow is (evidence is Evidence.HEALTH)


@pytest.mark.parametrize(
    ("ours", "vendor", "partial", "says_fine", "admits"),
    [
        ((UP, DOWN), FINE, True, True, False),
        ((UP, DOWN), ADMITS, True, False, True),
        ((DOWN, DOWN), FINE, False, True, False),
        ((DOWN, DARK), NO_WORD, True, False, False),
        ((UP, DARK), FINE, True, False, False),
        ((DARK, DARK), ADMITS, False, False, True),
        ((UP, UP), FINE, False, False, False),
    ],
)
def test_what_stands_beside_the_verdict(ours, vendor, partial, says_fine, admits):
    found = judge([*cells(*ours), claim(vendor)])
    assert (found.partial, found.vendor_says_fine, found.vendor_admits) == (
        partial,
        says_fine,
        admits,
    )


LOST = [
    # what we see, what the unseen were last proven to be since the incident began → verdict, blind
    ((DOWN, DARK), (DARK, UP), Verdict.DEGRADED, True),
    ((DOWN, DARK), (DARK, SLOW), Verdict.DEGRADED, True),
    ((DOWN, DARK), (DARK, DARK), Verdict.OUTAGE, True),
    ((UP, DARK), (DARK, DOWN), Verdict.DEGRADED, True),
    ((DARK, DARK), (DOWN, UP), Verdict.DEGRADED, True),
    ((DARK, DARK), (DOWN, DOWN), Verdict.OUTAGE, True),
    ((DOWN, DARK, DARK), (DARK, UP, DARK), Verdict.DEGRADED, True),
    ((DOWN, UP, DARK), (DARK, DARK, UP), Verdict.DEGRADED, True),
    ((UP, DARK), (DARK, UP), Verdict.BLIND, True),
    ((DARK, DARK), (UP, UP), Verdict.BLIND, True),
]


@pytest.mark.parametrize(("seen", "proven", "verdict", "blind"), LOST)
@pytest.mark.parametrize("evidence", [Evidence.SYMPTOM, Evidence.HEALTH])
def test_a_cell_that_is_lost_counts_as_it_was_last_proven(seen, proven, verdict, blind, evidence):
    ours = zip(cells(*seen, evidence=evidence), proven, strict=True)
    found = judge([replace(one, proven=was) for one, was in ours])
    assert (found.verdict, found.blind, found.partial) == (
        verdict,
        blind,
        seen != (DARK, DARK) or proven == (DOWN, UP),
    )


@given(st.lists(st.tuples(st.sampled_from([UP, SLOW, DOWN]), st.booleans()), min_size=1))
def test_losing_sight_of_what_works_never_makes_it_red(parts):
    """Universal: to lose from sight a cell that was proven to work raises nothing to red."""
    before = judge(cells(*(health for health, _ in parts)))
    after = judge(
        [
            snapshot(f"s/{n}", Evidence.SYMPTOM, DARK, region=f"r{n}", proven=health)
            if lost and health is not DOWN
            else snapshot(f"s/{n}", Evidence.SYMPTOM, health, region=f"r{n}")
            for n, (health, lost) in enumerate(parts)
        ]
    )
    assert after.verdict not in RED or before.verdict in RED


def test_a_cell_is_down_when_any_symptom_in_it_is():
    same = [
        snapshot("s/a", Evidence.SYMPTOM, UP),
        snapshot("s/b", Evidence.SYMPTOM, DOWN),
    ]
    found = judge(same)
    assert found.cells == (("all", DOWN),)
    assert found.verdict is Verdict.OUTAGE


def test_cells_are_formed_by_region_and_factor():
    endpoints = [
        snapshot("s/a", Evidence.SYMPTOM, UP, region="emea", factor="push"),
        snapshot("s/b", Evidence.SYMPTOM, DOWN, region="emea", factor="sms"),
        snapshot("s/c", Evidence.SYMPTOM, UP, region="apac"),
    ]
    assert judge(endpoints).cells == (("emea/push", UP), ("emea/sms", DOWN), ("apac", UP))


@pytest.mark.parametrize("evidence", [Evidence.HEALTH, Evidence.CAUSE])
def test_beside_symptoms_failing_health_and_causes_degrade_and_no_more(evidence):
    beside = snapshot("s/x", evidence, DOWN)
    assert judge([*cells(UP), beside]).verdict is Verdict.DEGRADED
    assert judge([*cells(DOWN), beside]).verdict is Verdict.OUTAGE


@pytest.mark.parametrize("evidence", [Evidence.HEALTH, Evidence.CAUSE])
def test_beside_symptoms_what_failed_and_is_lost_holds_the_verdict(evidence):
    lost, well = snapshot("s/x", evidence, DARK, proven=DOWN), snapshot("s/y", evidence, UP)
    found = judge([*cells(UP), lost, well])
    assert (found.verdict, found.known, found.blind) == (Verdict.DEGRADED, Verdict.DEGRADED, True)
    never = judge([*cells(UP), snapshot("s/x", evidence, DARK)])
    assert (never.verdict, never.blind) == (Verdict.OK, False)


def test_a_failing_cause_shows_even_while_the_symptoms_are_unknown():
    found = judge([*cells(DARK), snapshot("s/x", Evidence.CAUSE, DOWN)])
    assert (found.verdict, found.known) == (Verdict.DEGRADED, Verdict.BLIND)


@pytest.mark.parametrize("evidence", [Evidence.SYMPTOM, Evidence.HEALTH, Evidence.CAUSE])
def test_standing_things_raise_to_advisory_only(evidence):
    standing = snapshot("s/x", evidence, SLOW, planned=True)
    assert judge([*cells(UP), standing]).verdict is Verdict.ADVISORY
    assert judge([standing]).verdict is Verdict.ADVISORY


@pytest.mark.parametrize(
    ("healths", "verdict"),
    [((UP, DARK), Verdict.OK), ((UP, SLOW), Verdict.ADVISORY), ((DARK, DARK), Verdict.BLIND)],
)
def test_claims_alone(healths, verdict):
    found = judge([snapshot(f"s/{n}", Evidence.CLAIM, h) for n, h in enumerate(healths)])
    assert (found.verdict, found.known, found.shallow) == (verdict, verdict, True)


@pytest.mark.parametrize(
    ("healths", "admits", "blind"),
    [
        ((UP, DARK), False, False),
        ((UP, DOWN), True, False),
        ((SLOW,), True, False),
        ((DARK,), False, True),
    ],
)
def test_what_stands_beside_claims_alone(healths, admits, blind):
    found = judge([snapshot(f"s/{n}", Evidence.CLAIM, h) for n, h in enumerate(healths)])
    assert (found.vendor_admits, found.blind, found.partial) == (admits, blind, False)
    assert (found.cells, found.vendor_says_fine) == ((), False)


@pytest.mark.parametrize(
    ("healths", "vendor", "partial", "admits", "blind"),
    [
        ((UP, UP), NO_WORD, False, False, False),
        ((UP, DARK), NO_WORD, True, False, True),
        ((UP, UP, DARK, DARK), NO_WORD, True, False, True),
        ((DARK, DARK), NO_WORD, False, False, True),
        ((DARK, DOWN), ADMITS, True, True, True),
        ((UP, UP), ADMITS, False, True, False),
    ],
)
def test_what_stands_beside_causes_alone(healths, vendor, partial, admits, blind):
    causes = [snapshot(f"s/{n}", Evidence.CAUSE, h) for n, h in enumerate(healths)]
    found = judge([*causes, claim(vendor)])
    assert (found.partial, found.vendor_admits, found.blind) == (partial, admits, blind)
    assert (found.shallow, found.cells) == (True, ())
    if set(healths) == {UP}:
        assert found.verdict is (Verdict.ADVISORY if admits else Verdict.OK)


@pytest.mark.parametrize(
    ("ours", "partial", "blind"),
    [
        ((UP, UP), False, False),
        ((DARK, DARK), False, True),
        ((UP, DARK), True, True),
        ((DOWN, DARK), True, True),
        ((SLOW, DARK), False, True),
        ((SLOW, SLOW), False, False),
        ((UP, DOWN, DARK), True, True),
    ],
)
def test_what_is_only_a_part_and_what_is_not_seen(ours, partial, blind):
    found = judge(cells(*ours))
    assert (found.partial, found.blind) == (partial, blind)
    assert found.cells == tuple((f"r{n}", health) for n, health in enumerate(ours))


@pytest.mark.parametrize(
    ("healths", "verdict", "known"),
    [
        ((UP, UP), Verdict.OK, Verdict.OK),
        ((UP, DOWN), Verdict.DEGRADED, Verdict.DEGRADED),
        ((DOWN, DOWN), Verdict.DEGRADED, Verdict.DEGRADED),
        ((UP, DARK), Verdict.BLIND, Verdict.OK),
        ((DARK, DARK), Verdict.BLIND, Verdict.BLIND),
        ((DARK, DOWN), Verdict.DEGRADED, Verdict.DEGRADED),
        ((UP, SLOW), Verdict.ADVISORY, Verdict.ADVISORY),
    ],
)
def test_causes_alone(healths, verdict, known):
    found = judge([snapshot(f"s/{n}", Evidence.CAUSE, h) for n, h in enumerate(healths)])
    assert (found.verdict, found.known, found.shallow) == (verdict, known, True)


endpoints = st.lists(
    st.builds(
        lambda evidence, health, region, factor: snapshot(
            "s/x", evidence, health[0], planned=health[1], region=region, factor=factor
        ),
        st.sampled_from([e for e in Evidence if e is not Evidence.WITNESS]),
        st.sampled_from([*((h, False) for h in Health), (Health.DEGRADED, True)]),
        st.sampled_from([None, "emea", "apac"]),
        st.sampled_from([None, "sms"]),
    ),
    min_size=1,
    max_size=7,
)


@given(endpoints, st.sampled_from([Health.UP, Health.UNKNOWN]))
def test_a_passing_claim_never_lowers_a_verdict(seen, health):
    without = judge([e for e in seen if e.spec.evidence is not Evidence.CLAIM] or cells(UP))
    added = judge(
        [*([e for e in seen if e.spec.evidence is not Evidence.CLAIM] or cells(UP)), claim(health)]
    )
    assert RANK[added.verdict] >= RANK[without.verdict]


@given(endpoints)
def test_green_needs_evidence_and_red_needs_a_failing_cell(seen):
    found = judge(seen).verdict
    if found in (Verdict.OK, Verdict.ADVISORY):
        assert any(e.health is not Health.UNKNOWN for e in seen)
        assert not any(e.health is DOWN and e.spec.evidence is not Evidence.CLAIM for e in seen)
    if found in RED:
        assert any(e.health is DOWN for e in seen)


@given(endpoints)
def test_the_order_of_endpoints_changes_no_verdict(seen):
    verdicts = {
        judge(order).verdict for order in itertools.islice(itertools.permutations(seen), 24)
    }
    assert len(verdicts) == 1


@given(endpoints, st.integers(0, 6))
def test_losing_sight_of_one_never_lowers_trouble(seen, which):
    """Unknown never lowers a verdict below blind, nor a whole failure to a part of one."""
    chosen = which % len(seen)
    if seen[chosen].health is DOWN:
        return  # the failing one itself: held over time by the service, not by the table
    dark = [
        snapshot(e.spec.id, e.spec.evidence, DARK, region=e.spec.region, factor=e.spec.factor)
        if n == chosen
        else e
        for n, e in enumerate(seen)
    ]
    before, after = judge(seen).verdict, judge(dark).verdict
    if before in RED:
        assert after in RED


# --- what looks back --------------------------------------------------------------


def late(health: Health, *, raises: bool | None = None, **cell: str) -> EndpointSnapshot:
    troubled = health in (SLOW, DOWN) if raises is None else raises
    return snapshot(
        "s/users", Evidence.SYMPTOM, health, hindsight=900.0, raises_verdict=troubled, **cell
    )


@pytest.mark.parametrize(
    ("ours", "users", "verdict", "blind"),
    [
        (UP, UP, Verdict.OK, False),
        (UP, DARK, Verdict.OK, False),
        (UP, SLOW, Verdict.DEGRADED, False),
        (UP, DOWN, Verdict.OUTAGE, False),
        (DOWN, UP, Verdict.OUTAGE, False),
        (DOWN, DOWN, Verdict.OUTAGE, False),
        (DARK, UP, Verdict.BLIND, True),
        (DARK, DOWN, Verdict.OUTAGE, False),
    ],
)
def test_what_looks_back_raises_and_never_clears_nor_blinds(ours, users, verdict, blind):
    found = judge([*cells(ours), late(users, region="r0")])
    assert (found.verdict, found.blind, found.shallow) == (verdict, blind, False)


def test_lost_from_sight_while_in_trouble_it_holds_what_it_raised():
    found = judge([*cells(UP), late(DARK, raises=True, region="r0")])
    assert (found.verdict, found.blind) == (Verdict.BLIND, True)


def test_trouble_that_is_over_by_fresher_proof_does_not_count():
    assert judge([*cells(UP), late(DOWN, raises=False, region="r0")]).verdict is Verdict.OK


def test_alone_it_is_all_there_is_and_proves_little():
    assert (judge([late(UP)]).verdict, judge([late(UP)]).shallow) == (Verdict.OK, True)
    assert judge([late(DARK)]).verdict is Verdict.BLIND
    assert judge([late(DOWN)]).verdict is Verdict.OUTAGE


@pytest.mark.parametrize("evidence", [Evidence.HEALTH, Evidence.CLAIM, Evidence.CAUSE])
def test_beside_what_is_no_symptom_that_decides_until_users_fail(evidence):
    other = snapshot("s/x", evidence, UP)
    assert (judge([other, late(DARK)]).verdict, judge([other, late(DARK)]).shallow) == (
        Verdict.OK,
        True,
    )
    assert judge([other, late(DOWN)]).verdict in RED
    assert judge([snapshot("s/x", evidence, DARK), late(UP)]).verdict is Verdict.BLIND


def test_users_elsewhere_count_against_users_here_and_not_against_what_fails_now():
    here, elsewhere = late(DOWN, region="r0"), late(UP, region="r9")
    found = judge([*cells(UP), here, elsewhere])
    assert (found.verdict, found.partial) == (Verdict.DEGRADED, True)
    assert judge([*cells(DOWN), here, elsewhere]).verdict is Verdict.OUTAGE
    no_worse = judge([*cells(UP, DOWN), late(DOWN, region="r9")])
    assert (no_worse.verdict, no_worse.cells[-1]) == (Verdict.DEGRADED, ("r9", DOWN))


@given(
    st.lists(st.sampled_from([UP, SLOW, DOWN, DARK]), min_size=1, max_size=3),
    st.lists(st.tuples(st.sampled_from([UP, SLOW, DOWN, DARK]), st.booleans()), max_size=3),
    st.sampled_from([UP, DOWN, DARK]),
)
def test_nothing_that_looks_back_ever_lowers_a_verdict(ours, users, vendor):
    present = [*cells(*ours), claim(vendor)]
    looking = [late(h, raises=r, region=f"r{n}") for n, (h, r) in enumerate(users)]
    assert RANK[judge([*present, *looking]).verdict] >= RANK[judge(present).verdict]
