"""Time, threads and the one queue; no network, no GPIO."""
