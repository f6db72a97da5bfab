"""The kinds of probes: one file a kind, found by its name, imported only when configured."""

import importlib
import pkgutil
from functools import cache

from beacon.probing.base import Kind


@cache
def kinds() -> tuple[str, ...]:
    """The names of all kinds, without importing one."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name[0] != "_"))


def load(kind: str) -> type[Kind]:
    """The settings class of one kind. Raises `KeyError` for a name that is no kind."""
    if kind not in kinds():
        raise KeyError(kind)
    probe: type[Kind] = importlib.import_module(f"beacon.probes.{kind}").PROBE
    return probe
