"""Whether a TCP connection can be opened, and TLS be spoken on it."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from beacon.config.certificate import certificate_words
from beacon.config.fields import Host, Port
from beacon.config.tls import TlsPolicy
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.run import Run
from beacon.net import dial
from beacon.net.tls import certificate_days, handshake
from beacon.probing.base import FAST, Abilities, Kind

Days = Annotated[int, msgspec.Meta(ge=0, description="days; 0: never warn")]


@dataclass(frozen=True, kw_only=True)
class Tcp(Kind):
    """Whether a TCP connection can be opened and, with `tls`, meets a good certificate.

    `tls` is true, false, or a policy. Without TLS, a connection accepted is a pass.
    """

    ABILITIES: ClassVar = Abilities(evidence=Evidence.HEALTH, timing=FAST)

    host: Host
    port: Port
    tls: bool | TlsPolicy = False
    ip_version: dial.IpVersion | None = None
    certificate_days: Days = 14

    @property
    def _policy(self) -> TlsPolicy | None:
        if isinstance(self.tls, bool):
            return TlsPolicy() if self.tls else None
        return self.tls

    @property
    def clock_bound(self) -> bool:
        """Whether a certificate is verified, which is done by our clock."""
        return self._policy is not None and self._policy.verify

    def look(self, run: Run) -> Reading:
        """Connect once, and judge the certificate where there is one."""
        return self.judge(self._fetch(run))

    def judge(self, days: float | None) -> Reading:
        """What a connection comes to, by the days its certificate has left (None: no TLS)."""
        if days is None:
            return Reading(Reason.OK, "connected")
        words = certificate_words(days)
        expiring = days < self.certificate_days
        return Reading(Reason.CERTIFICATE_EXPIRING if expiring else Reason.OK, words)

    def _fetch(self, run: Run) -> float | None:
        sock = dial.connect(run, self.host, self.port, self.ip_version)
        try:
            if self._policy is None:
                return None
            sock = secured = handshake(run, sock, self._policy, self.host)
            return certificate_days(run, secured)
        finally:
            run.release(sock)
            sock.close()


PROBE = Tcp
