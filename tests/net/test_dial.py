"""From a name to a socket: every failure with its reason."""

import errno
import socket

import pytest

from beacon.core.model import Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Phase, Run
from beacon.net.dial import connect, reason_of, trouble_of
from beacon.net.probe_failure import ProbeFailure, timed


# TCP has no route to a broadcast address: unreachable, and it never leaves the machine.
@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found.getsockname()[1]


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


def test_the_version_of_ip_can_be_chosen(answers, listener):
    answers("::1", "127.0.0.1")
    asked = run()
    with connect(asked, "both.example.com", listener, 4) as sock:
        asked.release(sock)
        assert sock.family is socket.AF_INET
    refused = reason(run(), "both.example.com", listener, ip_version=6)
    assert refused in (Reason.CONNECT_REFUSED, Reason.UNREACHABLE)


@pytest.mark.parametrize(
    ("code", "expected", "answered"),
    [
        (socket.EAI_NONAME, Reason.DNS_NXDOMAIN, True),  # that there is no such name is an answer
        (socket.EAI_NODATA, Reason.DNS_NO_ANSWER, True),
        (socket.EAI_ADDRFAMILY, Reason.DNS_NO_ANSWER, True),
        (socket.EAI_AGAIN, Reason.DNS_SERVFAIL, False),
        (socket.EAI_FAIL, Reason.DNS_SERVFAIL, False),
    ],
)
def test_what_the_resolver_says_has_its_reason(answers, code, expected, answered):
    asked = run()
    answers(error=socket.gaierror(code, "so it says"))
    assert reason(asked, "name.example.com", 443) is expected
    assert timed(asked, Reading(Reason.OK)).resolver is answered


@pytest.mark.parametrize("name", ["a" * 70 + ".example.com", "ü" * 70])
def test_a_name_that_cannot_be_is_no_name_and_asked_of_nobody(name):
    asked = run()
    assert reason(asked, name, 443) is Reason.DNS_NXDOMAIN
    assert asked.resolver is None


def test_our_resolver_is_asked_for_names_alone(answers, listener):
    for host, answered in (("127.0.0.1", None), ("name.example.com", True)):
        asked = run()
        answers("127.0.0.1")
        connect(asked, host, listener).close()
        assert asked.resolver is answered


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


def test_a_run_that_ended_while_it_was_asked_says_so():
    run = Run(SystemClock(), 60.0)
    run.enter(Phase.DNS)
    run.resolver = False
    assert run.expire().resolver is False
