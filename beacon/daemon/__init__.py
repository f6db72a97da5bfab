"""The running beacon: start, signals, reload, stop, exit status.

`life` starts and stops the parts, `wiring` connects them. `reload` is what happens at SIGHUP.
`retry` writes again what could not be written. `self_health` reports on the beacon itself.
"""
