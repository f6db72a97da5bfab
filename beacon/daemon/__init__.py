"""The running beacon: start, signals, reload, stop, exit status.

`life` puts the parts together. `reload` hands a new configuration to what can take it. `retry`
writes again what could not be written. `self_health` reports on the beacon itself.
"""
