"""From a name to a socket: every failure with its reason."""

import contextlib
import errno
import socket

import pytest

from beacon.core.model import Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Phase, Run
from beacon.net.dial import connect, reason_of, trouble_of
from beacon.net.probe_failure import ProbeFailure, timed

# TCP has no route to a broadcast address: unreachable, and it never leaves the machine.
NO_ROUTE = "127.255.255.255"


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found.getsockname()[1]


@pytest.fixture
def full_listener():
    """A port whose queue of connections is full: the next one gets no answer."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        found.listen(0)
        port = found.getsockname()[1]
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            waiting.append(sock)
        yield port
        for sock in waiting:
            sock.close()


@pytest.fixture
def answers(monkeypatch):
    """Have the system's resolver say this."""

    def say(*addresses, error=None):
        assert all(a.startswith("127.") or a == "::1" for a in addresses), "loopback only"

        def getaddrinfo(host, port, family=0, kind=0):
            if error:
                raise error
            found = []
            for address in addresses:
                version = socket.AF_INET6 if ":" in address else socket.AF_INET
                if family in (0, version):
                    found.append((version, kind, 6, "", (address, port)))
            return found

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return say


def reason(run, host, port, **how):
    with pytest.raises(ProbeFailure) as caught:
        connect(run, host, port, **how)
    assert not run._sockets
    return caught.value.reading.reason


def run(budget=5.0):
    return Run(SystemClock(), budget)


def test_a_connected_socket_is_watched_until_it_is_given_back(listener):
    asked = run()
    with connect(asked, "127.0.0.1", listener) as sock:
        assert asked._sockets == {sock}
        assert asked.phase is Phase.CONNECT
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        asked.release(sock)


def test_a_closed_port_refuses(free_port):
    assert reason(run(), "127.0.0.1", free_port()) is Reason.CONNECT_REFUSED


def test_silence_ends_at_the_deadline_in_the_phase_of_connecting(full_listener):
    asked = run(0.3)
    with pytest.raises((DeadlinePassed, ProbeFailure)) as caught:
        connect(asked, "127.0.0.1", full_listener)
    if isinstance(caught.value, ProbeFailure):
        assert caught.value.reading.reason is Reason.CONNECT_TIMEOUT
    assert asked.overstayed().reason is Reason.CONNECT_TIMEOUT


@pytest.mark.parametrize("order", [(NO_ROUTE, "127.0.0.1"), ("127.0.0.1", NO_ROUTE)])
def test_a_refusal_says_more_than_no_route(answers, free_port, order):
    answers(*order)
    assert reason(run(), "two.example.com", free_port()) is Reason.CONNECT_REFUSED


def test_no_route_is_unreachable(answers):
    answers(NO_ROUTE)
    assert reason(run(), "far.example.com", 9) is Reason.UNREACHABLE


def test_the_version_of_ip_can_be_chosen(answers, listener):
    answers("::1", "127.0.0.1")
    asked = run()
    with connect(asked, "both.example.com", listener, 4) as sock:
        asked.release(sock)
        assert sock.family is socket.AF_INET
    refused = reason(run(), "both.example.com", listener, ip_version=6)
    assert refused in (Reason.CONNECT_REFUSED, Reason.UNREACHABLE)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (socket.EAI_NONAME, Reason.DNS_NXDOMAIN),
        (socket.EAI_NODATA, Reason.DNS_NO_ANSWER),
        (socket.EAI_ADDRFAMILY, Reason.DNS_NO_ANSWER),
        (socket.EAI_AGAIN, Reason.DNS_SERVFAIL),
        (socket.EAI_FAIL, Reason.DNS_SERVFAIL),
    ],
)
def test_what_the_resolver_says_has_its_reason(answers, code, expected):
    answers(error=socket.gaierror(code, "so it says"))
    assert reason(run(), "name.example.com", 443) is expected


def test_a_name_that_cannot_be_is_no_name():
    assert reason(run(), "a" * 70 + ".example.com", 443) is Reason.DNS_NXDOMAIN
    assert reason(run(), "ü" * 70, 443) is Reason.DNS_NXDOMAIN


def test_a_resolver_that_outlived_the_run_ends_it_in_its_phase(answers, listener):
    asked = run()
    answers("127.0.0.1")
    asked.expire()
    with pytest.raises(DeadlinePassed):
        connect(asked, "slow.example.com", listener)
    assert asked.overstayed().reason is Reason.DNS_TIMEOUT


def test_what_is_wrong_with_this_machine_is_no_reading(answers, monkeypatch):
    def no_more(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    answers("127.0.0.1")
    monkeypatch.setattr(socket, "socket", no_more)
    with pytest.raises(OSError, match="Too many open files"):
        connect(run(), "name.example.com", 443)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError("timed out"), Reason.CONNECT_TIMEOUT),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Reason.CONNECT_REFUSED),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Reason.CONNECT_RESET),
        (BrokenPipeError(errno.EPIPE, "pipe"), Reason.CONNECT_RESET),
        (OSError(errno.ENOTCONN, "not connected"), Reason.CONNECT_RESET),
        (OSError(errno.EHOSTUNREACH, "no route"), Reason.UNREACHABLE),
        (OSError(errno.EACCES, "denied"), Reason.UNREACHABLE),
    ],
)
def test_what_a_socket_says_has_its_reason(error, expected):
    assert reason_of(error) is expected
    assert trouble_of(error, "here").reading.detail.startswith("here: ")


@pytest.mark.parametrize(
    ("error", "answered"),
    [
        (None, True),
        (socket.EAI_NONAME, True),  # that there is no such name is an answer
        (socket.EAI_NODATA, True),
        (socket.EAI_AGAIN, False),
        (socket.EAI_FAIL, False),
    ],
)
def test_the_run_notes_whether_our_resolver_answered(answers, listener, error, answered):
    run = Run(SystemClock(), 60.0)
    answers("127.0.0.1", error=error and socket.gaierror(error, "no"))
    with contextlib.suppress(ProbeFailure):
        connect(run, "name.example.com", listener).close()
    assert timed(run, Reading(Reason.OK)).resolver is answered


def test_an_address_does_not_ask_it(listener):
    run = Run(SystemClock(), 60.0)
    connect(run, "127.0.0.1", listener).close()
    assert run.resolver is None


def test_a_name_that_cannot_be_does_not_reach_it():
    run = Run(SystemClock(), 60.0)
    with pytest.raises(ProbeFailure):
        connect(run, "a" * 64 + ".example", 1)
    assert run.resolver is None


def test_a_run_that_ended_while_it_was_asked_says_so():
    run = Run(SystemClock(), 60.0)
    run.enter(Phase.DNS)
    run.resolver = False
    assert run.expire().resolver is False
