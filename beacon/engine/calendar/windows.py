"""Planned windows of the calendar. The core gets an event when they change.

A window covers every reading of the local clock between its two times: on the night the
clocks go back from the first such reading to the last, on the night they go forward a
time that does not exist counts as the first that does.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from beacon.core.inputs import Scheduled
from beacon.core.model import Moment
from beacon.engine.clock import Clock, utc_at

_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyWindow:
    """Every week on `weekdays` (0: Monday, of its beginning) between two local times.

    `begin` and `end` are "22:00"; a window that ends before it begins goes over midnight, and
    an end of "24:00" is that midnight: "00:00" to "24:00" is the whole day.
    """

    name: str
    weekdays: tuple[int, ...]
    begin: str
    end: str
    time_zone: str
    services: tuple[str, ...]

    def open_until(self, now: datetime) -> datetime | None:
        """When the window that is open at `now` ends (UTC); None while none is."""
        today = now.astimezone(ZoneInfo(self.time_zone)).date()
        for day in (today - _DAY, today):
            if day.weekday() in self.weekdays:
                begin, end = self._on(day)
                if begin <= now < end:
                    return end
        return None

    def _on(self, day: date) -> tuple[datetime, datetime]:
        begin, end = time_of_day(self.begin), time_of_day(self.end)
        zone = ZoneInfo(self.time_zone)
        last = day if begin < end else day + _DAY
        return _moment(day, begin, zone, fold=0), _moment(last, end, zone, fold=1)


def time_of_day(text: str) -> time:
    """Return a local time; "24:00" is the first moment of the next day."""
    return time.fromisoformat("00:00" if text == "24:00" else text)


def _moment(day: date, at: time, zone: ZoneInfo, *, fold: int) -> datetime:
    """The moment of a local time: of two the one that `fold` picks; if none, the next there is."""
    local = datetime.combine(day, at)
    while True:
        moment = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == local:
            return moment
        local += _MINUTE


@dataclass(frozen=True, slots=True)
class _Open:
    """A window as it is open for one service; `ends_at` is the monotonic moment of `until`."""

    until: datetime
    name: str
    ends_at: Moment


class WindowsWatch:
    """Reports which services are in planned windows whenever that changes. Polled by `Engine`.

    While the date is not `plausible` no window begins, and those that are open end when the
    time that was left of them has passed.
    """

    def __init__(
        self,
        clock: Clock,
        windows: Iterable[WeeklyWindow],
        plausible: Callable[[], bool] = lambda: True,
    ) -> None:
        self._clock, self._plausible = clock, plausible
        self._windows: Sequence[WeeklyWindow] = tuple(windows)
        self._open: dict[str, _Open] = {}

    def follow(self, windows: Iterable[WeeklyWindow]) -> None:
        """Use other windows from now on."""
        self._windows = tuple(windows)

    def __call__(self, at: Moment) -> Scheduled | None:
        """The event for the core, if anything changed since the last call."""
        found = self._by_date(at) if self._plausible() else self._by_time(at)
        same = {s: (o.until, o.name) for s, o in found.items()} == {
            s: (o.until, o.name) for s, o in self._open.items()
        }
        self._open = found
        if same:
            return None
        return Scheduled(at, tuple((s, o.ends_at, o.name) for s, o in found.items()))

    def _by_date(self, at: Moment) -> dict[str, _Open]:
        now = utc_at(self._clock, at)
        found: dict[str, _Open] = {}
        for window in self._windows:
            if (until := window.open_until(now)) is None:
                continue
            for service in window.services:
                if service not in found or found[service].until < until:
                    ends_at = Moment(at + (until - now).total_seconds())
                    found[service] = _Open(until, window.name, ends_at)
        return found

    def _by_time(self, at: Moment) -> dict[str, _Open]:
        return {service: each for service, each in self._open.items() if at < each.ends_at}
