"""The light stack: one thread draws all lamps in phase and reads the button.

`renderer` makes levels from the indication and its own clock; `gpio` sets them. It watches the
judge's heartbeat and goes dark when that stops. `failsafe_file` tells the lamp script which lines
to darken when the daemon has died.
"""
