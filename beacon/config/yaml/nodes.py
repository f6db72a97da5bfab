"""A YAML document as a tree in which every value and every key knows its place."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from beacon.config.problems import Position, Steps


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `text` is as written; `origin` ("!secret x") marks what must not be shown."""

    place: Position
    value: str | int | float | bool | None
    text: str = ""
    origin: str = ""
    size: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """A sequence. `size` counts the values below, aliases written out."""

    place: Position
    items: tuple["Node", ...] = ()
    size: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping; `keys` holds the places of its keys."""

    place: Position
    entries: dict[str, "Node"] = field(default_factory=dict)
    keys: dict[str, Position] = field(default_factory=dict)
    size: int = 1


@dataclass(frozen=True, slots=True)
class Broken:
    """A value whose problem is already noted: it is not reported again."""

    place: Position
    size: int = 1


Node = Scalar | Listing | Table | Broken
Plain: TypeAlias = Any
"""str, int, float, bool, None, lists and dicts of these."""


def plain(node: Node, *, masked: bool = False) -> Plain:
    """Return the value alone; `masked` puts origins ("!secret x") in place of secrets."""
    match node:
        case Scalar():
            return node.origin if masked and node.origin else node.value
        case Listing():
            return [plain(item, masked=masked) for item in node.items]
        case Table():
            return {key: plain(value, masked=masked) for key, value in node.entries.items()}
        case _:
            return None


def _leaves(node: Node) -> Iterator[Scalar | Broken]:
    """Every single value in this tree."""
    if isinstance(node, Scalar | Broken):
        yield node
        return
    for below in node.items if isinstance(node, Listing) else node.entries.values():
        yield from _leaves(below)


def secret_values(node: Node) -> Iterator[str]:
    """Every value in this tree that is given as `!secret name`."""
    for leaf in _leaves(node):
        if isinstance(leaf, Scalar) and leaf.origin.startswith("!secret "):
            yield leaf.text


def broken(node: Node) -> bool:
    """Whether something in this tree could not be read."""
    return any(isinstance(leaf, Broken) for leaf in _leaves(node))


def step_into(node: Node, step: str | int) -> Node | None:
    """Return the child at a key or an index, if there is one."""
    if isinstance(node, Table):
        return node.entries.get(str(step))
    if isinstance(node, Listing) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step]
    return None


@dataclass(frozen=True, slots=True)
class NodePath:
    """A node together with its path in the document."""

    node: Node
    path: Steps = ()

    @property
    def place(self) -> Position:
        """Where it is in its file."""
        return self.node.place

    def below(self, *steps: str | int) -> "NodePath":
        """Return the spot at the end of `steps`, or the deepest that is written."""
        node, path = self.node, self.path
        for step in steps:
            child = step_into(node, step)
            if child is None:
                break
            node, path = child, (*path, step)
        return NodePath(node, path)

    def first_of(self, *keys: str) -> "NodePath":
        """Return the spot of the first of these keys that is written, else this one."""
        return next((self.below(key) for key in keys if self.has(key)), self)

    def key(self, name: str) -> "NodePath":
        """Return the spot of a key itself, not of its value."""
        place = self.node.keys.get(name) if isinstance(self.node, Table) else None
        return NodePath(Broken(place or self.place), (*self.path, name))

    def has(self, key: str) -> bool:
        """Whether a key is written here."""
        return isinstance(self.node, Table) and key in self.node.entries
