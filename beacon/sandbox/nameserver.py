"""A DNS server (UDP and TCP) for the domain that the sandbox's one-time codes are sent from."""

import socketserver
import struct
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.zone

from beacon.sandbox.world import HOST, Fault, World

DOMAIN: Final = "otp.example"
_KEY: Final = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0zPtms59amQHetzmfHcRJ5A53PZsNv/8"
    "YnPpg3Cb8vxi1t0sLSte1Lix6nmtAUZz04F+quwN4cGs7tzMLVvt18W9l5o1/oFta6sYO+CuW2l1"
    "ykO3p8yYwnd0dcOOaqjNLy5DZqU6vqwIlcVfVmPQGpDhpGcHL06Vlzbsf6mqDn+RLoyK0Zn5mhVC"
    "aNyfkvWwFMZFmkb2OoK9ENJMTkYqq1RrLhhkpWKhn0DgTx8INCGt901hnVYRj+7FTJbzGjgoAYN/"
    "0VKe0rU4hzNk9e5FoFEpik9v9uHzGskRzk+QVd3vPS+qjowDnGijmI3wqoUe3CPxHSEuj7CW3CVB"
    "7jwg9QIDAQAB"
)
"""A public key whose private half was thrown away."""
_GROUND: Final = """
@ 60 IN SOA ns hostmaster 1 600 60 3600 60
@ 60 IN NS ns
@ 60 IN A 192.0.2.25
ns 60 IN A 127.0.0.1
mail 60 IN A 192.0.2.25
"""
_MAIL: Final = f"""
@ 60 IN MX 10 mail
@ 60 IN TXT "v=spf1 ip4:192.0.2.25 -all"
beacon._domainkey 60 IN TXT "v=DKIM1; k=rsa; p=" "{_KEY[:200]}" "{_KEY[200:]}"
_dmarc 60 IN TXT "v=DMARC1; p=reject; rua=mailto:dmarc@{DOMAIN}"
"""
UDP_LIMIT: Final = 512


def _zone(text: str) -> dns.zone.Zone:
    return dns.zone.from_text(text, origin=DOMAIN, relativize=False)


class ZoneRecords:
    """The zone as it is now: complete, or without the records that mail needs."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._whole, self._bare = _zone(_GROUND + _MAIL), _zone(_GROUND)

    def answer(self, wire: bytes) -> dns.message.Message | None:
        """The answer to one query; None for invalid bytes."""
        try:
            query = dns.message.from_wire(wire)
            reply = dns.message.make_response(query)
        except dns.exception.DNSException:
            return None
        reply.flags |= dns.flags.AA
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            reply.set_rcode(dns.rcode.NOTIMP)
        else:
            question = query.question[0]
            self._fill(reply, question.name, question.rdtype)
        return reply

    def _fill(
        self, reply: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType
    ) -> None:
        zone = self._bare if self._world.broken(Fault.DNS) else self._whole
        if zone.origin is None or not name.is_subdomain(zone.origin):
            reply.set_rcode(dns.rcode.REFUSED)
            return
        found = zone.get_rrset(name, kind)
        if found is not None:
            reply.answer.append(found)
            return
        if not any(known.is_subdomain(name) for known in zone.nodes):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        reply.authority.append(zone.find_rrset(zone.origin, dns.rdatatype.SOA))


class _UdpHandler(socketserver.BaseRequestHandler):
    server: "_UdpServer"

    def handle(self) -> None:
        wire, sock = self.request
        reply = self.server.records.answer(wire)
        if reply is not None:
            sock.sendto(
                reply.to_wire(max_size=UDP_LIMIT, prefer_truncation=True), self.client_address
            )


class _TcpHandler(socketserver.StreamRequestHandler):
    server: "_TcpServer"
    timeout = 10

    def handle(self) -> None:
        head = self.rfile.read(2)
        if len(head) < 2:
            return
        reply = self.server.records.answer(self.rfile.read(*struct.unpack("!H", head)))
        if reply is not None:
            self.wfile.write(reply.to_wire(prepend_length=True))


class _UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True

    def __init__(self, port: int, records: ZoneRecords) -> None:
        self.records = records
        super().__init__((HOST, port), _UdpHandler)


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, records: ZoneRecords) -> None:
        self.records = records
        super().__init__((HOST, port), _TcpHandler)


TRANSPORTS: Final = (_TcpServer, _UdpServer)
"""Made of a port and the records. Raises `OSError` when the port is taken."""
