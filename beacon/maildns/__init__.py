"""maildns."""
