"""Each lock is complete: it is installed without resolving anything, so nothing may be missing."""

import functools
import importlib.metadata
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {"beacon": (), "demo": ("demo",), "dev": ("demo", "dev")}
"""Each lock of the beacon, and the extras of `pyproject.toml` it answers."""
APPLICATIONS = ("canaille", "privacyidea")
PLATFORMS = [
    {
        "python_version": full.rpartition(".")[0],
        "python_full_version": full,
        "platform_machine": machine,
    }
    for full in ("3.11.2", "3.11.14", "3.12.12", "3.13.5", "3.14.2")
    for machine in ("x86_64", "aarch64", "armv7l")
]
PIN = re.compile(
    r"^(?P<pin>[^\s#-][^\\\n]*?) \\\n(?P<hashes>(?: +--hash=sha256:[0-9a-f]{64}.*\n)+)"
)

Lock = dict[str, list[Requirement]]
"""By name; of a package with several pins, markers let one apply."""
Asks = Callable[[str], list[Requirement]]


def pins(text: str) -> Lock:
    """The packages of a lock by name. Every line is a pin with hashes, or the lock is refused."""
    found = list(re.finditer(PIN.pattern, text, re.MULTILINE))
    assert "".join(pin[0] for pin in found) == text, "a line that is no pin with hashes"
    lock: Lock = {}
    for match in found:
        pin = Requirement(match["pin"])
        assert [each.operator for each in pin.specifier] == ["=="], pin
        lock.setdefault(canonicalize_name(pin.name), []).append(pin)
    return lock


def missing(lock: Lock, asked: list[Requirement], asks: Asks) -> set[str]:
    """What pip would have to look for elsewhere, had it this lock alone; on every platform."""
    return {line for here in PLATFORMS for line in _missing(lock, asked, asks, here)}


def _missing(
    lock: Lock, asked: list[Requirement], asks: Asks, here: dict[str, str]
) -> Iterator[str]:
    environment = default_environment() | here
    waiting, done = [(one, "") for one in asked], set()
    while waiting:
        wanted, extra = waiting.pop()
        if wanted.marker and not wanted.marker.evaluate({**environment, "extra": extra}):
            continue
        pin = _applies(lock, wanted.name, environment)
        if pin is None:
            yield f"{wanted} is not in the lock"
            continue
        if not wanted.specifier.contains(next(iter(pin.specifier)).version, prereleases=True):
            yield f"{wanted} is not answered by {pin}"
        if not wanted.extras <= pin.extras:
            yield f"{wanted} has an extra that {pin} lost"
        for more in ("", *sorted(wanted.extras)):
            if (pin.name, more) not in done:
                done.add((pin.name, more))
                waiting += [(one, more) for one in asks(pin.name)]


def _applies(lock: Lock, name: str, environment: dict[str, str]) -> Requirement | None:
    here = [
        pin
        for pin in lock.get(canonicalize_name(name), [])
        if pin.marker is None or pin.marker.evaluate(environment)
    ]
    assert len(here) < 2, f"{here}: pip takes one version only"
    return here[0] if here else None


def installed(place: Path | None, lock: Lock) -> Asks:
    """What each package asks for, by its own metadata as it was installed from this lock."""
    where = {} if place is None else {"path": [str(place)]}
    there = {
        canonicalize_name(found.name): found for found in importlib.metadata.distributions(**where)
    }
    for name in lock:
        pin = _applies(lock, name, dict(default_environment()))
        if pin is not None:
            assert name in there, f"{pin} is locked, but not installed"
            assert there[name].version in pin.specifier, f"{name}: make the environment anew"

    @functools.cache
    def asks(name: str) -> list[Requirement]:
        found = there.get(canonicalize_name(name))  # None: not for the platform of this machine
        return [Requirement(line) for line in (found.requires or [])] if found else []

    return asks


# --- the locks of the beacon ------------------------------------------------------


@pytest.mark.parametrize("name", EXTRAS)
def test_a_lock_is_complete_and_carries_its_extras(name: str) -> None:
    lock = pins((ROOT / f"lock/{name}.txt").read_text())
    optional = PROJECT["optional-dependencies"]
    asked = [
        *PROJECT["dependencies"],
        *(line for extra in EXTRAS[name] for line in optional[extra]),
    ]
    wanted = [Requirement(line) for line in asked if not line.startswith(f"{PROJECT['name']}[")]
    assert missing(lock, wanted, installed(None, lock)) == set()


@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_lock_of_an_application_is_complete(
    name: str, need_application: Callable[[str], Path]
) -> None:
    lock = pins((ROOT / f"lock/applications/{name}.txt").read_text())
    asked = (ROOT / f"lock/applications/{name}.in").read_text().splitlines()
    (place,) = need_application(name).glob("lib/python*/site-packages")
    assert missing(lock, [Requirement(line) for line in asked], installed(place, lock)) == set()


def test_every_lock_is_tried() -> None:
    assert sorted(path.stem for path in (ROOT / "lock").glob("*.txt")) == sorted(EXTRAS)
    applications = sorted(path.stem for path in (ROOT / "lock/applications").glob("*.txt"))
    assert applications == sorted(APPLICATIONS)


# --- the check itself -------------------------------------------------------------

HASH = "    --hash=sha256:" + "0" * 64 + "\n"
ASKS = {
    "a": ["b[fast]>=2", 'c ; python_version < "3.13"', 'd ; platform_machine == "aarch64"'],
    "b": ['e ; extra == "fast"', 'f ; extra == "slow"'],
}


@pytest.mark.parametrize(
    ("lock", "lacks"),
    [
        ("a==1 b[fast]==2 c==1;python_version<'3.12' c==2;python_version>='3.12' d==1 e==1", None),
        (
            "a==1 b[fast]==2 c==1;python_version<'3.12' d==1 e==1",
            'c; python_version < "3.13" is not in the lock',
        ),
        ("a==1 b[fast]==2 c==1 d==1 e==1", None),
        ("a==1 b[fast,slow]==2 c==1 d==1 e==1", None),
        ("a==1 b==2 c==1 d==1 e==1", "b[fast]>=2 has an extra that b==2 lost"),
        ("a==1 b[fast]==1 c==1 d==1 e==1", "b[fast]>=2 is not answered by b[fast]==1"),
        ("a==1 b[fast]==2 c==1 d==1", 'e; extra == "fast" is not in the lock'),
        ("a==1 b[fast]==2 d==1 e==1", 'c; python_version < "3.13" is not in the lock'),
        ("a==1 b[fast]==2 c==1 e==1", 'd; platform_machine == "aarch64" is not in the lock'),
        ("b[fast]==2 c==1 d==1 e==1", "a is not in the lock"),
    ],
)
def test_what_a_lock_lacks_is_named(lock: str, lacks: str | None) -> None:
    text = "".join(f"{pin} \\\n{HASH}" for pin in lock.split())
    found = missing(
        pins(text),
        [Requirement("a")],
        lambda name: [Requirement(line) for line in ASKS.get(name, [])],
    )
    assert found == ({lacks} if lacks else set())


@pytest.mark.parametrize("line", ["a==1\n", "a==1 \\\n", "--index-url x\n", f"a>=1 \\\n{HASH}"])
def test_a_line_that_is_no_pin_with_hashes_is_refused(line: str) -> None:
    with pytest.raises(AssertionError):
        pins(f"b==1 \\\n{HASH}{line}")


# --- how they are installed -------------------------------------------------------

INSTALLS = ("scripts/environment", "scripts/applications", "systemd/install.sh")


@pytest.mark.parametrize("script", INSTALLS)
def test_a_lock_is_installed_without_resolving(script: str) -> None:
    """Whatever the index has that is newer: pip and uv install these lines, and nothing else."""
    lines = (ROOT / script).read_text().splitlines()
    installs = [line for line in lines if "--require-hashes" in line]
    assert installs
    assert all("--no-deps" in line for line in installs)


def test_nobody_else_installs_from_an_index() -> None:
    """A command that installs, and is none of those: it would need the same two options."""
    there = [
        str(path.relative_to(ROOT))
        for folder in (".ci", "scripts", "systemd")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and "--require-hashes" in path.read_text(errors="replace")
    ]
    assert sorted(there) == sorted([*INSTALLS, "scripts/slow/locks"])
