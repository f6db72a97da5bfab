"""A paho client that connects as probes do: addresses 250 ms apart, TLS by the one policy.

paho tries addresses one after another, each for the whole time, and knows no `server_name`.
It has no public interface for a socket of our own; `tests/outputs/mqtt/test_dialling_client.py`
fails when this one changes.
"""

from typing import Any, Final

from paho.mqtt.client import Client

from beacon.config.tls import TlsPolicy
from beacon.core.model import Reading, Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.net import dial, tls


class DialledClient(Client):
    """Connects within `connect_timeout` seconds in all, with TLS if it has a policy."""

    policy: TlsPolicy | None = None

    def _create_socket(self) -> Any:  # noqa: ANN401 - as paho's own
        """Raises `ProbeFailure` and `DeadlinePassed`."""
        run = Run(SystemClock(), self.connect_timeout)
        sock = dial.connect(run, self._host, self._port)
        try:
            if self.policy is not None:
                sock = tls.handshake(run, sock, self.policy, self._host)
        except BaseException:
            sock.close()
            raise
        run.release(sock)
        return sock


_NO_NAME: Final = "cannot find {host} in DNS: {detail}"
_REFUSED: Final = "TLS: the certificate of {where} is refused: {detail}"
_WORDS: Final = {
    Reason.DNS_NXDOMAIN: _NO_NAME,
    Reason.DNS_NO_ANSWER: _NO_NAME,
    Reason.DNS_SERVFAIL: _NO_NAME,
    Reason.CONNECT_REFUSED: "nobody listens at {where}: connection refused",
    Reason.CONNECT_TIMEOUT: "no answer from {where}",
    Reason.OWN_CREDENTIALS: "TLS: cannot use the files of mqtt.tls: {detail}",
    Reason.TLS_HANDSHAKE: "TLS: no agreement with {where}: {detail}",
    Reason.TLS_EXPIRED: _REFUSED,
    Reason.TLS_NOT_YET_VALID: _REFUSED,
    Reason.TLS_NAME: _REFUSED,
    Reason.TLS_UNTRUSTED: _REFUSED,
}


def why_not(host: str, port: int, reading: Reading) -> str:
    """Why there is no connection, and what to look at."""
    words = _WORDS.get(reading.reason, "cannot connect to {where}: {detail}")
    detail = reading.detail.partition(": ")[2] or reading.detail
    return words.format(host=host, where=f"{host}:{port}", detail=detail)
