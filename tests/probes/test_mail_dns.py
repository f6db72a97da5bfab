"""`mail_dns` against NSD and a validating Unbound, whose zones break in every known way."""

import dns.message
import dns.resolver
import dns.rrset
import pytest

from beacon.cli.dns_check import CheckScope, DnsCheck
from beacon.core.model import STANDING, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.probes.mail_dns import MailDns
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: mail_dns
    domains: [canary.example]
    resolvers: ["{host}:{port}"]
    authoritative: false
    """,
    mute="has no secret, and tells of public records",
)


KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
OTHER_KEY = "v=DKIM1; k=ed25519; p=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTP = f"""\
@ MX 10 mx
mx A 192.0.2.10
@ TXT "v=spf1 ip4:192.0.2.0/28 include:_spf.vendor.example -all"
@ TXT "unrelated"
_dmarc TXT "v=DMARC1; p=reject"
s1._domainkey TXT "{KEY}"
s2._domainkey CNAME s2.dkim.vendor.example.
"""
VENDOR = f"""\
_spf TXT "v=spf1 ip4:198.51.100.0/24 -all"
a A 198.51.100.1
s2.dkim TXT "{KEY}"
"""
REVERSE = "10 PTR mx.otp.example.\n11 PTR elsewhere.otp.example.\n"
SOUND = {
    "otp.example": OTP,
    "vendor.example": VENDOR,
    "other.example": OTP,
    "2.0.192.in-addr.arpa": REVERSE,
}


@pytest.fixture(scope="module")
def server(zone_server):
    return zone_server(*SOUND)


@pytest.fixture(scope="module")
def serve(server):
    """Serve sound zones, with the sender's domain so changed."""
    served = []

    def change(*edits):
        text = OTP
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        if served != [text]:
            server.serve(SOUND | {"otp.example": text})
            served[:] = [text]

    return change


@pytest.fixture(scope="module")
def resolver(server, validating):
    return validating(server)


@pytest.fixture
def observe(server, resolver):
    """Run the probe once on the sender's domain."""

    def run(budget=60.0, notes=None, **settings):
        given = {
            "domains": ("otp.example",),
            "selectors": ("s1", "s2"),
            "senders": ("192.0.2.10",),
            "resolvers": (resolver,),
            "authoritative": (server.at,),
        } | settings
        probe = MailDns(**given)
        assert not list(probe.faults())
        one = Run(SystemClock(), budget)
        reading = one.take(probe)
        if notes is not None:
            notes += one.notes
        return reading

    return run


pytestmark = pytest.mark.integration


@pytest.mark.parametrize("authoritative", [True, False])
def test_a_sound_domain_passes_with_its_ttl(serve, observe, server, authoritative):
    serve()
    reading = observe(authoritative=(server.at,) if authoritative else False)
    assert reading.reason is Reason.OK, reading.detail
    assert reading.detail == "otp.example: 1 SPF terms, 2 DKIM keys"
    assert reading.ttl == (300.0 if authoritative else 0.0)  # our resolver keeps nothing
    assert reading.latency is not None
    assert reading.resolver is None


SPF = '@ TXT "v=spf1 ip4:192.0.2.0/28 include:_spf.vendor.example -all"\n'


def spf(text, *more):
    return (SPF, f'@ TXT "{text}"\n' + "\n".join(more))


NINE = " ".join(f"a:h{n}.otp.example" for n in range(9))
HOSTS = "".join(f"h{n} A 203.0.113.{n}\n" for n in range(9))

BROKEN = {
    "removed SPF": ([(SPF, "")], Reason.SPF_MISSING, "no SPF record at otp.example"),
    "two records": (
        [spf("v=spf1 ip4:192.0.2.10 -all", '@ TXT "v=spf1 mx -all"\n')],
        Reason.SPF_PERMERROR,
        "2 SPF records at otp.example",
    ),
    "nine terms": (
        [spf(f"v=spf1 ip4:192.0.2.10 {NINE} -all", HOSTS)],
        Reason.SPF_NEAR_LIMIT,
        "SPF takes 9 of 10 terms",
    ),
    "void look-ups": (
        [spf("v=spf1 a:x1.otp.example a:x2.otp.example a:x3.otp.example -all")],
        Reason.SPF_PERMERROR,
        "more than 2 look-ups that find nothing; A of x3.otp.example",
    ),
    "dead include behind": (
        [spf("v=spf1 ip4:192.0.2.10 include:_gone.vendor.example -all")],
        Reason.SPF_NEAR_LIMIT,
        "SPF passes for the senders, but its tree is broken after them",
    ),
    "sender left out": (
        [spf("v=spf1 ip4:192.0.2.99 ~all")],
        Reason.SPF_FAIL,
        "SPF says softfail for 192.0.2.10 (~all of otp.example)",
    ),
    "no key": (
        [(f's1._domainkey TXT "{KEY}"', "")],
        Reason.DKIM_MISSING,
        "DKIM selector s1: there is no key at s1._domainkey.otp.example",
    ),
    "revoked": ([(KEY, "v=DKIM1; p=")], Reason.DKIM_REVOKED, "the key is revoked"),
    "a key in quotes": (
        [(f's1._domainkey TXT "{KEY}"', f's1._domainkey TXT "{KEY[:40]}\\" \\"{KEY[40:]}"')],
        Reason.DKIM_MISSING,
        "p= contains '\"', which is not base64",
    ),
    "two keys": (
        [(f's1._domainkey TXT "{KEY}"', f's1._domainkey TXT "{KEY}"\ns1._domainkey TXT "{KEY}A"')],
        Reason.DKIM_MISSING,
        "there are 2 keys",
    ),
    "vendor's key gone": (
        [("s2.dkim.vendor", "s3.dkim.vendor")],
        Reason.DKIM_MISSING,
        "at s2._domainkey.otp.example, through s3.dkim.vendor.example",
    ),
    "alias to itself": ([("s2.dkim.vendor.example.", "s2._domainkey")], Reason.DNS_SERVFAIL, ""),
    "aliases in a circle": (
        [("s2.dkim.vendor.example.", "loop"), ("mx A", "loop CNAME pool\npool CNAME loop\nmx A")],
        Reason.DNS_SERVFAIL,
        "",
    ),
    "no DMARC": ([("_dmarc TXT", "_other TXT")], Reason.DMARC_MISSING, "no DMARC record at"),
    "null MX": (
        [("@ MX 10 mx", "@ MX 0 .")],
        Reason.MX_MISSING,
        "no mail exchanger with an address",
    ),
    "dead MX": ([("@ MX 10 mx", "@ MX 10 nowhere")], Reason.MX_MISSING, "takes no mail"),
    "neither MX nor address": ([("@ MX 10 mx", "")], Reason.MX_MISSING, "neither MX nor address"),
    "forward gone": (
        [("mx A 192.0.2.10", "mx A 192.0.2.12")],
        Reason.PTR_MISMATCH,
        "192.0.2.10 has a name that leads elsewhere",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_every_fault_is_named(serve, observe, fault):
    edits, reason, words = BROKEN[fault]
    serve(*edits)
    reading = observe()
    assert reading.reason is reason, reading.detail
    assert words in reading.detail
    assert len(reading.detail) <= 200


def test_everything_that_vanished_is_named(serve, observe):
    """Incidents keep the detail, and with it which records were gone."""
    serve(
        (SPF, ""), ("@ MX 10 mx", ""), ("_dmarc TXT", "_d TXT"), ("s1._domainkey", "s8._domainkey"),
        ("s2._domainkey", "s9._domainkey"),
    )  # fmt: skip
    reading = observe(senders=("192.0.2.10", "192.0.2.9"))
    assert reading.reason is Reason.SPF_MISSING
    # Unbound may remember the alias a moment longer: a disagreement, behind all this.
    assert reading.detail.removesuffix(", resolver_disagreement") == (
        "no SPF record at otp.example; also dkim_missing s1, s2, mx_missing, dmarc_missing, "
        "ptr_mismatch 192.0.2.9"
    )


def test_what_does_not_fit_is_counted(serve, observe):
    serve((SPF, ""))
    many = tuple(f"selector-number-{number}" for number in range(40))
    reading = observe(selectors=many)
    detail = reading.detail
    assert detail.startswith(
        "no SPF record at otp.example; also dkim_missing selector-number-0, selector-number-1, "
    )
    assert detail.endswith(" more")
    assert len(detail) <= 200
    named, more = detail.count("selector-number"), int(detail.split()[-2])
    assert named + more == 40
    assert reading.records == (
        "spf_missing TXT otp.example",
        *(f"dkim_missing TXT {name}._domainkey.otp.example" for name in many),
    )


def test_removing_spf_shows_how_long_caches_keep_the_hole(serve, observe):
    """The texts that are left keep their TTL; a name without any has the negative one."""
    serve((SPF, ""), ('@ TXT "unrelated"\n', ""))
    reading = observe()
    assert (reading.reason, reading.ttl) == (Reason.SPF_MISSING, 60.0)


def test_settings_leave_out_what_a_domain_does_not_have(serve, observe):
    serve((SPF, ""), ("_dmarc TXT", "_other TXT"), ("@ MX 10 mx", ""))
    assert observe(spf=False, dmarc=False, mx=False).reason is Reason.OK


def test_an_address_without_a_name(serve, observe):
    serve()
    reading = observe(senders=("192.0.2.10", "192.0.2.9"))
    assert (reading.reason, reading.detail) == (Reason.PTR_MISMATCH, "192.0.2.9 has no name")


def test_a_domain_that_does_not_exist_has_no_other_trouble(serve, observe):
    serve()
    reading = observe(domains=("gone.otp.example",))
    assert (reading.reason, reading.detail) == (
        Reason.DNS_NXDOMAIN,
        "gone.otp.example does not exist",
    )


def test_the_worst_of_several_domains_is_reported(serve, observe):
    serve((KEY, "v=DKIM1; p="))
    reading = observe(domains=("other.example", "otp.example"))
    assert reading.reason is Reason.DKIM_REVOKED
    assert "otp.example" in reading.detail


# --- who says what ----------------------------------------------------------------


@pytest.fixture(scope="module")
def other(zone_server):
    return zone_server("otp.example")


@pytest.fixture(scope="module")
def lame(zone_server):
    return zone_server("vendor.example")


HALF = {
    "no SPF": (SPF, "", Reason.SPF_MISSING, "only: no SPF record at otp.example"),
    "no key": (f's1._domainkey TXT "{KEY}"\n', "", Reason.DKIM_MISSING, "only: DKIM selector s1"),
    "in the tree": (
        "include:_spf.vendor.example",
        "include:gone.vendor.example",
        Reason.SPF_NEAR_LIMIT,
        "its tree is broken after them",
    ),
}


@pytest.mark.parametrize("what", HALF)
def test_a_half_broken_zone_is_judged_alike_in_any_order(serve, observe, server, other, what):
    """Half of the receivers see what one server says: it counts, and it is named."""
    old, new, reason, words = HALF[what]
    serve()
    other.serve({"otp.example": OTP.replace(old, new)})
    notes = []
    both = [observe(authoritative=each, notes=notes) for each in (
        (server.at, other.at), (other.at, server.at),
    )]  # fmt: skip
    assert both[0].detail == both[1].detail
    assert {reading.reason for reading in both} <= {reason, Reason.RESOLVER_DISAGREEMENT}
    found = [note for note in notes if words in note]
    assert found
    assert all(f"at {other.at} only: " in note for note in found)


def test_where_servers_differ_the_difference_is_reported(serve, observe, server, other):
    serve()
    other.serve({"otp.example": OTP.replace("p=reject", "p=none")})
    notes = []
    reading = observe(authoritative=(server.at, other.at), notes=notes)
    assert reading.reason is Reason.RESOLVER_DISAGREEMENT
    one, two = f"{server.at} has v=DMARC1; p=reject", f"{other.at} has v=DMARC1; p=none"
    first, second = sorted((one, two))
    assert any(f"TXT of _dmarc.otp.example: {first}, {second}" in note for note in notes), notes
    assert any("SOA of otp.example: " in note and "serial" in note for note in notes)


def test_a_dead_server_of_several_is_an_advisory(serve, observe, server, silent_resolver):
    serve()
    reading = observe(authoritative=(silent_resolver, server.at), budget=15.0)
    assert reading.reason is Reason.NAMESERVER_DEAD, reading.detail
    assert reading.reason in STANDING
    assert reading.detail.startswith(
        f"one of the servers of otp.example is dead: {silent_resolver}: no ans"
    )


def test_a_server_that_refuses_connections_or_has_no_address_is_dead(
    serve, observe, server, free_port
):
    serve()
    reading = observe(authoritative=(server.at, f"127.0.0.1:{free_port()}"))
    assert reading.reason is Reason.NAMESERVER_DEAD, reading.detail
    reading = observe(authoritative=(server.at, "ns9.otp.example"))
    assert reading.reason is Reason.NAMESERVER_DEAD, reading.detail
    assert "ns9.otp.example:53 has no address" in reading.detail


def test_a_removed_record_counts_though_resolvers_still_have_it(serve, observe, other):
    """What the zone says is what everybody will see; resolvers forget within a TTL."""
    serve()
    other.serve({"otp.example": OTP.replace(SPF, "")})
    assert observe(authoritative=(other.at,)).reason is Reason.SPF_MISSING


def test_a_lame_server_is_a_warning(serve, observe, server, lame):
    serve()
    reading = observe(authoritative=(server.at, lame.at))
    assert reading.reason is Reason.RESOLVER_DISAGREEMENT
    assert "lame delegation" in reading.detail


def test_only_lame_servers(serve, observe, lame):
    serve()
    reading = observe(authoritative=(lame.at,))
    assert reading.reason is Reason.RESOLVER_DISAGREEMENT
    assert "none of the servers of otp.example is authoritative for it" in reading.detail


def test_an_answer_that_points_to_itself_by_hand(udp_server):
    """A resolver that answers every question with an alias to the name asked for."""

    def answer(data):
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        name = query.question[0].name
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", name.to_text()))
        yield response.to_wire()

    server = udp_server(answer)
    probe = MailDns(
        domains=("otp.example",), resolvers=(f"127.0.0.1:{server.port}",), authoritative=False
    )
    reading = Run(SystemClock(), 3.0).take(probe)
    assert reading.reason is Reason.DNS_SERVFAIL
    assert "aliases in a circle" in reading.detail


# --- settings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "where", "words"),
    [
        ({"domains": ()}, ("domains",), "0 domains"),
        ({"domains": ("a.example",) * 11}, ("domains",), "11 domains"),
        ({"domains": ("a.example", "a@b.example")}, ("domains", 1), "not a domain that sends mail"),
        ({"selectors": ("s1", "x.otp.example")}, ("selectors", 1), "not a selector"),
        ({"selectors": ("otp.example",)}, ("selectors", 0), "not a selector"),
        ({"selectors": ("k" * 64,)}, ("selectors", 0), "not a selector"),
        ({"senders": ("mail.example",)}, ("senders", 0), "not an address"),
        ({"senders": ("fe80::1%eth0",)}, ("senders", 0), "not an address"),
        ({"resolvers": ("dns.example",)}, ("resolvers", 0), "not an address"),
        ({"resolvers": ("192.0.2.1:x",)}, ("resolvers", 0), "not an address"),
        ({"authoritative": ("a..b",)}, ("authoritative", 0), "not a server"),
        ({"golden": "/nowhere"}, ("golden",), "cannot read /nowhere"),
    ],
)
def test_wrong_settings_are_named(settings, where, words):
    [fault] = MailDns(**{"domains": ("otp.example",)} | settings).faults()
    assert fault.path == where
    assert words in fault.message


# --- a golden file, our own resolver, servers by name -----------------------------


@pytest.fixture
def kept(serve, resolver, server, tmp_path):
    """The golden file of the sound domain."""
    serve()
    how = CheckScope(resolvers=(resolver,), servers=(server.at,), selectors=("s1", "s2"))
    text, found = DnsCheck(SystemClock(), how).golden(["otp.example"])
    assert found == []
    (tmp_path / "golden.yaml").write_text(text)
    return tmp_path / "golden.yaml"


@pytest.mark.parametrize(
    ("edit", "reason", "words"),
    [
        (("@ MX 10 mx", "@ MX 10 mx\n@ MX 5 ns1"), Reason.RECORD_CHANGED, "new 5 ns1.otp.example."),
        ((f's1._domainkey TXT "{KEY}"', ""), Reason.RECORD_MISSING, "the key of selector s1"),
    ],
)
def test_what_is_not_as_in_the_golden_file(kept, serve, observe, edit, reason, words):
    settings = {"golden": str(kept), "selectors": ()}
    assert observe(**settings).reason is Reason.OK
    serve(edit)
    reading = observe(**settings)
    assert reading.reason is reason, reading.detail
    assert words in reading.detail or "TXT of s1._domainkey" in reading.detail


def test_a_golden_file_of_other_domains_is_a_mistake(kept):
    [fault] = MailDns(domains=("other.example",), golden=str(kept)).faults()
    assert (fault.path, "does not know other.example" in fault.message) == (("golden",), True)


def test_a_golden_file_that_went_away(kept, observe):
    probe = MailDns(domains=("otp.example",), golden=str(kept), resolvers=("127.0.0.1:9",))
    kept.write_text("[]")
    reading = Run(SystemClock(), 2.0).take(probe)
    assert (reading.reason, "not a golden file" in reading.detail) == (Reason.INTERNAL_ERROR, True)


def test_a_machine_without_a_resolver(monkeypatch):
    """Where /etc/resolv.conf names none: the resolver of dnspython finds no file."""

    def none(path):
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "Resolver", none)
    reading = Run(SystemClock(), 1.0).take(MailDns(domains=("otp.example",)))
    assert (reading.reason, reading.resolver) == (Reason.OWN_NETWORK, False)


@pytest.fixture
def at_53(resolver, at_port_53):
    """An address of this machine whose port 53 leads to the resolver."""
    return at_port_53(resolver)


def test_our_own_resolver_that_answers_is_known_to_answer(serve, server, at_53, monkeypatch):
    serve()
    ours = type("Ours", (), {"nameservers": (at_53,)})
    monkeypatch.setattr(dns.resolver, "Resolver", lambda path: ours)
    probe = MailDns(domains=("otp.example",), authoritative=(server.at,))
    reading = Run(SystemClock(), 3.0).take(probe)
    assert (reading.reason, reading.resolver) == (Reason.OK, True)


def test_servers_that_cannot_be_found_leave_it_to_the_resolvers(serve, observe):
    """ns1 of the zone has an address where nobody listens at port 53, or no address at all."""
    serve()
    notes = []
    reading = observe(authoritative=("ns9.otp.example",), notes=notes)
    assert reading.reason is Reason.OK, reading.detail


def test_the_servers_a_zone_is_delegated_to_are_asked(serve, observe):
    serve()
    notes = []
    reading = observe(authoritative=True, notes=notes, budget=15.0)
    assert any("ns1.otp.example:53" in note for note in notes)
    assert reading.reason is Reason.RESOLVER_DISAGREEMENT, reading.detail
    assert "none of the servers of otp.example is authoritative for it" in reading.detail
