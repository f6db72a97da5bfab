"""Whether a TCP connection can be opened, and TLS be spoken on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from beacon.config.certificate import certificate_words
from beacon.config.fields import Host, Port
from beacon.config.tls import TlsPolicy
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import Run
from beacon.net import dial
from beacon.net.probe_failure import ProbeFailure, timed
from beacon.net.tls import certificate_days, handshake
from beacon.probing.base import FAST, SettingFlaw, Timing

Days = Annotated[int, msgspec.Meta(ge=0, description="days; 0: never warn")]


@dataclass(frozen=True, kw_only=True)
class Tcp:
    """Whether a TCP connection can be opened and, with `tls`, meets a good certificate.

    `tls` is true, false, or a policy. Without TLS, a connection accepted is a pass.
    """

    EVIDENCE: ClassVar = Evidence.HEALTH
    TIMING: ClassVar[Timing] = FAST
    SIGN_IN: ClassVar = False

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

    def faults(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if self._policy:
            for path, message, allowed in self._policy.flaws():
                yield SettingFlaw(("tls", *path), message, allowed)

    def wait(self, utc: float, memory: ProbeMemory) -> float:  # noqa: ARG002
        """Seconds it must not run yet: none."""
        return 0.0

    def observe(self, run: Run) -> Reading:
        """Connect once, and judge the certificate where there is one."""
        try:
            days = self._fetch(run)
        except ProbeFailure as trouble:
            run.remaining()  # a socket shut by the deadline looks like all sorts of trouble
            return timed(run, trouble.reading)
        return timed(run, self.judge(days))

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
