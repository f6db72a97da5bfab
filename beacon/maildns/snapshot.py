"""One sender's domain in the DNS: everything that receivers of its mail read."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import dns.name
import dns.rdatatype
import dns.reversename

from beacon.maildns.answer import Fetch, Found, State, plain, texts
from beacon.maildns.records.dmarc import flaw, is_dmarc, resembles
from beacon.maildns.records.spf import Checked, check
from beacon.maildns.records.tag_list import excerpt
from beacon.maildns.sources import Key

A, AAAA = dns.rdatatype.A, dns.rdatatype.AAAA
TXT, MX, NS = dns.rdatatype.TXT, dns.rdatatype.MX, dns.rdatatype.NS
PTR, SOA, CNAME = dns.rdatatype.PTR, dns.rdatatype.SOA, dns.rdatatype.CNAME
MOST_EXCHANGES: Final = 10
"""Mail exchangers whose addresses are looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One address that sends the codes: its names, and its SPF result.

    `forward` is whether one of its names leads back to it; None: unknown.
    """

    address: str
    names: Found
    forward: bool | None
    spf: Checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The answers of one survey. `spf` is the walk through the whole tree.

    `records` has every answer that mail depends on, with those of the SPF tree. `dmarc_at` is where
    the policy was found, at the domain or above; `dmarc_flaw` is why receivers apply none.
    `exchanges` is whether the domain can receive mail; None: unknown. `silent` are the resolvers
    that did not answer.
    """

    domain: dns.name.Name
    records: Mapping[Key, Found]
    spf: Checked
    selectors: tuple[str, ...] = ()
    senders: tuple[Sender, ...] = ()
    dmarc_at: dns.name.Name | None = None
    dmarc_flaw: str = ""
    exchanges: bool | None = None
    silent: tuple[str, ...] = ()

    def at(self, kind: dns.rdatatype.RdataType, *labels: str) -> Found:
        """The answer at the domain, or at a name below it."""
        return self.records[below(self.domain, *labels), kind]

    @property
    def exists(self) -> bool:
        """Whether the domain exists."""
        return self.at(SOA).state is not State.GONE


def below(domain: dns.name.Name, *labels: str) -> dns.name.Name:
    """A name under the domain; a label may contain dots, as a DKIM selector does."""
    prefix = ".".join(labels)
    return dns.name.from_text(prefix, domain) if prefix else domain


def key_name(domain: dns.name.Name, selector: str) -> dns.name.Name:
    """The name of a selector's DKIM key."""
    return below(domain, selector, "_domainkey")


def keys(
    domain: dns.name.Name, selectors: Iterable[str], senders: Iterable[str]
) -> tuple[Key, ...]:
    """The queries that need no earlier answer, so that all are sent at once."""
    return (
        *((domain, kind) for kind in (SOA, NS, MX, TXT, A, AAAA)),
        (below(domain, "_dmarc"), TXT),
        *((key_name(domain, selector), TXT) for selector in selectors),
        *((dns.reversename.from_address(address), PTR) for address in senders),
    )


def take_snapshot(
    domain: dns.name.Name,
    fetch: Fetch,
    selectors: tuple[str, ...] = (),
    senders: tuple[str, ...] = (),
    more: Iterable[Key] = (),
) -> Snapshot:
    """Look up everything about one domain, and the records `more`."""
    answers: dict[Key, Found] = {}

    def noted(name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found:
        if (name, kind) not in answers:
            answers[name, kind] = fetch(name, kind)
        return answers[name, kind]

    for key in (*keys(domain, selectors, senders), *more):
        noted(*key)
    name = plain(domain)
    dmarc_at, dmarc_flaw = _policy(domain, noted)
    return Snapshot(
        domain=domain,
        records=answers,
        spf=check(name, noted),
        selectors=selectors,
        senders=tuple(_sender(name, address, noted) for address in senders),
        dmarc_at=dmarc_at,
        dmarc_flaw=dmarc_flaw,
        exchanges=_exchanges(domain, noted),
    )


def _sender(domain: str, address: str, fetch: Fetch) -> Sender:
    names = fetch(dns.reversename.from_address(address), PTR)
    kind = AAAA if ":" in address else A
    forward = [fetch(record.target, kind) for record in names.records[:MOST_EXCHANGES]]  # type: ignore[attr-defined]
    back = ip_address(address) in {
        ip_address(record.address)  # type: ignore[attr-defined]
        for found in forward
        for record in found.records
    }
    failed = any(found.state is State.FAILED for found in (names, *forward))
    return Sender(
        address=address,
        names=names,
        forward=None if failed and not back else back,
        spf=check(domain, fetch, ip_address(address)),
    )


def _policy(domain: dns.name.Name, fetch: Fetch) -> tuple[dns.name.Name | None, str]:
    """The nearest name with a DMARC record: the domain or one above it (RFC 7489 §6.6.3).

    Several records at one name, or an invalid one, end the search: receivers then apply none.
    """
    near = ""
    for above in _upwards(domain):
        name = below(above, "_dmarc")
        found = fetch(name, TXT)
        records = [text for text in texts(found) if is_dmarc(text)]
        if len(records) > 1:
            many = f"there are {len(records)} DMARC records at {plain(name)}"
            return None, f"{many}: receivers apply none of them"
        why = flaw(records[0]) if records else None
        if why:
            return None, f"the DMARC record at {plain(name)} is not applied: {why}"
        if records:
            return above, ""
        if found.state is State.FAILED:
            return None, ""
        meant = next((text for text in texts(found) if resembles(text)), None)
        if meant is not None and not near:
            near = f"{excerpt(meant)} at {plain(name)} is not valid: it must begin v=DMARC1;"
    return None, near


def _upwards(domain: dns.name.Name) -> Iterator[dns.name.Name]:
    """The domain and all names above it with two labels or more.

    Receivers stop at the list of public suffixes; a policy at one of those is not expected.
    """
    while len(domain.labels) >= 3:
        yield domain
        domain = domain.parent()


def _exchanges(domain: dns.name.Name, fetch: Fetch) -> bool | None:
    """Whether the domain can receive mail; None: unknown."""
    exchangers = fetch(domain, MX)
    hosts = [domain]
    if exchangers.records:
        hosts = [record.exchange for record in sorted(exchangers.records)[:MOST_EXCHANGES]]  # type: ignore[attr-defined]
    hosts = [host for host in hosts if host != dns.name.root]
    answers = []
    for host in hosts:
        for kind in (A, AAAA):
            answers.append(fetch(host, kind))
            if answers[-1].records:
                return True
    unsure = any(found.state is State.FAILED for found in (exchangers, *answers))
    return None if unsure else False
