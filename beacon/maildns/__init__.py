"""What the DNS must say of a domain, so that its mail is delivered and believed.

    sources (live DNS, a zone file) → survey → snapshot → findings

`golden` compares with a snapshot that was approved. `records/` parses SPF, DKIM and DMARC as
receivers do.
"""
