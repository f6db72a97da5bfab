"""`beacon dns golden` and `beacon dns check`: compare the DNS before and after a change."""

import contextlib
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any, Final

import dns.name
import dns.zone

from beacon.config.fields import is_address
from beacon.config.schema import Config
from beacon.core.model import Outcome, Reason
from beacon.engine.clock import Clock
from beacon.engine.run import DeadlinePassed, Run
from beacon.maildns import golden, zone
from beacon.maildns.answer import State, plain
from beacon.maildns.delegation import Delegations
from beacon.maildns.findings import Finding, cost, judge, spf_word, worst_first
from beacon.maildns.golden import Golden, GoldenDomain, GoldenRefused
from beacon.maildns.receivers import CONSEQUENCES
from beacon.maildns.records.spf import Checked
from beacon.maildns.snapshot import SOA, TXT, Snapshot, below, key_name, keys
from beacon.maildns.sources import Authority, Resolvers
from beacon.maildns.survey import Subject, Survey, survey_by_servers, survey_domain
from beacon.net.dns_query import PORT, has_reverse, locate, system_resolvers
from beacon.net.dns_records import is_mail_domain, is_name, is_selector
from beacon.net.probe_failure import ProbeFailure
from beacon.net.udp import Peer
from beacon.probes.mail_dns import MailDns

BUDGET: Final = 30.0
"""Seconds for one domain."""
_UNASKED: Final = frozenset({Reason.DNS_TIMEOUT, Reason.DNS_SERVFAIL, Reason.SPF_TEMPERROR})


class CheckStatus(IntEnum):
    """The exit status of the dns commands."""

    SAME = 0
    DIFFERS = 1
    UNASKED = 3


class CannotAsk(Exception):
    """The DNS could not be asked. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckScope:
    """What to ask which servers. Empty: the resolvers of this machine, and the zone's servers."""

    resolvers: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()


def problem_with(asked: CheckScope, names: Sequence[str]) -> str | None:
    """Say what is wrong with the options, or None."""
    for text in (*asked.resolvers, *asked.servers):
        try:
            host = Peer.parse(text, PORT).host
        except ValueError as error:
            return str(error)
        if not is_address(host) and (text in asked.resolvers or not is_name(host)):
            return f"not an address: {text!r}"
    for address in asked.senders:
        if not has_reverse(address):
            return f"not an address: {address!r}"
    for selector in asked.selectors:
        if not is_selector(selector):
            return f"not a selector: {selector!r}; it is what stands in front of ._domainkey"
    for name in names:
        if not is_mail_domain(name):
            return f"not a domain name: {name!r}"
    return None


def configured(config: Config | None, domain: str, asked: CheckScope) -> CheckScope:
    """Add what the configuration says about the domain."""
    found = list(_watching(config, domain))
    selectors = (*asked.selectors, *(s for _, probe in found for s in probe.selectors))
    senders = (*asked.senders, *(s for _, probe in found for s in probe.senders))
    resolvers = asked.resolvers or next((p.resolvers for _, p in found if p.resolvers), ())
    listed = (p.authoritative for _, p in found if not isinstance(p.authoritative, bool))
    return CheckScope(
        resolvers=resolvers,
        servers=asked.servers or next(listed, ()),
        selectors=tuple(dict.fromkeys(selectors)),
        senders=tuple(dict.fromkeys(senders)),
    )


def _watching(config: Config | None, domain: str) -> Iterator[tuple[str, MailDns]]:
    for name, probe in (config.probes if config else {}).items():
        if isinstance(probe, MailDns) and domain in map(_key, probe.domains):
            yield name, probe


def _key(domain: str) -> str:
    return domain.lower().rstrip(".")


class DnsCheck:
    """Asks the DNS. `config`, if given, says which endpoints depend on a domain."""

    def __init__(self, clock: Clock, asked: CheckScope, config: Config | None = None) -> None:
        self._clock, self._asked, self._config = clock, asked, config

    # --- golden -------------------------------------------------------------------

    def golden(self, domains: Sequence[str]) -> tuple[str, list[Finding]]:
        """Return the golden file of these domains, and what is wrong with them now.

        Raises `CannotAsk`.
        """
        kept: dict[str, GoldenDomain] = {}
        found: list[Finding] = []
        asked: dict[str, None] = {}
        for domain in map(_key, domains):
            how = configured(self._config, domain, self._asked)
            run, resolvers = self._begin(how)
            asked |= dict.fromkeys(map(str, resolvers.peers))
            subject = _subject(domain, how.selectors, how.senders)
            with _in_time(domain):
                seen = survey_domain(run, resolvers, subject, how.servers or True)
            _must_be_known(seen.snapshot)
            kept[domain] = golden.domain_of(seen.snapshot, seen.servers)
            found += seen.findings(partial(judge, wanted=golden.wanted(kept[domain])))
        return golden.render(self._clock.utc(), tuple(asked), kept), found

    # --- check --------------------------------------------------------------------

    def check(
        self, kept: Golden, zone_file: Path | None = None, origin: str | None = None
    ) -> "Report":
        """Compare a golden file with the DNS as it is served, or with a zone file.

        Raises `CannotAsk`.
        """
        proposed = None if zone_file is None else self._proposed(kept, zone_file, origin)
        against = str(zone_file) if zone_file else ", ".join(self._asked.servers) or "live DNS"
        checked = []
        for domain, golden_domain in kept.domains.items():
            if proposed is None or dns.name.from_text(domain).is_subdomain(zone.apex(proposed)):
                checked.append(self._checked(domain, golden_domain, proposed))
        if not checked:
            names = ", ".join(kept.domains)
            raise CannotAsk(f"{against} holds none of the domains kept: {names}")
        return Report(against, tuple(checked))

    def _proposed(self, kept: Golden, path: Path, origin: str | None) -> dns.zone.Zone:
        name = dns.name.from_text(origin or min(kept.domains, key=len))
        try:
            return zone.load(path, name, given=origin is not None)
        except zone.ZoneRefused as refused:
            raise CannotAsk(str(refused)) from None

    def _checked(self, domain: str, kept: GoldenDomain, proposed: dns.zone.Zone | None) -> "Domain":
        how = configured(self._config, domain, self._asked)
        run, resolvers = self._begin(how)
        more = tuple(golden.keys_of(kept))
        subject = _subject(domain, kept.selectors, kept.senders, more)
        with _in_time(domain):
            if proposed is not None:
                seen = _proposed(run, resolvers, subject, proposed)
            elif self._asked.servers:
                seen = survey_by_servers(_authority(run, resolvers, subject, how.servers), subject)
            else:
                seen = survey_domain(run, resolvers, subject, how.servers or True)

        def of_view(snapshot: Snapshot) -> list[Finding]:
            found = judge(snapshot, golden.wanted(kept))
            compared = golden.compare(domain, kept, snapshot) if snapshot.exists else ()
            return [*found, *golden.added_by(compared, found)]

        troubles = worst_first(seen.findings(of_view))
        return Domain(domain, seen.snapshot, tuple(troubles), tuple(self._hanging_on(domain)))

    def _hanging_on(self, domain: str) -> Iterator[str]:
        """Yield the endpoints whose codes the domain sends."""
        if self._config is None:
            return
        site = self._config.watched
        names = {service.id: service.name for service in site.services}
        tied = site.affected()
        found = dict.fromkeys(
            e for c, _ in _watching(self._config, domain) for e in tied.get(c, ())
        )
        for endpoint in found:
            yield f"{endpoint} ({names[endpoint.partition('/')[0]]})"

    def _begin(self, how: CheckScope) -> tuple[Run, Resolvers]:
        run = Run(self._clock, BUDGET)
        try:
            peers = tuple(Peer.parse(text, PORT) for text in how.resolvers) or system_resolvers()
        except ProbeFailure as stuck:
            raise CannotAsk(stuck.reading.detail) from None
        return run, Resolvers(run, peers)


@contextlib.contextmanager
def _in_time(domain: str) -> Iterator[None]:
    """Turn a passed deadline into `CannotAsk`."""
    try:
        yield
    except DeadlinePassed:
        raise CannotAsk(f"{domain}: not all answers came within {BUDGET:g} s") from None


def _subject(
    domain: str, selectors: tuple[str, ...], senders: tuple[str, ...], more: tuple[Any, ...] = ()
) -> Subject:
    name = dns.name.from_text(domain)
    return Subject(domain=name, selectors=selectors, senders=senders, more=more)


def _proposed(run: Run, resolvers: Resolvers, subject: Subject, proposed: dns.zone.Zone) -> Survey:
    """Survey the domain as a zone file has it."""
    delegations = Delegations(run, proposed, resolvers)
    snapshot = subject.snapshot_from(zone.Proposed(proposed, resolvers, delegations))
    troubles = delegations.troubles(plain(subject.domain))
    return Survey((("", snapshot),), differences=tuple(troubles))


def _authority(
    run: Run, resolvers: Resolvers, subject: Subject, servers: tuple[str, ...]
) -> Authority:
    """Return these servers. Raises `CannotAsk` if none answers for the domain."""
    peers = [Peer.parse(text, PORT) for text in servers]
    if not all(is_address(peer.host) for peer in peers):
        try:
            peers, _ = locate(run, peers, resolvers.peers)
        except ProbeFailure as stuck:
            raise CannotAsk(stuck.reading.detail) from None
    authority = Authority(run, subject.domain, peers, resolvers)
    authority.all_at_once(keys(subject.domain, subject.selectors, ()))
    answers = authority.answers(subject.domain, SOA).values()
    if all(found.state is State.FAILED for found in answers):
        why = next((found.why for found in answers), "no server has an address")
        raise CannotAsk(f"{plain(subject.domain)}: {why}")
    return authority


def _must_be_known(snapshot: Snapshot) -> None:
    """Raise `CannotAsk` if a record that a golden file holds could not be read."""
    domain = snapshot.domain
    named = [(domain, kind) for _, kind in keys(domain, (), ())[:4]]
    named += [(below(domain, "_dmarc"), TXT)]
    named += [(key_name(domain, selector), TXT) for selector in snapshot.selectors]
    for key in named:
        found = snapshot.records[key]
        if found.state is State.FAILED:
            raise CannotAsk(f"{plain(key[0])}: {found.why}")
    if not snapshot.exists:
        raise CannotAsk(f"{plain(domain)} does not exist: nothing to keep")


# --- the report -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain, compared. `hanging`: the endpoints whose codes it sends."""

    name: str
    snapshot: Snapshot
    troubles: tuple[Finding, ...]
    hanging: tuple[str, ...] = ()

    @property
    def status(self) -> CheckStatus:
        """DIFFERS if anything would stop a code; UNASKED if something could not be asked."""
        fails = {t.reason for t in self.troubles if _outcome(t) is Outcome.FAIL}
        if fails - _UNASKED:
            return CheckStatus.DIFFERS
        return CheckStatus.UNASKED if fails else CheckStatus.SAME


@dataclass(frozen=True, slots=True)
class Report:
    """All domains of a golden file, compared."""

    against: str
    domains: tuple[Domain, ...] = field(default=())

    @property
    def status(self) -> CheckStatus:
        """Return the exit status. A difference outweighs what could not be asked."""
        found = {domain.status for domain in self.domains}
        return next(
            s for s in (CheckStatus.DIFFERS, CheckStatus.UNASKED, CheckStatus.SAME) if s in found
        )

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "status": self.status.name.lower(),
            "against": self.against,
            "domains": {domain.name: _document(domain) for domain in self.domains},
        }

    def text(self, width: int) -> str:
        """Return it in words."""
        return "\n".join(line for domain in self.domains for line in self._lines(domain, width))

    def _lines(self, domain: Domain, width: int) -> Iterator[str]:
        word = {
            CheckStatus.SAME: "as it should be",
            CheckStatus.DIFFERS: "DIFFERS",
            CheckStatus.UNASKED: "COULD NOT BE ASKED",
        }[domain.status]
        yield f"{domain.name}: {word} ({self.against})"
        yield f"  SPF: {spf_word(domain.snapshot.spf)}, {cost(domain.snapshot.spf)}"
        for trouble in domain.troubles:
            yield ""
            yield from _wrapped(f"{_outcome(trouble):<5}{trouble.reason}", "", "  ", width)
            yield from _wrapped(trouble.text, "", " " * 7, width)
            for head, words in _consequences(domain, trouble).items():
                yield from _wrapped(words, f"{head}: ", " " * 7, width)


def _outcome(trouble: Finding) -> Outcome:
    return trouble.reason.outcome


def _consequences(domain: Domain, trouble: Finding) -> dict[str, str]:
    who = CONSEQUENCES.get(trouble.reason)
    if who is None:
        return {}
    hanging = {"codes of": ", ".join(domain.hanging)} if domain.hanging else {}
    return {"who stops receiving": who, **hanging}


def _wrapped(text: str, head: str, indent: str, width: int) -> list[str]:
    return textwrap.wrap(
        head + text,
        max(width, 40),
        initial_indent=indent,
        subsequent_indent=indent + ("  " if head else ""),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _document(domain: Domain) -> dict[str, Any]:
    return {
        "status": domain.status.name.lower(),
        "spf": _spf(domain.snapshot.spf),
        "troubles": [
            {
                "reason": trouble.reason,
                "outcome": _outcome(trouble),
                "record": f"{trouble.kind} {trouble.name}".strip() or None,
                "text": trouble.text,
                "receivers": CONSEQUENCES.get(trouble.reason),
                "endpoints": list(domain.hanging),
            }
            for trouble in domain.troubles
        ],
    }


def _spf(checked: Checked) -> dict[str, Any]:
    return {
        "result": spf_word(checked),
        "why": checked.why or None,
        "terms": checked.terms,
        "voids": checked.voids,
        "trace": [
            {"depth": s.depth, "domain": s.domain, "term": s.term, "came": s.result}
            for s in checked.trace
        ],
    }


def problems_found(found: Iterable[Finding]) -> list[str]:
    """Say what is wrong at the moment a golden file is written."""
    return [f"{t.domain}: {t.reason}: {t.text}" for t in found]


def load(path: Path) -> Golden:
    """Read a golden file. Raises `CannotAsk`."""
    try:
        return golden.load(path)
    except GoldenRefused as refused:
        raise CannotAsk(str(refused)) from None
