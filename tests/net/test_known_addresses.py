"""A name of several addresses: what they do in, reading out (RFC 8305)."""

import contextlib
import socket
import threading
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.tls import TlsPolicy
from beacon.core.model import Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.net import dial
from beacon.net.known_addresses import CHECKED_EVERY, FRESH, Addresses, interleave
from beacon.probes.http import Http
from beacon.probes.tcp import Tcp

V4, V6 = socket.AF_INET, socket.AF_INET6
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Street:
    """Addresses of this machine that share one port; each does as its name says."""

    def __init__(self, stack):
        self._stack, self._numbers = stack, count(2)
        self.received = {}
        first = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = first.getsockname()[1]

    def house(self, does):
        host = f"127.0.0.{next(self._numbers)}"
        if does == "answers":
            self._serve(host, OK)
        elif does == "refuses":
            pass  # nobody listens
        elif does == "unreachable":
            host = "127.255.255.255"  # TCP has no route to a broadcast address
        elif does == "silent":
            self._fill(host)
        return host

    def _serve(self, host, answer):
        listener = self._stack.enter_context(socket.create_server((host, self.port)))
        self.received[host] = []

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer:
                        self.received[host].append(peer.recv(65536))
                        peer.sendall(answer)

        threading.Thread(target=accept, daemon=True).start()
        self._stack.callback(listener.shutdown, socket.SHUT_RDWR)

    def _fill(self, host):
        """Fill the queue of a listener, so that the next connection gets no answer."""
        listener = self._stack.enter_context(socket.socket())
        listener.bind((host, self.port))
        listener.listen(0)
        for _ in range(4):
            waiting = self._stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, self.port))


@pytest.fixture
def street(monkeypatch):
    known = Addresses()
    monkeypatch.setattr(dial, "ADDRESSES", known)
    with contextlib.ExitStack() as stack:
        yield Street(stack)


@pytest.fixture
def names(monkeypatch):
    """Have the system's resolver say this of every name."""

    def say(*hosts):
        assert all(host.startswith("127.") for host in hosts), "loopback only"

        def getaddrinfo(host, port, family=0, kind=0):
            return [(V4, kind, 6, "", (each, port)) for each in hosts]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return say


def reading_of(probe, budget=20.0):
    """The reading of one run, as the prober returns it."""
    run = Run(SystemClock(), budget)
    try:
        reading = probe.observe(run)
    except DeadlinePassed:
        reading = run.overstayed()
    assert not run._sockets, "a socket was not given back"
    return run.naming_dead(reading)


SILENT = "no answer in "
REFUSED = "connection refused"


@pytest.mark.parametrize(
    ("does", "reason", "named"),
    [
        (["answers"], Reason.OK, []),
        (["answers", "answers"], Reason.OK, []),
        # One that was not tried yet is not dead; the second run tries it.
        (["answers", "refuses"], Reason.OK, []),
        (["answers", "silent"], Reason.OK, []),
        (["refuses", "answers"], Reason.ADDRESS_DEAD, [(0, REFUSED)]),
        (["silent", "answers"], Reason.ADDRESS_DEAD, [(0, SILENT)]),
        (["unreachable", "answers"], Reason.ADDRESS_DEAD, [(0, "")]),
        (["silent", "refuses", "answers"], Reason.ADDRESS_DEAD, [(0, SILENT), (1, REFUSED)]),
        (["refuses", "silent", "answers"], Reason.ADDRESS_DEAD, [(0, REFUSED), (1, SILENT)]),
        (["silent", "silent", "answers"], Reason.ADDRESS_DEAD, [(0, SILENT), (1, SILENT)]),
        (["refuses"], Reason.CONNECT_REFUSED, []),
        (["refuses", "refuses"], Reason.CONNECT_REFUSED, [(0, REFUSED), (1, REFUSED)]),
        (["unreachable", "refuses"], Reason.CONNECT_REFUSED, [(0, ""), (1, REFUSED)]),
        (["refuses", "unreachable"], Reason.CONNECT_REFUSED, [(0, REFUSED), (1, "")]),
        (["unreachable"], Reason.UNREACHABLE, []),
    ],
)
def test_what_addresses_do_is_what_is_read(street, names, does, reason, named):
    hosts = [street.house(each) for each in does]
    names(*hosts)
    reading = reading_of(Tcp(host="name.example.com", port=street.port))
    assert reading.reason is reason
    for place, words in named:
        assert f"{hosts[place]}:{street.port}: {words}" in reading.detail
    unnamed = [h for place, h in enumerate(hosts) if place not in {p for p, _ in named}]
    assert not any(f"{host}:" in reading.detail for host in unnamed)


@pytest.mark.parametrize("does", [["silent"], ["silent", "silent"], ["refuses", "silent"]])
def test_silence_of_all_that_are_left_is_a_timeout_of_connecting(street, names, does):
    names(*(street.house(each) for each in does))
    reading = reading_of(Tcp(host="name.example.com", port=street.port), budget=0.7)
    assert reading.reason is Reason.CONNECT_TIMEOUT


@pytest.mark.parametrize("does", ["refuses", "silent"])
def test_a_dead_address_is_reported_by_every_run_until_it_answers(street, names, does):
    """Also if the resolver names the good one first: else half an outage would hide."""
    good, bad = street.house("answers"), street.house(does)
    names(good, bad)
    probe = Tcp(host="name.example.com", port=street.port)
    readings = [reading_of(probe).reason for _ in range(5)]
    assert readings == [Reason.OK] + [Reason.ADDRESS_DEAD] * 4
    if does == "refuses":
        street._serve(bad, OK)
        assert [reading_of(probe).reason for _ in range(3)] == [Reason.OK] * 3


def test_five_steps_wait_for_a_dead_address_once(street, names):
    silent = street.house("silent")
    names(silent, street.house("answers"))
    run, tried = Run(SystemClock(), 60.0), set()
    for _ in range(5):
        sock = dial.connect(run, "name.example.com", street.port)
        run.release(sock)
        sock.close()
        tried.add(dial.ADDRESSES._known[silent, street.port].tried)
    assert len(tried) == 1
    assert len(run.worked) == 1


def test_what_worked_is_forgotten_with_the_run(street, names):
    names(street.house("silent"), street.house("answers"))
    probe = Http(url=f"http://name.example.com:{street.port}/")
    for _ in range(3):
        run = Run(SystemClock(), 30.0)
        probe.observe(run)
        assert dict(run.phases())["connect"] >= dial.APART * 0.9


def test_an_answer_between_two_attempts_is_taken(street, names):
    """Nothing is begun in vain: the second address hears of nobody."""
    first, second = street.house("answers"), street.house("answers")
    names(first, second)
    assert reading_of(Tcp(host="name.example.com", port=street.port)).reason is Reason.OK
    assert street.received[second] == []


def test_the_loser_is_closed_before_tls(street, names, monkeypatch):
    """Both take the connection at once: one is spoken to, the other hears nothing at all."""
    winner, loser = street.house("answers"), street.house("answers")
    names(winner, loser)
    monkeypatch.setattr(dial, "APART", 0.0)
    secured = Http(url=f"https://name.example.com:{street.port}/", tls=TlsPolicy(verify=False))
    assert reading_of(secured).reason is Reason.TLS_HANDSHAKE  # they speak HTTP only
    received = [words for host in (winner, loser) for words in street.received[host] if words]
    assert len(received) == 1


def test_all_sockets_go_back_when_the_time_is_up(street, names):
    names(street.house("silent"), street.house("silent"))
    run = Run(SystemClock(), 60.0)
    timer = threading.Timer(0.4, run.expire)
    timer.start()
    with pytest.raises(DeadlinePassed):
        dial.connect(run, "name.example.com", street.port)
    timer.join()
    assert not run._sockets
    assert run.overstayed().reason is Reason.CONNECT_TIMEOUT


# --- what is known of addresses ------------------------------------------------------


def at(host, port=443):
    return (V6 if ":" in host else V4), ((host, port, 0, 0) if ":" in host else (host, port))


A4, B4, C4 = at("192.0.2.1"), at("192.0.2.2"), at("192.0.2.3")
A6, B6 = at("2001:db8::1"), at("2001:db8::2")


@pytest.mark.parametrize(
    ("addresses", "order"),
    [
        ([], []),
        ([A4], [A4]),
        ([A4, B4], [A4, B4]),
        ([A6, B6, A4, B4], [A6, A4, B6, B4]),
        ([A4, B4, A6, B6], [A4, A6, B4, B6]),
        ([A6, A4, B4, C4], [A6, A4, B4, C4]),
        ([A6, A6, A4], [A6, A4]),
    ],
)
def test_families_take_turns(addresses, order):
    assert interleave(addresses) == order


@given(st.lists(st.sampled_from([A4, B4, C4, A6, B6]), max_size=8))
def test_no_address_is_lost_or_tried_twice(addresses):
    known = Addresses()
    for now, address in enumerate(addresses):
        known.died(address, "gone", float(now)) if now % 2 else known.answered(address, float(now))
    assert sorted(known.in_order(addresses, 99.0)) == sorted(set(addresses))


def test_one_that_is_dead_goes_first_and_the_other_dead_last():
    known = Addresses()
    known.answered(A4, 1.0)
    known.died(A6, "gone", 2.0)
    known.died(B6, "gone", 3.0)
    assert known.in_order([B6, A6, A4], 4.0) == [A6, A4, B6]


def test_one_that_was_not_tried_for_long_goes_first_once():
    known = Addresses()
    known.answered(A6, 0.0)
    assert known.in_order([A6, A4], 1.0) == [A4, A6], "never tried"
    known.answered(A4, 1.0)
    assert known.in_order([A6, A4], 2.0) == [A6, A4]
    known.answered(A6, CHECKED_EVERY)
    assert known.in_order([A6, A4], CHECKED_EVERY + 1.0) == [A4, A6]


WORLD6, WORLD6_TOO = at("2606:4700::1"), at("2606:4700::2")
SITE6, SELF6 = at("fd00::1"), at("::1")


@pytest.mark.parametrize(
    ("events", "theirs"),
    [
        ([], False),
        # A family that fails everywhere is our own line.
        ([("dead", B6, 2)], False),
        ([("up", A4, 2), ("up", B4, 3)], False),
        ([("up", B6, 2)], True),
        # The line went after the other had answered.
        ([("up", B6, 0)], False),
        ([("up", B6, 2), ("dead", B6, 3)], False),
        ([("up", B6, 2), ("dead", B6, 3), ("up", B6, 4)], True),
        # It is up itself.
        ([("up", B6, 2), ("up", A6, 3)], False),
        # Long ago.
        ([("up", B6, 2), ("late", A6, FRESH + 3)], False),
    ],
)
def test_a_dead_address_is_theirs_if_another_of_its_family_answers(events, theirs):
    known, now = Addresses(), 5.0
    if ("up", B6, 0) in events:
        known.answered(B6, 0.0)
    known.died(A6, "no answer", 1.0)
    for what, address, when in events:
        if what == "late":
            now = float(when)
        elif when:
            known.answered(address, when) if what == "up" else known.died(address, "x", when)
    assert known.is_theirs(A6, now) is theirs


@pytest.mark.parametrize(
    ("dead", "answers", "theirs"),
    [
        (WORLD6, WORLD6_TOO, True),
        (WORLD6, SITE6, False),
        (WORLD6, SELF6, False),
        (SITE6, WORLD6, True),
        (SITE6, SELF6, False),
        (SELF6, SITE6, True),
    ],
)
def test_what_answers_nearer_proves_nothing_of_the_line_to_the_world(dead, answers, theirs):
    known = Addresses()
    known.died(dead, "no answer", 1.0)
    known.answered(answers, 2.0)
    assert known.is_theirs(dead, 3.0) is theirs


def test_so_many_addresses_are_remembered_and_no_more():
    known = Addresses()
    for number in range(3000):
        known.answered(at("192.0.2.1", number), 1.0)
    assert len(known._known) == 1024


# --- the words ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reading", "dead", "theirs", "named"),
    [
        (Reading(Reason.OK, "200"), {}, True, Reading(Reason.OK, "200")),
        (
            Reading(Reason.OK, "200"),
            {"192.0.2.1:443": "connection refused"},
            True,
            Reading(Reason.ADDRESS_DEAD, "200; dead address 192.0.2.1:443: connection refused"),
        ),
        (
            Reading(Reason.OK, ""),
            {"192.0.2.1:443": "connection refused"},
            False,
            Reading(Reason.OK, "dead address 192.0.2.1:443: connection refused"),
        ),
        (
            Reading(Reason.HTTP_STATUS, "status 500"),
            {"[::1]:1": "x", "[::2]:1": "y"},
            True,
            Reading(Reason.HTTP_STATUS, "status 500; dead addresses [::1]:1: x; [::2]:1: y"),
        ),
    ],
)
def test_dead_addresses_are_named(reading, dead, theirs, named):
    run = Run(SystemClock(), 1.0)
    run.dead, run.dead_is_theirs = dead, theirs
    assert run.naming_dead(reading) == named


@given(st.text(max_size=300), st.integers(1, 40))
def test_a_detail_stays_within_its_limit(detail, many):
    run = Run(SystemClock(), 1.0)
    run.dead = {f"192.0.2.{n}:443": "connection refused" for n in range(many)}
    named = run.naming_dead(Reading(Reason.OK, detail[:200])).detail
    assert len(named) <= 200
    assert "192.0.2.0:443" in named
