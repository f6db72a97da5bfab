"""Pushes over MQTT: at most one a second per endpoint, of several the latest.

A sender over MQTT gets no answer. So a message that comes too soon waits, and a later one replaces
it. One thread calls everything here.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from beacon.engine.clock import Clock
from beacon.engine.pushed.receiver import AT_MOST_EVERY, PushDenied, PushRefusal, Way
from beacon.outputs.push_gateway import PushGateway


class MqttPush:
    """Takes what is published below `push/`. While subscribed, we are inside `listening`."""

    def __init__(
        self,
        gateway: PushGateway,
        clock: Clock,
        listening: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._gateway, self._clock, self.listening = gateway, clock, listening
        self._known = frozenset(gateway.of(Way.MQTT))
        self._waiting: dict[str, bytes] = {}
        self._free_at: dict[str, float] = {}

    def receive(self, endpoint: str, payload: bytes, *, retained: bool) -> None:
        """Keep one message; it is delivered at the next turn, or when its second is over."""
        if retained:
            denied = PushDenied(
                PushRefusal.RETAINED, "retained: it would come again at every connection"
            )
        elif endpoint not in self._known:
            denied = PushDenied(PushRefusal.UNKNOWN, "no such endpoint")
        else:
            self._waiting[endpoint] = payload
            return
        self._gateway.log_refusal(Way.MQTT, endpoint, denied)

    def turn(self) -> None:
        """Deliver what is due."""
        now = self._clock.monotonic()
        for endpoint in [name for name in self._waiting if self._free_at.get(name, now) <= now]:
            self._free_at[endpoint] = now + AT_MOST_EVERY
            payload = self._waiting.pop(endpoint)
            try:
                self._gateway.deliver(Way.MQTT, endpoint, payload)
            except PushDenied as denied:
                if denied.retry_after is not None:  # one came by HTTP, or the beacon is busy
                    self._waiting[endpoint] = payload
                    self._free_at[endpoint] = now + denied.retry_after

    def due(self) -> float | None:
        """When the next waiting message is due."""
        return min((self._free_at.get(name, 0.0) for name in self._waiting), default=None)
