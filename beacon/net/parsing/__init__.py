"""Foreign text: every parser has a limit on input, output and time (docs/bounds.md).

What may take longer than 50 ms is parsed in the parser process, which can be killed.
"""
