"""The types of single settings: what is allowed, and how the refusal says so.

Probe kinds and schema sections annotate their dataclass fields with these. Plain `str`,
`int`, `float`, `bool`, `tuple[X, ...]`, `Mapping[str, X]`, `X | None`, `Literal[...]`,
`StrEnum`, unions of these, `Any`, and nested frozen dataclasses are understood too. Every
class with a `parse(raw)` (and `ALLOWED` for messages, `SCHEMA` for editors) reads its own value, be
it a scalar, a list or a map. A dataclass field may be written under another name with
`field(metadata={"key": "from"})`; `msgspec.Meta(description=…)` describes it to editors.
"""

import ipaddress
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self
from urllib.parse import urlsplit

import msgspec
import regex

Port = Annotated[int, msgspec.Meta(ge=1, le=65535, description="TCP or UDP port")]
Flaw = tuple[tuple[str | int, ...], str, str]
"""What is wrong with a setting: its path, what it is, what is allowed."""


@dataclass(frozen=True, slots=True)
class SettingFlaw:
    """What is wrong with a probe's settings beyond their types.

    `path` is relative to the endpoint: ("steps", 0, "url").
    """

    path: tuple[str | int, ...]
    message: str
    allowed: str = ""
    hint: str = ""


Count = Annotated[int, msgspec.Meta(ge=1, description="a whole number from 1")]


class SettingRefused(ValueError):
    """A setting is wrong. `allowed` says what would be right, `hint` what was meant.

    `path` leads from the setting to the very spot, for settings that are maps or lists.
    """

    def __init__(
        self, message: str, allowed: str = "", hint: str = "", path: tuple[str | int, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message, self.allowed, self.hint, self.path = message, allowed, hint, path


_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")
_WORDS: Final = {
    **dict.fromkeys(("msec", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
}


class Duration(float):
    """Seconds, written with a unit: 800ms, 30s, 5m, 2h, 90d."""

    ALLOWED: ClassVar = "a number with a unit: 800ms, 30s, 5m, 2h, 90d"
    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$",
        "examples": ["30s", "5m"],
    }

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read "30s"; a bare number is refused with the likely meaning."""
        if isinstance(raw, bool) or not isinstance(raw, str | int | float):
            raise SettingRefused(f"not a duration: {raw!r}", cls.ALLOWED)
        if isinstance(raw, int | float) or re.fullmatch(r"\d+(\.\d+)?", raw.strip()):
            number = str(raw).strip()
            raise SettingRefused(f"{raw} has no unit", cls.ALLOWED, f"{number}s or {number}m")
        found = _DURATION.fullmatch(raw.strip())
        if not found:
            raise SettingRefused(f"not a duration: {raw!r}", cls.ALLOWED, cls._meant(raw))
        seconds = float(found[1]) * _UNITS[found[2]]
        if not 0 < seconds < math.inf:
            raise SettingRefused("a duration must be greater than 0", cls.ALLOWED)
        return cls(seconds)

    @classmethod
    def _meant(cls, raw: str) -> str:
        """What was meant by 1m30s, 30sec or 30S; "" where that is unknown."""
        text, seconds = raw.strip().lower(), 0.0
        parts = list(_PART.finditer(text))
        if not parts or sum(len(part[0]) for part in parts) != len(text):
            return ""
        for part in parts:
            unit = _WORDS.get(part[2], part[2])
            if unit not in _UNITS:
                return ""
            seconds += float(part[1]) * _UNITS[unit]
        return str(cls(seconds)) if 0 < seconds < math.inf else ""

    def __str__(self) -> str:
        """Return it in its largest whole unit: 5m, 90s, 800ms."""
        for unit in ("d", "h", "m", "s"):
            if self % _UNITS[unit] == 0:
                return f"{self / _UNITS[unit]:.0f}{unit}"
        return f"{self * 1000:g}ms"


_BEGIN_OF_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?=[^/\\])")


def refuse_credentials(address: object, instead: str) -> None:
    """Refuse an address that holds a user name or a password, without repeating it.

    A password may hold `#`, `?` and `@`, so where the host begins is the writer's secret: an @
    before the first slash is not part of a path. With a slash in it, the first half looks like a
    host and its port. What does not begin like an address is refused with any @.
    """
    if not isinstance(address, str):
        return
    begin = _BEGIN_OF_ADDRESS.match(address)
    before, _, path = address[begin.end() :].partition("/") if begin else (address, "", "")
    name, _, port = before.partition(":")
    doubtful = port and (not port.isdecimal() or not ("." in name or name == "localhost"))
    if "@" in before or ("@" in path and doubtful):
        allowed = f"{instead}; write %40 for an @ of the path"
        raise SettingRefused("a user name or password in the address", allowed)


class Url(str):
    """An http:// or https:// address with a host and without a password in it."""

    __slots__ = ()
    ALLOWED: ClassVar = "http://host/… or https://host/…"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "format": "uri", "pattern": "^https?://"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Check scheme, host and port; user names and passwords belong to `auth:`."""
        if not isinstance(raw, str):
            raise SettingRefused(f"not an address: {raw!r}", cls.ALLOWED)
        refuse_credentials(raw, "use `username:` or `auth:`")
        try:
            parts = urlsplit(raw)
            host, _ = parts.hostname, parts.port
        except ValueError:  # its words repeat what was meant for a password
            raise SettingRefused("not an address: its host or port", cls.ALLOWED) from None
        if parts.scheme not in ("http", "https") or not host or re.search(r"\s", raw):
            raise SettingRefused(f"not an address: {raw!r}", cls.ALLOWED)
        return cls(raw)


_NOT_ALONE: Final = re.compile(
    r"(?P<scheme>[a-z]+://)?(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[\w.-]+))"
    r"(?::(?P<port>\d+))?(?P<path>/.*)?"
)
"""A host together with parts that have their own keys."""


def is_address(text: str) -> bool:
    """Whether it is an IP address, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class HostName(str):
    """The name of a host, or its IP address, and nothing else."""

    __slots__ = ()
    ALLOWED: ClassVar = "the name of a host or an IP address, alone"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "minLength": 1}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Refuse parts that have their own keys: a scheme, a port, a path, a user."""
        if not isinstance(raw, str):
            raise SettingRefused(f"not a host: {raw!r}", cls.ALLOWED)
        if "@" in raw:
            raise SettingRefused("a user name or password in the name of a host", cls.ALLOWED)
        if is_address(raw):
            return cls(raw)
        found = _NOT_ALONE.fullmatch(raw)
        if found and found.group("scheme", "six", "port", "path") != (None, None, None, None):
            host = found["six"] or found["host"]
            if found["port"]:
                raise SettingRefused(
                    "a port in the name of a host", "`port` is a key of its own", host
                )
            raise SettingRefused("an address where a host belongs", cls.ALLOWED, host)
        if len(raw) > 253 or not re.fullmatch(r"\w(?:[\w.-]*[\w.])?", raw):
            raise SettingRefused(f"not a host: {raw!r}", cls.ALLOWED)
        return cls(raw)


Host = Annotated[HostName, msgspec.Meta(description="a name or an IP address")]


class Secret:
    """A value that must stay hidden: it prints as ***, and only `reveal` returns it."""

    __slots__ = ("_value",)
    ALLOWED: ClassVar = "text that is not blank, best written as !secret name"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "pattern": r"\S", "writeOnly": True}

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Any text but an empty or blank one; the refusal never repeats it."""
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            raise SettingRefused("an empty secret", cls.ALLOWED)
        if not isinstance(raw, str):
            raise SettingRefused("not text", cls.ALLOWED)
        return cls(raw)

    def reveal(self) -> str:
        """The value itself: to be sent, never to be shown."""
        return self._value

    def __repr__(self) -> str:
        """Show nothing."""
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare as values: a reload asks whether anything changed."""
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        """Hash as a value."""
        return hash(self._value)


class Regex(str):
    """A regular expression (package `regex`), compiled once to prove that it can be."""

    __slots__ = ()
    ALLOWED: ClassVar = "a regular expression"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "format": "regex"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Compile, and say where it is wrong."""
        if not isinstance(raw, str):
            raise SettingRefused(f"not a regular expression: {raw!r}", cls.ALLOWED)
        try:
            regex.compile(raw)
        except regex.error as error:
            raise SettingRefused(f"not a regular expression: {error}", cls.ALLOWED) from None
        return cls(raw)


class Topic(str):
    """An MQTT topic one may publish below."""

    __slots__ = ()
    ALLOWED: ClassVar = "a topic without +, #, $ and without / at its ends"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^[^+#$/]+(/[^+#$/]+)*$"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Refuse wildcards, empty levels and control characters."""
        if isinstance(raw, str) and re.fullmatch(r"[^+#$/\0-\x1f]+(/[^+#$/\0-\x1f]+)*", raw):
            return cls(raw)
        raise SettingRefused(f"not a topic: {raw!r}", cls.ALLOWED)


class File(str):
    """A file that exists and can be read, by its whole path."""

    __slots__ = ()
    ALLOWED: ClassVar = "the whole path of a readable file: /etc/…"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^/"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Check that it can be opened."""
        if not isinstance(raw, str) or not raw.startswith("/"):
            raise SettingRefused(f"not a whole path: {raw!r}", cls.ALLOWED)
        try:
            with Path(raw).open("rb"):
                return cls(raw)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise SettingRefused(f"cannot read {raw}: {why}", cls.ALLOWED) from None


class Directory(str):
    """The whole path of a directory, which may come and go: another program's."""

    __slots__ = ()
    ALLOWED: ClassVar = "the whole path of a directory: /var/…"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^/"}

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read the path; whether it is there is seen when it is used."""
        if not isinstance(raw, str) or not raw.startswith("/") or "\0" in raw:
            raise SettingRefused(f"not a whole path: {raw!r}", cls.ALLOWED)
        return cls(raw)


class ForeignFile(Directory):
    """The whole path of a file of another program, which may come and go."""

    __slots__ = ()
    ALLOWED: ClassVar = "the whole path of a file: /etc/…"
