"""Foreign text: every parser has a bound on input, output and time (docs/bounds.md).

What may cost more than 50 ms is read in the parser process, which can be killed.
"""
