"""Why it is so, in a word and a sentence that cites its readings."""

from dataclasses import replace

import pytest

from beacon.core.endpoint.streaks import Onset
from beacon.core.endpoint.troubles import Trouble
from beacon.core.model import Evidence, Health, Reading, Reason
from beacon.core.service.diagnosis import diagnose
from tests.core.snapshots import snapshot


def seen(name, evidence, health, reason=None, detail="", region=None, factor=None):
    last = Reading(reason, detail) if reason else None
    return snapshot(name, evidence, health, statement=last, region=region, factor=factor)


def likeliest(*endpoints):
    return diagnose(endpoints)[0]


def users(health, **part):
    """Users in the log: healthy ones describe the past."""
    return snapshot(
        "s/users",
        Evidence.SYMPTOM,
        health,
        statement=Reading(Reason.OK if health is Health.UP else Reason.SUCCESS_RATIO_LOW),
        in_trouble=health is Health.DOWN,
        hindsight=900.0,
        **part,
    )


SYMPTOM_DOWN = replace(
    seen("s/sign-in", Evidence.SYMPTOM, Health.DOWN, Reason.DEADLINE), in_trouble=True
)
FINE = seen("s/other", Evidence.SYMPTOM, Health.UP, Reason.OK)


@pytest.mark.parametrize(
    ("beside", "cause", "cited"),
    [
        ([], "unknown", "s/sign-in: deadline"),
        (
            [seen("s/spf", Evidence.CAUSE, Health.DOWN, Reason.DNS_NXDOMAIN, "otp.example")],
            "dns",
            "s/spf: dns_nxdomain (otp.example)",
        ),
        (
            [seen("s/meta", Evidence.HEALTH, Health.DOWN, Reason.TLS_EXPIRED)],
            "tls",
            "s/meta: tls_expired",
        ),
        (
            [seen("s/vendor", Evidence.CLAIM, Health.DOWN, Reason.VENDOR_INCIDENT)],
            "vendor",
            "s/vendor: vendor_incident",
        ),
        (
            [
                seen("s/vendor", Evidence.CLAIM, Health.DOWN, Reason.VENDOR_INCIDENT),
                seen("s/spf", Evidence.CAUSE, Health.DOWN, Reason.DNS_NO_ANSWER),
            ],
            "dns",
            "s/spf: dns_no_answer",
        ),
    ],
)
def test_ranked(beside, cause, cited):
    found = likeliest(SYMPTOM_DOWN, *beside)
    assert (found.cause, found.explanation) == (cause, cited)


@pytest.mark.parametrize("part", ["region", "factor"])
def test_only_one_part_of_several(part):
    hit = seen("s/a", Evidence.SYMPTOM, Health.DOWN, Reason.DEADLINE, **{part: "one"})
    well = seen("s/b", Evidence.SYMPTOM, Health.UP, Reason.OK, **{part: "two"})
    found = likeliest(hit, well)
    assert found.cause == part
    assert found.explanation == f"only {part} one: s/a: deadline"


def test_every_part_of_several_is_no_part():
    both = [seen(f"s/{r}", Evidence.SYMPTOM, Health.DOWN, Reason.DEADLINE, region=r) for r in "ab"]
    assert likeliest(*both).cause == "unknown"


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (Reason.OWN_NETWORK, "own network"),
        (Reason.OWN_CLOCK, "own clock"),
        (Reason.OWN_CREDENTIALS, "our credentials"),
        (Reason.SOURCE_DEAD, "unknown"),
    ],
)
def test_what_is_ours(reason, cause):
    unsure = seen("s/x", Evidence.SYMPTOM, Health.UNKNOWN, reason)
    assert likeliest(FINE, unsure).cause == cause


def test_nothing_wrong_needs_no_explanation():
    assert diagnose([FINE, seen("s/new", Evidence.SYMPTOM, Health.UNKNOWN)]) == ()


def test_a_slow_endpoint_without_a_reading_is_named():
    assert likeliest(seen("s/x", Evidence.SYMPTOM, Health.DOWN)).explanation == "s/x"


@pytest.mark.parametrize(
    ("flapping", "words"),
    [
        (False, "it passes now, one more pass must confirm that it is well"),
        (True, "it passes now, but changes too often: held until it is steady"),
    ],
)
def test_an_endpoint_on_its_way_back_is_cited_as_it_fell(flapping, words):
    back = replace(seen("s/vendor", Evidence.CLAIM, Health.DOWN, Reason.OK), flapping=flapping)
    assert likeliest(FINE, back).explanation == f"s/vendor: down; {words}"
    fell = replace(back, onset=Onset(60.0, Reading(Reason.DEADLINE)))
    assert likeliest(FINE, fell).explanation == f"s/vendor: deadline; {words}"


def test_one_of_several_is_named_as_the_part():
    found = likeliest(SYMPTOM_DOWN, FINE)
    assert found.cause == "part"
    assert found.explanation == "only s/sign-in of 2: s/sign-in: deadline"
    assert [each.endpoint for each in found.readings] == ["s/sign-in"]


def test_without_symptoms_the_parts_are_those_of_health_endpoints():
    hit = seen("s/a", Evidence.HEALTH, Health.DOWN, Reason.HTTP_STATUS, region="emea")
    well = seen("s/b", Evidence.HEALTH, Health.UP, Reason.OK, region="apac")
    assert likeliest(hit, well).cause == "region"


def test_all_that_applies_is_ranked_and_what_does_not_explain_comes_last():
    found = diagnose(
        [
            seen("s/a", Evidence.SYMPTOM, Health.DOWN, Reason.TLS_NAME, region="emea"),
            seen("s/a2", Evidence.SYMPTOM, Health.DOWN, Reason.TLS_NAME, region="emea"),
            seen("s/b", Evidence.SYMPTOM, Health.UP, Reason.OK, region="apac"),
            seen("s/c", Evidence.SYMPTOM, Health.UNKNOWN, Reason.OWN_CREDENTIALS, region="apac"),
            seen("s/d", Evidence.SYMPTOM, Health.UNKNOWN, Reason.OWN_CREDENTIALS, region="apac"),
            seen("s/page", Evidence.CLAIM, Health.DOWN, Reason.VENDOR_INCIDENT),
            seen("s/queue", Evidence.CAUSE, Health.DOWN, Reason.HTTP_STATUS),
        ]
    )
    cited = [(each.cause, each.explains, [c.endpoint for c in each.readings]) for each in found]
    assert cited == [
        ("tls", True, ["s/a"]),
        ("other cause", True, ["s/queue"]),
        ("vendor", True, ["s/page"]),
        ("region", True, ["s/a", "s/a2"]),
        ("our credentials", False, ["s/c"]),
    ]


@pytest.mark.parametrize(
    ("endpoints", "cause", "explanation"),
    [
        (
            [
                seen("s/a", Evidence.SYMPTOM, Health.DEGRADED, Reason.SLOW),
                seen("s/b", Evidence.SYMPTOM, Health.DOWN, Reason.DEADLINE),
                seen("s/c", Evidence.SYMPTOM, Health.UP, Reason.OK),
            ],
            "part",
            "only s/a, s/b of 3: s/b: deadline",
        ),
        (
            [
                seen("s/a", Evidence.SYMPTOM, Health.DOWN, Reason.DEADLINE, region="emea"),
                seen("s/b", Evidence.SYMPTOM, Health.UP, Reason.OK),
            ],
            "part",
            "only s/a of 2: s/a: deadline",
        ),
        ([SYMPTOM_DOWN, users(Health.UP)], "unknown", "s/sign-in: deadline"),
        (
            [FINE, users(Health.DOWN, region="emea"), users(Health.UP, region="apac")],
            "region",
            "only region emea: s/users: success_ratio_low",
        ),
    ],
)
def test_the_part_in_trouble_is_named_where_others_are_well(endpoints, cause, explanation):
    found = likeliest(*endpoints)
    assert (found.cause, found.explanation) == (cause, explanation)
    assert found.readings


@pytest.mark.parametrize(
    ("kind", "reason", "cause"),
    [
        ("dns", Reason.UNREACHABLE, "dns"),
        ("tcp", Reason.CONNECT_REFUSED, "other cause"),
        ("http", Reason.TLS_EXPIRED, "tls"),
    ],
)
def test_a_failing_cause_has_a_word_whatever_it_reads(kind, reason, cause):
    failing = snapshot("s/x", Evidence.CAUSE, Health.DOWN, statement=Reading(reason), kind=kind)
    assert likeliest(FINE, failing).cause == cause


SINCE = 1000.0
AFFECTED = Reading(Reason.CODE_NOT_ARRIVED)
BEYOND = "s/code: code_not_arrived, which twice its window of 65 s does not reach"


@pytest.mark.parametrize(
    ("apart", "ttl", "ended_at", "words", "explains"),
    [
        (0.9, None, None, ", together with s/code: code_not_arrived", True),
        (1.0, None, None, ", 1 s before s/code: code_not_arrived", True),
        (-1.0, None, None, ", 1 s after s/code: code_not_arrived", True),
        (65.0, None, SINCE + 1, ", restored since, 65 s before s/code: code_not_arrived", True),
        (130.5, None, None, f", 2 min before {BEYOND}", False),
        (119.0, 60.0, None, ", 119 s before s/code: code_not_arrived", True),
        (120.0, 60.0, SINCE + 1, ", restored since, 2 min before s/code: code_not_arrived", True),
    ],
)
def test_a_cause_and_what_it_broke_are_cited_as_they_began(apart, ttl, ended_at, words, explains):
    cause = snapshot(
        "s/proxy",
        Evidence.CAUSE,
        Health.DOWN,
        statement=Reading(Reason.DEADLINE),
        troubles=(Trouble("x", Onset(SINCE, Reading(Reason.TLS_EXPIRED), ttl), ended_at),),
        affects=("s/code",),
    )
    code = snapshot(
        "s/code",
        Evidence.SYMPTOM,
        Health.DOWN,
        statement=Reading(Reason.DEADLINE),
        onset=Onset(SINCE + apart, AFFECTED),
    )
    (found,) = [each for each in diagnose([cause, code]) if each.window]
    assert (found.cause, found.explains) == ("tls", explains)
    assert found.explanation == f"s/proxy: tls_expired{words}"
    assert [(each.reason, each.at) for each in found.readings] == [
        (Reason.TLS_EXPIRED, SINCE),
        (Reason.CODE_NOT_ARRIVED, SINCE + apart),
    ]
    late, early = (
        replace(code, spec=replace(code.spec, id=name), onset=Onset(at, AFFECTED))
        for name, at in (("s/late", SINCE + 40.0), ("s/early", SINCE - 900.0))
    )
    cause = replace(cause, affects=("s/early", "s/late", "s/code"))
    (one,) = [each for each in diagnose([cause, early, late, code]) if each.window]
    assert one.window.delivery == ("s/code" if explains and apart < 40.0 else "s/late")
    unknown = replace(code, onset=None)
    assert not any(each.window for each in diagnose([cause, unknown])), "nobody saw it begin"


@pytest.mark.parametrize("evidence", [Evidence.CAUSE, Evidence.HEALTH])
@pytest.mark.parametrize(
    ("kind", "reason", "is_dns"),
    [
        ("openid", Reason.RECORD_CHANGED, False),
        ("openid", Reason.RECORD_MISSING, False),
        ("http", Reason.RECORD_CHANGED, False),
        ("push", Reason.RECORD_CHANGED, False),
        ("dns", Reason.RECORD_CHANGED, True),
        ("mail_dns", Reason.RECORD_CHANGED, True),
        ("mail_dns", Reason.RECORD_MISSING, True),
        ("openid", Reason.DNS_NXDOMAIN, True),
        ("http", Reason.DNS_TIMEOUT, True),
    ],
)
def test_a_record_is_one_of_dns_where_a_kind_that_reads_dns_says_so(evidence, kind, reason, is_dns):
    failing = snapshot("s/x", evidence, Health.DOWN, statement=Reading(reason), kind=kind)
    assert any(each.cause == "dns" for each in diagnose([failing])) is is_dns


def test_what_a_reason_speaks_of_is_listed_for_each():
    """A reason that is added must be put into the table, or be none of these."""
    families = ("dns_", "dnssec_", "spf_", "dkim_", "dmarc_", "mx_", "ptr_", "tls_", "certificate_")
    for reason in Reason:
        failing = snapshot(
            "s/x", Evidence.HEALTH, Health.DOWN, statement=Reading(reason), kind="http"
        )
        words = {each.cause for each in diagnose([failing])} & {"dns", "tls"}
        expected = reason.value.startswith(families) or reason is Reason.RESOLVER_DISAGREEMENT
        assert bool(words) is expected, reason


# --- several troubles of one cause ------------------------------------------------


def onset(at, reason, ttl=100.0):
    return Onset(at, Reading(reason), ttl)


def missing(*troubles, reason=Reason.SPF_MISSING, health=Health.DOWN):
    statement = Reading(reason)
    return snapshot(
        *("s/domain", Evidence.CAUSE, health),
        statement=statement,
        kind="mail_dns",
        affects=("s/code",),
        troubles=tuple(Trouble(str(o.reading.reason), o, *more) for o, *more in troubles),
    )


def refused(at):
    """Beside 100 s of TTL the window has 30 s twice, and 5 s for a code: 165 s."""
    began = onset(at, Reason.DELIVERY_REFUSED)
    return snapshot(
        *("s/code", Evidence.SYMPTOM, Health.DOWN), statement=began.reading, onset=began
    )


def named(found):
    return [(each.cause, each.explanation.partition(",")[0], each.explains) for each in found]


def test_the_trouble_whose_window_is_open_explains_and_the_others_are_wrong_too():
    both = missing((onset(0.0, Reason.DMARC_MISSING),), (onset(1000.0, Reason.SPF_MISSING),))
    assert named(diagnose([refused(1100.0), both])) == [
        ("dns", "s/domain: spf_missing", True),
        ("dns", "s/domain: dmarc_missing", False),
    ]


def test_of_several_that_explain_the_nearest_comes_first():
    both = missing((onset(1000.0, Reason.SPF_MISSING),), (onset(1150.0, Reason.MX_MISSING),))
    assert named(diagnose([refused(1160.0), both])) == [
        ("dns", "s/domain: mx_missing", True),
        ("dns", "s/domain: spf_missing", True),
    ]


def test_what_one_reading_found_is_told_once():
    both = missing((onset(1000.0, Reason.SPF_MISSING),), (onset(1000.0, Reason.MX_MISSING),))
    assert named(diagnose([refused(1100.0), both])) == [("dns", "s/domain: spf_missing", True)]


@pytest.mark.parametrize(
    ("ended_at", "failed_at", "explains"),
    [
        (None, 1165.0, True),
        (None, 1330.0, True),  # twice as long while it lasts
        (None, 1331.0, False),
        (1320.0, 1320.0, True),
        (1319.0, 1320.0, False),
        (1010.0, 1165.0, True),  # over, and others still kept what they had read
        (1010.0, 1166.0, False),
        (None, 970.0, True),  # read an interval late
        (None, 969.0, False),
    ],
)
def test_a_window_is_twice_as_long_while_the_trouble_lasts(ended_at, failed_at, explains):
    health = Health.DOWN if ended_at is None else Health.UP
    cause = missing((onset(1000.0, Reason.SPF_MISSING), ended_at), health=health)
    found = diagnose([refused(failed_at), cause])
    assert (found[0].cause == "dns") is explains


def test_what_is_over_and_explains_nothing_is_not_named():
    over = missing((onset(0.0, Reason.DMARC_MISSING), 50.0), (onset(1000.0, Reason.SPF_MISSING),))
    assert len(diagnose([refused(1100.0), over])) == 1
    both = missing((onset(1000.0, Reason.SPF_MISSING), 1050.0), health=Health.UP)
    assert named(diagnose([refused(1100.0), both])) == [("dns", "s/domain: spf_missing", True)]
    assert diagnose([refused(9000.0), both])[0].cause == "unknown"


def test_a_trouble_that_codes_disprove_explains_no_more():
    disproved = missing((onset(1000.0, Reason.SPF_MISSING), None, ("s/code",)))
    unknown, dns = diagnose([refused(1100.0), disproved])
    assert (unknown.cause, dns.cause, dns.explains) == ("unknown", "dns", False)
    assert dns.explanation == (
        "s/domain: spf_missing, 100 s before s/code: delivery_refused, "
        "but codes arrived after twice its window of 3 min while it still failed"
    )
    elsewhere = missing((onset(1000.0, Reason.SPF_MISSING), None, ("sms/code",)))
    assert diagnose([refused(1100.0), elsewhere])[0].cause == "dns"


def test_while_nothing_fails_after_it_all_that_is_wrong_with_a_cause_is_named():
    both = missing(
        (onset(0.0, Reason.DMARC_MISSING),),
        (onset(10.0, Reason.MX_MISSING), 20.0),
        (onset(1000.0, Reason.SPF_MISSING),),
    )
    spf, dmarc = diagnose([FINE, both])
    assert named([spf, dmarc]) == [
        ("dns", "s/domain: spf_missing", True),
        ("dns", "s/domain: dmarc_missing", True),
    ]
    assert [(each.reason, each.at) for each in dmarc.readings] == [(Reason.DMARC_MISSING, 0.0)]
    coming_up = missing((onset(0.0, Reason.DMARC_MISSING),), reason=Reason.OK)
    assert len(diagnose([FINE, coming_up])) == 1
