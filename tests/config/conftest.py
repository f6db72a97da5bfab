"""Small kinds of probes, so that these tests know no real one; and a way to load with them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest

from beacon.config.fields import Count, Duration, Host, Port, Regex, Secret, SettingRefused, Url
from beacon.config.loader import load
from beacon.config.schema import Config
from beacon.core.model import Evidence, Reading
from beacon.engine.run import Run
from beacon.otp.code_setting import OneTimeCode
from beacon.probing.base import CLAIM, FAST, SIGN_IN, Abilities, Kind, SettingFlaw, Timing


@dataclass(frozen=True, kw_only=True)
class Expect:
    """What an answer must be."""

    status: int | str | tuple[int, ...] = 200
    matches: Regex | None = None


class Even:
    """A type with a `parse` that knows the very spot."""

    ALLOWED: ClassVar = "even numbers"
    SCHEMA: ClassVar[dict[str, Any]] = {"type": "array"}

    @classmethod
    def parse(cls, raw: object) -> tuple[int, ...]:
        if not isinstance(raw, list):
            raise SettingRefused("not even a list", cls.ALLOWED)
        for index, number in enumerate(raw):
            if number % 2:
                raise SettingRefused(f"{number} is odd", cls.ALLOWED, str(number + 1), (index,))
        return tuple(raw)


@dataclass(frozen=True, kw_only=True)
class Base(Kind):
    ABILITIES: ClassVar = Abilities(evidence=Evidence.HEALTH, timing=FAST)

    def look(self, run: Run) -> Reading:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Http(Base):
    """Does a web server answer?"""

    url: Annotated[Url, msgspec.Meta(description="what is fetched")]
    method: Literal["GET", "HEAD"] = "GET"
    headers: Mapping[str, Secret] = field(default_factory=dict)
    expect: Expect = Expect()
    json: Any = None
    even: Even = ()
    follow: bool = True
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    seconds: float = 1.0

    @property
    def clock_bound(self) -> bool:
        return self.url.startswith("https:")

    def __post_init__(self) -> None:
        if self.url.endswith("!"):
            raise SettingRefused("an exclamation mark", "quiet addresses", path=("url",))

    def conflicts(self) -> Iterator[SettingFlaw]:
        if self.method == "HEAD" and self.json is not None:
            yield SettingFlaw(("json",), "HEAD has no body", "GET", "method: GET")


@dataclass(frozen=True, kw_only=True)
class Tcp(Base):
    """Does a port open?"""

    host: Host
    port: Port
    tls: bool | Expect = False


@dataclass(frozen=True, kw_only=True)
class Page(Base):
    """What the vendor says."""

    ABILITIES: ClassVar = Abilities(evidence=Evidence.CLAIM, timing=CLAIM)

    url: Url
    components: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] | None = None


@dataclass(frozen=True, kw_only=True)
class SignIn(Base):
    """A sign-in."""

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.SYMPTOM, timing=SIGN_IN, sign_in=True, clock_bound=True
    )

    url: Url
    password: Secret
    code: OneTimeCode | None = None
    tries: Count = 1
    pause: Duration | None = None


@dataclass(frozen=True, kw_only=True)
class Push(Base):
    """What others deliver."""

    ABILITIES: ClassVar = Abilities(
        evidence=Evidence.HEALTH,
        timing=Timing(
            interval=300, timeout=30, failure_threshold=1, retry_interval=None, success_threshold=1
        ),
        pushed=True,
        needs={"token": "web", "mqtt": "mqtt"},
    )

    token: Secret | None = None
    mqtt: bool = False
    every: Duration | None = None

    @property
    def timing(self) -> Timing:
        usual = super().timing
        return usual if self.every is None else replace(usual, interval=self.every)


KINDS: Mapping[str, type] = {
    "http": Http,
    "page": Page,
    "push": Push,
    "sign-in": SignIn,
    "tcp": Tcp,
}

Load = Callable[..., Config]


@pytest.fixture(scope="session")
def kinds() -> dict[str, Any]:
    """The registry, as `load` takes it."""
    return {"registry": SimpleNamespace(kinds=lambda: tuple(KINDS), load=KINDS.__getitem__)}


@pytest.fixture
def load_text(tmp_path: Path, kinds: dict[str, Any]) -> Load:
    """Load a configuration from its text; other files by name."""

    def load_it(text: str, environ: Mapping[str, str] | None = None, **files: str) -> Config:
        main = tmp_path / "beacon.yaml"
        main.write_text(text)
        main.chmod(0o600)
        for name, content in files.items():
            path = tmp_path / f"{name}.yaml"
            path.write_text(content)
            path.chmod(0o600)
        return load(main, environ=environ or {}, **kinds)

    return load_it


@pytest.fixture
def minimal() -> str:
    """The least that is a configuration."""
    return (
        "site: soc\n"
        "services:\n"
        "  - name: Sign-in\n"
        "    endpoints:\n"
        '      - {name: page, type: http, url: "https://idp.example.com/health"}\n'
    )
