"""The command line: what is printed, what is returned, what is not imported."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from beacon import __version__
from beacon.cli.locations import config_path, sockets, state_directory
from beacon.cli.main import main
from beacon.cli.parser import parser
from beacon.outputs.control.socket import ActionRefused, ControlSocket, NotAnswering

GOOD = """
site: test
name: Test
tower:
  driver: mock
  preset: tower-3
  lamps: {red: 17, amber: 27, green: 22}
  buzzer: {pin: 18}
services:
  - name: Door
    endpoints:
      - {name: open, type: tcp, host: 127.0.0.1, port: 9, local: true}
"""
COMMANDS = """
run|check|schema|probe|replay|lamp-test|status|incidents|explain|acknowledge|silence|shelve
maintenance|bypass|attest|drill|resume|sandbox|sandbox serve|sandbox break|sandbox watch|demo
dns|dns golden|dns check""".replace("\n", "|").split("|")[1:]
SILENCE = {
    "since": "2026-01-05T12:00:00.000+00:00",
    "until": "2026-01-05T13:00:00.000+00:00",
    "by": "alex",
    "reason": "on the phone",
}
SEEN = {
    "state": {
        "verdict": "gray_failure",
        "since": "2026-01-05T12:00:00.000+00:00",
        "blind": True,
        "starting": False,
        "overlays": ["guard_stopped"],
        "first_out": "door",
        "network": "ok",
        "clock": "unverified",
    },
    "services": {
        "door": {
            "verdict": "gray_failure",
            "explanation": "door/open: deadline, while door/health passes",
            "endpoints": {"door/open": "down", "door/health": "up", "door/new": "unknown"},
            "overlays": ["shelved"],
        }
    },
    "endpoints": {
        "door/open": {
            "health": "down",
            "reason": "deadline",
            "latency_ms": 5000.2,
            "detail": "no answer within 5 s (phase wait)",
        },
        "door/health": {"health": "up", "reason": "ok", "latency_ms": None, "detail": None},
    },
    "incidents": [
        {
            "id": "soc-20260105T115801Z-4",
            "number": 4,
            "runbook": "Call the vendor.\nThen the desk.",
            "service": "door",
            "state": "acknowledged",
            "acknowledged_by": "alex",
            "acknowledged_at": "2026-01-05T11:59:12.600+00:00",
            "since": "2026-01-05T11:58:01.000+00:00",
            "first_out": "door/open",
        }
    ],
    "overlays": [SILENCE | {"kind": "shelve", "subject": "door", "reason": "known"}],
    "silence": SILENCE,
    "lamps": {"red": "fast", "amber": "fast", "green": "off"},
}


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "beacon.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(tmp_path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD.replace("port: 9", "port: 70000").replace("site: test", "site: A B"))
    return path


@pytest.fixture
def serve(tmp_path):
    """A daemon's control socket with answers of the test's choice."""
    servers = []

    def start(**actions) -> list[str]:
        server = ControlSocket(tmp_path / "control.sock", actions)
        server.start()
        servers.append(server)
        return ["--state-dir", str(tmp_path)]

    yield start
    for server in servers:
        server.stop(5)


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No daemon, configuration or state of this machine plays a part."""
    for name in ("BEACON_CONFIG", "STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_COLOR", "1")


# --- usage ------------------------------------------------------------------------


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_help_with_an_example_that_is_good(words, capsys):
    with pytest.raises(SystemExit) as end:
        main([*words.split(), "--help"])
    assert end.value.code == 0
    example = capsys.readouterr().out.split("example:\n  beacon ")[1].splitlines()[0]
    assert example.startswith(words)
    parser().parse_args(example.split(" > ")[0].replace('"with the vendor"', "x").split())
    if not words.startswith("dns"):  # what these name is written by the user
        named = [word for word in example.split() if word.endswith(".yaml") and word[0] != "/"]
        assert all(Path(name).exists() for name in named)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fly"],
        ["run", "--log-level", "loud"],
        ["probe"],
        ["replay"],
        ["sandbox"],
        ["sandbox", "break", "everything"],
        ["silence", "--for"],
        ["status", "extra"],
    ],
    ids=" ".join,
)
def test_usage_errors_exit_with_64(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 64
    err = capsys.readouterr().err
    assert err.startswith("usage: beacon")


@pytest.mark.parametrize("words", [["status"], ["sandbox", "serve"], ["drill", "outage"]])
def test_what_a_command_does_not_know_is_reported_with_its_own_usage(words, capsys):
    with pytest.raises(SystemExit) as end:
        main([*words, "--bogus", "x"])
    assert end.value.code == 64
    command = f"beacon {words[0] if words[0] == 'drill' else ' '.join(words)}"
    err = capsys.readouterr().err
    assert err.startswith(f"usage: {command} [-h]")
    assert err.splitlines()[-1] == f"{command}: unrecognized arguments: --bogus x"


def test_version_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from beacon.cli.main import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: pass\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, modules = done.stdout.splitlines()
    assert version == f"beacon {__version__}"
    loaded = set(modules.split())
    heavy = {"requests", "urllib3", "ssl", "yaml", "msgspec", "regex", "dns", "paho", "gpiozero"}
    heavy |= {"rich", "logging", "argparse", "beacon.core", "beacon.config", "beacon.daemon"}
    assert loaded & (heavy | {"asyncio"}) == set()


def test_status_imports_nothing_that_only_the_daemon_needs(tmp_path):
    code = (
        "import sys\n"
        "from beacon.cli.main import main\n"
        "main(['status', '--state-dir', sys.argv[1]])\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    heavy = {"paho", "gpiozero", "lgpio", "requests", "yaml", "msgspec", "dns", "rich", "asyncio"}
    assert set(done.stdout.split()) & (heavy | {"beacon.daemon", "beacon.config"}) == set()


# A daemon that is stopped while its parts are still being imported.
EARLY = """
import os, signal, sys
from importlib.abc import MetaPathFinder
from beacon.cli.main import main

class Stop(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "beacon.daemon.life":
            os.kill(os.getpid(), int(sys.argv[1]))

sys.meta_path.insert(0, Stop())
main(["run", *sys.argv[2:]])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_stopped_before_it_has_begun_ends_in_order(number, config, tmp_path):
    run = [sys.executable, "-c", EARLY, str(int(number)), "-c", str(config)]
    done = subprocess.run(
        [*run, "--state-dir", str(tmp_path / "state")], capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert not (tmp_path / "state").exists()


# --- where things are -------------------------------------------------------------


def test_the_configuration_is_looked_for_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    installed = Path("/etc/mfa-beacon/beacon.yaml")
    assert config_path(Path("mine.yaml"), {"BEACON_CONFIG": "other.yaml"}) == Path("mine.yaml")
    assert config_path(None, {"BEACON_CONFIG": "other.yaml"}) == Path("other.yaml")
    assert config_path(None, {}) == installed
    (tmp_path / "config").mkdir()
    (tmp_path / "config/beacon.yaml").touch()
    if not installed.exists():
        assert config_path(None, {}) == Path("config/beacon.yaml")


def test_the_state_is_looked_for_in_order(tmp_path):
    assert state_directory(tmp_path, {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}) == Path(
        "/var/lib/a"
    )
    assert state_directory(tmp_path, {}) == tmp_path
    assert state_directory(None, {}) == Path.home() / ".local/state/mfa-beacon"


def test_a_given_state_directory_is_the_only_place_to_ask(tmp_path):
    assert sockets(tmp_path, {}) == [tmp_path / "control.sock"]
    usual = sockets(None, {"RUNTIME_DIRECTORY": "/run/mine"})
    assert [str(path) for path in usual] == [
        "/run/mine/control.sock",
        "/run/mfa-beacon/control.sock",
        str(Path.home() / ".local/state/mfa-beacon/control.sock"),
    ]


# --- check, schema, probe ---------------------------------------------------------


def test_check_of_a_good_file_is_one_line_and_its_warnings(config, capsys):
    assert main(["check", "-c", str(config)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{config}: sound; services: 1, endpoints: 1, of them witnesses: 0\n"
    assert err.startswith("warning: ")


def test_check_names_endpoints_that_share_an_account(tmp_path, capsys):
    path = tmp_path / "beacon.yaml"
    token = "shared_secret: x, username: probe, code: {totp: JBSWY3DPEHPK3PXP}"
    one = "{name: %s, type: radius, host: %s, " + token + "}"
    path.write_text(
        "site: soc\nservices:\n  - name: mfa\n    endpoints:\n"
        + "".join(f"      - {one % each}\n" for each in (("a", "one"), ("b", "two")))
    )
    assert main(["check", "-c", str(path)]) == 0
    said = "one account signs in for mfa/a, mfa/b: they take turns and share its budget"
    assert said in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("words", "status"), [(["check"], 78), (["probe", "door/open"], 3), (["lamp-test"], 1)]
)
def test_a_bad_file_is_reported_with_every_problem(words, status, bad, capsys, tmp_path):
    state = ["--state-dir", str(tmp_path)] if words[0] == "lamp-test" else []
    with pytest.raises(SystemExit) as end:
        main([*words, "-c", str(bad), *state])
    assert end.value.code == status
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if line.startswith(str(bad))]
    assert len(lines) == 2
    assert lines[0].startswith(f"{bad}:2:")
    assert lines[1].startswith(f"{bad}:12:")


def test_schema_is_json(capsys):
    assert main(["schema"]) == 0
    assert "services" in json.loads(capsys.readouterr().out)["properties"]


def test_probe_shows_one_run(config, free_port, capsys):
    config.write_text(GOOD.replace("port: 9", f"port: {free_port()}"))
    assert main(["probe", "door/open", "-c", str(config)]) == 2
    out = capsys.readouterr().out
    assert out.startswith("door/open: fail  connect_refused  ")
    assert "  connect " in out
    assert main(["probe", "door/open", "-c", str(config), "--json", "-v"]) == 2
    shown = json.loads(capsys.readouterr().out)
    assert (shown["outcome"], shown["reason"]) == ("fail", "connect_refused")
    assert set(shown["phases_ms"]) == {"dns", "connect"}


def test_a_sign_in_without_a_beacon_says_how_codes_are_known(config, tmp_path, capsys, free_port):
    step = f"{{id: a, url: 'http://127.0.0.1:{free_port()}/'}}"
    config.write_text(
        f"site: soc\nservices:\n- name: Door\n  endpoints:\n"
        f"  - {{name: open, type: flow, steps: [{step}]}}\n"
    )
    asked = ["probe", "door/open", "-c", str(config), "--state-dir", str(tmp_path / "none"), "-v"]
    assert main(asked) == 2
    out, err = capsys.readouterr()
    assert "none left a history: used codes are not known" in err
    assert "step a" in out
    assert main([*asked, "--json"]) == 2
    assert "none left" in json.loads(capsys.readouterr().out)["codes"]


def test_probe_of_what_is_not_there_names_what_is_near(config, capsys):
    assert main(["probe", "door/opne", "-c", str(config)]) == 3
    assert "no endpoint 'door/opne'; near it is:\n  door/open\n" in capsys.readouterr().err
    assert main(["probe", "OPEN", "-c", str(config)]) == 3
    assert "near it is:\n  door/open\n" in capsys.readouterr().err
    assert main(["probe", "", "-c", str(config)]) == 3
    assert "no endpoint ''; there is:\n  door/open\n" in capsys.readouterr().err


# --- the operator -----------------------------------------------------------------


def test_status_reads_well_without_colour(serve, capsys):
    state = serve(status=lambda request, by: SEEN)
    assert main(["status", *state]) == 2
    assert capsys.readouterr().out == (
        "GRAY FAILURE, blind, guard_stopped  since 2026-01-05 12:00:00 UTC\n"
        "\n"
        "door: gray failure, shelved, first-out\n"
        "  door/open: deadline, while door/health passes\n"
        "  door/open                        down      deadline  5000 ms"
        "  no answer within 5 s (phase wait)\n"
        "  door/health                      up        ok\n"
        "  door/new                         unknown   not yet asked\n"
        "\n"
        "incident soc-20260105T115801Z-4\n"
        "  door: acknowledged by alex at 2026-01-05 11:59:13 UTC, opened 2026-01-05 11:58:01 UTC\n"
        "  first door/open; `beacon incidents 4` tells more\n"
        "  Call the vendor.\n"
        "  Then the desk.\n"
        "shelve door: by alex, since 2026-01-05 12:00:00 UTC, until 2026-01-05 13:00:00 UTC: "
        "known\n"
        "silence: by alex, since 2026-01-05 12:00:00 UTC, until 2026-01-05 13:00:00 UTC: "
        "on the phone\n"
        "lamps: red fast, amber fast\n"
        "network: ok, clock: unverified\n"
    )


STATUSES = {"ok": 0, "advisory": 1, "degraded": 1, "recovering": 1, "outage": 2}
STATUSES |= {"gray_failure": 2, "blind": 3}


@pytest.mark.parametrize(("verdict", "status"), STATUSES.items())
def test_the_exit_status_is_the_verdict(serve, capsys, verdict, status):
    answer = SEEN | {"state": SEEN["state"] | {"verdict": verdict}}
    state = serve(status=lambda request, by: answer)
    assert main(["status", "--json", *state]) == status
    assert json.loads(capsys.readouterr().out)["state"]["verdict"] == verdict


ORDERED = [
    (
        ["acknowledge", "door", "--reason", "seen"],
        {"on": True, "service": "door", "reason": "seen"},
        "acknowledged",
    ),
    (["acknowledge", "--off"], {"on": False, "service": None, "reason": ""}, "asks again"),
    (["silence", "--for", "30m"], {"on": True, "seconds": 1800.0, "reason": ""}, "silent"),
    (["silence", "--off"], {"on": False, "reason": ""}, "sound again"),
    (
        ["resume", "door/open"],
        {"service": "door/open", "reason": ""},
        "resumed: it is tried once, and stops again if rejected",
    ),
    (
        ["shelve", "door", "--for", "2h", "--reason", "known"],
        {"on": True, "service": "door", "seconds": 7200.0, "reason": "known"},
        "shelved",
    ),
    (["shelve", "--off"], {"on": False, "service": None, "reason": ""}, "taken back"),
    (["maintenance"], {"on": True, "service": None, "reason": ""}, "in maintenance"),
    (
        ["maintenance", "door", "--off"],
        {"on": False, "service": "door", "reason": ""},
        "maintenance ended",
    ),
    (["bypass", "door"], {"on": True, "service": "door", "reason": ""}, "bypass recorded"),
    (["bypass", "--off"], {"on": False, "service": None, "reason": ""}, "bypass ended"),
    (["attest", "keys"], {"on": True, "service": "keys", "reason": ""}, "attested"),
    (["attest", "--off"], {"on": False, "service": None, "reason": ""}, "attestation withdrawn"),
    (["drill"], {"on": True, "verdict": "outage", "reason": ""}, "drill begun"),
    (
        ["drill", "degraded", "--for", "5m"],
        {"on": True, "verdict": "degraded", "seconds": 300.0, "reason": ""},
        "drill begun",
    ),
    (["drill", "--off"], {"on": False, "verdict": "outage", "reason": ""}, "drill ended"),
]


@pytest.mark.parametrize(("words", "request_", "line"), ORDERED, ids=lambda x: str(x)[:40])
def test_an_overlay_is_ordered_over_the_socket(serve, capsys, words, request_, line):
    asked = []

    def note(request, by):
        asked.append(request)
        return {}

    state = serve(**{words[0]: note})
    assert main([*words, *state]) == 0
    assert asked == [{"action": words[0], **request_}]
    assert capsys.readouterr().out == line + "\n"
    assert main([*words, "--json", *state]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True}


@pytest.mark.parametrize("words", ["status", "incidents 9", "explain gate", "shelve gate"])
def test_a_refusal_says_why_and_without_a_daemon_it_is_3(serve, capsys, tmp_path, words):
    def refuse(request, by):
        raise ActionRefused("no such thing")

    asked = words.split()
    refused = 3 if words == "status" else 1  # 1 would be a verdict
    assert main([*asked, *serve(**{asked[0]: refuse})]) == refused
    assert capsys.readouterr().err == "beacon: no such thing\n"
    assert main([*asked, "--state-dir", str(tmp_path / "none")]) == 3
    assert "no beacon is running" in capsys.readouterr().err


def test_an_order_says_over_what_until_when_and_how_to_undo_it(serve, capsys):
    until = "2026-01-05T13:00:00.000+00:00"
    both = {"overlays": [{"subject": name, "until": until} for name in ("door", "gate")]}
    door = {"overlays": [{"subject": "door", "until": None}]}
    state = serve(maintenance=lambda request, by: both, bypass=lambda request, by: door)
    assert main(["maintenance", *state]) == 0
    assert capsys.readouterr().out == (
        "in maintenance: door, gate, until 2026-01-05 13:00:00 UTC; "
        "to undo it: beacon maintenance --off\n"
    )
    assert main(["bypass", "door", *state]) == 0
    assert capsys.readouterr().out == (
        "bypass recorded: door, until it is ended; to undo it: beacon bypass door --off\n"
    )


EXPLAINED = {
    "service": "door",
    "at": "2026-01-05T12:02:12.000+00:00",
    "verdict": "gray_failure",
    "since": "2026-01-05T12:00:00.000+00:00",
    "lamps": {"red": "fast"},
    "why": ["door/open: deadline"],
    "overlaid": [],
    "silence": SILENCE,
    "next": [{"what": "recovering when every cell is up", "at": None}],
    "endpoints": {
        "door/open": {
            "evidence": "symptom",
            "health": "down",
            "since": "2026-01-05T12:00:00.000+00:00",
            "outcome": "fail",
            "reason": "deadline",
            "detail": "no answer",
            "latency_ms": 30000.0,
            "read_at": "2026-01-05T12:01:00.000+00:00",
            "standing": "0 of 2 passes in a row until it is up",
            "next": [{"what": "unknown", "at": "2026-01-05T12:05:00.000+00:00"}],
        },
    },
}


def test_explain_prints_lines_or_json(serve, capsys):
    state = serve(explain=lambda request, by: EXPLAINED)
    assert main(["explain", "door", "--json", *state]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True} | EXPLAINED
    assert main(["explain", "door", *state]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "door: gray failure since 2026-01-05 12:00:00 UTC",
        "  asks for: red fast",
        "  because: door/open: deadline",
        (
            "  silence: by alex, since 2026-01-05 12:00:00 UTC, until 2026-01-05 13:00:00 UTC: "
            "on the phone"
        ),
        "  next: recovering when every cell is up",
        "",
        "door/open (symptom): down since 2026-01-05 12:00:00 UTC",
        "  last: fail, deadline (no answer), 30000 ms, read 72 s ago (2026-01-05 12:01:00 UTC)",
        "  0 of 2 passes in a row until it is up",
        "  next: unknown (2026-01-05 12:05:00 UTC)",
    ]


def test_explain_says_how_long_ago_a_wrong_code_was_refused(serve, capsys):
    said = {"control": "a wrong code was refused", "controlled_at": "2026-01-05T09:02:12+00:00"}
    door = EXPLAINED["endpoints"]["door/open"]
    state = serve(explain=lambda request, by: EXPLAINED | {"endpoints": {"door/open": door | said}})
    assert main(["explain", "door", *state]) == 0
    assert "  a wrong code was refused, 3 h 00 m ago" in capsys.readouterr().out.splitlines()


def test_a_silence_without_a_unit_is_a_usage_error(tmp_path, capsys):
    assert main(["silence", "--for", "30", "--state-dir", str(tmp_path)]) == 64
    assert "30 has no unit" in capsys.readouterr().err


# --- lamps, sandbox, replay -------------------------------------------------------


def test_lamp_test_goes_through_the_daemon_that_holds_the_pins(serve, capsys):
    asked = []

    def note(request, by):
        asked.append(request)
        return {}

    assert main(["lamp-test", *serve(lamp_test=note)]) == 0
    assert asked == [{"action": "lamp_test"}]
    assert "the running daemon tests its lamps" in capsys.readouterr().out


@pytest.mark.realtime
def test_lamp_test_drives_the_pins_itself_without_a_daemon(config, tmp_path, capsys):
    config.write_text(GOOD.replace("  preset: tower-3\n", "").replace(", amber: 27, green: 22", ""))
    assert main(["lamp-test", "-c", str(config), "--state-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "red\nbuzzer\n"


def test_lamp_test_says_why_the_pins_cannot_be_had(config, tmp_path, capsys):
    config.write_text(GOOD.replace("mock", "lgpio"))
    assert main(["lamp-test", "-c", str(config), "--state-dir", str(tmp_path)]) == 1
    assert "beacon: tower: " in capsys.readouterr().err


def test_the_sandboxs_ports_are_the_ones_it_has():
    from beacon.sandbox.servers import Ports
    from beacon.sandbox.world import Fault, SandboxTimes

    args = parser().parse_args(["sandbox", "serve"])
    assert Ports(http=args.http_port, dns=args.dns_port, mqtt=args.mqtt_port) == Ports()
    assert (args.slow, args.period) == (SandboxTimes().slow, SandboxTimes().period)
    for fault in (*Fault, "recover"):
        assert parser().parse_args(["sandbox", "break", fault]).fault == fault


def test_break_without_a_sandbox_says_how_to_start_one(free_port, capsys):
    assert main(["sandbox", "break", "slow", "--http-port", str(free_port())]) == 1
    assert "beacon sandbox serve" in capsys.readouterr().err


def test_replay_of_a_file_that_is_not_there(tmp_path, capsys):
    assert main(["replay", str(tmp_path / "none.yaml")]) == 78
    assert "none.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "99999", "-1", "http"])
def test_a_port_that_is_none_is_a_usage_error(port, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["sandbox", "serve", "--http-port", port])
    assert ended.value.code == 64
    assert "--http-port" in capsys.readouterr().err


def test_without_any_configuration_it_says_where_it_looked(tmp_path, monkeypatch, capsys):
    if Path("/etc/mfa-beacon/beacon.yaml").exists():
        pytest.skip("a beacon is installed on this machine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BEACON_CONFIG", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["check"])
    assert ended.value.code == 78
    assert "neither -c nor $BEACON_CONFIG" in capsys.readouterr().err


def test_a_user_without_a_home_is_asked_for_a_state_directory(monkeypatch, capsys):
    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(SystemExit) as ended:
        state_directory(None, {})
    assert ended.value.code == 64
    assert "--state-dir" in capsys.readouterr().err


def test_a_full_disk_under_standard_output_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "beacon", "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr


def test_lamp_test_beside_a_hung_daemon_does_not_say_that_all_is_well(
    tmp_path, monkeypatch, capsys
):
    def hangs(*_: object) -> None:
        raise NotAnswering("the beacon at /run/x does not answer")

    monkeypatch.setattr("beacon.outputs.control.socket.ask", hangs)
    assert main(["lamp-test", "--state-dir", str(tmp_path)]) == 1
    assert "does not answer" in capsys.readouterr().err


KNOWN = {
    "id": "soc-20260105T120000Z-3",
    "number": 3,
    "service": "door",
    "state": "closed",
    "verdict": "ok",
    "peak": "gray_failure",
    "since": "2026-01-05T12:00:00.000+00:00",
    "closed_at": "2026-01-05T13:05:09.000+00:00",
    "first_out": "door/open",
    "cause": "dns",
    "explanation": "door/open: dns_nxdomain",
    "vendor_lead_s": 125.0,
    "impact": 0.5,
    "acknowledged_by": "alex",
}
NOW = "2026-01-08T14:37:00.000+00:00"
OPEN = KNOWN | {"number": 4, "closed_at": None, "state": "open", "cause": None, "impact": None}


def test_incidents_are_listed_line_by_line(serve, capsys):
    long = OPEN | {"state": "acknowledged", "service": "microsoft-sign-in", "cause": "vendor"}
    lost = KNOWN | {"closed_at": None}
    found = {"incidents": [long, OPEN, KNOWN, lost], "storage_degraded": True, "now": NOW}
    assert main(["incidents", *serve(incidents=lambda request, by: found)]) == 0
    assert capsys.readouterr().out == (
        "   4  2026-01-05 12:00 UTC    3 days  microsoft-sign-in: gray failure,\n"
        "                                      acknowledged, cause vendor\n"
        "   4  2026-01-05 12:00 UTC    3 days  door: gray failure, open\n"
        "   3  2026-01-05 12:00 UTC  1 h 05 m  door: gray failure, closed, cause dns\n"
        "   3  2026-01-05 12:00 UTC         -  door: gray failure, closed, cause dns\n"
        "\n"
        "storage: degraded, something may be missing here\n"
    )


def test_without_incidents_there_is_a_line_and_json_is_the_answer(serve, capsys):
    none = {"incidents": [], "storage_degraded": False, "now": NOW}
    state = serve(incidents=lambda request, by: none)
    assert main(["incidents", *state]) == 0
    assert capsys.readouterr().out == "no incident is remembered\n"
    assert main(["incidents", "--json", *state]) == 0
    assert json.loads(capsys.readouterr().out)["incidents"] == []


def test_one_incident_is_shown_with_its_story(serve, capsys):
    happened = {"at": "2026-01-05T12:00:00.000+00:00", "service": "door", "incident": 3}
    answer = {
        "incident": KNOWN,
        "story": [
            happened | {"what": "opened", "verdict": "gray_failure", "cause": "dns", "by": None},
            happened | {"what": "acknowledged", "verdict": "outage", "cause": None, "by": "alex"},
        ],
        "transitions": [
            {
                "at": "2026-01-05T12:00:00.000+00:00",
                "endpoint": "door/open",
                "was": "up",
                "now": "down",
                "reason": "dns_nxdomain",
                "detail": "no such name",
            }
        ],
        "operators": [
            happened
            | {"command": "shelve", "service": "door", "state": "OFF", "by": "alex"}
            | {"origin": "mqtt", "reason": "", "error": ""},
            happened
            | {"command": "silence", "service": None, "state": "ON", "by": "eve"}
            | {"origin": "cli", "reason": "on the phone", "error": "not now"},
        ],
        "now": NOW,
        "storage_degraded": False,
    }
    assert main(["incidents", "3", *serve(incidents=lambda request, by: answer)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "soc-20260105T120000Z-3  door: closed",
        "  since          2026-01-05 12:00:00 UTC",
        "  closed         2026-01-05 13:05:09 UTC",
        "  lasted         1 h 05 m",
        "  peak           gray failure",
        "  first          door/open",
        "  cause          dns",
        "  because        door/open: dns_nxdomain",
        "  acknowledged   alex",
        "  vendor said so 2 m 05 s after us",
        "  impact         50% of sessions (estimated)",
        "",
        "what happened",
        "  2026-01-05 12:00:00 UTC  door/open: up -> down, dns_nxdomain (no such name)",
        "  2026-01-05 12:00:00 UTC  OPENED: gray failure, cause dns",
        "  2026-01-05 12:00:00 UTC  ACKNOWLEDGED by alex: outage",
        "",
        "what operators did",
        "  2026-01-05 12:00:00 UTC  shelve --off door by alex, mqtt",
        "  2026-01-05 12:00:00 UTC  silence by eve, cli: on the phone (refused: not now)",
    ]


AT_NIGHT = """\
soc-20260105T120000Z-4  door: open
  since          2026-01-05 12:00:00 UTC
  lasts          3 days
  peak           gray failure
  first          door/open
  cause          dns
  because        door/domain: spf_missing (no SPF record at otp.example), 60 min
                 before door/open: code_not_arrived
  acknowledged   by nobody yet

why, the likeliest first
  1. dns
     2026-01-05 11:00:00 UTC  door/domain: spf_missing (no SPF record at
                              otp.example)
     door/open: code_not_arrived
     explains what began to fail until 2026-01-05 12:09:30 UTC: TTL 1 h 00 m, +
     2 m 00 s between its readings, + 5 m 00 s between those of door/open, + 2 m
     30 s for a code
  2. vendor (does not explain it)
     explains what began to fail until 2026-01-05 12:09:30 UTC: no TTL was seen,
     + 2 m 00 s between its readings, + 5 m 00 s between those of door/open, + 2
     m 30 s for a code

records that were missing or wrong
  spf_missing TXT otp.example
  dkim_missing TXT s1._domainkey.otp.example

codes, by what they hang on
  door/domain: door/open: 412 of 415 arrived while it was well, 0 of 7 arrived
  while it failed

the vendor's sources, which differ
  admits  door/feed, since 2026-01-08 14:00:00 UTC (37 m 00 s)
          Investigating: push notifications may be delayed for some users in
          Europe
  fine    door/page
          12 components operational, no open incident

what to do
  1. Confirm with a second person, who must not be the one that is on call
  tonight.

  2. Open the safe.

what happened
  2026-01-05 12:00:00 UTC  OPENED: gray failure
"""


def test_one_incident_reads_well_at_eighty_columns_at_night(serve, capsys):
    window = {
        "since": "2026-01-05T11:00:00.000+00:00",
        "until": "2026-01-05T12:09:30.000+00:00",
        "ttl_s": 3600.0,
        "interval_s": 120.0,
        "delivery_interval_s": 300.0,
        "code_lifetime_s": 150.0,
        "delivery": "door/open",
        "failed_at": "2026-01-05T12:00:00.000+00:00",
    }
    removed = {
        "endpoint": "door/domain",
        "reason": "spf_missing",
        "detail": "no SPF record at otp.example",
        "at": "2026-01-05T11:00:00.000+00:00",
    }
    missed = {"endpoint": "door/open", "reason": "code_not_arrived", "detail": None, "at": None}
    opened = {"at": "2026-01-05T12:00:00.000+00:00", "service": "door", "what": "opened"}
    incident = OPEN | {
        "cause": "dns",
        "explanation": "door/domain: spf_missing (no SPF record at otp.example), 60 min before "
        "door/open: code_not_arrived",
        "acknowledged_by": None,
        "vendor_lead_s": None,
        "vendor_differs": True,
        "records": [
            "spf_missing TXT otp.example",
            "dkim_missing TXT s1._domainkey.otp.example",
        ],
        "arrivals": [
            {
                "cause": "door/domain",
                "delivery": "door/open",
                "well_arrived": 412,
                "well_lost": 3,
                "failing_arrived": 0,
                "failing_lost": 7,
            }
        ],
        "causes": [
            {"cause": "dns", "explains": True, "readings": [removed, missed], "window": window},
            {
                "cause": "vendor",
                "explains": False,
                "readings": [],
                "window": window | {"ttl_s": None, "since": "2026-01-05T12:00:00.000+00:00"},
            },
        ],
        "vendor": [
            {
                "endpoint": "door/feed",
                "says": "admits",
                "words": "Investigating: push notifications may be delayed for some users in "
                "Europe",
                "since": "2026-01-08T14:00:00.000+00:00",
            },
            {
                "endpoint": "door/page",
                "says": "fine",
                "words": "12 components operational, no open incident",
                "since": None,
            },
        ],
    }
    answer = {
        "incident": incident | {"id": "soc-20260105T120000Z-4"},
        "runbook": "1. Confirm with a second person, who must not be the one that is on call "
        "tonight.\n\n2. Open the safe.\n",
        "story": [opened | {"verdict": "gray_failure", "cause": None, "by": None}],
        "transitions": [],
        "now": NOW,
        "storage_degraded": False,
    }
    assert main(["incidents", "4", *serve(incidents=lambda request, by: answer)]) == 0
    out = capsys.readouterr().out
    assert out == AT_NIGHT
    assert max(len(line) for line in out.splitlines()) <= 80
