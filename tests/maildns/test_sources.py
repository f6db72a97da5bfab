"""What several resolvers' words on one question come to."""

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.maildns.answer import Found, State
from beacon.maildns.sources import Authority, Resolvers, combine
from beacon.net.udp import Peer

ANSWER = Found(State.THERE)
VERIFIED = Found(State.THERE, verified=True)
GONE = Found(State.GONE)
BOGUS = Found(State.FAILED, why="bogus says A", bogus=True)
AGAIN = Found(State.FAILED, why="bogus says B", bogus=True)
FAILED = Found(State.FAILED, why="SERVFAIL")
SILENT = Found(State.FAILED, why="no answer", silent=True)


@pytest.mark.parametrize(
    ("answers", "found", "doubt"),
    [
        ([ANSWER], ANSWER, ""),
        ([GONE, SILENT], GONE, ""),
        ([FAILED, ANSWER], ANSWER, ""),
        ([ANSWER, VERIFIED], VERIFIED, ""),
        ([BOGUS, ANSWER], ANSWER, "bogus says A"),
        ([ANSWER, BOGUS], ANSWER, "bogus says A"),
        ([BOGUS, ANSWER, VERIFIED], VERIFIED, "bogus says A"),
        ([BOGUS, AGAIN, ANSWER], BOGUS, ""),
        ([ANSWER, BOGUS, VERIFIED, AGAIN], BOGUS, ""),
        ([BOGUS], BOGUS, ""),
        ([SILENT, BOGUS], BOGUS, ""),
        ([FAILED, BOGUS], BOGUS, ""),
        ([SILENT, FAILED], FAILED, ""),
        ([SILENT], SILENT, ""),
    ],
)
def test_one_answer_of_many(answers, found, doubt):
    combined = combine(answers)
    assert (combined.state, combined.verified, combined.bogus, combined.why) == (
        found.state,
        found.verified,
        found.bogus,
        found.why,
    )
    assert combined.doubt == doubt


NAME = dns.name.from_text("otp.example")
SCRIPTS = {
    "bogus": (["SERVFAIL", "NOERROR", "SERVFAIL"], True, State.FAILED),
    "bogus, with its reason": (["SERVFAIL 6", "NOERROR", "SERVFAIL 6"], True, State.FAILED),
    "expired": (["SERVFAIL 7", "NOERROR", "SERVFAIL 7"], True, State.FAILED),
    "bogus, nothing without check": (["SERVFAIL 9", "NXDOMAIN", "SERVFAIL 9"], True, State.FAILED),
    "another reason beside": (["SERVFAIL 22 9", "NOERROR", "SERVFAIL 9"], True, State.FAILED),
    "other error": (["SERVFAIL 0", "NOERROR", "SERVFAIL 0"], True, State.FAILED),
    "a failure of a moment": (["SERVFAIL", "NOERROR", "NOERROR"], False, State.THERE),
    "gone a moment later": (["SERVFAIL", "NOERROR", "NXDOMAIN"], False, State.GONE),
    "fails both ways": (["SERVFAIL", "SERVFAIL"], False, State.FAILED),
    "nobody reachable": (["SERVFAIL 22"], False, State.FAILED),
    "network error": (["SERVFAIL 23"], False, State.FAILED),
    "not ready": (["SERVFAIL 14"], False, State.FAILED),
    "refused": (["REFUSED"], False, State.FAILED),
    "not authoritative": (["NOTAUTH"], False, State.FAILED),
    "answered": (["NOERROR"], False, State.THERE),
    "refused, with the bit for verified": (["REFUSED AD"], False, State.FAILED),
    "verified": (["NOERROR AD"], False, State.THERE),
}


@pytest.mark.parametrize("what", SCRIPTS)
def test_what_one_resolver_answers(udp_server, what):
    """Bytes in, word out: rcode, extended errors (RFC 8914), AD; asked again with CD."""
    script, bogus, state = SCRIPTS[what]
    lines = iter(script)

    def answer(data):
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        response.flags &= ~dns.flags.AD
        code, *rest = next(lines).split()
        response.set_rcode(dns.rcode.from_text(code))
        if "AD" in rest:
            response.flags |= dns.flags.AD
        codes = [int(each) for each in rest if each.isdigit()]
        response.use_edns(0, options=[dns.edns.EDEOption(each) for each in codes])
        if code == "NOERROR":
            response.answer.append(dns.rrset.from_text(NAME, 60, "IN", "TXT", "x"))
        return [response.to_wire()]

    server = udp_server(answer)
    resolvers = Resolvers(Run(SystemClock(), 10.0), [Peer("127.0.0.1", server.port)])
    found = resolvers(NAME, dns.rdatatype.TXT)
    assert (found.bogus, found.state) == (bogus, state)
    assert found.verified is (script == ["NOERROR AD"])
    flags = [dns.message.from_wire(data).flags for data in server.asked]
    assert [bool(each & dns.flags.CD) for each in flags] == [n == 1 for n in range(len(script))]


def test_a_server_of_ipv6_is_dead_only_where_another_answers_over_it(udp_server, free_port):
    def answer(data):
        response = dns.message.make_response(dns.message.from_wire(data))
        response.flags |= dns.flags.AA
        return [response.to_wire()]

    alive = Peer("127.0.0.1", udp_server(answer).port)
    four, six = Peer("127.0.0.1", free_port()), Peer("::1", free_port())
    run = Run(SystemClock(), 10.0)
    authority = Authority(run, NAME, (four, six, alive), lambda name, kind: SILENT)
    authority.all_at_once([(NAME, dns.rdatatype.SOA)])
    assert authority.dead() == [four]
    assert (authority.is_dead(six), authority.is_dead(alive)) == (True, False)
