"""What `beacon probe -v` shows of an answer: its shape, never its content (docs/adr/0028)."""

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Final

from beacon.engine.redaction import quoted

MOST: Final = 24  # members of one answer
LONGEST: Final = 400  # characters of one line
WIDEST: Final = 120  # characters of one member
_DEPTH: Final = 5


def outline(document: object, harmless: Collection[str] = ()) -> str:
    """The members of a JSON document on one line, by their paths: `result.status=true detail`.

    Values are shown only for the paths in `harmless`: anywhere else an answer may contain a code,
    a token or a person's name. Items of lists have the path of their list.
    """
    found = (
        f"{path}={_shown(value)}" if path in harmless else path for path, value in _leaves(document)
    )
    lines = list(dict.fromkeys(islice(found, MOST + 1)))
    # Whole or not at all: masking does not recognise half of a secret.
    members = [line if len(line) <= WIDEST else "…" for line in lines]
    kept = members[:MOST]
    while sum(map(len, kept)) + len(kept) > LONGEST - 2:
        kept.pop()
    if len(kept) < len(members):
        kept.append("…")
    return quoted(" ".join(kept), LONGEST) or "nothing"


def _leaves(tree: object, path: str = "", depth: int = _DEPTH) -> Iterator[tuple[str, object]]:
    if isinstance(tree, Mapping) and tree and depth:
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key), depth - 1)
    elif isinstance(tree, list) and tree and depth:
        for item in tree:
            yield from _leaves(item, path, depth - 1)
    elif path:
        yield path, tree


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else f"'{value}'" if isinstance(value, str) else str(value)
