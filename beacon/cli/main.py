"""The command line: commands, what they print, their exit statuses.

Everything a command needs is imported when it runs: `beacon --version` must cost nothing
on a small machine.
"""
# ruff: noqa: PLC0415 - see above

import argparse
import contextlib
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from beacon import __version__
from beacon.cli import streams

if TYPE_CHECKING:
    from beacon.cli.dns_check import DnsCheck
    from beacon.config.schema import Config

OK: Final = 0
BROKEN: Final = 1
REFUSED: Final = 1
NO_BEACON: Final = 3
USAGE: Final = 64
BAD_CONFIG: Final = 78

LAMPS_SPEED: Final = 60.0
"""Replayed seconds for each real one on the tower, if none are asked for."""

OF_VERDICT: Final = {
    "ok": 0,
    "advisory": 1,
    "degraded": 1,
    "recovering": 1,
    "outage": 2,
    "gray_failure": 2,
    "blind": 3,
}
OF_OUTCOME: Final = {"pass": 0, "warn": 1, "fail": 2, "error": 3}
NOT_ASKED: Final = OF_OUTCOME["error"]
"""Of `probe`, also where the configuration does not let it ask: 78 would not be in its table."""

SYSTEM_SOCKET: Final = Path("/run/mfa-beacon/control.sock")
"""Where the installed service serves."""

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    streams.prepare()
    status = OK
    try:
        args = parser().parse_args(arguments)
        command: Command = args.command
        status = command(args)
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # the reader has seen enough (`| head`)
    except KeyboardInterrupt:
        status = 130
    except OSError as error:  # standard output on a full disk
        _complain(f"beacon: {error}")
        status = BROKEN
    finally:
        streams.give_up()
    return status


# --- the parser -------------------------------------------------------------------


class ArgumentParser(argparse.ArgumentParser):
    """Usage errors exit with 64."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and how it goes."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")

    def parse_known_args(  # type: ignore[override]  # whoever calls us wants it all known
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Refuse what is not known here, where the usage is that of the command."""
        found, left = super().parse_known_args(args, namespace)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return found, left


def parser() -> ArgumentParser:
    """Every command with its options."""
    root = ArgumentParser(
        prog="beacon",
        description="A light stack that knows first when multi-factor sign-in fails.",
        epilog="`beacon COMMAND --help` says more, with an example.",
    )
    root.add_argument("--version", action="version", version=f"beacon {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _daemon_commands(commands)
    _trial_commands(commands)
    _asking_commands(commands)
    _operator_commands(commands)
    _suppressing_commands(commands)
    _recording_commands(commands)
    _dns_commands(commands)
    _sandbox_commands(commands)
    return root


def _add(commands: Any, name: str, run: Command, summary: str, example: str) -> ArgumentParser:  # noqa: ANN401 - argparse has no public type for it
    added: ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.set_defaults(command=run)
    return added


def _daemon_commands(commands: Any) -> None:  # noqa: ANN401
    run = _add(
        commands, "run", _run, "the daemon", "beacon run -c config/beacon.yaml --state-dir .state"
    )
    _takes_config(run)
    _takes_state(run)
    run.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="least level that is logged to stderr (default: info)",
    )
    run.add_argument(
        "--caption", default="", metavar="TEXT", help="a line under the tower in the terminal"
    )
    check = _add(
        commands,
        "check",
        _check,
        "every problem in the configuration",
        "beacon check -c /etc/mfa-beacon/beacon.yaml",
    )
    _takes_config(check)
    _add(
        commands,
        "schema",
        _schema,
        "the JSON schema of the configuration, for editors",
        "beacon schema > beacon.schema.json",
    )


def _trial_commands(commands: Any) -> None:  # noqa: ANN401
    probe = _add(
        commands, "probe", _probe, "one run of one endpoint", "beacon probe entra-mfa/sign-in -v"
    )
    probe.add_argument("endpoint", metavar="ENDPOINT", help="its id: service/endpoint")
    probe.add_argument("-v", "--verbose", action="store_true", help="show the conversation")
    _takes_config(probe)
    _takes_state(probe)
    _takes_json(probe)
    replay = _add(
        commands,
        "replay",
        _replay,
        "a scripted incident through the same core",
        "beacon replay incidents --speed 600",
    )
    replay.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="a script, or a directory of them"
    )
    replay.add_argument(
        "--speed", type=_speed, metavar="N", help="paced: N replayed seconds for each real one"
    )
    replay.add_argument(
        "--lamps", action="store_true", help="on the tower of the configuration; 60 times as fast"
    )
    _takes_config(replay)
    _takes_json(replay)
    lamps = _add(
        commands,
        "lamp-test",
        _lamp_test,
        "every lamp and the buzzer in turn",
        "beacon lamp-test -c config/beacon.yaml",
    )
    _takes_config(lamps)
    _takes_state(lamps)


def _asking_commands(commands: Any) -> None:  # noqa: ANN401
    status = _add(commands, "status", _status, "what the running daemon sees", "beacon status")
    _takes_state(status)
    _takes_json(status)
    incidents = _add(
        commands,
        "incidents",
        _incidents,
        "every incident that is remembered, or the story of one",
        "beacon incidents 3",
    )
    incidents.add_argument("incident", metavar="ID", nargs="?", help="its id, or its number")
    _takes_state(incidents)
    _takes_json(incidents)
    explain = _add(
        commands,
        "explain",
        _explain,
        "why a service is shown as it is, and what would change that",
        "beacon explain entra-mfa",
    )
    explain.add_argument("service", metavar="SERVICE", help="its id")
    _takes_state(explain)
    _takes_json(explain)


def _operator_commands(commands: Any) -> None:  # noqa: ANN401
    acknowledge = _add(
        commands,
        "acknowledge",
        _acknowledge,
        "say that somebody has seen it: no flashing, no sound",
        'beacon acknowledge entra-mfa --reason "with the vendor"',
    )
    acknowledge.add_argument("service", metavar="SERVICE", nargs="?", help="only this one")
    silence = _add(
        commands,
        "silence",
        _silence,
        "no sound until the incident ends, at most an hour",
        "beacon silence --for 30m",
    )
    silence.add_argument(
        "--for", dest="time", metavar="TIME", default="1h", help="30m, 1h (default)"
    )
    silence.add_argument("--off", action="store_true", help="sound again")
    acknowledge.add_argument("--off", action="store_true", help="undo it: it asks again")
    for each in (acknowledge, silence):
        _takes_reason(each)
    resume = _add(
        commands,
        "resume",
        _resume,
        "let a sign-in that the guard stopped be tried once more",
        "beacon resume entra-mfa/sign-in --reason unlocked",
    )
    resume.add_argument(
        "service", metavar="ID", nargs="?", help="of a service or an endpoint; all, if left out"
    )
    _takes_reason(resume)


def _suppressing_commands(commands: Any) -> None:  # noqa: ANN401
    shelve = _add(
        commands,
        "shelve",
        _laid("shelve", "shelved", "taken back"),
        "put a service aside for a time: no red, amber or sound from it",
        "beacon shelve sms-codes --for 2h --reason ticket-17",
    )
    shelve.add_argument(
        "service", metavar="SERVICE", nargs="?", help="with --off: all, if left out"
    )
    _takes_time(shelve, "default 1h, at most 8h")
    maintenance = _add(
        commands,
        "maintenance",
        _laid("maintenance", "in maintenance", "maintenance ended"),
        "planned work: no red, amber or sound for a time",
        "beacon maintenance entra-mfa --for 3h --reason upgrade",
    )
    maintenance.add_argument("service", metavar="SERVICE", nargs="?", help="all, if left out")
    _takes_time(maintenance, "default 4h, at most 7d")
    _can_be_undone(shelve, maintenance)


def _recording_commands(commands: Any) -> None:  # noqa: ANN401
    bypass = _add(
        commands,
        "bypass",
        _laid("bypass", "bypass recorded", "bypass ended"),
        "record that MFA is switched off as a mitigation; reminds when all is well again",
        "beacon bypass entra-mfa --reason approved-by-the-CISO",
    )
    bypass.add_argument("service", metavar="SERVICE", nargs="?", help="all, if left out")
    attest = _add(
        commands,
        "attest",
        _laid("attest", "attested", "attestation withdrawn"),
        "record that something was tested by hand",
        "beacon attest break-glass-accounts",
    )
    attest.add_argument("service", metavar="THING", nargs="?", help="its id; the only one there is")
    drill = _add(
        commands,
        "drill",
        _laid("drill", "drill begun", "drill ended"),
        "rehearse a verdict on the real tower, without an incident",
        "beacon drill gray_failure --for 10m",
    )
    verdicts = ("outage", "gray_failure", "degraded", "recovering", "advisory", "blind")
    drill.add_argument("verdict", choices=verdicts, nargs="?", default="outage")
    _takes_time(drill, "default 15m, at most 1h")
    _can_be_undone(bypass, attest, drill)


def _can_be_undone(*commands: ArgumentParser) -> None:
    for each in commands:
        each.add_argument("--off", action="store_true", help="undo it")
        _takes_reason(each)


def _takes_time(command: ArgumentParser, bounds: str) -> None:
    command.add_argument("--for", dest="time", metavar="TIME", help=f"30m, 2h; {bounds}")


def _takes_reason(command: ArgumentParser) -> None:
    command.add_argument("--reason", default="", help="why; recorded")
    _takes_state(command)
    _takes_json(command)


def _dns_commands(commands: Any) -> None:  # noqa: ANN401
    group = commands.add_parser(
        "dns",
        help="the DNS records that mailed codes depend on, before they are changed",
        description="The DNS records that mailed codes depend on, before they are changed.",
        epilog="example:\n  beacon dns golden otp.example.com --selector s1 > golden.yaml\n"
        "  beacon dns check golden.yaml --zone otp.example.com.zone",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    golden = _add(
        parts,
        "golden",
        _dns_golden,
        "write the present records of domains that send codes, to compare with later",
        "beacon dns golden otp.example.com --selector s1 --sender 192.0.2.10 > golden.yaml",
    )
    golden.add_argument("domains", metavar="DOMAIN", nargs="+", help="a domain that sends codes")
    golden.add_argument(
        "--selector",
        dest="selectors",
        action="append",
        default=[],
        metavar="NAME",
        help="of a DKIM key; repeatable",
    )
    golden.add_argument(
        "--sender",
        dest="senders",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="that sends the codes; repeatable",
    )
    check = _add(
        parts,
        "check",
        _dns_check,
        "compare the DNS, a server or a proposed zone file with a golden file",
        "beacon dns check golden.yaml --zone otp.example.com.zone --json",
    )
    check.add_argument("file", metavar="FILE", type=Path, help="of `beacon dns golden`")
    check.add_argument(
        "--zone", type=Path, metavar="ZONEFILE", help="as it shall be served; else live DNS"
    )
    check.add_argument(
        "--origin", metavar="NAME", help="of the zone file, if it has no $ORIGIN to begin with"
    )
    _takes_json(check)
    for each in (golden, check):
        _takes_config(each)
        _takes_servers(each)


def _takes_servers(command: ArgumentParser) -> None:
    for name, meaning in (
        ("server", "asked instead of those the zone is delegated to"),
        ("resolver", "asked instead of those of /etc/resolv.conf"),
    ):
        command.add_argument(
            f"--{name}",
            dest=f"{name}s",
            action="append",
            default=[],
            metavar="ADDRESS",
            help=f"{meaning}; with a port or without; repeatable",
        )


def _sandbox_commands(commands: Any) -> None:  # noqa: ANN401
    sandbox = commands.add_parser(
        "sandbox",
        help="a local identity provider to try things on",
        description="A local identity provider to try things on (extra `demo`).",
        epilog="example:\n  beacon sandbox serve",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = sandbox.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve = _add(
        parts, "serve", _delegate("serve"), "run it until a signal", "beacon sandbox serve"
    )
    serve.add_argument("--slow", type=float, default=9.0, help="seconds of a slow sign-in")
    serve.add_argument("--period", type=int, default=30, help="seconds of one TOTP step")
    broken = _add(
        parts, "break", _delegate("break_"), "break or mend it", "beacon sandbox break outage"
    )
    broken.add_argument("fault", choices=("slow", "outage", "dns", "claim", "recover"))
    watch = _add(
        parts, "watch", _delegate("watch"), "print what is published", "beacon sandbox watch"
    )
    watch.add_argument(
        "topic", nargs="?", default="mfa-beacon/#", help="MQTT filter (default: mfa-beacon/#)"
    )
    demo = _add(
        commands,
        "demo",
        _delegate("demo"),
        "sandbox, daemon and a scripted incident",
        "beacon demo",
    )
    demo.add_argument("-c", "--config", metavar="FILE", default="config/demo.yaml")
    for each, wanted in (
        (serve, "http dns mqtt"),
        (broken, "http"),
        (watch, "mqtt"),
        (demo, "http dns mqtt"),
    ):
        _takes_ports(each, wanted.split())


def _takes_config(command: ArgumentParser) -> None:
    command.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        type=Path,
        help="default: $BEACON_CONFIG, /etc/mfa-beacon/beacon.yaml, ./config/beacon.yaml",
    )


def _takes_state(command: ArgumentParser) -> None:
    command.add_argument(
        "--state-dir",
        metavar="DIR",
        type=Path,
        help="default: $STATE_DIRECTORY, ~/.local/state/mfa-beacon",
    )


def _takes_json(command: ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON document")


def _takes_ports(command: ArgumentParser, wanted: Sequence[str]) -> None:
    defaults = {"http": 8480, "dns": 8453, "mqtt": 8483}
    for name in wanted:
        command.add_argument(
            f"--{name}-port",
            type=_port,
            default=defaults[name],
            metavar="PORT",
            help="on 127.0.0.1",
        )


def _port(text: str) -> int:
    """A TCP or UDP port; raises `ValueError` for argparse to tell."""
    port = int(text)
    if not 1 <= port <= 65535:
        raise ValueError
    return port


# --- where things are -------------------------------------------------------------


def config_path(given: Path | None, environ: Mapping[str, str]) -> Path:
    """The configuration: as given, else the first of the usual places that exists."""
    if given is not None:
        return given
    if environ.get("BEACON_CONFIG"):
        return Path(environ["BEACON_CONFIG"])
    installed, local = Path("/etc/mfa-beacon/beacon.yaml"), Path("config/beacon.yaml")
    if not installed.exists() and not local.exists():
        _complain("beacon: neither -c nor $BEACON_CONFIG names a configuration; looked for:")
        _complain(f"  {installed}, then ./{local}")
    return installed if installed.exists() or not local.exists() else local


def state_directory(given: Path | None, environ: Mapping[str, str]) -> Path:
    """The state: $STATE_DIRECTORY (systemd), else as given, else below the home directory."""
    told = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if told:
        return Path(told)
    if given is not None:
        return given
    try:
        return Path.home() / ".local/state/mfa-beacon"
    except RuntimeError:
        _complain("beacon: this user has no home directory: name one with --state-dir")
        raise SystemExit(USAGE) from None


def sockets(given: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """Where a daemon may serve: only in the given state directory, else the usual places."""
    from beacon.outputs.control.socket import NAME, socket_path

    state = state_directory(given, environ)
    own = socket_path(state, environ)
    return [own] if given is not None else [own, SYSTEM_SOCKET, state / NAME]


def _load(
    args: argparse.Namespace,
    bad: int = BAD_CONFIG,
    tell: Callable[[str], None] | None = None,
    *,
    starting: bool = False,
) -> "Config":
    """The configuration; every problem on stderr and this exit status if it has any."""
    tell = tell or _complain
    from beacon.config.problems import ConfigError
    from beacon.daemon.life import load_config

    try:
        path = config_path(args.config, os.environ)
        config = load_config(path, os.environ, starting=starting)
    except ConfigError as error:
        for problem in error.problems:
            tell(str(problem))
        raise SystemExit(bad) from None
    for warning in config.warnings:
        tell(f"warning: {warning}")
    return config


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it: the exit status still counts
        print(text, file=sys.stderr)


def _show(text: str) -> None:
    """Print an answer. A reader that has seen enough (`| head`) leaves the exit status as it is."""
    with contextlib.suppress(BrokenPipeError):
        print(text)


# --- daemon -----------------------------------------------------------------------


def _run(args: argparse.Namespace) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        # Until the daemon has its own: nothing has begun, so nothing needs to be ended.
        signal.signal(number, lambda *_: os._exit(OK))
    import faulthandler

    from beacon.daemon.life import CannotStart, Surroundings, serve
    from beacon.outputs.journal import FLUSH_WITHIN, set_up

    faulthandler.enable()  # the watchdog's SIGABRT leaves where every thread was
    writer = set_up(args.log_level, os.environ)
    try:
        config = _load(args, tell=writer.say, starting=True)
    except SystemExit:
        writer.drain(FLUSH_WITHIN)
        raise
    place = Surroundings(
        config=config_path(args.config, os.environ),
        state_directory=state_directory(args.state_dir, os.environ),
        environ=os.environ,
        draw=sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"),
        caption=args.caption,
    )
    try:
        status = serve(place, config)
    except CannotStart as error:
        writer.say(f"beacon: {error}")
        status = BROKEN
    writer.drain(FLUSH_WITHIN)
    streams.finish(FLUSH_WITHIN)
    # Everything has ended in order; a worker stuck in getaddrinfo shall not hold us.
    os._exit(status)


def _check(args: argparse.Namespace) -> int:
    config = _load(args)
    site = config.watched
    counts = f"services: {len(site.services)}, endpoints: {len(site.endpoints)}"
    print(f"{config.path}: sound; {counts}, of them witnesses: {len(site.witnesses)}")
    return OK


def _schema(_args: argparse.Namespace) -> int:
    from beacon import probes
    from beacon.config.json_schema import schema_json

    print(schema_json(kinds=probes.kinds, load_kind=probes.load))
    return OK


# --- trying things ----------------------------------------------------------------


def _probe(args: argparse.Namespace) -> int:
    """Exit as monitoring plugins do: whatever cannot be tried is an error (3) too."""
    import shutil

    config = _load(args, bad=NOT_ASKED)
    if args.endpoint not in config.probes:
        _no_endpoint(args.endpoint, config.probes)
        return OF_OUTCOME["error"]
    from beacon.cli.probe_once import try_endpoint
    from beacon.otp.used_codes import LEDGER
    from beacon.outputs.control.socket import ask
    from beacon.outputs.control.used_codes import share

    asked = sockets(args.state_dir, os.environ)
    state = state_directory(args.state_dir, os.environ)
    codes = ""
    if any(each.id == args.endpoint and each.sign_in for each in config.watched.endpoints):
        codes = share(LEDGER, lambda request: ask(asked, request), state, f"probe {os.getpid()}")
    if args.verbose and codes:
        _complain(codes)
    trial = try_endpoint(config, args.endpoint, _wait, codes)
    width = shutil.get_terminal_size().columns
    _show(json.dumps(trial.document()) if args.json else trial.text(width, verbose=args.verbose))
    return OF_OUTCOME[trial.reading.outcome]


def _no_endpoint(name: str, known: Iterable[str]) -> None:
    from beacon.config.problems import alike

    near = [each for each in known if name and name.lower() in each]
    near = near or alike(name.lower(), known, 5, 0.4)
    _complain(f"beacon probe: no endpoint {name!r}; {'near it' if near else 'there'} is:")
    for endpoint in near or known:
        _complain(f"  {endpoint}")


def _wait(seconds: float) -> None:
    _complain(f"waiting {seconds:.0f} s for a one-time code that was surely not used before")
    time.sleep(seconds)


def _replay(args: argparse.Namespace) -> int:
    from beacon.replay.play import main as replay

    if args.lamps:
        return _replay_on_lamps(args)
    return replay(args.files, as_json=args.json, speed=args.speed)


def _replay_on_lamps(args: argparse.Namespace) -> int:
    from beacon.engine.clock import SystemClock
    from beacon.outputs.tower.channels import TowerError
    from beacon.outputs.tower.gpio import open_lines
    from beacon.replay.play import main as replay
    from beacon.replay.tower import ReplayTower

    tower = _load(args).tower
    try:
        lines = open_lines(tower)
    except TowerError as error:
        _complain(f"beacon: {error}")
        return BROKEN
    with ReplayTower(tower, SystemClock(), lines) as lent:
        return replay(
            args.files,
            as_json=args.json,
            speed=args.speed or LAMPS_SPEED,
            wait=lent.wait,
            show=lent.show,
        )


def _speed(text: str) -> float:
    """Replayed seconds for each real one; raises `ValueError` for argparse to tell."""
    speed = float(text)
    if not 0 < speed < math.inf:
        raise ValueError
    return speed


def _lamp_test(args: argparse.Namespace) -> int:
    from beacon.daemon.life import CannotStart, walk_lamps
    from beacon.outputs.control.socket import NoBeacon, NotAllowed, NotAnswering, ask

    try:
        answer = ask(sockets(args.state_dir, os.environ), {"action": "lamp_test"})
    except (NotAllowed, NotAnswering) as error:
        _complain(f"beacon: {error}")
        return BROKEN
    except NoBeacon:
        pass
    else:
        print("the running daemon tests its lamps" if answer["ok"] else answer["error"])
        return OK if answer["ok"] else REFUSED
    try:
        walk_lamps(_load(args, bad=BROKEN), print)
    except CannotStart as error:
        _complain(f"beacon: {error}")
        return BROKEN
    return OK


# --- the DNS before it is changed -------------------------------------------------


def _dns_golden(args: argparse.Namespace) -> int:
    from beacon.cli.dns_check import CannotAsk, ExitStatus, told_golden

    try:
        text, found = _preflight(args).golden(args.domains)
    except CannotAsk as error:
        _complain(f"beacon dns golden: {error}")
        return ExitStatus.UNASKED
    for line in told_golden(found):
        _complain(f"beacon dns golden: wrong already: {line}")
    print(text, end="")
    return OK


def _dns_check(args: argparse.Namespace) -> int:
    import shutil

    from beacon.cli.dns_check import CannotAsk, ExitStatus, load

    try:
        report = _preflight(args).check(load(args.file), args.zone, args.origin)
    except CannotAsk as error:
        if args.json:
            print(json.dumps({"status": "unasked", "error": str(error)}))
        _complain(f"beacon dns check: {error}")
        return ExitStatus.UNASKED
    width = min(shutil.get_terminal_size().columns, 100)
    _show(json.dumps(report.document()) if args.json else report.text(width))
    return report.status


def _preflight(args: argparse.Namespace) -> "DnsCheck":
    """What asks for both commands; wrong options exit with 64."""
    from beacon.cli.dns_check import CheckScope, DnsCheck, wrong
    from beacon.engine.clock import SystemClock

    asked = CheckScope(
        resolvers=tuple(args.resolvers),
        servers=tuple(args.servers),
        selectors=tuple(vars(args).get("selectors", ())),
        senders=tuple(vars(args).get("senders", ())),
    )
    names = [*vars(args).get("domains", ()), *filter(None, [vars(args).get("origin")])]
    problem = wrong(asked, names)
    if problem:
        _complain(f"beacon dns: {problem}")
        raise SystemExit(USAGE)
    config = None if args.config is None else _load(args, bad=NOT_ASKED)
    return DnsCheck(SystemClock(), asked, config)


# --- the operator -----------------------------------------------------------------


def _status(args: argparse.Namespace) -> int:
    answer = _asked(args, {"action": "status"})
    if answer is None:
        return NO_BEACON
    if args.json:
        _show(json.dumps(answer))
    elif answer["ok"]:
        _show("\n".join(told(answer)))
    else:
        _complain(f"beacon: {answer['error']}")
    return OF_VERDICT[answer["state"]["verdict"]] if answer["ok"] else NO_BEACON


def _incidents(args: argparse.Namespace) -> int:
    from beacon.outputs.history import incidents

    return _told(args, {"action": "incidents", "incident": args.incident}, incidents.told)


def _explain(args: argparse.Namespace) -> int:
    return _told(args, {"action": "explain", "service": args.service}, explained)


def _told(
    args: argparse.Namespace,
    request: Mapping[str, Any],
    tell: Callable[[Mapping[str, Any]], Sequence[str]],
) -> int:
    """Ask, and tell the answer in lines."""
    answer = _asked(args, request)
    if answer is None:
        return NO_BEACON
    if args.json:
        _show(json.dumps(answer))
    elif answer["ok"]:
        _show("\n".join(tell(answer)))
    else:
        _complain(f"beacon: {answer['error']}")
    return OK if answer["ok"] else REFUSED


def explained(answer: Mapping[str, Any]) -> list[str]:
    """The explanation in words, line by line."""
    verdict = answer["verdict"].replace("_", " ")
    lines = [f"{answer['service']}: {verdict} since {_clock(answer['since'])}"]
    lamps = [f"{colour} {pattern}" for colour, pattern in answer["lamps"].items()]
    lines.append(f"  asks for: {', '.join(lamps) or 'no lamp'}")
    lines += [f"  because: {why}" for why in answer["why"]]
    lines += [f"  {_overlay(each)}" for each in answer["overlaid"]]
    lines += [f"  {line}" for line in _silent(answer)]
    lines += _next(answer["next"], "  ")
    for name, each in answer["endpoints"].items():
        lines += [
            "",
            f"{name} ({each['evidence']}): {each['health']} since {_clock(each['since'])}",
        ]
        if each["reason"]:
            took = "" if each["latency_ms"] is None else f", {each['latency_ms']:.0f} ms"
            read = _ago(each["read_at"], answer["at"]) if each["read_at"] else ""
            detail = f" ({each['detail']})" if each["detail"] else ""
            lines.append(f"  last: {each['outcome']}, {each['reason']}{detail}{took}{read}")
        lines.append(f"  {each['standing']}")
        lines += [f"  {each['pace']}"] if each.get("pace") else []
        lines += [f"  {fared}" for fared in each.get("arrivals", ())]
        lines += _next(each["next"], "  ")
    return lines


def _ago(moment: str, now: str) -> str:
    from datetime import datetime

    age = datetime.fromisoformat(now) - datetime.fromisoformat(moment)
    return f", read {age.total_seconds():.0f} s ago ({_clock(moment)})"


def _next(prospects: Sequence[Mapping[str, Any]], indent: str) -> list[str]:
    return [
        f"{indent}next: {each['what']}" + (f" ({_clock(each['at'])})" if each["at"] else "")
        for each in prospects
    ]


def _acknowledge(args: argparse.Namespace) -> int:
    return _laid("acknowledge", "acknowledged", "asks again")(args)


def _resume(args: argparse.Namespace) -> int:
    request = {"action": "resume", "service": args.service, "reason": args.reason}
    return _ordered(args, request, "resumed: it is tried once, and stops again if rejected")


def _silence(args: argparse.Namespace) -> int:
    return _laid("silence", "silent", "sound again")(args)


def _laid(action: str, done: str, undone: str) -> Command:
    """A command that lays something on, and with --off takes it off again."""

    def run(args: argparse.Namespace) -> int:
        from beacon.config.fields import Duration, SettingRefused

        request = {"action": action, "on": not args.off, "reason": args.reason}
        chosen = vars(args)
        try:
            if chosen.get("time") is not None:
                request["seconds"] = float(Duration.parse(args.time))
        except SettingRefused as refused:
            _complain(f"beacon {action}: --for: {refused.message}; {refused.allowed}")
            return USAGE
        request |= {k: chosen[k] for k in ("service", "verdict") if k in chosen}
        return _ordered(args, request, undone if args.off else done)

    return run


def _ordered(args: argparse.Namespace, request: Mapping[str, Any], done: str) -> int:
    answer = _asked(args, request)
    if answer is None:
        return NO_BEACON
    if args.json:
        _show(json.dumps(answer))
    elif answer["ok"]:
        _show(done + _laid_over(request, answer.get("overlays", ())))
    else:
        _complain(f"beacon: {answer['error']}")
    return OK if answer["ok"] else REFUSED


def _laid_over(request: Mapping[str, Any], overlays: Sequence[Mapping[str, Any]]) -> str:
    """Over what something was laid, until when, and how to undo it."""
    if not overlays:
        return ""
    subjects = ", ".join(each["subject"] for each in overlays)
    until = overlays[0]["until"]
    ends = f"until {_clock(until)}" if until else "until it is ended"
    one = f" {request['service']}" if request.get("service") else ""
    return f": {subjects}, {ends}; to undo it: beacon {request['action']}{one} --off"


def _asked(args: argparse.Namespace, request: Mapping[str, Any]) -> dict[str, Any] | None:
    from beacon.outputs.control.socket import NoBeacon, ask

    try:
        return ask(sockets(args.state_dir, os.environ), request)
    except NoBeacon as error:
        _complain(f"beacon: {error}")
        return None


def told(answer: Mapping[str, Any]) -> list[str]:
    """The status in words, line by line."""
    state = answer["state"]
    beside = [word for word in ("blind", "starting") if state[word] and state["verdict"] != word]
    lines = [", ".join([state["verdict"].upper().replace("_", " "), *beside, *state["overlays"]])]
    lines[0] += f"  since {_clock(state['since'])}"
    for name, service in answer["services"].items():
        words = [service["verdict"].replace("_", " "), *service.get("overlays", ())]
        words += ["first-out"] if name == state.get("first_out") else []
        lines += ["", f"{name}: {', '.join(words)}"]
        if service["explanation"]:
            lines.append(f"  {service['explanation']}")
        lines += [_endpoint(each, answer["endpoints"].get(each)) for each in service["endpoints"]]
    lines += ["", *(line for each in answer["incidents"] for line in _incident(each))]
    lines += [_overlay(each) for each in answer.get("overlays", ())]
    lines += _silent(answer)
    lamps = [f"{colour} {word}" for colour, word in answer["lamps"].items() if word != "off"]
    lines.append(f"lamps: {', '.join(lamps) or 'dark'}")
    lines.append(f"network: {state['network']}, clock: {state['clock']}")
    if state.get("storage_degraded"):
        lines.append("storage: degraded, a restart may forget what is shown here")
    return lines


def _endpoint(name: str, read: Mapping[str, Any] | None) -> str:
    if read is None:
        return f"  {name:<32} unknown   not yet asked"
    took = "" if read["latency_ms"] is None else f"  {read['latency_ms']:.0f} ms"
    detail = f"  {read['detail']}" if read["detail"] else ""
    return f"  {name:<32} {read['health']:<9} {read['reason']}{took}{detail}"


def _incident(incident: Mapping[str, Any]) -> list[str]:
    by = f" by {incident['acknowledged_by']}" if incident["acknowledged_by"] else ""
    runbook = incident["runbook"] or ""
    return [
        f"incident {incident['id']}",
        f"  {incident['service']}: {incident['state']}{by}, since {_clock(incident['since'])}",
        f"  first {incident['first_out']}; `beacon incidents {incident['number']}` tells more",
        *(f"  {step}" for step in runbook.splitlines()),
    ]


def _silent(answer: Mapping[str, Any]) -> list[str]:
    silence = answer.get("silence")
    return [] if silence is None else [_laid_on("silence", silence)]


def _overlay(overlay: Mapping[str, Any]) -> str:
    return _laid_on(f"{overlay['kind']} {overlay['subject']}", overlay)


def _laid_on(what: str, overlay: Mapping[str, Any]) -> str:
    until = f", until {_clock(overlay['until'])}" if overlay["until"] else ""
    why = f": {overlay['reason']}" if overlay["reason"] else ""
    return f"{what}: by {overlay['by']}, since {_clock(overlay['since'])}{until}{why}"


def _clock(moment: str) -> str:
    """UTC to the nearest second, as people read it."""
    from datetime import datetime, timedelta

    nearest = datetime.fromisoformat(moment) + timedelta(milliseconds=500)
    return f"{nearest:%Y-%m-%d %H:%M:%S} UTC"


# --- the sandbox ------------------------------------------------------------------


def _delegate(name: str) -> Command:
    def run(args: argparse.Namespace) -> int:
        from beacon.sandbox import commands

        command: Command = getattr(commands, name)
        return command(args)

    return run
