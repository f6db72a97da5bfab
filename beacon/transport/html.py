"""What a browser would find in the forms of a page: their fields, and where they are sent.

Pages are foreign text. Lexbor reads them as browsers do, without holding up other threads, but
its time grows with the square of how deep elements lie in each other: so a page has limits.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from beacon.core.model import Reason
from beacon.transport.http import Answer
from beacon.transport.trouble import Trouble

PAGE_LIMIT: Final = 256 * 1024
"""Characters of a page that is looked into."""

TAGS_LIMIT: Final = 20_000
"""Tags of such a page."""

FIELDS_LIMIT: Final = 500
"""Fields of one form."""

_CONTROLS: Final = "input[name], select[name], textarea[name]"
_NEVER_SENT: Final = frozenset({"submit", "button", "image", "reset", "file"})
_WHERE_CHECKED: Final = frozenset({"checkbox", "radio"})


@dataclass(frozen=True, slots=True)
class Form:
    """One form: the whole address it is sent to, and its fields as they would be sent."""

    action: str = field(repr=False)
    pairs: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def fields(self) -> dict[str, str]:
        """Name → value; of a name used twice the last one's."""
        return dict(self.pairs)


def form_of(answer: Answer, selector: str) -> Form | None:
    """The first form of a page that a CSS selector finds. Raises `Trouble`."""
    page = _page(answer)
    for node in _selected(page, selector):
        if node.tag == "form":
            action = (node.attributes.get("action") or "").strip()
            try:
                return Form(urljoin(answer.url, action), _pairs(node))
            except ValueError:
                raise Trouble(Reason.PROTOCOL_ERROR, "a form that is sent nowhere") from None
    return None


def field_of(answer: Answer, name: str) -> str | None:
    """The value of the first field of this name, in a form or not. Raises `Trouble`."""
    for node in _page(answer).css(_CONTROLS):
        if node.attributes.get("name") == name:
            return next((value for _, value in _sent(node)), None)
    return None


def selector_flaw(selector: str) -> str:
    """What is wrong with a CSS selector; nothing if all is well."""
    try:
        LexborHTMLParser("<p></p>").css(selector)
    except SelectolaxError:
        return f"not a CSS selector: {selector!r}"
    return ""


def _page(answer: Answer) -> LexborHTMLParser:
    text = answer.text()
    if len(text) > PAGE_LIMIT or text.count("<") > TAGS_LIMIT:
        raise Trouble(Reason.BODY_TOO_LARGE, "a page too large to look for forms in")
    return LexborHTMLParser(text)


def _selected(page: LexborHTMLParser, selector: str) -> list[LexborNode]:
    try:
        return page.css(selector)
    except SelectolaxError:
        return []


def _pairs(form: LexborNode) -> tuple[tuple[str, str], ...]:
    pairs = tuple(pair for node in form.css(_CONTROLS) for pair in _sent(node))
    if len(pairs) > FIELDS_LIMIT:
        raise Trouble(Reason.BODY_TOO_LARGE, f"a form of more than {FIELDS_LIMIT} fields")
    return pairs


def _sent(node: LexborNode) -> Iterator[tuple[str, str]]:
    """What a browser would send of one field, untouched."""
    has = node.attributes
    name, kind = has.get("name") or "", (has.get("type") or "").lower()
    if "disabled" in has or not name:
        return
    if node.tag == "select":
        yield from ((name, value) for value in _chosen(node))
    elif node.tag == "textarea":
        yield name, node.text()
    elif kind in _WHERE_CHECKED:
        if "checked" in has:
            yield name, has.get("value") or "on"
    elif kind not in _NEVER_SENT:
        yield name, has.get("value") or ""


def _chosen(select: LexborNode) -> list[str]:
    options = select.css("option")
    chosen = [option for option in options if "selected" in option.attributes]
    if "multiple" not in select.attributes:
        chosen = chosen[-1:] or options[:1]
    return [_value(option) for option in chosen]


def _value(option: LexborNode) -> str:
    value = option.attributes.get("value")
    return option.text(strip=True) if value is None else value
