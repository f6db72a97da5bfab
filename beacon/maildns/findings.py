"""What a picture of a sender domain means: every trouble, the worst first. Pure."""

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
"""Every reason there can be; where there are several, the first of this list is told."""

Record = tuple[dns.name.Name, dns.rdatatype.RdataType]

NEAR: Final = MOST_TERMS - 1
"""So many terms of SPF leave one for the next vendor."""


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
    """What a domain must have, beside a key for every selector and a name for every sender."""

    spf: bool = True
    dmarc: bool = True
    mx: bool = True
    dnssec: bool = False


def worst_first(found: list[Finding]) -> list[Finding]:
    """The same, sorted."""
    return sorted(found, key=lambda trouble: WORST.index(trouble.reason))


def judge(picture: Snapshot, wanted: Wanted) -> list[Finding]:
    """Everything that is wrong; a domain that is not there has no other trouble."""
    soa, domain = picture.at(SOA), plain(picture.domain)
    if soa.state in (State.GONE, State.FAILED):
        text = f"{domain} does not exist" if soa.state is State.GONE else soa.why
        return [Finding(_unknown(soa), domain, text, domain, "SOA")]
    found = [*_spf(picture, wanted), *_keys(picture), *_dmarc(picture, wanted)]
    found += [*_mail(picture, wanted), *_senders(picture, wanted), *_signatures(picture, wanted)]
    return worst_first(list(dict.fromkeys(found)))


def _unknown(found: Found) -> Reason:
    """Why nothing is known, or is there."""
    if found.state is State.GONE:
        return Reason.DNS_NXDOMAIN
    if found.bogus:
        return Reason.DNSSEC_BOGUS
    return Reason.DNS_TIMEOUT if found.silent else Reason.DNS_SERVFAIL


def _failed(
    picture: Snapshot, name: dns.name.Name, kind: dns.rdatatype.RdataType
) -> Finding | None:
    found = picture.records[name, kind]
    if found.state is not State.FAILED:
        return None
    word = dns.rdatatype.to_text(kind)
    text = f"{word} of {plain(name)}: {found.why}"
    return Finding(_unknown(found), plain(picture.domain), text, plain(name), word)


def _spf(picture: Snapshot, wanted: Wanted) -> Iterator[Finding]:
    if not wanted.spf:
        return
    domain, checked = plain(picture.domain), picture.spf
    bogus = next((f for f in picture.records.values() if f.bogus), None)
    failed = _failed(picture, picture.domain, TXT)
    if failed is not None:
        yield failed
    elif checked.result is Result.NONE:
        yield Finding(Reason.SPF_MISSING, domain, f"no SPF record at {domain}", domain, "TXT")
    elif checked.result is Result.PERMERROR:
        yield _broken_tree(picture)
    elif checked.result is Result.TEMPERROR:
        reason = Reason.DNSSEC_BOGUS if bogus else Reason.SPF_TEMPERROR
        yield Finding(reason, domain, f"SPF cannot be checked: {checked.why}", domain, "TXT")
    elif not checked.permits:
        text = f"SPF lets nobody send for {domain} ({checked.why or 'nothing matches'})"
        yield Finding(Reason.SPF_FAIL, domain, text, domain, "TXT")
    elif checked.terms >= NEAR or checked.voids >= MOST_VOIDS:
        yield Finding(Reason.SPF_NEAR_LIMIT, domain, f"SPF takes {cost(checked)}", domain, "TXT")


def cost(checked: Checked) -> str:
    """What a check costs, against the limits of RFC 7208."""
    voids = f", {checked.voids} of {MOST_VOIDS} look-ups in vain" if checked.voids else ""
    return f"{checked.terms} of {MOST_TERMS} terms that ask the DNS{voids}"


def spf_word(checked: Checked) -> str:
    """What a walk through the whole tree came to.

    Its result is the one for an address that nothing but `all` matches: no word about the record.
    """
    broken = checked.result in (Result.NONE, Result.PERMERROR, Result.TEMPERROR)
    return str(checked.result) if broken else "readable"


def _broken_tree(picture: Snapshot) -> Finding:
    """A tree that breaks behind all that send the codes breaks for others only."""
    domain, why = plain(picture.domain), picture.spf.why
    passing = [sender.spf.result is Result.PASS for sender in picture.senders]
    if passing and all(passing):
        text = f"SPF passes for those who send, and breaks behind them: {why}"
        return Finding(Reason.SPF_NEAR_LIMIT, domain, text, domain, "TXT")
    return Finding(Reason.SPF_PERMERROR, domain, f"SPF is broken: {why}", domain, "TXT")


def _keys(picture: Snapshot) -> Iterator[Finding]:
    domain = plain(picture.domain)
    for selector in picture.selectors:
        name = key_name(picture.domain, selector)
        failed, found = _failed(picture, name, TXT), picture.records[name, TXT]
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
        return Reason.DKIM_MISSING, f"there are {len(keys)} keys, of which receivers take none"
    if is_revoked(keys[0]):
        return Reason.DKIM_REVOKED, "the key is revoked (p= is empty)"
    why = flaw(keys[0])
    return None if why is None else (Reason.DKIM_MISSING, f"receivers cannot use the key ({why})")


def _dmarc(picture: Snapshot, wanted: Wanted) -> Iterator[Finding]:
    if not wanted.dmarc or picture.dmarc_at is not None:
        return
    domain, name = plain(picture.domain), f"_dmarc.{plain(picture.domain)}"
    asked = [key for key in picture.records if key[0].labels[0].lower() == b"_dmarc"]
    failed = next(filter(None, (_failed(picture, *key) for key in asked)), None)
    text = picture.dmarc_flaw or f"no DMARC record at {name} nor above"
    yield failed or Finding(Reason.DMARC_MISSING, domain, text, name, "TXT")


def _mail(picture: Snapshot, wanted: Wanted) -> Iterator[Finding]:
    if not wanted.mx or picture.exchanges:
        return
    domain = plain(picture.domain)
    if picture.exchanges is None:
        failed = _failed(picture, picture.domain, MX)
        why = failed.text if failed else "the addresses of its mail exchangers cannot be had"
        reason = failed.reason if failed else Reason.DNS_SERVFAIL
        yield Finding(reason, domain, why, domain, "MX")
        return
    there = bool(picture.at(MX).records)
    what = "no mail exchanger with an address" if there else "neither MX nor address"
    yield Finding(Reason.MX_MISSING, domain, f"{domain} takes no mail: {what}", domain, "MX")


_REFUSED: Final = frozenset({Result.FAIL, Result.SOFTFAIL, Result.NEUTRAL})


def _senders(picture: Snapshot, wanted: Wanted) -> Iterator[Finding]:
    domain = plain(picture.domain)
    for sender in picture.senders:
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
        elif result is Result.PERMERROR and picture.spf.result is not Result.PERMERROR:
            text = f"SPF is broken for {sender.address}: {sender.spf.why}"
            yield Finding(Reason.SPF_PERMERROR, domain, text, domain, "TXT")


def _signatures(picture: Snapshot, wanted: Wanted) -> Iterator[Finding]:
    """What resolvers that check say of the records of the domain itself."""
    domain = plain(picture.domain)
    own = [key for key, found in picture.records.items() if _must_be_signed(picture, key, found)]
    open_ = [key for key in own if not picture.records[key].vouched] if wanted.dnssec else []
    doubted = next((key for key in picture.records if picture.records[key].doubt), None)
    if doubted is not None:
        reason = Reason.DNSSEC_BOGUS if doubted in open_ else Reason.RESOLVER_DISAGREEMENT
        text = f"{_shown(doubted)}: {picture.records[doubted].doubt}; others answer all the same"
        yield Finding(reason, domain, text, plain(doubted[0]), dns.rdatatype.to_text(doubted[1]))
    if not open_ or doubted in open_:
        return
    checks = any(found.vouched for found in picture.records.values())
    what = f"{_shown(open_[0])}{f' and {len(open_) - 1} more' if open_[1:] else ''}"
    if picture.silent and not checks:
        text = f"nobody vouches for {what}: {picture.silent[0]} says nothing, and no other checks"
        yield Finding(Reason.DNS_TIMEOUT, domain, text, domain, "DS")
        return
    why = "unsigned, or no chain of trust" if checks else "unsigned, or none of them checks"
    text = f"no resolver vouches for {what}: {why}"
    yield Finding(Reason.RECORD_MISSING, domain, text, domain, "DS")


def _must_be_signed(picture: Snapshot, key: Record, found: Found) -> bool:
    return found.state is State.THERE and key[0].is_subdomain(picture.domain)


def _shown(record: Record) -> str:
    return f"{dns.rdatatype.to_text(record[1])} of {plain(record[0])}"


def in_any(views: Sequence[tuple[str, Sequence[Finding]]]) -> list[Finding]:
    """What is wrong in any view, the worst first; what not all of them have names its servers."""
    said: dict[Finding, list[str]] = {}
    for server, troubles in views:
        for trouble in troubles:
            said.setdefault(trouble, []).append(server)
    found = []
    for trouble, servers in said.items():
        where = "" if len(servers) == len(views) else f"at {', '.join(servers)} only: "
        found.append(replace(trouble, text=where + trouble.text))
    return worst_first(found)


def differing(record: Record, answers: Mapping[str, Found], domain: str) -> Iterator[Finding]:
    """Whether servers answer one question differently, and how; `answers` by server."""
    said: dict[frozenset[bytes], tuple[str, str]] = {}
    for server, found in answers.items():
        if found.state is not State.FAILED:
            said.setdefault(meaning(found), (server, _words(record, found)))
    if len(said) > 1:
        first, second, *_ = said.values()
        text = f"{_shown(record)}: {first[0]} has {first[1]}, {second[0]} has {second[1]}"
        name, kind = plain(record[0]), dns.rdatatype.to_text(record[1])
        yield Finding(Reason.RESOLVER_DISAGREEMENT, domain, text, name, kind)


def _words(record: Record, found: Found) -> str:
    """An answer in a few words."""
    if record[1] == SOA:
        return ", ".join(f"serial {each.serial}" for each in found.records) or "none"  # type: ignore[attr-defined]
    values = map(shown, found.records)
    return listed([text for text in values if record[1] != TXT or is_about_mail(text)], 60)
