"""What the light stack shows and sounds, as data.

`alarm` is one service, and merges the requests of all into an `Indication`, a pattern for each
lamp. `annunciator` holds all alarms: whose turn it is, what sounds now and what later.
`sequences` are the alarm sequences of ISA-18.1 as tables. `buzzer` decides what may sound.
`tower_control` is what services and operators use: it adds silence and drill, and makes effects.
No pin is touched here: see `outputs.tower`.

Must never happen: green beside an outage; a lamp that blinks faster than 2.8 Hz.
"""
