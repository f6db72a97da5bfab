"""What a snapshot means, where nobody or only half of the DNS answers."""

from dataclasses import replace

import dns.name
import pytest

from beacon.core.model import Outcome, Reason
from beacon.maildns.answer import State
from beacon.maildns.findings import WORST, Wanted, judge
from beacon.maildns.receivers import CONSEQUENCES
from beacon.maildns.records.spf import check
from beacon.maildns.records.tag_list import tags
from beacon.maildns.snapshot import take_snapshot

D = "otp.example"
KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
TABLE = {
    (D, "SOA"): ["ns1.otp.example. host.otp.example. 1 3600 600 86400 60"],
    (D, "MX"): ["10 mx.otp.example"],
    (f"mx.{D}", "A"): ["192.0.2.10"],
    (D, "TXT"): ["v=spf1 a:mx.otp.example -all"],
    (f"_dmarc.{D}", "TXT"): ["v=DMARC1; p=none"],
    (f"s1._domainkey.{D}", "TXT"): [
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    ],
    ("10.2.0.192.in-addr.arpa", "PTR"): [f"mx.{D}"],
}


@pytest.fixture
def judged(dns_of):
    """Judge the domain: the table changed, some names failing so."""

    def do(changes=(), failing=(), how=(), **wanted):
        fetch = dns_of(dict(TABLE | dict(changes)), frozenset(failing))

        def failing_so(name, kind):
            found = fetch(name, kind)
            return replace(found, **dict(how)) if found.state is State.FAILED else found

        domain = dns.name.from_text(D)
        snapshot = take_snapshot(domain, failing_so, ("s1",), ("192.0.2.10",))
        return [(t.reason, t.text) for t in judge(snapshot, Wanted(**wanted))]

    return do


def test_a_sound_domain_has_no_trouble(judged):
    assert judged() == []


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({}, Reason.DNS_SERVFAIL),
        ({"silent": True}, Reason.DNS_TIMEOUT),
        ({"bogus": True}, Reason.DNSSEC_BOGUS),
    ],
)
@pytest.mark.parametrize(
    "name", [D, f"_dmarc.{D}", f"s1._domainkey.{D}", "10.2.0.192.in-addr.arpa"]
)
def test_what_nobody_answers_is_named_by_how(judged, name, how, reason):
    found = judged(failing=[name], how=how)
    assert found[0][0] is reason
    assert "SERVFAIL" in found[0][1]


def test_a_tree_that_cannot_be_asked_is_temporary_unless_its_signatures_are_bogus(judged):
    changes = {(D, "TXT"): ["v=spf1 include:x.example -all"]}
    [(reason, text)] = judged(changes, ["x.example"])
    assert reason is Reason.SPF_TEMPERROR
    assert "SPF cannot be checked: TXT of x.example" in text
    [(reason, _)] = judged(changes, ["x.example"], {"bogus": True})
    assert reason is Reason.DNSSEC_BOGUS


NOBODY = {
    "v=spf1 -all": "-all of otp.example",
    "v=spf1 ~all": "~all of otp.example",
    "v=spf1 ?all": "?all of otp.example",
    "v=spf1": "nothing matches",
    "v=spf1 -all ip4:192.0.2.10": "-all of otp.example",
    "v=spf1 -ip4:192.0.2.10 ~all": "~all of otp.example",
    "v=spf1 redirect=parked.example": "-all of parked.example",
    "v=spf1 include:parked.example -all": "-all of otp.example",
    "v=spf1 -include:open.example -all": "-all of otp.example",
    "v=spf1 a:empty.example -all": "-all of otp.example",
    "v=spf1 mx:null.example -all": "-all of otp.example",
    "v=spf1 exists:empty.example -all": "-all of otp.example",
    "v=spf1 ~include:open.example -all": "-all of otp.example",
}
SOMEBODY = (
    "v=spf1 ip4:192.0.2.0/24 -all",
    "v=spf1 ip6:2001:db8::/32 -all",
    "v=spf1 ip4:192.0.2.10",
    "v=spf1 +all",
    "v=spf1 all",
    "v=spf1 include:open.example -all",
    "v=spf1 redirect=open.example",
    "v=spf1 include:parked.example include:open.example -all",
    "v=spf1 include:open.example include:parked.example -all",
    "v=spf1 a:six.example -all",
    "v=spf1 mx -all",
    "v=spf1 ptr -all",
    "v=spf1 ptr:otp.example -all",
    "v=spf1 exists:%{i}._spf.otp.example -all",
    "v=spf1 exists:open.example -all",
    "v=spf1 include:%{i}.otp.example -all",
    "v=spf1 -ip4:192.0.2.9 mx -all",
)
PARTIES = {
    ("parked.example", "TXT"): ["v=spf1 -all"],
    ("open.example", "TXT"): ["v=spf1 ip4:203.0.113.0/24 -all"],
    ("open.example", "A"): ["203.0.113.1"],
    ("six.example", "AAAA"): ["2001:db8::1"],
    ("null.example", "MX"): ["0 ."],
    ("empty.example", "TXT"): ["nothing"],
}


@pytest.mark.parametrize("record", NOBODY)
def test_a_domain_that_sends_codes_and_lets_nobody_send(dns_of, record):
    """Parked: no address whatever passes, hence none that sends the codes."""
    snapshot = take_snapshot(
        dns.name.from_text(D), dns_of(TABLE | PARTIES | {(D, "TXT"): [record]})
    )
    [trouble] = judge(snapshot, Wanted())
    assert trouble.reason is Reason.SPF_FAIL
    assert trouble.text == f"SPF allows nobody to send for otp.example ({NOBODY[record]})"
    assert judge(snapshot, Wanted(spf=False)) == []


@pytest.mark.parametrize("record", SOMEBODY)
def test_a_domain_for_which_somebody_may_send(dns_of, record):
    snapshot = take_snapshot(
        dns.name.from_text(D), dns_of(TABLE | PARTIES | {(D, "TXT"): [record]})
    )
    assert judge(snapshot, Wanted()) == []


def test_exchangers_whose_addresses_nobody_knows(judged):
    changes = {(D, "TXT"): ["v=spf1 ip4:192.0.2.10 -all"]}
    found = judged(changes, [f"mx.{D}"])
    assert [(r, t) for r, t in found if "exchangers" in t] == [
        (Reason.DNS_SERVFAIL, "the addresses of its mail exchangers cannot be looked up")
    ]
    assert not [t for r, t in found if r is Reason.PTR_MISMATCH], "nobody knows that either"


def test_a_tree_that_breaks_for_one_sender_only(judged):
    """Of IPv6 the tree looks other names up, and finds nothing there."""
    walked = {(D, "TXT"): ["v=spf1 a:a.example a:b.example a:c.example -all"]} | {
        (f"{each}.example", "A"): ["203.0.113.1"] for each in "abc"
    }
    assert [reason for reason, _ in judged(walked)] == [Reason.SPF_FAIL]


def test_a_sender_for_whom_the_tree_is_broken(dns_of):
    table = TABLE | {
        (D, "TXT"): ["v=spf1 a:a.example a:b.example a:c.example -all"],
        **{(f"{each}.example", "A"): ["203.0.113.1"] for each in "abc"},
    }
    snapshot = take_snapshot(dns.name.from_text(D), dns_of(table), (), ("2001:db8::1",))
    found = {t.reason: t.text for t in judge(snapshot, Wanted())}
    assert "SPF is broken for 2001:db8::1: more than 2 look-ups" in found[Reason.SPF_PERMERROR]


def test_every_consequence_is_of_a_reason_that_fails():
    assert {reason.outcome for reason in CONSEQUENCES} == {Outcome.FAIL}
    assert set(CONSEQUENCES) <= set(WORST)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("v=DKIM1; p=MI IB ;t=s", {"v": "DKIM1", "p": "MIIB", "t": "s"}),
        ("p=", {"p": ""}),
        ("nothing", {}),
        (";;=;", {"": ""}),
    ],
)
def test_tags(text, found):
    assert tags(text) == found


def test_a_walk_asks_no_more_than_its_bound(dns_of):
    """Ten terms of ten exchangers each: the most that one record can make us ask."""
    table = {(f"m{n}.{D}", "A"): ["203.0.113.1"] for n in range(10)}
    table |= {(D, "MX"): [f"10 m{n}.{D}" for n in range(10)], (D, "TXT"): ["v=spf1 " + "mx " * 10]}
    fetch, asked = dns_of(table), []

    def counting(name, kind):
        asked.append(name)
        return fetch(name, kind)

    check(D, counting)
    assert len(asked) == 1 + 10 * 11
