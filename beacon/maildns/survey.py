"""Looking at one sender domain within a run: through its own servers, and beside them ours."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import dns.name
import dns.rdatatype

from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.maildns.answer import Fetch, Found, State, plain
from beacon.maildns.findings import Finding, differing, in_any
from beacon.maildns.snapshot import CNAME, SOA, Snapshot, keys, survey
from beacon.maildns.sources import COMPARED, Authority, Key, Resolvers
from beacon.net.dns_query import PORT, locate, zone_servers
from beacon.net.probe_failure import ProbeFailure
from beacon.net.udp import Peer

Asked = bool | tuple[str, ...]
"""Whose word on the zone counts: its servers (or those listed), or only the resolvers."""


@dataclass(frozen=True, slots=True)
class Survey:
    """One domain: what was found, by whom, and where those who were asked differ.

    `views` are the pictures that the zone's servers give, by server: one, if they agree.
    """

    views: tuple[tuple[str, Snapshot], ...]
    servers: tuple[str, ...] = ()
    differences: tuple[Finding, ...] = ()

    @property
    def picture(self) -> Snapshot:
        """The first view."""
        return self.views[0][1]

    def judged(self, judge: Callable[[Snapshot], list[Finding]]) -> list[Finding]:
        """What is wrong in any view; where servers differ, at which of them."""
        return [*in_any([(server, judge(seen)) for server, seen in self.views]), *self.differences]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One domain to look at, with what else belongs to it.

    `more` are further records; `dnssec`: somebody must vouch for every record of the domain.
    """

    domain: dns.name.Name
    selectors: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    more: tuple[Key, ...] = ()
    dnssec: bool = False

    def seen_by(self, fetch: Fetch) -> Snapshot:
        """The picture that this view gives."""
        return survey(self.domain, fetch, self.selectors, self.senders, self.more)


def look(run: Run, resolvers: Resolvers, subject: Subject, authoritative: Asked) -> Survey:
    """Look at one domain. Raises `DeadlinePassed`."""
    domain = subject.domain
    first = (*keys(domain, subject.selectors, subject.senders), *subject.more)
    resolvers.all_at_once(first)
    servers, lost = _servers(run, resolvers, domain, authoritative)
    if not servers:
        picture = subject.seen_by(_checked(resolvers, subject, resolvers))
        picture = replace(picture, silent=resolvers.silent)
        return Survey((("", picture),), (), tuple(_differences(picture, resolvers, None)))
    authority = Authority(run, domain, servers, resolvers)
    authority.all_at_once(first)
    views = tuple(
        (server, replace(picture, silent=resolvers.silent))
        for server, picture in _views(
            authority, lambda told: subject.seen_by(_checked(told, subject, resolvers))
        )
    )
    found = [*_differences(views[0][1], resolvers, authority), *_lame(authority, domain, lost)]
    return Survey(views, tuple(map(str, servers)), tuple(found))


def seen_by_servers(authority: Authority, subject: Subject) -> Survey:
    """Look at one domain through these servers alone. Raises `DeadlinePassed`."""
    views = tuple(_views(authority, subject.seen_by))
    return Survey(views, differences=tuple(_differences(views[0][1], None, authority)))


def _views(authority: Authority, survey: Callable[[Fetch], Snapshot]) -> list[tuple[str, Snapshot]]:
    """The pictures that the servers of a zone give, by server: one, if they agree."""
    first = survey(authority)
    views = authority.views()
    if len(views) < 2:
        return [(str(views[0]) if views else "", first)]
    return [(str(server), survey(authority.as_told_by(server))) for server in views]


def _checked(told: Fetch, subject: Subject, resolvers: Resolvers) -> Fetch:
    """What is told of the domain, but for what resolvers refuse to believe: bogus signatures.

    All resolvers are asked of every name of the domain itself.
    """
    domain = subject.domain

    def fetch(name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found:
        if not name.is_subdomain(domain):
            return told(name, kind)
        resolvers.all_at_once([(name, kind)])
        said = resolvers(name, kind)
        if said.bogus:
            return said
        vouched = said.vouched or (subject.dnssec and _aliases_vouched(name, said))
        return replace(told(name, kind), vouched=vouched, doubt=said.doubt)

    def _aliases_vouched(name: dns.name.Name, said: Found) -> bool:
        """Of an alias that leads out of the domain, only what is within must be vouched for."""
        if not said.aliases or said.aliases[-1].is_subdomain(domain):
            return False
        owners = [name, *(alias for alias in said.aliases if alias.is_subdomain(domain))]
        resolvers.all_at_once((owner, CNAME) for owner in owners)
        return all(resolvers(owner, CNAME).vouched for owner in owners)

    return fetch


def _servers(
    run: Run, resolvers: Resolvers, domain: dns.name.Name, wanted: Asked
) -> tuple[tuple[Peer, ...], tuple[str, ...]]:
    """The servers to ask, and what is wrong with those that have no address.

    None where they cannot be found, which the SOA will tell.
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
    picture: Snapshot, resolvers: Resolvers | None, authority: Authority | None
) -> Iterator[Finding]:
    """Between the zone's servers, between our resolvers, and between the two."""
    domain = plain(picture.domain)
    for key in _compared(picture):
        of_zone = authority.told(*key) if authority else {}
        of_ours = resolvers.told(*key) if resolvers and key[1] != SOA else {}
        told = (*sorted(of_zone.items(), key=_by_name), *sorted(of_ours.items(), key=_by_name))
        answers = {str(peer): found for peer, found in told}
        yield from differing(key, _whole(answers), domain)


def _by_name(item: tuple[Peer, Found]) -> str:
    return str(item[0])


def _whole(answers: dict[str, Found]) -> dict[str, Found]:
    """Without those that end in an alias which leads out of the zone: they are no whole answer."""
    return {s: f for s, f in answers.items() if f.records or not f.aliases}


def _compared(picture: Snapshot) -> Sequence[Key]:
    """The records that all must say alike: those of mail, of the domain itself."""
    own = [
        (name, kind)
        for name, kind in picture.records
        if kind in COMPARED and name.is_subdomain(picture.domain)
    ]
    return [(picture.domain, SOA), *own]


def _lame(authority: Authority, domain: dns.name.Name, lost: Sequence[str]) -> Iterator[Finding]:
    """The servers that do not speak for the zone, and those that are dead beside others."""
    told = authority.told(domain, SOA)
    failed = {peer: found for peer, found in told.items() if found.state is State.FAILED}
    name = plain(domain)
    if failed and len(failed) == len(told):
        text = f"none of the servers of {name} speaks for it: {next(iter(failed.values())).why}"
        yield Finding(Reason.RESOLVER_DISAGREEMENT, name, text, name, "NS")
        return
    spoken = [found.why for found in failed.values() if not found.silent]
    if spoken:
        text = f"lame delegation: {spoken[0]}"
        yield Finding(Reason.RESOLVER_DISAGREEMENT, name, text, name, "NS")
    dead = [failed[server].why for server in authority.dead() if server in failed]
    for why in (*dead, *lost):
        text = f"one of the servers of {name} is dead: {why}"
        yield Finding(Reason.NAMESERVER_DEAD, name, text, name, "NS")
