"""`beacon dns golden` and `beacon dns check`, by the command line, against NSD and Unbound."""

import json
import re
import textwrap

import pytest
import yaml

from beacon.cli import main as cli
from beacon.maildns import golden, zone
from beacon.maildns.golden import GoldenRefused

KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
OTHER_KEY = "v=DKIM1; k=ed25519; p=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SPF = '@ TXT "v=spf1 ip4:192.0.2.0/28 include:_spf.vendor.example -all"\n'
OTP = f"""\
@ MX 10 mx
mx A 192.0.2.10
{SPF}@ TXT "unrelated"
_dmarc TXT "v=DMARC1; p=reject"
s1._domainkey TXT "{KEY}"
s2._domainkey CNAME s2.dkim.vendor.example.
"""
VENDOR = f'_spf TXT "v=spf1 ip4:198.51.100.0/24 -all"\ns2.dkim TXT "{KEY}"\n'
REVERSE = "10 PTR mx.otp.example.\n"
HEAD = (
    "$ORIGIN otp.example.\n$TTL 300\n@ SOA ns1 host 9 3600 600 86400 60\n"
    "@ NS ns1\nns1 A 127.0.0.1\n"
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(zone_server):
    return zone_server("otp.example", "vendor.example", "2.0.192.in-addr.arpa")


@pytest.fixture(scope="module")
def resolver(server, validating):
    return validating(server)


SOUND = {"otp.example": OTP, "vendor.example": VENDOR, "2.0.192.in-addr.arpa": REVERSE}


@pytest.fixture(scope="module")
def sound(server):
    """Serve the sound zones; where they are served already, nothing is done."""
    served = {}

    def change(**texts):
        wanted = SOUND | texts
        if wanted != served:
            server.serve(wanted)
            served.clear()
            served.update(wanted)

    return change


@pytest.fixture
def serve(sound):
    """Change the zone of the sender; the next test finds it sound."""
    sound()
    return lambda otp=OTP, **others: sound(**{"otp.example": otp} | others)


@pytest.fixture
def beacon(server, resolver, capsys):
    """Run `beacon dns …`: status, what it prints, what it complains of."""

    def run(command, *arguments, ask=True):
        asked = ["--resolver", resolver] if ask else []
        try:
            status = cli.main(["dns", command, *arguments, *asked])
        except SystemExit as ended:
            status = ended.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def golden_text():
    """The golden file of the sound domain, once it is taken."""
    return []


@pytest.fixture
def kept(serve, beacon, server, tmp_path, golden_text):
    """The golden file of the sound domain."""
    how = ["--selector", "s1", "--selector", "s2", "--sender", "192.0.2.10", "--server", server.at]
    if not golden_text:
        status, out, err = beacon("golden", "OTP.example.", *how)
        assert (status, err) == (0, "")
        golden_text.append(out)
    path = tmp_path / "golden.yaml"
    path.write_text(golden_text[0])
    return path


@pytest.fixture
def proposed(tmp_path):
    """Write a zone file with these edits."""

    def write(*edits, head=HEAD):
        text = OTP
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "new.zone"
        path.write_text(head + text)
        return str(path)

    return write


GOLDEN = """\
# The DNS records that mail from these domains depends on, as they were when taken.
# `beacon dns check` compares the DNS, a server or a proposed zone file with them.
# `ttl`, `servers`, `resolvers` and `taken` are for people: they are not compared.
golden: 1
taken: 'NOW'
resolvers:
- RESOLVER
domains:
  otp.example:
    selectors:
    - s1
    - s2
    senders:
    - 192.0.2.10
    servers:
    - SERVER
    spf_terms: 1
    records:
    - name: 10.2.0.192.in-addr.arpa
      type: PTR
      ttl: 300
      values:
      - mx.otp.example.
    - name: otp.example
      type: MX
      ttl: 300
      values:
      - 10 mx.otp.example.
    - name: otp.example
      type: NS
      ttl: 300
      values:
      - ns1.otp.example.
    - name: otp.example
      type: TXT
      ttl: 300
      values:
      - v=spf1 ip4:192.0.2.0/28 include:_spf.vendor.example -all
    - name: _dmarc.otp.example
      type: TXT
      ttl: 300
      values:
      - v=DMARC1; p=reject
    - name: s1._domainkey.otp.example
      type: TXT
      ttl: 300
      values:
      - v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
    - name: s2._domainkey.otp.example
      type: CNAME
      ttl: 300
      values:
      - s2.dkim.vendor.example.
"""


def test_the_golden_file_reads_well(kept, server, resolver):
    text = re.sub(r"taken: '[-0-9T:]+Z'", "taken: 'NOW'", kept.read_text())
    text = text.replace(server.at, "SERVER").replace(resolver, "RESOLVER")
    text = text.replace("ttl: 0", "ttl: 300")  # our resolver keeps nothing
    assert text == GOLDEN


def test_the_same_is_the_same_everywhere(kept, beacon, server, proposed):
    for how in ([], ["--server", server.at], ["--zone", proposed()]):
        status, out, err = beacon("check", str(kept), *how)
        assert (status, err) == (0, ""), out
        assert "otp.example: as it should be" in out
        assert "SPF: readable, 1 of 10 terms that ask the DNS" in out
        assert "fail" not in out
    status, out, _ = beacon("check", str(kept), "--json")
    assert json.loads(out)["domains"]["otp.example"]["spf"]["result"] == "readable"


ELEVEN = " ".join(f"a:h{n}.otp.example" for n in range(10))
HOSTS = "".join(f"h{n} A 203.0.113.{n}\n" for n in range(10))

FAULTS = {
    "SPF removed": ((SPF, ""), "spf_missing", "no SPF record at otp.example"),
    "an eleventh term": (
        (SPF, f'@ TXT "v=spf1 include:_spf.vendor.example {ELEVEN} -all"\n{HOSTS}'),
        "spf_permerror",
        "a:h9.otp.example of otp.example is one too many",
    ),
    "a lost selector": ((f's1._domainkey TXT "{KEY}"\n', ""), "dkim_missing", "selector s1"),
    "a vendor's selector": (
        ("s2._domainkey CNAME", "s3._domainkey CNAME"),
        "dkim_missing",
        "selector s2",
    ),
    "a revoked key": (
        (f's1._domainkey TXT "{KEY}"', 's1._domainkey TXT "v=DKIM1; p="'),
        "dkim_revoked",
        "s1",
    ),
    "a second SPF": ((SPF, SPF + '@ TXT "v=spf1 -all"\n'), "spf_permerror", "2 SPF records"),
    "the sender left out": (("192.0.2.0/28", "192.0.2.32/28"), "spf_fail", "192.0.2.10"),
    "DMARC removed": (("_dmarc TXT", "_d TXT"), "dmarc_missing", "_dmarc.otp.example"),
    "no MX": (("@ MX 10 mx\n", ""), "mx_missing", "neither MX nor address"),
    "another MX": (
        ("@ MX 10 mx\n", "@ MX 10 mx\n@ MX 5 ns1\n"),
        "record_changed",
        "new 5 ns1.otp.example.",
    ),
    "another key": (
        (f's1._domainkey TXT "{KEY}"', f's1._domainkey TXT "{OTHER_KEY}"'),
        "record_changed",
        "lost v=DKIM1",
    ),
    "aliases in a circle": (
        ("s2.dkim.vendor.example.", "loop\nloop CNAME s2._domainkey"),
        "dns_servfail",
        "in a circle",
    ),
}


def test_a_vendor_may_change_its_key_behind_an_alias(kept, beacon, server, serve):
    """Rotation is normal; the alias must stay, and lead to a key."""
    assert KEY not in kept.read_text().partition("s2._domainkey")[2]
    serve(**{"vendor.example": VENDOR.replace(KEY, OTHER_KEY)})
    for how in ([], ["--server", server.at]):
        assert beacon("check", str(kept), *how)[0] == 0
    serve(**{"vendor.example": VENDOR.replace(KEY, "v=DKIM1; p=")})
    status, out, _ = beacon("check", str(kept))
    assert status == 1
    assert "dkim_revoked" in out


ALIASES = {
    "another vendor": ("s2.dkim.vendor.example.", "s1._domainkey", "record_changed"),
    "a key of our own": (
        "s2._domainkey CNAME s2.dkim.vendor.example.",
        f's2._domainkey TXT "{KEY}"',
        "record_missing",
    ),
}


@pytest.mark.parametrize("what", ALIASES)
def test_an_alias_that_changes_is_reported(kept, beacon, proposed, what):
    old, new, reason = ALIASES[what]
    status, out, _ = beacon("check", str(kept), "--zone", proposed((old, new)), "--json")
    assert status == 1
    assert [(r, "CNAME of s2._domainkey.otp.example" in text) for r, text in troubles_of(out)] == [
        (reason, True)
    ]


def test_a_policy_behind_an_alias_must_stay_too(serve, beacon, server, proposed, tmp_path):
    away = ('_dmarc TXT "v=DMARC1; p=reject"', "_dmarc CNAME otp._dmarc.vendor.example.")
    policy = 'otp._dmarc TXT "v=DMARC1; p=none"\n'
    serve(OTP.replace(*away), **{"vendor.example": VENDOR + policy})
    path = tmp_path / "golden.yaml"
    path.write_text(beacon("golden", "otp.example", "--server", server.at)[1])
    assert "otp._dmarc.vendor.example." in path.read_text()
    changed = VENDOR + policy.replace("none", "reject")
    serve(OTP.replace(*away), **{"vendor.example": changed})
    assert beacon("check", str(path))[0] == 0
    serve(OTP.replace(*away))
    status, out, _ = beacon("check", str(path))
    assert status == 1
    assert "dmarc_missing" in out


@pytest.mark.parametrize("fault", FAULTS)
def test_a_proposed_zone_is_refused(kept, beacon, proposed, fault):
    edit, reason, words = FAULTS[fault]
    status, out, _ = beacon("check", str(kept), "--zone", proposed(edit), "--json")
    found = json.loads(out)
    assert (status, found["status"]) == (1, "differs")
    troubles = found["domains"]["otp.example"]["troubles"]
    assert troubles[0]["reason"] == reason, troubles
    assert words in troubles[0]["text"]
    assert bool(troubles[0]["receivers"]) is (reason != "dns_servfail")


@pytest.mark.parametrize("fault", ["SPF removed", "another MX"])
def test_live_dns_and_a_server_are_refused_alike(kept, beacon, server, serve, fault):
    edit, reason, _ = FAULTS[fault]
    serve(OTP.replace(*edit))
    for how in ([], ["--server", server.at]):
        status, out, _ = beacon("check", str(kept), *how)
        assert status == 1, out
        assert f"fail {reason}" in out


def test_the_message_says_who_stops_receiving_codes(kept, beacon, proposed, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    config = tmp_path / "beacon.yaml"
    config.write_text(
        textwrap.dedent("""\
        site: soc
        services:
          - name: Mailed codes
            endpoints:
              - {name: code, type: http, url: "https://idp.example.com/", evidence: symptom}
              - {name: domain, type: mail_dns, domains: [otp.example], selectors: [s1, s2]}
          - name: Portal
            endpoints:
              - {name: sign-in, type: http, url: "https://idp.example.com/", evidence: symptom}
              - {name: domain, type: mail_dns, domains: [otp.example], explains: [portal/sign-in]}
        """)
    )
    status, out, _ = beacon("check", str(kept), "--zone", proposed((SPF, "")), "-c", str(config))
    assert status == 1
    assert out.splitlines()[3:] == [
        "  fail spf_missing",
        "       no SPF record at otp.example",
        "       who stops receiving: receivers that check SPF: Gmail delays the mail",
        "         (421-4.7.27: the code arrives after it has expired), and refuses it if",
        "         DKIM does not pass either (550-5.7.26: it never arrives)",
        "       codes of: mailed-codes/code (Mailed codes), portal/sign-in (Portal)",
    ]


def test_selectors_and_senders_come_from_the_configuration(serve, beacon, server, tmp_path):
    config = tmp_path / "beacon.yaml"
    config.write_text(
        textwrap.dedent(f"""\
        site: soc
        services:
          - name: Mailed codes
            endpoints:
              - {{name: domain, type: mail_dns, domains: [otp.example], selectors: [s1],
                 senders: [192.0.2.10], authoritative: ["{server.at}"]}}
        """)
    )
    status, out, err = beacon("golden", "otp.example", "-c", str(config))
    assert (status, err) == (0, "warning: " + err.partition("warning: ")[2])
    kept = yaml.safe_load(out)["domains"]["otp.example"]
    assert (kept["selectors"], kept["senders"]) == (["s1"], ["192.0.2.10"])


def test_what_is_wrong_already_is_reported(serve, beacon, server):
    serve(OTP.replace(SPF, ""))
    status, out, err = beacon("golden", "otp.example", "--selector", "s9", "--server", server.at)
    assert status == 0
    assert "selectors:\n    - s9" in out
    assert "wrong already: otp.example: dkim_missing: DKIM selector s9" in err


def test_nine_terms_are_a_warning_and_pass(kept, beacon, proposed):
    nine = " ".join(f"a:h{n}.otp.example" for n in range(8))
    zone = proposed(('-all"\n@ TXT "unrel', f'{nine} -all"\n{HOSTS}@ TXT "unrel'))
    golden_file = kept.read_text().replace("vendor.example -all", f"vendor.example {nine} -all")
    kept.write_text(golden_file)
    status, out, _ = beacon("check", str(kept), "--zone", zone)
    assert status == 0, out
    assert "warn spf_near_limit\n       SPF takes 9 of 10 terms that ask the DNS" in out


def test_what_a_wildcard_answers(kept, beacon, proposed):
    """A wildcard stands for the key's name."""
    wild = (f's1._domainkey TXT "{KEY}"', f'*._domainkey TXT "{KEY}"')
    assert beacon("check", str(kept), "--zone", proposed(wild))[0] == 0


# --- what the proposal delegates --------------------------------------------------


@pytest.fixture(scope="module")
def child(zone_server):
    """A server of what lies below the cut, with a key."""
    server = zone_server("_domainkey.otp.example")
    text = f's1 TXT "{KEY}"\ns2 CNAME s2.dkim.vendor.example.\n'
    server.serve({"_domainkey.otp.example": text})
    return server


KEYS = (f's1._domainkey TXT "{KEY}"\ns2._domainkey CNAME s2.dkim.vendor.example.\n',)
CUT = "_domainkey NS ns.keys\n"


def troubles_of(out):
    found = json.loads(out)["domains"]["otp.example"]["troubles"]
    return [(each["reason"], each["text"]) for each in found]


@pytest.fixture
def check(kept, beacon, proposed):
    """Check the zone with these records in place of the keys: status, troubles."""

    def do(text):
        status, out, _ = beacon("check", str(kept), "--zone", proposed((*KEYS, text)), "--json")
        return status, troubles_of(out)

    return do


def test_a_delegation_to_servers_that_answer(check, child, at_port_53):
    assert check(f"{CUT}ns.keys A {at_port_53(child.at)}\n") == (0, [])


def test_one_dead_server_of_two_is_a_warning(check, child, at_port_53):
    two = f"{CUT}_domainkey NS ns2.keys\nns2.keys A 127.250.250.250\n"
    status, found = check(f"{two}ns.keys A {at_port_53(child.at)}\n")
    assert status == 0, found
    assert found == [
        (
            "nameserver_dead",
            "one of the servers named for _domainkey.otp.example is dead: ns2.keys.otp.example:53",
        )
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{CUT}ns.keys A 127.250.250.250\n", "answers for it: ns.keys.otp.example:53"),
        (CUT, "ns.keys.otp.example, a name server of _domainkey.otp.example, has no address"),
        (f'{CUT}ns.keys TXT "x"\n', "has no address in the zone"),
        ("_domainkey NS ns.vendor.example.\n", "answers for it: none of its servers has an addr"),
        ("s1._domainkey NS ns.vendor.example.\n", "named for s1._domainkey.otp.example"),
        ("", "DKIM selector s1: there is no key"),
    ],
)
def test_a_dead_or_missing_delegation_differs(check, text, words):
    """Live DNS still has the keys where they were: that is the old zone, and no excuse."""
    status, found = check(text)
    assert status == 1
    assert any(words in message for _, message in found), found


def test_a_server_that_does_not_speak_for_what_is_delegated_to_it(check, server, at_port_53):
    status, found = check(f"_domainkey NS ns.keys\nns.keys A {at_port_53(server.at)}\n")
    assert status == 1
    assert any("does not serve it" in message for _, message in found), found


def test_a_delegation_as_it_is_served_is_asked_of_live_dns(
    beacon, serve, server, zone_server, validating, tmp_path
):
    """Where port 53 is closed to the outside, what is not changed is believed."""
    inner = zone_server("in.otp.example")
    records = f'@ TXT "v=spf1 ip4:192.0.2.1 -all"\ns1._domainkey TXT "{KEY}"\n'
    inner.serve({"in.otp.example": f'{records}_dmarc TXT "v=DMARC1; p=none"\n@ MX 1 ns1\n'})
    above = "in NS ns1.in\nns1.in A 127.0.0.1\n"
    serve(OTP + above)
    # A resolver that knows both; the delegation leads to a port where nobody listens.
    both = validating(inner)
    kept = tmp_path / "in.yaml"
    how = ["--selector", "s1", "--resolver", both, "--server", inner.at]
    kept.write_text(beacon("golden", "in.otp.example", *how, ask=False)[1])
    (tmp_path / "new.zone").write_text(HEAD + OTP + above)
    asked = ["check", str(kept), "--zone", str(tmp_path / "new.zone"), "--resolver", both]
    status, out, err = beacon(*asked, ask=False)
    assert status == 0, (out, err)
    (tmp_path / "new.zone").write_text(HEAD + OTP + above.replace("127.0.0.1", "127.0.0.9"))
    assert beacon(*asked, ask=False)[0] == 1, "other glue is another delegation"


def test_name_servers_of_the_zone_itself(kept, beacon, proposed, child, server, at_port_53):
    """Glue that changes must lead to a server that speaks for the zone."""

    def status(address):
        head = HEAD.replace("ns1 A 127.0.0.1\n", f"ns1 A {address}\n" if address else "")
        return beacon("check", str(kept), "--zone", proposed(head=head))[:2]

    assert status("127.0.0.1")[0] == 0, "as it is served"
    assert status(at_port_53(server.at))[0] == 0
    for dead in ("127.250.250.250", at_port_53(child.at), ""):
        code, out = status(dead)
        assert code == 1, out
        assert "ns1.otp.example" in out or "speak for the zone" in out


# --- what cannot be asked ---------------------------------------------------------

HOSTILE = {
    "include": ("$INCLUDE /etc/passwd\n", "$INCLUDE"),
    "generate": ("$GENERATE 1-4000000000 h$ A 192.0.2.1\n", "$GENERATE"),
    "syntax": ("@ MX ten\n", "not a zone"),
    "dname": ("sub DNAME vendor.example.\n", "DNAME"),
    "cname beside": ("mx CNAME a\n", "not a zone"),
    "not a name": (f"{'x' * 70} A 192.0.2.1\n", "not a zone"),
    "no soa": (None, "not a zone"),
    "a second soa": ("@ SOA ns1 other 2 3600 600 86400 300\n", "a second SOA at otp.example"),
    "a second alias": ("x CNAME a\nx CNAME b\n", "a second CNAME at x.otp.example"),
    "a mark of UTF-8 before it": ("\ufeff", "byte order mark"),
    "bytes": ("\udcff", "not UTF-8"),
}
EMPTY = {
    "empty": "",
    "blank": "\n\n  \n",
    "comments": "; nothing\n",
    "a TTL": "$TTL 300\n",
    "an origin": "$ORIGIN otp.example.\n",
    "a mark of UTF-8": "\ufeff",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_zone_file_that_cannot_be_taken(kept, beacon, tmp_path, what):
    text, words = HOSTILE[what]
    path = tmp_path / "bad.zone"
    whole = "$ORIGIN otp.example.\n$TTL 300\n@ NS ns1\n" if text is None else HEAD + OTP + text
    if text == "\ufeff":
        whole = text + HEAD + OTP
    path.write_text(whole, errors="surrogateescape")
    status, out, err = beacon("check", str(kept), "--zone", str(path))
    assert (status, out) == (3, "")
    assert words in err
    status, out, _ = beacon("check", str(kept), "--zone", str(path), "--json")
    assert (status, json.loads(out)["status"]) == (3, "unasked")


@pytest.mark.parametrize("what", EMPTY)
def test_a_zone_file_without_records(kept, beacon, tmp_path, what):
    path = tmp_path / "empty.zone"
    path.write_text(EMPTY[what])
    for origin in ([], ["--origin", "otp.example"]):
        status, out, err = beacon("check", str(kept), "--zone", str(path), *origin, "--json")
        found = json.loads(out)
        assert (status, found["status"]) == (3, "unasked")
        assert "not a zone" in found["error"]
        assert found["error"] in err


def test_a_zone_file_that_is_not_there_or_too_large(kept, beacon, tmp_path):
    assert "cannot read" in beacon("check", str(kept), "--zone", str(tmp_path / "none"))[2]
    with (tmp_path / "large").open("wb") as large:
        large.truncate(zone.LARGEST + 1)
    assert "larger than" in beacon("check", str(kept), "--zone", str(tmp_path / "large"))[2]


def test_the_origin_of_a_zone_file(kept, beacon, proposed):
    bare = proposed(head=HEAD.partition("\n")[2])
    assert beacon("check", str(kept), "--zone", bare)[0] == 0, "that of the only domain"
    assert beacon("check", str(kept), "--zone", bare, "--origin", "otp.example")[0] == 0
    status, _, err = beacon("check", str(kept), "--zone", bare, "--origin", "other.example")
    assert status == 3
    assert "holds none of the domains kept: otp.example" in err


BAD_GOLDEN = {
    "not yaml": "a: [",
    "a list": "[1]",
    "another kind": "golden: 2\ndomains: {}",
    "an unknown key": "golden: 1\ndomains: {}\nmore: 1",
    "aliases": "golden: 1\ndomains: &a {}\nresolvers: *a",
    "no name": "golden: 1\ndomains: {a..b: {records: []}}",
    "no type": "golden: 1\ndomains: {a.b: {records: [{name: a.b, type: NO, values: []}]}}",
    "no record": "golden: 1\ndomains: {a.b: {records: [{name: a.b, type: MX, values: [x]}]}}",
}


@pytest.mark.parametrize("what", BAD_GOLDEN)
def test_a_golden_file_that_is_none(beacon, tmp_path, what):
    (tmp_path / "golden.yaml").write_text(BAD_GOLDEN[what])
    status, out, err = beacon("check", str(tmp_path / "golden.yaml"))
    assert (status, out) == (3, "")
    assert "golden.yaml" in err


def test_a_golden_file_that_is_too_large(tmp_path):
    (tmp_path / "golden.yaml").write_bytes(b"#" * (golden.LARGEST + 1))
    with pytest.raises(GoldenRefused, match="larger than 1 MiB"):
        golden.load(tmp_path / "golden.yaml")


def test_servers_that_do_not_answer_cannot_be_asked(kept, beacon, server, free_port):
    nobody = f"127.0.0.1:{free_port()}"
    assert beacon("check", str(kept), "--server", nobody)[0] == 3
    status, _, err = beacon("golden", "otp.example", "--resolver", nobody, ask=False)
    assert status == 3
    assert "otp.example" in err
    assert beacon("golden", "gone.otp.example", "--server", server.at)[0] == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("golden", "a..b"),
        ("golden", "a@otp.example"),
        ("golden", "https://otp.example/"),
        ("golden", "192.0.2.1"),
        ("golden", "otp.example", "--selector", "x._domainkey"),
        ("golden", "otp.example", "--selector", "x@y"),
        ("golden", "otp.example", "--sender", "mx.example"),
        ("golden", "otp.example", "--selector", "a..b"),
        ("golden", "otp.example", "--server", "a..b"),
        ("golden", "otp.example", "--resolver", "dns.example"),
        ("golden", "otp.example", "--resolver", "192.0.2.1:x"),
        ("check", "golden.yaml", "--origin", "a..b"),
        ("check",),
    ],
)
def test_usage_errors_exit_64(beacon, arguments):
    assert beacon(*arguments, ask=False)[0] == 64
