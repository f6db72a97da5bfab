"""The only way to the deciding thread: any thread posts, one thread takes.

Nothing else is shared between threads and written by more than one of them.
"""

from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

BATCH: Final = 256
"""Most items taken at once, so that a flood cannot keep the deciding thread from its deadlines."""


class Inbox(Generic[Item]):
    """First in, first out, without limit. `post` never blocks and is safe in a signal handler."""

    def __init__(self) -> None:
        # Written in C: wakes its reader at once and, unlike Queue, may be re-entered by a signal.
        self._queue: SimpleQueue[Item] = SimpleQueue()

    def post(self, item: Item) -> None:
        """Add an item; from any thread."""
        self._queue.put(item)

    def take(self, timeout: float) -> list[Item]:
        """Wait up to `timeout` seconds for an item, then return all there are, at most `BATCH`."""
        items: list[Item] = []
        try:
            items.append(self._queue.get(timeout=max(timeout, 0.0)))
            while len(items) < BATCH:
                items.append(self._queue.get_nowait())
        except Empty:
            pass
        return items
