"""Whether an endpoint is slow: against its limit, and against what is usual at this hour."""
