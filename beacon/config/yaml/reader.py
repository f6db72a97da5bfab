"""The files of one configuration to one tree: `!include`, `!env_var`, packages."""

import re
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Final

from beacon.config.problems import Position, Problems, Steps
from beacon.config.yaml.composer import MAX_VALUES, TOO_MANY, Composer, TooLarge, read_text
from beacon.config.yaml.nodes import Broken, Listing, Node, Scalar, Table
from beacon.config.yaml.secret_files import SecretFiles

MAX_INCLUDES: Final = 8
_CONCATENATED: Final = ("services", "witnesses")


def read_document(path: Path, environ: Mapping[str, str], problems: Problems) -> Node:
    """Read one file and what it includes. Problems are noted in `problems`."""
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
    return reduce(lambda a, b: _merge(a, b, problems), trees)


def _packages(directory: Path, problems: Problems) -> Iterator[Path]:
    """The files to read. One with a similar suffix is a problem; hidden ones are skipped."""
    for package in sorted(directory.iterdir()):
        if package.name.startswith("."):  # made by an editor or another system
            continue
        if package.suffix == ".yaml":
            yield package
        elif package.suffix.lower() in (".yml", ".yaml"):
            message = f"{package.name} is not read"
            problems.add(Position(str(package), 1, 1), (), message, "a name that ends in .yaml")


def _merge(one: Node, other: Node, problems: Problems) -> Node:
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
            entries[key] = _concatenate(before, value, (key,), problems)
        else:
            what = f"this section comes once, and is already at {keys[key]}"
            problems.add(other.keys[key], (key,), what)
    return Table(one.place, entries, keys, one.size + other.size)


def _concatenate(one: Node, other: Node, at: Steps, problems: Problems) -> Node:
    if not isinstance(other, Listing | Broken):
        problems.add(other.place, at, "not a list", "a list, to go on with that of other files")
    if not isinstance(one, Listing) or not isinstance(other, Listing):
        return one
    return Listing(one.place, one.items + other.items, one.size + other.size)


class YamlReader:
    """Reads the files of one configuration; `secrets.yaml` is beside the main one."""

    def __init__(self, main: Path, environ: Mapping[str, str], problems: Problems) -> None:
        self._environ = environ
        self._problems = problems
        self._secrets = SecretFiles(main.parent / "secrets.yaml", environ, problems)
        self._open: list[Path] = []
        self._values = 0

    def file(self, path: Path, at: Steps, included_at: Position | None = None) -> Node:
        """Read one file; Problems are noted and give `Broken`."""
        top = Position(str(path), 1, 1)
        text = read_text(path, included_at or top, at if included_at else (), self._problems)
        if text is None:
            return Broken(included_at or top)
        self._open.append(path.resolve())
        try:
            tree = Composer(str(path), text, at, self._problems, self._resolve_tag).tree()
            self._values += tree.size
            self._check_size(tree.place)
        except TooLarge as error:
            self._problems.add(error.place, at, str(error))
            return Broken(error.place)
        else:
            return tree
        finally:
            self._open.pop()

    def _check_size(self, place: Position) -> None:
        if self._values > MAX_VALUES:
            raise TooLarge(place, TOO_MANY)

    def _resolve_tag(self, tag: str, text: str, place: Position, at: Steps) -> Node:
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
        self._check_size(place)
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
            if re.search("[\ud800-\udfff]", value):  # Python's sign for bytes that are not UTF-8
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
