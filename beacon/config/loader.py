"""The entry: a path → `Config`, or `ConfigError` with every problem.

    config = load(path, registry=probes, environ=os.environ)

A file that embeds a configuration (a replay script) is read with `read`, its own keys with
`YamlDocument.build`, and the configuration inside with `load_embedded`.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from beacon.config.decoder import WRONG, Decoder
from beacon.config.endpoints import Registry
from beacon.config.problems import ConfigError, Problems, Steps
from beacon.config.resolve import Resolver
from beacon.config.schema import Config
from beacon.config.yaml.nodes import Broken, Node, NodePath
from beacon.config.yaml.reader import read_document, read_whole

T = TypeVar("T")


class YamlDocument:
    """One YAML file as read; problems are gathered until `check` raises them."""

    def __init__(self, path: Path, root: Node, problems: Problems) -> None:
        self.path = path
        self.root = root
        self.problems = problems

    def spot(self, at: Steps = ()) -> NodePath:
        """What is written at a path, or at the deepest place on the way to it."""
        return NodePath(self.root).below(*at)

    def build(self, kind: type[T], at: Steps = ()) -> T | None:
        """Read what is written at a path as a type of `fields`; None when it is wrong.

        A field of type `yaml.nodes.Node` takes anything as it is.
        """
        spot = self.spot(at)
        value: T | Any = Decoder(self.problems).read(spot.node, kind, spot.path)
        return None if value is WRONG else value

    def refuse(self, at: Steps, message: str, allowed: str = "", hint: str = "") -> None:
        """Note that what is written at a path is wrong."""
        self.problems.add(self.spot(at).place, at, message, allowed, hint)

    def check(self) -> None:
        """Raise `ConfigError` with all problems, if there are any."""
        if len(self.problems):
            raise ConfigError(self.problems.in_order(str(self.path)))


def read(path: Path, *, environ: Mapping[str, str]) -> YamlDocument:
    """Read one YAML file; only what cannot be read at all raises `ConfigError` here."""
    problems = Problems()
    return _readable(YamlDocument(path, read_document(path, environ, problems), problems))


def _readable(document: YamlDocument) -> YamlDocument:
    if isinstance(document.root, Broken):
        document.check()
    return document


def load(
    path: Path, *, registry: Registry, environ: Mapping[str, str], starting: bool = False
) -> Config:
    """Read, check and resolve a configuration and its packages.

    Raises `ConfigError` with every problem. `environ` serves !env_var and
    $CREDENTIALS_DIRECTORY. `starting`: TLS files
    that do not fit each other or have expired are only a warning: they are read again at each use,
    and a start that fails is not tried again.
    """
    problems = Problems(starting=starting)
    document = _readable(YamlDocument(path, read_whole(path, environ, problems), problems))
    config = Resolver(problems, registry).config(document.spot(), str(path))
    document.check()
    assert config is not None, "neither a configuration nor a problem"
    passing = (
        f"{problem}; going on: they are read again at each use" for problem in problems.passing
    )
    return replace(config, warnings=(*map(str, problems.notices), *passing))


def load_embedded(document: YamlDocument, at: Steps, *, registry: Registry) -> Config | None:
    """Resolve the configuration at a path of a document; None with the problems noted.

    Only `services` is needed. Settings of a probe may be left out: its endpoint is then
    absent from `Config.probes`. What is written is checked all the same.
    """
    resolver = Resolver(document.problems, registry, embedded=True)
    return resolver.config(document.spot(at), str(document.path))
