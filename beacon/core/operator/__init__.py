"""What people may ask of the beacon, and what lies over a service because of it.

`commands` is the list of commands. `overlays` holds shelving, maintenance, bypass, attestation
and drill, each with its end. An overlay changes what is shown and announced, never what is
judged.
"""
