"""Texts with gaps: what a step of a sign-in sends, filled in as it runs.

Jinja's sandbox fills them. What they refer to is known when they are read, so that a wrong name is
found before the first run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import SandboxedEnvironment

from beacon.config.fields import Duration, Regex, SettingRefused
from beacon.core.model import Reason
from beacon.engine.redaction import HIDDEN
from beacon.engine.text_pattern import TextPattern
from beacon.net.probe_failure import ProbeFailure

SECRETS: Final = "secrets"
VARIABLES: Final = "variables"
TOTP: Final = "totp"
HOTP: Final = "hotp"
CODE_FROM: Final = "code_from"
OPTIONS: Final = {TOTP: "digits, period, algorithm", HOTP: "counter, digits, algorithm"}
"""What may be set for the codes of a token."""
_CALLS: Final = (TOTP, HOTP, CODE_FROM)
_OURS: Final = frozenset({SECRETS, VARIABLES, *_CALLS})
_WHAT_A_VALUE_CAN_DO: Final = (TypeError, ValueError, ArithmeticError, LookupError)

# What is written are addresses, forms and JSON, never HTML: escaping would damage them.
_JINJA: Final = SandboxedEnvironment(
    undefined=StrictUndefined,
    autoescape=False,
    keep_trailing_newline=True,
)
RESERVED: Final = _OURS | frozenset(_JINJA.globals)
"""Names no captured value may have."""


@dataclass(frozen=True, slots=True)
class CodeCall:
    """One `totp(secrets.name, …)` in a template; `counted`: `hotp(secrets.name, …)`."""

    secret: str
    options: tuple[tuple[str, Any], ...] = ()
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Awaited:
    """One `code_from('mailbox', 'pattern', 'within')` in a template; `within` is seconds."""

    mailbox: str
    pattern: str
    within: float


@dataclass(frozen=True, slots=True)
class Uses:
    """What a template refers to, and what is wrong with how it does."""

    secrets: frozenset[str]
    variables: frozenset[str]
    captured: frozenset[str]
    codes: tuple[CodeCall, ...]
    awaited: tuple[Awaited, ...]
    flaws: tuple[str, ...]


class _Blank(str):
    """What stands for a value that nobody has written: empty, and so are all its parts."""

    __slots__ = ()

    def __getattr__(self, name: str) -> "_Blank":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> "_Blank":
        return self


_FOREIGN: Final = TextPattern(
    r"(?<!\{)\{\s*((?:secrets|variables)\.\w+|(?:totp|hotp|code_from)\([^{}]*\))\s*\}(?!\})"
    r"|\$\{(\w+)\}"
)
"""A place that other tools fill in, and we would not: in one brace, or a shell's."""


class Template:
    """A text with `{{ … }}` in it. Never shows itself: it may hold what is secret."""

    __slots__ = ("_compiled", "_source", "_tree", "uses")
    ALLOWED: ClassVar = (
        "text with {{ secrets.name }}, {{ variables.name }}, {{ captured }}, "
        "{{ totp(secrets.name) }} or {{ code_from('mailbox', 'pattern', '60s') }}"
    )
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string"}

    def __init__(self, source: str) -> None:
        self._source = source
        self._compiled = _JINJA.from_string(source)
        self._tree = _JINJA.parse(source)
        self.uses = _uses(self._tree)

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Compile a text; the refusal says where it is wrong."""
        if not isinstance(raw, str):
            raise SettingRefused("not text", cls.ALLOWED, "in quotes")
        if found := _FOREIGN.search(raw):
            name = (found[1] or found[2]).strip()
            message = f"{found[0]} would be sent as it stands"
            raise SettingRefused(message, "a value in two braces", f"{{{{ {name} }}}}")
        try:
            return cls(raw)
        except TemplateSyntaxError as error:
            message = f"not a template: {error.message} (its line {error.lineno})"
            raise SettingRefused(message, cls.ALLOWED) from None

    @property
    def fixed(self) -> str | None:
        """The text, where nothing is to be filled in."""
        return None if any(mark in self._source for mark in ("{{", "{%", "{#")) else self._source

    @property
    def tells(self) -> bool:
        """Whether a secret or a code is in it; of two captured values one may be such a code."""
        uses = self.uses
        return bool(uses.secrets or uses.codes or uses.awaited) or len(uses.captured) > 1

    def written(self, secrets: object, variables: object) -> str:
        """The text with a blank for every code and every captured value."""
        blanks = dict.fromkeys((*_CALLS, *self.uses.captured), _Blank())
        try:
            return self.fill({SECRETS: secrets, VARIABLES: variables, **blanks})
        except ProbeFailure:
            return ""

    def begins(self, text: str) -> bool:
        """Whether it begins with this text, in any case."""
        return self._source.lower().startswith(text)

    def fill(self, values: Mapping[str, Any]) -> str:
        """The text with everything filled in. Raises `ProbeFailure` where that cannot be done."""
        try:
            return self._compiled.render(values)
        except (TemplateError, *_WHAT_A_VALUE_CAN_DO) as error:
            text = f"a template cannot be filled in ({type(error).__name__})"
            raise ProbeFailure(Reason.OPERAND_MISSING, text) from None

    def shown(self, variables: Mapping[str, str]) -> str:
        """The text with its variables filled in, and `***` for everything else.

        A filter can give a secret any shape: what came of one is never shown.
        """
        parts = []
        for node in self._tree.body:
            inner = node.nodes if isinstance(node, nodes.Output) else [node]
            parts += [_shown(each, variables) for each in inner]
        return "".join(parts)

    def __repr__(self) -> str:
        """Show nothing."""
        return "Template(…)"

    def __eq__(self, other: object) -> bool:
        """Compare as texts: a reload asks whether anything changed."""
        return isinstance(other, Template) and other._source == self._source

    def __hash__(self) -> int:
        """Hash as a text."""
        return hash(self._source)


class JsonTemplate:
    """A JSON document whose texts are templates."""

    __slots__ = ("_tree",)
    ALLOWED: ClassVar = "a value whose texts may be templates"
    SCHEMA: ClassVar[dict[str, Any]] = {}

    def __init__(self, tree: object) -> None:
        self._tree = tree

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Compile every text in it, names of members excepted."""
        return cls(_compile(raw))

    def templates(self) -> Iterator[tuple[tuple[str | int, ...], Template]]:
        """Every template in it, with its place."""
        return _leaves(self._tree)

    def fill(self, values: Mapping[str, Any]) -> object:
        """The document with everything filled in. Raises `ProbeFailure`."""
        return _filled(self._tree, values)

    def __repr__(self) -> str:
        """Show nothing."""
        return "JsonTemplate(…)"

    def __eq__(self, other: object) -> bool:
        """Compare as documents."""
        return isinstance(other, JsonTemplate) and other._tree == self._tree

    def __hash__(self) -> int:
        """Hash by the places of its texts."""
        return hash(tuple(self.templates()))


def _shown(node: nodes.Node, variables: Mapping[str, str]) -> str:
    if isinstance(node, nodes.TemplateData):
        return node.data
    found = _member(node)
    return variables[found[1]] if found and found[0] == VARIABLES else HIDDEN


def _compile(raw: object) -> object:
    if isinstance(raw, str):
        return Template.parse(raw)
    if isinstance(raw, Mapping):
        return {key: _below(key, raw[key]) for key in raw}
    if isinstance(raw, list | tuple):
        return [_below(number, item) for number, item in enumerate(raw)]
    return raw


def _below(step: str | int, raw: object) -> object:
    try:
        return _compile(raw)
    except SettingRefused as refused:
        path = (step, *refused.path)
        raise SettingRefused(refused.message, refused.allowed, refused.hint, path) from None


def _leaves(tree: object) -> Iterator[tuple[tuple[str | int, ...], Template]]:
    if isinstance(tree, Template):
        yield (), tree
    elif isinstance(tree, dict | list):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for step, inner in items:
            for path, template in _leaves(inner):
                yield (step, *path), template


def _filled(tree: object, values: Mapping[str, Any]) -> object:
    if isinstance(tree, Template):
        return tree.fill(values)
    if isinstance(tree, dict):
        return {key: _filled(inner, values) for key, inner in tree.items()}
    if isinstance(tree, list):
        return [_filled(inner, values) for inner in tree]
    return tree


def _uses(tree: nodes.Template) -> Uses:
    named: dict[str, set[str]] = {SECRETS: set(), VARIABLES: set()}
    proper = set()  # by identity: mentions of the reserved words that are as they should be
    codes, awaited, flaws = [], [], []
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in _CALLS:
            proper.add(id(call.node))
            try:
                found = _called(call.node.name, call)
            except SettingRefused as refused:
                flaws.append(refused.message)
            else:
                codes += [found] if isinstance(found, CodeCall) else []
                awaited += [found] if isinstance(found, Awaited) else []
    for access in tree.find_all((nodes.Getattr, nodes.Getitem)):
        member = _member(access)
        if member:
            proper.add(id(access.node))  # type: ignore[attr-defined]
            named[member[0]].add(member[1])
    flaws += [
        f"{name.name} cannot be used as a whole"
        for name in tree.find_all(nodes.Name)
        if name.name in _OURS and id(name) not in proper
    ]
    return Uses(
        secrets=frozenset(named[SECRETS]),
        variables=frozenset(named[VARIABLES]),
        captured=frozenset(meta.find_undeclared_variables(tree) - RESERVED),
        codes=tuple(codes),
        awaited=tuple(awaited),
        flaws=tuple(flaws),
    )


def _member(access: nodes.Node) -> tuple[str, str] | None:
    """The two names in `secrets.name` or `secrets["name"]`."""
    match access:
        case nodes.Getattr(node=nodes.Name(name=whole), attr=name):
            pass
        case nodes.Getitem(node=nodes.Name(name=whole), arg=nodes.Const(value=str(name))):
            pass
        case _:
            return None
    return (whole, name) if whole in (SECRETS, VARIABLES) else None


def _called(name: str, call: nodes.Call) -> CodeCall | Awaited:
    """What a call of ours asks for. Raises `SettingRefused`."""
    return _awaited(call) if name == CODE_FROM else _code(name, call)


def _code(name: str, call: nodes.Call) -> CodeCall:
    found = _member(call.args[0]) if len(call.args) == 1 else None
    options = {option.key: option.value for option in call.kwargs}
    fixed = all(isinstance(value, nodes.Const) for value in options.values())
    unpacked = call.dyn_args or call.dyn_kwargs
    if not found or found[0] != SECRETS or not fixed or unpacked:
        raise SettingRefused(f"{name} takes one of the secrets: {name}(secrets.name)")
    written = tuple((key, value.as_const()) for key, value in options.items())
    return CodeCall(found[1], written, counted=name == HOTP)


def _awaited(call: nodes.Call) -> Awaited:
    given = dict(zip(("mailbox", "pattern", "within"), call.args, strict=False))
    given |= {option.key: option.value for option in call.kwargs}
    texts = {key: value.value for key, value in given.items() if isinstance(value, nodes.Const)}
    known = set(texts) == {"mailbox", "pattern", "within"}
    if not known or len(call.args) + len(call.kwargs) != 3 or call.dyn_args or call.dyn_kwargs:
        raise SettingRefused("code_from takes three texts: code_from('mailbox', 'pattern', '60s')")
    pattern = texts["pattern"]
    if isinstance(pattern, str) and not pattern.isprintable():
        raise SettingRefused(
            "the pattern of code_from has a backslash too few: write it twice, or [0-9]"
        )
    try:
        within = Duration.parse(texts["within"])
        return Awaited(str(texts["mailbox"]), Regex.parse(pattern), float(within))
    except SettingRefused as refused:
        raise SettingRefused(f"code_from: {refused.message}") from None
