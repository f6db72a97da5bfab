"""`entra_mfa`: how users of a tenant fare with MFA, by Microsoft Graph; sign-ins of break-glass.

By default from Microsoft's own metrics, else from the sign-in log. In the log a sign-in that is
interrupted to ask for the second factor has an error code too: that is no failure.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Literal
from urllib.parse import quote

import msgspec

from beacon.config.fields import Duration
from beacon.core.model import Evidence
from beacon.engine.run import Run
from beacon.net.parsing.dates import moment
from beacon.probing.base import USERS, Abilities, SettingFlaw
from beacon.probing.sign_in_stats import SAMPLE, USES, LoggedSignIn, Span, Tally, WatchedUsers, iso
from beacon.vendors.graph import GraphApplication

LATE: Final = 7200.0
"""Seconds that Microsoft says attempts may take until they are counted, rarely."""

TROUBLE: Final = frozenset({50086, 50087, 50088, 50161, 50166, 90033, 500121})
"""Error codes of a second factor that failed. All others are interrupts, or the user's or a
policy's doing: they count neither way."""

_METRIC: Final = "beta/reports/serviceActivity/getMetricsForMfaSignIn"
_LOG: Final = "auditLogs/signIns"
_OF_LOG: Final = "AuditLog.Read.All and Directory.Read.All"
_MFA: Final = "multifactorauthentication"


class Metric(msgspec.Struct, rename="camel"):
    """How many in one interval."""

    interval_start_date_time: str
    value: int


class EntraStatus(msgspec.Struct, frozen=True, rename="camel"):
    """How a sign-in ended."""

    error_code: int = 0


class SignIn(msgspec.Struct, rename="camel"):
    """One entry of the sign-in log."""

    id: str
    created_date_time: str
    user_id: str | None = None
    user_principal_name: str | None = None
    status: EntraStatus = EntraStatus()
    authentication_requirement: str | None = None


@dataclass(frozen=True, kw_only=True)
class EntraMfa(WatchedUsers, GraphApplication):
    """The share of MFA sign-ins of a tenant that go well.

    `count`: from Microsoft's metrics, or from the error codes of the sign-in log. `break_glass`
    is label → object id or user principal name.
    """

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.SYMPTOM,
        timing=USERS,
        second_hand=True,
        clock_bound=True,  # by our clock it says of which time it asks
        looks_back=1800,
    )
    STEP: ClassVar = 300.0
    ACCOUNT: ClassVar = "an object id, or a user principal name"

    lag: Duration = Duration(900)  # noqa: RUF009 - it is a number
    count: Literal["metrics", "sign_ins"] = "metrics"

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        yield from super().conflicts()
        if self.window % self.STEP or self.lag % self.STEP:
            yield SettingFlaw(
                ("window",), "the metrics come in steps of 5 min", "window, lag: 5m, 10m …"
            )

    def tally(self, run: Run, span: Span) -> Tally:
        """Count what happened in a span of time. Raises `ProbeFailure`."""
        if self.count == "sign_ins":
            return _of_codes(self._sign_ins(run, span))
        wide = Span(span.since - LATE, span.until)
        good, bad = self._series(run, "Success", wide), self._series(run, "Failure", wide)
        known = max(good, default=wide.since) + self.STEP
        if known >= span.until or run.clock.utc().timestamp() - known > LATE:
            return Tally(_within(good, span), _within(bad, span))
        # A success that is not counted yet is not missing: leave out the end of the window.
        span = Span(span.since, known)
        note = f"successes are counted until {iso(known)} only"
        return Tally(_within(good, span), _within(bad, span), note)

    def _series(self, run: Run, name: str, span: Span) -> dict[float, int]:
        """One metric: the beginning of each interval → how many."""
        since, until = span.texts
        asked = (
            f"inclusiveIntervalStartDateTime={since},exclusiveIntervalEndDateTime={until},"
            f"aggregationIntervalInMinutes={self.STEP / 60:.0f}"
        )
        found = self.listed(run, f"{_METRIC}{name}({asked})", Metric, "Reports.Read.All")
        begun = ((moment(each.interval_start_date_time), each.value) for each in found)
        return {at.timestamp(): value for at, value in begun if at is not None}

    def _sign_ins(self, run: Run, span: Span) -> list[SignIn]:
        path = self._query("beta", span, "", "id,createdDateTime,status,authenticationRequirement")
        return self.listed(run, f"{path}&$top={SAMPLE // 2}", SignIn, _OF_LOG, most=SAMPLE)

    def entries(self, run: Run, span: Span, accounts: tuple[str, ...]) -> Iterator[LoggedSignIn]:
        """Every attempt of these accounts to sign in that the log has. Raises `ProbeFailure`."""
        names = (f"{_field(name)} eq '{name.lower()}'" for name in accounts)
        which = f" and ({' or '.join(names)})"
        path = self._query("v1.0", span, which, "id,createdDateTime,userId,userPrincipalName")
        for found in self.listed(run, f"{path}&$top={USES}", SignIn, _OF_LOG, most=USES):
            for account in (found.user_id, found.user_principal_name):
                yield LoggedSignIn(found.id, account or "", found.created_date_time)

    @staticmethod
    def _query(version: str, span: Span, which: str, fields: str) -> str:
        since, until = span.texts
        asked = f"createdDateTime ge {since} and createdDateTime lt {until}{which}"
        return f"{version}/{_LOG}?$filter={quote(asked)}&$select={fields}"


def _field(account: str) -> str:
    return "userPrincipalName" if "@" in account else "userId"


def _within(series: dict[float, int], span: Span) -> int:
    return sum(value for at, value in series.items() if span.since <= at < span.until)


def _of_codes(found: list[SignIn]) -> Tally:
    """Judge sign-ins by their codes, each once: the log may have it twice."""
    once = {each.id: each for each in found}.values()
    codes = Counter(e.status.error_code for e in once if e.status.error_code in TROUBLE)
    good = sum(
        e.status.error_code == 0 and (e.authentication_requirement or "").casefold() == _MFA
        for e in once
    )
    note = ", ".join(f"{number} × AADSTS{code}" for code, number in codes.most_common(3))
    return Tally(good, codes.total(), note)


PROBE = EntraMfa
