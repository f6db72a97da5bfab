"""One endpoint: from readings to health.

`readings` takes a reading in, for what our own network and clock make it worth. `state` holds the
streaks, the 4-of-6 window, flapping and the sign-in guard. `latency_baseline` knows which latency
is usual at this hour of the week. `delivery_stats` counts codes sent and arrived.

Must never happen: a fault of our own line or clock takes an endpoint down; an error ends a
streak.
"""
