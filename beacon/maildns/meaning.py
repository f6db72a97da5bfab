"""The part of an answer that matters for mail. Pure."""

import dns.rdatatype

from beacon.maildns.answer import Found
from beacon.maildns.records.dkim import is_key
from beacon.maildns.records.dmarc import is_dmarc
from beacon.maildns.records.spf_grammar import is_spf
from beacon.net.dns_records import digest


def is_about_mail(text: str) -> bool:
    """Whether receivers of mail read this TXT: SPF, DKIM or DMARC."""
    return is_spf(text) or is_dmarc(text) or is_key(text)


def meaning(found: Found) -> frozenset[bytes]:
    """The values that matter: of TXT records only those about mail."""
    return frozenset(
        value
        for record, value in ((record, digest(record)) for record in found.records)
        if record.rdtype != dns.rdatatype.TXT or is_about_mail(value.decode("ascii", "replace"))
    )
