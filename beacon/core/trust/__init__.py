"""Self-trust: whether what we see can be our own fault.

`network` asks the witnesses before an endpoint may go down. `clock` compares our clock with
others. Their findings turn readings into errors (`own_network`, `own_clock`), which count for
nothing.
"""
