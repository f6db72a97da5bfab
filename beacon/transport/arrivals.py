"""Codes that arrive by message: what a mailbox must do for a sign-in to await one.

The way of one code, within one run:

    watch = mailbox.open(run)          # before the first request: what is there does not count
    …                                  # the server sends its message
    code = await_code(run, watch, pattern, within)
    watch.close()                      # in any case, also past the deadline

A message is taken for what it is by a pattern, not by its sender or its time: clocks of senders
are theirs. The message the code was in is removed, every other one is left for whoever wants it.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Protocol

from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.engine.text_pattern import TextPattern
from beacon.transport.trouble import Trouble

MESSAGE_LIMIT: Final = 64 * 1024
"""Bytes of one message that are read; what comes after is not looked at."""

MESSAGES_LIMIT: Final = 1000
"""Messages one watch looks at; more than that is no mailbox of a probe."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message that has arrived. `key` is what its mailbox knows it by."""

    key: Hashable
    text: str = field(repr=False)


class Watch(Protocol):
    """A mailbox from the moment it was opened on."""

    def wait(self, run: Run, until: float) -> Message | None:
        """The next message that arrived since the opening, each once; None: none until then.

        `until` is by the run's monotonic clock. Reads at most `MESSAGE_LIMIT` bytes of a message
        and gives at most `MESSAGES_LIMIT` of them. Raises `Trouble` with an error where the
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

        Raises `Trouble` with an error, as `Watch.wait` does, and `DeadlinePassed`.
        """
        ...


def await_code(run: Run, watch: Watch, pattern: str, within: float) -> str:
    """The code in the next message that holds one, hidden in what the run tells.

    The code is the pattern's first group, or the whole match. Its message is removed. Raises
    `Trouble` (`code_not_arrived`) where none has come within so many seconds.
    """
    until = run.clock.monotonic() + within
    before, run.silence = run.silence, Reason.CODE_NOT_ARRIVED
    while (message := watch.wait(run, until)) is not None:
        code = found_in(pattern, message.text)
        if code:
            run.hide(code)
            watch.remove(run, message)
            run.silence = before
            return code
        run.note("a message without what was looked for")
    raise Trouble(Reason.CODE_NOT_ARRIVED, f"no message with a code within {within:g} s")


def found_in(pattern: str, text: str) -> str | None:
    """The code in a text: the pattern's first group, or the whole match; None without one."""
    compiled = TextPattern(pattern)
    try:
        match = compiled.search(text)
    except TimeoutError:
        return None
    return match[1 if compiled.groups else 0] if match else None
