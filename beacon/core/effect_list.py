"""Where the parts of the core put what comes out: one list, in the order in which it happened."""

from beacon.core.effects import Effect


class EffectList:
    """The effects of the event that is being handled. Parts put in, `Monitor` alone takes out."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []

    def put(self, *effects: Effect) -> None:
        """Add effects behind those that are there."""
        self._effects.extend(effects)

    def clear(self) -> None:
        """Begin another event: what an earlier one left, when it failed, is dropped."""
        self._effects.clear()

    def effects(self) -> tuple[Effect, ...]:
        """What came out so far, the first first."""
        return tuple(self._effects)
