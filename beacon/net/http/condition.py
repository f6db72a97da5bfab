"""One condition on one operand of an answer: its operators, and how they are written.

Green needs evidence: a missing operand meets only `absent`, and one of another type meets nothing
(docs/probes/http.md). Messages quote at most a short value of the answer.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple, Self

from beacon.config.fields import Regex, SettingRefused
from beacon.config.problems import meant
from beacon.core.model import Reason
from beacon.engine.redaction import quoted
from beacon.engine.text_pattern import REGEX_BUDGET, TextPattern

QUOTED: Final = 40
"""Characters of the answer that a detail may quote."""

_CLASS: Final = TextPattern(r"[1-5]xx")
_STATUS: Final = TextPattern(r"[1-5][0-9]{2}")
_NUMBER: Final = TextPattern(r"[+-]?[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,3})?")


_ONE_STATUS: Final[list[dict[str, Any]]] = [
    {"type": "integer", "minimum": 100, "maximum": 599},
    {"type": "string", "pattern": "^[1-5]xx$"},
]


class StatusSet:
    """The expected HTTP status: 200, [200, 204] or "2xx"."""

    __slots__ = ("_allowed",)
    ALLOWED: ClassVar = '200, "2xx", or a list of these'
    SCHEMA: ClassVar[dict[str, Any]] = {
        "anyOf": [*_ONE_STATUS, {"type": "array", "minItems": 1, "items": {"anyOf": _ONE_STATUS}}]
    }

    def __init__(self, *allowed: int | str) -> None:
        self._allowed = allowed

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read one status or a list of them."""
        items = raw if isinstance(raw, list | tuple) else [raw]
        if not items:
            raise SettingRefused("an empty list of statuses", cls.ALLOWED)
        return cls(*(cls._item(item) for item in items))

    @classmethod
    def _item(cls, raw: object) -> int | str:
        if isinstance(raw, int) and not isinstance(raw, bool) and 100 <= raw <= 599:
            return raw
        if isinstance(raw, str) and _CLASS.fullmatch(raw):
            return raw
        hint = str(raw) if isinstance(raw, str) and _STATUS.fullmatch(raw) else ""
        raise SettingRefused(f"not an HTTP status: {raw!r}", cls.ALLOWED, hint)

    def __contains__(self, status: int) -> bool:
        """Whether this status is expected."""
        return status in self._allowed or f"{status // 100}xx" in self._allowed

    def __str__(self) -> str:
        """As written."""
        return " or ".join(str(item) for item in self._allowed)

    def __eq__(self, other: object) -> bool:
        """Equal values are equal: a reload compares settings."""
        return isinstance(other, StatusSet) and other._allowed == self._allowed

    def __hash__(self) -> int:
        """Hash as a value."""
        return hash(self._allowed)


SUCCESS: Final = StatusSet("2xx")


class _OtherType(Exception):
    """The operand has another type than the operator needs."""


@dataclass(frozen=True, slots=True)
class Unmet:
    """Why a condition is not met: the reason, and a text."""

    reason: Reason
    words: str


@dataclass(frozen=True)
class Condition:
    """A value (equal in type and value), or a map of operators that must all be met."""

    tests: tuple[tuple[str, Any], ...]

    ALLOWED: ClassVar = (
        "a value, or a map of equals, matches, contains, one_of, min, max, present, absent, length"
    )
    SCHEMA: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"type": ["string", "number", "boolean", "array"]},
            {
                "type": "object",
                "additionalProperties": False,
                "minProperties": 1,
                "properties": {
                    "equals": {},
                    "matches": {"type": "string", "format": "regex"},
                    "contains": {},
                    "one_of": {"type": "array", "minItems": 1},
                    "min": {"type": "number"},
                    "max": {"type": "number"},
                    "present": {"const": True},
                    "absent": {"const": True},
                    "length": {"type": ["integer", "object"]},
                },
            },
        ]
    }

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read a condition, and check the value of each operator."""
        if not isinstance(raw, Mapping):
            return cls((("equals", _literal(raw)),))
        if not raw:
            raise SettingRefused("an empty condition", cls.ALLOWED)
        return cls(tuple((str(name), cls._operator(str(name), raw[name])) for name in raw))

    @classmethod
    def _operator(cls, name: str, raw: object) -> Any:  # noqa: ANN401 - each has its own
        if name not in _OPERATORS:
            near = meant(name, _OPERATORS)
            raise SettingRefused(f"unknown operator {name!r}", cls.ALLOWED, near, (name,))
        try:
            return _OPERATORS[name].parse(raw)
        except SettingRefused as refused:
            path = (name, *refused.path)
            raise SettingRefused(refused.message, refused.allowed, refused.hint, path) from None

    def fits_text(self) -> bool:
        """Whether a header or a body can meet it: they are text, which equals only text."""
        return all(_text_could(name, wanted) for name, wanted in self.tests)

    def unmet(self, operand: object, *, quote: bool = True) -> Unmet | None:
        """The first operator that the operand does not meet; `None` counts as missing."""
        for name, wanted in self.tests:
            found = self._unmet(name, wanted, operand, quote=quote)
            if found:
                return found
        return None

    def _unmet(self, name: str, wanted: object, operand: object, *, quote: bool) -> Unmet | None:
        if operand is None:
            return None if name == "absent" else Unmet(Reason.OPERAND_MISSING, "is missing")
        if name == "absent":
            return Unmet(Reason.EXPECTATION_FAILED, _OPERATORS[name].words)
        try:
            if _OPERATORS[name].meets(operand, wanted):
                return None
        except _OtherType:
            return Unmet(Reason.OPERAND_MISSING, f"is of another type than `{name}` needs")
        except TimeoutError:
            words = f"took longer than {REGEX_BUDGET:g} s to match {_shown(wanted)}"
            return Unmet(Reason.EXPECTATION_FAILED, words)
        found = f"{_found(operand)} " if quote else ""
        return Unmet(
            Reason.EXPECTATION_FAILED, f": {found}{_OPERATORS[name].words} {_shown(wanted)}"
        )


class WireText(str):
    """An operand that can only be text (a header, a body): `min` and `max` parse a number in it."""

    __slots__ = ()


def same(found: object, wanted: object) -> bool:
    """Whether both are equal in type and value, at every depth: true is not 1, 1 is not 1.0."""
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[k], wanted[k]) for k in wanted)
    kind = str if isinstance(found, WireText) else type(found)
    return kind is type(wanted) and found == wanted


def _number(operand: object) -> float | int:
    if isinstance(operand, WireText):
        # Only the blanks of HTTP: Python strips more than `float` accepts.
        bare = operand.strip(" \t\r\n")
        if _NUMBER.fullmatch(bare) and math.isfinite(float(bare)):
            return float(bare)
    if isinstance(operand, bool) or not isinstance(operand, int | float):
        raise _OtherType
    return operand


def _matches(operand: object, wanted: Regex) -> bool:
    if not isinstance(operand, str):
        raise _OtherType
    return TextPattern(str(wanted)).search(operand) is not None


def _contains(operand: object, wanted: object) -> bool:
    if isinstance(operand, list):
        return any(same(item, wanted) for item in operand)
    if not isinstance(operand, str) or not isinstance(wanted, str):
        raise _OtherType
    return wanted in operand


def _length(operand: object, wanted: Condition) -> bool:
    if not isinstance(operand, str | list | dict):
        raise _OtherType
    return wanted.unmet(len(operand)) is None


def _literal(raw: object) -> object:
    if raw is None:
        raise SettingRefused("null meets no condition: it counts as missing", "`absent: true`")
    if not isinstance(raw, str | int | float | bool | list | dict):
        raise SettingRefused(
            f"a server cannot send this value: {raw!r}", "text, a number, true or false"
        )
    return raw


def _finite(raw: object) -> float | int:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        raise SettingRefused(f"not a number: {raw!r}", "a number")
    return raw


def _only_true(raw: object) -> bool:
    if raw is not True:
        raise SettingRefused(
            f"{raw!r} has no meaning here", "true", "the opposite of present is absent"
        )
    return True


def _choices(raw: object) -> list[object]:
    if not isinstance(raw, list | tuple) or not raw:
        raise SettingRefused(f"not a list of values: {raw!r}", "a list of at least one value")
    return [_literal(item) for item in raw]


def _length_of(raw: object) -> Condition:
    condition = Condition.parse(raw)
    for name, wanted in condition.tests:
        whole = isinstance(wanted, int) and not isinstance(wanted, bool)
        if name not in ("equals", "min", "max") or not whole:
            raise SettingRefused("a length is a whole number", "3, or {min: 1}, {max: 9}")
    return condition


def _is_one_of(operand: object, wanted: list[object]) -> bool:
    return any(same(operand, item) for item in wanted)


class _Operator(NamedTuple):
    """How its value is read, when an operand meets it, and the words where it does not."""

    parse: Callable[[object], Any]
    meets: Callable[[Any, Any], bool]
    words: str


_OPERATORS: Final[Mapping[str, _Operator]] = {
    "equals": _Operator(_literal, same, "is not"),
    "matches": _Operator(Regex.parse, _matches, "does not match"),
    "contains": _Operator(_literal, _contains, "does not contain"),
    "one_of": _Operator(_choices, _is_one_of, "is none of"),
    "min": _Operator(_finite, lambda operand, least: _number(operand) >= least, "is below"),
    "max": _Operator(_finite, lambda operand, most: _number(operand) <= most, "is above"),
    "present": _Operator(_only_true, lambda _operand, _: True, "is not"),
    "absent": _Operator(_only_true, lambda _operand, _: False, "is there"),
    "length": _Operator(_length_of, _length, "has not the length"),
}


def _text_could(name: str, wanted: object) -> bool:
    if name == "one_of" and isinstance(wanted, list):
        return any(isinstance(item, str) for item in wanted)
    return name not in ("equals", "contains") or isinstance(wanted, str)


def _found(value: object) -> str:
    """A short value of an answer, quoted; anything larger only by its type."""
    if isinstance(value, WireText) and len(value) > QUOTED:
        return f"text of {len(value)} characters"
    return _larger(value) or quoted(_json(value), QUOTED)


def _shown(value: object) -> str:
    """The expected value, cut short."""
    if isinstance(value, Condition):
        return ", ".join(f"{name} {wanted}" for name, wanted in value.tests)
    line = _larger(value) or _json(value)
    return line if len(line) <= QUOTED else line[: QUOTED - 1] + "…"


def _larger(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) and len(value) > 5 else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
