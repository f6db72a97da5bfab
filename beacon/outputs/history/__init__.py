"""The history in SQLite: incidents, operators' records, memory, used codes.

One queue, one writing thread. A damaged file is set aside with a word, and the beacon goes on.
"""
