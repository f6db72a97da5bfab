"""What kinds of probes share. A kind itself is one file in `beacon/probes`.

`base` is the class of all kinds: what a kind declares, and the frame of its runs.

    observe: look (the kind's own) → failure becomes its reading → unjudged codes go back → timed

A reading leaves it with its times; text is made safe around it, in `Run.take`. A kind must never
retry, sleep, count failures, or know thresholds and lamps.

`dialogue` signs in step by step. `delivery` makes a code be sent
and waits for it. `sign_in_stats`, `status_pages`, `validate_api` and `webhooks` each serve
several kinds.
"""
