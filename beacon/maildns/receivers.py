"""Reason → which receivers refuse mail for it, in the words of a report (sources: docs/dns.md)."""

from typing import Final

from beacon.core.model import Reason

_SPF: Final = (
    "receivers that check SPF: Gmail delays the mail (421-4.7.27: the code arrives after it has "
    "expired), and refuses it if DKIM does not pass either (550-5.7.26: it never arrives)"
)
_DKIM: Final = (
    "receivers that check DKIM: Gmail refuses the mail for now (4.7.30), and for good if SPF does "
    "not pass either (550-5.7.26: the code never arrives)"
)
_GONE: Final = (
    "everybody whose mail server checks whether the sender's domain exists: mail is refused, or "
    "delayed until the code has expired"
)
_CHANGED: Final = "those who rely on the old record; nobody, if the change is intended"

CONSEQUENCES: Final = {
    Reason.DNS_NXDOMAIN: _GONE,
    Reason.DNSSEC_BOGUS: "everybody behind a resolver that checks signatures: it finds no domain",
    Reason.SPF_MISSING: _SPF,
    Reason.SPF_PERMERROR: _SPF,
    Reason.SPF_FAIL: _SPF,
    Reason.DKIM_MISSING: _DKIM,
    Reason.DKIM_REVOKED: _DKIM,
    Reason.DMARC_MISSING: (
        "receivers that require a policy of bulk senders (Gmail, Yahoo, Outlook): they may delay "
        "or refuse the mail"
    ),
    Reason.MX_MISSING: "receivers that refuse a sender who cannot receive an answer",
    Reason.PTR_MISMATCH: (
        "receivers that check the name of the sending address: Gmail delays the mail (421-4.7.23)"
    ),
    Reason.RECORD_MISSING: _CHANGED,
    Reason.RECORD_CHANGED: _CHANGED,
}
"""Reason → who would no longer receive codes; reasons that stop no mail are left out."""
