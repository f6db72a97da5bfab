"""What every mailbox must do: a place where messages arrive, by mail or by SMS."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Protocol

from beacon.engine.run import Run

MESSAGE_LIMIT: Final = 64 * 1024
"""Bytes of one message that are read; the rest is ignored."""

MESSAGES_LIMIT: Final = 1000
"""Messages one watch reads; a mailbox with more is not a probe's own."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message that has arrived. `key` identifies it in its mailbox.

    `head` is its subject, sender and recipient: searched where the text has no code. `sent` is
    when it was sent, by the clocks of others (UTC seconds).
    """

    key: Hashable
    text: str = field(repr=False)
    head: str = field(default="", repr=False, kw_only=True)
    sent: float | None = field(default=None, kw_only=True)


class Watch(Protocol):
    """A mailbox from the moment it was opened on."""

    def wait(self, run: Run, until: float) -> Message | None:
        """The next message that arrived since the opening, each once; None: none in time.

        `until` is by the run's monotonic clock. Reads at most `MESSAGE_LIMIT` bytes of a message
        and at most `MESSAGES_LIMIT` messages. Raises `DeadlinePassed`, and `ProbeFailure` with an
        error where the mailbox cannot be read (`own_modem`, `own_credentials`, `source_dead`).
        """
        ...

    def remove(self, run: Run, message: Message) -> None:
        """Delete a message for good, so that the mailbox never fills. Raises `DeadlinePassed`.

        A failed deletion is only noted: it does not make the code worse.
        """
        ...

    def close(self) -> None:
        """Close it. Never raises and never blocks: the run's time may be up."""
        ...
