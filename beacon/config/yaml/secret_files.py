"""Finds what `!secret name` stands for."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from beacon.config.problems import Position, Problems, Steps, meant
from beacon.config.yaml.composer import Composer, TooLarge, read_text
from beacon.config.yaml.nodes import Broken, Listing, Node, Scalar, Table, step_into

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


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
            near = meant(name, self._table.entries) if isinstance(self._table, Table) else ""
            self._problems.add(place, at, f"no secret {name}", self._searched(), near)
        elif isinstance(entry, Listing | Table):
            self._problems.add(entry.place, (name,), "not text", "one line: name: value")
        # A block (`|`) and some editors add a line end that is not part of the secret.
        return entry.text.rstrip("\r\n") if isinstance(entry, Scalar) else None

    def _searched(self) -> str:
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
        """Read secrets.yaml. A problem is noted and gives `Broken`; no file, an empty scalar."""
        top = Position(str(self._path), 1, 1)
        try:
            mode = self._path.stat().st_mode & 0o777
        except FileNotFoundError:
            return Scalar(top, None)
        except OSError:
            mode = 0  # reading it below tells why
        if mode & 0o077:
            what = f"others may read or change it (mode {mode:04o})"
            allowed = f"only its owner, the user the beacon runs as: chmod 600 {self._path}"
            self._problems.add(top, (), what, allowed)
            return Broken(top)
        text = read_text(self._path, top, (), self._problems)
        if text is None:
            return Broken(top)
        try:
            tree = Composer(str(self._path), text, (), self._problems, self._no_tags).tree()
        except TooLarge as error:
            self._problems.add(error.place, (), str(error))
            return Broken(top)
        if isinstance(tree, Table | Broken):
            return tree
        self._problems.add(tree.place, (), "not a mapping", "lines of name: value")
        return Broken(top)

    def _no_tags(self, _tag: str, _text: str, place: Position, at: Steps) -> Node:
        self._problems.add(place, at, "a tag among the secrets", "plain or quoted text")
        return Broken(place)
