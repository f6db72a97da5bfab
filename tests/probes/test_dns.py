"""`dns` against a real authority and a real resolver, and against answers made by hand."""

import os
import random
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.dns_query import DnsReply
from beacon.net.udp import Peer
from beacon.probes.dns import Agree, Dns, RecordSet, Vote, _resolves, settle
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: dns
    query: !secret canary-of-a-name
    record: TXT
    resolvers: ["{host}:{port}"]
    """,
)


SOA = "@ SOA ns1 host {serial} 3600 600 86400 60\n"
ZONE = """\
$TTL 300
@ NS ns1
ns1 A {address}
sms A 192.0.2.1
sms A 192.0.2.2
sms AAAA 2001:db8::1
@ MX 10 Mail.example.com.
@ TXT "v=spf1 include:_spf.example.com" " -all"
dkim TXT "v=DKIM1; k=rsa; p=MIIB"
_sip._tcp SRV 0 5 443 sip.example.net.
@ CAA 0 issue "ca.example.net"
typed TYPE65280 \\# 3 010203
www CNAME alias
alias 60 CNAME sms
dangling CNAME nowhere
empty TXT ""
toempty CNAME empty
loop CNAME pool
pool CNAME loop
1.2.0.192 PTR host
"""


def run(budget: float = 60.0) -> Run:
    return Run(SystemClock(), budget)


def observe(probe: Dns, budget: float = 60.0) -> Reading:
    assert not list(probe.faults())
    return run(budget).take(probe)


def may_listen_at_53(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attempt:
        try:
            attempt.bind((address, 53))
        except PermissionError:
            return False
    return True


class Authority:
    """NSD with the zone example.com, rewritten and reloaded at will."""

    def __init__(self, nsd: Path, home: Path, eventually: Callable[..., None]) -> None:
        self._zone = home / "example.com.zone"
        self._eventually = eventually
        self._serial = 0
        self.text = ZONE
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.own = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}.{os.getpid() % 250 + 1}"
        self.at_53 = may_listen_at_53(self.own)
        own = f"  ip-address: {self.own}@53\n" if self.at_53 else ""
        (home / "broken.zone").write_text("this is no zone\n")
        (home / "2.0.192.zone").write_text(
            "$ORIGIN 2.0.192.in-addr.arpa.\n$TTL 60\n@ SOA ns1 host 1 1 1 1 1\n"
            "@ NS ns1.example.com.\n7 PTR host.example.com.\n"
        )
        (home / "nsd.conf").write_text(
            "server:\n"
            f"  ip-address: 127.0.0.1@{self.port}\n{own}"
            f'  username: ""\n  chroot: ""\n  zonesdir: "{home}"\n  database: ""\n'
            f'  pidfile: "{home}/nsd.pid"\n  xfrdfile: "{home}/xfrd"\n'
            f'  zonelistfile: "{home}/zones"\n  server-count: 1\n  rrl-ratelimit: 0\n'
            "remote-control:\n  control-enable: no\n"
            "zone:\n  name: example.com\n  zonefile: example.com.zone\n"
            "zone:\n  name: 2.0.192.in-addr.arpa\n  zonefile: 2.0.192.zone\n"
            "zone:\n  name: broken.example\n  zonefile: broken.zone\n"
        )
        self._write()
        self.process = subprocess.Popen(
            [nsd, "-d", "-c", home / "nsd.conf"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._loaded, "NSD's start")

    def _write(self) -> None:
        self._serial += 1
        text = "$ORIGIN example.com.\n" + SOA.format(serial=self._serial) + self.text
        self._zone.write_text(text.replace("{address}", self.own))

    def _loaded(self) -> bool:
        query = dns.message.make_query("example.com", "SOA")
        try:
            answer = dns.query.udp(query, "127.0.0.1", 1, self.port)
        except (OSError, dns.exception.Timeout):
            return False
        return bool(answer.answer) and answer.answer[0][0].serial == self._serial

    def change(self, old: str, new: str) -> None:
        """Edit the zone; returns when the server has it."""
        assert old in self.text
        self.text = self.text.replace(old, new)
        self._write()
        self.process.send_signal(signal.SIGHUP)
        self._eventually(self._loaded, "NSD's reload")

    def reset(self) -> None:
        if self.text != ZONE:
            self.change(self.text, ZONE)

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture(scope="module")
def nsd(
    need: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
    eventually: Callable[..., None],
) -> Iterator[Authority]:
    server = Authority(need("nsd"), tmp_path_factory.mktemp("nsd"), eventually)
    yield server
    server.stop()


@pytest.fixture
def authority(nsd: Authority) -> Iterator[Authority]:
    yield nsd
    nsd.reset()


@pytest.fixture
def at_53(authority: Authority) -> None:
    """For tests that reach the authority as the world would, by its address alone."""
    if not authority.at_53:
        pytest.skip("only root can listen at port 53")


@pytest.fixture(scope="module")
def resolver(
    nsd: Authority,
    need: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
    eventually: Callable[..., None],
) -> Iterator[str]:
    """Unbound, without a cache worth the name, in front of the authority."""
    home = tmp_path_factory.mktemp("unbound")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (home / "unbound.conf").write_text(
        "server:\n"
        f"  interface: 127.0.0.1\n  port: {port}\n  do-daemonize: no\n  do-ip6: no\n"
        f'  username: ""\n  chroot: ""\n  directory: "{home}"\n  pidfile: ""\n'
        '  use-syslog: no\n  module-config: "iterator"\n  do-not-query-localhost: no\n'
        "  cache-max-ttl: 0\n  cache-max-negative-ttl: 0\n  infra-host-ttl: 0\n  ede: yes\n"
        '  local-zone: "2.0.192.in-addr.arpa" nodefault\n'
        '  local-zone: "closed.example" always_refuse\n'
        "remote-control:\n  control-enable: no\n"
        + "".join(
            f'stub-zone:\n  name: "{name}"\n  stub-addr: 127.0.0.1@{nsd.port}\n'
            for name in (".", "example.com", "broken.example", "2.0.192.in-addr.arpa")
        )
    )
    process = subprocess.Popen(
        [need("unbound"), "-d", "-c", home / "unbound.conf"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        try:
            dns.query.udp(dns.message.make_query("sms.example.com", "A"), "127.0.0.1", 1, port)
        except (OSError, dns.exception.Timeout):
            return False
        return True

    eventually(answers, "Unbound's start")
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(60)


@pytest.fixture
def silent() -> Iterator[str]:
    """A resolver that hears and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


GOOD = [
    ({"query": "sms.example.com"}, "192.0.2.1, 192.0.2.2"),
    ({"query": "SMS.Example.COM.", "expect": RecordSet(exact=("192.0.2.2", "192.0.2.1"))},
     "ttl 300"),
    ({"query": "sms.example.com", "expect": RecordSet(contains=("192.0.2.2",))}, ""),
    ({"query": "sms.example.com", "expect": RecordSet(absent=("192.0.2.9",))}, ""),
    ({"query": "sms.example.com", "record": "AAAA",
      "expect": RecordSet(exact=("2001:0db8:0::1",))}, ""),
    ({"query": "example.com", "record": "MX",
      "expect": RecordSet(exact=("10 mail.EXAMPLE.com",))}, ""),
    ({"query": "example.com", "record": "TXT",
      "expect": RecordSet(exact=("v=spf1 include:_spf.example.com -all",))}, ""),
    ({"query": "example.com", "record": "txt",
      "expect": RecordSet(exact=('"v=spf1 include" ":_spf.example.com -all"',))}, ""),
    ({"query": "dkim.example.com", "record": "TXT",
      "expect": RecordSet(exact=("v=DKIM1; k=rsa; p=MIIB",))}, ""),
    ({"query": "_sip._tcp.example.com", "record": "SRV",
      "expect": RecordSet(exact=("0 5 443 SIP.example.net.",))}, ""),
    ({"query": "example.com", "record": "CAA",
      "expect": RecordSet(exact=('0 issue "ca.example.net"',))}, ""),
    ({"query": "typed.example.com", "record": "TYPE65280",
      "expect": RecordSet(exact=("\\# 3 010203",))}, ""),
    ({"query": "192.0.2.7", "record": "PTR", "expect": RecordSet(exact=("host.example.com",))}, ""),
    ({"query": "www.example.com", "cname": ("alias.example.com", "SMS.example.com.")}, ""),
    ({"query": "www.example.com", "record": "CNAME",
      "expect": RecordSet(exact=("alias.example.com",))}, ""),
    ({"query": "gone.example.com", "expect": RecordSet(absent=True)}, "as expected"),
    ({"query": "sms.example.com", "record": "MX", "expect": RecordSet(absent=True)}, "as expected"),
    ({"query": "empty.example.com", "record": "TXT", "expect": RecordSet(exact=("",))}, ""),
]  # fmt: skip

BAD = [
    ({"query": "gone.example.com"}, Reason.DNS_NXDOMAIN, "gone.example.com does not exist"),
    ({"query": "sms.example.com", "record": "TXT"}, Reason.DNS_NO_ANSWER, "no TXT"),
    ({"query": "dangling.example.com"}, Reason.DNS_NXDOMAIN, "nowhere.example.com does not exist"),
    ({"query": "toempty.example.com"}, Reason.DNS_NO_ANSWER, "no A at empty.example.com"),
    ({"query": "sms.example.com", "expect": RecordSet(exact=("192.0.2.1",))},
     Reason.DNS_MISMATCH, "not wanted 192.0.2.2, ttl 300 s"),
    ({"query": "sms.example.com", "expect": RecordSet(contains=("192.0.2.1", "192.0.2.9"))},
     Reason.DNS_MISMATCH, "missing 192.0.2.9"),
    ({"query": "sms.example.com", "expect": RecordSet(absent=("192.0.2.1",))},
     Reason.DNS_MISMATCH, "not wanted 192.0.2.1"),
    ({"query": "sms.example.com", "expect": RecordSet(absent=True)},
     Reason.DNS_MISMATCH, "not wanted 192.0.2.1, 192.0.2.2"),
    ({"query": "example.com", "record": "TXT", "expect": RecordSet(exact=("V=SPF1 x",))},
     Reason.DNS_MISMATCH, "missing V=SPF1 x"),
    ({"query": "www.example.com", "cname": ("alias.example.com",)},
     Reason.DNS_MISMATCH, "saw alias.example.com, sms.example.com"),
    ({"query": "sms.example.com", "cname": ("alias.example.com",)},
     Reason.DNS_MISMATCH, "saw nothing"),
]  # fmt: skip


@pytest.mark.integration
@pytest.mark.parametrize(("given", "words"), GOOD)
def test_records_as_expected_pass(
    authority: Authority, resolver: str, given: dict[str, object], words: str
) -> None:
    through = observe(Dns(resolvers=(resolver,), **given))
    direct = observe(Dns(authoritative=(authority.at,), **given))
    assert (through.reason, direct.reason) == (Reason.OK, Reason.OK), (through, direct)
    assert words in direct.detail
    assert 0 < (through.latency or 0) < 5
    assert [name for name, _ in through.phases] == ["dns"]


@pytest.mark.integration
@pytest.mark.parametrize(("given", "reason", "words"), BAD)
def test_records_other_than_expected_fail(
    authority: Authority, resolver: str, given: dict[str, object], reason: Reason, words: str
) -> None:
    through = observe(Dns(resolvers=(resolver,), **given))
    direct = observe(Dns(authoritative=(authority.at,), **given))
    assert (through.reason, direct.reason) == (reason, reason), (through, direct)
    assert words in direct.detail


@pytest.mark.integration
def test_the_lowest_ttl_of_the_chain_is_told(authority: Authority) -> None:
    reading = observe(Dns(query="www.example.com", authoritative=(authority.at,)))
    assert reading.detail.endswith("ttl 60 s")
    assert reading.ttl == 60.0


@pytest.mark.integration
def test_records_that_vanish_change_and_return_are_seen(
    authority: Authority, resolver: str
) -> None:
    probe = Dns(
        query="example.com",
        record="TXT",
        resolvers=(resolver,),
        expect=RecordSet(exact=("v=spf1 include:_spf.example.com -all",)),
    )
    assert observe(probe).reason is Reason.OK
    authority.change(' " -all"', ' " ?all"')
    assert observe(probe).reason is Reason.DNS_MISMATCH
    authority.change('@ TXT "v=spf1 include:_spf.example.com" " ?all"\n', "")
    assert observe(probe).reason is Reason.DNS_NO_ANSWER
    authority.reset()
    assert observe(probe).reason is Reason.OK


@pytest.mark.integration
def test_a_broken_zone_a_refusal_and_a_lame_server_are_told_from_absence(
    authority: Authority, resolver: str, udp_server: Callable[..., object]
) -> None:
    absent = RecordSet(absent=True)  # met by nothing but a true "no"
    broken = observe(Dns(query="x.broken.example", resolvers=(resolver,), expect=absent))
    assert broken.reason is Reason.DNS_SERVFAIL
    assert "SERVFAIL for A of x.broken.example" in broken.detail
    closed = observe(Dns(query="x.closed.example", resolvers=(resolver,), expect=absent))
    assert closed.reason is Reason.DNS_SERVFAIL
    assert "REFUSED" in closed.detail
    foreign = observe(Dns(query="example.net", authoritative=(authority.at,), expect=absent))
    assert foreign.reason is Reason.DNS_SERVFAIL
    mere = f"127.0.0.1:{udp_server(made()).port}"
    lame = observe(Dns(query="sms.example.com", authoritative=(mere,), expect=absent))
    assert (lame.reason, lame.outcome) == (Reason.DNS_SERVFAIL, Outcome.FAIL)
    assert "not authoritative for sms.example.com" in lame.detail


@pytest.mark.integration
def test_an_answer_too_long_for_udp_is_fetched_over_tcp(
    authority: Authority, resolver: str
) -> None:
    wanted = tuple(f"{n:03d} {'x' * 200}" for n in range(12))
    authority.change("www CNAME", "".join(f'big TXT "{text}"\n' for text in wanted) + "www CNAME")
    for asked in ({"resolvers": (resolver,)}, {"authoritative": (authority.at,)}):
        probe = Dns(query="big.example.com", record="TXT", expect=RecordSet(exact=wanted), **asked)
        seen = run()
        assert seen.take(probe).reason is Reason.OK
        assert any("again over TCP" in note for note in seen.notes)


@pytest.mark.integration
def test_aliases_in_a_circle_are_not_followed_for_ever(authority: Authority) -> None:
    reading = observe(Dns(query="loop.example.com", authoritative=(authority.at,)))
    assert reading.reason is Reason.PROTOCOL_ERROR
    assert "circle" in reading.detail


@pytest.mark.integration
@pytest.mark.usefixtures("at_53")
def test_the_zones_own_servers_are_found_and_asked(authority: Authority, resolver: str) -> None:
    probe = Dns(query="deep.sms.example.com", authoritative=True, resolvers=(resolver,))
    seen = run()
    assert seen.take(probe).reason is Reason.DNS_NXDOMAIN
    assert any("ns1.example.com:53" in note for note in seen.notes)
    for query in ("sms.example.com", "www.example.com"):
        assert observe(Dns(query=query, authoritative=True, resolvers=(resolver,))).reason == "ok"


@pytest.mark.integration
@pytest.mark.usefixtures("at_53")
def test_a_name_server_named_in_the_settings_is_looked_up(resolver: str) -> None:
    names = ("ns1.example.com", "ns2.example.com")
    probe = Dns(query="sms.example.com", authoritative=names, resolvers=(resolver,))
    assert observe(probe).reason is Reason.OK
    strict = Dns(
        query="sms.example.com", authoritative=names, resolvers=(resolver,), agree=Agree.ALL
    )
    reading = observe(strict)
    assert reading.reason is Reason.UNREACHABLE
    assert "ns2.example.com:53 has no address" in reading.detail


@pytest.mark.integration
def test_no_zone_can_be_found_through_a_broken_resolver(authority: Authority, silent: str) -> None:
    probe = Dns(query="example.net", authoritative=True, resolvers=(authority.at,))
    assert observe(probe).reason is Reason.DNS_SERVFAIL
    probe = Dns(query="example.net", authoritative=True, resolvers=(silent,))
    assert observe(probe, 0.3).reason is Reason.DNS_TIMEOUT


@pytest.mark.integration
def test_a_rogue_resolver_is_a_disagreement_and_a_silent_one_has_no_vote(
    authority: Authority, resolver: str, silent: str, udp_server: Callable[..., object]
) -> None:
    rogue = f"127.0.0.1:{udp_server(made('sms.example.com. 60 IN A 198.51.100.6')).port}"
    expect = RecordSet(exact=("192.0.2.1", "192.0.2.2"))

    def said(*resolvers: str, agree: Agree = Agree.MAJORITY) -> Reading:
        probe = Dns(query="sms.example.com", resolvers=resolvers, expect=expect, agree=agree)
        return observe(probe, 1.0)

    assert said(resolver, authority.at).reason is Reason.OK
    odd = said(resolver, authority.at, rogue)
    assert (odd.reason, odd.outcome) == (Reason.RESOLVER_DISAGREEMENT, Outcome.WARN)
    assert "1 of 3 servers" in odd.detail
    assert rogue in odd.detail
    assert said(resolver, rogue).reason is Reason.RESOLVER_DISAGREEMENT
    assert said(resolver, rogue, rogue).reason is Reason.DNS_MISMATCH
    assert said(resolver, rogue, agree=Agree.ALL).reason is Reason.DNS_MISMATCH
    assert said(resolver, rogue, rogue, agree=Agree.ANY).reason is Reason.OK
    heard = said(resolver, silent)
    assert heard.reason is Reason.OK
    assert (heard.latency or 0) < 0.5, "a silent resolver is not the latency of the others"
    assert said(resolver, silent, agree=Agree.ALL).reason is Reason.DNS_TIMEOUT
    assert said(silent, silent).reason is Reason.DNS_TIMEOUT


def made(
    *records: str, code: dns.rcode.Rcode = dns.rcode.NOERROR, **changes: object
) -> Callable[[bytes], list[bytes]]:
    """An answer made by hand, with some of its fields changed."""

    def answer(data: bytes) -> list[bytes]:
        response = dns.message.make_response(dns.message.from_wire(data))
        response.set_rcode(code)
        for record in records:
            owner, ttl, _, kind, *rest = record.split()
            response.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, " ".join(rest)))
        for name, changed in changes.items():
            setattr(response, name, changed)
        return [response.to_wire()]

    return answer


def wired(answer: Callable[[bytes], list[bytes]]) -> Callable[[Callable[..., object]], Dns]:
    def probe(udp_server: Callable[..., object]) -> Dns:
        port = udp_server(answer).port
        return Dns(query="sms.example.com", resolvers=(f"127.0.0.1:{port}",))

    return probe


def test_answers_to_another_question_are_passed_over(udp_server: Callable[..., object]) -> None:
    true = made("sms.example.com. 60 IN A 192.0.2.1")
    other = made("sms.example.com. 60 IN A 198.51.100.6", id=1)

    def crowd(data: bytes) -> list[bytes]:
        asked = dns.message.from_wire(data)
        question = dns.message.make_query("other.example.com", "A", id=asked.id)
        foreign = dns.message.make_response(question).to_wire()
        return [*other(data), b"", b"\0" * 3, foreign, data, *true(data)]

    reading = observe(wired(crowd)(udp_server))
    assert reading.reason is Reason.OK
    assert "192.0.2.1" in reading.detail
    reading = observe(wired(other)(udp_server), 0.3)
    assert reading.reason is Reason.PROTOCOL_ERROR
    assert "none an answer to the question" in reading.detail


def test_the_servers_own_explanation_is_told(udp_server: Callable[..., object]) -> None:
    why = dns.edns.EDEOption(dns.edns.EDECode.SIGNATURE_EXPIRED, "since\nMonday")

    def answer(data: bytes) -> list[bytes]:
        response = dns.message.make_response(dns.message.from_wire(data))
        response.set_rcode(dns.rcode.SERVFAIL)
        response.use_edns(0, options=[why])
        return [response.to_wire()]

    reading = observe(wired(answer)(udp_server))
    assert reading.reason is Reason.DNS_SERVFAIL
    assert "EDE 7 (Signature Expired): since" in reading.detail
    assert "\n" not in reading.detail


def test_an_answer_that_contradicts_itself_is_a_protocol_error(
    udp_server: Callable[..., object],
) -> None:
    answer = made("sms.example.com. 60 IN A 192.0.2.1", code=dns.rcode.NXDOMAIN)
    assert observe(wired(answer)(udp_server)).reason is Reason.PROTOCOL_ERROR


def test_a_closed_port_is_refused_at_once(free_port: Callable[[], int]) -> None:
    reading = observe(Dns(query="example.com", resolvers=(f"127.0.0.1:{free_port()}",)))
    assert reading.reason is Reason.CONNECT_REFUSED
    assert "connection refused" in reading.detail


def test_truncated_and_no_tcp_behind_it(udp_server: Callable[..., object]) -> None:
    cut = made(flags=dns.flags.QR | dns.flags.TC)
    reading = observe(wired(cut)(udp_server))
    assert reading.reason is Reason.CONNECT_REFUSED
    assert "over TCP" in reading.detail


TALKS = [
    (lambda c: None, Reason.CONNECT_RESET),
    (lambda c: (c.recv(2000), c.sendall(b"\x00\x10half")), Reason.CONNECT_RESET),
    (lambda c: (c.recv(2000), c.sendall(b"\x00\x04junk")), Reason.PROTOCOL_ERROR),
    (
        lambda c: (
            c.recv(2000),
            c.sendall(b"\x00\x11" + dns.message.make_query("a.", "A", id=7).to_wire()),
        ),
        Reason.PROTOCOL_ERROR,
    ),
    (lambda c: (c.recv(2000), c.recv(1)), Reason.DNS_TIMEOUT),
]


@pytest.mark.parametrize(("talk", "reason"), TALKS)
def test_a_bad_conversation_over_tcp(
    one_port: tuple[socket.socket, socket.socket],
    talk: Callable[[socket.socket], None],
    reason: Reason,
) -> None:
    cut = made(flags=dns.flags.QR | dns.flags.TC)
    listening, udp = one_port

    def truncate() -> None:
        data, peer = udp.recvfrom(2000)
        udp.sendto(cut(data)[0], peer)

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            talk(connection)

    threads = [threading.Thread(target=each, daemon=True) for each in (truncate, serve)]
    for thread in threads:
        thread.start()
    probe = Dns(query="sms.example.com", resolvers=(f"127.0.0.1:{listening.getsockname()[1]}",))
    assert observe(probe, 0.8).reason is reason
    for thread in threads:
        thread.join(60)


def test_the_deadline_wakes_a_probe_that_waits(silent: str) -> None:
    waiting = run(3600.0)
    timer = threading.Timer(0.05, waiting.expire)
    timer.start()
    with pytest.raises(DeadlinePassed):
        waiting.take(Dns(query="example.com", resolvers=(silent,)))
    assert waiting.overstayed().reason is Reason.DNS_TIMEOUT


FAULTS = [
    ({"query": "a..b"}, ("query",), "not a domain name: 'a..b'"),
    ({"query": ""}, ("query",), "not a domain name: ''"),
    ({"query": "fe80::1%eth0"}, ("query",), "not a domain name: 'fe80::1%eth0'"),
    ({"query": "a.example", "record": "QUUX"}, ("record",), "not a type of record: 'QUUX'"),
    ({"query": "a.example", "record": "ANY"}, ("record",), "not a type of record: 'ANY'"),
    ({"query": "a.example", "expect": RecordSet(exact=("192.0.2.1", "192.0.2"))},
     ("expect", "exact", 1), "not the text of a record of type A"),
    ({"query": "a.example", "expect": RecordSet(exact=())}, ("expect", "exact"), "an empty list"),
    ({"query": "a.example", "record": "MX", "expect": RecordSet(absent=("mx.example.com",))},
     ("expect", "absent", 0), "not the text of a record of type MX"),
    ({"query": "a.example", "expect": RecordSet(absent=True, contains=("192.0.2.1",))},
     ("expect", "absent"), "cannot both"),
    ({"query": "a.example", "resolvers": ("dns.example.com",)},
     ("resolvers", 0), "not an address: 'dns.example.com'"),
    ({"query": "a.example", "resolvers": ("192.0.2.1", "192.0.2.1:dns")},
     ("resolvers", 1), "not an address: '192.0.2.1:dns'"),
    ({"query": "a.example", "authoritative": ("a..b",)},
     ("authoritative", 0), "not a server: 'a..b'"),
    ({"query": "a.example", "authoritative": ("[::1",)},
     ("authoritative", 0), "not a server: '[::1'"),
    ({"query": "a.example", "cname": ("b.example", "")}, ("cname", 1), "not a domain name: ''"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "path", "message"), FAULTS)
def test_wrong_settings_are_told_with_their_place(
    given: dict[str, object], path: tuple[str | int, ...], message: str
) -> None:
    (fault,) = Dns(**given).faults()
    assert fault.path == path
    assert fault.message.startswith(message) or message in fault.message


OK, BROKEN, LATE = (Reading(r) for r in (Reason.OK, Reason.DNS_MISMATCH, Reason.DNS_TIMEOUT))


@pytest.mark.parametrize(("ttls", "told"), [((60.0,), 60.0), ((5.0, 300.0, None), 300.0)])
def test_the_longest_ttl_of_all_that_answer_well_is_kept(
    ttls: tuple[float | None, ...], told: float
) -> None:
    votes = [Vote(f"r{n}", Reading(Reason.OK, ttl=ttl), True) for n, ttl in enumerate(ttls)]
    assert settle(votes, Agree.MAJORITY).ttl == told


@given(
    st.lists(st.sampled_from([(OK, True), (BROKEN, True), (LATE, False)]), min_size=1),
    st.sampled_from(Agree),
)
def test_votes_without_a_good_answer_never_pass(
    cast_votes: list[tuple[Reading, bool]], agree: Agree
) -> None:
    votes = [Vote(f"r{n}", reading, came) for n, (reading, came) in enumerate(cast_votes)]
    reading = settle(votes, agree)
    good = sum(reading.reason is Reason.OK for reading, _ in cast_votes)
    voted = sum(came for _, came in cast_votes)
    if reading.reason is Reason.OK:
        enough = {Agree.ALL: len(votes), Agree.ANY: 1, Agree.MAJORITY: voted}[agree]
        assert good >= max(1, enough)
    if not good:
        assert reading.outcome is Outcome.FAIL
    if len(votes) > 1 and agree is Agree.MAJORITY and good * 2 < voted:
        assert reading.outcome is Outcome.FAIL


@given(
    st.lists(st.sampled_from([(OK, True), (BROKEN, True), (LATE, False)]), min_size=1),
    st.sampled_from(Agree),
    st.randoms(),
)
def test_the_order_of_servers_decides_nothing(
    cast_votes: list[tuple[Reading, bool]], agree: Agree, dice: random.Random
) -> None:
    votes = [Vote(f"r{n}", reading, came) for n, (reading, came) in enumerate(cast_votes)]
    reading = settle(votes, agree)
    dice.shuffle(votes)
    assert settle(votes, agree) == reading


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_random_bytes_are_never_a_crash_and_never_a_pass(
    udp_server: Callable[..., object], data: st.DataObject
) -> None:
    junk = data.draw(st.binary(max_size=60))
    shape = data.draw(st.sampled_from(["bare", "id", "header", "question"]))

    def answer(asked: bytes) -> list[bytes]:
        head = {
            "bare": b"",
            "id": asked[:2] + b"\x81\x80",
            "header": asked[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00",
            "question": asked[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + asked[12:33],
        }[shape]
        refused = dns.message.make_response(dns.message.from_wire(asked))
        refused.set_rcode(dns.rcode.REFUSED)
        return [head + junk, refused.to_wire()]

    reading = run().take(wired(answer)(udp_server))
    if reading.reason is not Reason.DNS_SERVFAIL:  # the bytes may by chance be an answer
        assert shape == "question"
        assert junk


@pytest.mark.parametrize(
    ("rcode", "answered"),
    [(dns.rcode.NOERROR, True), (dns.rcode.NXDOMAIN, True), (dns.rcode.SERVFAIL, False)],
)
def test_that_there_is_no_such_name_is_an_answer(rcode: int, answered: bool) -> None:
    message = dns.message.make_response(dns.message.make_query("sms.example.com", "A"))
    message.set_rcode(rcode)
    assert _resolves(DnsReply(Peer("127.0.0.1", 53), 0.0, message)) is answered
    assert not _resolves(DnsReply(Peer("127.0.0.1", 53), 0.0))


def test_it_says_whether_our_own_resolver_answered(
    monkeypatch: pytest.MonkeyPatch, udp_server: Callable[..., object]
) -> None:
    class Nobody:
        nameservers = ("127.9.9.9",)

        def __init__(self, _path: str) -> None:
            pass

    monkeypatch.setattr(dns.resolver, "Resolver", Nobody)
    assert observe(Dns(query="sms.example.com"), 0.5).resolver is False
    assert observe(Dns(query="sms.example.com", authoritative=True), 0.5).resolver is False
    other = f"127.0.0.1:{udp_server(made('sms.example.com. 60 IN A 192.0.2.1')).port}"
    reading = observe(Dns(query="sms.example.com", resolvers=(other,)))
    assert (reading.reason, reading.resolver) == (Reason.OK, None), "it was not asked"
