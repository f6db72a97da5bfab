"""What the probe of one endpoint remembers from run to run.

Settings are frozen; what a run learns for the next one stands here: a token in hand, the keys a
provider offered, requests whose code has not come. The engine has one memory for each endpoint,
keeps it while the endpoint's settings stay equal, and drops it when they change (ADR 0034). An
endpoint has one run at a time, so nothing here needs a lock.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

T = TypeVar("T")

_NOTHING: Final[Mapping[type, Any]] = MappingProxyType({})


class ProbeMemory:
    """One object of each class that the probe asks for. It is also who asks for one-time codes.

    `shared` holds what all endpoints share, by its class; that takes care of threads by itself.
    """

    def __init__(self, shared: Mapping[type, Any] = _NOTHING) -> None:
        self._held = dict(shared)

    def of(self, kind: type[T]) -> T:
        """The object of this class; made empty when it is first asked for."""
        if kind not in self._held:
            self._held[kind] = kind()
        held: T = self._held[kind]
        return held
