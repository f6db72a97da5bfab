"""The tower drawn in a terminal: for machines without one, and to see why a lamp is lit.

What comes in: effects. `screen` holds the latest of each thing, `render` draws it, `output` shows
the picture and gives the terminal back at the end. Must never happen: a lit lamp in the picture
while the judge has stopped.
"""
