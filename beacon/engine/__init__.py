"""What runs the core: time, the schedule, worker threads, the one thread that decides.

    schedule → workers → probe.observe(run) → inbox → loop → core.monitor → effects → outputs

Everybody posts to the inbox; only the loop's thread changes state. A worker's run has a deadline
and a budget of bytes; at the deadline its sockets are shut. `redaction` masks secrets in all text
that leaves a run. `latest` keeps the last effect of each thing.

Must never happen: something outside blocks the deciding thread.
"""
