"""The answer of the DNS to one name and type, from any source."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import dns.name
import dns.rdata
import dns.rdatatype

from beacon.net.dns_records import digest


class State(StrEnum):
    """The result of one query."""

    THERE = "there"
    EMPTY = "empty"  # the name exists, without a record of this type
    GONE = "gone"  # the name, or what it is an alias of, does not exist
    FAILED = "failed"  # nobody could say


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to one query.

    `ttl`: seconds that it may be cached, also if there is no record. `aliases`: the CNAMEs on the
    way. `why`: the text of a failure. `silent`: no server answered. `bogus`: resolvers answer only
    without checking the signatures. `verified`: a resolver has checked them. `doubt`: the text of
    the one resolver that calls them bogus while others answer. `senseless`: the answer cannot be
    followed. `unrelated`: the failure has nothing to do with signatures.
    """

    state: State
    records: tuple[dns.rdata.Rdata, ...] = ()
    ttl: float | None = None
    aliases: tuple[dns.name.Name, ...] = ()
    why: str = ""
    silent: bool = False
    bogus: bool = False
    verified: bool = False
    doubt: str = ""
    senseless: bool = False
    unrelated: bool = False


Fetch = Callable[[dns.name.Name, dns.rdatatype.RdataType], Found]
"""Looks up one name and type and follows aliases. Returns `FAILED`, never raises it."""


def plain(name: dns.name.Name) -> str:
    """A name as people write it."""
    return name.to_text(omit_final_dot=True).lower()


def texts(found: Found) -> tuple[str, ...]:
    """Each TXT with its strings joined; bytes outside ASCII become U+FFFD."""
    return tuple(digest(record).decode("ascii", "replace") for record in found.records)
