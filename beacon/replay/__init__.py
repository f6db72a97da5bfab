"""Scripted incidents: the live core judges them and the live schedule runs them, in virtual time.

`script` is the grammar of a file, `load` reads and checks one, `play` runs it in the `simulation`,
`expect` compares, `timeline` prints it for people, and `tower` shows it on real lamps.
"""
