"""What one step of a sign-in takes from an answer, for later steps to send."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Final, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError

from beacon.config.fields import Regex
from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.engine.text_pattern import TextPattern
from beacon.net.http.client import Answer
from beacon.net.http.cookies import Cookie
from beacon.net.http.expectations import found_in, parse_json
from beacon.net.origin import join
from beacon.net.parsing.parser import parsed
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.html_forms import WrittenForm, selector_flaw

SOURCES: Final = "one of json, regex, header, cookie, field, form"


@dataclass(frozen=True, slots=True)
class Form:
    """One form: the whole address it is sent to, and its fields as they would be sent.

    `charset` is what the server reads them in.
    """

    action: str = field(repr=False)
    pairs: tuple[tuple[str, str], ...] = field(repr=False)
    charset: str = "utf_8"

    @property
    def fields(self) -> dict[str, str]:
        """Name → value; if a name occurs twice, the last value."""
        return dict(self.pairs)


Captured: TypeAlias = str | Form


@dataclass(frozen=True, kw_only=True)
class Capture:
    """What to take: one of a JMESPath, a regular expression, a header, a cookie, a field, a form.

    For a regular expression it is the first group, or the whole match. `field` is the name of a
    field of the page, `form` a CSS selector of a whole form.
    """

    json: str | None = None
    regex: Regex | None = None
    header: str | None = None
    cookie: str | None = None
    field: str | None = None
    form: str | None = None

    def flaw(self) -> str:
        """What is wrong with it; nothing if all is well."""
        if sum(getattr(self, source.name) is not None for source in fields(self)) != 1:
            return "a captured value has one source"
        if self.form is not None:
            return selector_flaw(self.form)
        try:
            jmespath.compile(self.json or "@")
        except JMESPathError as error:
            return f"not a JMESPath expression: {str(error).splitlines()[0]}"
        return ""

    def take(self, run: Run, answer: Answer, jar: Iterable[Cookie]) -> Captured | None:
        """The value; None where it is missing. Raises `ProbeFailure` for bodies that hold none."""
        if self.header is not None:
            return answer.headers.get(self.header)
        if self.cookie is not None:
            return next((c.value for c in jar if c.name == self.cookie and c.value), None)
        if self.field is not None:
            values = parsed(run, "field", tuple[str, ...], _page(answer), self.field)
            return next(iter(values), None)
        if self.form is not None:
            asked = answer.codec(), self.form
            forms = parsed(run, "form", tuple[WrittenForm, ...], _page(answer), *asked)
            return next((_addressed(form, answer.url) for form in forms), None)
        if self.regex is not None:
            return self._searched(answer.text())
        return self._found(answer)

    def _found(self, answer: Answer) -> str | None:
        found = found_in(jmespath.compile(self.json or ""), parse_json(answer.body))
        if isinstance(found, str):
            return found
        number = isinstance(found, int | float) and not isinstance(found, bool)
        return str(found) if number else None

    def _searched(self, text: str) -> str | None:
        pattern = TextPattern(str(self.regex or ""))
        try:
            match = pattern.search(text)
        except TimeoutError:
            return None
        return match[1 if pattern.groups else 0] if match else None


def _page(answer: Answer) -> bytes:
    """The page in UTF-8. Raises `ProbeFailure`."""
    return answer.text().encode("utf-8", "replace")


def _addressed(form: WrittenForm, page: str) -> Form:
    """The form with its whole address. Raises `ProbeFailure`."""
    try:
        beside = join(page, form.base) if form.base else page
        if not beside.startswith(("http://", "https://")):
            beside = page
        action = join(beside, form.action) if form.action else page
    except ValueError:
        raise ProbeFailure(Reason.PROTOCOL_ERROR, "a form that is sent nowhere") from None
    return Form(action, form.pairs, form.charset)
