"""The setting `mailboxes`: where the codes that servers send are awaited."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from beacon.config.fields import Refused
from beacon.engine.run import Run
from beacon.transport.arrivals import Watch
from beacon.transport.smsd import Smsd


@dataclass(frozen=True, kw_only=True)
class AnyMailbox:
    """A place where messages arrive: one of its kinds."""

    smsd: Annotated[Smsd | None, Meta(description="text messages, by gammu-smsd")] = None

    def __post_init__(self) -> None:
        """Refuse what is no place, or two."""
        if self.smsd is None:
            raise Refused("a mailbox without its kind", "smsd: {inbox: …}")

    def open(self, run: Run) -> Watch:
        """Open the one it is."""
        assert self.smsd is not None, "refused above"
        return self.smsd.open(run)
