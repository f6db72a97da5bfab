"""A place where messages arrive, by mail or by SMS: what each of them must do."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Protocol

from beacon.engine.run import Run

MESSAGE_LIMIT: Final = 64 * 1024
"""Bytes of one message that are read; what comes after is not looked at."""

MESSAGES_LIMIT: Final = 1000
"""Messages one watch looks at; more than that is no mailbox of a probe."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message that has arrived. `key` is what its mailbox knows it by.

    `head` is what it is about, who it is from and to: looked at where the text has no code.
    `sent` is when it was sent as far as it tells, by the clocks of others (UTC seconds).
    """

    key: Hashable
    text: str = field(repr=False)
    head: str = field(default="", repr=False, kw_only=True)
    sent: float | None = field(default=None, kw_only=True)


class Watch(Protocol):
    """A mailbox from the moment it was opened on."""

    def wait(self, run: Run, until: float) -> Message | None:
        """The next message that arrived since the opening, each once; None: none until then.

        `until` is by the run's monotonic clock. Reads at most `MESSAGE_LIMIT` bytes of a message
        and gives at most `MESSAGES_LIMIT` of them. Raises `ProbeFailure` with an error where the
        mailbox cannot be read (`own_modem`, `own_credentials`, `source_dead`), `DeadlinePassed`.
        """
        ...

    def remove(self, run: Run, message: Message) -> None:
        """Delete a message for good, so that the mailbox never fills.

        One that cannot be deleted is noted: its code is as good. Raises `DeadlinePassed`.
        """
        ...

    def close(self) -> None:
        """Let go of it. Never raises and never blocks: the run's time may be up."""
        ...


class Mailbox(Protocol):
    """The settings of one place where messages arrive."""

    def open(self, run: Run) -> Watch:
        """Note what is there, so that only what arrives from now on counts.

        Raises `ProbeFailure` with an error, as `Watch.wait` does, and `DeadlinePassed`.
        """
        ...
