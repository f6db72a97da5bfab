"""What earlier runs learnt about the addresses of names: which one to try first, which is dead.

A client that falls back to another address hides an outage of the first. So every address is
tried from time to time, and a dead one is reported until it answers (docs/adr/0026).
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any, Final

Address = tuple[socket.AddressFamily, tuple[Any, ...]]

CHECKED_EVERY: Final = 600.0
"""Seconds after which an address is tried first once, although another is preferred."""

FRESH: Final = 900.0
"""Seconds for which an answer proves that our own line to addresses of its kind works."""

KEPT: Final = 1024
"""Addresses that are remembered; the one tried longest ago is dropped."""


@dataclass(frozen=True, slots=True)
class _Known:
    """An address: why it is dead ("": it answered), since when, and when it was last tried."""

    words: str
    since: float
    tried: float
    kind: tuple[int, int]


class Addresses:
    """All addresses tried in this process. For any thread."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], _Known] = {}

    def answered(self, address: Address, at: float) -> None:
        """Note that it accepted a connection at this moment."""
        self._note(address, "", at)

    def died(self, address: Address, words: str, at: float) -> None:
        """Note that an attempt begun at this moment failed; `words` say how."""
        self._note(address, words, at)

    def dead(self, address: Address) -> str:
        """Why it is dead; "" where it is not, or was never tried."""
        known = self._known.get(_key(address))
        return known.words if known else ""

    def is_theirs(self, address: Address, now: float) -> bool:
        """Whether the server is to blame for a dead address, not our own line.

        It is, if another address of its kind answered since. A family that fails everywhere
        proves nothing about one address.
        """
        known = self._known.get(_key(address))
        if known is None or not known.words:
            return False
        return any(
            not other.words
            and other.kind[0] == known.kind[0]
            and other.kind[1] >= known.kind[1]
            and other.tried > known.since
            and now - other.tried < FRESH
            for other in tuple(self._known.values())
        )

    def in_order(self, addresses: Sequence[Address], now: float) -> list[Address]:
        """The order to try them in: families interleaved, dead ones last.

        One address is checked before all others: a dead one, else one not tried for long.
        """
        interleaved = interleave(addresses)
        known = {address: self._known.get(_key(address)) for address in interleaved}
        ordered = sorted(interleaved, key=lambda address: bool(self.dead(address)))
        if not any(known.values()):
            return ordered
        due = min(ordered, key=lambda address: _due(known[address], now))
        if _due(known[due], now) < _NOT_DUE:
            ordered.remove(due)
            ordered.insert(0, due)
        return ordered

    def _note(self, address: Address, words: str, at: float) -> None:
        key = _key(address)
        before = self._known.pop(key, None)
        lasting = before is not None and bool(before.words) == bool(words)
        since = before.since if before is not None and lasting else at
        self._known[key] = _Known(words, since, at, _kind(address))
        if len(self._known) > KEPT:
            for old in list(self._known)[:-KEPT]:
                self._known.pop(old, None)


_NOT_DUE: Final = (3, 0.0)

ADDRESSES: Final = Addresses()
"""Shared by all probes of this process."""


def interleave(addresses: Sequence[Address]) -> list[Address]:
    """One of each family in turn, beginning with the family of the first (RFC 8305 §4)."""
    preferred = addresses[0][0] if addresses else None
    first = [address for address in addresses if address[0] == preferred]
    second = [address for address in addresses if address[0] != preferred]
    pairs = chain.from_iterable(zip_longest(first, second))
    return list(dict.fromkeys(address for address in pairs if address is not None))


def shown(address: Address) -> str:
    """An address and its port as people write it."""
    return host_port(*address[1][:2])


def host_port(host: str, port: int) -> str:
    """Host and port as in a URL: an IPv6 address is in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _due(known: _Known | None, now: float) -> tuple[int, float]:
    """How urgently it is checked: the least comes first."""
    if known is None:
        return 1, 0.0
    if known.words:
        return 0, known.tried
    return (2, known.tried) if now - known.tried >= CHECKED_EVERY else _NOT_DUE


def _key(address: Address) -> tuple[Any, ...]:
    return address[1][:2]


def _kind(address: Address) -> tuple[int, int]:
    """Its IP version, and how far away it is: a line that reaches the internet reaches the site."""
    found = ipaddress.ip_address(str(address[1][0]).partition("%")[0])
    return found.version, 0 if found.is_loopback else 2 if found.is_global else 1
