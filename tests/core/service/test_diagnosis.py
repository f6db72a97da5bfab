"""Why it is so, in a word and a sentence that cites its readings."""

from dataclasses import replace

import pytest

from beacon.core.endpoint.state import Onset
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
    back = replace(seen("s/sign-in", Evidence.SYMPTOM, Health.DOWN, Reason.OK), flapping=flapping)
    assert likeliest(FINE, back).explanation == f"s/sign-in: down; {words}"
    fell = replace(back, onset=Onset(60.0, Reading(Reason.DEADLINE)))
    assert likeliest(FINE, fell).explanation == f"s/sign-in: deadline; {words}"


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
BEYOND = "s/code: code_not_arrived, which its window of 65 s does not reach"


@pytest.mark.parametrize(
    ("apart", "ttl", "up_again_at", "words", "explains"),
    [
        (0.9, None, 0.0, ", together with s/code: code_not_arrived", True),
        (1.0, None, 0.0, ", 1 s before s/code: code_not_arrived", True),
        (-1.0, None, 0.0, ", 1 s after s/code: code_not_arrived", True),
        (65.0, None, SINCE, ", 65 s before s/code: code_not_arrived", True),
        (65.5, None, 0.0, f", 66 s before {BEYOND}", False),
        (119.0, 60.0, 0.0, ", 119 s before s/code: code_not_arrived", True),
        (120.0, 60.0, SINCE + 1, ", restored since, 2 min before s/code: code_not_arrived", True),
    ],
)
def test_a_cause_and_what_it_broke_are_cited_as_they_began(
    apart, ttl, up_again_at, words, explains
):
    cause = snapshot(
        "s/proxy",
        Evidence.CAUSE,
        Health.DOWN,
        statement=Reading(Reason.DEADLINE),
        onset=Onset(SINCE, Reading(Reason.TLS_EXPIRED), ttl),
        up_again_at=up_again_at,
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
