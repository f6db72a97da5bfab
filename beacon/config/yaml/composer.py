"""One text to one tree: scalars as in YAML 1.2, anchors, merges, tags.

Works on the parser's events, not on composed nodes: libyaml's composer overruns the stack on deep
nesting, and aliases must be counted before they are written out.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from beacon.config.problems import Position, Problems, Steps, meant
from beacon.config.yaml.nodes import Broken, Listing, Node, Scalar, Table

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 40
MAX_VALUES: Final = 50_000
TOO_MANY: Final = f"more than {MAX_VALUES} values, aliases and includes written out"

_TAGS: Final = ("!secret", "!env_var", "!include")
_TAGS_ALLOWED: Final = "!secret name, !env_var NAME [default] or !include file"
_NULL: Final = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL: Final = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT: Final = re.compile(r"[-+]?[0-9]{1,300}\Z|0o[0-7]{1,300}\Z|0x[0-9a-fA-F]{1,300}\Z")
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{,40})?)(?:[eE][-+]?[0-9]{1,2})?\Z"
)
_CONTROL: Final = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Event: TypeAlias = Any
"""An event of libyaml, or its mark; the stubs know too little of them."""

Tagged = Callable[[str, str, Position, Steps], Node]
"""Returns the node for a tag, its text, its place and its path."""


class TooLarge(Exception):
    """The document is deeper or larger than any configuration."""

    def __init__(self, place: Position, message: str) -> None:
        super().__init__(message)
        self.place = place


def resolve(text: str) -> str | int | float | bool | None:
    """Return what a plain scalar means in YAML 1.2: `yes`, `22:00` and dates are text."""
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text.lower() == "true"
    if _INT.match(text):
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    if _FLOAT.match(text):
        return float(text)
    return text


def read_text(path: Path, place: Position, at: Steps, problems: Problems) -> str | None:
    """Read a file's text, or None with the problem noted at `place`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            problems.add(place, at, f"{path} is larger than {MAX_BYTES >> 20} MiB")
            return None
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", "replace")
        problems.add(_end_of(before, path), (), "not UTF-8 text", "save the file as UTF-8")
    except (OSError, ValueError) as error:
        problems.add(place, at, f"cannot read {path}: {getattr(error, 'strerror', error)}")
    else:
        control = _CONTROL.search(text)
        if control is None:
            return text
        where = _end_of(text[: control.start()], path)
        problems.add(where, (), "a control character", 'text; in double quotes "\\x07"')
    return None


def _end_of(text: str, path: Path) -> Position:
    """Return the place after some text of a file."""
    return Position(str(path), text.count("\n") + 1, len(text.rpartition("\n")[2]) + 1)


class Composer:
    """Composes the tree of one text from libyaml's events."""

    def __init__(self, name: str, text: str, at: Steps, problems: Problems, tagged: Tagged) -> None:
        self._name, self._at, self._problems, self._tagged = name, at, problems, tagged
        self._text = text
        self._events: Iterator[Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
        self._anchors: dict[str, Node | None] = {}

    def tree(self) -> Node:
        """Compose the only document. Raises `TooLarge`; bad YAML is noted and gives `Broken`."""
        try:
            return self._document()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = self._place(mark) if mark else Position(self._name, 1, 1)
            begun = error.context_mark and f" that began at line {error.context_mark.line + 1}"
            context = f" ({error.context}{begun or ''})" if error.context else ""
            wrong = "a tab; YAML is indented by spaces" if self._has_tab(mark) else error.problem
            self._problems.add(place, (), f"not valid YAML: {wrong}{context}")
            return Broken(place)

    def _has_tab(self, mark: Event) -> bool:
        """Whether a line begins with a tab where the parser stopped."""
        lines = self._text.splitlines()
        line = lines[mark.line] if mark and mark.line < len(lines) else ""
        return "\t" in line[: len(line) - len(line.lstrip())]

    def _document(self) -> Node:
        root: Node = Scalar(Position(self._name, 1, 1), None)
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    place = self._place(event.start_mark)
                    self._problems.add(place, (), "a second document", "one document, one `---`")
                    return Broken(place)
                root = self._node(next(self._events), self._at)
        return root

    def _place(self, mark: Event) -> Position:
        return Position(self._name, mark.line + 1, mark.column + 1)

    def _node(self, event: Event, at: Steps) -> Node:
        if len(at) > MAX_DEPTH:
            place = self._place(event.start_mark)
            raise TooLarge(place, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, at)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, at)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._listing(event, at)
        else:
            node = self._table(event, at)
        if node.size > MAX_VALUES:
            raise TooLarge(self._place(event.start_mark), TOO_MANY)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Event, at: Steps) -> Node:
        place = self._place(event.start_mark)
        node = self._anchors.get(event.anchor)
        if node is not None:
            return node
        inside = event.anchor in self._anchors
        what = "an alias inside its own anchor" if inside else "an alias without its anchor"
        self._problems.add(place, at, what, "an &anchor earlier in the same file")
        return Broken(place)

    def _scalar(self, event: Event, at: Steps) -> Node:
        place = self._place(event.start_mark)
        if event.tag in _TAGS:
            found: Node = self._tagged(event.tag, event.value, place, at)
            return found
        if event.tag not in (None, "tag:yaml.org,2002:str"):
            return self._unknown_tag(event, place, at)
        is_plain = event.tag is None and event.implicit[0]
        value = resolve(event.value) if is_plain else event.value
        return Scalar(place, value, event.value)

    def _unknown_tag(self, event: Event, place: Position, at: Steps) -> Node:
        # The tag itself is not repeated: it may be the start of a password without quotes.
        self._problems.add(place, at, "an unknown tag", _TAGS_ALLOWED, meant(event.tag, _TAGS))
        return Broken(place)

    def _listing(self, event: Event, at: Steps) -> Node:
        items: list[Node] = []
        while not isinstance(below := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(below, (*at, len(items))))
        place = self._place(event.start_mark)
        if event.tag is not None:
            return self._unknown_tag(event, place, at)
        return Listing(place, tuple(items), 1 + sum(item.size for item in items))

    def _table(self, event: Event, at: Steps) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Position] = {}
        merged: list[tuple[Node, Steps]] = []
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            place = self._place(key.start_mark)
            name = self._key(key, at)
            value = self._node(next(self._events), (*at, name or "?"))
            if name == "<<" and key.implicit[0]:
                merged.append((value, (*at, name)))
            elif name in entries:
                self._problems.add(place, (*at, name), f"given twice, first at {keys[name]}")
            elif name is not None:
                entries[name], keys[name] = value, place
        place = self._place(event.start_mark)
        if event.tag is not None:
            return self._unknown_tag(event, place, at)
        for value, where in merged:
            self._merge(value, where, entries, keys)
        return Table(place, entries, keys, 1 + sum(value.size for value in entries.values()))

    def _key(self, event: Event, at: Steps) -> str | None:
        if isinstance(event, yaml.ScalarEvent) and event.tag is None:
            if event.anchor is not None:
                place = self._place(event.start_mark)
                self._anchors[event.anchor] = Scalar(place, event.value, event.value)
            return str(event.value)
        self._problems.add(self._place(event.start_mark), at, "not a key", "plain or quoted text")
        self._node(event, (*at, "?"))
        return None

    def _merge(
        self, value: Node, at: Steps, entries: dict[str, Node], keys: dict[str, Position]
    ) -> None:
        """Add what `<<:` names. Keys written here win, then those of the first mapping named."""
        for source in value.items if isinstance(value, Listing) else (value,):
            if isinstance(source, Table):
                for key, below in source.entries.items():
                    entries.setdefault(key, below)
                    keys.setdefault(key, source.keys[key])
            elif not isinstance(source, Broken):
                allowed = "*anchor of a mapping, or a list of these"
                self._problems.add(source.place, at, "nothing to merge", allowed)
