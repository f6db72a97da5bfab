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


def secret_values(node: Node) -> Iterator[str]:
    """Every value in this tree that is given as `!secret name`."""
    match node:
        case Scalar() if node.origin.startswith("!secret "):
            yield node.text
        case Listing():
            for item in node.items:
                yield from secret_values(item)
        case Table():
            for value in node.entries.values():
                yield from secret_values(value)


def broken(node: Node) -> bool:
    """Whether something in this tree could not be read."""
    match node:
        case Listing():
            return any(broken(item) for item in node.items)
        case Table():
            return any(broken(value) for value in node.entries.values())
        case _:
            return isinstance(node, Broken)


def step_into(node: Node, step: str | int) -> Node | None:
    """Return the child at a key or an index, if there is one."""
    if isinstance(node, Table):
        return node.entries.get(str(step))
    if isinstance(node, Listing) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step]
    return None


def place_of(node: Node, path: Steps) -> Position:
    """Return the place at the end of `path`, or the deepest that exists on the way."""
    for step in path:
        below = step_into(node, step)
        if below is None:
            break
        node = below
    return node.place


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

    def key(self, name: str) -> "NodePath":
        """Return the spot of a key itself, not of its value."""
        place = self.node.keys.get(name) if isinstance(self.node, Table) else None
        return NodePath(Broken(place or self.place), (*self.path, name))

    def has(self, key: str) -> bool:
        """Whether a key is written here."""
        return isinstance(self.node, Table) and key in self.node.entries
