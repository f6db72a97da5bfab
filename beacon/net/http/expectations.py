"""The settings `expect:` and `prefer:`, and the reading of an answer compared with them.

JSON that cannot be parsed meets no condition at all, not even `absent` (docs/probes/http.md).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeVar

import jmespath
import msgspec
from jmespath.exceptions import (
    ArityError,
    JMESPathError,
    JMESPathTypeError,
    ParseError,
    UnknownFunctionError,
)

from beacon.config.fields import Flaw
from beacon.core.model import Reading, Reason
from beacon.net.http.client import Answer
from beacon.net.http.condition import SUCCESS, Condition, StatusSet, Unmet, WireText
from beacon.net.probe_failure import ProbeFailure

T = TypeVar("T")

JSON_VALUES: Final = 100_000
"""Values of one JSON document: at most 50 ms and 10 MB."""


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """The conditions on an answer. Without `status`, 2xx is expected."""

    status: StatusSet | None = None
    headers: Mapping[str, Condition] = field(default_factory=dict)
    body: Condition | None = None
    json: Mapping[str, Condition] = field(default_factory=dict)

    def flaws(self) -> Iterator[Flaw]:
        """Report settings that no answer can meet."""
        for path in self.json:
            message = _wrong_path(path)
            if message:
                yield ("json", path), message, "a JMESPath expression"
        texts: list[tuple[tuple[str, ...], Condition | None]] = [(("body",), self.body)]
        texts += [(("headers", name), condition) for name, condition in self.headers.items()]
        for place, condition in texts:
            if condition and not condition.fits_text():
                yield place, "text never equals a number, true or a list", "the value in quotes"

    @cached_property
    def _compiled(self) -> tuple[tuple[str, Any, Condition], ...]:
        return tuple((path, jmespath.compile(path), c) for path, c in self.json.items())

    def unmet(self, answer: Answer, *, quote: bool = True) -> Unmet | None:
        """The first expectation the answer does not meet. Raises `ProbeFailure` for bad bodies."""
        allowed = self.status or SUCCESS
        if answer.status not in allowed:
            limited = answer.status == 429
            reason = Reason.RATE_LIMITED if limited else Reason.HTTP_STATUS
            return Unmet(reason, f"status {answer.status}, expected {allowed}")
        return next((u for u in self._conditions(answer, quote=quote) if u), None)

    def _conditions(self, answer: Answer, *, quote: bool) -> Iterator[Unmet | None]:
        for name, condition in self.headers.items():
            value = answer.headers.get(name)
            text = None if value is None else WireText(value)
            yield _at(f"header {name}", condition.unmet(text, quote=quote))
        if self.body:
            yield _at("body", self.body.unmet(WireText(answer.text()) or None, quote=quote))
        if self.json:
            document = parse_json(answer.body)
            for path, compiled, condition in self._compiled:
                yield _at(
                    f"json {path}", condition.unmet(found_in(compiled, document), quote=quote)
                )


def judge(
    answer: Answer,
    expect: Expectations,
    prefer: Expectations | None = None,
    *,
    quote: bool = True,
) -> Reading:
    """The reading of an answer: `expect` unmet fails, `prefer` unmet warns. Without latency."""
    try:
        unmet = expect.unmet(answer, quote=quote)
        if unmet:
            return Reading(unmet.reason, unmet.words)
        wish = prefer.unmet(answer, quote=quote) if prefer else None
    except ProbeFailure as trouble:
        return trouble.reading
    if wish:
        return Reading(Reason.PREFERENCE_UNMET, wish.words)
    return Reading(Reason.OK, f"status {answer.status}")


def parse_json(body: bytes) -> object:
    """The document in a body. Raises `ProbeFailure` for what is not JSON, NaN included."""
    try:
        return parse_json_as(body, object)
    except msgspec.ValidationError:  # a number too large for a float
        raise ProbeFailure(Reason.PROTOCOL_ERROR, "the body is not JSON") from None


def parse_json_as(body: bytes, form: type[T], values: int = JSON_VALUES) -> T:
    """The document as `form`: members that `form` does not have are skipped and cost no memory.

    `values` limits the number of values, counted by commas and brackets. Raises `ProbeFailure`,
    and `msgspec.ValidationError` for a document of another form.
    """
    if body.count(b",") + body.count(b"[") + body.count(b"{") > values:
        raise ProbeFailure(Reason.PROTOCOL_ERROR, f"JSON of more than {values} values")
    try:
        return msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=form)
    except msgspec.ValidationError:
        raise
    except RecursionError:
        raise ProbeFailure(Reason.PROTOCOL_ERROR, "the JSON is nested too deep") from None
    except ValueError:
        what = "empty" if not body.strip() else "not JSON"
        raise ProbeFailure(Reason.PROTOCOL_ERROR, f"the body is {what}") from None


def found_in(compiled: Any, document: object) -> object:  # noqa: ANN401 - jmespath has no types
    """The value an expression finds in a document; None without one."""
    try:
        return compiled.search(document)
    # length() of a number, avg() of too large numbers, and the like
    except (JMESPathError, RecursionError, ArithmeticError, ValueError, TypeError, LookupError):
        return None


def _at(place: str, unmet: Unmet | None) -> Unmet | None:
    if unmet is None:
        return None
    space = "" if unmet.words.startswith(":") else " "
    return Unmet(unmet.reason, f"{place}{space}{unmet.words}")


def _wrong_path(path: str) -> str:
    try:
        jmespath.compile(path).search({})
    except JMESPathTypeError:
        return ""  # only because this document is empty
    except (UnknownFunctionError, ArityError) as error:
        return str(error)
    except ParseError as error:
        return f"not JMESPath from column {error.lex_position + 1} on"
    except JMESPathError as error:
        return str(error)
    return ""
