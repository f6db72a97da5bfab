"""`ntp` against chrony, and against answers made by hand from the fields of RFC 5905."""

import getpass
import signal
import socket
import struct
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beacon.config.fields import Duration
from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.clock import ManualClock, SystemClock
from beacon.engine.run import Run
from beacon.probes.ntp import Ntp
from tests.conftest import StandingClock
from tests.engine.jumpy_clock import HeldUpClock
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: ntp
    servers: ["{host}:{port}"]
    """,
    mute="tells numbers, and words of a closed list",
)


NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
EPOCH = datetime(1900, 1, 1, tzinfo=UTC)


def stamp(moment: datetime) -> int:
    """A timestamp as a server of that moment's era writes it."""
    return int((moment - EPOCH).total_seconds() * 2**32) % 2**64


def server(
    moment: datetime = NOW,
    *,
    leap: int = 0,
    mode: int = 4,
    stratum: int = 2,
    code: bytes = b"\x7f\0\0\1",
    cookie: bytes | None = None,
    receive: int | None = None,
    transmit: int | None = None,
    delay: float = 0.0,
    dispersion: float = 0.0,
) -> Callable[[bytes], list[bytes]]:
    """Shows `moment`, whatever the time."""

    def answer(asked: bytes) -> list[bytes]:
        now = stamp(moment)
        distance = int(delay * 2**16), int(dispersion * 2**16)
        flags = leap << 6 | 4 << 3 | mode
        head = struct.pack("!BBbbII4sQ", flags, stratum, 6, -20, *distance, code, 0)
        received = now if receive is None else receive
        times = struct.pack("!QQ", received, now if transmit is None else transmit)
        return [head + (asked[40:48] if cookie is None else cookie) + times]

    return answer


def observe(*ports: int, clock: ManualClock | SystemClock, **given: object) -> Reading:
    probe = Ntp(servers=tuple(f"127.0.0.1:{port}" for port in ports), **given)
    assert not list(probe.faults())
    return Run(clock, 60.0).take(probe)


@pytest.fixture
def still():
    return ManualClock(NOW)


@pytest.fixture
def chrony(need, tmp_path, eventually):
    """A real server that trusts its own clock and leaves it alone."""
    binary = need("chronyd")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "chrony.conf").write_text(
        f"port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 10\ncmdport 0\n"
        f"bindcmdaddress /\npidfile {tmp_path}/pid\n"
    )
    process = subprocess.Popen(
        [binary, "-d", "-x", "-U", "-u", getpass.getuser(), "-f", tmp_path / "chrony.conf"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(
        lambda: observe(port, clock=SystemClock()).reason is Reason.OK, "chrony's first answer"
    )
    yield port
    process.send_signal(signal.SIGTERM)
    process.wait(60)


@pytest.mark.integration
def test_a_real_server_and_a_right_clock(chrony):
    reading = observe(chrony, clock=SystemClock())
    assert reading.reason is Reason.OK
    assert abs(reading.clock.offset) < 10.0, "its round trip counts"


@pytest.mark.integration
@pytest.mark.parametrize(("wrong", "words"), [(-40, "s behind"), (3600, "s ahead")])
def test_a_real_server_and_a_wrong_clock(chrony, wrong, words):
    class Wrong(SystemClock):
        def utc(self) -> datetime:
            return super().utc() + timedelta(seconds=wrong)

    reading = observe(chrony, clock=Wrong())
    assert (reading.reason, reading.outcome) == (Reason.OWN_CLOCK, Outcome.ERROR)
    assert words in reading.detail
    assert reading.clock.offset == pytest.approx(-wrong, abs=10.0), "its round trip counts"


@pytest.mark.parametrize(
    ("offset", "reason"),
    [(0, Reason.OK), (15, Reason.OK), (-15, Reason.OK), (15.5, "own_clock"), (-16, "own_clock")],
)
def test_the_tolerance_has_two_sides(udp_server, still, offset, reason):
    port = udp_server(server(NOW + timedelta(seconds=offset))).port
    reading = observe(port, clock=still)
    assert reading.reason == reason
    assert reading.clock.offset == pytest.approx(offset, abs=1e-6)


def test_a_probe_that_is_held_up_between_two_clocks_sees_no_offset(udp_server):
    reading = observe(udp_server(server(NOW)).port, clock=HeldUpClock(NOW, 1))
    assert reading.clock.offset == pytest.approx(-10.0, abs=1e-6), "the server stands still"


def test_the_tolerance_can_be_set(udp_server, still):
    port = udp_server(server(NOW + timedelta(seconds=2))).port
    reading = observe(port, clock=still, tolerance=Duration(1))
    assert reading.reason is Reason.OWN_CLOCK
    assert reading.detail == (
        "our clock is 2.0 s behind (median of 1 answers from 1 servers), allowed 1 s"
    )


def test_the_median_outvotes_one_liar(udp_server, still):
    ports = [udp_server(server(NOW + timedelta(seconds=s))).port for s in (1, 100000, 2)]
    reading = observe(*ports, clock=still)
    assert reading.reason is Reason.OK
    assert reading.clock.offset == pytest.approx(2.0)


@pytest.mark.parametrize("year", [1970, 2026, 2035, 2037, 2080])
def test_a_clock_decades_off_is_seen_across_the_end_of_the_era(udp_server, year):
    ours = datetime(year, 3, 1, tzinfo=UTC)
    port = udp_server(server(NOW)).port
    reading = observe(port, clock=ManualClock(ours))
    assert reading.clock.offset == pytest.approx((NOW - ours).total_seconds())


BAD = [
    # Only these three codes ask a client to come less often (RFC 5905, 7.4).
    *[
        (server(leap=leap, stratum=0, code=code, transmit=sent), Reason.RATE_LIMITED, words)
        for code, words in ((b"RATE", "(RATE)"), (b"DENY", "(DENY)"), (b"RSTR", "(RSTR)"))
        for leap, sent in ((0, None), (3, None), (3, 0))
    ],
    # What a server says while it has no time yet, and every other word of stratum 0.
    *[
        (server(leap=leap, stratum=0, code=code), Reason.SOURCE_DEAD, words)
        for code, words in (
            (b"INIT", "does not know the time itself (stratum 0, INIT)"),
            (b"STEP", "(stratum 0, STEP)"),
            (b"\0\0\0\0", "(stratum 0)"),
            (b"\x7f\0\0\1", "(stratum 0)"),
            (b"AUTH", "(stratum 0, AUTH)"),
            (b"CRYP", "(stratum 0, CRYP)"),
            (b"NKEY", "(stratum 0, NKEY)"),
            (b"DROP", "(stratum 0, DROP)"),
            (b"XFUN", "(stratum 0, XFUN)"),
            (b"rate", "(stratum 0, rate)"),
            (b"RAT\0", "(stratum 0, RAT)"),
            (b"\x1b[2J", "(stratum 0)"),
            (b"\xff\xfe\xfd\xfc", "(stratum 0)"),
        )
        for leap in (0, 3)
    ],
    (server(leap=3), Reason.SOURCE_DEAD, "(not synchronised)"),
    (server(leap=3, stratum=1, code=b"RATE"), Reason.SOURCE_DEAD, "(not synchronised)"),
    (server(leap=3, stratum=16, code=b"INIT"), Reason.SOURCE_DEAD, "(not synchronised)"),
    (server(stratum=16), Reason.SOURCE_DEAD, "(stratum 16)"),
    (server(stratum=255), Reason.SOURCE_DEAD, "(stratum 255)"),
    (server(transmit=0), Reason.SOURCE_DEAD, "(a timestamp of zero)"),
    (server(receive=0), Reason.SOURCE_DEAD, "(a timestamp of zero)"),
    (server(dispersion=16.0), Reason.SOURCE_DEAD, "(16 s from its source)"),
    (server(delay=34.0), Reason.SOURCE_DEAD, "(17 s from its source)"),
    (server(receive=stamp(NOW) + (60 << 32)), Reason.PROTOCOL_ERROR, "60 s apart"),
    (server(mode=3), Reason.PROTOCOL_ERROR, "none an answer"),
    (server(mode=5), Reason.PROTOCOL_ERROR, "none an answer"),
    (server(cookie=b"12345678"), Reason.PROTOCOL_ERROR, "none an answer"),
    (lambda asked: [asked], Reason.PROTOCOL_ERROR, "none an answer"),
    (lambda asked: [server()(asked)[0][:47]], Reason.PROTOCOL_ERROR, "none an answer"),
    (lambda asked: [], Reason.DEADLINE, "no answer in time"),
]


@pytest.mark.parametrize(("answer", "reason", "words"), BAD)
def test_what_is_no_time_is_no_pass(udp_server, answer, reason, words):
    def observed(*servers: Any) -> Reading:
        probe = Ntp(servers=tuple(f"127.0.0.1:{each.port}" for each in servers))
        before = [each.answered for each in servers]

        def all_answered() -> bool:
            return all(each.answered > n for each, n in zip(servers, before, strict=True))

        return Run(StandingClock(all_answered), 0.5).take(probe)

    bad = udp_server(answer)
    reading = observed(bad)
    assert reading.reason is reason
    assert words in reading.detail
    reading = observed(bad, udp_server(server(datetime.now(UTC))))
    assert reading.reason is Reason.OK
    assert "median of 1 answers from 2 servers" in reading.detail
    assert reading.latency is not None
    assert reading.latency < 0.35, "a silent server is not the latency of the others"


def test_a_name_that_is_none_has_no_address(still):
    long = "a" * 64 + ".example"
    reading = Run(still, 1.0).take(Ntp(servers=(long,)))
    assert reading.reason is Reason.DNS_NXDOMAIN


def test_one_name_that_was_found_is_word_enough_of_our_resolver(udp_server, still, monkeypatch):
    port = udp_server(server()).port
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *more: object, **named: object) -> object:
        if host.startswith("lost"):
            raise socket.gaierror(socket.EAI_AGAIN, "no")
        return real("127.0.0.1", *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    names = (f"found.example:{port}", f"lost.example:{port}")
    reading = Run(still, 1.0).take(Ntp(servers=names))
    assert (reading.reason, reading.resolver) == (Reason.OK, True)
    reading = Run(still, 1.0).take(Ntp(servers=names[1:]))
    assert (reading.reason, reading.resolver) == (Reason.DNS_SERVFAIL, False)


def test_wrong_settings_are_reported_with_their_place():
    (fault,) = Ntp(servers=()).faults()
    assert (fault.path, fault.message) == (("servers",), "no server to ask")
    (fault,) = Ntp(servers=("time.example.com", "time.example.com:x")).faults()
    assert fault.path == ("servers", 1)
    assert fault.message == "not an address with a port: 'time.example.com:x'"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.binary(max_size=80), st.booleans())
def test_random_bytes_are_never_a_crash_and_never_a_pass(udp_server, junk, echo):
    kiss = server(stratum=0, code=b"RATE")

    def answer(asked: bytes) -> list[bytes]:
        head = b"\x24" + junk[:23].ljust(23, b"\0") + asked[40:48] if echo else b""
        return [head + junk, *kiss(asked)]

    reading = observe(udp_server(answer).port, clock=ManualClock(NOW))
    assert reading.reason is not Reason.OK
    assert reading.outcome in {Outcome.ERROR, Outcome.FAIL}
