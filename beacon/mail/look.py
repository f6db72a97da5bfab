"""Looking at one sender domain within a run: through its own servers, and beside them ours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dns.name
import dns.rdatatype

from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.mail.found import Fetch, Found, State, plain
from beacon.mail.judged import Trouble, differing
from beacon.mail.picture import MX, SOA, TXT, Picture, below, key_name, keys, survey
from beacon.mail.views import Authority, Key, Resolvers
from beacon.transport.datagram import Peer
from beacon.transport.resolve import PORT, is_address, locate, zone_servers
from beacon.transport.trouble import Trouble as Stuck

Asked = bool | tuple[str, ...]
"""Whose word on the zone counts: its servers (or those listed), or only the resolvers."""


@dataclass(frozen=True, slots=True)
class Look:
    """One domain: what was found, by whom, and where those who were asked differ."""

    picture: Picture
    servers: tuple[str, ...] = ()
    differences: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One domain to look at, with what else belongs to it; `more` are further records."""

    domain: dns.name.Name
    selectors: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    more: tuple[Key, ...] = ()

    def seen_by(self, fetch: Fetch) -> Picture:
        """The picture that this view gives."""
        return survey(self.domain, fetch, self.selectors, self.senders, self.more)


def look(run: Run, resolvers: Resolvers, subject: Subject, authoritative: Asked) -> Look:
    """Look at one domain. Raises `DeadlinePassed`."""
    domain = subject.domain
    first = (*keys(domain, subject.selectors, subject.senders), *subject.more)
    resolvers.all_at_once(first)
    servers = _servers(run, resolvers, domain, authoritative) if authoritative else ()
    if not servers:
        picture = subject.seen_by(resolvers)
        return Look(picture, (), tuple(_differences(picture, resolvers, None)))
    authority = Authority(run, domain, servers, resolvers)
    authority.all_at_once(first)
    picture = subject.seen_by(_checked(authority, resolvers))
    found = tuple(_differences(picture, resolvers, authority))
    return Look(picture, tuple(map(str, servers)), found)


def _checked(authority: Authority, resolvers: Resolvers) -> Fetch:
    """The zone's own word, but for what resolvers refuse to believe: its signatures are bogus."""

    def fetch(name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found:
        told = resolvers.told(name, kind)
        if told and all(found.state is State.FAILED for found in told.values()):
            said = resolvers(name, kind)
            if said.bogus:
                return said
        found = authority(name, kind)
        vouched = any(each.vouched for each in told.values())
        return found if not vouched else _vouched(found)

    return fetch


def _vouched(found: Found) -> Found:
    return Found(found.state, found.records, found.ttl, found.aliases, vouched=True)


def _servers(
    run: Run, resolvers: Resolvers, domain: dns.name.Name, wanted: Asked
) -> tuple[Peer, ...]:
    """The servers to ask; none where they cannot be found, which the SOA will tell."""
    try:
        if isinstance(wanted, bool):
            found, _ = locate(run, zone_servers(run, domain, resolvers.peers), resolvers.peers)
            return tuple(found)
        listed = [Peer.parse(text, PORT) for text in wanted]
        if not all(is_address(peer.host) for peer in listed):
            listed, _ = locate(run, listed, resolvers.peers)
    except Stuck as stuck:
        run.note(f"servers of {plain(domain)}: {stuck.reading.detail}")
        return ()
    return tuple(listed)


def _differences(
    picture: Picture, resolvers: Resolvers, authority: Authority | None
) -> Iterator[Trouble]:
    """Between the zone's servers, between our resolvers, and between the two."""
    domain = plain(picture.domain)
    for key in _compared(picture):
        answers = {str(peer): found for peer, found in resolvers.told(*key).items()}
        if key[1] == SOA:
            answers = {}
        if authority is not None:
            answers |= {str(peer): found for peer, found in authority.told(*key).items()}
        yield from differing(key, _whole(answers), domain)
    if authority is not None:
        yield from _lame(authority, picture.domain)


def _whole(answers: dict[str, Found]) -> dict[str, Found]:
    """Without those that end in an alias which leads out of the zone: they are no whole answer."""
    return {s: f for s, f in answers.items() if f.records or not f.aliases}


def _compared(picture: Picture) -> Sequence[Key]:
    domain = picture.domain
    names = [domain, below(domain, "_dmarc"), *(key_name(domain, s) for s in picture.selectors)]
    return [(domain, SOA), (domain, MX), *((name, TXT) for name in names)]


def _lame(authority: Authority, domain: dns.name.Name) -> Iterator[Trouble]:
    told = authority.told(domain, SOA)
    failed = {peer: found for peer, found in told.items() if found.state is State.FAILED}
    spoken = [peer for peer, found in failed.items() if not found.silent]
    name = plain(domain)
    if failed and len(failed) == len(told):
        text = f"none of the servers of {name} speaks for it: {next(iter(failed.values())).why}"
        yield Trouble(Reason.RESOLVER_DISAGREEMENT, name, text, name, "NS")
    elif spoken:
        text = f"lame delegation: {failed[spoken[0]].why}"
        yield Trouble(Reason.RESOLVER_DISAGREEMENT, name, text, name, "NS")
