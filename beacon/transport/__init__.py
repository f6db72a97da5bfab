"""What probes share to reach others and to read their answers."""
