"""`dns`: whether the records are there, and are the right ones.

Several resolvers, or the zone's own servers, are asked at once; each answer is judged by
itself, then they are counted against `agree`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.reversename

from beacon.config.fields import is_address
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Phase, Run
from beacon.net.dns_query import (
    PORT,
    DnsReply,
    ask,
    has_reverse,
    locate,
    question,
    server_flaws,
    system_resolvers,
    zone_servers,
)
from beacon.net.dns_records import digest, example, is_name, listed, one_type, shown, value
from beacon.net.udp import Peer
from beacon.probing.base import FAST, Abilities, Kind, SettingFlaw

_RESOLVED: Final = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


class Agree(StrEnum):
    """How many of those asked must give a good answer."""

    ALL = "all"
    MAJORITY = "majority"  # of those that answer
    ANY = "any"


@dataclass(frozen=True, kw_only=True)
class RecordSet:
    """What the full set of records must be; records are compared as values, in any order.

    `exact`: these and no others. `contains`: at least these. `absent`: none of these, or,
    if true, no record of this type at all.
    """

    exact: tuple[str, ...] | None = None
    contains: tuple[str, ...] = ()
    absent: bool | tuple[str, ...] = False

    def written(self) -> Iterator[tuple[str, int, str]]:
        """Every record in the settings, with its place."""
        absent = () if isinstance(self.absent, bool) else self.absent
        named = {"exact": self.exact or (), "contains": self.contains, "absent": absent}
        for name, texts in named.items():
            for number, text in enumerate(texts):
                yield name, number, text

    def compare(
        self, kind: dns.rdatatype.RdataType, seen: Mapping[bytes, str]
    ) -> tuple[list[str], list[str]]:
        """The records that are missing, and those that should not be there."""
        if self.absent is True:
            return [], list(seen.values())
        wanted: dict[str, dict[bytes, str]] = {"exact": {}, "contains": {}, "absent": {}}
        for name, _, text in self.written():
            wanted[name][digest(value(kind, text))] = text
        needed = wanted["exact"] | wanted["contains"]
        missing = [text for key, text in needed.items() if key not in seen]
        unwanted = [
            text
            for key, text in seen.items()
            if key in wanted["absent"] or (self.exact is not None and key not in wanted["exact"])
        ]
        return missing, unwanted


@dataclass(frozen=True, kw_only=True)
class Dns(Kind):
    """A name, the records it should have, and who is asked for them.

    `cname` is the whole chain of aliases in order. `authoritative` asks the zone's own
    servers (or those listed) instead of the resolvers.
    """

    ABILITIES: ClassVar = Abilities(evidence=Evidence.CAUSE, timing=FAST)

    query: str
    record: str = "A"
    resolvers: tuple[str, ...] = ()
    authoritative: bool | tuple[str, ...] = False
    expect: RecordSet = RecordSet()
    cname: tuple[str, ...] = ()
    agree: Agree = Agree.MAJORITY

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        yield from self._query_faults()
        yield from (SettingFlaw(*flaw) for flaw in server_flaws(self.resolvers, self.authoritative))
        for number, alias in enumerate(self.cname):
            if not is_name(alias):
                yield SettingFlaw(("cname", number), f"not a domain name: {alias!r}")
        if self.expect.absent is True and (self.expect.exact or self.expect.contains):
            text = "no record at all and certain records cannot both be expected"
            yield SettingFlaw(("expect", "absent"), text, "absent: true alone, or a list")
        if self.expect.exact == ():
            text = "an empty list is met by nothing"
            yield SettingFlaw(("expect", "exact"), text, "absent: true, or the records")

    def _query_faults(self) -> Iterator[SettingFlaw]:
        if not (has_reverse(self.query) or is_name(self.query)):
            yield SettingFlaw(("query",), f"not a domain name: {self.query!r}")
        kind = one_type(self.record)
        if kind is None:
            text = f"not a type of record: {self.record!r}"
            yield SettingFlaw(
                ("record",), text, "one type: A, AAAA, MX, TXT, CNAME, NS, PTR, TYPE65 …"
            )
            return
        for name, number, text in self.expect.written():
            try:
                value(kind, text)
            except dns.exception.DNSException as error:
                message = f"not the text of a record of type {self.record}: {error}"
                yield SettingFlaw(("expect", name, number), message, example(kind))

    def look(self, run: Run) -> Reading:
        """Ask all the servers at once, judge each answer, count the votes."""
        run.enter(Phase.DNS)
        ours = not self.resolvers and not isinstance(self.authoritative, tuple)
        run.resolver = False if ours else None  # until it has answered
        replies = self._fetch(run)
        if ours and (self.authoritative or any(map(_resolves, replies))):
            run.resolver = True
        votes = [
            Vote(str(reply.peer), self._weigh(reply), reply.message is not None)
            for reply in replies
        ]
        for vote in votes:
            run.note(f"{vote.server}: {vote.reading.reason} {vote.reading.detail}")
        latencies = [reply.at - run.started for reply in replies if reply.message is not None]
        # Waiting for a server that says nothing is no latency of those that answered.
        return replace(settle(votes, self.agree), latency=max(latencies, default=None))

    def _fetch(self, run: Run) -> tuple[DnsReply, ...]:
        resolvers = tuple(Peer.parse(text, PORT) for text in self.resolvers)
        name, kind = _owner(self.query), dns.rdatatype.from_text(self.record)
        if self.authoritative is False:
            asked = resolvers or system_resolvers()
            return ask(run, [(peer, question(name, kind)) for peer in asked])
        servers, lost = self._authorities(run, name, resolvers)
        queries = [(peer, question(name, kind, recurse=False)) for peer in servers]
        return (*ask(run, queries), *lost)

    def _authorities(
        self, run: Run, name: dns.name.Name, resolvers: tuple[Peer, ...]
    ) -> tuple[list[Peer], list[DnsReply]]:
        if isinstance(self.authoritative, bool):
            resolvers = resolvers or system_resolvers()
            return locate(run, zone_servers(run, name, resolvers), resolvers)
        wanted = [Peer.parse(text, PORT) for text in self.authoritative]
        if not all(is_address(peer.host) for peer in wanted):
            resolvers = resolvers or system_resolvers()
        return locate(run, wanted, resolvers)

    def _weigh(self, reply: DnsReply) -> Reading:
        if reply.message is None:
            return reply.trouble or Reading(Reason.DNS_TIMEOUT)
        return self.judge(reply.message)

    def judge(self, message: dns.message.QueryMessage) -> Reading:
        """What one server's answer means."""
        code = message.rcode()
        if code not in _RESOLVED:
            why = quoted("; ".join(error.to_text() for error in message.extended_errors()))
            text = f"{dns.rcode.to_text(code)} for {self._asked}"
            return Reading(Reason.DNS_SERVFAIL, f"{text} ({why})" if why else text)
        if self.authoritative is not False and not message.flags & dns.flags.AA:
            text = f"the server is not authoritative for {self.query}"
            return Reading(Reason.DNS_SERVFAIL, text)
        try:
            chain = message.resolve_chaining()
        except dns.message.ChainTooLong:
            text = f"{self._asked}: the aliases go in a circle, or are too many"
            return Reading(Reason.PROTOCOL_ERROR, text)
        except dns.exception.DNSException as error:
            text = f"{self._asked}: an answer that contradicts itself ({type(error).__name__})"
            return Reading(Reason.PROTOCOL_ERROR, text)
        return self._judge_chain(chain, exists=code == dns.rcode.NOERROR)

    def _judge_chain(self, chain: dns.message.ChainingResult, *, exists: bool) -> Reading:
        aliases = [rrset[0].target for rrset in chain.cnames]
        if self.cname and aliases != [dns.name.from_text(alias) for alias in self.cname]:
            seen = listed([alias.to_text(omit_final_dot=True) for alias in aliases])
            text = f"aliases of {self.query}: saw {quoted(seen)}, wanted {listed(self.cname)}"
            return Reading(Reason.DNS_MISMATCH, text)
        if chain.answer is None:
            return self._judge_nothing(aliases, exists=exists)
        return self._judge_records(tuple(chain.answer), chain.minimum_ttl)

    def _judge_nothing(self, aliases: Sequence[dns.name.Name], *, exists: bool) -> Reading:
        end = quoted(aliases[-1].to_text(omit_final_dot=True)) if aliases else self.query
        via = f", which {self.query} is an alias of" if aliases else ""
        if self.expect.absent is True:
            return Reading(Reason.OK, f"no {self.record} at {end}{via}, as expected")
        if exists:
            return Reading(Reason.DNS_NO_ANSWER, f"no {self.record} at {end}{via}")
        return Reading(Reason.DNS_NXDOMAIN, f"{end} does not exist{via}")

    def _judge_records(self, records: Sequence[dns.rdata.Rdata], ttl: int) -> Reading:
        seen = {digest(record): shown(record) for record in records}
        missing, unwanted = self.expect.compare(records[0].rdtype, seen)
        if missing or unwanted:
            differences = [f"missing {listed(missing)}"] if missing else []
            differences += [f"not wanted {quoted(listed(unwanted))}"] if unwanted else []
            text = f"{self._asked}: {', '.join(differences)}, ttl {ttl} s"
            return Reading(Reason.DNS_MISMATCH, text, ttl=float(ttl))
        text = f"{self._asked}: {quoted(listed(seen.values()))}, ttl {ttl} s"
        return Reading(Reason.OK, text, ttl=float(ttl))

    @property
    def _asked(self) -> str:
        return f"{self.record} of {self.query}"


@dataclass(frozen=True, slots=True)
class Vote:
    """What one server's answer came to; `answered` is false where there was none."""

    server: str
    reading: Reading
    answered: bool


def settle(votes: Sequence[Vote], agree: Agree) -> Reading:
    """One reading out of all the servers'.

    Servers that did not answer have no vote in a majority, unless nobody answered.
    """
    if len(votes) == 1:
        return votes[0].reading
    voters = sorted(votes, key=lambda vote: vote.server)  # the settings' order decides nothing
    if agree is Agree.MAJORITY:
        voters = [vote for vote in voters if vote.answered] or voters
    good = [vote for vote in voters if vote.reading.reason is Reason.OK]
    bad = [vote for vote in voters if vote.reading.reason is not Reason.OK]
    if good and (agree is Agree.ANY or not bad):
        text = f"{len(good)} of {len(votes)} servers: {good[0].reading.detail}"
        longest = max(vote.reading.ttl or 0.0 for vote in good)
        return Reading(Reason.OK, text, ttl=longest)
    reason = Counter(vote.reading.reason for vote in bad).most_common(1)[0][0]
    worst = next(vote for vote in bad if vote.reading.reason is reason)
    if agree is Agree.MAJORITY and good and len(good) >= len(bad):
        reason = Reason.RESOLVER_DISAGREEMENT
    text = f"{len(bad)} of {len(votes)} servers, {worst.server}: {worst.reading.detail}"
    return Reading(reason, text)


def _resolves(reply: DnsReply) -> bool:
    """Whether a resolver did its work; that there is no such name is an answer."""
    return reply.message is not None and reply.message.rcode() in _RESOLVED


def _owner(query: str) -> dns.name.Name:
    return dns.reversename.from_address(query) if has_reverse(query) else dns.name.from_text(query)


PROBE = Dns
