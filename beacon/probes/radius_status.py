"""`radius_status`: whether a RADIUS server says that it is there (Status-Server, RFC 5997).

It says nothing of sign-ins: a server goes on answering while all of them fail.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from beacon.config.fields import Host, Port, Secret
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.run import Run
from beacon.net import dial
from beacon.net.radius import LONGEST, PORT, Attribute, Packet, Server, conversation
from beacon.probing.base import FAST, Abilities, Kind, SettingFlaw


@dataclass(frozen=True, kw_only=True)
class RadiusStatus(Kind):
    """Whether a server that knows our shared secret answers. No account is needed."""

    ABILITIES: ClassVar = Abilities(evidence=Evidence.HEALTH, timing=FAST)

    host: Host
    port: Port = PORT
    shared_secret: Secret
    nas_identifier: str = "mfa-beacon"
    ip_version: dial.IpVersion | None = None

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if not 0 < len(self.nas_identifier.encode()) <= LONGEST:
            allowed = f"1 to {LONGEST} bytes"
            yield SettingFlaw(("nas_identifier",), "not a length that RADIUS allows", allowed)

    def look(self, run: Run) -> Reading:
        """Ask once. A sound FreeRADIUS does not sign this answer, so it is not demanded."""
        server = Server(self.host, self.port, self.shared_secret, self.ip_version, signed=False)
        carried = {Attribute.NAS_IDENTIFIER: (self.nas_identifier.encode(),)}
        with conversation(run, server) as talk:
            return self.judge(talk.ask(Packet.STATUS_SERVER, carried).packet)

    def judge(self, packet: Packet) -> Reading:
        """What the answer comes to: Access-Accept is the one RFC 5997 knows."""
        if packet is Packet.ACCESS_ACCEPT:
            return Reading(Reason.OK, "it answers; that says nothing of sign-ins")
        return Reading(Reason.PROTOCOL_ERROR, f"answered with {packet.words}, not Access-Accept")


PROBE = RadiusStatus
