"""Whom to ask: our resolvers, the zone's own servers, or the text of a zone not yet served.

Each is a `Fetch`, and remembers for the run what it was told. Nothing is asked twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.ttl

from beacon.engine.run import Run
from beacon.mail.found import Fetch, Found, State, plain
from beacon.transport.datagram import Peer
from beacon.transport.resolve import Reply, ask, question

Kind = dns.rdatatype.RdataType
Key = tuple[dns.name.Name, Kind]

SHARE: Final = 0.4
"""Of the time left, how much a server may take for its answers before the others are believed."""
LONGEST_CHAIN: Final = 8
_ANSWERS: Final = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


def read(reply: Reply, *, authoritative: bool = False) -> Found:
    """What one server's reply says; with `authoritative` only one that speaks for the zone."""
    message = reply.message
    if message is None:
        why = reply.trouble.detail if reply.trouble else "no answer"
        return Found(State.FAILED, why=why, silent=True)
    code = message.rcode()
    if code not in _ANSWERS:
        said = "; ".join(error.to_text() for error in message.extended_errors())
        why = f"{reply.peer} answers {dns.rcode.to_text(code)}{f' ({said})' if said else ''}"
        return Found(State.FAILED, why=why)
    if authoritative and not message.flags & dns.flags.AA:
        return Found(State.FAILED, why=f"{reply.peer} does not speak for the zone")
    try:
        chain = message.resolve_chaining()
    except dns.exception.DNSException as error:
        circle = isinstance(error, dns.message.ChainTooLong)
        what = "aliases in a circle" if circle else "an answer that contradicts itself"
        return Found(State.FAILED, why=f"{reply.peer} gives {what}", senseless=True)
    aliases = tuple(rrset[0].target for rrset in chain.cnames)
    vouched = bool(message.flags & dns.flags.AD)
    ttl = None if chain.minimum_ttl == dns.ttl.MAX_TTL else float(chain.minimum_ttl)
    if chain.answer is not None:
        return Found(State.THERE, tuple(chain.answer), ttl, aliases, vouched=vouched)
    state = State.GONE if code == dns.rcode.NXDOMAIN else State.EMPTY
    return Found(state, (), ttl, aliases, vouched=vouched)


class Resolvers:
    """Our resolvers. One that has said nothing is not asked again in this run."""

    def __init__(self, run: Run, peers: Sequence[Peer]) -> None:
        self.peers = tuple(peers)
        self.answered = False
        """Whether one of them has resolved anything; that there is no such name is an answer."""
        self._run = run
        self._silent: set[Peer] = set()
        self._told: dict[Key, dict[Peer, Found]] = {}
        self._found: dict[Key, Found] = {}

    def __call__(self, name: dns.name.Name, kind: Kind) -> Found:
        """Ask one after the other until one knows."""
        if (name, kind) not in self._found:
            self._found[name, kind] = self._sought(name, kind)
        return self._found[name, kind]

    def all_at_once(self, keys: Iterable[Key]) -> None:
        """Put all these questions to all of them at once."""
        new = [key for key in dict.fromkeys(keys) if key not in self._told]
        self._put([(peer, key) for key in new for peer in self._awake()])

    def told(self, name: dns.name.Name, kind: Kind) -> Mapping[Peer, Found]:
        """What each of them has said to a question put to all."""
        return self._told.get((name, kind), {})

    def _awake(self) -> list[Peer]:
        return [peer for peer in self.peers if peer not in self._silent] or list(self.peers[:1])

    def _put(self, asked: Sequence[tuple[Peer, Key]], *, check: bool = True) -> list[Found]:
        questions = []
        for peer, (name, kind) in asked:
            query = question(name, kind)
            query.flags |= dns.flags.AD if check else dns.flags.CD
            questions.append((peer, query))
        replies = [read(reply) for reply in ask(self._run, questions, SHARE)]
        for (peer, key), found in zip(asked, replies, strict=True):
            self._run.note(f"{peer}: {_told(key, found)}")
            self.answered |= found.state is not State.FAILED
            if found.silent:
                self._silent.add(peer)
            if check:
                self._told.setdefault(key, {})[peer] = found
        return replies

    def _sought(self, name: dns.name.Name, kind: Kind) -> Found:
        key = (name, kind)
        told = self._told.setdefault(key, {})
        for peer in self._awake():
            if peer not in told:
                self._put([(peer, key)])
            if told[peer].state is not State.FAILED:
                return told[peer]
        failed = [found for found in told.values() if not found.silent]
        if not failed:
            return next(iter(told.values()))
        spoke = [peer for peer, found in told.items() if not found.silent]
        unchecked = self._put([(peer, key) for peer in spoke], check=False)
        bogus = any(found.state is not State.FAILED for found in unchecked)
        why = f"{failed[0].why}, and an answer when signatures are not checked" if bogus else ""
        return replace(failed[0], bogus=bogus, why=why or failed[0].why)


class Authority:
    """The servers of one zone for what is in it; for all else, and where they fail, `beyond`."""

    def __init__(
        self, run: Run, zone: dns.name.Name, servers: Sequence[Peer], beyond: Fetch
    ) -> None:
        self.zone, self.servers = zone, tuple(servers)
        self._run, self._beyond = run, beyond
        self._told: dict[Key, dict[Peer, Found]] = {}
        self._silent: set[Peer] = set()

    def __call__(self, name: dns.name.Name, kind: Kind) -> Found:
        """Take the first answer of a server that speaks for the zone."""
        return self._chased(name, kind, Found(State.EMPTY))

    def all_at_once(self, keys: Iterable[Key]) -> None:
        """Put all these questions to all servers at once."""
        new = [k for k in dict.fromkeys(keys) if k not in self._told and self._covers(k[0])]
        awake = [peer for peer in self.servers if peer not in self._silent]
        asked = [(peer, key) for key in new for peer in awake]
        questions = [(peer, question(*key, recurse=False)) for peer, key in asked]
        for (peer, key), reply in zip(asked, ask(self._run, questions, SHARE), strict=True):
            found = read(reply, authoritative=True)
            self._run.note(f"{peer}: {_told(key, found)}")
            self._told.setdefault(key, {})[peer] = found
            if found.silent:
                self._silent.add(peer)

    def told(self, name: dns.name.Name, kind: Kind) -> Mapping[Peer, Found]:
        """What each server has said."""
        return self._told.get((name, kind), {})

    def _covers(self, name: dns.name.Name) -> bool:
        return name.is_subdomain(self.zone)

    def _chased(self, name: dns.name.Name, kind: Kind, so_far: Found) -> Found:
        """Follow the aliases that led here, `so_far`."""
        if not self._covers(name):
            return _through(so_far, self._beyond(name, kind))
        self.all_at_once([(name, kind)])
        told = self.told(name, kind).values()
        first = next((f for f in told if f.state is not State.FAILED or f.senseless), None)
        if first is None:
            return _through(so_far, self._beyond(name, kind))
        found = _through(so_far, first)
        if first.records or not first.aliases:
            return found
        if len(found.aliases) > LONGEST_CHAIN:
            why = f"aliases in a circle, or too many, at {plain(name)}"
            return Found(State.FAILED, aliases=found.aliases, why=why, senseless=True)
        return self._chased(first.aliases[-1], kind, found)


def _through(before: Found, found: Found) -> Found:
    """The answer with the aliases before it; the shortest TTL of all counts."""
    ttls = [ttl for ttl in (before.ttl, found.ttl) if ttl is not None]
    aliases = (*before.aliases, *found.aliases)
    return replace(found, aliases=aliases, ttl=min(ttls, default=None))


def _told(key: Key, found: Found) -> str:
    name, kind = key
    what = f"{dns.rdatatype.to_text(kind)} of {plain(name)}"
    if found.state is State.FAILED:
        return f"{what}: {found.why}"
    ttl = "" if found.ttl is None else f", ttl {found.ttl:.0f} s"
    return f"{what}: {found.state} ({len(found.records)}){ttl}"
