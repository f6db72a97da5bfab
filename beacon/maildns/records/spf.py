"""SPF (RFC 7208): whether an address may send for a domain, and how many queries the check costs.

Pure: the caller passes a `Fetch`. Bounded: the limit of ten terms (§4.6.4) ends every loop, and at
most 10 + 10 × 10 names are looked up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final
from urllib.parse import quote

import dns.exception
import dns.name
import dns.rdatatype
import dns.reversename

from beacon.maildns.answer import Fetch, Found, State, plain, texts
from beacon.maildns.records.spf_grammar import (
    MACRO_PARTS,
    Malformed,
    Record,
    Result,
    Term,
    is_spf,
    parse,
)

MOST_TERMS: Final = 10
MOST_VOIDS: Final = 2
MOST_NAMES: Final = 10
"""Hosts of one `mx`, and names of one `ptr`, that are looked up (§4.6.4)."""
_LONGEST_NAME: Final = 253

Address = IPv4Address | IPv6Address
Kind = dns.rdatatype.RdataType


@dataclass(frozen=True, slots=True)
class SpfStep:
    """One term of the walk: its depth in the tree, its domain, and its result."""

    depth: int
    domain: str
    term: str
    result: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of one check, why, and its cost.

    `terms` and `voids` are what RFC 7208 limits: terms that need a query, and look-ups that found
    nothing. `ttl` is the shortest in the tree, in seconds. `permits` (only for a walk without an
    address) is whether any address could pass.
    """

    result: Result
    why: str
    terms: int
    voids: int
    trace: tuple[SpfStep, ...] = ()
    ttl: float | None = None
    permits: bool = True


_ASKING: Final = frozenset({"include", "a", "mx", "ptr", "exists"})


class _Ends(Exception):
    """The whole check ends with an error."""

    def __init__(self, result: Result, why: str) -> None:
        super().__init__(why)
        self.result, self.why = result, why


def check(
    domain: str, fetch: Fetch, address: Address | None = None, sender: str = "", helo: str = ""
) -> Checked:
    """Check whether `address` may send mail for `domain`; `sender` and `helo` are for macros.

    Without an address only `all` matches, so the whole tree is walked and costs the most. A term
    with a macro of the address or the message then counts, but is not looked up.
    """
    walk = _Walk(fetch, address, sender or f"postmaster@{domain}", helo or domain)
    try:
        result = walk.host(domain, 0)
        why = walk.decided
    except _Ends as end:
        result, why = end.result, end.why
    if result is Result.NONE:
        why = f"no SPF record at {domain}"
    return Checked(result, why, walk.terms, walk.voids, tuple(walk.trace), walk.ttl, walk.permits)


class _Walk:
    """One check; it counts through the whole tree."""

    def __init__(self, fetch: Fetch, address: Address | None, sender: str, helo: str) -> None:
        self._fetch, self._address, self._helo = fetch, address, helo
        local, _, self._sender_domain = sender.rpartition("@")
        self._local = local or "postmaster"
        self.terms = self.voids = 0
        self.ttl: float | None = None
        self.trace: list[SpfStep] = []
        self.decided = ""
        self.permits = False
        self._could_match = True  # whether the last term could match any address

    def host(self, domain: str, depth: int) -> Result:
        """`check_host()` for one domain of the tree."""
        name = _name(domain)
        if name is None:
            return Result.NONE
        record = self._record(name, domain)
        if record is None:
            return Result.NONE
        for term in record.terms:
            if self._counted(term, domain, depth):
                return term.result
        if record.redirect is None or any(t.mechanism == "all" for t in record.terms):
            return Result.NEUTRAL
        return self._redirected(record.redirect, domain, depth)

    def _record(self, name: dns.name.Name, domain: str) -> Record | None:
        found = self._ask(name, dns.rdatatype.TXT, void=False)
        records = [text for text in texts(found) if is_spf(text)]
        if len(records) > 1:
            raise _Ends(Result.PERMERROR, f"{len(records)} SPF records at {domain}")
        try:
            return parse(records[0]) if records else None
        except Malformed as error:
            raise _Ends(Result.PERMERROR, f"the SPF record of {domain} {error}") from None

    def _redirected(self, spec: str, domain: str, depth: int) -> Result:
        self._count(f"redirect={spec}", domain)
        target = self._expanded(spec, domain)
        if target is None:
            self._step(depth, domain, f"redirect={spec}", "depends on the message")
            return Result.NEUTRAL
        self._step(depth, domain, f"redirect={spec}", "followed")
        result = self.host(target, depth)
        if result is Result.NONE:
            raise _Ends(Result.PERMERROR, f"redirect={target} of {domain}: no SPF record there")
        return result

    def _counted(self, term: Term, domain: str, depth: int) -> bool:
        if term.mechanism in _ASKING:
            self._count(term.text, domain)
        where = len(self.trace)
        self._step(depth, domain, term.text, "")
        matched = self._matches(term, domain, depth)
        result = "depends on the message" if matched is None else "match" if matched else "no match"
        self.trace[where] = SpfStep(depth, domain, term.text, result)
        self.permits |= term.result is Result.PASS and self._could_match
        if matched:
            self.decided = f"{term.text} of {domain}"
        return bool(matched)

    def _count(self, text: str, domain: str) -> None:
        self.terms += 1
        if self.terms > MOST_TERMS:
            which = f"{text} of {domain} is one too many"
            raise _Ends(Result.PERMERROR, f"more than {MOST_TERMS} terms that ask the DNS; {which}")

    def _step(self, depth: int, domain: str, term: str, result: str) -> None:
        self.trace.append(SpfStep(depth, domain, term, result))

    def _matches(self, term: Term, domain: str, depth: int) -> bool | None:
        """Whether a term matches; None if that depends on the message."""
        self._could_match = True
        if term.mechanism == "all":
            return True
        if term.network is not None:
            return self._address is not None and self._address in term.network
        target = domain if term.domain is None else self._expanded(term.domain, domain)
        if target is None or (term.mechanism == "ptr" and self._address is None):
            return None
        if term.mechanism == "include":
            return self._included(target, domain, depth)
        name = _name(target)
        self._could_match = False
        return name is not None and self._is_found(term, name, domain)

    def _is_found(self, term: Term, name: dns.name.Name, domain: str) -> bool:
        if term.mechanism == "exists":
            self._could_match = bool(self._ask(name, dns.rdatatype.A).records)
            return self._could_match
        if term.mechanism == "ptr":
            return any(host.is_subdomain(name) for host in self._validated())
        return self._is_one_of(self._hosts(term, name, domain), term)

    def _included(self, target: str, domain: str, depth: int) -> bool:
        outside, self.permits = self.permits, False
        result = self.host(target, depth + 1)
        self._could_match, self.permits = self.permits, outside
        if result is Result.NONE:
            raise _Ends(Result.PERMERROR, f"include:{target} of {domain}: no SPF record there")
        return result is Result.PASS

    def _hosts(self, term: Term, name: dns.name.Name, domain: str) -> Iterator[dns.name.Name]:
        if term.mechanism == "a":
            yield name
            return
        found = self._ask(name, dns.rdatatype.MX)
        if len(found.records) > MOST_NAMES:
            why = f"{term.text} of {domain}: more than {MOST_NAMES} mail exchangers"
            raise _Ends(Result.PERMERROR, why)
        for record in sorted(found.records):
            exchange: dns.name.Name = record.exchange  # type: ignore[attr-defined]
            if exchange != dns.name.root:  # a null MX: no mail is accepted (RFC 7505)
                yield exchange

    def _is_one_of(self, hosts: Iterator[dns.name.Name], term: Term) -> bool:
        length = term.v6 if isinstance(self._address, IPv6Address) else term.v4
        for host in hosts:
            found = self._ask(host, self._family)
            self._could_match |= bool(found.records) or self._has_other_family(host)
            for record in found.records:
                network = ip_network(f"{record.address}/{length}", strict=False)  # type: ignore[attr-defined]
                if self._address is not None and self._address in network:
                    return True
        return False

    def _has_other_family(self, host: dns.name.Name) -> bool:
        """Whether a host without an IPv4 address has an IPv6 address, in a walk without one."""
        return self._address is None and bool(self._fetch(host, dns.rdatatype.AAAA).records)

    @property
    def _family(self) -> Kind:
        v6 = isinstance(self._address, IPv6Address)
        return dns.rdatatype.AAAA if v6 else dns.rdatatype.A

    def _validated(self) -> Iterator[dns.name.Name]:
        """The names of the address that lead back to it (§5.5); failed look-ups are skipped."""
        assert self._address is not None, "a walk without an address has no names"
        reverse = dns.reversename.from_address(str(self._address))
        found = self._fetch(reverse, dns.rdatatype.PTR)
        self._void(found, reverse, dns.rdatatype.PTR)
        for record in sorted(found.records)[:MOST_NAMES]:
            target: dns.name.Name = record.target  # type: ignore[attr-defined]
            forward = self._fetch(target, self._family)
            self._void(forward, target, self._family)
            if any(r.address == str(self._address) for r in forward.records):  # type: ignore[attr-defined]
                yield target

    def _ask(self, name: dns.name.Name, kind: Kind, *, void: bool = True) -> Found:
        found = self._fetch(name, kind)
        if found.state is State.FAILED:
            why = f"{dns.rdatatype.to_text(kind)} of {plain(name)}: {found.why}"
            raise _Ends(Result.TEMPERROR, why)
        if found.ttl is not None:
            self.ttl = found.ttl if self.ttl is None else min(self.ttl, found.ttl)
        if void:
            self._void(found, name, kind)
        return found

    def _void(self, found: Found, name: dns.name.Name, kind: Kind) -> None:
        if found.state in (State.EMPTY, State.GONE):
            self.voids += 1
            if self.voids > MOST_VOIDS:
                what = f"{dns.rdatatype.to_text(kind)} of {plain(name)}"
                why = f"more than {MOST_VOIDS} look-ups that find nothing; {what} is one too many"
                raise _Ends(Result.PERMERROR, why)

    # --- macros (§7) --------------------------------------------------------------

    def _expanded(self, spec: str, domain: str) -> str | None:
        """The name that a domain-spec expands to; None if that depends on the message."""
        found: list[str] = []
        end = 0
        for part in MACRO_PARTS.finditer(spec):
            found.append(spec[end : part.start()])
            end = part.end()
            if part[5]:
                found.append({"%": "%", "_": " ", "-": "%20"}[part[5]])
                continue
            value = self._macro(part[1].lower(), domain)
            if value is None:
                return None
            value = _transformed(value, part[2], part[3], part[4])
            found.append(quote(value, safe="-._~") if part[1].isupper() else value)
        return _shortened("".join((*found, spec[end:])).rstrip("."))

    def _macro(self, letter: str, domain: str) -> str | None:
        if letter == "d":
            return domain
        if letter == "o":
            return self._sender_domain
        return None if self._address is None else self._of_message(letter, self._address, domain)

    def _of_message(self, letter: str, address: Address, domain: str) -> str:
        if letter == "p":
            return self._validated_name(domain)
        v4 = isinstance(address, IPv4Address)
        return {
            "s": f"{self._local}@{self._sender_domain}",
            "l": self._local,
            "h": self._helo,
            "v": "in-addr" if v4 else "ip6",
            "i": str(address) if v4 else ".".join(address.exploded.replace(":", "")),
        }[letter]

    def _validated_name(self, domain: str) -> str:
        names = [plain(name) for name in self._validated()]
        below = [name for name in names if name == domain or name.endswith(f".{domain}")]
        return next(iter((*(n for n in below if n == domain), *below, *names)), "unknown")


def _transformed(value: str, digits: str, reverse: str, delimiters: str) -> str:
    parts = [""]
    for character in value:
        if character in (delimiters or "."):
            parts.append("")
        else:
            parts[-1] += character
    if reverse:
        parts.reverse()
    return ".".join(parts[-int(digits[:9]) :] if digits else parts)


def _shortened(name: str) -> str:
    """Drop labels from the left of a name that is too long (§7.3)."""
    while len(name) > _LONGEST_NAME and "." in name:
        name = name.partition(".")[2]
    return name


def _name(domain: str) -> dns.name.Name | None:
    """The domain as a name; None if it is not a valid one to look up (§4.3)."""
    labels = domain.rstrip(".").split(".")
    if len(labels) < 2 or not all(0 < len(label) < 64 for label in labels):
        return None
    try:
        return dns.name.Name([*(label.encode("utf-8") for label in labels), b""])
    except (dns.exception.DNSException, ValueError):
        return None
