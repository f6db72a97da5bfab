"""TLS as configured: one policy for every kind and for MQTT, its files, and its one context.

A CA bundle costs milliseconds and megabytes to load, so a context is made once per policy and
shared. Only a file that changed (by a `stat`) makes a new one; what cannot be used, such as a
new certificate whose key is not there yet, leaves the old context in place.
"""

import errno
import logging
import os
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import certifi
from msgspec import Meta

from beacon.config.certificate import certificate_words, last_days
from beacon.config.fields import File, Flaw
from beacon.config.problems import Notice, Passing

_log = logging.getLogger(__name__)

SOON: Final = 14
"""Days before its end that a certificate of ours is warned of, as that of a server is."""
VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, kw_only=True)
class TlsPolicy:
    """How to connect to a server by TLS.

    Every certificate in `ca` is trusted as it stands, be it a root, an intermediate or the
    server's own. `strict` also refuses certificates that break RFC 5280.
    """

    verify: Annotated[bool, Meta(description="check the server's certificate and name")] = True
    strict: Annotated[
        bool, Meta(description="refuse certificates that break RFC 5280, as many private CAs do")
    ] = False
    ca: Annotated[
        File | None, Meta(description="certificates to trust, PEM; left out: the system's")
    ] = None
    certificate: Annotated[File | None, Meta(description="our own certificate, PEM")] = None
    key: Annotated[
        File | None, Meta(description="its key, PEM; left out: in the certificate's file")
    ] = None
    min_version: Annotated[Literal["1.2", "1.3"], Meta(description="the oldest version")] = "1.2"
    server_name: Annotated[
        str | None, Meta(description="the name to ask for and to verify; left out: the host's")
    ] = None

    def flaws(self) -> Iterator[Flaw]:
        """The problems of the policy and its files."""
        if self.key and not self.certificate:
            yield ("key",), "a key without a certificate", "`certificate` beside it"
        if self.ca and not self.verify:
            yield ("ca",), "a CA that nothing is verified with", "`verify: true`, or no `ca`"
        if self.strict and not self.verify:
            yield ("strict",), "nothing is verified", "`verify: true`, or no `strict`"
        unfit = [*self._ca_flaws(), *self._certificate_flaws()] or self._context_flaws()
        for path, message, allowed in unfit:
            yield path, Passing(message), allowed
        # One CA that is valid is enough; of our own chain every certificate counts.
        yield from _ending("ca", self.ca, max)
        yield from _ending("certificate", self.certificate, min)

    def _ca_flaws(self) -> Iterator[Flaw]:
        if self.ca and not _holds(self.ca, "CERTIFICATE"):
            yield ("ca",), _lacks(self.ca, "certificate"), _PEM

    def _certificate_flaws(self) -> Iterator[Flaw]:
        if not self.certificate:
            return
        if not _holds(self.certificate, "CERTIFICATE"):
            yield ("certificate",), _lacks(self.certificate, "certificate"), _PEM
            if not self.key:
                return  # one file of the wrong kind is reported once
        name, key = ("key", self.key) if self.key else ("certificate", self.certificate)
        if not _holds(key, "PRIVATE KEY"):
            allowed = "a private key in PEM form: -----BEGIN PRIVATE KEY-----"
            yield (name,), _lacks(key, "private key"), allowed
        elif _encrypted(key):
            allowed = f"a key without a passphrase: openssl pkey -in {key} -out NEW.pem"
            yield (name,), f"the key in {key} is encrypted, and nobody is there to type", allowed

    def _context_flaws(self) -> Iterator[Flaw]:
        """The errors of OpenSSL about the files."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            # The system's CAs are not tried: they take long, and OpenSSL has no errors about them.
            if self.ca and self.verify:
                _trust(made, self.ca)
        except OSError as error:
            yield ("ca",), f"cannot use {self.ca}: {_why(error)}", _PEM
        try:
            _identify(made, self)
        except OSError as error:
            name, key = ("key", self.key) if self.key else ("certificate", self.certificate)
            if getattr(error, "reason", None) in _MISMATCHES:
                message = f"the key in {key} does not belong to {self.certificate}"
                yield (name,), message, "the certificate and key that were issued together"
            else:
                message = f"cannot use {self.certificate} with {key}: {_why(error)}"
                yield (name,), message, _PEM


DEFAULT_TLS: Final = TlsPolicy()

_PEM: Final = "certificates in PEM form: -----BEGIN CERTIFICATE-----"
_MISMATCHES: Final = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


def _ending(name: str, path: str | None, which: Callable[..., datetime]) -> Iterator[Flaw]:
    """Warnings about the end of the certificates in a file."""
    ends = last_days(path) if path else []
    if not ends:
        return
    days = (which(ends) - datetime.now(UTC)).total_seconds() / 86400
    if days < 0:
        yield (name,), Passing(f"{path}: {certificate_words(days)}"), "one that is valid"
    elif days < SOON:
        yield (name,), Notice(f"{path}: {certificate_words(days)}"), "a new one before that"


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""  # it is gone since its setting was read: there is nothing in it


def _holds(path: str, label: str) -> bool:
    """Whether a file holds a PEM block whose label ends so."""
    return re.search(rb"-----BEGIN [A-Z0-9 ]*%b-----" % label.encode(), _read(path)) is not None


def _encrypted(path: str) -> bool:
    return _holds(path, "ENCRYPTED PRIVATE KEY") or b"Proc-Type: 4,ENCRYPTED" in _read(path)


def _lacks(path: str, what: str) -> str:
    if not os.access(path, os.R_OK):
        return f"cannot read {path}"
    form = " (DER?)" if _read(path)[:1] == b"\x30" else ""
    return f"no {what} in {path}{form}"


def _why(error: OSError) -> str:
    text = error.strerror or str(error)
    return text.partition("] ")[2].partition(" (_ssl")[0] or text


# --- the context --------------------------------------------------------------------

Stamp = tuple[int, ...] | None
"""Changes with the content of a file; None: there is no file."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A context, and the files it was made of as they were when it was made."""

    context: ssl.SSLContext
    stamps: dict[str, Stamp]

    @property
    def current(self) -> bool:
        return all(_stamp(path) == stamp for path, stamp in self.stamps.items())


_loaded: Final[dict[TlsPolicy, _Loaded]] = {}


def context(policy: TlsPolicy) -> ssl.SSLContext:
    """The one context of this policy, made anew when a file of it has changed.

    Raises `OSError` for files that cannot be used, unless there is an older context.
    """
    held = _loaded.get(policy)
    if held is not None and held.current:
        return held.context
    stamps = {path: _stamp(path) for path in _files(policy)}
    try:
        made = _made(policy)
    except OSError as error:
        if held is None:
            raise
        made = held.context
        names = ", ".join(path for path in (policy.ca, policy.certificate, policy.key) if path)
        _log.warning("TLS files changed and cannot be used yet (%s): %s", _why(error), names)
    _loaded[policy] = _Loaded(made, stamps)
    return made


def _files(policy: TlsPolicy) -> Iterator[str]:
    """The files and directories that the context depends on."""
    if policy.ca:
        yield policy.ca
    elif policy.verify:
        paths = ssl.get_default_verify_paths()
        yield os.environ.get(paths.openssl_cafile_env, paths.openssl_cafile)
        yield os.environ.get(paths.openssl_capath_env, paths.openssl_capath)
    yield from (path for path in (policy.certificate, policy.key) if path)


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)  # noqa: PTH116 - for every handshake: no object for it
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def _made(policy: TlsPolicy) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = VERSIONS[policy.min_version]
    # The same with every Python: 3.13's own contexts are strict and trust partial chains.
    made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    made.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
    if policy.strict:
        made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    if policy.verify:
        _trust(made, policy.ca)
    else:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    _identify(made, policy)
    return made


def _trust(made: ssl.SSLContext, ca: str | None) -> None:
    """Trust the given file, else what the system trusts, else the bundle we install."""
    paths = ssl.get_default_verify_paths()
    if ca:
        written = _read(ca)
        # OpenSSL takes the whole certificates of a bundle that is still being written.
        if written.count(b"-----BEGIN ") != written.count(b"-----END "):
            raise OSError(errno.EINVAL, "it ends within a certificate")
        made.load_verify_locations(cafile=ca)
    elif paths.cafile or (paths.capath and any(Path(paths.capath).glob("*.0"))):
        made.load_default_certs()
    else:
        made.load_verify_locations(cafile=certifi.where())


def _identify(made: ssl.SSLContext, policy: TlsPolicy) -> None:
    """Load our own certificate, if there is one."""
    if policy.certificate:
        # An empty password: a key that needs one is refused, not asked for on the terminal.
        made.load_cert_chain(policy.certificate, policy.key, password="")
