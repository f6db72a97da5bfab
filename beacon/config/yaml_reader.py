"""Files to trees: YAML 1.2 scalars, !secret, !env_var, !include, packages.

Works on the parser's events, not on composed nodes: libyaml's composer overruns the stack
on deep nesting, and aliases must be counted before they are written out.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from beacon.config.nodes import Broken, Listing, Node, Scalar, Table, step_into
from beacon.config.problems import Position, Problems, Steps, meant

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 40
MAX_VALUES: Final = 50_000
MAX_INCLUDES: Final = 8
_TOO_MANY: Final = f"more than {MAX_VALUES} values, aliases and includes written out"

_TAGS: Final = ("!secret", "!env_var", "!include")
_TAGS_ALLOWED: Final = "!secret name, !env_var NAME [default] or !include file"
_NULL: Final = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL: Final = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT: Final = re.compile(r"[-+]?[0-9]{1,300}\Z|0o[0-7]{1,300}\Z|0x[0-9a-fA-F]{1,300}\Z")
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{,40})?)(?:[eE][-+]?[0-9]{1,2})?\Z"
)
_CONTROL: Final = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_CONCATENATED: Final = ("services", "witnesses")


class _TooMuch(Exception):
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


def read_document(path: Path, environ: Mapping[str, str], problems: Problems) -> Node:
    """Read one file and what it includes. Trouble goes to `problems`."""
    return YamlReader(path, environ, problems).file(path, ())


def read_whole(path: Path, environ: Mapping[str, str], problems: Problems) -> Node:
    """Read a configuration and the files of `packages/` beside it, merged."""
    reader = YamlReader(path, environ, problems)
    trees = [reader.file(path, ())]
    packages = []
    try:
        packages = list(_packages(path.parent / "packages", problems))
    except (FileNotFoundError, NotADirectoryError):
        pass  # most configurations have none
    except OSError as error:
        problems.add(trees[0].place, (), f"cannot list packages/: {error.strerror}")
    trees += [reader.file(package, ()) for package in packages]
    return reduce(lambda a, b: _merged(a, b, problems), trees)


def _packages(directory: Path, problems: Problems) -> Iterator[Path]:
    """The files that are read; what only looks like one of them is said, hidden ones are not."""
    for package in sorted(directory.iterdir()):
        if package.name.startswith("."):  # an editor's, or another system's
            continue
        if package.suffix == ".yaml":
            yield package
        elif package.suffix.lower() in (".yml", ".yaml"):
            message = f"{package.name} is not read"
            problems.add(Position(str(package), 1, 1), (), message, "a name that ends in .yaml")


def _merged(one: Node, other: Node, problems: Problems) -> Node:
    """Join two top levels: lists of services and witnesses grow, all else comes once."""
    if not isinstance(one, Table) or not isinstance(other, Table):
        if isinstance(other, Listing | Scalar) and other != Scalar(other.place, None):
            problems.add(other.place, (), "not a mapping", "sections as in the main file")
        return one
    entries, keys = dict(one.entries), dict(one.keys)
    for key, value in other.entries.items():
        before = entries.get(key)
        if before is None:
            entries[key], keys[key] = value, other.keys[key]
        elif key in _CONCATENATED:
            entries[key] = _joined(before, value, (key,), problems)
        else:
            what = f"this section comes once, and is already at {keys[key]}"
            problems.add(other.keys[key], (key,), what)
    return Table(one.place, entries, keys, one.size + other.size)


Event: TypeAlias = Any
"""An event of libyaml, or its mark; the stubs know too little of them."""

Tagged = Callable[[str, str, Position, Steps], Node]
"""Finds the node for a tag, its text, its place and its path."""


def _joined(one: Node, other: Node, at: Steps, problems: Problems) -> Node:
    if not isinstance(other, Listing | Broken):
        problems.add(other.place, at, "not a list", "a list, to go on with that of other files")
    if not isinstance(one, Listing) or not isinstance(other, Listing):
        return one
    return Listing(one.place, one.items + other.items, one.size + other.size)


class YamlReader:
    """Reads the files of one configuration; secrets lie beside the first."""

    def __init__(self, main: Path, environ: Mapping[str, str], problems: Problems) -> None:
        self._environ = environ
        self._problems = problems
        self._secrets = SecretFiles(main.parent / "secrets.yaml", environ, problems)
        self._open: list[Path] = []
        self._values = 0

    def file(self, path: Path, at: Steps, asked: Position | None = None) -> Node:
        """Read one file; `asked` is where it was included. Trouble becomes `Broken`."""
        top = Position(str(path), 1, 1)
        text = _text_of(path, asked or top, at if asked else (), self._problems)
        if text is None:
            return Broken(asked or top)
        self._open.append(path.resolve())
        try:
            tree = _Composer(str(path), text, at, self._problems, self._tagged).tree()
            self._values += tree.size
            self._bounded(tree.place)
        except _TooMuch as error:
            self._problems.add(error.place, at, str(error))
            return Broken(error.place)
        else:
            return tree
        finally:
            self._open.pop()

    def _bounded(self, place: Position) -> None:
        if self._values > MAX_VALUES:
            raise _TooMuch(place, _TOO_MANY)

    def _tagged(self, tag: str, text: str, place: Position, at: Steps) -> Node:
        if tag == "!include":
            return self._include(text, place, at)
        find = self._secrets.find if tag == "!secret" else self._env_var
        found = find(text, place, at)
        if found is None:
            return Broken(place)
        origin = f"{tag} {text.split(maxsplit=1)[0]}"
        self._problems.hide(place, found, origin)
        return Scalar(place, found, found, origin)

    def _include(self, name: str, place: Position, at: Steps) -> Node:
        self._bounded(place)
        wanted = Path(place.file).parent / name
        if len(self._open) > MAX_INCLUDES:
            self._problems.add(place, at, f"includes nested deeper than {MAX_INCLUDES} files")
            return Broken(place)
        if wanted.resolve() in self._open:
            self._problems.add(place, at, f"{name} includes itself")
            return Broken(place)
        return self.file(wanted, at, place)

    def _env_var(self, text: str, place: Position, at: Steps) -> str | None:
        name, *default = text.split(maxsplit=1) or [""]
        if name in self._environ:
            value = self._environ[name]
            if not _is_text(value):  # its bytes would break whatever sends them later
                what = f"environment variable {name} is not UTF-8 text"
                self._problems.add(place, at, what)
            return value
        if default:
            return default[0]
        if not name:
            self._problems.add(place, at, "!env_var without a name", "!env_var NAME [default]")
        else:
            what = f"environment variable {name} is not set"
            self._problems.add(place, at, what, f"set it, or write !env_var {name} default")
        return None


def _is_text(value: str) -> bool:
    """Whether it can be encoded: Python keeps bytes that are no UTF-8 as half characters."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class SecretFiles:
    """Finds secrets by name: systemd credentials first, then `secrets.yaml`."""

    def __init__(self, path: Path, environ: Mapping[str, str], problems: Problems) -> None:
        self._path = path
        self._directory = environ.get("CREDENTIALS_DIRECTORY")
        self._problems = problems
        self._table: Node | None = None

    def find(self, name: str, place: Position, at: Steps) -> str | None:
        """Return the secret, or None with the problem noted."""
        if not _NAME.match(name):
            allowed = "letters, digits, _, - and ."
            self._problems.add(place, at, "!secret without a proper name", allowed)
            return None
        found = self._credential(name, place, at)
        if found is not None:
            return found
        if self._table is None:
            self._table = self._load()
        if isinstance(self._table, Broken):
            return None
        entry = step_into(self._table, name)
        if entry is None:
            self._problems.add(place, at, f"no secret {name}", self._looked(), self._near(name))
        elif isinstance(entry, Listing | Table):
            self._problems.add(entry.place, (name,), "not text", "one line: name: value")
        # Of a block (`|`), and of what an editor adds, the last line ends are no part of it.
        return entry.text.rstrip("\r\n") if isinstance(entry, Scalar) else None

    def _near(self, name: str) -> str:
        return meant(name, self._table.entries) if isinstance(self._table, Table) else ""

    def _looked(self) -> str:
        absent = "" if isinstance(self._table, Table) else " (no such file)"
        credentials = self._directory or "$CREDENTIALS_DIRECTORY (not set)"
        return f"looked in {credentials} and {self._path}{absent}"

    def _credential(self, name: str, place: Position, at: Steps) -> str | None:
        if self._directory is None:
            return None
        try:
            text = Path(self._directory, name).read_text("utf-8-sig")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8 text"
            self._problems.add(place, at, f"cannot read credential {name}: {why}")
            return ""
        return text.rstrip("\r\n")

    def _load(self) -> Node:
        """Read secrets.yaml: Broken with a problem noted, an empty scalar if it is not there."""
        top = Position(str(self._path), 1, 1)
        try:
            mode = self._path.stat().st_mode & 0o777
        except FileNotFoundError:
            return Scalar(top, None)
        except OSError:
            mode = 0  # the reading below says why
        if mode & 0o077:
            what = f"others may read or change it (mode {mode:04o})"
            allowed = f"only its owner, the user the beacon runs as: chmod 600 {self._path}"
            self._problems.add(top, (), what, allowed)
            return Broken(top)
        text = _text_of(self._path, top, (), self._problems)
        if text is None:
            return Broken(top)
        try:
            tree = _Composer(str(self._path), text, (), self._problems, self._no_tags).tree()
        except _TooMuch as error:
            self._problems.add(error.place, (), str(error))
            return Broken(top)
        if isinstance(tree, Table | Broken):
            return tree
        self._problems.add(tree.place, (), "not a mapping", "lines of name: value")
        return Broken(top)

    def _no_tags(self, _tag: str, _text: str, place: Position, at: Steps) -> Node:
        self._problems.add(place, at, "a tag among the secrets", "plain or quoted text")
        return Broken(place)


def _text_of(path: Path, place: Position, at: Steps, problems: Problems) -> str | None:
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


class _Composer:
    """One text to one tree, from libyaml's events."""

    def __init__(self, name: str, text: str, at: Steps, problems: Problems, tagged: Tagged) -> None:
        self._name, self._at, self._problems, self._tagged = name, at, problems, tagged
        self._text = text
        self._events: Iterator[Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
        self._anchors: dict[str, Node | None] = {}

    def tree(self) -> Node:
        """Compose the only document. Raises `_TooMuch`; bad YAML is noted and `Broken`."""
        try:
            return self._document()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = self._place(mark) if mark else Position(self._name, 1, 1)
            begun = error.context_mark and f" that began at line {error.context_mark.line + 1}"
            context = f" ({error.context}{begun or ''})" if error.context else ""
            wrong = "a tab; YAML is indented by spaces" if self._tab(mark) else error.problem
            self._problems.add(place, (), f"not valid YAML: {wrong}{context}")
            return Broken(place)

    def _tab(self, mark: Event) -> bool:
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
            raise _TooMuch(place, f"nested deeper than {MAX_DEPTH} levels")
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
            raise _TooMuch(self._place(event.start_mark), _TOO_MANY)
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
            return self._foreign(event, place, at)
        is_plain = event.tag is None and event.implicit[0]
        value = resolve(event.value) if is_plain else event.value
        return Scalar(place, value, event.value)

    def _foreign(self, event: Event, place: Position, at: Steps) -> Node:
        # The tag itself is not repeated: it may be the start of a password without quotes.
        self._problems.add(place, at, "an unknown tag", _TAGS_ALLOWED, meant(event.tag, _TAGS))
        return Broken(place)

    def _listing(self, event: Event, at: Steps) -> Node:
        items: list[Node] = []
        while not isinstance(below := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(below, (*at, len(items))))
        place = self._place(event.start_mark)
        if event.tag is not None:
            return self._foreign(event, place, at)
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
            return self._foreign(event, place, at)
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
        """Take in what `<<:` names; what is written wins, then what is named first."""
        for source in value.items if isinstance(value, Listing) else (value,):
            if isinstance(source, Table):
                for key, below in source.entries.items():
                    entries.setdefault(key, below)
                    keys.setdefault(key, source.keys[key])
            elif not isinstance(source, Broken):
                allowed = "*anchor of a mapping, or a list of these"
                self._problems.add(source.place, at, "nothing to merge", allowed)
