"""The survey of one sender's domain within a run: by its own servers, and by our resolvers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import dns.name
import dns.rdatatype

from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.maildns.answer import Fetch, Found, State, plain
from beacon.maildns.findings import Finding, disagreements, merged
from beacon.maildns.snapshot import CNAME, SOA, Snapshot, keys, take_snapshot
from beacon.maildns.sources import COMPARED, Authority, Key, Resolvers
from beacon.net.dns_query import PORT, locate, zone_servers
from beacon.net.probe_failure import ProbeFailure
from beacon.net.udp import Peer

Authoritative = bool | tuple[str, ...]
"""Who is asked about the zone: its servers (True), those listed, or only resolvers (False)."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The result for one domain: snapshots, the servers asked, and how their answers differ.

    `views` are the different snapshots of the zone's servers, by server: one if they agree.
    """

    views: tuple[tuple[str, Snapshot], ...]
    servers: tuple[str, ...] = ()
    differences: tuple[Finding, ...] = ()

    @property
    def snapshot(self) -> Snapshot:
        """The first view."""
        return self.views[0][1]

    def findings(self, judge: Callable[[Snapshot], list[Finding]]) -> list[Finding]:
        """The findings in all views, with their servers where these differ."""
        return [
            *merged([(server, judge(snapshot)) for server, snapshot in self.views]),
            *self.differences,
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One domain to survey.

    `more` are further records; `dnssec`: a resolver must verify every record of the domain.
    """

    domain: dns.name.Name
    selectors: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    more: tuple[Key, ...] = ()
    dnssec: bool = False

    def snapshot_from(self, fetch: Fetch) -> Snapshot:
        """The snapshot from this source."""
        return take_snapshot(self.domain, fetch, self.selectors, self.senders, self.more)


def survey_domain(
    run: Run, resolvers: Resolvers, subject: Subject, authoritative: Authoritative
) -> Survey:
    """Survey one domain. Raises `DeadlinePassed`."""
    domain = subject.domain
    first = (*keys(domain, subject.selectors, subject.senders), *subject.more)
    resolvers.all_at_once(first)
    servers, lost = _servers(run, resolvers, domain, authoritative)
    if not servers:
        snapshot = subject.snapshot_from(_checked(resolvers, subject, resolvers))
        snapshot = replace(snapshot, silent=resolvers.silent)
        return Survey((("", snapshot),), (), tuple(_differences(snapshot, resolvers, None)))
    authority = Authority(run, domain, servers, resolvers)
    authority.all_at_once(first)
    views = tuple(
        (server, replace(snapshot, silent=resolvers.silent))
        for server, snapshot in _views(
            authority, lambda source: subject.snapshot_from(_checked(source, subject, resolvers))
        )
    )
    found = [*_differences(views[0][1], resolvers, authority), *_lame(authority, domain, lost)]
    return Survey(views, tuple(map(str, servers)), tuple(found))


def survey_by_servers(authority: Authority, subject: Subject) -> Survey:
    """Survey one domain by these servers only. Raises `DeadlinePassed`."""
    views = tuple(_views(authority, subject.snapshot_from))
    return Survey(views, differences=tuple(_differences(views[0][1], None, authority)))


def _views(
    authority: Authority, snapshot_from: Callable[[Fetch], Snapshot]
) -> list[tuple[str, Snapshot]]:
    """The different snapshots of a zone's servers, by server: one if they agree."""
    first = snapshot_from(authority)
    views = authority.views()
    if len(views) < 2:
        return [(str(views[0]) if views else "", first)]
    return [(str(server), snapshot_from(authority.preferring(server))) for server in views]


def _checked(source: Fetch, subject: Subject, resolvers: Resolvers) -> Fetch:
    """The source's answers, except where resolvers find the signatures bogus.

    All resolvers are asked about every name of the domain itself.
    """
    domain = subject.domain

    def fetch(name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found:
        if not name.is_subdomain(domain):
            return source(name, kind)
        resolvers.all_at_once([(name, kind)])
        resolved = resolvers(name, kind)
        if resolved.bogus:
            return resolved
        verified = resolved.verified or (subject.dnssec and _aliases_verified(name, resolved))
        return replace(source(name, kind), verified=verified, doubt=resolved.doubt)

    def _aliases_verified(name: dns.name.Name, resolved: Found) -> bool:
        """Whether the part within the domain is verified, of aliases that lead out of it."""
        if not resolved.aliases or resolved.aliases[-1].is_subdomain(domain):
            return False
        owners = [name, *(alias for alias in resolved.aliases if alias.is_subdomain(domain))]
        resolvers.all_at_once((owner, CNAME) for owner in owners)
        return all(resolvers(owner, CNAME).verified for owner in owners)

    return fetch


def _servers(
    run: Run, resolvers: Resolvers, domain: dns.name.Name, wanted: Authoritative
) -> tuple[tuple[Peer, ...], tuple[str, ...]]:
    """The servers to ask, and the errors of those without an address.

    Empty where they cannot be found: the query for the SOA shows why.
    """
    if wanted is False:
        return (), ()
    try:
        if wanted is True:
            named: Sequence[Peer] = zone_servers(run, domain, resolvers.peers)
        else:
            named = [Peer.parse(text, PORT) for text in wanted]
        found, lost = locate(run, named, resolvers.peers)
    except ProbeFailure as stuck:
        run.note(f"servers of {plain(domain)}: {stuck.reading.detail}")
        return (), ()
    why = (reply.trouble.detail for reply in lost if reply.trouble)
    return tuple(found), tuple(why)


def _differences(
    snapshot: Snapshot, resolvers: Resolvers | None, authority: Authority | None
) -> Iterator[Finding]:
    """Differences between the zone's servers, our resolvers, and both."""
    domain = plain(snapshot.domain)
    for key in _compared(snapshot):
        of_zone = authority.answers(*key) if authority else {}
        of_ours = resolvers.answers(*key) if resolvers and key[1] != SOA else {}
        answers = {
            str(peer): answered[peer]
            for answered in (of_zone, of_ours)
            for peer in sorted(answered, key=str)
            # One that ends in an alias out of the zone is incomplete.
            if answered[peer].records or not answered[peer].aliases
        }
        yield from disagreements(key, answers, domain)


def _compared(snapshot: Snapshot) -> Sequence[Key]:
    """The records that must be the same everywhere: those of the domain itself, for mail."""
    own = [
        (name, kind)
        for name, kind in snapshot.records
        if kind in COMPARED and name.is_subdomain(snapshot.domain)
    ]
    return [(snapshot.domain, SOA), *own]


def _lame(authority: Authority, domain: dns.name.Name, lost: Sequence[str]) -> Iterator[Finding]:
    """Servers that are not authoritative for the zone, and dead ones beside others."""
    answers = authority.answers(domain, SOA)
    failed = {peer: found for peer, found in answers.items() if found.state is State.FAILED}
    name = plain(domain)
    if failed and len(failed) == len(answers):
        why = next(iter(failed.values())).why
        text = f"none of the servers of {name} is authoritative for it: {why}"
        yield Finding(Reason.RESOLVER_DISAGREEMENT, name, text, name, "NS")
        return
    lame = [found.why for found in failed.values() if not found.silent]
    if lame:
        text = f"lame delegation: {lame[0]}"
        yield Finding(Reason.RESOLVER_DISAGREEMENT, name, text, name, "NS")
    dead = [failed[server].why for server in authority.dead() if server in failed]
    for why in (*dead, *lost):
        text = f"one of the servers of {name} is dead: {why}"
        yield Finding(Reason.NAMESERVER_DEAD, name, text, name, "NS")
