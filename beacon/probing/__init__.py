"""What kinds of probes share. A kind itself is one file in `beacon/probes`.

`base` is what each kind offers. `dialogue` signs in step by step. `delivery` makes a code be sent
and waits for it. `sign_in_stats`, `status_pages`, `validate_api` and `webhooks` each serve
several kinds.
"""
