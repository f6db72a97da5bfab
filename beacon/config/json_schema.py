"""The JSON schema of the configuration, for editors, from the types that are checked.

!secret, !env_var and !include are for the reader of the file: an editor must know
these tags (docs/configuration.md).
"""

import inspect
import json
from collections.abc import Iterable
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, Final, TypeAlias, get_args

import msgspec

from beacon.config.decoder import (
    Spec,
    Type,
    bare,
    is_map,
    is_tree,
    metas,
    min_length,
    options,
    origin,
    parses,
    specs,
    words,
)
from beacon.config.endpoints import Registry
from beacon.config.file_schema import EndpointSection, FileSection, ServiceSection, WitnessSection

Schema: TypeAlias = dict[str, Any]

DIALECT: Final = "http://json-schema.org/draft-07/schema#"


def schema_json(*, registry: Registry) -> str:
    """Return the schema of a whole configuration, with the settings of every kind of probe."""
    loaded = {name: registry.load(name) for name in registry.kinds()}
    definitions = {
        "service": _object(ServiceSection, specs(ServiceSection)),
        "endpoint": _by_kind(EndpointSection, "endpoint", loaded),
        "witness": _by_kind(WitnessSection, "witness", loaded),
    }
    for name, kind in loaded.items():
        definitions[f"endpoint_{name}"] = _polled(EndpointSection, name, kind)
        definitions[f"witness_{name}"] = _polled(WitnessSection, name, kind)
    root = _object(FileSection, specs(FileSection))
    whole = {"$schema": DIALECT, "title": "MFA beacon", **root, "$defs": definitions}
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _by_kind(section: Type, word: str, kinds: Iterable[str]) -> Schema:
    """Say which definition holds for which `type`."""
    choices = [
        {
            "if": {"properties": {"type": {"const": kind}}, "required": ["type"]},
            "then": {"$ref": f"#/$defs/{word}_{kind}"},
        }
        for kind in kinds
    ]
    return {
        "description": about(section),
        "type": "object",
        "required": ["name", "type"],
        "properties": {"type": {"enum": list(kinds)}},
        "allOf": choices,
    }


def _polled(section: Type, name: str, kind: Type) -> Schema:
    found = _object(kind, {**specs(section), **specs(kind)})
    found["properties"]["type"] = {"const": name, "description": about(kind)}
    return found


def about(kind: Type) -> str:
    """Return the first paragraph of a class's docstring."""
    text = inspect.getdoc(kind) or ""
    return " ".join(text.split("\n\n", 1)[0].split())


def _object(kind: Type, keys: dict[str, Spec]) -> Schema:
    found: Schema = {
        "description": about(kind),
        "type": "object",
        "properties": {key: _property(spec) for key, spec in keys.items()},
        "additionalProperties": False,
    }
    required = [key for key, spec in keys.items() if spec.required]
    return {**found, "required": required} if required else found


def _property(spec: Spec) -> Schema:
    found = of_type(spec.kind)
    default = written(spec.default)
    return found if spec.required or default is None else {"default": default, **found}


def written(value: object) -> str | float | list[Any] | None:
    """Return a default as one would write it; None for one that is not shown."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return [written(item) for item in value]
    if parses(type(value)):
        return str(value)
    return value if isinstance(value, str | int | float) else None


def of_type(kind: Type) -> Schema:
    """Return the schema of one type of `beacon.config.fields`."""
    alternatives = () if is_tree(kind) else options(kind)
    found: Schema = (
        {"anyOf": [of_type(a) for a in alternatives]}
        if len(alternatives) > 1
        else _of_one(alternatives[0] if alternatives else Any)
    )
    for meta in reversed(metas(kind)):
        found |= meta.extra_json_schema or {}
        if meta.description:
            found["description"] = meta.description
    return found


def _of_one(kind: Type) -> Schema:
    inner = bare(kind)
    if parses(inner):
        return dict(inner.SCHEMA)
    if is_dataclass(inner):
        section: Type = inner
        return _object(section, specs(section))
    if words(inner):
        choices = get_args(inner) or tuple(inner)
        return {"enum": [word.value if isinstance(word, Enum) else word for word in choices]}
    return _of_many(kind, inner)


def _of_many(kind: Type, inner: Type) -> Schema:
    if inner is Any:
        return {}
    if origin(inner) is tuple:
        least = min_length(kind)
        found = {"type": "array", "items": of_type(get_args(inner)[0])}
        return {**found, "minItems": least} if least else found
    if is_map(inner):
        key, value = get_args(inner)
        found = {"type": "object", "additionalProperties": of_type(value)}
        return {**found, "propertyNames": {"enum": list(words(key))}} if words(key) else found
    return msgspec.json.schema(kind)
