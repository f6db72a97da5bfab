"""What the DNS says of one name and type, whoever was asked: data, and how it is told."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import dns.name
import dns.rdata
import dns.rdatatype

from beacon.net.dns_records import digest


class State(StrEnum):
    """What came of a question."""

    THERE = "there"
    EMPTY = "empty"  # the name exists, without a record of this type
    GONE = "gone"  # the name, or what it is an alias of, does not exist
    FAILED = "failed"  # nobody could say


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to one question.

    `ttl` is how many seconds others may keep it; of what is not there too. `aliases` are the
    names gone through. `silent`: nobody answered at all; `bogus`: it is had only without a check
    of its signatures; `vouched`: a resolver checked them; `doubt`: what one resolver says of them
    that calls them bogus, while others answer; `senseless`: an answer that cannot be followed;
    `unrelated`: a failure that has nothing to do with signatures. `why` tells of a failure.
    """

    state: State
    records: tuple[dns.rdata.Rdata, ...] = ()
    ttl: float | None = None
    aliases: tuple[dns.name.Name, ...] = ()
    why: str = ""
    silent: bool = False
    bogus: bool = False
    vouched: bool = False
    doubt: str = ""
    senseless: bool = False
    unrelated: bool = False


Fetch = Callable[[dns.name.Name, dns.rdatatype.RdataType], Found]
"""Look one name and type up, aliases followed. Says `FAILED` rather than raising."""


def plain(name: dns.name.Name) -> str:
    """A name as people write it."""
    return name.to_text(omit_final_dot=True).lower()


def texts(found: Found) -> tuple[str, ...]:
    """Each TXT with its strings joined; bytes that are no ASCII stand as U+FFFD."""
    return tuple(digest(record).decode("ascii", "replace") for record in found.records)
