"""Trees to typed values: every sort of type, and the message where something does not fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest

from beacon.config.decoder import describe
from beacon.config.fields import Duration, Secret, SettingRefused
from beacon.config.loader import ConfigError, read
from beacon.config.yaml.nodes import Node, NodePath, plain

KEYS = (
    "keys here: text, flag, number, pause, size, level, many, some, sized, inner, either, "
    "times, pair, both, whatever, tree, from, counted"
)


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Pair:
    """Reads its own value, and points too far."""

    @classmethod
    def parse(cls, raw: object) -> tuple[object, ...]:
        if isinstance(raw, dict) and "a" in raw:
            return tuple(raw.items())
        raise SettingRefused("no a", path=("a", 0))


@dataclass(frozen=True, kw_only=True)
class Inner:
    number: int = 1


@dataclass(frozen=True, kw_only=True)
class Everything:
    """One field of every sort."""

    KIND: ClassVar = "not a setting"

    text: str = ""
    flag: bool = False
    number: float = 0.0
    pause: Duration | None = None
    size: Size = Size.SMALL
    level: Literal[1, 2, "auto"] = "auto"
    many: tuple[Size, ...] = ()
    some: Mapping[str, int] = field(default_factory=dict)
    sized: Mapping[Size, Inner] = field(default_factory=dict)
    inner: Inner | None = None
    either: int | Inner | tuple[str, ...] = 0
    times: Duration | Literal["never"] = "never"
    pair: Pair | None = None
    both: Pair | Inner | None = None
    whatever: Any = None
    tree: Node | None = None
    under: str = field(default="", metadata={"key": "from"})
    counted: Annotated[tuple[int, ...], msgspec.Meta(min_length=2)] = (1, 2)
    made: int = field(default=7, init=False)


@pytest.fixture
def build(tmp_path):
    """Read one text as `Everything`: the object, or what is wrong."""

    def build_it(text, secrets=""):
        path = tmp_path / "text.yaml"
        path.write_text(text)
        (tmp_path / "secrets.yaml").write_text(secrets)
        (tmp_path / "secrets.yaml").chmod(0o600)
        document = read(path, environ={"PORT": "1883", "NAN": "nan"})
        built = document.build(Everything)
        try:
            document.check()
        except ConfigError as error:
            assert built is None
            return [str(problem).partition("text.yaml:")[2] for problem in error.problems]
        return built

    return build_it


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("text: words", "text", "words"),
        ("flag: true", "flag", True),
        ("number: 3", "number", 3.0),
        ("pause: 5s", "pause", 5.0),
        ("pause: null", "pause", None),
        ("size: large", "size", Size.LARGE),
        ("level: 2", "level", 2),
        ("level: auto", "level", "auto"),
        ("many: [small, large]", "many", (Size.SMALL, Size.LARGE)),
        ("some: {a: 1, 2: 2}", "some", {"a": 1, "2": 2}),
        (
            "sized: {large: {number: 3}, small: }",
            "sized",
            {"large": Inner(number=3), "small": Inner()},
        ),
        ("inner: {}", "inner", Inner()),
        ("either: 5", "either", 5),
        ("either: {number: 5}", "either", Inner(number=5)),
        ("both: {number: 2}", "both", Inner(number=2)),
        ("either: [a]", "either", ("a",)),
        ("times: 5m", "times", 300.0),
        ("times: never", "times", "never"),
        ("pair: {a: 1}", "pair", (("a", 1),)),
        ("whatever: {a: [1, null, true, x]}", "whatever", {"a": [1, None, True, "x"]}),
        ("from: here", "under", "here"),
        ("counted: [1, 2, 3]", "counted", (1, 2, 3)),
        ("number: !env_var PORT", "number", 1883.0),
        ("either: !env_var PORT", "either", 1883),
        ("text: !env_var PORT", "text", "1883"),
    ],
)
def test_what_fits(build, text, name, value):
    assert getattr(build(text), name) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("text: [a]", "1:7: text: not allowed: a list; text"),
        ("text: null", "1:7: text: not allowed: nothing; text"),
        ("text: {a: 1}", "1:7: text: not allowed: a mapping; text"),
        ("number: x", "1:9: number: not allowed: 'x'; a number"),
        ("number: true", "1:9: number: not allowed: True; a number"),
        (
            "number: !env_var NAN",
            "1:9: number: the value of !env_var NAN is not valid here; a number",
        ),
        ("level: 3", "1:8: level: not allowed: 3; 1, 2 or auto"),
        ("level: 'autp'", "1:8: level: not allowed: 'autp'; 1, 2 or auto; did you mean auto?"),
        ("many: [mini]", "1:8: many[0]: not allowed: 'mini'; small or large"),
        ("size: lage", "1:7: size: not allowed: 'lage'; small or large; did you mean large?"),
        ("many: small", "1:7: many: not a list: 'small'; a list; did you mean [small]?"),
        ("many: {a: 1}", "1:7: many: not a list: a mapping; a list"),
        ("some: {a: b}", "1:11: some.a: not allowed: 'b'; a whole number"),
        ("some: [1]", "1:7: some: not a mapping: a list; keys and values"),
        ("sized: {big: {}}", "1:9: sized.big: not allowed: 'big'; small or large"),
        ("either: x", "1:9: either: not allowed: 'x'; a whole number"),
        ("times: x", f"1:8: times: not allowed: 'x'; {Duration.ALLOWED} or never"),
        ("pair: {b: [1]}", "1:7: pair.a[0]: no a"),
        ("made: 1", f"1:1: made: unknown key; {KEYS}"),
        ("KIND: 1", f"1:1: KIND: unknown key; {KEYS}"),
        ("counted: [1]", "1:10: counted: too few: 1; at least 2"),
        ("- a", "1:1: not a mapping: a list; keys and values"),
        (f"number: {'x' * 99}", f"1:9: number: not allowed: '{'x' * 59}…; a number"),
    ],
)  # fmt: skip
def test_what_does_not_fit(build, text, problem):
    assert build(text) == [problem]


@pytest.mark.parametrize(
    "key", ["text", "whatever", "either", "times", "pair", "both", "many", "some", "inner", "tree"]
)
@pytest.mark.parametrize("value", ["!env_var NO", "[!env_var NO]", "{a: !env_var NO}"])
def test_what_could_not_be_read_is_reported_once(build, key, value):
    lines = build(f"{key}: {value}")
    assert sum("environment variable NO is not set" in line for line in lines) == 1
    assert len(lines) <= 2


def test_what_could_not_be_read_has_no_value(tmp_path):
    path = tmp_path / "text.yaml"
    path.write_text("{a: [1, !env_var NO]}")
    assert plain(read(path, environ={}).root) == {"a": [1, None]}


@pytest.mark.parametrize("key", ["flag", "number", "pause", "size", "many", "inner", "pair"])
def test_a_secret_is_not_shown_by_any_sort_of_type(build, key):
    (line,) = build(f"{key}: !secret word", "word: hunter2\n")
    assert "!secret word" in line
    assert "hunter2" not in line


def test_a_tree_is_given_as_it_is(build):
    tree = build("tree: {a: [1]}").tree
    assert NodePath(tree).below("a", 0).node.value == 1
    assert str(NodePath(tree).key("a").place).endswith(":1:8")
    assert str(NodePath(tree).key("b").place).endswith(":1:7")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (str, "text"),
        (bool, "true or false"),
        (Annotated[int, msgspec.Meta(ge=1, le=5)], "a whole number from 1 to 5"),
        (Annotated[float, msgspec.Meta(gt=0)], "a number above 0"),
        (Annotated[float, msgspec.Meta(le=9)], "a number up to 9"),
        (Size, "small or large"),
        (tuple[int, ...], "a list"),
        (Mapping[str, int], "a mapping"),
        (Inner, "a mapping"),
        (Any, "anything"),
        (Node, "anything"),
        (Secret | None, "text that is not blank, best written as !secret name or null"),
        (Pair, "a value that it can read"),
    ],
)
def test_what_may_be_written_is_described(kind, words):
    assert describe(kind) == words
