"""Records as people write them."""

import dns.exception
import dns.rdataclass
import dns.rdatatype
import pytest
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import given
from hypothesis import strategies as st

from beacon.net.dns_records import (
    digest,
    example,
    is_mail_domain,
    is_name,
    is_selector,
    listed,
    one_type,
    shown,
    value,
)

KINDS = dns.rdatatype


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (KINDS.MX, "10 MX.Example.com", "010 mx.example.com."),
        (KINDS.AAAA, "2001:0DB8::0001", "2001:db8::1"),
        (KINDS.TXT, "a b", '"a" " b"'),
        (KINDS.TXT, "v=DKIM1; p=a\\b", '"v=DKIM1; p=a\\\\b"'),
        (KINDS.CNAME, "a.example", "A.EXAMPLE."),
        (KINDS.SRV, "0 5 443 a.example", "0 5 443 A.example."),
        (KINDS.TLSA, "3 1 0 ABCD", "3 1 0 ab cd"),
    ],
)
def test_two_writings_of_one_record_are_equal(kind, one, other):
    assert digest(value(kind, one)) == digest(value(kind, other))


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (KINDS.MX, "10 a.example", "20 a.example"),
        (KINDS.TXT, "v=spf1 -all", "V=SPF1 -all"),
        (KINDS.CAA, '0 issue "A.example"', '0 issue "a.example"'),
    ],
)
def test_different_records_are_not(kind, one, other):
    assert digest(value(kind, one)) != digest(value(kind, other))


@given(st.text(max_size=600).filter(lambda text: not text.startswith('"')))
def test_any_text_is_a_record_of_that_text(text):
    record = value(KINDS.TXT, text)
    assert digest(record) == text.encode()
    assert shown(record).isprintable()
    assert digest(value(KINDS.TXT, record.to_text())) == digest(record)


def test_bytes_that_are_no_text_are_shown_all_the_same():
    record = TXT(dns.rdataclass.IN, KINDS.TXT, [b"\xff\n"])
    assert shown(record) == "\\xff?"


@pytest.mark.parametrize("text", ["ANY", "AXFR", "OPT", "TYPE255", "NONE", "", "A B", "TYPE99999"])
def test_what_is_not_one_type(text):
    assert one_type(text) is None


def test_types_and_examples_fit():
    for name in ("A", "aaaa", "MX", "SRV"):
        kind = one_type(name)
        assert kind is not None
        value(kind, example(kind))
    with pytest.raises(dns.exception.DNSException):
        value(KINDS.CAA, example(KINDS.CAA))


def test_names():
    assert is_name("_dmarc.bücher.example")
    for text in ("", "a..b", "a" * 64, ".".join(["abcd"] * 60)):
        assert not is_name(text)


def test_what_stands_behind_the_at_of_an_address():
    good = "otp.example OTP.Example. xn--bcher-kva.example bücher.example mail_1.otp.example"
    assert all(map(is_mail_domain, f"{good} 1and1.example 0.example".split()))
    bad = "example a..example a@b a@b.example @b.example https://otp.example otp.example/x"
    bad += (
        " *.example otp.example:53 192.0.2.1 2001:db8::1 _dmarc.otp.example _domainkey.otp.example"
    )
    bad += " .otp.example . v=spf1 otp.example,b.example <a@b.example> otp\\.example"
    assert not any(map(is_mail_domain, [*bad.split(), "", "otp example", "otp.example "]))


def test_what_names_a_key():
    good = "s1 2024.mail k1_a 20230601 selector1-otp-example S-1"
    assert all(map(is_selector, good.split()))
    bad = "a..b x._domainkey x._DOMAINKEY x._domainkey.otp.example _domainkey x@otp.example x/ . x."
    assert not any(map(is_selector, [*bad.split(), "", "x y", "*", "s=x", "k" * 64]))


def test_a_list_is_cut():
    assert listed([]) == "nothing"
    assert listed(["b", "a"]) == "a, b"
    assert len(listed(["x" * 100])) == 70
