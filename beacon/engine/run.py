"""One run of one probe: its deadline, its phase, and the sockets to shut when time is up.

`Workers` owns the deadline. A probe asks how much time is left, sets its phase, and registers every
socket it blocks on. At the deadline another thread calls `expire`, which shuts those sockets: a
blocked read ends with an error at once.
"""

import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, Protocol

from beacon.core.account.approach import Approach
from beacon.core.model import DETAIL_LIMIT, BreakGlassUse, ClockSeen, Reading, Reason
from beacon.engine.budget import BUDGET
from beacon.engine.clock import Clock
from beacon.engine.probe_memory import ProbeMemory
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
"""Errors about this machine, not about the server."""

_NAMED: Final = 120
"""Characters of a detail that dead addresses may take."""

GATEWAY_GAVE_UP: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
"""Statuses of a gateway that forwarded a request, maybe: the server may judge it later."""
NOT_JUDGED: Final = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED}
)
"""Statuses below those of a failed server (500) that say that a code was not looked at."""


class DeadlinePassed(Exception):
    """The run has no time left. Probes let it pass through."""


class Run:
    """One run of one probe.

    `note` lines are for `beacon probe -v`. Foreign text in them and in a reading's detail is
    `quoted`.
    """

    def __init__(
        self, clock: Clock, budget: float, endpoint: str = "", memory: ProbeMemory | None = None
    ) -> None:
        self.clock = clock
        self.memory = ProbeMemory() if memory is None else memory
        """What earlier runs of the endpoint left, and where this one leaves something."""
        self.endpoint = endpoint
        """Its endpoint: for what is counted over several runs."""
        self.started = clock.monotonic()
        self.deadline = self.started + budget
        self.approach = Approach.SIGN_IN
        """What this run may send."""
        self.wrong_code = False
        """Whether this run is a negative control: its codes are wrong on purpose."""
        self.made_wrong_code = False
        """Whether it came as far as its wrong code."""
        self.knocked: bool | None = None
        """Whether a request without credentials was answered; None: there was none."""
        self.unanswered = False
        """Whether credentials have left, and nobody has answered."""
        self.phase = Phase.START
        self.silence: Reason | None = None
        """The reason of no answer in time, where the phase does not give it (`source_dead`)."""
        self.clock_seen: ClockSeen | None = None
        """What the last answer showed about our own clock."""
        self.resolver: bool | None = None
        """Whether our own resolver answered the last question; None: there was none."""
        self.to_allow = ""
        """What was not sent, and how a person allows it: until it is sent the fault is ours."""
        self.uses: tuple[BreakGlassUse, ...] = ()
        """Every use of a break-glass account that was read, old ones too."""
        self.worked: set[tuple[Any, ...]] = set()
        """Addresses that took a connection: for the rest of the run they are tried first."""
        self.dead: dict[str, str] = {}
        """Addresses that do not take one, while their name has others → the error."""
        self.dead_is_theirs = False
        """Whether one of them is dead although our own network works."""
        self.answers = BUDGET.holder()
        """The bytes of answers that it holds."""
        self.foreign_host: str | None = None
        """A host that is not a setting: a server named it, or it contains a secret."""
        self.steps: list[tuple[str, float]] = []
        """Named steps and their seconds. Where there are any, they are the reading's phases."""
        self.has_latency = True
        """Whether the run's time is a latency; not where it only looks up when something came."""
        self._notes: list[tuple[float, str]] = []
        self._secrets = Secrets()
        self._began = self.started
        self._spent: dict[str, float] = {}
        self._unsent: list[Callable[[], None]] = []
        self.expired = False
        """Whether `expire` was called."""
        self._sockets: set[socket.socket] = set()

    def enter(self, phase: Phase) -> None:
        """Begin a phase; the time of the last one is added up."""
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
        if left <= 0 or self.expired:
            raise DeadlinePassed
        return left

    def pause(self, seconds: float) -> None:
        """Wait this many real seconds where there is no socket to wait for; `expire` ends it.

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
        """While inside, `expire` shuts this socket, and at once if time is already up."""
        self.watch(sock)
        try:
            yield
        finally:
            self.release(sock)

    def watch(self, sock: socket.socket) -> None:
        """Register a socket that will block; it is shut at once if time is already up."""
        # We add, then look; `expire` sets, then copies. In any order one of us shuts it.
        self._sockets.add(sock)
        if self.expired:
            _shut(sock)

    def release(self, sock: socket.socket) -> None:
        """Unregister a socket, before closing it."""
        self._sockets.discard(sock)

    def expire(self) -> Reading:
        """Time is up: shut the sockets of the run and return its reading."""
        self.expired = True
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
        """Return the reading with the dead addresses in its detail; a pass becomes an advisory."""
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
        """The conversation, with secrets masked."""
        return [f"{at * 1000:7.1f} ms  {self._secrets.clear(line)}" for at, line in self._notes]

    def name_of(self, host: str) -> str:
        """A host for a detail or a note."""
        return quoted(host) if host == self.foreign_host else host

    def is_secret(self, address: str) -> bool:
        """Whether an address was configured as a secret."""
        return self._secrets.begin(address)

    def hide(self, value: str) -> str:
        """Mask this value in all foreign text of this run, also in earlier notes; return it.

        For what the run makes, claims or captures: codes, cookies, tokens. Secrets in the settings
        are masked from the start.
        """
        self._secrets.hide(value)
        return value

    def claims_code(self, give_back: Callable[[], None] = lambda: None) -> None:
        """A one-time code was claimed; a counted one goes back unless it is sent."""
        self._unsent.append(give_back)

    @property
    def holds_code(self) -> bool:
        """Whether a code was claimed, and nobody has answered to it."""
        return bool(self._unsent)

    def credentials_leave(self) -> None:
        """Something with credentials is sent now: until an answer comes, nobody answered."""
        self.unanswered = True

    def answered(self, status: int | None = None) -> None:
        """An answer came to what was sent last; `status` of HTTP.

        The codes that were sent are used up, unless the server says that it could not judge them.
        """
        if status in GATEWAY_GAVE_UP:
            return
        self.unanswered = False
        failed = status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if not failed and status not in NOT_JUDGED:
            self._unsent.clear()

    def nothing_left(self) -> None:
        """What was to be sent has not left this machine."""
        self.unanswered = False

    def give_back_codes(self) -> None:
        """Give back the claimed codes that nobody has or will judge: they are the next again."""
        if self.unanswered:
            self._unsent.clear()
        while self._unsent:
            self._unsent.pop()()

    def afterwards(self, budget: float) -> "Run":
        """Return a run for cleaning up, also past the deadline; it shares notes and secrets."""
        after = Run(self.clock, budget, self.endpoint, self.memory)
        after.started, after._notes, after._secrets = self.started, self._notes, self._secrets
        return after

    def take(self, probe: "Probe") -> Reading:
        """Let the probe observe; return its reading with foreign text made safe."""
        self._secrets.hide_in(probe)
        return self._secrets.cleared(probe.observe(self))


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not SSLSocket's own method: it would remove the TLS object while a thread reads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Probe(Protocol):
    """What workers run: one frozen dataclass for each kind; its fields are the settings."""

    def observe(self, run: Run) -> Reading:
        """Ask within the budget of the run, then judge. It counts and repeats no failures."""
        ...
