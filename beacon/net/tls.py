"""TLS on a connected socket: the handshake, its errors, and when the certificate expires."""

import ssl
from socket import socket
from typing import Final

from beacon.config.certificate import not_after
from beacon.config.tls import TlsPolicy, context
from beacon.core.model import Reason
from beacon.engine.run import DeadlinePassed, Phase, Run
from beacon.net import dial
from beacon.net.probe_failure import ProbeFailure


def handshake(run: Run, sock: socket, policy: TlsPolicy, host: str) -> ssl.SSLSocket:
    """Begin TLS on a connected socket. The new socket is watched; the old one is no longer usable.

    Raises `ProbeFailure` with a tls reason, or `own_credentials` where our own files fail.
    """
    run.enter(Phase.TLS)
    name = (policy.server_name or host).rstrip(".")
    try:
        shared = context(policy)
    except OSError as error:
        raise ProbeFailure(Reason.OWN_CREDENTIALS, f"our own TLS files fail: {error}") from None
    run.release(sock)  # wrapping moves the descriptor to a new socket
    try:
        wrapped = shared.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
    except OSError as error:
        raise trouble_of(error) from None
    except ValueError:
        text = f"{name!r} is not a name that a certificate can have"
        raise ProbeFailure(Reason.TLS_NAME, text) from None
    run.watch(wrapped)
    try:
        wrapped.do_handshake()
    except OSError as error:
        run.release(wrapped)
        wrapped.close()
        raise trouble_of(error) from None
    return wrapped


_VERIFY_REASONS: Final = {
    9: Reason.TLS_NOT_YET_VALID,
    10: Reason.TLS_EXPIRED,
    62: Reason.TLS_NAME,
    64: Reason.TLS_NAME,
}
"""OpenSSL's X509_V_ERR_* codes → reason; any other: the certificate is not trusted."""


def trouble_of(error: OSError) -> ProbeFailure:
    """An error of TLS as a failure of the probe. Raises `DeadlinePassed` for a timeout."""
    if isinstance(error, TimeoutError):
        raise DeadlinePassed from None
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _VERIFY_REASONS.get(error.verify_code, Reason.TLS_UNTRUSTED)
        return ProbeFailure(reason, f"certificate: {error.verify_message}")
    if not isinstance(error, ssl.SSLError):
        return dial.trouble_of(error, "TLS")
    text = str(getattr(error, "reason", None) or error).replace("_", " ").lower()
    return ProbeFailure(Reason.TLS_HANDSHAKE, f"TLS: {text}")


def certificate_days(run: Run, sock: ssl.SSLSocket) -> float | None:
    """Days until the server's certificate expires (negative: since), verified or not."""
    der = sock.getpeercert(binary_form=True)
    end = not_after(der) if der else None
    return None if end is None else (end - run.clock.utc()).total_seconds() / 86400
