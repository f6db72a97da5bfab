"""A small MQTT broker (3.1.1, retained messages, last wills) in a thread of its own.

For trying things out; in production use mosquitto. amqtt is an optional dependency.
"""

import asyncio
import logging
import socket
import threading
from concurrent.futures import Future
from typing import Any, Final

import amqtt.broker
from amqtt.session import Session

from beacon.sandbox.world import HOST

START_LIMIT: Final = 15.0
STOP_LIMIT: Final = 5.0
"""Seconds to wait for the broker's thread."""


class SandboxBroker:
    """amqtt, started and stopped from ordinary code."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def start(self) -> None:
        """Listen. Raises `OSError` when the port is taken."""
        with socket.create_server((HOST, self.port)):
            pass  # for a busy port amqtt would log a traceback; this raises a clear error
        self._thread.start()
        self._ready.result(START_LIMIT)

    def stop(self) -> None:
        """Close all sessions and the port."""
        loop, stopping = self._ready.result(START_LIMIT)
        loop.call_soon_threadsafe(stopping.set)
        self._thread.join(STOP_LIMIT)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        # It logs every packet at INFO, and warns about each client that disconnects.
        logging.getLogger("amqtt").setLevel(logging.ERROR)
        logging.getLogger("transitions").setLevel(logging.ERROR)
        stopping = asyncio.Event()
        broker = _Broker(_settings(self.port))
        await broker.start()
        self._ready.set_result((asyncio.get_running_loop(), stopping))
        await stopping.wait()
        await broker.shutdown()


class _Broker(amqtt.broker.Broker):  # type: ignore[misc]  # it has no types
    """Corrects amqtt 0.12: it sends a new client the retained messages of all subscriptions."""

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        subscribed = self._subscriptions.get(subscription[0], ())
        if any(other is session for other, _ in subscribed):
            await super()._publish_retained_messages_for_subscription(subscription, session)


def _settings(port: int) -> dict[str, Any]:
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}", "max_connections": 50}},
        "plugins": {
            "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
        },
    }
