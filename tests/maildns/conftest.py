"""The DNS as a table: (name, type) → records, for everything that only asks."""

from collections.abc import Callable, Mapping

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import pytest

from beacon.maildns.answer import Fetch, Found, State
from beacon.net.dns_records import value

CNAME, TXT = dns.rdatatype.CNAME, dns.rdatatype.TXT
Table = Mapping[tuple[str, str], list[str]]


def text_record(text: str) -> dns.rdata.Rdata:
    """Without the detour over quotes, which takes a second for 60 KB."""
    if text.startswith('"'):
        return value(TXT, text)
    data = text.encode()
    pieces = [data[start : start + 255] for start in range(0, len(data), 255)]
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, TXT, pieces or [b""])


def fetch_from(table: Table, failing: frozenset[str] = frozenset()) -> Fetch:
    def fetch(name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found:
        text = name.to_text(omit_final_dot=True).lower()
        if text in failing:
            return Found(State.FAILED, why="SERVFAIL")
        aliases = []
        while kind != CNAME and (text, "CNAME") in table and len(aliases) < 8:
            [text] = table[text, "CNAME"]
            aliases.append(dns.name.from_text(text))
        texts = table.get((text, dns.rdatatype.to_text(kind)), [])
        records = tuple(text_record(each) if kind == TXT else value(kind, each) for each in texts)
        if records:
            return Found(State.THERE, records, 300.0, tuple(aliases))
        there = any(known == text for known, _ in table)
        return Found(State.EMPTY if there else State.GONE, (), 60.0, tuple(aliases))

    return fetch


@pytest.fixture
def dns_of() -> Callable[..., Fetch]:
    """Make a `Fetch` of a table; what is in `failing` gives SERVFAIL."""
    return fetch_from
