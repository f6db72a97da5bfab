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
from beacon.maildns.answer import Fetch, Found, State, plain
from beacon.maildns.meaning import meaning
from beacon.net.dns_query import DnsReply, ask, question
from beacon.net.udp import Peer

Kind = dns.rdatatype.RdataType
Key = tuple[dns.name.Name, Kind]

SHARE: Final = 0.4
"""Of the time left, how much a server may take for its answers before the others are believed."""
LONGEST_CHAIN: Final = 8
MOST_VIEWS: Final = 4
"""Servers of one zone that each say something else, and are each judged by themselves."""
COMPARED: Final = frozenset({dns.rdatatype.MX, dns.rdatatype.TXT})
"""What servers must say alike; addresses may well differ by who asks."""
ENOUGH: Final = 2
"""So many resolvers that call an answer bogus are believed, whatever the others say."""
_ABOUT_SIGNATURES: Final = frozenset({0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 25, 27})
"""Extended errors about signatures and their keys, and "other error"."""
_ANSWERS: Final = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


def read(reply: DnsReply, *, authoritative: bool = False) -> Found:
    """What one server's reply says; with `authoritative` only one that speaks for the zone."""
    message = reply.message
    if message is None:
        why = reply.trouble.detail if reply.trouble else "no answer"
        return Found(State.FAILED, why=why, silent=True)
    code = message.rcode()
    if code not in _ANSWERS:
        said = "; ".join(error.to_text() for error in message.extended_errors())
        why = f"{reply.peer} answers {dns.rcode.to_text(code)}{f' ({said})' if said else ''}"
        return Found(State.FAILED, why=why, unrelated=_is_unrelated(message))
    if authoritative and not message.flags & dns.flags.AA:
        return Found(State.FAILED, why=f"{reply.peer} does not speak for the zone")
    try:
        chain = message.resolve_chaining()
    except dns.exception.DNSException as error:
        circle = isinstance(error, dns.message.ChainTooLong)
        what = "aliases in a circle" if circle else "an answer that contradicts itself"
        return Found(State.FAILED, why=f"{reply.peer} gives {what}", senseless=True, unrelated=True)
    aliases = tuple(rrset[0].target for rrset in chain.cnames)
    vouched = bool(message.flags & dns.flags.AD)
    ttl = None if chain.minimum_ttl == dns.ttl.MAX_TTL else float(chain.minimum_ttl)
    if chain.answer is not None:
        return Found(State.THERE, tuple(chain.answer), ttl, aliases, vouched=vouched)
    state = State.GONE if code == dns.rcode.NXDOMAIN else State.EMPTY
    return Found(state, (), ttl, aliases, vouched=vouched)


def _is_unrelated(message: dns.message.QueryMessage) -> bool:
    """Whether a failure has, by its own words, nothing to do with signatures (RFC 8914)."""
    codes = {error.code for error in message.extended_errors()}
    return message.rcode() != dns.rcode.SERVFAIL or bool(codes and not codes & _ABOUT_SIGNATURES)


class Resolvers:
    """Our resolvers. One that has said nothing is not asked again in this run."""

    def __init__(self, run: Run, peers: Sequence[Peer]) -> None:
        self.peers = tuple(peers)
        self.answered = False
        """Whether one of them has resolved anything; that there is no such name is an answer."""
        self._run = run
        self._silent: dict[Peer, Found] = {}
        self._told: dict[Key, dict[Peer, Found]] = {}

    def __call__(self, name: dns.name.Name, kind: Kind) -> Found:
        """Ask one after the other until one knows."""
        told = self._told.setdefault((name, kind), {})
        for peer in self._awake():
            if peer not in told:
                self._ask([(peer, (name, kind))])
            if told[peer].state is not State.FAILED:
                break
        return settled(tuple(told.values()) or tuple(self._silent.values()))

    def all_at_once(self, keys: Iterable[Key]) -> None:
        """Put all these questions to all of them at once."""
        self._ask(
            [
                (peer, key)
                for key in dict.fromkeys(keys)
                for peer in self._awake()
                if peer not in self._told.get(key, {})
            ]
        )

    def told(self, name: dns.name.Name, kind: Kind) -> Mapping[Peer, Found]:
        """What each of them has said to a question."""
        return self._told.get((name, kind), {})

    @property
    def silent(self) -> tuple[str, ...]:
        """Those that have said nothing."""
        return tuple(str(peer) for peer in self.peers if peer in self._silent)

    def _awake(self) -> list[Peer]:
        return [peer for peer in self.peers if peer not in self._silent]

    def _ask(self, asked: Sequence[tuple[Peer, Key]]) -> None:
        """Ask; where a resolver fails, ask it once more without a check of the signatures."""
        unsure = []
        for (peer, key), found in zip(asked, self._put(asked, dns.flags.AD), strict=True):
            self._told.setdefault(key, {})[peer] = found
            if found.silent:
                self._silent[peer] = found
            elif found.state is State.FAILED and not found.unrelated:
                unsure.append((peer, key))
        unchecked = zip(unsure, self._put(unsure, dns.flags.CD), strict=True)
        bogus = [each for each, found in unchecked if found.state is not State.FAILED]
        # One SERVFAIL is no proof: whoever answers now had another reason a moment ago.
        for (peer, key), again in zip(bogus, self._put(bogus, dns.flags.AD), strict=True):
            said = self._told[key][peer]
            why = f"{said.why}, and an answer when signatures are not checked"
            failed = again.state is State.FAILED
            self._told[key][peer] = replace(said, bogus=True, why=why) if failed else again

    def _put(self, asked: Sequence[tuple[Peer, Key]], flag: dns.flags.Flag) -> list[Found]:
        questions = []
        for peer, (name, kind) in asked:
            query = question(name, kind)
            query.flags |= flag
            questions.append((peer, query))
        replies = [read(reply) for reply in ask(self._run, questions, SHARE)]
        for (peer, key), found in zip(asked, replies, strict=True):
            self._run.note(f"{peer}: {_told(key, found)}")
            self.answered |= found.state is not State.FAILED
        return replies


def settled(told: Sequence[Found]) -> Found:
    """One answer out of what several resolvers say; `told` is not empty.

    Signatures are bogus if all say so who have an answer, or `ENOUGH` of them; else the word of
    the one who calls them so is kept as `doubt`. An answer that somebody vouches for goes first.
    """
    answers = [found for found in told if found.state is not State.FAILED]
    bogus = [found for found in told if found.bogus]
    if answers and len(bogus) < ENOUGH:
        best = next((found for found in answers if found.vouched), answers[0])
        return replace(best, doubt=bogus[0].why) if bogus else best
    failed = [found for found in told if not found.silent]
    return (*bogus, *failed, *told)[0]


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
        """Take the answer of a server that speaks for the zone."""
        return self._chased(name, kind, Found(State.EMPTY), None)

    def as_told_by(self, server: Peer) -> Fetch:
        """The same, with this server's answer wherever it has one."""
        return lambda name, kind: self._chased(name, kind, Found(State.EMPTY), server)

    def views(self) -> tuple[Peer, ...]:
        """One server for each way in which they answer, by name; at most `MOST_VIEWS`."""
        found: list[Peer] = []
        for server in sorted(self.servers, key=str):
            if not self.is_dead(server) and not any(self._alike(server, one) for one in found):
                found.append(server)
        return tuple(found[:MOST_VIEWS])

    def is_dead(self, server: Peer) -> bool:
        """Whether a server has said nothing at all."""
        said = [told[server] for told in self._told.values() if server in told]
        return bool(said) and all(found.silent for found in said)

    def dead(self) -> list[Peer]:
        """The servers that have said nothing at all.

        Of IPv6 none where no server answers over it: that says something of our own line.
        """
        alive = [server for server in self.servers if not self.is_dead(server)]
        both = any(":" in server.host for server in alive)
        silent = [server for server in self.servers if server not in alive]
        return [server for server in silent if both or ":" not in server.host]

    def _alike(self, one: Peer, other: Peer) -> bool:
        """Whether they say the same of mail; what one of them did not say counts for nothing."""
        return all(
            meaning(told[one]) == meaning(told[other])
            for (_, kind), told in self._told.items()
            if kind in COMPARED
            and one in told
            and other in told
            and State.FAILED not in (told[one].state, told[other].state)
        )

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

    def _chased(
        self, name: dns.name.Name, kind: Kind, so_far: Found, preferred: Peer | None
    ) -> Found:
        """Follow the aliases that led here, `so_far`."""
        if not self._covers(name):
            return _through(so_far, self._beyond(name, kind))
        self.all_at_once([(name, kind)])
        told = sorted(self.told(name, kind).items(), key=lambda t: (t[0] != preferred, str(t[0])))
        spoken = (f for _, f in told if f.state is not State.FAILED or f.senseless)
        first = next(spoken, None)
        if first is None:
            return _through(so_far, self._beyond(name, kind))
        found = _through(so_far, first)
        if first.records or not first.aliases:
            return found
        if len(found.aliases) > LONGEST_CHAIN:
            why = f"aliases in a circle, or too many, at {plain(name)}"
            return Found(State.FAILED, aliases=found.aliases, why=why, senseless=True)
        return self._chased(first.aliases[-1], kind, found, preferred)


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
