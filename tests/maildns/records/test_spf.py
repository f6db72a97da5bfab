"""SPF: RFC 7208 by its examples, its grammar, its limits; and the same as pyspf finds."""

import contextlib
import warnings
from ipaddress import ip_address
from unittest import mock

import dns.name
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from beacon.maildns.records.spf import check
from beacon.maildns.records.spf_grammar import Malformed, Result, is_spf, parse

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import spf as pyspf

D = "otp.example"

# RFC 7208, appendix A.
RFC = {
    ("example.com", "MX"): ["10 mail-a.example.com", "20 mail-b.example.com"],
    ("example.com", "A"): ["192.0.2.10", "192.0.2.11"],
    ("amy.example.com", "A"): ["192.0.2.65"],
    ("bob.example.com", "A"): ["192.0.2.66"],
    ("mail-a.example.com", "A"): ["192.0.2.129"],
    ("mail-b.example.com", "A"): ["192.0.2.130"],
    ("example.org", "MX"): ["10 mail-c.example.org"],
    ("mail-c.example.org", "A"): ["192.0.2.140"],
    ("10.2.0.192.in-addr.arpa", "PTR"): ["example.com"],
    ("65.2.0.192.in-addr.arpa", "PTR"): ["amy.example.com"],
    ("140.2.0.192.in-addr.arpa", "PTR"): ["mail-c.example.org"],
    ("4.0.0.10.in-addr.arpa", "PTR"): ["bob.example.com"],
}


@pytest.mark.parametrize(
    ("record", "address", "result"),
    [
        ("v=spf1 +all", "203.0.113.9", "pass"),
        ("v=spf1 a -all", "192.0.2.10", "pass"),
        ("v=spf1 a -all", "192.0.2.65", "fail"),
        ("v=spf1 a:example.org -all", "192.0.2.10", "fail"),
        ("v=spf1 mx -all", "192.0.2.129", "pass"),
        ("v=spf1 mx -all", "192.0.2.10", "fail"),
        ("v=spf1 mx:example.org -all", "192.0.2.140", "pass"),
        ("v=spf1 mx mx:example.org -all", "192.0.2.140", "pass"),
        ("v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.131", "pass"),
        ("v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.143", "pass"),
        ("v=spf1 ptr -all", "192.0.2.10", "pass"),
        ("v=spf1 ptr -all", "192.0.2.140", "fail"),
        ("v=spf1 ptr -all", "10.0.0.4", "fail"),
        ("v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.129", "pass"),
        ("v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.65", "fail"),
        ("v=spf1 redirect=other.example.com", "192.0.2.10", "fail"),
        ("v=spf1 ?a:%{d} ~all", "192.0.2.10", "neutral"),
        ("v=spf1 ~all", "192.0.2.10", "softfail"),
        ("v=spf1", "192.0.2.10", "neutral"),
        ("v=spf1 exists:%{ir}.%{v}._spf.%{d2} -all", "192.0.2.10", "pass"),
        ("v=spf1 exists:%{l}.%{o}.example.com -all", "192.0.2.10", "fail"),
        ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::9", "pass"),
        ("v=spf1 a//64 -all", "2001:db8:0:0:1::", "pass"),
        ("v=spf1 a/24//128 -all", "2001:db8:0:0:1::", "fail"),
        ("v=spf1 include:other.example.com ip4:192.0.2.10 -all", "192.0.2.10", "pass"),
    ],
)
def test_the_examples_of_the_rfc(dns_of, record, address, result):
    table = RFC | {
        ("example.com", "TXT"): ["other text", record],
        ("other.example.com", "TXT"): ["v=spf1 -all"],
        ("10.2.0.192.in-addr._spf.example.com", "A"): ["127.0.0.2"],
        ("example.com", "AAAA"): ["2001:db8::1"],
    }
    checked = check("example.com", dns_of(table), ip_address(address), "strong-bad@example.com")
    assert checked.result == result, checked


# RFC 7208, section 7.4.
@pytest.mark.parametrize(
    ("macro", "name"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{h}", "mx.example.net"),
        ("%{v}", "in-addr"),
        ("%{p}", "unknown"),
        ("a%%b%-c", "a%b%20c"),
        ("%{S1}", "com"),
    ],
)
def test_the_macros_of_the_rfc(dns_of, macro, name):
    spec = f"{macro}.x.example"
    asked = []
    fetch = dns_of({("email.example.com", "TXT"): [f"v=spf1 exists:{spec} -all"]})

    def noting(which, kind):
        asked.append(which.to_text(omit_final_dot=True))
        return fetch(which, kind)

    address, sender = ip_address("192.0.2.3"), "strong-bad@email.example.com"
    check("email.example.com", noting, address, sender, "mx.example.net")
    assert dns.name.from_text(asked[-1]) == dns.name.from_text(f"{name}.x.example")


def test_the_macro_of_an_ipv6_address_has_all_its_nibbles(dns_of):
    table = {
        (D, "TXT"): ["v=spf1 exists:%{ir}.%{v}.x.example -all"],
        ("1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.x.example", "A"): ["127.0.0.2"],
    }
    assert check(D, dns_of(table), ip_address("2001:db8::1")).result is Result.PASS


def test_the_name_of_an_address_stands_in_a_macro_if_it_leads_back(dns_of):
    table = {
        (D, "TXT"): ["v=spf1 exists:%{p}.x.example -all"],
        ("9.2.0.192.in-addr.arpa", "PTR"): ["false.example", f"mx.{D}"],
        (f"mx.{D}", "A"): ["192.0.2.9"],
        (f"mx.{D}.x.example", "A"): ["127.0.0.2"],
    }
    assert check(D, dns_of(table), ip_address("192.0.2.9")).result is Result.PASS


def test_a_name_that_grows_too_long_loses_labels_on_the_left(dns_of):
    long = ".".join(["label6"] * 30)
    table = {(D, "TXT"): [f"v=spf1 exists:%{{l}}.{long}.x.example -all"]}
    asked = []
    fetch = dns_of(table)

    def noting(name, kind):
        asked.append(name.to_text(omit_final_dot=True))
        return fetch(name, kind)

    check(D, noting, ip_address("192.0.2.1"), f"{'l' * 60}@{D}")
    assert asked[-1].startswith("label6")
    assert len(asked[-1]) <= 253


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 a:", "v=spf1 a:example", "v=spf1 a:example.123", "v=spf1 a:x.example-",
        "v=spf1 a/33", "v=spf1 a//129", "v=spf1 a/01", "v=spf1 a/", "v=spf1 mx/24/64",
        "v=spf1 include", "v=spf1 include:", "v=spf1 include:a.example/24", "v=spf1 exists",
        "v=spf1 ip4", "v=spf1 ip4:", "v=spf1 ip4:192.0.2", "v=spf1 ip4:192.0.2.1/33",
        "v=spf1 ip4:192.0.2.1/", "v=spf1 ip4:192.0.2.1/08", "v=spf1 ip4:2001:db8::1",
        "v=spf1 ip6:192.0.2.1", "v=spf1 ip6:2001:db8::%eth0", "v=spf1 ip4:1.2.3.4:80",
        "v=spf1 all:x.example", "v=spf1 all/8", "v=spf1 ptr/24", "v=spf1 unknown", "v=spf1 -",
        "v=spf1 ++all", "v=spf1 redirect=", "v=spf1 redirect=a.example redirect=b.example",
        "v=spf1 exp=a.example exp=b.example", "v=spf1 exists:%{z}.example", "v=spf1 a:%{d",
        "v=spf1 exists:%{d0}.example", "v=spf1 exists:%x.example", "v=spf1 x=%",
        "v=spf1 exists:%{c}.example", "v=spf1 a,mx", "v=spf1 all\t", "v=spf1 a:é.example",
        "v=spf1 a:x..example.",
    ],
)  # fmt: skip
def test_what_breaks_the_grammar(dns_of, record):
    if record == "v=spf1 a:x..example.":
        parse(record)  # the grammar lets it through; it is no name, and matches nothing
        return
    with pytest.raises(Malformed):
        parse(record)
    checked = check(D, dns_of({(D, "TXT"): [record]}), ip_address("192.0.2.1"))
    assert checked.result is Result.PERMERROR


@pytest.mark.parametrize(
    "record",
    [
        "V=SPF1 A MX:Example.COM/24//64 -ALL", "v=spf1   a   ", "v=spf1 moo=x:y/z%{c}",
        "v=spf1 a:%{d}", "v=spf1 exp=%{d}.example", "v=spf1 ip6:::1/0 ip4:0.0.0.0/0",
        "v=spf1 a:a/b.example.com/24", "v=spf1 a:xn--bcher-kva.example.", "v=spf1 ptr:a.b-c",
        "v=spf1 a//64", "v=spf1 redirect=%{d2}",
    ],
)  # fmt: skip
def test_what_the_grammar_allows(record):
    parse(record)


@pytest.mark.parametrize("text", ["v=spf1", "V=SPF1 -all", "v=spf1 "])
def test_a_record_is_known_by_its_version(text):
    assert is_spf(text)


@pytest.mark.parametrize("text", ["v=spf10 -all", "v=spf2.0/pra", " v=spf1 -all", "v=spf1\t-all"])
def test_what_is_no_record(dns_of, text):
    assert not is_spf(text)
    assert check(D, dns_of({(D, "TXT"): [text]})).result is Result.NONE


# --- limits -----------------------------------------------------------------------


def test_ten_terms_pass_and_eleven_do_not(dns_of):
    hosts = {(f"h{n}.{D}", "A"): ["203.0.113.1"] for n in range(11)}
    for count, result in ((10, Result.FAIL), (11, Result.PERMERROR)):
        terms = " ".join(f"a:h{n}.{D}" for n in range(count))
        checked = check(D, dns_of(hosts | {(D, "TXT"): [f"v=spf1 {terms} -all"]}))
        assert (checked.result, checked.terms) == (result, count)


def test_terms_of_the_whole_tree_count(dns_of):
    table = {(D, "TXT"): [f"v=spf1 include:a.{D} include:b.{D} -all"]}
    for each in "ab":
        table[f"{each}.{D}", "TXT"] = ["v=spf1 " + "a " * 5 + "-all"]
        table[f"{each}.{D}", "A"] = ["203.0.113.1"]
    checked = check(D, dns_of(table))
    assert checked.result is Result.PERMERROR
    assert checked.why.endswith(f"a of b.{D} is one too many")
    assert [step.depth for step in checked.trace][:3] == [0, 1, 1]


@pytest.mark.parametrize("record", [f"v=spf1 include:{D} -all", f"v=spf1 redirect={D}"])
def test_a_circle_ends_at_the_tenth_term(dns_of, record):
    checked = check(D, dns_of({(D, "TXT"): [record]}))
    assert (checked.result, checked.terms) == (Result.PERMERROR, 11)


def test_the_third_look_up_in_vain_is_too_many(dns_of):
    for count, result in ((2, Result.FAIL), (3, Result.PERMERROR)):
        terms = " ".join(f"a:x{n}.{D}" for n in range(count))
        checked = check(D, dns_of({(D, "TXT"): [f"v=spf1 {terms} -all"]}))
        assert (checked.result, checked.voids) == (result, count)


def test_more_than_ten_exchangers(dns_of):
    for count, result in ((10, Result.FAIL), (11, Result.PERMERROR)):
        table = {(f"m{n}.{D}", "A"): ["203.0.113.1"] for n in range(count)}
        table[D, "MX"] = [f"10 m{n}.{D}" for n in range(count)]
        table[D, "TXT"] = ["v=spf1 mx -all"]
        assert check(D, dns_of(table)).result is result


def test_what_cannot_be_asked_is_temporary(dns_of):
    table = {(D, "TXT"): [f"v=spf1 ip4:192.0.2.1 a:bad.{D} -all"]}
    fetch = dns_of(table, failing=frozenset({f"bad.{D}"}))
    assert check(D, fetch).result is Result.TEMPERROR
    assert check(D, fetch, ip_address("192.0.2.1")).result is Result.PASS, "it matches before"
    assert check(D, dns_of({}, failing=frozenset({D}))).result is Result.TEMPERROR


@pytest.mark.parametrize("term", ["include:none.example", "redirect=none.example"])
def test_what_is_included_must_have_a_record(dns_of, term):
    checked = check(D, dns_of({(D, "TXT"): [f"v=spf1 {term}"]}))
    assert checked.result is Result.PERMERROR
    assert "no SPF record there" in checked.why


def test_a_walk_without_an_address_asks_nothing_of_a_message(dns_of):
    table = {
        (D, "TXT"): [
            "v=spf1 exists:%{i}.x.example include:%{l}.x.example ptr redirect=%{h}.x.example"
        ]
    }
    checked = check(D, dns_of(table))
    assert (checked.result, checked.terms, checked.voids) == (Result.NEUTRAL, 4, 0)
    assert [step.result for step in checked.trace] == ["depends on the message"] * 4


def test_names_that_cannot_be_asked_for(dns_of):
    long = "l" * 64
    assert check("localhost", dns_of({})).result is Result.NONE
    assert check(f"{long}.example", dns_of({})).result is Result.NONE
    table = {(D, "TXT"): [f"v=spf1 a:{long}.example exists:%{{l}}.example ~all"]}
    checked = check(D, dns_of(table), ip_address("192.0.2.1"), f"a..b@{D}")
    assert (checked.result, checked.voids) == (Result.SOFTFAIL, 0)


HOSTILE = [
    "v=spf1 " + "a:" + "1" * 60_000 + "!",
    "v=spf1 a:" + "/1" * 30_000 + "\t",
    "v=spf1 " + "%{d}" * 15_000,
    "v=spf1 exists:" + "%{d}" * 15_000 + "x",
    "v=spf1 " + "x" * 60_000 + "=%",
    "v=spf1 " + "-" * 60_000,
    "v=spf1 exists:" + "a." * 30_000 + "1",
    "v=spf1 exists:%{d" + "9" * 60_000 + "}.example",
    "v=spf1 " + "ip4:192.0.2.1 " * 4_000,
]


@pytest.mark.parametrize("record", HOSTILE, ids=lambda r: r[7:20])
def test_a_hostile_record_takes_no_time(dns_of, record, bounded):
    with bounded():
        check(D, dns_of({(D, "TXT"): [record]}), ip_address("203.0.113.1"))


@given(st.text(alphabet="%{}abdilmpx/:=.-+~?0129 \té", max_size=40))
def test_any_text_is_parsed_or_malformed(text):
    with contextlib.suppress(Malformed):
        parse(f"v=spf1 {text}")


# --- the same as pyspf ------------------------------------------------------------

NAMES = [D, "a.example", "b.example", "c.example", "mx.example", "gone.example"]
ADDRESSES = ["192.0.2.1", "192.0.2.200", "203.0.113.9", "2001:db8::1", "2001:db8:1::1"]
QUALIFIER = st.sampled_from(["", "+", "-", "~", "?"])
SPEC = st.sampled_from(
    [*NAMES, "%{d}", "%{d2}", "%{i}.x.example", "%{ir}.%{v}.x.example", "x%{l}.example"]
)
TERMS = st.one_of(
    st.builds("{}include:{}".format, QUALIFIER, SPEC),
    st.builds(
        "{}a:{}{}".format, QUALIFIER, SPEC, st.sampled_from(["", "/24", "//32", "/0//0", "/33"])
    ),
    st.builds("{}a{}".format, QUALIFIER, st.sampled_from(["", "/24", "/24//32"])),
    st.builds("{}mx:{}{}".format, QUALIFIER, SPEC, st.sampled_from(["", "/24"])),
    st.builds("{}mx".format, QUALIFIER),
    st.builds("{}exists:{}".format, QUALIFIER, SPEC),
    st.builds("{}ptr:{}".format, QUALIFIER, st.sampled_from(NAMES)),
    st.builds(
        "{}ip4:{}".format, QUALIFIER, st.sampled_from(["192.0.2.0/24", "192.0.2.1", "1.2.3"])
    ),
    st.builds("{}ip6:{}".format, QUALIFIER, st.sampled_from(["2001:db8::/48", "2001:db8::1"])),
    st.builds("{}all".format, QUALIFIER),
    st.sampled_from(["unknown", "moo=x", "ip4:192.0.2.1/33", "all:x.example"]),
)
RECORD = st.builds(
    lambda terms, end: " ".join(["v=spf1", *terms, *end]),
    st.lists(TERMS, max_size=6),
    st.one_of(
        st.just([]),
        st.builds(lambda n: [f"redirect={n}"], st.sampled_from(NAMES)),
        st.just(["-all"]),
    ),
)
TABLES = st.fixed_dictionaries(
    {},
    optional={
        (name, kind): values
        for name in NAMES[:-1]
        for kind, values in (
            (
                "TXT",
                st.lists(RECORD, min_size=1, max_size=2)
                if name == "c.example"
                else RECORD.map(lambda r: [r]),
            ),
            ("A", st.lists(st.sampled_from(ADDRESSES[:3]), min_size=1, max_size=2, unique=True)),
            ("AAAA", st.lists(st.sampled_from(ADDRESSES[3:]), min_size=1, max_size=2, unique=True)),
            (
                "MX",
                st.lists(
                    st.sampled_from([f"10 {n}" for n in NAMES]), min_size=1, max_size=3, unique=True
                ),
            ),
        )
    }
    | {
        ("1.2.0.192.in-addr.arpa", "PTR"): st.lists(st.sampled_from(NAMES), min_size=1, unique=True)
    },
)


def by_pyspf(table, address, sender):
    """What pyspf comes to, asked the same."""

    def look_up(name, kind, strict=True, timeout=None):
        texts = table.get((name.lower(), kind), [])
        for text in texts:
            if kind == "MX":
                preference, exchange = text.split()
                yield (name, kind), (int(preference), exchange)
            elif kind == "TXT":
                yield (name, kind), (text.encode(),)
            else:
                yield (name, kind), text if kind != "AAAA" else str(text)

    with mock.patch.object(pyspf, "DNSLookup", look_up):
        query = pyspf.query(str(address), sender, "mx.example", strict=True, timeout=0)
        result, _, words = query.check()
        return result, words


REDIRECTED = {
    (D, "TXT"): ["v=spf1 include:a.example redirect=b.example"],
    ("a.example", "TXT"): ["v=spf1 -all"],
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(TABLES, st.sampled_from(ADDRESSES))
@example(REDIRECTED, ADDRESSES[0])
def test_the_same_as_pyspf(dns_of, table, address):
    """Where they differ RFC 7208 decides; docs/adr/0019-mail-dns.md tells how."""
    assume((D, "TXT") in table)
    ours = check(D, dns_of(table), ip_address(address), f"probe@{D}")
    theirs, words = by_pyspf(table, address, f"probe@{D}")
    assert ours.result == theirs or known(words, table, ours), (ours, theirs, words)


def known(words, table, ours):
    """Where pyspf goes beyond or behind RFC 7208; docs/adr/0019-mail-dns.md tells of them."""
    several = any(len(v) > 1 for (_, kind), v in table.items() if kind in ("MX", "PTR"))
    return (
        "trivial recursion" in words  # found before the terms in front of it are tried
        or "moo= MUST appear at most once" in words  # only redirect and exp must (section 6)
        or ("Void lookup limit" in words and several and ours.voids <= 2)  # asks behind a match
    )
