"""Wall-clock time for a core that knows only monotonic seconds.

Each module watches one thing and posts an event when it changes: the hour of the week, quiet
hours, maintenance windows, whether the date is plausible, whether the clock stepped.
"""
