"""Whether the servers answer that a proposed zone names, for itself and for delegated parts."""

from collections.abc import Iterator
from typing import Any, Final

import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.zone

from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.maildns.answer import Fetch, Found, State, plain
from beacon.maildns.findings import Finding
from beacon.maildns.snapshot import AAAA, NS, SOA, A
from beacon.maildns.sources import Authority
from beacon.net.dns_query import MOST_SERVERS, PORT
from beacon.net.udp import Peer

_FAMILIES: Final = (A, AAAA)


class Delegations:
    """Answers for the delegated parts of a proposed zone, by the servers it names (docs/adr/0030).

    Live DNS (`live`) still has the old delegation: it counts only where the new one is the same.
    """

    def __init__(self, run: Run, zone: dns.zone.Zone, live: Fetch) -> None:
        assert zone.origin is not None, "a zone that was read has an origin"
        self._run, self._apex, self._live = run, zone.origin, live
        self._nodes = dict(zone.nodes)
        self._asked: dict[dns.name.Name, Authority] = {}
        self._dead: dict[dns.name.Name, str] = {}

    def cut(self, name: dns.name.Name) -> dns.name.Name | None:
        """The delegated name at or above this one; None if the zone itself answers."""
        found = None
        while name != self._apex and name.is_subdomain(self._apex):
            if self._targets(name):
                found = name
            name = name.parent()
        return found

    def fetch(
        self, cut: dns.name.Name, name: dns.name.Name, kind: dns.rdatatype.RdataType
    ) -> Found:
        """Look up a name in a delegated part."""
        authority = self._authority(cut)
        if self._is_alive(authority):
            return authority(name, kind)
        if self._is_as_served(cut):
            found = self._live(name, kind)
            if found.state is not State.FAILED:
                return found
        why = self._why(authority)
        if not (authority.servers and self._live(cut, NS).silent):  # else it is our own network
            self._dead[cut] = why
        return Found(State.FAILED, why=f"nobody answers for {plain(cut)}: {why}", silent=True)

    def troubles(self, domain: str) -> Iterator[Finding]:
        """What is wrong with the servers of the zone, and of each delegated part that was used."""
        if self._is_as_served(self._apex) is False:
            authority = self._authority(self._apex)
            if not self._is_alive(authority):
                self._dead[self._apex] = self._why(authority)
        for owner in dict.fromkeys((self._apex, *self._asked)):
            name = plain(owner)
            for target in self._targets(owner):
                if target.is_subdomain(self._apex) and not self._addresses(target):
                    text = f"{plain(target)}, a name server of {name}, has no address in the zone"
                    yield Finding(Reason.RECORD_MISSING, domain, text, plain(target), "A")
            if owner in self._dead:
                text = f"none of the servers named for {name} answers for it: {self._dead[owner]}"
                yield Finding(Reason.RECORD_MISSING, domain, text, name, "NS")
            elif owner in self._asked:
                for server in self._asked[owner].dead():
                    text = f"one of the servers named for {name} is dead: {server}"
                    yield Finding(Reason.NAMESERVER_DEAD, domain, text, name, "NS")

    def _authority(self, owner: dns.name.Name) -> Authority:
        if owner not in self._asked:
            peers = []
            for target in sorted(self._targets(owner))[:MOST_SERVERS]:
                peers += [Peer(each, PORT, plain(target)) for each in self._addresses(target)[:1]]
            self._asked[owner] = Authority(self._run, owner, peers, self._live)
        return self._asked[owner]

    def _is_alive(self, authority: Authority) -> bool:
        authority.all_at_once([(authority.zone, SOA)])
        answers = authority.answers(authority.zone, SOA).values()
        return any(found.state is State.THERE for found in answers)

    def _why(self, authority: Authority) -> str:
        """Why none of these servers answers for its zone."""
        for server, found in authority.answers(authority.zone, SOA).items():
            return found.why or f"{server} does not serve it"
        return "none of its servers has an address"

    def _is_as_served(self, owner: dns.name.Name) -> bool | None:
        """Whether live DNS has the same servers with the same addresses; None: unknown."""
        served = self._live(owner, NS)
        if served.state is State.FAILED:
            return None
        if {record.target for record in served.records} != self._targets(owner):  # type: ignore[attr-defined]
            return False
        return all(
            self._live_addresses(target) == set(self._addresses(target))
            for target in self._targets(owner)
            if target.is_subdomain(self._apex)
        )

    def _targets(self, owner: dns.name.Name) -> set[dns.name.Name]:
        return {record.target for record in self._records(owner, NS)}

    def _addresses(self, target: dns.name.Name) -> list[str]:
        """A name server's addresses, IPv4 first: from the zone, or outside of it from live DNS."""
        if not target.is_subdomain(self._apex):
            return sorted(self._live_addresses(target), key=lambda each: (":" in each, each))
        return [record.address for kind in _FAMILIES for record in self._records(target, kind)]

    def _live_addresses(self, target: dns.name.Name) -> set[str]:
        found = [record for kind in _FAMILIES for record in self._live(target, kind).records]
        return {record.address for record in found}  # type: ignore[attr-defined]

    def _records(self, owner: dns.name.Name, kind: dns.rdatatype.RdataType) -> list[Any]:
        node = self._nodes.get(owner)
        return list(node.get_rdataset(dns.rdataclass.IN, kind) or ()) if node else []
