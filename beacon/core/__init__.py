"""The pure domain: a fold over events. No clock, thread, log or I/O; time comes as data."""
