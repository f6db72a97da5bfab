"""`mail_dns` and signatures: NSD with a signed tree, two Unbounds that check, one that does not."""

import socket

import dns.dnssec
import dns.name
import pytest

from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.probes.mail_dns import MailDns

KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
DOMAIN = f"""\
@ MX 10 mx
mx A 192.0.2.10
@ TXT "v=spf1 ip4:192.0.2.10 include:_spf include:_spf.vendor.tld -all"
_spf TXT "v=spf1 ip4:192.0.2.11 -all"
_dmarc TXT "v=DMARC1; p=reject"
s1._domainkey TXT "{KEY}"
s2._domainkey CNAME alias
alias CNAME s2.dkim.plain.tld.
"""
CHILDREN = ("codes.tld", "nods.tld", "expired.tld", "half.tld", "vendor.tld", "plain.tld")
SIGNED = {
    "tld": 30.0,
    "codes.tld": 30.0,
    "vendor.tld": 30.0,
    "nods.tld": 30.0,  # without DS above: nobody can follow the chain to it
    "expired.tld": -5.0,
    "half.tld": 30.0,
}
TRUSTED = ("codes.tld", "vendor.tld", "expired.tld", "half.tld")

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(zone_server):
    server = zone_server("tld", *CHILDREN)
    above = "".join(f"{name}. NS ns1.{name}.\nns1.{name}. A 127.0.0.1\n" for name in CHILDREN)
    for name in TRUSTED:
        ds = dns.dnssec.make_ds(dns.name.from_text(name), server.dnskey, "SHA256")
        above += f"{name}. DS {ds.to_text()}\n"
    texts = {name: DOMAIN.replace("_spf ", f"_spf.{name} ", 1) for name in CHILDREN}
    texts["half.tld"] = texts["half.tld"].replace(
        "alias CNAME s2.dkim.plain.tld.", "alias CNAME s2.nods.tld."
    )
    texts["nods.tld"] += f's2 TXT "{KEY}"\n'
    texts["vendor.tld"] += '_spf TXT "v=spf1 ip4:198.51.100.0/24 -all"\n'
    texts["vendor.tld"] = texts["vendor.tld"].replace('_spf TXT "v=spf1 ip4:192.0.2.11 -all"\n', "")
    texts["plain.tld"] += f's2.dkim TXT "{KEY}"\n'
    server.serve({"tld": above, **texts}, signed=SIGNED)
    return server


@pytest.fixture(scope="module")
def resolvers(server, validating):
    """V and W check signatures, P does not, D is dead."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dead:
        dead.bind(("127.0.0.1", 0))
        yield {
            "V": validating(server, "tld"),
            "W": validating(server, "tld"),
            "P": validating(server),
            "D": f"127.0.0.1:{dead.getsockname()[1]}",
        }


TABLE = [
    # a chain of trust to everything that is the domain's own
    ("V", "codes.tld", True, Reason.OK, ""),
    ("VW", "codes.tld", True, Reason.OK, ""),
    ("PV", "codes.tld", True, Reason.OK, ""),
    ("DV", "codes.tld", True, Reason.OK, ""),
    ("VP", "codes.tld", False, Reason.OK, ""),
    # an alias is checked, what it leads to outside need not be: signed without DS, or unsigned
    ("V", "half.tld", True, Reason.OK, ""),
    # nobody checks, or the one who does is dead
    ("P", "codes.tld", True, Reason.RECORD_MISSING, "none of them checks"),
    ("DP", "codes.tld", True, Reason.DNS_TIMEOUT, "is silent"),
    ("DP", "codes.tld", False, Reason.OK, ""),
    # the DS removed: a vendor's signed text vouches for the vendor alone
    ("V", "nods.tld", True, Reason.RECORD_MISSING, "no chain of trust"),
    ("VP", "nods.tld", True, Reason.RECORD_MISSING, "no chain of trust"),
    ("VD", "nods.tld", True, Reason.RECORD_MISSING, "no chain of trust"),
    ("V", "nods.tld", False, Reason.OK, ""),
    ("V", "plain.tld", True, Reason.RECORD_MISSING, "no chain of trust"),
    # bogus: one that says so beside others is a disagreement, two are believed
    ("V", "expired.tld", False, Reason.DNSSEC_BOGUS, "an answer when signatures are not checked"),
    ("V", "expired.tld", True, Reason.DNSSEC_BOGUS, "an answer when signatures are not checked"),
    ("VP", "expired.tld", False, Reason.RESOLVER_DISAGREEMENT, "other resolvers answer"),
    ("PV", "expired.tld", False, Reason.RESOLVER_DISAGREEMENT, "other resolvers answer"),
    ("VP", "expired.tld", True, Reason.DNSSEC_BOGUS, "other resolvers answer"),
    ("PV", "expired.tld", True, Reason.DNSSEC_BOGUS, "other resolvers answer"),
    ("VW", "expired.tld", False, Reason.DNSSEC_BOGUS, "an answer when signatures are not checked"),
    ("VPW", "expired.tld", False, Reason.DNSSEC_BOGUS, "an answer when signatures are not checked"),
    ("PWV", "expired.tld", True, Reason.DNSSEC_BOGUS, "an answer when signatures are not checked"),
    ("P", "expired.tld", False, Reason.OK, ""),
]


@pytest.mark.parametrize(
    ("asked", "domain", "required", "reason", "words", "authoritative"),
    # The dead one costs two fifths of a run, whoever else is asked: once is enough.
    [(*row, zone) for row in TABLE for zone in ((False,) if "D" in row[0] else (True, False))],
)
def test_what_resolvers_say_of_signatures(
    server, resolvers, asked, domain, required, reason, words, authoritative
):
    probe = MailDns(
        domains=(domain,),
        selectors=("s1", "s2"),
        resolvers=tuple(resolvers[one] for one in asked),
        authoritative=(server.at,) if authoritative else False,
        dnssec="required" if required else "if signed",
    )
    # A dead one costs two fifths of the run; a machine in use has a minute for the others.
    run = Run(SystemClock(), 15.0 if "D" in asked else 60.0)
    reading = run.take(probe)
    assert reading.reason is reason, [reading.detail, *run.notes]
    assert words in reading.detail
