"""One run of one probe: its deadline, its phase, and the sockets to shut when time is up.

The prober owns the deadline; a probe only asks what remains, says which phase it is in,
and hands over every socket it blocks on. At the deadline another thread calls `expire`,
which shuts those sockets: a blocked read wakes with an error at once.
"""

import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final, Protocol

from beacon.core.model import DETAIL_LIMIT, BreakGlassUse, ClockSeen, Reading, Reason
from beacon.engine.budget import BUDGET
from beacon.engine.clock import Clock
from beacon.engine.redaction import Secrets, quoted


class Phase(StrEnum):
    """What a run is doing; decides the reason when it overstays."""

    START = "start"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    SEND = "send"
    WAIT = "wait"  # request sent, first byte not yet there
    READ = "read"


OVERSTAYED = {Phase.DNS: Reason.DNS_TIMEOUT, Phase.CONNECT: Reason.CONNECT_TIMEOUT}
"""Reasons of a run that ended by its deadline in these phases; else `deadline`."""

EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""Errors that say something of this machine, not of whoever was asked."""


_NAMED: Final = 120
"""Characters of a detail that dead addresses may take."""


class DeadlinePassed(Exception):
    """The run has no time left. Probes let it pass through."""


class Run:
    """One run of one probe.

    `note` lines are for `beacon probe -v`. Foreign text in them and in a reading's detail is
    `quoted`.
    """

    def __init__(self, clock: Clock, budget: float, endpoint: str = "") -> None:
        self.clock = clock
        self.endpoint = endpoint
        """Whose run it is: for what is counted over runs."""
        self.started = clock.monotonic()
        self.deadline = self.started + budget
        self.phase = Phase.START
        self.silence: Reason | None = None
        """What no answer in time means, where that is not told by the phase (`source_dead`)."""
        self.clock_seen: ClockSeen | None = None
        """What the last answer said of our own clock."""
        self.resolver: bool | None = None
        """Whether our own resolver answered when it was asked last; None: it was not asked."""
        self.to_allow = ""
        """What was not sent, and how a person allows it: ours to mend until this has passed."""
        self.uses: tuple[BreakGlassUse, ...] = ()
        """Every use of a break-glass account that was read, old ones too."""
        self.worked: set[tuple[Any, ...]] = set()
        """Addresses that took a connection: for the rest of the run they are tried first."""
        self.dead: dict[str, str] = {}
        """Addresses that do not take one, while their name has others; and in which words."""
        self.dead_is_theirs = False
        """Whether one of them is dead although our own line is well."""
        self.answers = BUDGET.holder()
        """How many bytes of answers it holds."""
        self.foreign_host: str | None = None
        """A host that is no setting: a server names it, or it is made of what is secret."""
        self._notes: list[tuple[float, str]] = []
        self._secrets = Secrets()
        self._began = self.started
        self._spent: dict[str, float] = {}
        self._expired = False
        self._sockets: set[socket.socket] = set()

    def enter(self, phase: Phase) -> None:
        """Say which phase begins; the time of the one before is added up."""
        now = self.clock.monotonic()
        if self.phase is not Phase.START:
            spent = self._spent.get(self.phase.value, 0.0)
            self._spent[self.phase.value] = spent + now - self._began
        self.phase, self._began = phase, now

    def phases(self) -> tuple[tuple[str, float], ...]:
        """Seconds spent in each phase that has ended, in order of first entry."""
        return tuple(self._spent.items())

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self.clock.monotonic() - self.started

    def remaining(self) -> float:
        """Seconds left; raises `DeadlinePassed` when none are."""
        left = self.deadline - self.clock.monotonic()
        if left <= 0 or self._expired:
            raise DeadlinePassed
        return left

    def pause(self, seconds: float) -> None:
        """Let so much real time pass, for what has no socket to wait at; `expire` ends it.

        Raises `DeadlinePassed`.
        """
        woken, other = socket.socketpair()
        with woken, other, self.watching(woken):
            woken.settimeout(min(seconds, self.remaining()))
            with contextlib.suppress(TimeoutError):
                woken.recv(1)
        self.remaining()

    @contextlib.contextmanager
    def watching(self, sock: socket.socket) -> Iterator[None]:
        """While inside, `expire` shuts this socket. Inside or before is the same."""
        self.watch(sock)
        try:
            yield
        finally:
            self.release(sock)

    def watch(self, sock: socket.socket) -> None:
        """Hand over a socket that will block; shut at once if the time is already up."""
        # Add, then look; `expire` sets, then copies: whatever the order, one of us shuts.
        self._sockets.add(sock)
        if self._expired:
            _shut(sock)

    def release(self, sock: socket.socket) -> None:
        """Take a socket back, before closing it."""
        self._sockets.discard(sock)

    @property
    def expired(self) -> bool:
        """Whether `expire` was called."""
        return self._expired

    def expire(self) -> Reading:
        """Time is up: wake whatever the run blocks on; the reading this comes to."""
        self._expired = True
        for sock in tuple(self._sockets):
            _shut(sock)
        return self.overstayed()

    def overstayed(self) -> Reading:
        """The reading of a run that ended by its deadline, by its phase."""
        phase = self.phase
        spent = self.deadline - self.started
        detail = f"no answer within {spent:g} s (phase {phase})"
        reason = self.silence or OVERSTAYED.get(phase, Reason.DEADLINE)
        return Reading(
            reason,
            detail,
            spent,
            self.phases(),
            clock=self.clock_seen,
            resolver=self.resolver,
            uses=self.uses,
        )

    def naming_dead(self, reading: Reading) -> Reading:
        """The reading with the dead addresses named; a pass beside one is an advisory."""
        if not self.dead:
            return reading
        named = "; ".join(f"{where}: {words}" for where, words in self.dead.items())
        named = f"dead address {named}" if len(self.dead) == 1 else f"dead addresses {named}"
        named = named if len(named) <= _NAMED else named[: _NAMED - 1] + "…"
        left = DETAIL_LIMIT - len(named) - 2
        detail = f"{reading.detail[:left]}; {named}" if reading.detail else named
        advise = self.dead_is_theirs and reading.reason is Reason.OK
        return replace(
            reading, reason=Reason.ADDRESS_DEAD if advise else reading.reason, detail=detail
        )

    def note(self, line: str) -> None:
        """Write one line of the conversation, for `beacon probe -v`."""
        self._notes.append((self.elapsed(), line))

    @property
    def notes(self) -> list[str]:
        """The conversation as people may read it."""
        return [f"{at * 1000:7.1f} ms  {self._secrets.clear(line)}" for at, line in self._notes]

    def name_of(self, host: str) -> str:
        """A host as details and notes may name it."""
        return quoted(host) if host == self.foreign_host else host

    def is_secret(self, address: str) -> bool:
        """Whether an address was configured as a secret."""
        return self._secrets.begin(address)

    def hide(self, value: str) -> str:
        """Show this value in no foreign text of this run, before and after; return it.

        For what is made, claimed or captured in the run: codes, cookies, tokens. What is
        secret in the settings is hidden from the start.
        """
        self._secrets.hide(value)
        return value

    def afterwards(self, budget: float) -> "Run":
        """A run for tidying up, past the deadline too; what it notes and hides is noted here."""
        after = Run(self.clock, budget, self.endpoint)
        after.started, after._notes, after._secrets = self.started, self._notes, self._secrets
        return after

    def take(self, probe: "Probe") -> Reading:
        """Let the probe observe; its reading as it may be told, foreign text made safe."""
        self._secrets.hide_in(probe)
        return self._secrets.cleared(probe.observe(self))


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # The plain method: SSLSocket's own would take the TLS object from under its reader.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Probe(Protocol):
    """What the prober runs: one frozen dataclass a kind, its fields its settings."""

    def observe(self, run: Run) -> Reading:
        """Fetch within the run's budget, then judge. Never retries, sleeps or counts."""
        ...
