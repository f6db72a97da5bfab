"""The setting `mailboxes`: where the codes arrive that servers send."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from beacon.config.fields import Flaw, SettingRefused
from beacon.engine.run import Run
from beacon.net.mail.imap import Imap
from beacon.net.mailbox import Watch
from beacon.otp.gammu_inbox import Smsd


@dataclass(frozen=True, kw_only=True)
class AnyMailbox:
    """A place where messages arrive: one of its kinds."""

    imap: Annotated[Imap | None, Meta(description="mail, by IMAP")] = None
    smsd: Annotated[Smsd | None, Meta(description="text messages, by gammu-smsd")] = None

    def __post_init__(self) -> None:
        """Refuse all but exactly one kind."""
        if (self.imap is None) == (self.smsd is None):
            raise SettingRefused("not exactly one kind of mailbox", "one of imap, smsd")

    @property
    def clock_bound(self) -> bool:
        """Whether it cannot be opened if our own clock is wrong."""
        return self.imap is not None and self.imap.clock_bound

    def flaws(self) -> Iterator[Flaw]:
        """What is wrong with the settings taken together."""
        for path, message, allowed in self.imap.flaws() if self.imap else ():
            yield ("imap", *path), message, allowed

    def open(self, run: Run) -> Watch:
        """Open it."""
        if self.imap is not None:
            return self.imap.open(run)
        assert self.smsd is not None, "__post_init__ refuses neither"
        return self.smsd.open(run)
