"""Types of single settings of the file, other than those of probes: names, addresses, times, lamps.

Each has a `parse`, what is allowed in words, and its JSON schema. Types that probes use, too, are
in `beacon.config.fields`.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from beacon.config.fields import SettingRefused, refuse_credentials
from beacon.config.problems import meant, one_of
from beacon.core.indication import Colour
from beacon.core.operator.commands import OVER_MQTT


class Name(str):
    """A name that goes into ids and topics: small letters, digits, - and _."""

    __slots__ = ()
    ALLOWED: ClassVar = "small letters, digits, - and _"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^[a-z0-9_-]+$"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Check the letters; offer the nearest name that would do."""
        if isinstance(raw, str) and re.fullmatch(cls.SCHEMA["pattern"], raw):
            return cls(raw)
        near = slug(str(raw or ""))
        hint = near if isinstance(raw, str) else f'"{near}"'
        raise SettingRefused(f"not a name: {raw!r}", cls.ALLOWED, hint)


class Id(Name):
    """The id of a service, an endpoint or a witness: small letters, digits and -."""

    __slots__ = ()
    ALLOWED: ClassVar = "small letters, digits and -"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^[a-z0-9-]+$"}


def slug(name: str) -> str:
    """Return the id made of a name: "Entra MFA" becomes entra-mfa."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


@dataclass(frozen=True)
class BrokerUrl:
    """Where the broker is: mqtt://host[:1883] or mqtts://host[:8883]."""

    host: str
    port: int
    encrypted: bool

    ALLOWED: ClassVar = "mqtt://host[:port] or mqtts://host[:port]"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^mqtts?://[^/@]+/?$"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read the address; user name and password have keys of their own."""
        refuse_credentials(raw, "`username:` and `password: !secret name` are keys of their own")
        try:
            parts = urlsplit(raw if isinstance(raw, str) else "")
            host, port = parts.hostname, parts.port
        except ValueError:
            raise SettingRefused("not a broker: its host or port", cls.ALLOWED) from None
        known = parts.scheme in ("mqtt", "mqtts") and host and parts.path in ("", "/")
        if not known or not host or re.search(r"\s", host) or parts.query or port == 0:
            raise SettingRefused(f"not a broker: {raw!r}", cls.ALLOWED)
        encrypted = parts.scheme == "mqtts"
        return cls(host, port or (8883 if encrypted else 1883), encrypted)


@dataclass(frozen=True, slots=True)
class Bind:
    """Where to listen: an IP address and a port, 127.0.0.1:8427 or [::1]:8427."""

    host: str
    port: int

    ALLOWED: ClassVar = "an IP address and a port: 127.0.0.1:8427, [::1]:8427"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "examples": ["127.0.0.1:8427"]}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read address and port; a name is refused, since it may mean several addresses."""
        found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})", str(raw), re.ASCII)
        if isinstance(raw, str) and found and 0 < int(found[3]) <= 65535:
            try:
                return cls(str(ipaddress.ip_address(found[1] or found[2])), int(found[3]))
            except ValueError:
                pass
        raise SettingRefused(f"not where one can listen: {raw!r}", cls.ALLOWED)


class CommandsSection(tuple[str, ...]):
    """What may be ordered over MQTT."""

    __slots__ = ()
    ALLOWED: ClassVar = f"all, or a list of {', '.join(OVER_MQTT)}; []: none"
    SCHEMA: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {"const": "all"},
            {"type": "array", "items": {"enum": list(OVER_MQTT)}, "uniqueItems": True},
        ]
    }

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read the word `all` or a list of known commands."""
        if raw == "all":
            return cls(OVER_MQTT)
        if not isinstance(raw, list):
            raise SettingRefused("not a list of commands", cls.ALLOWED)
        for index, command in enumerate(raw):
            if command not in OVER_MQTT:
                hint = meant(str(command), OVER_MQTT)
                raise SettingRefused("unknown command", one_of(OVER_MQTT), hint, (index,))
        return cls(dict.fromkeys(raw))


class OnDeath(tuple[Colour, ...]):
    """The lamps that burn, without winking, when nothing drives them any more."""

    __slots__ = ()
    ALLOWED: ClassVar = "dark, or a list of lamps with red and amber, without green"
    SCHEMA: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {"const": "dark"},
            {
                "type": "array",
                "items": {"enum": [c.value for c in Colour if c is not Colour.GREEN]},
                "allOf": [{"contains": {"const": "red"}}, {"contains": {"const": "amber"}}],
            },
        ]
    }

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read the word `dark` or a pattern that is no state of a living beacon."""
        if raw == "dark":
            return cls()
        names = [colour.value for colour in Colour]
        if not isinstance(raw, list) or any(colour not in names for colour in raw):
            raise SettingRefused("not a pattern", cls.ALLOWED)
        lit = {Colour(colour) for colour in raw}
        if Colour.GREEN in lit:
            raise SettingRefused("a dead beacon must not show green", cls.ALLOWED)
        if not {Colour.RED, Colour.AMBER} <= lit:
            raise SettingRefused("this pattern is a state of a living beacon", cls.ALLOWED)
        return cls(colour for colour in Colour if colour in lit)


class LocalTime(str):
    """A time of day, written "22:00"; "24:00" is the end of a day."""

    __slots__ = ()
    ALLOWED: ClassVar = 'a time of day, "00:00" to "24:00"'
    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
    }

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Check hours and minutes."""
        if isinstance(raw, str) and re.fullmatch(cls.SCHEMA["pattern"], raw):
            return cls(raw)
        raise SettingRefused(f"not a time of day: {raw!r}", cls.ALLOWED)


_USUAL_ZONES: Final = {
    **dict.fromkeys(("CET", "CEST", "MEZ", "MESZ"), "Europe/Berlin"),
    **dict.fromkeys(("GMT", "BST", "WET", "WEST"), "Europe/London"),
    **dict.fromkeys(("EET", "EEST"), "Europe/Helsinki"),
    **dict.fromkeys(("EST", "EDT", "ET"), "America/New_York"),
    **dict.fromkeys(("CST", "CDT", "CT"), "America/Chicago"),
    **dict.fromkeys(("PST", "PDT", "PT"), "America/Los_Angeles"),
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
}
"""Abbreviations that people write, and one zone that has each."""


class TimeZone(str):
    """A time zone by its name in the tz database."""

    __slots__ = ()
    ALLOWED: ClassVar = "a name such as Europe/London"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "examples": ["Europe/London", "UTC"]}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Look the zone up."""
        if not isinstance(raw, str):
            raise SettingRefused(f"not a time zone: {raw!r}", cls.ALLOWED)
        try:
            ZoneInfo(raw)
        except (LookupError, ValueError, OSError):
            zones = sorted(zone for zone in available_timezones() if "/" in zone)
            hint = _USUAL_ZONES.get(raw.upper(), "") or meant(raw, zones)
            raise SettingRefused(f"unknown time zone: {raw!r}", cls.ALLOWED, hint) from None
        return cls(raw)
