"""A realistic site and what happens to it in a month: drawn from a seed, before the beacon sees it.

What is scripted here is the truth that `scripts/month.py` compares the beacon's alarms with.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from beacon.core.model import Endpoint, Evidence, Moment, Reading, Reason, Service, Site
from beacon.replay.load import Scene, read_scene

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0
HOLIDAY: Final = 10
"""The day of the month, a Wednesday, on which nobody works. The month begins on a Monday, 00:00."""
WORK: Final = (7, 19)
"""The hours in which people sign in, and in which an operator sits beside the tower."""
NOISE: Final = 0.001
INCIDENTS: Final = ("2018-11-19-azure-mfa", "2021-02-26-twilio", "2024-05-13-duo-us2")
BEHIND: Final = (1, 2)
"""The VPNs that depend on the portal of their number."""
PATCHED: Final = 6
"""So many services are patched every Tuesday from 20:00 to 22:00."""

FIVE: Final = {"interval": "5m", "retry_interval": "30s", "timeout": "10s"}
SIGN_IN: Final = {"type": "flow", "slow_after": "5s"}
KINDS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "Portal": {
        "eu": {**SIGN_IN, "region": "eu"},
        "us": {**SIGN_IN, "region": "us"},
        "health": {"type": "http", **FIVE},
        "keys": {"type": "openid", **FIVE},
        "name": {"type": "dns", **FIVE},
        "users": {"type": "entra_mfa"},
        "status": {"type": "statuspage", "interval": "5m"},
    },
    "VPN": {
        "a": {"type": "radius"},
        "b": {"type": "radius"},
        "c": {"type": "radius"},
        "server": {"type": "radius_status", **FIVE},
        "gate": {"type": "tcp", **FIVE},
        "status": {"type": "statuspage", "interval": "5m"},
    },
    "Mail codes": {
        "code": {"type": "otp_email"},
        "page": SIGN_IN,
        "page-2": SIGN_IN,
        "records": {"type": "mail_dns", "interval": "10m"},
        "health": {"type": "http", **FIVE},
        "gate": {"type": "tcp", **FIVE},
        "status": {"type": "statuspage", "interval": "5m"},
    },
    "SMS codes": {
        "code": {"type": "otp_sms"},
        "page": SIGN_IN,
        "health": {"type": "http", **FIVE},
        "gate": {"type": "tcp", **FIVE},
        "name": {"type": "dns", **FIVE},
        "status": {"type": "statuspage", "interval": "5m"},
    },
}
HOW_MANY: Final = {"Portal": 10, "VPN": 8, "Mail codes": 6, "SMS codes": 6}
WITNESSES: Final = tuple(f"canary-{n}" for n in range(1, 5))


def site(how_many: Mapping[str, int] = HOW_MANY) -> list[dict[str, Any]]:
    """So many services of each kind, as a configuration has them."""
    return [
        {
            "name": f"{kind} {n}",
            "endpoints": [{"name": k, **v, **_parent(kind, n, v)} for k, v in KINDS[kind].items()],
        }
        for kind, number in how_many.items()
        for n in range(1, number + 1)
    ]


def three_sign_ins() -> list[dict[str, Any]]:
    """One service that pools 150 readings an hour."""
    ends = [{"name": n, "type": "radius", "interval": "72s"} for n in ("a", "b", "c")]
    return [{"name": "VPN", "endpoints": ends}]


def scene(days: float, services: list[dict[str, Any]]) -> Scene:
    """A site, and its calendar of so many days."""
    window = {"weekdays": ["tue"], "from": "20:00", "to": "22:00", "time_zone": "UTC"}
    names = [service["name"].lower().replace(" ", "-") for service in services]
    document = {
        "title": "A month",
        "start": "2026-06-01T00:00:00Z",
        "config": {
            "tower": {
                "buzzer": {
                    "pin": 18,
                    "quiet_hours": {"from": "22:00", "to": "06:00", "time_zone": "UTC"},
                }
            },
            "maintenance": [{"name": "Patches", **window, "services": names[:PATCHED]}],
            "witnesses": [
                {"name": n, "type": "http", "url": f"https://{n}.example.com/", **FIVE}
                for n in WITNESSES
            ],
            "services": services,
        },
        "expect": [{"at": f"{days * 24:g}h"}],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "month.yaml")
        path.write_text(json.dumps(document), encoding="utf-8")
        return read_scene(path, {})


def _parent(kind: str, number: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Two VPNs stand behind portals."""
    behind = kind == "VPN" and number in BEHIND and settings["type"] == "radius"
    return {"depends_on": [f"portal-{number}/health"]} if behind else {}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that happens to endpoints, all of one service unless it is our own or a vendor's.

    `real`: users suffer, an alarm is right. `due`: it must be announced within so many seconds.
    """

    kind: str
    service: str
    endpoints: tuple[str, ...]
    begin: float
    end: float
    reading: Reading
    share: float = 1.0
    real: bool = True
    due: float | None = None


def bound(endpoints: Iterable[Endpoint]) -> float:
    """Seconds to the fail that reaches the threshold, by the slowest way, and a minute."""
    return MINUTE + max(
        e.interval + (e.failure_threshold - 1) * (e.retry_interval or e.interval) for e in endpoints
    )


class Plan:
    """All that happens in these days, by chance."""

    def __init__(self, site: Site, days: int, seed: int) -> None:
        self.site, self.days, self.chance = site, days, Random(seed)  # noqa: S311 - no secret
        self.troubles: list[Trouble] = []
        self._busy: dict[str, list[tuple[float, float]]] = {}

    def month(self) -> "Plan":
        """Fill a month."""
        self._patches()
        self._parents()
        self._incidents()
        for _ in range(3):
            self._outage("outage", self._time(30, 180))
            self._outage("one endpoint down", self._time(30, 240), most=1)
            self._slow()
            self._share()
        self._deployments(17)
        self._vendors()
        for _ in range(2):
            begin, lasting = self._time(3, 15)
            ours = tuple(e.id for e in self.site.endpoints)
            self.add(Trouble("our own uplink", "", ours, begin, begin + lasting,
                             Reading(Reason.CONNECT_TIMEOUT), real=False))  # fmt: skip
        return self

    def add(self, trouble: Trouble) -> None:
        """One more."""
        self.troubles.append(trouble)

    def _time(self, least: float, most: float) -> tuple[float, float]:
        """When something begins, and for how many seconds it lasts; minutes come in."""
        begin = self.chance.uniform(DAY / 4, (self.days - 1) * DAY)
        return begin, self.chance.uniform(least, most) * MINUTE

    def _free(self, begin: float, end: float, kind: str = "") -> Service:
        """A service to which nothing else happens near this time."""
        while True:
            service = self.chance.choice(self.site.services)
            if not service.name.startswith(kind):
                continue
            if self._take(begin, end, service.id):
                return service

    def _take(self, begin: float, end: float, *services: str) -> bool:
        """Take this time of these services, unless something else has it."""
        busy = [each for name in services for each in self._busy.get(name, ())]
        if any(end + 2 * HOUR >= b and begin <= e + 2 * HOUR for b, e in busy):
            return False
        for name in services:
            self._busy.setdefault(name, []).append((begin, end))
        return True

    def _incidents(self) -> None:
        for number, name in enumerate(INCIDENTS):
            past = read_scene(Path("incidents", f"{name}.yaml"), {})
            first = past.site.services[0]
            begin = (4 + 9 * number) * DAY + self.chance.uniform(0, DAY)
            zero = min(r.at for r in past.readings)
            end = begin + max(r.at for r in past.readings) - zero
            target = self._free(begin, end, "SMS" if "twilio" in name else "Portal")
            for evidence in Evidence:
                there = [e for e in first.endpoints if e.evidence is evidence]
                here = [e for e in target.endpoints if e.evidence is evidence and not e.looks_back]
                for was, now in zip(there, here, strict=False):
                    due = bound([now])
                    lines = [r for r in past.readings if r.endpoint == was.id]
                    for line, after in zip(lines, [*lines, None][1:], strict=True):
                        until = begin + after.at - zero if after else end + HOUR
                        first_of_all = line is lines[0] and now is target.proofs[0]
                        if line.reading is not None and line.reading.reason is not Reason.OK:
                            self.add(Trouble(name, target.id, (now.id,), begin + line.at - zero,
                                             until, line.reading, line.share,
                                             due=due if first_of_all else None))  # fmt: skip

    def _outage(self, kind: str, time: tuple[float, float], most: int = 9) -> None:
        begin, lasting = time
        service = self._free(begin, begin + lasting)
        ends = [e for e in service.proofs if not e.looks_back and not e.costly][:most]
        due = bound(ends)
        reading = Reading(self.chance.choice((Reason.DEADLINE, Reason.HTTP_STATUS)))
        names = tuple(e.id for e in ends)
        self.add(Trouble(kind, service.id, names, begin, begin + lasting, reading, due=due))

    def _parents(self) -> None:
        for number in BEHIND:
            both = (f"portal-{number}", f"vpn-{number}")
            begin, lasting = self._time(60, 120)
            while not self._take(begin, begin + lasting, *both):
                begin, lasting = self._time(60, 120)
            for child in self.site.services:
                if child.id in both:
                    ends = [e for e in child.endpoints if e.evidence is not Evidence.CLAIM]
                    names = tuple(e.id for e in ends if not e.looks_back)
                    due = bound(ends) if child.id.startswith("portal") else None
                    kind = "parent down" if due else "behind a parent"
                    self.add(Trouble(kind, child.id, names, begin, begin + lasting,
                                     Reading(Reason.CONNECT_TIMEOUT), due=due))  # fmt: skip

    def _slow(self) -> None:
        begin, lasting = self._time(60, 180)
        service = self._free(begin, begin + lasting, "Portal")
        ends = service.proofs[:2]
        reading = Reading(Reason.SLOW, latency=9.0)
        self.add(Trouble("slow", service.id, tuple(e.id for e in ends), begin, begin + lasting,
                         reading, due=bound(ends)))  # fmt: skip

    def _share(self) -> None:
        begin, lasting = self._time(360, 480)
        service = self._free(begin, begin + lasting, "VPN")
        names = tuple(e.id for e in service.proofs)
        self.add(Trouble("5 % fail", service.id, names, begin, begin + lasting,
                         Reading(Reason.DEADLINE), 0.05, due=lasting))  # fmt: skip

    def _deployments(self, number: int) -> None:
        for _ in range(number):
            begin, lasting = self._time(1, 3)
            service = self._free(begin, begin + lasting)
            ours = (Evidence.SYMPTOM, Evidence.HEALTH)
            ends = [e for e in service.endpoints if e.evidence in ours and not e.looks_back]
            names = tuple(e.id for e in ends)
            self.add(Trouble("deployment", service.id, names, begin, begin + lasting,
                             Reading(Reason.HTTP_STATUS, "502")))  # fmt: skip

    def _patches(self) -> None:
        for day in range(1, self.days, 7):
            for service in self.site.services[:PATCHED]:
                begin = day * DAY + 20 * HOUR + self.chance.uniform(5, 60) * MINUTE
                names = tuple(e.id for e in service.proofs if not e.looks_back)
                end = begin + self.chance.uniform(5, 40) * MINUTE
                self._take(begin, end, service.id)
                self.add(Trouble("patch", service.id, names, begin, end,
                                 Reading(Reason.CONNECT_REFUSED)))  # fmt: skip

    def _vendors(self) -> None:
        pages = [e.id for e in self.site.endpoints if e.evidence is Evidence.CLAIM]
        said = [(Reason.VENDOR_DEGRADED, 1.0), (Reason.VENDOR_INCIDENT, 1.0),
                (Reason.VENDOR_DEGRADED, 0.5), (Reason.SOURCE_DEAD, 1.0)]  # fmt: skip
        for n in range(16):
            begin, lasting = self._time(60, 240)
            reason, share = said[n % 4]
            told = tuple(self.chance.sample(pages, 5))
            self.add(Trouble("a vendor's page", "", told, begin, begin + lasting,
                             Reading(reason), share, real=False))  # fmt: skip


def at_work(at: float) -> bool:
    """Whether people sign in at this time."""
    day, hour = divmod(at, DAY)
    return day % 7 < 5 and day + 1 != HOLIDAY and WORK[0] <= hour / HOUR < WORK[1]


class World:
    """What each endpoint reads at a time: trouble, else noise, else a pass."""

    def __init__(self, site: Site, troubles: Iterable[Trouble], seed: int) -> None:
        self._specs = {e.id: e for e in site.endpoints}
        self._chance = Random(seed + 1_000_000)  # noqa: S311 - no secret
        self._troubles: dict[str, list[Trouble]] = {}
        for trouble in sorted(troubles, key=lambda each: -each.begin):
            for name in trouble.endpoints:
                self._troubles.setdefault(name, []).append(trouble)

    def reading(self, endpoint: str, at: Moment) -> Reading:
        """What a run at this time reads."""
        spec, chance = self._specs[endpoint], self._chance
        for trouble in self._now(endpoint, at):
            if trouble.share >= 1 or chance.random() < trouble.share:
                return trouble.reading
        if spec.looks_back and not at_work(at):
            return Reading(Reason.SAMPLE_TOO_SMALL)
        if chance.random() < NOISE:
            dead = spec.evidence is Evidence.CLAIM or spec.looks_back
            words = (Reason.DEADLINE, Reason.CONNECT_TIMEOUT, Reason.HTTP_STATUS)
            return Reading(Reason.SOURCE_DEAD if dead else chance.choice(words))
        usual = 1.2 if spec.sign_in else 0.15
        busy = 1.3 if at_work(at) else 1.0
        return Reading(Reason.OK, latency=round(usual * busy * chance.lognormvariate(0, 0.25), 3))

    def _now(self, endpoint: str, at: float) -> Iterator[Trouble]:
        coming = self._troubles.get(endpoint)
        if not coming:
            return
        while coming and coming[-1].end <= at and coming[-1].begin <= at:
            coming.pop()
        for trouble in reversed(coming):
            if trouble.begin > at:
                return
            if at < trouble.end:
                yield trouble
