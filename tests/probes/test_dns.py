"""`dns` against a real authority and a real resolver, and against answers made by hand."""

import threading
from collections.abc import Callable

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
from beacon.net import dns_query
from beacon.net.dns_query import DnsReply
from beacon.net.udp import Peer
from beacon.probes.dns import Agree, Dns, RecordSet, Vote, _resolves, settle
from tests.conftest import StandingClock
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: dns
    query: !secret canary-of-a-name
    record: TXT
    resolvers: ["{host}:{port}"]
    """,
)


ZONE = """\
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
"""


def run(budget: float = 60.0) -> Run:
    return Run(SystemClock(), budget)


def observe(probe: Dns, budget: float = 60.0) -> Reading:
    assert not list(probe.faults())
    return run(budget).take(probe)


@pytest.fixture
def impatient(monkeypatch):
    """Wait half a second for silent servers, and leave the rest of the minute to a busy machine."""
    monkeypatch.setattr(dns_query, "PATIENCE", 0.01)
    monkeypatch.setattr(dns_query.ask, "__defaults__", (0.01,))


@pytest.fixture(scope="module")
def authority(zone_server):
    server = zone_server("example.com", "2.0.192.in-addr.arpa")
    server.serve({"example.com": ZONE, "2.0.192.in-addr.arpa": "7 PTR host.example.com.\n"})
    return server


@pytest.fixture(scope="module")
def resolver(authority, validating):
    """Unbound, without a cache worth the name, in front of the authority."""
    return validating(authority)


@pytest.fixture
def serve(authority):
    """Serve this zone, until the end of the test."""
    yield lambda text: authority.serve({"example.com": text})
    authority.serve({"example.com": ZONE})


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
def test_records_as_expected_pass(authority, resolver, given, words):
    through = observe(Dns(resolvers=(resolver,), **given))
    direct = observe(Dns(authoritative=(authority.at,), **given))
    assert (through.reason, direct.reason) == (Reason.OK, Reason.OK), (through, direct)
    assert words in direct.detail
    assert 0 < (through.latency or 0) < 5
    assert [name for name, _ in through.phases] == ["dns"]


@pytest.mark.integration
@pytest.mark.parametrize(("given", "reason", "words"), BAD)
def test_records_other_than_expected_fail(authority, resolver, given, reason, words):
    through = observe(Dns(resolvers=(resolver,), **given))
    direct = observe(Dns(authoritative=(authority.at,), **given))
    assert (through.reason, direct.reason) == (reason, reason), (through, direct)
    assert words in direct.detail


@pytest.mark.integration
def test_the_lowest_ttl_of_the_chain_is_reported(authority):
    reading = observe(Dns(query="www.example.com", authoritative=(authority.at,)))
    assert reading.detail.endswith("ttl 60 s")
    assert reading.ttl == 60.0


@pytest.mark.integration
def test_records_that_vanish_change_and_return_are_seen(serve, resolver):
    expect = RecordSet(exact=("v=spf1 include:_spf.example.com -all",))
    probe = Dns(query="example.com", record="TXT", resolvers=(resolver,), expect=expect)
    for old, new, reason in (
        (' " -all"', ' " ?all"', Reason.DNS_MISMATCH),
        ('@ TXT "v=spf1 include:_spf.example.com" " -all"\n', "", Reason.DNS_NO_ANSWER),
        ("", "", Reason.OK),
    ):
        serve(ZONE.replace(old, new))
        assert observe(probe).reason is reason


@pytest.mark.integration
def test_trouble_a_refusal_and_a_lame_server_differ_from_absence(authority, resolver, udp_server):
    lame = f"127.0.0.1:{udp_server(made()).port}"
    for asked, words in (
        # our resolver knows no server of it that answers
        ({"query": "x.closed.example", "resolvers": (resolver,)}, "SERVFAIL for A of x.closed"),
        ({"query": "example.net", "authoritative": (authority.at,)}, "REFUSED"),
        ({"query": "sms.example.com", "authoritative": (lame,)}, "not authoritative for sms.ex"),
    ):
        # met by nothing but a true "no"
        reading = observe(Dns(**asked, expect=RecordSet(absent=True)))
        assert (reading.reason, reading.outcome) == (Reason.DNS_SERVFAIL, Outcome.FAIL)
        assert words in reading.detail


@pytest.mark.integration
def test_an_answer_too_long_for_udp_is_fetched_over_tcp(authority, serve, resolver):
    wanted = tuple(f"{n:03d} {'x' * 200}" for n in range(12))
    serve(ZONE + "".join(f'big TXT "{text}"\n' for text in wanted))
    for asked in ({"resolvers": (resolver,)}, {"authoritative": (authority.at,)}):
        probe = Dns(query="big.example.com", record="TXT", expect=RecordSet(exact=wanted), **asked)
        seen = run()
        assert seen.take(probe).reason is Reason.OK
        assert any("again over TCP" in note for note in seen.notes)


@pytest.mark.integration
def test_aliases_in_a_circle_are_not_followed_for_ever(authority):
    reading = observe(Dns(query="loop.example.com", authoritative=(authority.at,)))
    assert reading.reason is Reason.PROTOCOL_ERROR
    assert "circle" in reading.detail


@pytest.mark.integration
def test_the_zones_own_servers_are_found_by_their_names(authority, serve, resolver, at_port_53):
    serve(ZONE + f"@ NS ns3\nns3 A {at_port_53(authority.at)}\n")
    common = {"query": "deep.sms.example.com", "resolvers": (resolver,)}
    seen = run()
    assert seen.take(Dns(**common, authoritative=True)).reason is Reason.DNS_NXDOMAIN
    assert any("ns3.example.com:53" in note for note in seen.notes)
    names = ("ns3.example.com", "ns2.example.com")
    assert observe(Dns(**common, authoritative=names)).reason is Reason.DNS_NXDOMAIN
    named = {**common, "query": "www.example.com", "authoritative": names}
    assert observe(Dns(**named)).reason is Reason.OK
    reading = observe(Dns(**named, agree=Agree.ALL))
    assert reading.reason is Reason.UNREACHABLE
    assert "ns2.example.com:53 has no address" in reading.detail


@pytest.mark.integration
@pytest.mark.usefixtures("impatient")
def test_no_zone_can_be_found_through_a_broken_resolver(authority, silent_resolver):
    probe = Dns(query="example.net", authoritative=True, resolvers=(authority.at,))
    assert observe(probe).reason is Reason.DNS_SERVFAIL
    probe = Dns(query="example.net", authoritative=True, resolvers=(silent_resolver,))
    assert observe(probe).reason is Reason.DNS_TIMEOUT


@pytest.mark.integration
def test_a_rogue_resolver_is_a_disagreement(authority, resolver, udp_server):
    rogue = f"127.0.0.1:{udp_server(made('sms.example.com. 60 IN A 198.51.100.6')).port}"
    expect = RecordSet(exact=("192.0.2.1", "192.0.2.2"))
    asked = (resolver, authority.at, rogue)
    odd = observe(Dns(query="sms.example.com", resolvers=asked, expect=expect))
    assert (odd.reason, odd.outcome) == (Reason.RESOLVER_DISAGREEMENT, Outcome.WARN)
    assert "1 of 3 servers" in odd.detail
    assert rogue in odd.detail


def test_a_silent_resolver_is_not_the_latency_of_the_others(silent_resolver, udp_server):
    good = udp_server(made("sms.example.com. 60 IN A 192.0.2.1"))
    asked = (f"127.0.0.1:{good.port}", silent_resolver)
    waiting = Run(StandingClock(lambda: good.answered), 1.0)
    reading = waiting.take(Dns(query="sms.example.com", resolvers=asked))
    assert reading.reason is Reason.OK
    assert reading.latency is not None
    assert reading.latency < 0.5


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


@pytest.fixture
def answered_by(udp_server):
    """Ask a server that answers so."""

    def ask(answer: Callable[[bytes], list[bytes]], budget: float = 60.0) -> Reading:
        resolvers = (f"127.0.0.1:{udp_server(answer).port}",)
        return observe(Dns(query="sms.example.com", resolvers=resolvers), budget)

    return ask


def test_answers_to_another_question_are_passed_over(answered_by):
    true = made("sms.example.com. 60 IN A 192.0.2.1")
    other = made("sms.example.com. 60 IN A 198.51.100.6", id=1)

    def crowd(data: bytes) -> list[bytes]:
        asked = dns.message.from_wire(data)
        question = dns.message.make_query("other.example.com", "A", id=asked.id)
        foreign = dns.message.make_response(question).to_wire()
        return [*other(data), b"", b"\0" * 3, foreign, data, *true(data)]

    reading = answered_by(crowd)
    assert reading.reason is Reason.OK
    assert "192.0.2.1" in reading.detail


@pytest.mark.usefixtures("impatient")
def test_answers_to_another_question_alone_are_no_answer(answered_by):
    reading = answered_by(made("sms.example.com. 60 IN A 198.51.100.6", id=1))
    assert reading.reason is Reason.PROTOCOL_ERROR
    assert "none an answer to the question" in reading.detail


def test_the_servers_own_explanation_is_shown(answered_by):
    why = dns.edns.EDEOption(dns.edns.EDECode.SIGNATURE_EXPIRED, "since\nMonday")

    def answer(data: bytes) -> list[bytes]:
        response = dns.message.make_response(dns.message.from_wire(data))
        response.set_rcode(dns.rcode.SERVFAIL)
        response.use_edns(0, options=[why])
        return [response.to_wire()]

    reading = answered_by(answer)
    assert reading.reason is Reason.DNS_SERVFAIL
    assert "EDE 7 (Signature Expired): since" in reading.detail
    assert "\n" not in reading.detail


def test_an_answer_that_contradicts_itself_is_a_protocol_error(answered_by):
    answer = made("sms.example.com. 60 IN A 192.0.2.1", code=dns.rcode.NXDOMAIN)
    assert answered_by(answer).reason is Reason.PROTOCOL_ERROR


def test_truncated_and_no_tcp_behind_it(answered_by):
    reading = answered_by(made(flags=dns.flags.QR | dns.flags.TC))
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


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("talk", "reason"), TALKS)
def test_a_bad_conversation_over_tcp(one_port, udp_server, talk, reason):
    listening, datagrams = one_port
    udp_server(made(flags=dns.flags.QR | dns.flags.TC), datagrams)

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    probe = Dns(query="sms.example.com", resolvers=(f"127.0.0.1:{listening.getsockname()[1]}",))
    assert observe(probe).reason is reason
    thread.join(60)


def test_the_deadline_wakes_a_probe_that_waits(silent_resolver):
    waiting = run(3600.0)
    timer = threading.Timer(0.05, waiting.expire)
    timer.start()
    with pytest.raises(DeadlinePassed):
        waiting.take(Dns(query="example.com", resolvers=(silent_resolver,)))
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
def test_wrong_settings_are_reported_with_their_place(given, path, message):
    (fault,) = Dns(**given).faults()
    assert fault.path == path
    assert message in fault.message


OK, BROKEN, LATE = (Reading(r) for r in (Reason.OK, Reason.DNS_MISMATCH, Reason.DNS_TIMEOUT))


def settled(agree, *readings):
    votes = [Vote(f"r{n}", each, each is not LATE) for n, each in enumerate(readings)]
    return settle(votes, agree)


@pytest.mark.parametrize(
    ("agree", "readings", "reason"),
    [
        (Agree.MAJORITY, (OK, BROKEN), Reason.RESOLVER_DISAGREEMENT),
        (Agree.MAJORITY, (OK, BROKEN, BROKEN), Reason.DNS_MISMATCH),
        (Agree.MAJORITY, (OK, LATE), Reason.OK),
        (Agree.MAJORITY, (LATE, LATE), Reason.DNS_TIMEOUT),
        (Agree.ALL, (OK, OK), Reason.OK),
        (Agree.ALL, (OK, BROKEN), Reason.DNS_MISMATCH),
        (Agree.ALL, (OK, LATE), Reason.DNS_TIMEOUT),
        (Agree.ANY, (OK, BROKEN, BROKEN), Reason.OK),
    ],
)
def test_how_many_must_agree(agree, readings, reason):
    assert settled(agree, *readings).reason is reason


@pytest.mark.parametrize(("ttls", "longest"), [((60.0,), 60.0), ((5.0, 300.0, None), 300.0)])
def test_the_longest_ttl_of_all_that_answer_well_is_kept(ttls, longest):
    assert settled(Agree.MAJORITY, *(Reading(Reason.OK, ttl=ttl) for ttl in ttls)).ttl == longest


READINGS = st.lists(st.sampled_from([OK, BROKEN, LATE]), min_size=1)


@given(READINGS, st.sampled_from(Agree))
def test_votes_without_a_good_answer_never_pass(readings, agree):
    reading = settled(agree, *readings)
    good, voted = readings.count(OK), len(readings) - readings.count(LATE)
    if reading.reason is Reason.OK:
        enough = {Agree.ALL: len(readings), Agree.ANY: 1, Agree.MAJORITY: voted}[agree]
        assert good >= max(1, enough)
    if not good:
        assert reading.outcome is Outcome.FAIL
    if len(readings) > 1 and agree is Agree.MAJORITY and good * 2 < voted:
        assert reading.outcome is Outcome.FAIL


@given(READINGS, st.sampled_from(Agree), st.randoms())
def test_the_order_of_servers_decides_nothing(readings, agree, dice):
    votes = [Vote(f"r{n}", each, each is not LATE) for n, each in enumerate(readings)]
    reading = settle(votes, agree)
    dice.shuffle(votes)
    assert settle(votes, agree) == reading


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_random_bytes_are_never_a_crash_and_never_a_pass(answered_by, data):
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

    if (
        answered_by(answer).reason is not Reason.DNS_SERVFAIL
    ):  # the bytes may by chance be an answer
        assert shape == "question"
        assert junk


@pytest.mark.parametrize(
    ("rcode", "answered"),
    [(dns.rcode.NOERROR, True), (dns.rcode.NXDOMAIN, True), (dns.rcode.SERVFAIL, False)],
)
def test_that_there_is_no_such_name_is_an_answer(rcode, answered):
    message = dns.message.make_response(dns.message.make_query("sms.example.com", "A"))
    message.set_rcode(rcode)
    assert _resolves(DnsReply(Peer("127.0.0.1", 53), 0.0, message)) is answered
    assert not _resolves(DnsReply(Peer("127.0.0.1", 53), 0.0))


@pytest.mark.usefixtures("impatient")
def test_it_says_whether_our_own_resolver_answered(monkeypatch, answered_by):
    nobody = type("Nobody", (), {"nameservers": ("127.9.9.9",)})()
    monkeypatch.setattr(dns.resolver, "Resolver", lambda _path: nobody)
    for authoritative in (False, True):
        probe = Dns(query="sms.example.com", authoritative=authoritative)
        assert observe(probe).resolver is False
    reading = answered_by(made("sms.example.com. 60 IN A 192.0.2.1"))
    assert (reading.reason, reading.resolver) == (Reason.OK, None), "it was not asked"
