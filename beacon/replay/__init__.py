"""Scripted incidents, judged by the live core on a clock that is moved by hand.

`script` is the grammar of a file, `load` reads and checks one, `play` runs it in the `simulation`,
`expect` compares, `timeline` prints it for people, and `tower` shows it on real lamps.
"""
