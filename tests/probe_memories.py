"""What probes remember in a test, as the engine would hand it to them; and an engine that does."""

from typing import Final

from beacon.core.monitor import Monitor
from beacon.engine.clock import Clock
from beacon.engine.inbox import Inbox
from beacon.engine.loop import Engine, Item
from beacon.engine.output import Heartbeat
from beacon.engine.probe_memory import ProbeMemory
from beacon.net.http.conditional_client import ConditionalClient
from beacon.otp.used_codes import Ledger, Token


class ProbeMemories:
    """One memory for each probe object. All share one ledger, begun long ago: no first wait."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget everything: a test begins."""
        self.ledger, self.sources = Ledger(), ConditionalClient()
        self.ledger.wait(Token(b"of nobody"), 0.0)
        self._held: dict[int, tuple[object, ProbeMemory]] = {}

    def new(self) -> ProbeMemory:
        """The memory of one more endpoint."""
        return ProbeMemory({Ledger: self.ledger, ConditionalClient: self.sources})

    def of(self, probe: object) -> ProbeMemory:
        """The memory of this probe."""
        return self._held.setdefault(id(probe), (probe, self.new()))[1]


MEMORIES: Final = ProbeMemories()


def engine_of(judge: Monitor, clock: Clock, inbox: Inbox[Item]) -> Engine:
    """An engine without outputs, whose probes share the ledger of this test."""
    heart = Heartbeat(clock)
    return Engine(
        judge=judge,
        clock=clock,
        inbox=inbox,
        outputs=(),
        heartbeat=heart,
        renderer=heart,
        feed=lambda: None,
        new_memory=MEMORIES.new,
    )
