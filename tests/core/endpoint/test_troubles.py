"""What a cause finds wrong, trouble by trouble: names, onsets, ends, and codes that arrive."""

import pytest

from beacon.core.endpoint.kept import EndpointKept
from beacon.core.endpoint.state import EndpointState
from beacon.core.endpoint.streaks import Onset
from beacon.core.endpoint.troubles import Trouble, named_in, present, window
from beacon.core.model import MOST_RECORDS, Evidence, Health, Reading, Reason
from beacon.core.trust.network import Confirmation

SPF, DMARC, PASS = Reason.SPF_MISSING, Reason.DMARC_MISSING, Reading(Reason.OK)


class Domain:
    """A cause that is read every second."""

    def __init__(self, spec):
        self.state, self.now = EndpointState(spec, 0.0), 0.0

    def read(self, *readings, gate=Confirmation.OPEN):
        for reading in readings:
            self.now += 1.0
            self.state.started = self.now
            self.state.count(reading, self.now, regular=True)
            self.state.decide(self.now, gate)
        return self

    def names(self, *found, **more):
        """One reading that finds all of these; the first is the worst."""
        lines = found if len(found) > 1 or " " in found[0] else ()
        reason = Reason(found[0].partition(" ")[0])
        return self.read(Reading(reason, "words", records=tuple(map(str, lines))), **more)

    @property
    def known(self):
        return [(t.name, t.onset.at, t.ended_at) for t in self.state.kept.troubles]


@pytest.fixture
def domain(make_endpoint):
    return Domain(make_endpoint("s", "domain", Evidence.CAUSE, failure_threshold=2))


@pytest.fixture
def code(make_endpoint):
    return make_endpoint("s", "code", Evidence.SYMPTOM, interval=1.0, code_lifetime=2.0)


# --- names ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "records", "names"),
    [
        (SPF, (), ["spf_missing"]),
        (SPF, ("spf_missing TXT a", "mx_missing MX b"), ["spf_missing TXT a", "mx_missing MX b"]),
        (SPF, ("spf_missing", "dmarc_missing"), ["spf_missing", "dmarc_missing"]),
        (Reason.DNS_TIMEOUT, (), ["unread"]),
        (Reason.DNS_SERVFAIL, (), ["unread"]),
        (
            Reason.DNS_SERVFAIL,
            ("dns_servfail MX a", "dns_timeout A a"),
            ["unread MX a", "unread A a"],
        ),
        (SPF, ("dmarc_missing TXT b",), ["spf_missing", "dmarc_missing TXT b"]),
    ],
)
def test_each_record_has_a_name_and_one_without_records_its_reason(reason, records, names):
    assert [name for name, _ in named_in(Reading(reason, "words", records=records))] == names


def test_the_detail_is_about_the_first_the_others_are_told_by_their_record():
    found = Reading(SPF, "words", records=("spf_missing TXT a", "dmarc_missing TXT b", "odd"))
    assert [reading for _, reading in named_in(found)] == [
        Reading(SPF, "words"),
        Reading(DMARC, "TXT b"),
        Reading(SPF, ""),
    ]


# --- onset and end ----------------------------------------------------------------


def test_each_trouble_begins_with_its_own_first_reading_and_ends_with_the_first_without_it(domain):
    domain.names(DMARC).names(DMARC)
    assert domain.known == [("dmarc_missing", 1.0, None)]
    domain.names(SPF, DMARC)
    assert domain.known == [("dmarc_missing", 1.0, None)], "once is not confirmed"
    domain.names(SPF, DMARC)
    assert domain.known == [("dmarc_missing", 1.0, None), ("spf_missing", 3.0, None)]
    assert domain.state.troubles == ("dmarc_missing", "spf_missing")
    domain.names(SPF).names(SPF)
    assert domain.known == [("dmarc_missing", 1.0, 5.0), ("spf_missing", 3.0, None)]
    domain.read(PASS, PASS)
    assert domain.known == [("dmarc_missing", 1.0, 5.0), ("spf_missing", 3.0, 7.0)]
    assert domain.state.troubles == ()


def test_what_comes_again_has_a_new_onset_and_the_old_one_is_remembered(domain):
    domain.names(SPF).names(SPF).read(PASS, PASS).names(SPF)
    assert domain.known == [("spf_missing", 1.0, 3.0)]
    domain.names(SPF)
    assert domain.known == [("spf_missing", 1.0, 3.0), ("spf_missing", 5.0, None)]


def test_one_reading_without_it_does_not_end_it(domain):
    domain.names(SPF).names(SPF).read(PASS).names(SPF).read(PASS).names(SPF)
    assert domain.known == [("spf_missing", 1.0, None)]


def test_nothing_is_confirmed_before_the_endpoint_is_down_and_our_network_is_trusted(domain):
    domain.names(SPF).names(SPF, gate=Confirmation.PENDING)
    assert domain.known == []
    domain.state.decide(domain.now, Confirmation.OPEN)
    assert domain.known == [("spf_missing", 1.0, None)]
    domain.names(SPF, DMARC).names(SPF, DMARC, gate=Confirmation.PENDING)
    assert domain.known == [("spf_missing", 1.0, None)]


def test_what_could_not_be_read_has_not_ended(domain):
    domain.names(SPF).names(SPF)
    for reason in (Reason.DNS_TIMEOUT, Reason.DNS_SERVFAIL, Reason.DNS_NXDOMAIN):
        domain.names(reason).names(reason)
    assert domain.known == [
        ("spf_missing", 1.0, None),
        ("unread", 3.0, None),
        ("dns_nxdomain", 7.0, None),
    ]


def test_an_error_of_ours_is_no_reading_of_it(domain):
    domain.names(SPF).names(SPF).read(*[Reading(Reason.RATE_LIMITED)] * 5)
    assert domain.state.health is Health.UNKNOWN
    assert domain.state.troubles == ("spf_missing",), "as it was last proven"
    domain.read(PASS, PASS)
    assert domain.state.troubles == ()


def test_one_that_is_down_names_something_be_it_another_thing_in_every_reading(domain):
    domain.names(SPF).names(DMARC)
    assert domain.state.health is Health.DOWN
    assert domain.known == [("dmarc_missing", 2.0, None)]


def test_new_trouble_of_one_that_is_down_is_looked_at_again_until_it_is_confirmed(domain):
    assert not domain.names(SPF).state.has_new_trouble, "the endpoint's own re-check does"
    assert not domain.names(SPF).state.has_new_trouble
    assert domain.names(SPF, DMARC).state.has_new_trouble
    assert not domain.names(SPF, DMARC).state.has_new_trouble


def test_an_endpoint_that_is_no_cause_has_its_reason(make_endpoint):
    it = Domain(make_endpoint("s", "code", Evidence.SYMPTOM, failure_threshold=2))
    assert it.names(Reason.DEADLINE).state.troubles == ()
    assert it.names(Reason.DEADLINE).state.troubles == ("deadline",)
    assert it.state.kept.troubles == ()


def test_only_so_many_that_are_over_are_remembered(domain):
    for _ in range(MOST_RECORDS + 3):
        domain.names(SPF).names(SPF).read(PASS, PASS)
    assert len(domain.known) == MOST_RECORDS
    assert domain.known[-1][2] == domain.now - 1.0


def test_the_ttl_is_the_last_that_was_seen_also_after_a_restart(domain, make_endpoint):
    domain.read(Reading(Reason.OK, ttl=300.0))
    domain.names(DMARC).names(DMARC)
    assert present(domain.state.kept.troubles)[0].onset.ttl == 300.0
    again = Domain(domain.state.spec)
    again.state.recall(domain.state.kept)
    again.now = domain.now
    again.names(SPF, DMARC).names(SPF, DMARC)
    assert [(t.name, t.onset.at, t.onset.ttl) for t in again.state.kept.troubles] == [
        ("dmarc_missing", 2.0, 300.0),
        ("spf_missing", 4.0, 300.0),
    ]


def test_a_memory_that_knows_one_onset_for_all_is_understood(domain):
    onset = Onset(7.0, Reading(SPF, "words", records=("spf_missing TXT a", "dmarc_missing TXT b")))
    kept = EndpointKept(since=9.0, health=Health.DOWN, confirmed_onset=onset)
    domain.state.recall(kept)
    assert domain.known == [("spf_missing TXT a", 7.0, None), ("dmarc_missing TXT b", 7.0, None)]
    domain.state.recall(EndpointKept(since=9.0, health=Health.UP, confirmed_onset=onset))
    assert domain.known == []


# --- codes that arrive all the same -----------------------------------------------


def test_a_code_that_arrives_after_twice_the_window_disproves_what_still_fails(domain, code):
    domain.names(SPF).names(SPF)
    onset = domain.state.kept.troubles[0].onset
    late = onset.at + 2 * window(onset, domain.state.spec, code)

    def arrives(started, reason=Reason.OK):
        domain.state.delivered(code, Reading(reason), started)
        return domain.names(SPF).state.kept.troubles[0].disproved_by

    assert arrives(late) == (), "not later than that"
    assert arrives(late + 1.0, Reason.CODE_NOT_ARRIVED) == ()
    assert arrives(late + 1.0, Reason.CODE_IN_JUNK) == (), "that is what a failing record does"
    domain.state.delivered(code, PASS, late + 1.0)
    assert domain.state.kept.troubles[0].disproved_by == (), "it may be well again by now"
    assert domain.names(SPF).state.kept.troubles[0].disproved_by == (code.id,)
    assert arrives(late + 2.0, Reason.CODE_LATE) == (code.id,), "noted once"


def test_a_code_that_arrives_because_it_is_well_again_disproves_nothing(domain, code):
    domain.names(SPF).names(SPF)
    domain.state.delivered(code, PASS, 9e9)
    domain.read(PASS).names(SPF)
    assert domain.state.kept.troubles[0].disproved_by == ()


def test_what_times_out_now_and_then_is_not_disproved(domain, code):
    domain.names(Reason.DNS_TIMEOUT).names(Reason.DNS_TIMEOUT)
    domain.state.delivered(code, PASS, 9e9)
    assert domain.names(Reason.DNS_TIMEOUT).state.kept.troubles[0] == Trouble(
        "unread", Onset(1.0, Reading(Reason.DNS_TIMEOUT, "words"))
    )
