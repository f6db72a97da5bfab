"""Everything that is wrong in a snapshot of a sender's domain, the worst first. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import dns.name
import dns.rdatatype

from beacon.core.model import Reason
from beacon.maildns.answer import Found, State, plain, texts
from beacon.maildns.meaning import is_about_mail, meaning
from beacon.maildns.records.dkim import flaw, is_key, is_revoked
from beacon.maildns.records.spf import MOST_TERMS, MOST_VOIDS, Checked
from beacon.maildns.records.spf_grammar import Result
from beacon.maildns.records.tag_list import excerpt
from beacon.maildns.snapshot import MX, SOA, TXT, Snapshot, key_name
from beacon.net.dns_records import listed, shown

WORST: Final = (
    Reason.DNSSEC_BOGUS,
    Reason.DNS_NXDOMAIN,
    Reason.DNS_TIMEOUT,
    Reason.DNS_SERVFAIL,
    Reason.SPF_MISSING,
    Reason.SPF_PERMERROR,
    Reason.SPF_FAIL,
    Reason.DKIM_MISSING,
    Reason.DKIM_REVOKED,
    Reason.MX_MISSING,
    Reason.DMARC_MISSING,
    Reason.PTR_MISMATCH,
    Reason.RECORD_MISSING,
    Reason.RECORD_CHANGED,
    Reason.SPF_TEMPERROR,
    Reason.RESOLVER_DISAGREEMENT,
    Reason.NAMESERVER_DEAD,
    Reason.SPF_NEAR_LIMIT,
)
"""All possible reasons; the reading has the one that comes first here (docs/probes/mail_dns.md)."""

Record = tuple[dns.name.Name, dns.rdatatype.RdataType]

NEAR: Final = MOST_TERMS - 1
"""With this many terms, SPF has space for one more vendor only."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a domain; `name` and `kind` are the record it is about."""

    reason: Reason
    domain: str
    text: str
    name: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a domain must have, besides a key for each selector and a name for each sender."""

    spf: bool = True
    dmarc: bool = True
    mx: bool = True
    dnssec: bool = False


def worst_first(found: list[Finding]) -> list[Finding]:
    """The findings, sorted."""
    return sorted(found, key=lambda trouble: WORST.index(trouble.reason))


def judge(snapshot: Snapshot, wanted: Wanted) -> list[Finding]:
    """Everything that is wrong. For a domain that does not exist, only that."""
    soa, domain = snapshot.at(SOA), plain(snapshot.domain)
    if soa.state in (State.GONE, State.FAILED):
        text = f"{domain} does not exist" if soa.state is State.GONE else soa.why
        return [Finding(_unknown(soa), domain, text, domain, "SOA")]
    found = [*_spf(snapshot, wanted), *_keys(snapshot), *_dmarc(snapshot, wanted)]
    found += [*_mail(snapshot, wanted), *_senders(snapshot, wanted), *_signatures(snapshot, wanted)]
    return worst_first(list(dict.fromkeys(found)))


def _unknown(found: Found) -> Reason:
    """The reason for an answer without records."""
    if found.state is State.GONE:
        return Reason.DNS_NXDOMAIN
    if found.bogus:
        return Reason.DNSSEC_BOGUS
    return Reason.DNS_TIMEOUT if found.silent else Reason.DNS_SERVFAIL


def _failed(
    snapshot: Snapshot, name: dns.name.Name, kind: dns.rdatatype.RdataType
) -> Finding | None:
    found = snapshot.records[name, kind]
    if found.state is not State.FAILED:
        return None
    word = dns.rdatatype.to_text(kind)
    text = f"{word} of {plain(name)}: {found.why}"
    return Finding(_unknown(found), plain(snapshot.domain), text, plain(name), word)


def _spf(snapshot: Snapshot, wanted: Wanted) -> Iterator[Finding]:
    if not wanted.spf:
        return
    domain, checked = plain(snapshot.domain), snapshot.spf
    bogus = next((f for f in snapshot.records.values() if f.bogus), None)
    failed = _failed(snapshot, snapshot.domain, TXT)
    if failed is not None:
        yield failed
    elif checked.result is Result.NONE:
        yield Finding(Reason.SPF_MISSING, domain, f"no SPF record at {domain}", domain, "TXT")
    elif checked.result is Result.PERMERROR:
        yield _broken_tree(snapshot)
    elif checked.result is Result.TEMPERROR:
        reason = Reason.DNSSEC_BOGUS if bogus else Reason.SPF_TEMPERROR
        yield Finding(reason, domain, f"SPF cannot be checked: {checked.why}", domain, "TXT")
    elif not checked.permits:
        text = f"SPF allows nobody to send for {domain} ({checked.why or 'nothing matches'})"
        yield Finding(Reason.SPF_FAIL, domain, text, domain, "TXT")
    elif checked.terms >= NEAR or checked.voids >= MOST_VOIDS:
        yield Finding(Reason.SPF_NEAR_LIMIT, domain, f"SPF takes {cost(checked)}", domain, "TXT")


def cost(checked: Checked) -> str:
    """The cost of a check, compared with the limits of RFC 7208."""
    voids = f", {checked.voids} of {MOST_VOIDS} look-ups in vain" if checked.voids else ""
    return f"{checked.terms} of {MOST_TERMS} terms that ask the DNS{voids}"


def spf_word(checked: Checked) -> str:
    """The state of the record after a walk through the whole tree.

    The walk's own result is for an address that only `all` matches, so it is not shown.
    """
    broken = checked.result in (Result.NONE, Result.PERMERROR, Result.TEMPERROR)
    return str(checked.result) if broken else "readable"


def _broken_tree(snapshot: Snapshot) -> Finding:
    """An SPF tree that breaks after the terms for our senders breaks for others only."""
    domain, why = plain(snapshot.domain), snapshot.spf.why
    passing = [sender.spf.result is Result.PASS for sender in snapshot.senders]
    if passing and all(passing):
        text = f"SPF passes for the senders, but its tree is broken after them: {why}"
        return Finding(Reason.SPF_NEAR_LIMIT, domain, text, domain, "TXT")
    return Finding(Reason.SPF_PERMERROR, domain, f"SPF is broken: {why}", domain, "TXT")


def _keys(snapshot: Snapshot) -> Iterator[Finding]:
    domain = plain(snapshot.domain)
    for selector in snapshot.selectors:
        name = key_name(snapshot.domain, selector)
        failed, found = _failed(snapshot, name, TXT), snapshot.records[name, TXT]
        if failed is not None:
            yield failed
            continue
        via = f", through {plain(found.aliases[-1])}" if found.aliases else ""
        wrong = _key_flaw(texts(found))
        if wrong is not None:
            reason, what = wrong
            text = f"DKIM selector {selector}: {what} at {plain(name)}{via}"
            yield Finding(reason, domain, text, plain(name), "TXT")


def _key_flaw(found: tuple[str, ...]) -> tuple[Reason, str] | None:
    """What is wrong with the key among these texts; None: receivers can use it."""
    keys = [text for text in found if is_key(text)]
    if not keys:
        other = f", only {excerpt(found[0])}" if found else ""
        return Reason.DKIM_MISSING, f"there is no key{other}"
    if len(keys) > 1:
        return Reason.DKIM_MISSING, f"there are {len(keys)} keys, so receivers use none of them"
    if is_revoked(keys[0]):
        return Reason.DKIM_REVOKED, "the key is revoked (p= is empty)"
    why = flaw(keys[0])
    return None if why is None else (Reason.DKIM_MISSING, f"receivers cannot use the key ({why})")


def _dmarc(snapshot: Snapshot, wanted: Wanted) -> Iterator[Finding]:
    if not wanted.dmarc or snapshot.dmarc_at is not None:
        return
    domain, name = plain(snapshot.domain), f"_dmarc.{plain(snapshot.domain)}"
    policies = [key for key in snapshot.records if key[0].labels[0].lower() == b"_dmarc"]
    failed = next(filter(None, (_failed(snapshot, *key) for key in policies)), None)
    text = snapshot.dmarc_flaw or f"no DMARC record at {name} nor above"
    yield failed or Finding(Reason.DMARC_MISSING, domain, text, name, "TXT")


def _mail(snapshot: Snapshot, wanted: Wanted) -> Iterator[Finding]:
    if not wanted.mx or snapshot.exchanges:
        return
    domain = plain(snapshot.domain)
    if snapshot.exchanges is None:
        failed = _failed(snapshot, snapshot.domain, MX)
        why = failed.text if failed else "the addresses of its mail exchangers cannot be looked up"
        reason = failed.reason if failed else Reason.DNS_SERVFAIL
        yield Finding(reason, domain, why, domain, "MX")
        return
    there = bool(snapshot.at(MX).records)
    what = "no mail exchanger with an address" if there else "neither MX nor address"
    yield Finding(Reason.MX_MISSING, domain, f"{domain} takes no mail: {what}", domain, "MX")


_REFUSED: Final = frozenset({Result.FAIL, Result.SOFTFAIL, Result.NEUTRAL})


def _senders(snapshot: Snapshot, wanted: Wanted) -> Iterator[Finding]:
    domain = plain(snapshot.domain)
    for sender in snapshot.senders:
        where = (sender.address, "PTR")
        if sender.names.state is State.FAILED:
            text = f"the name of {sender.address}: {sender.names.why}"
            yield Finding(_unknown(sender.names), domain, text, *where)
        elif sender.forward is False:
            what = "has no name" if not sender.names.records else "has a name that leads elsewhere"
            yield Finding(Reason.PTR_MISMATCH, domain, f"{sender.address} {what}", *where)
        if not wanted.spf:
            continue
        result = sender.spf.result
        if result in _REFUSED:
            text = f"SPF says {result} for {sender.address} ({sender.spf.why or 'nothing matches'})"
            yield Finding(Reason.SPF_FAIL, domain, text, domain, "TXT")
        elif result is Result.PERMERROR and snapshot.spf.result is not Result.PERMERROR:
            text = f"SPF is broken for {sender.address}: {sender.spf.why}"
            yield Finding(Reason.SPF_PERMERROR, domain, text, domain, "TXT")


def _signatures(snapshot: Snapshot, wanted: Wanted) -> Iterator[Finding]:
    """What is wrong with the signatures of the domain's own records."""
    domain = plain(snapshot.domain)
    open_ = [
        key
        for key, found in snapshot.records.items()
        if wanted.dnssec
        and found.state is State.THERE
        and not found.verified
        and key[0].is_subdomain(snapshot.domain)
    ]
    doubted = next((key for key in snapshot.records if snapshot.records[key].doubt), None)
    if doubted is not None:
        reason = Reason.DNSSEC_BOGUS if doubted in open_ else Reason.RESOLVER_DISAGREEMENT
        text = f"{_shown(doubted)}: {snapshot.records[doubted].doubt}; other resolvers answer"
        yield Finding(reason, domain, text, plain(doubted[0]), dns.rdatatype.to_text(doubted[1]))
    if not open_ or doubted in open_:
        return
    checks = any(found.verified for found in snapshot.records.values())
    what = f"{_shown(open_[0])}{f' and {len(open_) - 1} more' if open_[1:] else ''}"
    if snapshot.silent and not checks:
        text = f"no signature of {what} is verified: {snapshot.silent[0]} is silent"
        yield Finding(Reason.DNS_TIMEOUT, domain, text, domain, "DS")
        return
    why = "unsigned, or no chain of trust" if checks else "unsigned, or none of them checks"
    text = f"no resolver verifies the signature of {what}: {why}"
    yield Finding(Reason.RECORD_MISSING, domain, text, domain, "DS")


def _shown(record: Record) -> str:
    return f"{dns.rdatatype.to_text(record[1])} of {plain(record[0])}"


def merged(views: Sequence[tuple[str, Sequence[Finding]]]) -> list[Finding]:
    """The findings of all views, the worst first; one that not all views have names its servers."""
    servers_of: dict[Finding, list[str]] = {}
    for server, troubles in views:
        for trouble in troubles:
            servers_of.setdefault(trouble, []).append(server)
    found = []
    for trouble, servers in servers_of.items():
        where = "" if len(servers) == len(views) else f"at {', '.join(servers)} only: "
        found.append(replace(trouble, text=where + trouble.text))
    return worst_first(found)


def disagreements(record: Record, answers: Mapping[str, Found], domain: str) -> Iterator[Finding]:
    """How servers differ in their answers to one query; `answers` by server."""
    distinct: dict[frozenset[bytes], tuple[str, str]] = {}
    for server, found in answers.items():
        if found.state is not State.FAILED:
            distinct.setdefault(meaning(found), (server, _words(record, found)))
    if len(distinct) > 1:
        first, second, *_ = distinct.values()
        text = f"{_shown(record)}: {first[0]} has {first[1]}, {second[0]} has {second[1]}"
        name, kind = plain(record[0]), dns.rdatatype.to_text(record[1])
        yield Finding(Reason.RESOLVER_DISAGREEMENT, domain, text, name, kind)


def _words(record: Record, found: Found) -> str:
    """An answer in short."""
    if record[1] == SOA:
        return ", ".join(f"serial {each.serial}" for each in found.records) or "none"  # type: ignore[attr-defined]
    values = map(shown, found.records)
    return listed([text for text in values if record[1] != TXT or is_about_mail(text)], 60)
