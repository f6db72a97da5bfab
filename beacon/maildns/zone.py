"""A proposed zone file as a source of answers: as if its servers used it already."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Final

import dns.exception
import dns.name
import dns.node
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.transaction
import dns.zone

from beacon.maildns.answer import Fetch, Found, State, plain
from beacon.maildns.delegation import Delegations

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a zone file."""
_LONGEST_CHAIN: Final = 8
_DIRECTIVES: Final = ("$ORIGIN", "$TTL")
_MARK: Final = "\ufeff"


class ZoneRefused(Exception):
    """The file is not a usable zone; the message says why."""


def apex(zone: dns.zone.Zone) -> dns.name.Name:
    """The zone's own name."""
    assert zone.origin is not None, "a zone that was read has an origin"
    return zone.origin


def load(path: Path, origin: dns.name.Name, *, given: bool = True) -> dns.zone.Zone:
    """Read a zone file; `origin` completes its relative names.

    If it was not `given` by a person, the file's own first $ORIGIN has priority. Raises
    `ZoneRefused`, also for $INCLUDE and $GENERATE, and for a file above the limit.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise ZoneRefused(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ZoneRefused(f"{path} is not UTF-8 text") from None
    if len(raw) > LARGEST:
        raise ZoneRefused(f"{path} is larger than {LARGEST // 2**20} MiB")
    if text.startswith(_MARK):
        why = "begins with a byte order mark, which name servers read as part of a name"
        raise ZoneRefused(f"not a zone: {path} {why}")
    try:
        zone = _parsed(text, path, origin, given=given)
    except (dns.exception.DNSException, ValueError, RecursionError) as error:
        why = str(error) or type(error).__name__
        hint = "; only $ORIGIN and $TTL are supported" if "directive" in why else ""
        raise ZoneRefused(f"not a zone: {why}{hint}") from None
    for name, node in zone.nodes.items():
        if node.get_rdataset(dns.rdataclass.IN, dns.rdatatype.DNAME):
            raise ZoneRefused(f"{path}: the DNAME at {plain(name)} is not supported")
    return zone


def _parsed(text: str, path: Path, origin: dns.name.Name, *, given: bool) -> dns.zone.Zone:
    if not given:
        with contextlib.suppress(dns.zone.UnknownOrigin):
            return _read(text, path, None)
    return _read(text, path, origin)


def _read(text: str, path: Path, origin: dns.name.Name | None) -> dns.zone.Zone:
    zone = dns.zone.from_text(
        text,
        origin,
        relativize=False,
        filename=str(path),
        check_origin=False,
        allow_directives=_DIRECTIVES,
        transaction_setup=lambda reading: reading.check_put_rdataset(_no_second),
    )
    if zone.origin is None or not zone.nodes:
        raise ZoneRefused(f"not a zone: {path} contains no record")
    zone.check_origin()
    return zone


def _no_second(
    reading: dns.transaction.Transaction, name: dns.name.Name, records: dns.rdataset.Rdataset
) -> None:
    """Refuse a second SOA or CNAME, as name servers do; dnspython would keep the last one."""
    if dns.rdatatype.is_singleton(records.rdtype) and reading.get(name, records.rdtype):
        kind = dns.rdatatype.to_text(records.rdtype)
        raise ValueError(f"a second {kind} at {plain(name)}")


class Proposed:
    """The zone as it would be served; `beyond` answers for other zones.

    Delegated parts are asked of the servers that the file names: `beyond` still has the old ones.
    """

    def __init__(self, zone: dns.zone.Zone, beyond: Fetch, delegations: Delegations) -> None:
        self.zone, self._delegations = apex(zone), delegations
        self._nodes: dict[dns.name.Name, dns.node.Node] = dict(zone.nodes)
        self._beyond = beyond
        self._inner: set[dns.name.Name] = set()  # names that have records only below them
        for name in self._nodes:
            above = name
            while above not in (self.zone, dns.name.root):
                above = above.parent()
                self._inner.add(above)
        self._inner -= self._nodes.keys()
        soa = zone.find_rdataset(self.zone, dns.rdatatype.SOA)
        self._negative = float(min(soa.ttl, soa[0].minimum))

    def __call__(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found:
        """Answer from the file; aliases are followed, also out of the zone."""
        aliases: list[dns.name.Name] = []
        ttl = float("inf")
        while name.is_subdomain(self.zone):
            cut = self._delegations.cut(name)
            if cut is not None:
                found = self._delegations.fetch(cut, name, kind)
                return replace(found, aliases=(*aliases, *found.aliases))
            node = self._node(name)
            if node is None:
                state = State.EMPTY if name in self._inner else State.GONE
                return Found(state, (), self._negative, tuple(aliases))
            here = node.get_rdataset(dns.rdataclass.IN, kind)
            if here is not None:
                return Found(State.THERE, tuple(here), min(ttl, here.ttl), tuple(aliases))
            alias = node.get_rdataset(dns.rdataclass.IN, dns.rdatatype.CNAME)
            if alias is None:
                return Found(State.EMPTY, (), self._negative, tuple(aliases))
            name, ttl = alias[0].target, min(ttl, float(alias.ttl))
            aliases.append(name)
            if len(aliases) > _LONGEST_CHAIN:
                why = f"the zone file has aliases in a circle, or too many, at {plain(name)}"
                return Found(State.FAILED, why=why, aliases=tuple(aliases))
        found = self._beyond(name, kind)
        return replace(found, aliases=(*aliases, *found.aliases))

    def _node(self, name: dns.name.Name) -> dns.node.Node | None:
        """The node of a name, or of the wildcard that covers it (RFC 4592)."""
        if name in self._nodes or name in self._inner:
            return self._nodes.get(name)
        above = name.parent()
        while above not in self._nodes and above not in self._inner:
            above = above.parent()
        return self._nodes.get(dns.name.Name((b"*", *above.labels)))
