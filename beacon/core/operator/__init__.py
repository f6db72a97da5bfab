"""What people may ask of the beacon, and what lies over a service because of it.

`commands` is the list of commands. `overlays` holds shelving, maintenance, bypass,
attestation, drill and uses of break-glass accounts, each with its end. An overlay changes what is
shown and announced, never how a reading counts.
"""
