"""What a browser would find in the forms of a page: their fields, and where they are sent.

Pages are foreign text. Lexbor reads them as browsers do, but its time grows with the square of how
deep elements lie in each other: so a page has limits, and `beacon.net.parsing.parser` reads it.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from beacon.core.model import Reason
from beacon.net.parsing.charset import codec
from beacon.net.probe_failure import ProbeFailure

PAGE_LIMIT: Final = 256 * 1024
"""Characters of a page that is looked into."""

TAGS_LIMIT: Final = 20_000
"""Tags of such a page."""

FIELDS_LIMIT: Final = 500
"""Fields of one form."""

_FIELDS: Final = ("input", "select", "textarea", "button")
_CONTROLS: Final = ", ".join(_FIELDS)
_DISABLED: Final = ", ".join(f"fieldset[disabled] {each}" for each in _FIELDS)
_ENABLED: Final = ", ".join(f"fieldset[disabled] > legend:first-of-type {each}" for each in _FIELDS)
_TABLE: Final = frozenset({"table", "tbody", "thead", "tfoot", "tr"})
_NEVER_SENT: Final = frozenset({"submit", "button", "image", "reset", "file"})
_WHERE_CHECKED: Final = frozenset({"checkbox", "radio"})


@dataclass(frozen=True, slots=True)
class WrittenForm:
    """One form as the page has it: where it is sent, beside what, and its fields.

    `charset` is what the server reads them in.
    """

    base: str = field(repr=False)
    action: str = field(repr=False)
    pairs: tuple[tuple[str, str], ...] = field(repr=False)
    charset: str = "utf_8"


def form(raw: bytes, charset: str, selector: str) -> tuple[WrittenForm, ...]:
    """The first form of a page that a CSS selector finds, as its first button would send it.

    A selector that finds a button is its form, sent by that button. The page is in UTF-8, whatever
    its charset was; none is found where there is none. Raises `ProbeFailure`.
    """
    page = _Page(raw, charset)
    found = page.selected(selector)
    pressed = found[0] if found and _sends(found[0]) else None
    if pressed is not None:
        its = page.form_of(pressed)
    else:
        its = next((node for node in found if node.tag == "form"), None)
    return () if its is None else (page.sent(its, pressed),)


def value_of(raw: bytes, name: str) -> tuple[str, ...]:
    """The value of the first field of this name, in a form or not. Raises `ProbeFailure`."""
    for node in _parsed(raw).css(_CONTROLS):
        if node.attributes.get("name") == name and node.tag != "button":
            return tuple(value for _, value in _sent(node))[:1]
    return ()


def selector_flaw(selector: str) -> str:
    """What is wrong with a CSS selector; nothing if all is well."""
    try:
        LexborHTMLParser("<p></p>").css(selector)
    except SelectolaxError:
        return f"not a CSS selector: {selector!r}"
    return ""


class _Page:
    """A page, and which of its fields belong to which form."""

    def __init__(self, raw: bytes, charset: str) -> None:
        self._sent_in, self._tree = charset, _parsed(raw)
        self._controls = self._tree.css(_CONTROLS)
        enabled = {node.mem_id for node in self._tree.css(_ENABLED)}
        self._off = {node.mem_id for node in self._tree.css(_DISABLED)} - enabled

    def selected(self, selector: str) -> list[LexborNode]:
        """What a selector finds; nothing for one that is none."""
        try:
            return self._tree.css(selector)
        except SelectolaxError:
            return []

    def form_of(self, button: LexborNode) -> LexborNode | None:
        """The form that a button sends; None where it is in none."""
        for form in self._tree.css("form"):
            if any(node.mem_id == button.mem_id for node in self._owned(form)):
                return form
        return None

    def sent(self, form: LexborNode, pressed: LexborNode | None) -> WrittenForm:
        """What is sent by the button that was pressed, or by the first. Raises `ProbeFailure`."""
        nodes = [n for n in self._owned(form) if not self._is_off(n)]
        if pressed is None:
            pressed = next(filter(_sends, nodes), None)
        last = {n.attributes.get("name"): n.mem_id for n in nodes if _is_radio(n)}
        nodes = [n for n in nodes if not _is_radio(n) or last[n.attributes.get("name")] == n.mem_id]
        pairs: list[tuple[str, str]] = []
        for node in nodes:
            mine = pressed is not None and node.mem_id == pressed.mem_id
            pairs += _pressed(node) if mine else _sent(node)
        if len(pairs) > FIELDS_LIMIT:
            raise ProbeFailure(Reason.BODY_TOO_LARGE, f"a form of more than {FIELDS_LIMIT} fields")
        base = self._tree.css_first("base[href]")
        pairs = [(_one_newline(name), _one_newline(value)) for name, value in pairs]
        beside = "" if base is None else base.attributes.get("href") or ""
        return WrittenForm(beside, _action(form, pressed), tuple(pairs), self._charset(form))

    def _owned(self, form: LexborNode) -> list[LexborNode]:
        """Its fields in the order of the page: those inside, and those that name it."""
        inside = {node.mem_id for node in form.css(_CONTROLS)}
        if not inside and form.parent is not None and form.parent.tag in _TABLE:
            inside = self._in_table(form.parent)
        name = form.attributes.get("id") or ""
        first = self._tree.css_first(f'form[id="{_quoted(name)}"]') if name else None
        if first is None or first.mem_id != form.mem_id:
            name = ""  # of two forms with one id the first has it
        return [node for node in self._controls if _belongs(node, name, inside)]

    def _in_table(self, table: LexborNode) -> set[int]:
        """The fields of a table that are in no form: the parser moved them out of one."""
        while table.tag != "table" and table.parent is not None:
            table = table.parent
        others = {node.mem_id for form in table.css("form") for node in form.css(_CONTROLS)}
        return {node.mem_id for node in table.css(_CONTROLS)} - others

    def _is_off(self, node: LexborNode) -> bool:
        return "disabled" in node.attributes or node.mem_id in self._off

    def _charset(self, form: LexborNode) -> str:
        accepted = (form.attributes.get("accept-charset") or "").split()
        found = next(filter(None, map(codec, accepted)), None) or self._sent_in
        return "utf_8" if found.startswith(("utf_16", "utf_32")) else found


def _action(form: LexborNode, pressed: LexborNode | None) -> str:
    """Where it is sent, as the page has it; nothing where that is the page itself."""
    action = (form.attributes.get("action") or "").strip()
    if pressed is not None:
        action = (pressed.attributes.get("formaction") or "").strip() or action
    return action


def _parsed(raw: bytes) -> LexborHTMLParser:
    text = raw.decode()
    if len(text) > PAGE_LIMIT or text.count("<") > TAGS_LIMIT:
        raise ProbeFailure(Reason.BODY_TOO_LARGE, "a page too large to look for forms in")
    return LexborHTMLParser(text)


def _belongs(node: LexborNode, name: str, inside: Container[int]) -> bool:
    """Whether a field is of a form: `form="id"` outranks where it stands."""
    if "form" in node.attributes:
        return bool(name) and node.attributes["form"] == name
    return node.mem_id in inside


def _quoted(name: str) -> str:
    """A value for the quotes of a selector."""
    return "".join(f"\\{ord(char):x} " for char in name)


def _kind(node: LexborNode) -> str:
    return (node.attributes.get("type") or "").strip().lower()


def _sends(node: LexborNode) -> bool:
    """Whether it is a button that sends its form."""
    if node.tag == "button":
        return _kind(node) not in ("button", "reset")
    return node.tag == "input" and _kind(node) in ("submit", "image")


def _is_radio(node: LexborNode) -> bool:
    return _kind(node) == "radio" and node.tag == "input" and "checked" in node.attributes


def _pressed(node: LexborNode) -> Iterator[tuple[str, str]]:
    """What the button that was pressed adds: a picture says where it was touched."""
    name = node.attributes.get("name") or ""
    if _kind(node) == "image" and node.tag == "input":
        yield from (((f"{name}." if name else "") + axis, "0") for axis in "xy")
    elif name:
        yield name, node.attributes.get("value") or ""


def _sent(node: LexborNode) -> Iterator[tuple[str, str]]:
    """What a browser would send of one field, untouched."""
    has = node.attributes
    name, kind = has.get("name") or "", _kind(node)
    if "disabled" in has or not name or node.tag == "button":
        return
    if node.tag == "select":
        yield from ((name, value) for value in _chosen(node))
    elif node.tag == "textarea":
        yield name, node.text()
    elif kind in _WHERE_CHECKED:
        if "checked" in has:
            yield name, has.get("value") or "on"
    elif kind not in _NEVER_SENT:
        value = has.get("value") or ""
        yield name, value if kind == "hidden" else value.replace("\r", "").replace("\n", "")


def _one_newline(text: str) -> str:
    """A text as forms are sent: each of its lines ends with CR LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def _chosen(select: LexborNode) -> list[str]:
    off = {node.mem_id for node in select.css("option[disabled], optgroup[disabled] option")}
    options = [option for option in select.css("option") if option.mem_id not in off]
    chosen = [option for option in options if "selected" in option.attributes]
    if "multiple" not in select.attributes:
        shows_one = (select.attributes.get("size") or "1").strip() in ("0", "1")
        chosen = chosen[-1:] or (options[:1] if shows_one else [])
    return [_value(option) for option in chosen]


def _value(option: LexborNode) -> str:
    value = option.attributes.get("value")
    return option.text(strip=True) if value is None else value
