"""The control socket: how `beacon status`, `acknowledge` and the others reach the daemon."""
