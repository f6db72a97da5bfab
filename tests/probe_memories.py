"""What probes remember in a test, as the engine would hand it to them."""

from typing import Final

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
