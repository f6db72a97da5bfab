"""`ntp`: how far our own clock is from the time others tell (SNTP, RFC 4330 and 5905)."""

import secrets
import socket
import statistics
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from beacon.config.fields import Duration
from beacon.core.model import ClockSeen, Evidence, Reading, Reason
from beacon.engine.clock import utc_at
from beacon.engine.run import Phase, Run
from beacon.net.dial import look_up
from beacon.net.probe_failure import ProbeFailure
from beacon.net.udp import Peer, PeerReply, ask_all, trouble
from beacon.probing.base import FAST, Abilities, Kind, SettingFlaw

_PORT: Final = 123
_TOLERANCE: Final = Duration(15)  # one-time codes live 30 s
_PATIENCE: Final = 0.8  # of the time left; then the silent are given up on
_PACKET: Final = struct.Struct("!BBbbII4sQQQQ")
_ASKING: Final = 0o43  # no leap warning, version 4, mode 3 (client)
_SERVER: Final = 4
_UNSYNCHRONISED: Final = 3  # leap indicator
_LAST_STRATUM: Final = 15
_WANTS_FEWER: Final = frozenset({b"RATE", b"DENY", b"RSTR"})
"""The kiss codes that ask a client to stop or slow down (RFC 5905, 7.4). All other codes of
stratum 0 (INIT, STEP, none at all …) are the server's word about itself: it has no time yet."""
_LARGEST_DISTANCE: Final = 16.0  # seconds to the source of the time: it was never reached
_SLACK: Final = 1.0  # seconds between receiving and sending that no round trip explains
_SHORT: Final = 1 << 16  # units of a short time, to the second
_SINCE_1900: Final = 2_208_988_800  # seconds from NTP's epoch to 1970
_UNITS: Final = 1 << 32  # of a timestamp, to the second


@dataclass(frozen=True, kw_only=True)
class Ntp(Kind):
    """Time servers to ask, and how far off our clock may be: the median of them decides."""

    ABILITIES: ClassVar = Abilities(evidence=Evidence.CAUSE, timing=FAST)

    servers: tuple[str, ...]
    tolerance: Duration = _TOLERANCE

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if not self.servers:
            yield SettingFlaw(("servers",), "no server to ask", "at least one name or address")
        for number, text in enumerate(self.servers):
            try:
                Peer.parse(text, _PORT)
            except ValueError as error:
                allowed = "a name or address, with or without a port: time.example.com"
                yield SettingFlaw(("servers", number), str(error), allowed)

    def look(self, run: Run) -> Reading:
        """Ask every server once, at the same time; judge the median."""
        run.enter(Phase.DNS)
        peers, problems = _locate(run, [Peer.parse(text, _PORT) for text in self.servers])
        run.enter(Phase.WAIT)
        # Random, where a client could say its own time: it tells nothing, and is harder to guess.
        cookies = [secrets.randbits(64) for _ in peers]
        zero = utc_at(run.clock, 0.0).timestamp()
        replies = ask_all(
            run,
            [(peer, _question(cookie)) for peer, cookie in zip(peers, cookies, strict=True)],
            lambda number, data: _answers(data, cookies[number]),
            run.remaining() * _PATIENCE,
        )
        offsets = []
        for one in replies:
            try:
                offset = _offset(one, zero)
            except ProbeFailure as why:
                run.note(f"{one.peer}: {why.reading.detail}")
                problems.append(why.reading)
            else:
                run.note(f"{one.peer}: offset {offset:+.6f} s")
                offsets.append(offset)
        if not offsets:
            return self.judge(offsets, problems)
        run.clock_seen = ClockSeen(statistics.median(offsets))
        reading = self.judge(offsets, problems)
        answered = max(one.at for one in replies if one.data) - run.started
        return replace(reading, latency=answered)

    def judge(self, offsets: Sequence[float], problems: Sequence[Reading]) -> Reading:
        """The reading that the offsets of all answers come to."""
        if not offsets:
            reason = Counter(problem.reason for problem in problems).most_common(1)[0][0]
            return next(problem for problem in problems if problem.reason is reason)
        offset = statistics.median(offsets)
        asked = len(offsets) + len(problems)
        basis = f"median of {len(offsets)} answers from {asked} servers"
        if abs(offset) > self.tolerance:
            way = "behind" if offset > 0 else "ahead"
            text = f"our clock is {abs(offset):.1f} s {way} ({basis}), allowed {self.tolerance:g} s"
            return Reading(Reason.OWN_CLOCK, text)
        return Reading(Reason.OK, f"offset {offset:+.3f} s ({basis})")


def _locate(run: Run, wanted: Sequence[Peer]) -> tuple[list[Peer], list[Reading]]:
    found, problems = [], []
    answered = set()
    for peer in wanted:
        try:
            addresses = look_up(run, peer.host, peer.port, socket.AF_UNSPEC, socket.SOCK_DGRAM)
        except (socket.gaierror, UnicodeError) as error:
            absent = isinstance(error, UnicodeError) or error.errno == socket.EAI_NONAME
            reason = Reason.DNS_NXDOMAIN if absent else Reason.DNS_SERVFAIL
            problems.append(Reading(reason, f"{peer.host}: no address ({error})"))
        else:
            host = str(addresses[0][4][0])
            found.append(replace(peer, host=host, name="" if host == peer.host else peer.host))
        answered.add(run.resolver)
    run.resolver = True if True in answered else run.resolver
    run.remaining()
    return found, problems


def _question(cookie: int) -> bytes:
    return _PACKET.pack(_ASKING, 0, 0, 0, 0, 0, b"", 0, 0, 0, cookie)


def _answers(data: bytes, cookie: int) -> bool:
    if len(data) < _PACKET.size:
        return False
    flags, *_, originate, _, _ = _PACKET.unpack_from(data)
    return bool(flags & 7 == _SERVER and originate == cookie)


def _offset(reply: PeerReply, zero: float) -> float:
    """Seconds we are behind. `zero` is the wall time of monotonic 0. Raises `ProbeFailure`."""
    if reply.data is None:
        reading = trouble(reply, Reason.DEADLINE)
        raise ProbeFailure(reading.reason, reading.detail)
    fields = _PACKET.unpack_from(reply.data)
    flags, stratum, _, _, delay, dispersion, code, _, _, receive, transmit = fields
    if stratum == 0 and code in _WANTS_FEWER:
        raise ProbeFailure(
            Reason.RATE_LIMITED, f"{reply.peer} wants fewer questions ({code.decode()})"
        )
    why = _ignorance(flags >> 6, stratum, code, (delay / 2 + dispersion) / _SHORT)
    if not why and not (receive and transmit):
        why = "a timestamp of zero"
    if why:
        raise ProbeFailure(
            Reason.SOURCE_DEAD, f"{reply.peer} does not know the time itself ({why})"
        )
    there = _apart(receive, _timestamp(zero + reply.sent))
    back = _apart(transmit, _timestamp(zero + reply.at))
    if abs(there - back) > reply.at - reply.sent + _SLACK:
        text = f"{reply.peer} contradicts itself: received and sent {abs(there - back):.0f} s apart"
        raise ProbeFailure(Reason.PROTOCOL_ERROR, text)
    return (there + back) / 2


def _ignorance(leap: int, stratum: int, code: bytes, distance: float) -> str:
    """Why a server says that it does not know the time; empty where it knows."""
    if stratum == 0:
        word = code.rstrip(b"\0")
        return f"stratum 0, {word.decode()}" if word.isalnum() else "stratum 0"
    if leap == _UNSYNCHRONISED:
        return "not synchronised"
    if stratum > _LAST_STRATUM:
        return f"stratum {stratum}"
    return f"{distance:.0f} s from its source" if distance >= _LARGEST_DISTANCE else ""


def _timestamp(unix: float) -> int:
    return int((unix + _SINCE_1900) * _UNITS)


def _apart(theirs: int, ours: int) -> float:
    """Seconds between two timestamps, by the nearest era: right within 68 years."""
    span = 1 << 64
    difference = (theirs - ours) % span
    return (difference - span if difference >= span // 2 else difference) / _UNITS


PROBE = Ntp
