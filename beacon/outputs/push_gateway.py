"""The gateway for pushed readings, over HTTP and MQTT.

A push that is wrong costs only itself. Its sender gets the cause over HTTP; the log has each cause
at its 1st, 10th, 100th … occurrence.
"""

import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, Protocol

from beacon.config.fields import Secret
from beacon.core.model import Reading
from beacon.engine.pushed.receiver import PushDenied, Pushed, PushRefusal, Way
from beacon.engine.redaction import Secrets, safe_traceback

log = logging.getLogger(__name__)

UNDATED: Final = "send `at`, when it was seen: else it could be sent again at any time"
"""For senders over HTTP. Over MQTT only those whom the broker admits can repeat a message."""

BUSY_AGAIN: Final = 5.0
"""Seconds after which to try again when the beacon was too busy."""


class Pushable(Protocol):
    """The settings of a pushed endpoint (`beacon.probes.push.Push`)."""

    @property
    def token(self) -> Secret | None:
        """The secret of senders over HTTP."""
        ...

    @property
    def ways(self) -> tuple[Way, ...]:
        """How a reading may arrive."""
        ...

    @property
    def dated(self) -> bool:
        """Whether its senders can date a reading."""
        ...

    def read(self, body: bytes) -> Pushed | None:
        """Parse a body; None: it tells nothing about health. Raises `PushDenied`."""
        ...


class PushGateway:
    """Checks pushes for `endpoints`; `take` accepts a reading, or raises `PushDenied`.

    Called by any thread.
    """

    def __init__(
        self, endpoints: Mapping[str, Pushable], take: Callable[[str, Pushed], None]
    ) -> None:
        self._endpoints, self._take = endpoints, take
        self._counts: dict[tuple[Way, str, PushRefusal], itertools.count[int]] = {}

    def of(self, way: Way) -> Mapping[str, Pushable]:
        """The endpoints that take readings this way."""
        return {name: each for name, each in self._endpoints.items() if way in each.ways}

    def deliver(self, way: Way, endpoint: str, body: bytes) -> Reading | None:
        """Take one push; None: it tells nothing about health. Raises `PushDenied`."""
        try:
            return self._deliver(way, endpoint, body)
        except PushDenied as denied:
            self.log_refusal(way, endpoint, denied)
            raise

    def log_refusal(self, way: Way, endpoint: str, denied: PushDenied) -> None:
        """Log why a push was denied: the 1st, 10th, 100th … time of each cause."""
        known = endpoint if endpoint in self._endpoints else ""
        count = self._counts.setdefault((way, known, denied.cause), itertools.count(1))
        number = next(count)
        if str(number).strip("0") == "1":
            to = f" to {known}" if known else ""
            so_far = f"; {number} so far" if number > 1 else ""
            log.warning("a push%s by %s was refused: %s%s", to, way, denied.cause, so_far)

    def _deliver(self, way: Way, endpoint: str, body: bytes) -> Reading | None:
        wanted = self._endpoints.get(endpoint)
        if wanted is None or way not in wanted.ways:
            raise PushDenied(PushRefusal.UNKNOWN, "no such endpoint")
        try:
            pushed = wanted.read(body)
            if pushed is None:
                return None
            if pushed.at is None and wanted.dated and way is Way.HTTP:
                raise PushDenied(PushRefusal.MALFORMED, UNDATED)
            secrets = Secrets()
            secrets.hide_in(wanted)
            pushed = replace(pushed, reading=secrets.cleared(pushed.reading))
            self._take(endpoint, pushed)
        except PushDenied:
            raise
        except TimeoutError:
            raise PushDenied(PushRefusal.BUSY, "the beacon is too busy", BUSY_AGAIN) from None
        except Exception as error:  # noqa: BLE001 - the border: it costs this push only
            problem = safe_traceback(error)  # no traceback: it may quote a secret
            log.error("a push to %s failed:\n%s", endpoint, problem)  # noqa: TRY400
            raise PushDenied(PushRefusal.BUG, "internal error; see the beacon's log") from None
        return pushed.reading
