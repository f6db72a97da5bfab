"""Notifies systemd over its socket (sd_notify(3)).

Without `NOTIFY_SOCKET` every method does nothing. A message that cannot be sent is logged once and
dropped: the beacon goes on, and systemd's own timeouts act.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)


class Notifier:
    """The daemon's side of `Type=notify` and `WatchdogSec=`. Never blocks.

    `monotonic` is CLOCK_MONOTONIC, as systemd expects; our own clock also counts suspended time.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._monotonic = monotonic
        self._warned = False
        self.watchdog_interval = _watchdog_interval(environ) if self._address else None
        """Seconds between two `watchdog` calls (half of systemd's limit); None: not wanted."""

    def ready(self) -> None:
        """Start or reload is complete."""
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it, whether the new file was taken or not."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(self._monotonic() * 1_000_000)}")

    def stopping(self) -> None:
        """The orderly stop begins."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """Judge and renderer are both alive."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("STATUS=" + " ".join(text.split()))

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(0)
                sock.sendto(message.encode(), self._address)
        except OSError as error:
            if not self._warned:
                self._warned = True
                log.warning(
                    "systemd cannot be notified of %s: %s", message.partition("\n")[0], error
                )


def _address(raw: str) -> str:
    """The socket's address as Python needs it; "": none, or of an unknown kind."""
    if raw.startswith("@"):
        return "\0" + raw[1:]
    if raw and not raw.startswith("/"):
        log.warning("NOTIFY_SOCKET=%s is neither a path nor an abstract socket; ignored", raw)
        return ""
    return raw


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    """Half of WATCHDOG_USEC in seconds, if it is meant for this process."""
    limit = environ.get("WATCHDOG_USEC", "")
    meant_for = environ.get("WATCHDOG_PID", "")
    if meant_for and meant_for != str(os.getpid()):
        return None
    if not limit.isascii() or not limit.isdigit() or int(limit) == 0:
        return None
    return int(limit) / 2_000_000
