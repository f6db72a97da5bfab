"""Trees to typed values, with every problem noted at its place.

The types of `beacon.config.fields` are the one description of what may be written; single
values are judged by msgspec, all that knows of places and of several problems is here.
"""

import math
import types
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin
from typing import get_type_hints as hints_of

import msgspec

from beacon.config.fields import Secret, SettingRefused
from beacon.config.problems import Problems, Steps, meant, one_of
from beacon.config.yaml.nodes import Broken, Listing, Node, NodePath, Scalar, Table, broken, plain

Type: TypeAlias = Any
"""A type as an annotation says it: a class, a union, Annotated …"""

Value: TypeAlias = Any
"""What was read, or `WRONG`."""

SHOWN: Final = 60


class _Wrong:
    """Stands for a value whose problem is noted."""


WRONG: Final = _Wrong()


@dataclass(frozen=True, slots=True)
class Spec:
    """One key of a mapping: its name in Python, its type, and what it is when left out."""

    field: str
    kind: Type
    required: bool
    default: Any = None


@cache
def specs(kind: Hashable) -> dict[str, Spec]:
    """Return the keys of a dataclass as written in YAML."""
    section: Type = kind
    hints = hints_of(section, include_extras=True)
    return {
        found.metadata.get("key", found.name): Spec(found.name, hints[found.name], *_default(found))
        for found in fields(section)
        if found.init
    }


def _default(found: Field[Any]) -> tuple[bool, Any]:
    if found.default is not MISSING:
        return False, found.default
    if found.default_factory is not MISSING:
        return False, found.default_factory()
    return True, None


def parses(kind: Type) -> bool:
    """Whether a type reads its own value."""
    return isinstance(kind, type) and callable(getattr(kind, "parse", None))


def bare(kind: Type) -> Type:
    """Return a type without its annotations."""
    return get_args(kind)[0] if origin(kind) is Annotated else kind


def metas(kind: Type) -> list[msgspec.Meta]:
    """Return the constraints and descriptions a type is annotated with."""
    return [m for m in getattr(kind, "__metadata__", ()) if isinstance(m, msgspec.Meta)]


def origin(kind: object) -> Type:
    """Return what a generic type is made of: tuple of tuple[int, ...]."""
    return get_origin(kind)


def options(kind: Type) -> tuple[Any, ...]:
    """Return the alternatives of a union; one type alone is its own alternative."""
    found = bare(kind)
    if origin(found) in (Union, types.UnionType):
        return tuple(o for o in get_args(found) if o is not msgspec.UnsetType)
    return (kind,)


def is_map(kind: Type) -> bool:
    """Whether a type is a mapping with keys of the writer's choice."""
    found = origin(kind)
    return isinstance(found, type) and issubclass(found, Mapping)


def is_tree(kind: Type) -> bool:
    """Whether a type takes any node as it is: `Node`, or `Node | None`."""
    return set(get_args(bare(kind))) - {types.NoneType} == set(get_args(Node))


def words(kind: Type) -> tuple[str, ...]:
    """Return the words of an enumeration or a Literal; nothing for other types."""
    kind = bare(kind)
    if origin(kind) is Literal:
        return tuple(str(word) for word in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return tuple(word.value for word in kind)
    return ()


def describe(kind: Type) -> str:
    """Return in words what is allowed."""
    inner = bare(kind)
    if is_tree(kind):
        return "anything"
    if len(options(kind)) > 1:
        return " or ".join(describe(o) for o in options(kind))
    if parses(inner):
        return str(getattr(inner, "ALLOWED", "a value that it can read"))
    if words(inner):
        return one_of(words(inner))
    if inner in (int, float):
        return _number(kind, inner)
    return _IN_WORDS.get(origin(inner) or inner, "a mapping")


_IN_WORDS: Final[dict[Any, str]] = {
    str: "text",
    bool: "true or false",
    types.NoneType: "null",
    tuple: "a list",
    Any: "anything",
}


def _number(kind: Type, inner: Type) -> str:
    what = "a whole number" if inner is int else "a number"
    for limit in metas(kind):
        if limit.ge is not None:
            what += f" from {limit.ge}"
        if limit.gt is not None:
            what += f" above {limit.gt}"
        if limit.le is not None:
            what += f" up to {limit.le}" if limit.ge is None else f" to {limit.le}"
    return what


class Decoder:
    """Reads values of given types from a tree, and notes every problem."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def read(self, node: Node, kind: Type, at: Steps) -> Value:
        """Return the value, or `WRONG` with its problems noted."""
        if is_tree(kind):
            return node
        if isinstance(node, Broken):
            return WRONG
        alternatives = options(kind)
        if len(alternatives) > 1:
            return self._any_of(node, alternatives, at)
        return self._reader(alternatives[0])(node, alternatives[0], at)

    def _reader(self, kind: Type) -> Callable[[Node, Type, Steps], Value]:
        inner = bare(kind)
        if inner is Any:
            return self._anything
        if parses(inner):
            return self._parsed
        if is_dataclass(inner):
            return self._built
        if origin(inner) is tuple:
            return self._list
        return self._map if is_map(inner) else self._leaf

    def read_keys(
        self,
        node: Node,
        keys: Mapping[str, Spec],
        at: Steps,
        *,
        known: Iterable[str] | None = None,
        lenient: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Read a mapping's keys to their values by YAML name; wrong ones are left out.

        `known` None takes unknown keys for right; `lenient` keys may be left out.
        """
        if not isinstance(node, Table):
            if not isinstance(node, Broken):
                self.refuse(node, at, f"not a mapping: {shown(node)}", "keys and values")
            return {}
        if known is not None:
            self._unknown(node, tuple(known), at)
        missing = [k for k, s in keys.items() if s.required and k not in node.entries]
        for key in missing:
            if key not in lenient:
                self.problems.add(node.place, at, f"`{key}` is missing", describe(keys[key].kind))
        values = {
            key: self.read(value, keys[key].kind, (*at, key))
            for key, value in node.entries.items()
            if key in keys
        }
        return {key: value for key, value in values.items() if value is not WRONG}

    def _unknown(self, node: Table, known: tuple[str, ...], at: Steps) -> None:
        for key in node.entries:
            if key not in known:
                allowed = "keys here: " + ", ".join(known)
                place = node.keys[key]
                self.problems.add(place, (*at, key), "unknown key", allowed, meant(key, known))

    def _anything(self, node: Node, _kind: Type, _at: Steps) -> Value:
        return WRONG if broken(node) else plain(node)

    def _built(self, node: Node, kind: Type, at: Steps) -> Value:
        kind = bare(kind)
        if isinstance(node, Scalar) and node.value is None:
            node = Table(node.place)
        before = len(self.problems)
        keys = specs(kind)
        values = self.read_keys(node, keys, at, known=keys)
        if len(self.problems) > before or broken(node):
            return WRONG
        return self.make(node, at, kind, {keys[key].field: v for key, v in values.items()})

    def make(
        self, node: Node, at: Steps, kind: Callable[..., Value], values: dict[str, Any]
    ) -> Value:
        """Build an object from its fields; a refusal is noted as a problem."""
        try:
            return kind(**values)
        except SettingRefused as refused:
            self._refused(node, at, refused)
            return WRONG

    def _parsed(self, node: Node, kind: Type, at: Steps) -> Value:
        kind = bare(kind)
        if broken(node):
            return WRONG
        if issubclass(kind, Secret) and isinstance(node, Scalar) and not node.origin:
            self.problems.inline.append((node.place, at))
        try:
            return kind.parse(plain(node))
        except SettingRefused as refused:
            if isinstance(node, Scalar) and node.origin:
                self.refuse(
                    node, at, f"the value of {node.origin} is not valid here", refused.allowed
                )
            else:
                self._refused(node, at, refused)
            return WRONG

    def _refused(self, node: Node, at: Steps, refused: SettingRefused) -> None:
        place, path = NodePath(node).below(*refused.path).place, (*at, *refused.path)
        self.problems.add(place, path, refused.message, refused.allowed, refused.hint)

    def _list(self, node: Node, kind: Type, at: Steps) -> Value:
        inner = bare(kind)
        item_kind = get_args(inner)[0]
        if not isinstance(node, Listing):
            hint = (
                f"[{node.text}]"
                if isinstance(node, Scalar) and node.text and not node.origin
                else ""
            )
            table = is_tree(item_kind) and isinstance(node, Table)
            allowed = 'a list: "- name: …" for each' if table else "a list"
            return self.refuse(node, at, f"not a list: {shown(node)}", allowed, hint)
        least = min_length(kind)
        if len(node.items) < least:
            found = f"too few: {len(node.items)}" if node.items else "the list is empty"
            return self.refuse(node, at, found, f"at least {least}")
        items = [self.read(item, item_kind, (*at, i)) for i, item in enumerate(node.items)]
        return WRONG if WRONG in items else tuple(items)

    def _map(self, node: Node, kind: Type, at: Steps) -> Value:
        key_kind, value_kind = get_args(bare(kind))
        if not isinstance(node, Table):
            return self.refuse(node, at, f"not a mapping: {shown(node)}", "keys and values")
        read: dict[Any, Any] = {}
        for key, value in node.entries.items():
            name = self._leaf(Scalar(node.keys[key], key, key), key_kind, (*at, key))
            read[name] = self.read(value, value_kind, (*at, key))
        return WRONG if WRONG in read or WRONG in read.values() else read

    def _leaf(self, node: Node, kind: Type, at: Steps) -> Value:
        value = _converted(node, kind)
        if value is not WRONG:
            return value
        allowed = describe(kind)
        if isinstance(node, Scalar) and node.origin:
            return self.refuse(node, at, f"the value of {node.origin} is not valid here", allowed)
        return self.refuse(node, at, f"not allowed: {shown(node)}", allowed, _near(node, kind))

    def _any_of(self, node: Node, alternatives: tuple[Any, ...], at: Steps) -> Value:
        if isinstance(node, Scalar) and node.value is None and types.NoneType in alternatives:
            return None
        real = [a for a in alternatives if a is not types.NoneType]
        fitting = real if len(real) == 1 else [a for a in real if _fits(node, a)]
        if len(fitting) == 1:
            return self.read(node, fitting[0], at)
        for alternative in fitting:
            trial = Decoder(Problems())
            value = trial.read(node, alternative, at)
            if value is not WRONG:
                return value
        if broken(node):
            return WRONG
        allowed = " or ".join(describe(a) for a in alternatives)
        return self.refuse(node, at, f"not allowed: {shown(node)}", allowed)

    def refuse(
        self, node: Node, at: Steps, message: str, allowed: str = "", hint: str = ""
    ) -> _Wrong:
        """Note one problem with a node."""
        self.problems.add(node.place, at, message, allowed, hint)
        return WRONG


def _converted(node: Node, kind: Type) -> Value:
    """Let msgspec judge a single value."""
    if not isinstance(node, Scalar):
        return WRONG
    try:
        # What comes from outside is text: let "1883" be a number where one is wanted.
        value = msgspec.convert(node.value, kind, strict=not node.origin)
    except msgspec.ValidationError:
        return WRONG
    return WRONG if isinstance(value, float) and not math.isfinite(value) else value


def min_length(kind: Type) -> int:
    """Return how many items a list must have."""
    return max((meta.min_length or 0 for meta in metas(kind)), default=0)


def _fits(node: Node, kind: Type) -> bool:
    """Whether a type of a union may be meant by a value of this shape."""
    inner = bare(kind)
    if inner is Any:
        return True
    if parses(inner):
        scalar = getattr(inner, "SCHEMA", {}).get("type") == "string"
        return isinstance(node, Scalar) or not scalar
    if isinstance(node, Listing):
        return origin(inner) is tuple
    keyed = is_dataclass(inner) or is_map(inner)
    return keyed if isinstance(node, Table) else not keyed and origin(inner) is not tuple


def shown(node: Node) -> str:
    """Return a value for a message: short, on one line, and never a secret."""
    match node:
        case Scalar():
            text = node.origin or ("nothing" if node.value is None else repr(node.value))
            return text if len(text) <= SHOWN else text[:SHOWN] + "…"
        case Listing():
            return "a list"
        case _:
            return "a mapping"


_TRUE: Final = ("yes", "on", "y", "1")
_FALSE: Final = ("no", "off", "n", "0")


def _near(node: Node, kind: Type) -> str:
    """Return what was probably meant by a value that is not allowed."""
    if not isinstance(node, Scalar) or node.value is None:
        return ""
    inner, text = bare(kind), node.text
    if inner is bool:
        return "true" if text.lower() in _TRUE else "false" if text.lower() in _FALSE else ""
    choices = words(inner)
    first, _, last = text.partition("-")
    if first in choices and last in choices and choices.index(first) < choices.index(last):
        return ", ".join(choices[choices.index(first) : choices.index(last) + 1])
    if inner is str or text in choices:
        return f'"{text}"' if isinstance(node.value, int | float) else ""
    return meant(text, choices)
