"""What the DNS must say of a domain for the mail that it sends to be believed."""
