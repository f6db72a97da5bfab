"""`google_incidents`: what Google admits, by the history of incidents of Workspace or Cloud.

The list is a history: an incident is open while it has no end. A product that is nowhere in
it looks like one that is misspelled, and is unknown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

import msgspec

from beacon.config.fields import Url
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.net.http.client import Answer, Request
from beacon.net.http.conditional_client import ConditionalClient
from beacon.net.http.expectations import parse_json_as
from beacon.net.http.route import Reach
from beacon.net.parsing.dates import moment, since
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.base import CLAIM, Abilities, Kind, SettingFlaw, unnamed
from beacon.vendors.status import Admission, entry, unknown, worst

LIMIT: Final = 8 * 1024 * 1024
"""Bytes of a history: it grows while there is trouble."""

VALUES: Final = 500_000
"""Values of a history, the commas of its texts counted too."""

_OF_IMPACT: Final = {
    "AVAILABLE": Reason.OK,
    "SERVICE_INFORMATION": Reason.VENDOR_DEGRADED,
    "SERVICE_DISRUPTION": Reason.VENDOR_DEGRADED,
    "SERVICE_OUTAGE": Reason.VENDOR_INCIDENT,
    "SERVICE_MAINTENANCE": Reason.VENDOR_MAINTENANCE,
    "SCHEDULED_MAINTENANCE": Reason.VENDOR_MAINTENANCE,
}
"""Any other impact is degraded: what is open is an admission, whatever its name."""


EARLY: Final = timedelta(hours=1)
"""How long before its time something planned may begin."""


class _Product(msgspec.Struct, frozen=True):
    title: str = ""
    id: str = ""


class _Update(msgspec.Struct, frozen=True):
    status: str | None = None


class _Incident(msgspec.Struct, frozen=True):
    id: str
    begin: str | None = None
    end: str | None = None
    external_desc: str | None = None
    status_impact: str | None = None
    service_name: str | None = None
    affected_products: tuple[_Product, ...] | None = None
    currently_affected_products: tuple[_Product, ...] | None = None
    most_recent_update: _Update | None = None


class _Open(msgspec.Struct, frozen=True):
    """An incident that has no end, and the names it can be asked for by."""

    reason: Reason
    words: str
    products: frozenset[str]
    begin: datetime | None


class GoogleHistory(msgspec.Struct, frozen=True):
    """What is open, and every product that ever was in trouble, by its small letters."""

    open: tuple[_Open, ...]
    products: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class GoogleIncidents(Reach, Kind):
    """A history of incidents of Google, and which products concern us.

    `products` are titles or ids; none named: all of them.
    """

    ABILITIES: ClassVar = Abilities(evidence=Evidence.CLAIM, timing=CLAIM, second_hand=True)

    url: Url
    products: tuple[str, ...] = ()

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        yield from unnamed("products", self.products, "product")

    def look(self, run: Run) -> Reading:
        """Read the history and judge what is open in it."""
        request = Request(url=self.url, limit=LIMIT)
        now = run.clock.utc()
        client = run.memory.of(ConditionalClient)
        return self.judge(client.read(run, request, parsed, self.route), now)

    def judge(self, history: GoogleHistory, now: datetime) -> Reading:
        """What Google admits of our products at a time."""
        wanted = {name.strip().casefold(): name for name in self.products}
        begun = [one for one in history.open if one.begin is None or one.begin <= now + EARLY]
        ours = [one for one in begun if not wanted or one.products & wanted.keys()]
        admissions = [Admission(one.reason, one.words) for one in ours]
        for folded, name in wanted.items():
            if folded not in history.products:
                text = f"no incident ever named a product {name!r}"
                admissions.append(unknown(text, folded, history.products.values()))
        text = f"{len(begun)} incidents open, none of them ours"
        return worst((Admission(Reason.OK, text), *admissions))


def parsed(_: Run, answer: Answer) -> GoogleHistory:
    """What of the history counts. Raises `ProbeFailure` where it cannot be understood."""
    try:
        incidents = parse_json_as(answer.body, tuple[_Incident, ...], VALUES)
    except msgspec.ValidationError as error:
        raise ProbeFailure(
            Reason.SOURCE_DEAD, f"no history of incidents: {quoted(error)}"
        ) from None
    if not incidents:
        raise ProbeFailure(Reason.SOURCE_DEAD, "an empty history: even of quiet times there is one")
    products = {
        name.strip().casefold(): name
        for incident in incidents
        for name in _names(incident, (*_products(incident), *(incident.affected_products or ())))
    }
    found = (_opened(incident) for incident in incidents if not (incident.end or "").strip())
    return GoogleHistory(tuple(one for one in found if one.reason is not Reason.OK), products)


def _products(incident: _Incident) -> Sequence[_Product]:
    """The products in trouble now, where the history separates them."""
    return incident.currently_affected_products or incident.affected_products or ()


def _names(incident: _Incident, products: Sequence[_Product]) -> Iterator[str]:
    if incident.service_name:
        yield incident.service_name
    for product in products:
        yield from (name for name in (product.title, product.id) if name)


def _opened(incident: _Incident) -> _Open:
    update = incident.most_recent_update
    impact = (update.status if update else None) or incident.status_impact or "open"
    now = _products(incident)
    title = (incident.external_desc or "").partition("\n")[0] or f"incident {incident.id}"
    names = ", ".join(product.title for product in now if product.title)
    words = entry(impact, title, quoted(names or incident.service_name), since(incident.begin))
    return _Open(
        _OF_IMPACT.get(impact, Reason.VENDOR_DEGRADED),
        words,
        frozenset(name.strip().casefold() for name in _names(incident, now)),
        moment(incident.begin),
    )


PROBE = GoogleIncidents
