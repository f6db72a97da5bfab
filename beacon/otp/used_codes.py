"""One-time codes (RFC 6238, RFC 4226), and the ledger that lets none be used twice.

Servers refuse a code they have seen, and count it as a failure: two endpoints with one
token, or a re-check a moment later, would lock the account they watch.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, get_args

import pyotp

Algorithm = Literal["sha1", "sha256", "sha512"]

LATEST: Final = 2 / 3
"""The part of a step after which a code had better wait for the next: it might arrive late."""
EARLIEST: Final = 1 / 20
"""The part of a step before which a server whose clock is behind would not know its code yet."""
SPREAD: Final = 1 / 4
"""The part of a step over which the sign-ins that waited for it are spread."""
_KEPT: Final = 3600.0  # seconds after which a used step is forgotten


@dataclass(frozen=True, slots=True)
class Token:
    """What makes codes. `period` is seconds a code lives."""

    seed: bytes = field(repr=False)
    digits: int = 6
    period: int = 30
    algorithm: Algorithm = "sha1"

    @classmethod
    def parse(
        cls, seed: str, digits: int = 6, period: int = 30, algorithm: Algorithm = "sha1"
    ) -> "Token":
        """Read a base32 seed, in any case, with or without spaces and padding.

        Raises `ValueError`, which never repeats the seed.
        """
        if digits not in range(6, 11) or period not in range(1, 121):
            raise ValueError("a code has 6 to 10 digits and lives 1 to 120 seconds")
        if algorithm not in get_args(Algorithm):
            raise ValueError(f"the algorithm is one of {', '.join(get_args(Algorithm))}")
        bare = "".join(seed.split()).replace("-", "").rstrip("=").upper()
        try:
            decoded = base64.b32decode(bare + "=" * (-len(bare) % 8))
        except (binascii.Error, ValueError):
            decoded = b""
        if not decoded:
            raise ValueError("not a base32 seed")
        return cls(decoded, digits, period, algorithm)

    @property
    def fingerprint(self) -> bytes:
        """Identifies the token, without revealing its seed."""
        return hashlib.sha256(b"one-time code\0" + self.seed).digest()

    def step(self, utc: float) -> int:
        """The number of the step a moment lies in."""
        return int(utc // self.period)

    def code(self, utc: float) -> str:
        """The code of a moment."""
        return self.counted(self.step(utc))

    def wrong(self, step: int, within: int) -> str:
        """A code that is none of the steps or counters so near to this one."""
        near = {self.counted(max(0, step + by)) for by in range(-within, within + 1)}
        while (code := f"{secrets.randbelow(10**self.digits):0{self.digits}}") in near:
            pass
        return code

    def counted(self, counter: int) -> str:
        """The code of a counter (RFC 4226)."""
        return _Code(self).generate_otp(counter)


class _Code(pyotp.OTP):
    """pyotp refuses seeds below 112 bits; vendors hand out 80."""

    def __init__(self, token: Token) -> None:
        digest: Any = getattr(hashlib, token.algorithm)
        self._seed = token.seed  # asked for by what follows
        super().__init__("", digits=token.digits, digest=digest)

    def byte_secret(self) -> bytes:
        return self._seed


Step = tuple[bytes, int, int]
"""One used step: the seed's keyed hash, the period, the number of the step.

A counter (HOTP) is a step that no time ends: its period is `COUNTED`.
"""

COUNTED: Final = 0
_AHEAD: Final = 16  # counters kept as used behind the newest: more runs than share a token at once


class Book(Protocol):
    """Where used steps outlive the process. `key` is what seeds are hashed with."""

    @property
    def key(self) -> bytes:
        """32 bytes, always the same."""
        ...

    def used(self) -> Iterable[Step]:
        """The steps that were written down."""
        ...

    def write(self, step: Step) -> None:
        """Write it to disk; return soon, also where that fails."""
        ...


@dataclass(frozen=True, slots=True)
class HashedToken:
    """A token without its seed: what is needed to note its steps."""

    fingerprint: bytes
    period: int


class Ledger:
    """Which steps of which tokens were used; seeds are kept as keyed hashes.

    Times are UTC seconds. The step in which the ledger was first asked counts as used: what was
    sent before a restart may not be known. `by` is the endpoint that asks. A step that `wait`
    promised to one endpoint is not given to another: two that share a token never use one code.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._book: Book | None = None
        self._started: float | None = None
        self._used: dict[Step, object] = {}
        self._promised: dict[Step, Hashable] = {}
        self._next: dict[bytes, int] = {}  # seed's hash → no counter below it is free

    def keep(self, book: Book) -> None:
        """Write every step into this book from now on; those in it are used. Call it first."""
        self._key, self._book = book.key, book
        self._used = dict.fromkeys(book.used(), book)
        for seed, period, step in self._used:
            if period == COUNTED:
                self._next[seed] = max(self._next.get(seed, 0), step + 1)

    def wait(self, token: Token | HashedToken, utc: float, by: Hashable = None) -> float:
        """Seconds until a code may be made and still arrive in its step; 0: now.

        Neither late in a step nor in its first moment (a server's clock may be behind ours),
        and at a moment of the token's own: not all sign-ins of a site at once.
        """
        now = int(utc // token.period)
        position = utc / token.period - now
        seed = self._hash(token)
        step = now if position <= LATEST else now + 1
        while not self._promise((seed, token.period, step), utc, by):
            step += 1
        if step == now and position >= EARLIEST:
            return 0.0
        begin = step + EARLIEST + SPREAD * seed[0] / 256
        return max(begin * token.period - utc, 0.0)

    def claim(self, token: Token | HashedToken, utc: float, by: Hashable = None) -> bool:
        """Mark the present step as used, before its code is sent; false: it already was."""
        entry = (self._hash(token), token.period, int(utc // token.period))
        if not self._free(entry, utc, by):
            return False
        self._forget(utc)
        return self._mark(entry)

    def position(self, token: Token | HashedToken, first: int = 0) -> int:
        """The next counter of a token; it stays free."""
        return max(first, self._next.get(self._hash(token), 0))

    def count(self, token: Token | HashedToken, first: int = 0) -> int:
        """The next counter of a token, marked as used before its code is sent; from `first` on."""
        seed = self._hash(token)
        counter = max(first, self._next.get(seed, 0))
        while not self._mark((seed, COUNTED, counter)):
            counter += 1
        self._next[seed] = counter + 1
        self._used.pop((seed, COUNTED, counter - _AHEAD), None)
        return counter

    def give_back(self, token: Token | HashedToken, counter: int) -> None:
        """This counter's code was never judged: it is the next again, in this process."""
        seed = self._hash(token)
        if 0 < self._next.get(seed, 0) - counter < _AHEAD:
            self._used.pop((seed, COUNTED, counter), None)
            self._next[seed] = counter

    def _mark(self, entry: Step) -> bool:
        mine = object()
        # One step of the interpreter: of two threads, only one finds its own mark.
        if self._used.setdefault(entry, mine) is not mine:
            return False
        if self._book is not None:
            self._book.write(entry)
        return True

    def _free(self, entry: Step, utc: float, by: Hashable) -> bool:
        _, period, step = entry
        if self._started is None:
            self._started = utc
        if step == self._started // period or entry in self._used:
            return False
        return self._promised.get(entry, by) == by

    def _promise(self, entry: Step, utc: float, by: Hashable) -> bool:
        """Whether a step is free for this one; then it is for nobody else."""
        if not self._free(entry, utc, by):
            return False
        return by is None or self._promised.setdefault(entry, by) == by

    def _hash(self, token: Token | HashedToken) -> bytes:
        return hmac.digest(self._key, token.fingerprint, "sha256")

    def _forget(self, utc: float) -> None:
        for noted in (self._used, self._promised):
            for entry in list(noted):
                _, period, step = entry
                if period != COUNTED and abs(utc - step * period) > _KEPT:
                    noted.pop(entry, None)
