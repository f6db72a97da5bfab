"""DMARC records: what receivers apply (RFC 7489, 6.3 and 6.6.3)."""

import dns.name
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beacon.core.model import Reason
from beacon.maildns.findings import Wanted, judge
from beacon.maildns.records.dmarc import flaw, is_dmarc
from beacon.maildns.snapshot import take_snapshot

# The words we say (None: applied), and what checkdmarc 6.0.4 makes of the record. It follows the
# successor, RFC 9989, where a record without p counts as `none`; receivers of today do not.
TABLE = {
    "none": ("v=DMARC1; p=none", None, "none"),
    "quarantine": ("v=DMARC1;p=quarantine;", None, "quarantine"),
    "reject": ("v=DMARC1; p=reject; sp=none; pct=20; rua=mailto:a@b.example", None, "reject"),
    "capitals of what is no version": ("V=DMARC1; P=REJECT", None, "reject"),
    "blanks around": ("v = DMARC1 ; p = reject ;", None, "reject"),
    "p further behind": ("v=DMARC1; sp=none; p=reject", None, "reject"),
    "unknown tags, and nonsense behind": ("v=DMARC1; p=none; foo=bar; adkim=x", None, "none"),
    "misspelt": ("v=DMARC1; p=quarentine", "p='quarentine' is not a policy", "refused"),
    "misspelt, with reports: as none": (
        "v=DMARC1; p=quarentine; rua=mailto:a@b.example", None, "refused",
    ),
    "misspelt, with reports to the web": (
        "v=DMARC1; p=quarentine; rua=https://b.example/r", None, "refused",
    ),
    "misspelt, reports of a size": (
        "v=DMARC1; p=x; rua=mailto:a@b.example!10m,mailto:c@d.example", None, "refused",
    ),
    "misspelt, reports to no address": (
        "v=DMARC1; p=quarentine; rua=a@b.example", "p='quarentine' is not a policy", "refused",
    ),
    "misspelt, one of two addresses": (
        "v=DMARC1; p=x; rua=a@b.example, mailto:c@d.example", None, "refused",
    ),
    "misspelt, empty address": ("v=DMARC1; p=x; rua=mailto:", "p='x' is not a policy", "refused"),
    "reports of failures only": (
        "v=DMARC1; p=x; ruf=mailto:a@b.example", "p='x' is not a policy", "refused",
    ),
    "no p": ("v=DMARC1;", "it has no p=", "none"),
    "no p, no semicolon": ("v=DMARC1", "it has no p=", "none"),
    "no p, with reports": ("v=DMARC1; rua=mailto:a@b.example", None, "none"),
    "empty p": ("v=DMARC1; p=", "p='' is not a policy", "refused"),
    "p twice": ("v=DMARC1; p=none; p=reject", "'p' is given twice", "refused"),
    "p of several": ("v=DMARC1; p=none reject", "is not a policy", "refused"),
    "a comma for a semicolon": ("v=DMARC1; p=reject, rua=mailto:a@b", "is not a policy", "refused"),
    "sp misspelt": ("v=DMARC1; p=reject; sp=never", "sp='never' is not a policy", "refused"),
    "sp misspelt, with reports": (
        "v=DMARC1; p=reject; sp=x; rua=mailto:a@b.example", None, "refused",
    ),
    "typographic quotes": ("v=DMARC1; p=\ufffd\ufffd\ufffdreject", "is not a policy", "refused"),
}  # fmt: skip
NONE = {
    "small letters": "v=dmarc1; p=reject",
    "mixed letters": "v=Dmarc1; p=reject",
    "a blank in front": " v=DMARC1; p=reject",
    "another version": "v=DMARC2; p=reject",
    "no semicolon behind": "v=DMARC1 p=reject",
    "a comma": "v=DMARC1, p=reject",
    "v not first": "p=reject; v=DMARC1",
    "quotes": '"v=DMARC1; p=reject"',
    "a backslash": "v=DMARC1\\; p=reject",
    "a blank inside": "v=DMARC 1; p=reject",
    "SPF": "v=spf1 -all",
    "nothing": "",
}


@pytest.mark.parametrize("what", TABLE)
def test_what_is_applied(what):
    text, words, _ = TABLE[what]
    assert is_dmarc(text)
    message = flaw(text)
    assert (message is None) is (words is None), message
    assert words is None or words in (message or "")


@pytest.mark.parametrize("what", NONE)
def test_what_is_discarded(what):
    """checkdmarc 6.0.4 finds none of them either."""
    assert not is_dmarc(NONE[what])


def test_what_we_apply_and_checkdmarc_refuses_is_what_rfc_7489_counts_as_none():
    others = {what for what, (_, words, fate) in TABLE.items() if not words and fate == "refused"}
    assert all("rua=" in TABLE[what][0] for what in others)


SUB, ORG, TOP = "a.otp.example", "otp.example", "example"
POLICY = "v=DMARC1; p=reject"


@pytest.mark.parametrize(
    ("records", "found", "words"),
    [
        ({SUB: [POLICY]}, SUB, ""),
        ({ORG: [POLICY]}, ORG, ""),
        ({SUB: ["v=dmarc1; p=none"], ORG: [POLICY]}, ORG, ""),
        ({SUB: ["unrelated"], ORG: [POLICY]}, ORG, ""),
        ({SUB: ["unrelated", POLICY]}, SUB, ""),
        # What is there and does not count ends the search: receivers apply none.
        ({SUB: [POLICY, POLICY + ";"], ORG: [POLICY]}, None, "2 DMARC records at _dmarc.a.otp"),
        ({SUB: ["v=DMARC1;"], ORG: [POLICY]}, None, "_dmarc.a.otp.example is not applied: it"),
        ({ORG: ["v=DMARC1; p=quarentine"]}, None, "_dmarc.otp.example is not applied: p='quar"),
        ({ORG: ["v=dmarc1; p=reject"]}, None, "'v=dmarc1; p=reject' at _dmarc.otp.example is"),
        ({TOP: [POLICY]}, None, "no DMARC record at _dmarc.a.otp.example nor above"),
    ],
)  # fmt: skip
def test_whose_policy_counts(dns_of, records, found, words):
    table = {(f"_dmarc.{name}", "TXT"): texts for name, texts in records.items()}
    table |= {(SUB, "SOA"): ["ns1.otp.example. host.otp.example. 1 3600 600 86400 60"]}
    snapshot = take_snapshot(dns.name.from_text(SUB), dns_of(table))
    assert snapshot.dmarc_at == (None if found is None else dns.name.from_text(found))
    troubles = judge(snapshot, Wanted(spf=False, mx=False))
    assert [words in trouble.text for trouble in troubles] == ([True] if words else [])
    assert all(trouble.reason is Reason.DMARC_MISSING for trouble in troubles)


@given(st.text(max_size=200))
@example("P")
def test_no_text_is_a_crash(text):
    assert not flaw(f"v=DMARC1; p=none; {text.replace(';', '').replace('=', '')}")
    flaw(text)
    is_dmarc(text)
