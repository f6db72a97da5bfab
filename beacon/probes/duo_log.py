"""`duo_log`: how users fare with Duo, by the authentication log of its Admin API; break-glass.

A sign-in for which no factor was looked at (bypass, a trusted network, a remembered device) goes
well even while every factor is down: it does not count. What a policy denied does not either.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec

from beacon.config.fields import Duration
from beacon.core.model import Evidence
from beacon.engine.run import Run
from beacon.probing.base import USERS, Abilities
from beacon.probing.sign_in_stats import SAMPLE, USES, LoggedSignIn, Span, Tally, WatchedUsers
from beacon.vendors.duo import DuoApplication, DuoCall

PAGE: Final = 200
PAGES: Final = 20
"""Pages of one list at most; a page without news is the last one, whatever it says of a next."""
_LOG: Final = "/admin/v2/logs/authentication"

WITHOUT_FACTOR: Final = frozenset(
    {
        "allow_unenrolled_user",
        "allow_unenrolled_user_on_trusted_network",
        "allowed_by_policy",
        "bypass_user",
        "remembered_device",
        "trusted_location",
        "trusted_network",
        "user_not_in_permitted_group",
    }
)
"""Reasons of a success for which no factor was looked at."""

TROUBLE: Final = frozenset(
    {
        "call_timed_out",
        "error",
        "invalid_passcode",
        "no_keys_pressed",
        "no_response",
        "user_cancelled",
        "verification_code_incorrect",
    }
)
"""Reasons of a denial that may be Duo's doing: a factor that did not come, late, or not known."""


class Named(msgspec.Struct):
    """A user."""

    key: str | None = None
    name: str | None = None


class Attempt(msgspec.Struct):
    """One entry of the log."""

    timestamp: int
    result: str | None = None
    reason: str | None = None
    factor: str | None = None
    event_type: str | None = None
    txid: str | None = None
    user: Named | None = None


class Metadata(msgspec.Struct, frozen=True):
    """Where the next page begins."""

    next_offset: tuple[str | int, ...] | None = None


class Page(msgspec.Struct):
    """A page of the log."""

    authlogs: list[Attempt]
    metadata: Metadata = Metadata()


@dataclass(frozen=True, kw_only=True)
class DuoLog(WatchedUsers, DuoApplication):
    """The share of sign-ins with a factor that go well; the application is of the Admin API.

    `factors` are Duo's names of those that count (none named: all). `break_glass` is label →
    id of the user.
    """

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.SYMPTOM,
        timing=USERS,
        second_hand=True,
        clock_bound=True,  # by our clock it says of which time it asks
        looks_back=1800,
    )
    ACCOUNT: ClassVar = "the id of a user, as DU… in the Admin Panel's address"

    lag: Duration = Duration(180)  # noqa: RUF009 - it is a number
    factors: tuple[str, ...] = ()

    def tally(self, run: Run, span: Span) -> Tally:
        """Count what happened in a span of time. Raises `ProbeFailure`."""
        found = [e for e in self._attempts(run, span, SAMPLE) if self._counts(e)]
        good = sum(e.result == "success" and e.reason not in WITHOUT_FACTOR for e in found)
        bad = Counter(e.reason for e in found if e.result != "success" and e.reason in TROUBLE)
        note = ", ".join(f"{number} × {reason}" for reason, number in bad.most_common(3))
        return Tally(good, bad.total(), note)

    def _counts(self, attempt: Attempt) -> bool:
        kind = attempt.event_type in (None, "authentication")
        return kind and (not self.factors or attempt.factor in self.factors)

    def entries(self, run: Run, span: Span, accounts: tuple[str, ...]) -> Iterator[LoggedSignIn]:
        """Every attempt of these accounts to sign in that the log has. Raises `ProbeFailure`."""
        for account in accounts:
            for attempt in self._attempts(run, span, USES, {"users": account}):
                name = attempt.txid or str(attempt.timestamp)
                yield LoggedSignIn(name, (attempt.user or Named()).key or "", attempt.timestamp)

    def _attempts(
        self, run: Run, span: Span, most: int, which: dict[str, str] | None = None
    ) -> list[Attempt]:
        """The newest attempts of a span, each once, page by page."""
        asked = {
            "mintime": f"{span.since * 1000:.0f}",
            "maxtime": f"{span.until * 1000 - 1:.0f}",
            "limit": str(min(PAGE, most)),
            "sort": "ts:desc",
            **(which or {}),
        }
        found: dict[tuple[str | None, int, str | None], Attempt] = {}
        for _ in range(PAGES):
            before = len(found)
            page = self.ask(run, DuoCall(path=_LOG, params=asked), Page, [])
            for attempt in page.authlogs:
                who = attempt.user.key if attempt.user else None
                found[attempt.txid, attempt.timestamp, who] = attempt
            offset = ",".join(str(part) for part in page.metadata.next_offset or ())
            if len(found) == before or len(found) >= most or not offset:
                break
            asked = {**asked, "next_offset": offset}
        return list(found.values())[:most]


PROBE = DuoLog
