"""What is written can be read again, whatever the DNS says."""

import datetime as dt

import dns.name
import pytest

from beacon.maildns.golden import compare, domain_of, keys_of, load, render, wanted
from beacon.maildns.snapshot import take_snapshot

D = "otp.example"
SOA = {(D, "SOA"): ["ns1.otp.example. host.otp.example. 1 3600 600 86400 60"]}
TABLES = {
    "nothing": {},
    "texts of nobody's business": {(D, "TXT"): ["unrelated"]},
    "signs of YAML": {(D, "TXT"): ["v=spf1 exp=%{d}: # 'x' \"y\" -all", "v=spf1 *&!|>-all"]},
    "quotes around": {(D, "TXT"): ['"\\"v=spf1 -all\\""', "v=spf1 -all"]},
    "bytes that are no text": {(D, "TXT"): ["v=spf1 \x00\x07\x1b é -all"]},
    "an alias": {(f"s1._domainkey.{D}", "CNAME"): ["key.vendor.example"]} | {
        ("key.vendor.example", "TXT"): ["p=AAAA"]
    },
}  # fmt: skip


@pytest.mark.parametrize("what", TABLES)
def test_a_golden_file_is_read_as_it_was_written(dns_of, tmp_path, what):
    snapshot = take_snapshot(dns.name.from_text(D), dns_of(SOA | TABLES[what]), ("s1",))
    path = tmp_path / "golden.yaml"
    now = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    path.write_text(render(now, (), {D: domain_of(snapshot, ())}))
    again = load(path).domains[D]
    assert again.records == domain_of(snapshot, ()).records
    assert not wanted(again).dmarc
    seen = take_snapshot(dns.name.from_text(D), dns_of(SOA | TABLES[what]), more=keys_of(again))
    assert not list(compare(D, again, seen))
