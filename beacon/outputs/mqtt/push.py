"""Pushes over MQTT: at most one a second of an endpoint, of several the latest.

Nobody can be told that a message was too much, so what came too soon waits, and gives way to
what comes after it. One thread calls everything here.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from beacon.engine.clock import Clock
from beacon.engine.push_receiver import AT_MOST_EVERY, PushDenied, PushRefusal, Way
from beacon.outputs.push_gateway import PushGateway


class MqttPush:
    """What is published below `push/`. While it can come, we are inside `listening`."""

    def __init__(
        self, door: PushGateway, clock: Clock, listening: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._door, self._clock, self.listening = door, clock, listening
        self._known = frozenset(door.of(Way.MQTT))
        self._waiting: dict[str, bytes] = {}
        self._free_at: dict[str, float] = {}

    def hear(self, endpoint: str, payload: bytes, *, retained: bool) -> None:
        """Note one message; it is taken at the next turn, or when its second is over."""
        if retained:
            denied = PushDenied(
                PushRefusal.RETAINED, "retained: it would come again at every connection"
            )
        elif endpoint not in self._known:
            denied = PushDenied(PushRefusal.UNKNOWN, "no such endpoint")
        else:
            self._waiting[endpoint] = payload
            return
        self._door.complain(Way.MQTT, endpoint, denied)

    def turn(self) -> None:
        """Take what is due."""
        now = self._clock.monotonic()
        for endpoint in [name for name in self._waiting if self._free_at.get(name, now) <= now]:
            self._free_at[endpoint] = now + AT_MOST_EVERY
            payload = self._waiting.pop(endpoint)
            try:
                self._door.deliver(Way.MQTT, endpoint, payload)
            except PushDenied as denied:
                if denied.retry_after is not None:  # by HTTP, or while the beacon is busy
                    self._waiting[endpoint] = payload
                    self._free_at[endpoint] = now + denied.retry_after

    def due(self) -> float | None:
        """When something that waits is to be taken."""
        return min((self._free_at.get(name, 0.0) for name in self._waiting), default=None)
