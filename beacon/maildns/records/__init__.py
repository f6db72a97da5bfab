"""SPF, DKIM and DMARC records, parsed and judged as receivers do. Pure."""
