"""The golden file: the records of a sender's domain while all is well (docs/dns.md).

People keep this YAML beside their zones; later snapshots are compared with it.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import dns.exception
import dns.name
import dns.rdatatype
import msgspec
import yaml

from beacon.core.model import Reason
from beacon.maildns.answer import Found, State, plain
from beacon.maildns.findings import Finding, Wanted
from beacon.maildns.meaning import is_about_mail
from beacon.maildns.records.dmarc import is_dmarc
from beacon.maildns.records.spf_grammar import is_spf
from beacon.maildns.snapshot import CNAME, MX, NS, PTR, TXT, Snapshot, below, key_name
from beacon.maildns.sources import Key
from beacon.net.dns_records import digest, listed, shown, value
from beacon.net.dns_records import written as as_written

LARGEST: Final = 1024 * 1024
"""Bytes of a golden file."""


class GoldenRefused(Exception):
    """The file is not a valid golden file; the message says why."""


class GoldenRecords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One set of records: `values` as in a zone file, texts unquoted; `ttl` is for people only."""

    name: str
    type: str
    ttl: int | None = None
    values: tuple[str, ...]


class GoldenDomain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One domain: selectors, senders, servers that were asked, the cost of SPF, and the records."""

    selectors: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    spf_terms: int | None = None
    records: tuple[GoldenRecords, ...] = ()


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    golden: int
    taken: str = ""
    resolvers: tuple[str, ...] = ()
    domains: dict[str, GoldenDomain]


def domain_of(snapshot: Snapshot, servers: tuple[str, ...]) -> GoldenDomain:
    """One snapshot in the form of the golden file."""
    return GoldenDomain(
        selectors=tuple(sorted(snapshot.selectors)),
        senders=tuple(sender.address for sender in snapshot.senders),
        servers=servers,
        spf_terms=snapshot.spf.terms,
        records=tuple(
            GoldenRecords(
                name=plain(name),
                type=dns.rdatatype.to_text(kind),
                ttl=None if found.ttl is None else int(found.ttl),
                values=tuple(sorted(_values(found))),
            )
            for (name, kind), found in sorted(
                _pinned(snapshot), key=lambda item: (item[0][0], item[0][1].name)
            )
        ),
    )


def _pinned(snapshot: Snapshot) -> Iterator[tuple[Key, Found]]:
    """The records that must stay: those of the domain and of its senders, not those of vendors.

    Of an alias that leads to a vendor only the alias must stay: the vendor may change the rest.
    """
    found: dict[Key, Found] = {}
    for (name, kind), answer in snapshot.records.items():
        home = snapshot.domain
        if snapshot.dmarc_at is not None and name == below(snapshot.dmarc_at, "_dmarc"):
            home = snapshot.dmarc_at
        own = name.is_subdomain(home) and kind in (MX, NS, TXT)
        if not (own or kind == PTR) or not list(_values(answer)):
            continue
        if kind == TXT and name != home and _leaves(answer, home):
            found |= _aliases(name, answer, home)
        else:
            found[name, kind] = answer
    yield from found.items()


def _leaves(found: Found, home: dns.name.Name) -> bool:
    return bool(found.aliases) and not found.aliases[-1].is_subdomain(home)


def _aliases(name: dns.name.Name, found: Found, home: dns.name.Name) -> Iterator[tuple[Key, Found]]:
    """The aliases at and below `home`, up to the one that leaves it."""
    for alias in found.aliases:
        if not name.is_subdomain(home):
            return
        record = value(CNAME, alias.to_text())
        yield (name, CNAME), Found(State.THERE, (record,), found.ttl)
        name = alias


def _values(found: Found) -> Iterator[str]:
    for record in found.records:
        if record.rdtype != TXT or is_about_mail(shown(record)):
            yield as_written(record)


def render(at: dt.datetime, resolvers: tuple[str, ...], domains: Mapping[str, GoldenDomain]) -> str:
    """The text of the file, with a comment that says what it is for."""
    golden = Golden(
        golden=1,
        taken=at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        resolvers=resolvers,
        domains=dict(sorted(domains.items())),
    )
    head = (
        "# The DNS records that mail from these domains depends on, as they were when taken.\n"
        "# `beacon dns check` compares the DNS, a server or a proposed zone file with them.\n"
        "# `ttl`, `servers`, `resolvers` and `taken` are for people: they are not compared.\n"
    )
    plain_data = msgspec.to_builtins(golden)
    return head + yaml.safe_dump(
        _without_nothing(plain_data), sort_keys=False, width=100, allow_unicode=True
    )


def _without_nothing(data: Any) -> Any:  # noqa: ANN401 - what YAML holds
    if isinstance(data, dict):
        return {k: _without_nothing(v) for k, v in data.items() if v not in (None, (), [], "")}
    if isinstance(data, list | tuple):
        return [_without_nothing(each) for each in data]
    return data


def load(path: Path) -> Golden:
    """Read a golden file. Raises `GoldenRefused`."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise GoldenRefused(f"cannot read {path}: {error.strerror}") from None
    if len(raw) > LARGEST:
        raise GoldenRefused(f"{path} is larger than {LARGEST // 2**20} MiB")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(raw, yaml.CSafeLoader)):
            raise ValueError("aliases are not followed")
        golden = msgspec.convert(yaml.load(raw, yaml.CSafeLoader), Golden)
        if golden.golden != 1:
            raise GoldenRefused(f"{path}: unknown format: golden: {golden.golden}; this one is 1")
        _check(golden)
    except (yaml.YAMLError, msgspec.ValidationError, ValueError, RecursionError) as error:
        text = f"{path} is not a golden file: {' '.join(str(error).split())}"
        raise GoldenRefused(text) from None
    return golden


def _check(golden: Golden) -> None:
    """Raise `ValueError` for an invalid name, type or record."""
    for domain, each in golden.domains.items():
        try:
            dns.name.from_text(domain)
            for entry in each.records:
                dns.name.from_text(entry.name)
                tuple(_raw(entry))
        except dns.exception.DNSException as error:
            raise ValueError(f"{domain}: {error or type(error).__name__}") from None


def _raw(entry: GoldenRecords) -> Iterator[bytes]:
    kind = dns.rdatatype.from_text(entry.type)
    for text in entry.values:
        yield digest(value(kind, text))


def keys_of(domain: GoldenDomain) -> Iterable[Key]:
    """Name and type of each record of one domain."""
    for entry in domain.records:
        yield dns.name.from_text(entry.name), dns.rdatatype.from_text(entry.type)


def wanted(domain: GoldenDomain) -> Wanted:
    """What the domain must have: what it had when the file was made."""
    values = [text for entry in domain.records for text in entry.values if entry.type == "TXT"]
    return Wanted(
        spf=any(map(is_spf, values)),
        dmarc=any(map(is_dmarc, values))
        or any(e.type == "CNAME" and e.name.lower().startswith("_dmarc.") for e in domain.records),
        mx=any(entry.type == "MX" for entry in domain.records),
    )


def compare(domain: str, golden: GoldenDomain, snapshot: Snapshot) -> Iterator[Finding]:
    """Where a snapshot differs from the golden file."""
    for entry, key in zip(golden.records, keys_of(golden), strict=True):
        found = snapshot.records.get(key)
        if found is None or found.state is State.FAILED:
            continue  # `findings.judge` reports queries that failed
        yield from _compared(domain, entry, found, snapshot)


def _compared(
    domain: str, entry: GoldenRecords, found: Found, snapshot: Snapshot
) -> Iterator[Finding]:
    where = f"{entry.type} of {entry.name}"
    there = set(_values(found))
    if not there:
        keys = {plain(key_name(snapshot.domain, each)): each for each in snapshot.selectors}
        selector = keys.get(entry.name.lower())
        what = f"the key of selector {selector} ({where})" if selector else where
        text = f"{what} is gone; it was {listed(entry.values)}"
        yield Finding(Reason.RECORD_MISSING, domain, text, entry.name, entry.type)
        return
    seen = {digest(r): text for r in found.records if (text := as_written(r)) in there}
    were = dict(zip(_raw(entry), entry.values, strict=True))
    lost = [text for raw, text in were.items() if raw not in seen]
    new = [text for raw, text in seen.items() if raw not in were]
    if lost or new:
        changes = [f"lost {listed(lost)}"] if lost else []
        changes += [f"new {listed(new)}"] if new else []
        text = f"{where} changed: {'; '.join(changes)}"
        if entry.type == "TXT" and _leaves(found, snapshot.domain):
            at = plain(found.aliases[-1])
            text += f" (at {at}: make the golden file again, it will keep the alias)"
        yield Finding(Reason.RECORD_CHANGED, domain, text, entry.name, entry.type)


def added_by(compared: Iterable[Finding], found: Sequence[Finding]) -> Iterator[Finding]:
    """The findings that the comparison adds: a missing record is reported once."""
    missing = {t.name for t in found if t.reason.value.endswith(("_missing", "_nxdomain"))}
    exact = {(t.name, t.kind) for t in found if t.name in missing}
    for trouble in compared:
        known = (trouble.name, trouble.kind) in exact or (
            trouble.kind == "CNAME" and trouble.name in missing
        )
        if trouble.reason is not Reason.RECORD_MISSING or not known:
            yield trouble
