"""Who refuses mail for which trouble, in the words of a report. docs/dns.md has the sources."""

from typing import Final

from beacon.core.model import Reason

_SPF: Final = (
    "receivers that check SPF: Gmail puts the mail off (421-4.7.27: the code comes after it has "
    "expired), and refuses it where DKIM does not pass either (550-5.7.26: it never comes)"
)
_DKIM: Final = (
    "receivers that check DKIM: Gmail refuses the mail (4.7.30), and where SPF does not pass "
    "either for good (550-5.7.26: the code never comes)"
)
_GONE: Final = (
    "everybody whose mail server asks whether the sender's domain exists: refused, or put off "
    "until the code has expired"
)
_CHANGED: Final = "whoever relies on the record as it was; nobody, if the change is meant"

CONSEQUENCES: Final = {
    Reason.DNS_NXDOMAIN: _GONE,
    Reason.DNSSEC_BOGUS: "everybody behind a resolver that checks signatures: to them it is gone",
    Reason.SPF_MISSING: _SPF,
    Reason.SPF_PERMERROR: _SPF,
    Reason.SPF_FAIL: _SPF,
    Reason.DKIM_MISSING: _DKIM,
    Reason.DKIM_REVOKED: _DKIM,
    Reason.DMARC_MISSING: (
        "receivers that ask a policy of who sends in bulk (Gmail, Yahoo, Outlook): they may put "
        "the mail off or refuse it"
    ),
    Reason.MX_MISSING: "receivers that refuse a sender nobody could answer",
    Reason.PTR_MISMATCH: (
        "receivers that check the name of who connects: Gmail puts the mail off (421-4.7.23)"
    ),
    Reason.RECORD_MISSING: _CHANGED,
    Reason.RECORD_CHANGED: _CHANGED,
}
"""Reason → who would stop receiving codes; reasons that stop nobody are not here."""
