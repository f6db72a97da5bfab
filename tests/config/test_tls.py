"""One policy for all of TLS: its files before a start, its one context, and renewed files."""

import logging
import os
import re
import shutil
import socket
import ssl
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from beacon import probes
from beacon.config import tls
from beacon.config.loader import ConfigError, load
from beacon.config.problems import Notice, Passing
from beacon.config.tls import TlsPolicy, context

HOST = "probe.example.com"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def write(home, name, ca, host=HOST):
    """A new certificate and its key as files."""
    pair = ca.issue_cert(host)
    pair.private_key_pem.write_to_path(home / f"{name}.key")
    (home / f"{name}.pem").write_bytes(b"".join(b.bytes() for b in pair.cert_chain_pems))
    return pair


@pytest.fixture(scope="module")
def made(authority, tmp_path_factory):
    """Files of every sort, made once."""
    home = tmp_path_factory.mktemp("made")
    authority.cert_pem.write_to_path(home / "ca.pem")
    pair = write(home, "own", authority)
    write(home, "other", authority)
    (home / "both.pem").write_bytes(pair.private_key_pem.bytes() + (home / "own.pem").read_bytes())
    key = serialization.load_pem_private_key(pair.private_key_pem.bytes(), None)
    secret = serialization.BestAvailableEncryption(b"passphrase")
    forms = serialization.PrivateFormat
    for name, form in (("pkcs8", forms.PKCS8), ("old", forms.TraditionalOpenSSL)):
        pem = key.private_bytes(serialization.Encoding.PEM, form, secret)
        (home / f"{name}.key").write_bytes(pem)
    der = ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode())
    (home / "ca.der").write_bytes(der)
    rsa = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert(HOST, key_type=trustme.KeyType.RSA)
    rsa.private_key_pem.write_to_path(home / "rsa.key")
    (home / "text").write_text("no certificate")
    (home / "empty").write_text("")
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    (home / "broken.pem").write_text(broken)
    return home


@pytest.fixture
def files(made, tmp_path):
    """A copy of them for one test."""
    return shutil.copytree(made, tmp_path, dirs_exist_ok=True)


def own(key, certificate="own.pem"):
    return {"certificate": certificate, "key": key}


def policy_of(files, settings):
    paths = ("ca", "certificate", "key")
    return TlsPolicy(**{k: str(files / v) if k in paths else v for k, v in settings.items()})


# --- what `beacon check` finds ------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"strict": True},
        {"verify": False},
        {"ca": "ca.pem"} | own("own.key"),
        {"certificate": "both.pem"},
        {"ca": "own.pem"},
        {"ca": "both.pem"},
    ],
)
def test_a_sound_policy_has_no_flaws(made, settings):
    assert list(policy_of(made, settings).flaws()) == []


@pytest.mark.parametrize(
    ("settings", "path", "message"),
    [
        ({"key": "own.key"}, "key", "a key without a certificate"),
        ({"ca": "ca.pem", "verify": False}, "ca", "a CA that nothing is verified with"),
        ({"strict": True, "verify": False}, "strict", "nothing is verified"),
        ({"ca": "missing"}, "ca", "cannot read {}/missing"),
        ({"ca": "text"}, "ca", "no certificate in {}/text"),
        ({"ca": "empty"}, "ca", "no certificate in {}/empty"),
        ({"ca": "own.key"}, "ca", "no certificate in {}/own.key"),
        ({"ca": "ca.der"}, "ca", "no certificate in {}/ca.der (DER?)"),
        ({"ca": "broken.pem"}, "ca", "cannot use {}/broken.pem: "),
        ({"certificate": "own.pem"}, "certificate", "no private key in {}/own.pem"),
        ({"certificate": "own.key"}, "certificate", "no certificate in {}/own.key"),
        (own("missing"), "key", "cannot read {}/missing"),
        (own("own.pem"), "key", "no private key in {}/own.pem"),
        (own("pkcs8.key"), "key", "the key in {}/pkcs8.key is encrypted"),
        (own("old.key"), "key", "the key in {}/old.key is encrypted"),
        (own("other.key"), "key", "the key in {}/other.key does not belong to "),
        (own("rsa.key"), "key", "the key in {}/rsa.key does not belong to "),
        (own("own.key", "broken.pem"), "key", "cannot use {0}/broken.pem with {0}/own.key: "),
    ],
)
def test_each_flaw_is_reported_where_it_is(made, settings, path, message):
    """What a file contains may be in the middle of its renewal; what is written may not."""
    [(where, text, _)] = policy_of(made, settings).flaws()
    assert where == (path,)
    assert text.startswith(message.format(made))
    assert isinstance(text, Passing) is ("{" in message)


DUO = "host: api-1.example.com, integration_key: K, secret_key: s"
ENDPOINTS = {
    "http": 'url: "https://idp.example.com/"',
    "tcp": "host: idp.example.com, port: 443",
    "privacyidea_status": 'url: "https://idp.example.com/"',
    "flow": 'steps: [{id: page, url: "https://idp.example.com/"}]',
    "duo_ping": DUO,
}


def written(kind, tls):
    """A configuration with this `tls` in an endpoint of that kind, or in `mqtt`."""
    asked, mqtt = f"type: {kind}, {ENDPOINTS.get(kind)}, tls: {tls}", ""
    if kind == "mqtt":
        asked = "type: tcp, host: idp.example.com, port: 1"
        mqtt = f'mqtt: {{broker: "mqtts://broker.example.com", tls: {tls}}}'
    return f"site: soc\nservices: [{{name: S, endpoints: [{{name: p, {asked}}}]}}]\n{mqtt}\n"


def loaded(home, text, **options):
    """The configuration of this text."""
    (home / "beacon.yaml").write_text(text)
    house = {"registry": probes, "environ": {}}
    return load(home / "beacon.yaml", **house, **options)


@pytest.mark.parametrize("kind", [*ENDPOINTS, "mqtt"])
def test_check_refuses_them_in_every_place_and_a_start_only_warns(files, kind):
    """A start may be in the middle of a renewal, and systemd does not try it again."""
    text, message = (
        written(kind, f"{{ca: {files}/text}}"),
        f"tls.ca: no certificate in {files}/text",
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        loaded(files, text)
    config = loaded(files, text, starting=True)
    assert any(message in warning for warning in config.warnings)
    assert "s/p" in config.probes


@pytest.mark.parametrize("settings", ["strict: maybe", "ca: {0}/ca.pem, verify: false"])
def test_what_no_renewal_mends_stops_a_start(files, settings):
    with pytest.raises(ConfigError, match=r"tls\."):
        loaded(files, written("http", f"{{{settings.format(files)}}}"), starting=True)


# --- the last day -------------------------------------------------------------------


def lasting(home, *days):
    """Files of certificates that end in so many days, one after another, and their keys."""
    now = datetime.now(UTC) + timedelta(hours=1)
    pairs = [trustme.CA().issue_cert(HOST, not_after=now + timedelta(days=each)) for each in days]
    (home / "last.pem").write_bytes(b"".join(p.cert_chain_pems[0].bytes() for p in pairs))
    pairs[0].private_key_pem.write_to_path(home / "last.key")


CA, OWN = {"ca": "last.pem"}, own("last.key", "last.pem")


@pytest.mark.parametrize(
    ("settings", "days", "kind", "message"),
    [
        (CA, [-3], Passing, "the certificate ended 3 days ago"),
        (CA, [3], Notice, "the certificate ends in 3 days"),
        (CA, [-3, -5], Passing, "the certificate ended 3 days ago"),
        (CA, [-3, 5], Notice, "the certificate ends in 5 days"),
        (CA, [-3, 5, 90], None, ""),
        (CA, [15], None, ""),
        (OWN, [-3], Passing, "the certificate ended 3 days ago"),
        (OWN, [13], Notice, "the certificate ends in 13 days"),
        (OWN, [90, -1], Passing, "the certificate ended 1 days ago"),
        (OWN, [90, 5], Notice, "the certificate ends in 5 days"),
        (OWN, [15, 90], None, ""),
    ],
)
def test_the_last_day_of_our_own_files_is_reported(tmp_path, settings, days, kind, message):
    lasting(tmp_path, *days)
    found = [(path, type(text), text) for path, text, _ in policy_of(tmp_path, settings).flaws()]
    wanted = (tuple(settings)[:1], kind, f"{tmp_path}/last.pem: {message}")
    assert found == ([wanted] if kind else [])


def test_check_refuses_what_has_ended_and_warns_of_what_will(tmp_path):
    text = written("http", f"{{ca: {tmp_path}/last.pem}}")
    message = f"tls.ca: {tmp_path}/last.pem: the certificate en"
    lasting(tmp_path, -3)
    with pytest.raises(ConfigError, match=re.escape(f"{message}ded")):
        loaded(tmp_path, text)
    assert any(message in warning for warning in loaded(tmp_path, text, starting=True).warnings)
    lasting(tmp_path, 3)
    for starting in (False, True):
        warnings = loaded(tmp_path, text, starting=starting).warnings
        assert any(f"{message}ds in 3 days" in warning for warning in warnings)


# --- the context --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "verified", "oldest", "strict"),
    [
        ({}, True, "TLSv1_2", False),
        ({"verify": False}, False, "TLSv1_2", False),
        ({"min_version": "1.3"}, True, "TLSv1_3", False),
        ({"strict": True}, True, "TLSv1_2", True),
    ],
)
def test_a_context_is_as_its_policy_whatever_python_sets(settings, verified, oldest, strict):
    made = context(TlsPolicy(**settings))
    assert (made.verify_mode is ssl.CERT_REQUIRED, made.check_hostname) == (verified, verified)
    assert made.minimum_version is ssl.TLSVersion[oldest]
    assert bool(made.verify_flags & ssl.VerifyFlags.VERIFY_X509_STRICT) is strict
    assert made.verify_flags & ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN


def test_a_ca_of_ones_own_replaces_the_systems(made):
    assert context(policy_of(made, {"ca": "ca.pem"})).cert_store_stats()["x509_ca"] == 1


def test_without_a_bundle_of_the_system_ours_is_loaded(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert context(TlsPolicy(server_name="x")).cert_store_stats()["x509_ca"] > 50


# --- what is trusted ----------------------------------------------------------------


def shake(client, server, name=HOST):
    """Whether both agree; the client's error if not."""
    ours, theirs = socket.socketpair()

    def answer():
        with theirs, suppress(OSError), server.wrap_socket(theirs, server_side=True) as secured:
            secured.recv(1)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        ours.close()
        thread.join()


def serving(*paths):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*paths)
    return made


@pytest.mark.parametrize("trusted", ["root", "intermediate", "leaf"])
@pytest.mark.parametrize("sent", ["whole chain", "leaf alone"])
def test_every_certificate_in_the_file_is_an_anchor(authority, tmp_path, trusted, sent):
    middle = authority.create_child_ca()
    pair = middle.issue_cert(HOST)
    chain = [blob.bytes() for blob in pair.cert_chain_pems]
    pem = {"root": authority.cert_pem, "intermediate": middle.cert_pem, "leaf": None}[trusted]
    (tmp_path / "ca.pem").write_bytes(pem.bytes() if pem else chain[0])
    pair.private_key_pem.write_to_path(tmp_path / "key")
    (tmp_path / "cert").write_bytes(b"".join(chain) if sent == "whole chain" else chain[0])
    policy = TlsPolicy(ca=str(tmp_path / "ca.pem"))
    assert list(policy.flaws()) == []
    failure = shake(context(policy), serving(tmp_path / "cert", tmp_path / "key"))
    missing = trusted == "root" and sent == "leaf alone"
    assert failure == ("unable to get local issuer certificate" if missing else "")


def test_an_anchor_still_needs_the_name_and_its_time(authority, tmp_path):
    past = datetime.now(UTC) - timedelta(days=9)
    for name, pair, message in (
        ("name", authority.issue_cert("other.example.com"), "Hostname mismatch"),
        ("time", authority.issue_cert(HOST, not_after=past), "certificate has expired"),
    ):
        pair.private_key_pem.write_to_path(tmp_path / "key")
        pair.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
        policy = TlsPolicy(ca=str(tmp_path / f"{name}.pem"))
        failure = shake(context(policy), serving(tmp_path / f"{name}.pem", tmp_path / "key"))
        assert failure.startswith(message)


@pytest.fixture
def private_ca(tmp_path):
    """A CA as many make it by hand, without the extension key usage; and a server of it."""
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("private", "leaf")}
    names = {
        name: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
        for name, text in (("private", "Private CA"), ("leaf", HOST))
    }
    of_ca = x509.SubjectKeyIdentifier.from_public_key(keys["private"].public_key())
    by_ca = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_ca)
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    host = x509.SubjectAlternativeName([x509.DNSName(HOST)])
    now, pem = datetime.now(UTC), serialization.Encoding.PEM
    for name, extensions in (("private", (constraints, of_ca)), ("leaf", (host, by_ca))):
        made = (
            x509.CertificateBuilder(names["private"], names[name], keys[name].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=9))
        )
        for extension in extensions:
            made = made.add_extension(extension, critical=extension is constraints)
        signed = made.sign(keys["private"], hashes.SHA256())
        (tmp_path / f"{name}.pem").write_bytes(signed.public_bytes(pem))
    forms = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "leaf.key").write_bytes(keys["leaf"].private_bytes(pem, *forms))
    return tmp_path


def test_a_private_ca_is_trusted_unless_we_are_strict(private_ca):
    server = serving(private_ca / "leaf.pem", private_ca / "leaf.key")
    ca = str(private_ca / "private.pem")
    assert shake(context(TlsPolicy(ca=ca)), server) == ""
    assert "key usage" in shake(context(TlsPolicy(ca=ca, strict=True)), server)


def test_nobody_else_makes_a_context():
    source = Path(tls.__file__).parents[1]
    makers = ("SSLContext(", "create_default_context", "_create_unverified_context")
    found = {
        file.relative_to(source).as_posix()
        for file in source.rglob("*.py")
        if any(maker in file.read_text() for maker in makers)
    }
    assert found == {"config/tls.py"}


# --- renewed files ------------------------------------------------------------------


def replaced(source, target):
    """As certbot and Kubernetes do it: another file under the same name."""
    shutil.copy(source, f"{target}.new")
    Path(f"{target}.new").replace(target)


def overwritten(source, target):
    """As `cp` does it: the same file, with other bytes."""
    Path(target).write_bytes(Path(source).read_bytes())


def linked(source, target):
    """As certbot's `live/`: a link that points elsewhere."""
    Path(f"{target}.new").symlink_to(source)
    Path(f"{target}.new").replace(target)


@pytest.mark.parametrize("renew", [replaced, overwritten, linked])
def test_a_renewed_ca_takes_effect_at_the_next_handshake(authority, tmp_path, renew):
    new = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    new.cert_pem.write_to_path(tmp_path / "new.pem")
    write(tmp_path, "before", authority)
    write(tmp_path, "after", new)
    before = serving(tmp_path / "before.pem", tmp_path / "before.key")
    after = serving(tmp_path / "after.pem", tmp_path / "after.key")
    policy = TlsPolicy(ca=str(tmp_path / "ca.pem"))
    assert shake(context(policy), before) == ""
    assert shake(context(policy), after) != ""
    renew(tmp_path / "new.pem", tmp_path / "ca.pem")
    assert shake(context(policy), after) == ""
    assert shake(context(policy), before) != ""


def test_the_systems_bundle_counts_as_well(authority, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    trustme.CA().cert_pem.write_to_path(tmp_path / "bundle.pem")
    policy = TlsPolicy(server_name=HOST)
    write(tmp_path, "server", authority)
    server = serving(tmp_path / "server.pem", tmp_path / "server.key")
    assert shake(context(policy), server) != ""
    authority.cert_pem.write_to_path(tmp_path / "bundle.pem", append=True)
    assert shake(context(policy), server) == ""


def test_a_half_renewed_pair_keeps_the_old_and_says_so_once(files, caplog):
    policy = policy_of(files, own("own.key"))
    old = context(policy)
    overwritten(files / "other.pem", files / "own.pem")
    with caplog.at_level(logging.WARNING):
        assert context(policy) is old
        assert context(policy) is old
    assert len(caplog.records) == 1
    assert str(files / "own.pem") in caplog.text
    overwritten(files / "other.key", files / "own.key")
    new = context(policy)
    assert new is not old
    assert context(policy) is new


def test_a_bundle_that_is_still_being_written_keeps_the_old(files):
    policy = policy_of(files, {"ca": "ca.pem"})
    held = context(policy)
    whole = (files / "ca.pem").read_bytes()
    (files / "ca.pem").write_bytes(whole + whole[:-40])
    assert context(policy) is held
    ((path, message, _),) = policy.flaws()
    assert (path, message.partition(": ")[2]) == (("ca",), "it ends within a certificate")
    (files / "ca.pem").write_bytes(whole + whole)
    assert context(policy) is not held


@pytest.mark.parametrize("name", ["ca.pem", "own.pem", "own.key"])
@pytest.mark.parametrize("damage", ["gone", "empty", "cut"])
def test_a_file_that_cannot_be_used_keeps_the_old(files, name, damage):
    policy = policy_of(files, {"ca": "ca.pem"} | own("own.key"))
    old, whole = context(policy), (files / name).read_bytes()
    if damage == "gone":
        (files / name).unlink()
    else:
        (files / name).write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"")
    assert context(policy) is old
    (files / name).write_bytes(whole)
    assert context(policy) is not old


def test_files_that_never_worked_are_an_error_each_time(files):
    policy = policy_of(files, {"ca": "text"})
    for _ in range(2):
        with pytest.raises(ssl.SSLError):
            context(policy)


def test_a_bundle_is_read_once_and_not_per_handshake(files, monkeypatch):
    read = []
    made = tls._made
    monkeypatch.setattr(tls, "_made", lambda policy: read.append(policy) or made(policy))
    policy = policy_of(files, {"ca": "ca.pem", "server_name": "once.example.com"})
    assert len({context(policy) for _ in range(50)}) == len(read) == 1
    os.utime(files / "ca.pem", (1, 1))
    for _ in range(50):
        context(policy)
    assert len(read) == 2
