"""Replay files: what is refused, what is printed, and that an expectation can fail."""

import io
import json

import pytest

from beacon.cli.main import main as cli
from beacon.config.fields import SettingRefused
from beacon.replay.play import main
from beacon.replay.script import Offset, ScriptMoment

SCRIPT = """\
title: A sign-in fails
start: 2026-01-12T09:00:00Z
config:
  services:
    - name: MFA
      endpoints:
        - {name: sign-in, type: http, evidence: symptom}
events:
  - {at: 1m, endpoint: mfa/sign-in, fail: deadline, detail: no answer}
  - {at: 3m, operator: acknowledge, by: analyst}
  - {at: 4m, operator: silence}
  - {at: 5m, operator: unsilence}
  - {at: 6m, endpoint: mfa/sign-in, silent: true}
  - {at: 20m, endpoint: mfa/sign-in, pass: ok}
expect:
"""


@pytest.fixture
def play(tmp_path):
    def run(text, **options):
        path = tmp_path / "script.yaml"
        path.write_text(text)
        out, err = io.StringIO(), io.StringIO()
        status = main([path], out=out, err=err, environ={}, **options)
        return status, out.getvalue(), err.getvalue().replace(str(path), "script.yaml")

    return run


def test_a_script_whose_expectations_hold(play):
    expect = """\
  - {at: 2m, service: mfa, verdict: outage, lamps: {red: fast}, incident: open, blind: false}
  - {at: 3m30s, incident: acknowledged, lamps: {red: steady}}
  - {at: 15m, service: mfa, verdict: outage, blind: true, lamps: {white: steady, red: steady}}
"""
    status, out, err = play(SCRIPT + expect)
    assert (status, err) == (0, "")
    assert "every expectation holds" in out
    assert "mfa/sign-in: up → down, deadline (no answer)" in out
    assert "acknowledged incident 1 by analyst: mfa" in out
    assert "♪ three pulses" in out
    assert "  ─── Monday 12 January 2026, UTC ───" in out
    assert "  09:01:10    +0:01:10    mfa/sign-in: up → down, deadline (no answer)\n" in out
    assert f"\n{'':24}☼ red fast\n" in out


def test_each_expectation_that_fails_is_reported_with_its_place(play):
    expect = """\
  - {at: 2m, verdict: ok, lamps: {red: off, green: steady}, sounds: 3}
  - {at: 2m, service: nope, verdict: ok}
"""
    status, out, err = play(SCRIPT + expect)
    assert status == 1
    assert err.splitlines() == [
        "script.yaml:16:5: expect[0]: verdict is outage, not ok",
        "script.yaml:16:5: expect[0]: lamp red is fast, not off",
        "script.yaml:16:5: expect[0]: lamp green is off, not steady",
        "script.yaml:16:5: expect[0]: sounds is 1, not 3",
        "script.yaml:17:5: expect[1]: there is no service 'nope'",
    ]
    assert "5 expectation(s) do not hold" in out


def test_a_directory_is_every_script_in_it(play, tmp_path):
    (tmp_path / "all").mkdir()
    for name in ("b", "a"):
        text = SCRIPT.replace("title: A", f"title: {name}").replace("expect:\n", "")
        (tmp_path / "all" / f"{name}.yaml").write_text(text)
    out = io.StringIO()
    assert main([tmp_path / "all"], out=out, environ={}) == 0
    titles = [line for line in out.getvalue().splitlines() if line.endswith("sign-in fails")]
    assert titles == ["a sign-in fails", "b sign-in fails"]


CLAIMED = (
    SCRIPT.replace(
        "evidence: symptom}\n",
        "evidence: symptom, region: emea}\n"
        "        - {name: other, type: http, evidence: symptom, region: apac}\n"
        "        - {name: page, type: statuspage}\n",
    )
    .replace("expect:", "  - {at: 12m, endpoint: mfa/page, fail: vendor_incident}\nexpect:")
    .replace("  - {at: 6m, endpoint: mfa/sign-in, silent: true}\n", "")
)


def test_the_part_the_peak_and_the_lead_can_be_expected(play):
    expect = """\
  - {at: 2m, partial: true, peak: degraded, says: only region emea}
  - {at: 13m, service: mfa, partial: true, vendor_lead: 10m50s, cause: vendor}
"""
    assert play(CLAIMED + expect)[0::2] == (0, "")


OVER = """\
  - {at: 30m, endpoint: mfa/sign-in, pass: ok}
expect:
  - {at: 13m, incident: closed}
  - {at: 1h, incident: closed, peak: degraded, cause: vendor, vendor_lead: 10m50s}
  - {at: 1h, service: mfa, incident: none}
  - {at: 1h, incident: open}
  - {at: -1m, incident: closed}
"""


def test_that_an_incident_is_closed_can_be_expected(play):
    status, _, err = play(CLAIMED.replace("expect:\n", OVER))
    assert status == 1
    assert [line.partition("expect")[2] for line in err.splitlines()[-3:]] == [
        "[4]: incident is none, not closed",
        "[0]: incident is acknowledged, not closed",
        "[3]: incident is closed, not open",
    ]


EXPLAINED = "only region emea: mfa/sign-in: deadline (no answer)"


def test_what_was_shown_instead_of_part_peak_and_lead(play):
    expect = """\
  - {at: 2m, partial: false, peak: outage, vendor_lead: 1m, says: only factor}
  - {at: 13m, vendor_lead: 30m}
"""
    status, _, err = play(CLAIMED + expect)
    assert status == 1
    assert [line.partition("expect")[2] for line in err.splitlines()] == [
        "[0]: partial is True, not False",
        "[0]: peak is degraded, not outage",
        "[0]: vendor_lead is None, not +0:01:00",
        f"[0]: the explanation is '{EXPLAINED}', without 'only factor'",
        "[1]: vendor_lead is +0:10:50, not +0:30:00",
    ]


def test_a_share_of_the_readings(play):
    some = SCRIPT.replace("detail: no answer", "share: 0.05").replace("expect:\n", "")
    status, out, _ = play(some)
    assert status == 0
    assert "mfa/sign-in reads deadline, 5 % of its readings" in out
    assert "up → down" not in out


def test_the_timeline_as_json(play):
    status, out, _ = play(SCRIPT.replace("expect:\n", ""), as_json=True)
    printed = json.loads(out)
    assert status == 0
    assert printed["title"] == "A sign-in fails"
    assert {"at": 60.0, "what": "script", "text": "mfa/sign-in reads deadline"} in printed[
        "timeline"
    ]


RESTARTED = SCRIPT.replace("expect:\n", "  - {at: 10m, restart: {after: 90s}}\nexpect:\n").replace(
    "  - {at: 6m, endpoint: mfa/sign-in, silent: true}\n", ""
)


def test_a_dead_beacon_shows_nothing_and_comes_back_with_what_it_knew(play):
    expect = """\
  - {at: 9m59s, lamps: {red: steady}}
  - {at: 10m, lamps: dark, sounds: 0}
  - {at: 11m29s, lamps: {red: off, green: off}, sounds: 0}
  - {at: 11m30s, verdict: outage, lamps: {red: steady}, incident: acknowledged, sounds: 0}
  - {at: 15m, verdict: outage, lamps: {red: steady, white: off}, sounds: 0}
"""
    status, out, err = play(RESTARTED + expect)
    assert (status, err) == (0, "")
    assert "09:10:00    +0:10:00  · the beacon dies, and is back after 0:01:30\n" in out
    assert f"0:01:30\n{'':24}☼ dark\n" in out
    assert "09:11:30    +0:11:30  · the beacon starts again\n" in out
    assert "ended" not in out, "nothing was laid on"


def test_what_death_leaves_lit_is_shown(play):
    left = RESTARTED.replace("config:\n", "config:\n  tower: {on_death: [red, amber]}\n")
    expect = """\
  - {at: 11m, lamps: {red: steady, amber: steady, white: off}}
  - {at: 11m, lamps: dark, verdict: outage}
"""
    status, _, err = play(left + expect)
    assert status == 1
    assert [line.partition("expect")[2] for line in err.splitlines()] == [
        "[1]: lamp red is steady, not off",
        "[1]: lamp amber is steady, not off",
        "[1]: the beacon is dead: only lamps and sounds can be expected",
    ]


def test_what_happened_meanwhile_is_read_when_it_is_back(play):
    mended = RESTARTED.replace(
        "expect:\n", "  - {at: 11m, endpoint: mfa/sign-in, pass: ok}\nexpect:\n"
    ).replace("  - {at: 20m, endpoint: mfa/sign-in, pass: ok}\n", "")
    expect = "  - {at: 14m, verdict: recovering, incident: recovering}\n"
    assert play(mended + expect)[0::2] == (0, "")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{at: 11m, operator: acknowledge}", "events[6].at: the beacon is dead then"),
        ("{at: 11m30s, restart: {after: 5s}}", "a time after +0:11:30"),
        ("{at: 12m, restart: {}}", "events[6].restart: `after` is missing"),
        ("{at: 12m, restart: {after: soon}}", "events[6].restart.after: not a duration"),
        ("{at: 12m, restart: {after: 99999999h}}", "events[6].restart.after: dead for too long"),
        ("{at: 12m, restart: {after: 5s}, operator: silence}", "one of endpoint, operator, clock"),
    ],
)
def test_a_restart_that_cannot_be(play, line, message):
    text = RESTARTED.replace("restart: {after: 90s}}\n", f"restart: {{after: 90s}}}}\n  - {line}\n")
    status, out, err = play(text.replace("expect:\n", ""))
    assert (status, out) == (78, "")
    assert message in err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("at: 1m,", "at: 32d,", "events[0].at: too far from the start: 32d; at most 31d"),
        ("at: 1m,", "at: -99999999h,", "events[0].at: too far from the start"),
        ("2026-01-12T09:00:00Z", "9999-12-31T23:59:59Z", "start: not a moment of this age"),
        ("2026-01-12T09:00:00Z", "0001-01-01T00:00:00Z", "start: not a moment of this age"),
        ("at: 1m,", "at: soon,", "events[0].at: not a time: 'soon'"),
        ("fail: deadline", "fail: deadline, share: 1.5", "events[0].share"),
        ("fail: deadline", "fail: ok", "events[0].fail: not a reason to fail: 'ok'"),
        ("fail: deadline", "fail: deadline, warn: slow", "events[0]: one of pass, warn, fail"),
        ("fail: deadline", "fail: deadline, also: [x]", "events[0].also[0]: not a reason to fail"),
        ("fail: deadline", "warn: slow, also: [deadline]", "events[0].also[0]: not a reason to"),
        ("endpoint: mfa/sign-in, pass", "endpoint: mfa/x, pass", "unknown endpoint 'mfa/x'"),
        ("operator: acknowledge", "operator: shout", "events[1].operator: no command 'shout'"),
        ("operator: silence", "operator: shelve, service: x", "events[2].service: unknown 'x'"),
        (
            "operator: silence",
            "operator: silence, service: mfa",
            "events[2].service: silence concerns the whole tower",
        ),
        (
            "operator: silence",
            "operator: silence, for: 3h",
            "events[2].for: too long: at most 1 h",
        ),
        (
            "operator: silence",
            "operator: resume, on: false",
            "events[2].on: resume cannot be undone",
        ),
        ("operator: silence", "operator: drill, verdict: fire", "events[2].verdict: not allowed"),
        ("operator: silence", "operator: silence, endpoint: mfa/sign-in", "events[2]: one of"),
        ("2026-01-12T09:00:00Z", "yesterday", "start: not a moment: 'yesterday'"),
        ("type: http", "type: htpt", "unknown probe kind"),
        ("title: A", "titel: A", "did you mean title?"),
        ("title: A", "title: [A", "not valid YAML"),
        ("  services:", "  servces:", "config: `services` is missing"),
    ],
)
def test_a_script_that_cannot_be_used_says_where_and_why(play, old, new, message):
    assert old in SCRIPT
    status, out, err = play(SCRIPT.replace(old, new).replace("expect:\n", ""))
    assert (status, out) == (78, "")
    assert message in err
    assert err.startswith("script.yaml:")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0m", 0), ("-20m", -1200), ("1h30m", 5400), ("+90s", 90), ("13h44m", 49440), ("1.5h", 5400)],
)
def test_offsets(text, seconds):
    assert Offset.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "--1m", "1m 2", None])
def test_offsets_refused(text):
    with pytest.raises(SettingRefused):
        Offset.parse(text)


def test_a_moment_needs_its_zone():
    with pytest.raises(SettingRefused, match="has no zone"):
        ScriptMoment.parse("2026-01-12T09:00:00")


CONFIG = """\
site: here
tower: {driver: mock, preset: tower-3, lamps: {red: 17, amber: 27, green: 22}}
services: [{name: MFA, endpoints: [{name: sign-in, type: http, url: "http://127.0.0.1:9/"}]}]
"""


def test_on_the_tower_of_a_configuration(tmp_path, capsys):
    config, script = tmp_path / "beacon.yaml", tmp_path / "script.yaml"
    config.write_text(CONFIG)
    script.write_text(SCRIPT.replace("expect:\n", ""))
    given = ["replay", str(script), "--lamps", "-c", str(config)]
    assert cli([*given, "--speed", "1e9"]) == 0
    assert "☼ red fast" in capsys.readouterr().out


@pytest.mark.parametrize("speed", ["0", "-1", "inf", "nan", "quick"])
def test_a_speed_that_is_none(speed, capsys):
    with pytest.raises(SystemExit):
        cli(["replay", "script.yaml", "--speed", speed])
    assert "--speed" in capsys.readouterr().err


OPERATED = """\
title: Operators
start: 2026-01-12T09:00:00Z
config:
  services: [{name: MFA, endpoints: [{name: sign-in, type: http, evidence: symptom}]}]
events:
  - {at: 1m, operator: maintenance, by: Ann, reason: upgrade}
  - {at: 2m, operator: maintenance, by: Bob}
  - {at: 3m, operator: maintenance, on: false, by: Ann}
  - {at: 4m, operator: shelve, service: mfa, for: 30s}
  - {at: 5m, operator: drill, verdict: degraded, for: 1m}
expect:
  - {at: 90s, lamps: {blue: slow, green: off}}
  - {at: 3m30s, lamps: {blue: off, green: steady}}
  - {at: 4m20s, lamps: {blue: steady, green: off}}
  - {at: 4m40s, lamps: {blue: off, green: steady}}
  - {at: 5m30s, lamps: {blue: fast, amber: fast}, sounds: 1}
  - {at: 6m30s, lamps: {blue: off, green: steady}}
"""


def test_operators_act_and_are_refused_in_the_timeline(play):
    status, out, err = play(OPERATED)
    assert (status, err) == (0, "")
    assert "· Ann: maintenance" in out
    assert "► maintenance: mfa by Ann" in out
    assert "► maintenance by Bob is refused: maintenance is on already" in out
    assert "· Ann: maintenance off" in out
    assert "► maintenance: ended" in out
    assert "· operator: shelve mfa" in out


def test_what_our_own_clock_does_is_in_the_timeline(play):
    lines = """\
  - {at: 1m, clock: before_build}
  - {at: 2m, clock_set: 90d}
  - {at: 3m, clock: plausible}
  - {at: 4m, clock: synchronised}
  - {at: 5m, clock: unsynchronised}
  - {at: 6m, endpoint: mfa/sign-in, pass: ok, clock_offset: -40s, resolver: false}
"""
    status, out, err = play(SCRIPT.replace("expect:\n", lines))
    assert (status, err) == (0, "")
    for line in (
        "our clock: before build",
        "our clock is set 90 days, 0:00:00 forward",
        "our clock: synchronised",
        "mfa/sign-in reads ok (our resolver is silent), our clock is 0:00:40 ahead",
    ):
        assert line in out


def test_a_boot_is_not_preceded_by_good_times(play):
    silent = "events:\n  - {at: 0s, endpoint: mfa/sign-in, silent: true}\n"
    expect = "  - {at: 10s, blind: true, lamps: {green: off, white: slow}}\n"
    status, out, err = play(SCRIPT.replace("events:\n", silent) + expect)
    assert status == 1, "it was well before"
    status, out, err = play("boot: true\n" + SCRIPT.replace("events:\n", silent) + expect)
    assert (status, err) == (0, "")
    assert "-0:0" not in out


UNDATED = """\
title: The date is before the build
start: 2026-01-12T09:00:00Z
config:
  services:
    - {name: By Code, endpoints: [{name: sign-in, type: flow}]}
    - {name: By Duo, endpoints: [{name: sign-in, type: duo}]}
    - {name: Page, endpoints: [{name: page, type: http}]}
    - {name: Plain, endpoints: [{name: page, type: http, url: "http://idp.example.com/"}]}
    - {name: Name, endpoints: [{name: record, type: dns}]}
events:
  - {at: 1m, clock: before_build}
expect:
  - {at: 10m, service: by-code, verdict: blind, cause: own clock}
  - {at: 10m, service: by-duo, verdict: blind, cause: own clock}
  - {at: 10m, service: page, verdict: blind, cause: own clock}
  - {at: 10m, service: plain, verdict: ok}
  - {at: 10m, service: name, verdict: ok}
"""


def test_a_probe_whose_settings_are_left_out_needs_our_clock_as_it_usually_does(play):
    assert play(UNDATED)[0::2] == (0, "")


USUAL = """\
title: Slower than usual, without a limit
start: 2026-01-12T09:00:00Z
config: {services: [{name: Page, endpoints: [{name: page, type: http, evidence: symptom}]}]}
events:
  - {at: -2d, endpoint: page/page, pass: ok, latency: 200ms}
  - {at: 0m, restart: {after: 5s}}
  - {at: 1h, endpoint: page/page, pass: ok, latency: 3s}
expect:
  - {at: 59m, verdict: ok}
  - {at: 1h10m, verdict: degraded}
"""


def test_what_is_usual_is_learnt_as_live_and_kept_over_a_restart(play):
    assert play(USUAL)[0::2] == (0, "")
    assert play(USUAL.replace("  - {at: 0m, restart: {after: 5s}}\n", ""))[0::2] == (0, "")
