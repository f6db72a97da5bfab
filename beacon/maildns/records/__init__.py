"""SPF, DKIM and DMARC records, parsed and checked as receivers do. Pure."""
