"""What the DNS must contain for a sender's domain, so that receivers accept its mail.

In:      a domain, its DKIM selectors and senders; and where to ask: resolvers, the zone's own
         servers, or a zone file that no server uses yet.
Out:     findings: everything that is wrong with the domain, the worst first.
Decided: which answer counts when servers differ; what receivers of mail would make of the
         records; what changed since a golden file was approved.

    sources (resolvers, Authority, zone) → survey → snapshot → findings
                                                       └── golden: compared with an approved one
    records/   SPF, DKIM and DMARC, parsed as receivers do

Must never happen: a server that cannot be asked makes a record count as missing; a failure of
our own resolver counts as the domain's; a proposed zone is believed about names that it only
delegates (docs/dns.md, docs/adr/0019, docs/adr/0030).
"""
