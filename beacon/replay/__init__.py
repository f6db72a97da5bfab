"""Scripted incidents, judged by the live core on a clock that is moved by hand.

`play` reads a script, runs it and compares with what it expects. `timeline` prints it for people.
"""
