"""Where answers come from: our resolvers, or the zone's own servers.

Each source is a `Fetch` and remembers its answers for the run: nothing is asked twice.
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
"""The share of the remaining time that a server may take, before only the others count."""
LONGEST_CHAIN: Final = 8
MOST_VIEWS: Final = 4
"""Different answers of a zone's servers that are each judged separately."""
COMPARED: Final = frozenset({dns.rdatatype.MX, dns.rdatatype.TXT})
"""Types that must be the same on all servers; addresses may differ by who asks."""
ENOUGH: Final = 2
"""Resolvers that must call an answer bogus, if others answer (docs/probes/mail_dns.md)."""
_ABOUT_SIGNATURES: Final = frozenset({0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 25, 27})
"""Extended errors (RFC 8914) about signatures and their keys, and "other error"."""
_ANSWERS: Final = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


def read(reply: DnsReply, *, authoritative: bool = False) -> Found:
    """One server's reply as an answer; with `authoritative` the server must have the zone."""
    message = reply.message
    if message is None:
        why = reply.trouble.detail if reply.trouble else "no answer"
        return Found(State.FAILED, why=why, silent=True)
    code = message.rcode()
    if code not in _ANSWERS:
        errors = "; ".join(error.to_text() for error in message.extended_errors())
        why = f"{reply.peer} answers {dns.rcode.to_text(code)}{f' ({errors})' if errors else ''}"
        return Found(State.FAILED, why=why, unrelated=_is_unrelated(message))
    if authoritative and not message.flags & dns.flags.AA:
        return Found(State.FAILED, why=f"{reply.peer} is not authoritative for the zone")
    try:
        chain = message.resolve_chaining()
    except dns.exception.DNSException as error:
        circle = isinstance(error, dns.message.ChainTooLong)
        what = "aliases in a circle" if circle else "an answer that contradicts itself"
        return Found(State.FAILED, why=f"{reply.peer} gives {what}", senseless=True, unrelated=True)
    aliases = tuple(rrset[0].target for rrset in chain.cnames)
    verified = bool(message.flags & dns.flags.AD)
    ttl = None if chain.minimum_ttl == dns.ttl.MAX_TTL else float(chain.minimum_ttl)
    if chain.answer is not None:
        return Found(State.THERE, tuple(chain.answer), ttl, aliases, verified=verified)
    state = State.GONE if code == dns.rcode.NXDOMAIN else State.EMPTY
    return Found(state, (), ttl, aliases, verified=verified)


def _is_unrelated(message: dns.message.QueryMessage) -> bool:
    """Whether a failure has nothing to do with signatures, by its extended errors (RFC 8914)."""
    codes = {error.code for error in message.extended_errors()}
    return message.rcode() != dns.rcode.SERVFAIL or bool(codes and not codes & _ABOUT_SIGNATURES)


class Resolvers:
    """Our resolvers. One that does not answer is not asked again in this run."""

    def __init__(self, run: Run, peers: Sequence[Peer]) -> None:
        self.peers = tuple(peers)
        self.answered = False
        """Whether one of them has answered anything; "no such name" is an answer."""
        self._run = run
        self._silent: dict[Peer, Found] = {}
        self._answers: dict[Key, dict[Peer, Found]] = {}

    def __call__(self, name: dns.name.Name, kind: Kind) -> Found:
        """Ask one after the other until one answers."""
        answers = self._answers.setdefault((name, kind), {})
        for peer in self._awake():
            if peer not in answers:
                self._ask([(peer, (name, kind))])
            if answers[peer].state is not State.FAILED:
                break
        return combine(tuple(answers.values()) or tuple(self._silent.values()))

    def all_at_once(self, keys: Iterable[Key]) -> None:
        """Send all these queries to all of them at once."""
        self._ask(
            [
                (peer, key)
                for key in dict.fromkeys(keys)
                for peer in self._awake()
                if peer not in self._answers.get(key, {})
            ]
        )

    def answers(self, name: dns.name.Name, kind: Kind) -> Mapping[Peer, Found]:
        """The answer of each resolver to a query."""
        return self._answers.get((name, kind), {})

    @property
    def silent(self) -> tuple[str, ...]:
        """The resolvers that did not answer."""
        return tuple(str(peer) for peer in self.peers if peer in self._silent)

    def _awake(self) -> list[Peer]:
        return [peer for peer in self.peers if peer not in self._silent]

    def _ask(self, queries: Sequence[tuple[Peer, Key]]) -> None:
        """Ask; if a resolver fails, ask it again without checking signatures."""
        unsure = []
        for (peer, key), found in zip(queries, self._send(queries, dns.flags.AD), strict=True):
            self._answers.setdefault(key, {})[peer] = found
            if found.silent:
                self._silent[peer] = found
            elif found.state is State.FAILED and not found.unrelated:
                unsure.append((peer, key))
        unchecked = zip(unsure, self._send(unsure, dns.flags.CD), strict=True)
        bogus = [each for each, found in unchecked if found.state is not State.FAILED]
        # One SERVFAIL proves nothing: a resolver that answers now had another reason to fail.
        for (peer, key), again in zip(bogus, self._send(bogus, dns.flags.AD), strict=True):
            first = self._answers[key][peer]
            why = f"{first.why}, and an answer when signatures are not checked"
            failed = again.state is State.FAILED
            self._answers[key][peer] = replace(first, bogus=True, why=why) if failed else again

    def _send(self, queries: Sequence[tuple[Peer, Key]], flag: dns.flags.Flag) -> list[Found]:
        questions = []
        for peer, (name, kind) in queries:
            query = question(name, kind)
            query.flags |= flag
            questions.append((peer, query))
        replies = [read(reply) for reply in ask(self._run, questions, SHARE)]
        for (peer, key), found in zip(queries, replies, strict=True):
            self._run.note(f"{peer}: {_line(key, found)}")
            self.answered |= found.state is not State.FAILED
        return replies


def combine(results: Sequence[Found]) -> Found:
    """One answer from those of several resolvers; `results` is not empty.

    It is bogus if nobody answers and one calls it bogus, or if `ENOUGH` do. One resolver among
    others that answer is only a `doubt`. An answer with verified signatures is preferred.
    """
    answers = [found for found in results if found.state is not State.FAILED]
    bogus = [found for found in results if found.bogus]
    if answers and len(bogus) < ENOUGH:
        best = next((found for found in answers if found.verified), answers[0])
        return replace(best, doubt=bogus[0].why) if bogus else best
    failed = [found for found in results if not found.silent]
    return (*bogus, *failed, *results)[0]


class Authority:
    """Answers of a zone's own servers. `beyond` answers for other zones, and where they fail."""

    def __init__(
        self, run: Run, zone: dns.name.Name, servers: Sequence[Peer], beyond: Fetch
    ) -> None:
        self.zone, self.servers = zone, tuple(servers)
        self._run, self._beyond = run, beyond
        self._answers: dict[Key, dict[Peer, Found]] = {}
        self._silent: set[Peer] = set()

    def __call__(self, name: dns.name.Name, kind: Kind) -> Found:
        """The answer of the first authoritative server."""
        return self._follow(name, kind, Found(State.EMPTY), None)

    def preferring(self, server: Peer) -> Fetch:
        """The same source, but with this server's answers where it has one."""
        return lambda name, kind: self._follow(name, kind, Found(State.EMPTY), server)

    def views(self) -> tuple[Peer, ...]:
        """One server for each different set of answers, by name; at most `MOST_VIEWS`."""
        found: list[Peer] = []
        for server in sorted(self.servers, key=str):
            if not self.is_dead(server) and not any(self._alike(server, one) for one in found):
                found.append(server)
        return tuple(found[:MOST_VIEWS])

    def is_dead(self, server: Peer) -> bool:
        """Whether a server has answered nothing at all."""
        found = [answers[server] for answers in self._answers.values() if server in answers]
        return bool(found) and all(each.silent for each in found)

    def dead(self) -> list[Peer]:
        """The servers that have answered nothing at all.

        Those with IPv6 addresses count only if another answers over IPv6: else our own line may be
        to blame.
        """
        alive = [server for server in self.servers if not self.is_dead(server)]
        both = any(":" in server.host for server in alive)
        silent = [server for server in self.servers if server not in alive]
        return [server for server in silent if both or ":" not in server.host]

    def _alike(self, one: Peer, other: Peer) -> bool:
        """Whether both give the same answers about mail, where both have answered."""
        return all(
            meaning(answers[one]) == meaning(answers[other])
            for (_, kind), answers in self._answers.items()
            if kind in COMPARED
            and one in answers
            and other in answers
            and State.FAILED not in (answers[one].state, answers[other].state)
        )

    def all_at_once(self, keys: Iterable[Key]) -> None:
        """Send all these queries to all servers at once."""
        new = [k for k in dict.fromkeys(keys) if k not in self._answers and self._covers(k[0])]
        awake = [peer for peer in self.servers if peer not in self._silent]
        queries = [(peer, key) for key in new for peer in awake]
        questions = [(peer, question(*key, recurse=False)) for peer, key in queries]
        for (peer, key), reply in zip(queries, ask(self._run, questions, SHARE), strict=True):
            found = read(reply, authoritative=True)
            self._run.note(f"{peer}: {_line(key, found)}")
            self._answers.setdefault(key, {})[peer] = found
            if found.silent:
                self._silent.add(peer)

    def answers(self, name: dns.name.Name, kind: Kind) -> Mapping[Peer, Found]:
        """The answer of each server to a query."""
        return self._answers.get((name, kind), {})

    def _covers(self, name: dns.name.Name) -> bool:
        return name.is_subdomain(self.zone)

    def _follow(
        self, name: dns.name.Name, kind: Kind, so_far: Found, preferred: Peer | None
    ) -> Found:
        """Look up a name and follow its aliases; `so_far` has those that led to it."""
        if not self._covers(name):
            return _through(so_far, self._beyond(name, kind))
        self.all_at_once([(name, kind)])
        answers = self.answers(name, kind)
        peers = sorted(answers, key=lambda peer: (peer != preferred, str(peer)))
        found_by = (answers[peer] for peer in peers)
        usable = (f for f in found_by if f.state is not State.FAILED or f.senseless)
        first = next(usable, None)
        if first is None:
            return _through(so_far, self._beyond(name, kind))
        found = _through(so_far, first)
        if first.records or not first.aliases:
            return found
        if len(found.aliases) > LONGEST_CHAIN:
            why = f"aliases in a circle, or too many, at {plain(name)}"
            return Found(State.FAILED, aliases=found.aliases, why=why, senseless=True)
        return self._follow(first.aliases[-1], kind, found, preferred)


def _through(before: Found, found: Found) -> Found:
    """The answer with the aliases before it; the shortest TTL of all counts."""
    ttls = [ttl for ttl in (before.ttl, found.ttl) if ttl is not None]
    aliases = (*before.aliases, *found.aliases)
    return replace(found, aliases=aliases, ttl=min(ttls, default=None))


def _line(key: Key, found: Found) -> str:
    name, kind = key
    what = f"{dns.rdatatype.to_text(kind)} of {plain(name)}"
    if found.state is State.FAILED:
        return f"{what}: {found.why}"
    ttl = "" if found.ttl is None else f", ttl {found.ttl:.0f} s"
    return f"{what}: {found.state} ({len(found.records)}){ttl}"
