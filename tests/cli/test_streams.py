"""Whatever the caller left of the standard streams: no traceback, and the right exit status."""

import codecs
import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest

from beacon.cli import streams
from beacon.outputs.control.socket import ControlSocket
from tests.cli.test_main import GOOD, SEEN

LEFT = {
    "ascii": ("", {"PYTHONIOENCODING": "ascii"}),
    "latin-1": ("", {"PYTHONIOENCODING": "latin-1:strict"}),
    "C": ("", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "no output": (">&-", {}),
    "no error": ("2>&-", {}),
    "nothing": ("<&- >&- 2>&-", {}),
    "a reader that goes away": ("| true", {}),
}
"""What the caller leaves of the standard streams, and of the environment."""
SCRIPT = "incidents/2015-10-07-duo-telephony.yaml"
ROOT = Path(__file__).parents[2]
STATUS = copy.deepcopy(SEEN)
STATUS["incidents"][0]["runbook"] = "Zürich → Straße „Größe“ … ☎ \u202e 日本"
STATUS["endpoints"]["door/open"]["detail"] = "cut: \udcc3"
COMMANDS = [
    (f"replay {SCRIPT}", 0),
    ("status --state-dir STATE", 2),
    ("status --json --state-dir STATE", 2),
    ("status --state-dir NOWHERE", 3),
    ("explain door --state-dir STATE", 1),
    ("acknowledge door --reason Prüfung→ --state-dir STATE", 0),
    ("check -c CONFIG", 0),
    ("check -c BAD", 78),
    ("probe door/open -v -c CONFIG --state-dir STATE", 2),
    ("probe door/Ö -c CONFIG --state-dir STATE", 3),
    ("schema", 0),
    ("--version", 0),
    ("status --help", 0),
    ("dräm", 64),
]


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A state directory with a control socket, whose answers are full of signs."""
    directory = tmp_path_factory.mktemp("s")
    reasons = []
    actions = {
        "status": lambda *_: STATUS,
        "acknowledge": lambda request, _: reasons.append(request["reason"]) or {},
    }
    server = ControlSocket(directory / "control.sock", actions)
    server.start()
    (directory / "beacon.yaml").write_text(GOOD.replace("name: Test", "name: Zürich →"), "utf-8")
    (directory / "bad.yaml").write_text(GOOD.replace("site: test", "site: Zürich →"), "utf-8")
    yield directory
    server.stop(5)


def beacon(state: Path, words: str, redirection: str = "", **environ: str):
    for name, path in (
        ("STATE", state),
        ("NOWHERE", state / "none"),
        ("CONFIG", state / "beacon.yaml"),
        ("BAD", state / "bad.yaml"),
    ):
        words = words.replace(name, str(path))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))}
    for name in ("BEACON_CONFIG", "STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        kept.pop(name, None)
    # The status of the first of the pipe, whatever its reader's is.
    script = f"'{sys.executable}' -m beacon {words} {redirection}; exit ${{PIPESTATUS[0]}}"
    return subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env={**kept, **environ},
        capture_output=True,
        check=False,
        timeout=60,
    )


def assert_calm(done, status: int) -> None:
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert b"Exception ignored" not in done.stderr, done.stderr.decode()
    assert done.returncode == status, done.stderr.decode()


@pytest.mark.parametrize(("words", "status"), COMMANDS)
def test_a_reader_that_goes_away_costs_no_command_its_exit_status(state, words, status):
    """What else a caller may do to the streams is met before any command begins."""
    assert_calm(beacon(state, words, "2>&1 | true"), status)


@pytest.mark.parametrize("left", LEFT)
def test_no_state_of_the_streams_costs_an_outage_its_exit_status(state, left):
    redirection, environ = LEFT[left]
    done = beacon(state, "status --state-dir STATE", redirection, **environ)
    assert_calm(done, 2)
    if left == "ascii":
        assert b"Zurich -> Strasse ?Grosse" in done.stdout


@pytest.mark.parametrize(("written", "read"), [
    ("Prüfung → ‚Größe‘ …", "Prufung -> ?Grosse? ..."),
    ("█░▟ 日 \udcc3", "#.# ? ?"),
    ("plain", "plain"),
])  # fmt: skip
def test_signs_are_written_plainly(written, read):
    streams.prepare()
    assert written.encode("ascii", streams.ERRORS) == read.encode()


def test_what_cannot_be_decoded_is_not_taken_for_a_sign():
    with pytest.raises(UnicodeDecodeError):
        codecs.lookup_error(streams.ERRORS)(UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"))
