"""`mail_dns`: whether the domains that send the codes would be believed by receivers.

The zone's own servers are asked, and our resolvers beside them; what is wrong is found by
`beacon.maildns`, and the worst of it is the reading.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

import dns.name
import dns.rdatatype

from beacon.config.fields import File
from beacon.core.model import (
    DETAIL_LIMIT,
    Evidence,
    Outcome,
    Reading,
    Reason,
    joined,
)
from beacon.engine.run import Phase, Run
from beacon.maildns.answer import Found, State, plain
from beacon.maildns.findings import Finding, Wanted, judge, worst_first
from beacon.maildns.golden import Golden, GoldenRefused, added_by, compare, keys_of, load
from beacon.maildns.snapshot import MX, TXT, Snapshot
from beacon.maildns.sources import Resolvers
from beacon.maildns.survey import Subject, Survey, survey_domain
from beacon.net.dns_query import PORT, has_reverse, server_flaws, system_resolvers
from beacon.net.dns_records import is_mail_domain, is_name, is_selector, listed
from beacon.net.udp import Peer
from beacon.probing.base import Abilities, Kind, SettingFlaw, Timing

MOST_DOMAINS = 10
_LONGEST_FIRST: Final = 110
"""Characters for the worst trouble where the detail has to name others too."""


@dataclass(frozen=True, kw_only=True)
class MailDns(Kind):
    """Domains that send codes, and what receivers of their mail will look for.

    `selectors` are the names of DKIM keys, `senders` the addresses that send; both belong to
    every domain listed. `golden` is a file of `beacon dns golden`.
    """

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.CAUSE,
        timing=Timing(interval=120, timeout=5, failure_threshold=2, retry_interval=10),
    )

    domains: tuple[str, ...]
    selectors: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    authoritative: bool | tuple[str, ...] = True
    spf: bool = True
    dmarc: bool = True
    mx: bool = True
    dnssec: Literal["required", "if signed"] = "if signed"
    golden: File | None = None

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if not 0 < len(self.domains) <= MOST_DOMAINS:
            allowed = f"1 to {MOST_DOMAINS} domains; more in endpoints of their own"
            yield SettingFlaw(("domains",), f"{len(self.domains)} domains", allowed)
        for number, domain in enumerate(self.domains):
            if not is_mail_domain(domain):
                text = f"not a domain that sends mail: {domain!r}"
                yield SettingFlaw(
                    ("domains", number), text, "what stands behind the @: otp.example.com"
                )
        for number, selector in enumerate(self.selectors):
            if not self._is_selector(selector):
                allowed = "what stands in front of ._domainkey: s1, 2024.mail"
                yield SettingFlaw(("selectors", number), f"not a selector: {selector!r}", allowed)
        for number, address in enumerate(self.senders):
            if not has_reverse(address):
                text = f"not an address: {address!r}"
                yield SettingFlaw(("senders", number), text, "192.0.2.1 or 2001:db8::1")
        yield from (SettingFlaw(*flaw) for flaw in server_flaws(self.resolvers, self.authoritative))
        yield from self._golden_faults()

    def _is_selector(self, text: str) -> bool:
        below = any(f".{text}.".lower().endswith(f".{_key(name)}.") for name in self.domains)
        longest = max(self.domains, key=len, default="")
        return is_selector(text) and not below and is_name(f"{text}._domainkey.{longest}")

    def _golden_faults(self) -> Iterator[SettingFlaw]:
        if self.golden is None:
            return
        try:
            golden = load(Path(self.golden))
        except GoldenRefused as refused:
            yield SettingFlaw(("golden",), str(refused), "a file of `beacon dns golden`")
            return
        for domain in self.domains:
            if _key(domain) not in golden.domains:
                text = f"{self.golden} does not know {domain}"
                yield SettingFlaw(
                    ("golden",), text, "a file of `beacon dns golden` with every domain"
                )

    def look(self, run: Run) -> Reading:
        """Look at every domain, and tell the worst."""
        run.enter(Phase.DNS)
        ours = not self.resolvers
        run.resolver = False if ours else None  # until it has answered
        peers = tuple(Peer.parse(text, PORT) for text in self.resolvers)
        resolvers = Resolvers(run, peers or system_resolvers())
        try:
            golden = load(Path(self.golden)) if self.golden else None
        except GoldenRefused as refused:
            return Reading(Reason.INTERNAL_ERROR, str(refused))
        surveys = [
            (
                domain,
                survey_domain(run, resolvers, self._subject(domain, golden), self.authoritative),
            )
            for domain in self.domains
        ]
        if ours and resolvers.answered:
            run.resolver = True
        found = [
            trouble for domain, survey in surveys for trouble in self.judge(domain, survey, golden)
        ]
        for trouble in found:
            run.note(f"{trouble.reason}: {trouble.text}")
        return reading_of(worst_first(found), [survey for _, survey in surveys])

    def _subject(self, domain: str, golden: Golden | None) -> Subject:
        more = () if golden is None else tuple(keys_of(golden.domains[_key(domain)]))
        name = dns.name.from_text(domain)
        return Subject(
            domain=name,
            selectors=self.selectors,
            senders=self.senders,
            more=more,
            dnssec=self.dnssec == "required",
        )

    def judge(self, domain: str, survey: Survey, golden: Golden | None) -> list[Finding]:
        """Everything that is wrong with one domain."""
        signed = self.dnssec == "required"
        wanted = Wanted(spf=self.spf, dmarc=self.dmarc, mx=self.mx, dnssec=signed)

        def of_view(snapshot: Snapshot) -> list[Finding]:
            found = judge(snapshot, wanted)
            if golden is not None and snapshot.exists:
                name = _key(domain)
                found += added_by(compare(name, golden.domains[name], snapshot), found)
            return found

        return survey.findings(of_view)


def reading_of(found: Sequence[Finding], surveys: Sequence[Survey]) -> Reading:
    """One reading of all that was found; `found` the worst first."""
    if not found:
        return Reading(Reason.OK, "; ".join(map(_sound, surveys)), ttl=_ttl(surveys))
    first, others = found[0], found[1:]
    detail = _with_others(first, others) if others else first.text
    return Reading(first.reason, detail, ttl=_ttl(surveys, first), records=_records(found))


def _records(found: Sequence[Finding]) -> tuple[str, ...]:
    """Every record that fails, by reason, type and name: incidents keep them beside the detail."""
    fails = (each for each in found if each.reason.outcome is Outcome.FAIL and each.name)
    return joined((), (f"{each.reason} {each.kind} {each.name}" for each in fails))


def _with_others(first: Finding, others: Sequence[Finding]) -> str:
    """The worst in full, the others by reason and name, as far as they fit."""
    grouped: dict[Reason, list[str]] = {}
    for trouble in others:
        grouped.setdefault(trouble.reason, []).append(_short(trouble, first.domain))
    items = [
        " ".join(filter(None, (reason if number == 0 else "", name)))
        for reason, names in grouped.items()
        for number, name in enumerate(dict.fromkeys(names))
    ]
    head = f"{listed([first.text], _LONGEST_FIRST)}; also "
    for left in range(len(items)):
        more = f" and {left} more" if left else ""
        line = head + ", ".join(items[: len(items) - left]) + more
        if len(line) <= DETAIL_LIMIT:
            return line
    return f"{head}{len(items)} more"


def _short(trouble: Finding, domain: str) -> str:
    """Which record a trouble is about, as short as can be."""
    name = trouble.name.removesuffix(f".{trouble.domain}")
    if trouble.reason in (Reason.DKIM_MISSING, Reason.DKIM_REVOKED):
        what = name.removesuffix("._domainkey")
    elif trouble.reason is Reason.PTR_MISMATCH:
        what = name
    elif trouble.reason in (Reason.RECORD_MISSING, Reason.RECORD_CHANGED):
        what = f"{trouble.kind} {'@' if name == trouble.domain else name}"
    else:
        what = ""
    return " ".join(filter(None, (what, "" if trouble.domain == domain else trouble.domain)))


def _sound(survey: Survey) -> str:
    snapshot = survey.snapshot
    keys = f", {len(snapshot.selectors)} DKIM keys" if snapshot.selectors else ""
    return f"{snapshot.domain.to_text(omit_final_dot=True)}: {snapshot.spf.terms} SPF terms{keys}"


def _ttl(surveys: Sequence[Survey], trouble: Finding | None = None) -> float | None:
    """How long others may keep what was read: the longest of all; of trouble, its own record."""
    found = [
        answer.ttl
        for survey in surveys
        for _, snapshot in survey.views
        for (name, kind), answer in snapshot.records.items()
        if answer.ttl is not None and _counts(answer, plain(name), kind, trouble)
    ]
    return max(found, default=None)


def _counts(
    answer: Found, name: str, kind: dns.rdatatype.RdataType, trouble: Finding | None
) -> bool:
    if trouble is None:
        return answer.state is State.THERE and kind in (TXT, MX)
    return (name, dns.rdatatype.to_text(kind)) == (trouble.name, trouble.kind)


def _key(domain: str) -> str:
    return domain.lower().rstrip(".")


PROBE = MailDns
