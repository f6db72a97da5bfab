"""One step of a sign-in: a request with gaps, what is expected of its answer, what is captured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlencode

import msgspec

from beacon.config.fields import SettingRefused, Url
from beacon.core.model import Reason
from beacon.engine.text_pattern import TextPattern
from beacon.net.http.client import Request
from beacon.net.http.expectations import Expectations
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.base import SettingFlaw
from beacon.probing.extract import SOURCES, Capture, Form
from beacon.probing.template import RESERVED, VARIABLES, JsonTemplate, Template

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
Place: TypeAlias = tuple[str | int, ...]

_SUCCESS: Final = Expectations()
_WORD: Final = TextPattern(r"[A-Za-z_][A-Za-z0-9_]*")
_STEP: Final = TextPattern(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One request, what its answer should be, and what later steps need of it.

    `fields_of` names a captured form: its fields are sent, those of `form` in their place.
    An answer that meets `rejected` is the server's no; one that does not meet `expect` fails
    for its own reason; one that does not meet `prefer` warns.
    """

    id: str
    url: Template
    method: Method = "GET"
    headers: Mapping[str, Template] = field(default_factory=dict)
    form: Mapping[str, Template] = field(default_factory=dict)
    fields_of: str | None = None
    json: JsonTemplate | None = None
    body: Template | None = None
    follow_redirects: bool = True
    rejected: Expectations | None = None
    expect: Expectations = _SUCCESS
    prefer: Expectations | None = None
    capture: Mapping[str, Capture] = field(default_factory=dict)

    def templates(self) -> Iterator[tuple[Place, Template]]:
        """Every template in it, with its place."""
        yield ("url",), self.url
        for name, template in self.headers.items():
            yield ("headers", name), template
        for name, template in self.form.items():
            yield ("form", name), template
        if self.json is not None:
            for path, template in self.json.templates():
                yield ("json", *path), template
        if self.body is not None:
            yield ("body",), self.body

    def needs(self) -> set[str]:
        """The captured values it cannot do without."""
        needed = {name for _, template in self.templates() for name in template.uses.captured}
        return needed | ({self.fields_of} if self.fields_of else set())

    def faults(self) -> Iterator[SettingFlaw]:
        """What is wrong with it by itself; paths from the step down."""
        if not _STEP.fullmatch(self.id):
            yield SettingFlaw(("id",), f"not an id: {self.id!r}", "a-z, 0-9, - and _")
        yield from self._request_faults()
        for name, capture in self.capture.items():
            if not _WORD.fullmatch(name) or name in RESERVED:
                yield SettingFlaw(("capture", name), "not a name for a value", "a word of its own")
            flaw = capture.flaw()
            if flaw:
                yield SettingFlaw(("capture", name), flaw, SOURCES)
        for section in ("rejected", "expect", "prefer"):
            expectations = getattr(self, section)
            for path, message, allowed in expectations.flaws() if expectations else ():
                yield SettingFlaw((section, *path), message, allowed)

    def _request_faults(self) -> Iterator[SettingFlaw]:
        bodies = (bool(self.form or self.fields_of), self.json is not None, self.body is not None)
        if sum(bodies) > 1:
            yield SettingFlaw(
                (), "more than one body to send", "one of form (and fields_of), json, body"
            )
        if any(bodies) and self.method in ("GET", "HEAD"):
            yield SettingFlaw(
                ("method",), f"{self.method} sends no body", "POST, PUT, PATCH, DELETE"
            )
        if self.url.fixed is not None:
            try:
                Url.parse(self.url.fixed)
            except SettingRefused as refused:
                yield SettingFlaw(("url",), refused.message, refused.allowed)

    def clean_up_faults(self) -> Iterator[SettingFlaw]:
        """What is wrong with it as a step of clean-up; paths from the step down."""
        for section in ("rejected", "prefer"):
            if getattr(self, section) is not None:
                text = "a clean-up step changes no reading"
                yield SettingFlaw(
                    (section,), text, "expect: what is not met is shown in the detail"
                )
        for path, template in self.templates():
            if template.uses.codes or template.uses.awaited:
                allowed = "secrets, variables, captured values"
                yield SettingFlaw(path, "a clean-up step has no code", allowed)

    def request(self, values: Mapping[str, Any], captured: Form | None = None) -> Request:
        """The request, filled in; `captured` is the form of `fields_of`. Raises `ProbeFailure`."""
        try:
            url = Url.parse(self.url.fill(values))
            headers = {name: template.fill(values) for name, template in self.headers.items()}
            body, kind = self._filled_body(values, captured)
        except SettingRefused:
            raise ProbeFailure(Reason.PROTOCOL_ERROR, "its url, filled in, is no address") from None
        except UnicodeError:  # half of a character, which a server can write in JSON
            raise ProbeFailure(
                Reason.PROTOCOL_ERROR, "a value that cannot be sent as text"
            ) from None
        proper = {"Content-Type": kind} if kind else {}
        return Request(
            url=url,
            method=self.method,
            headers=proper | headers,
            body=body,
            shown=self.url.shown(vars(values[VARIABLES])),
        )

    def _filled_body(
        self, values: Mapping[str, Any], captured: Form | None
    ) -> tuple[bytes | None, str]:
        """The body as sent, and its type."""
        if self.form or self.fields_of:
            own = {name: template.fill(values) for name, template in self.form.items()}
            theirs = captured or Form("", ())
            pairs = [pair for pair in theirs.pairs if pair[0] not in own] + list(own.items())
            # As browsers do where the page's charset lacks a character.
            body = urlencode(pairs, encoding=theirs.charset, errors="xmlcharrefreplace")
            return body.encode(), "application/x-www-form-urlencoded"
        if self.json is not None:
            return msgspec.json.encode(self.json.fill(values)), "application/json"
        return (None if self.body is None else self.body.fill(values).encode()), ""
