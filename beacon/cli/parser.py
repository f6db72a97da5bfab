"""The commands of `beacon` with their options, and which function runs each."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from beacon import __version__
from beacon.cli import operator_commands, run_commands
from beacon.cli.exit_status import ExitStatus
from beacon.cli.streams import print_error
from beacon.core.operator.commands import COMMANDS, REHEARSED, LampTest, span

Commands = Any
"""What `add_subparsers` returns: argparse has no public type for it."""


class ArgumentParser(argparse.ArgumentParser):
    """Usage errors exit with 64."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong. argparse of 3.11.2 raises where nobody reads it."""
        print_error(f"{self.format_usage()}{self.prog}: {message}")
        self.exit(ExitStatus.USAGE)

    def parse_known_args(  # type: ignore[override]  # argparse types more ways to call it
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Refuse unknown arguments here, so that the usage printed is that of the command."""
        found, left = super().parse_known_args(args, namespace)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return found, left


def parser() -> ArgumentParser:
    """Build the parser of all commands."""
    root = ArgumentParser(
        prog="beacon",
        description="A light stack that knows first when multi-factor sign-in fails.",
        epilog="`beacon COMMAND --help` says more, with an example.",
    )
    root.add_argument("--version", action="version", version=f"beacon {__version__}")
    commands = _parts(root)
    _daemon_commands(commands)
    _trial_commands(commands)
    _asking_commands(commands)
    _operator_commands(commands)
    _dns_commands(commands)
    _sandbox_commands(commands)
    _demo_command(commands)
    return root


def _shared(*names: str, **settings: Any) -> ArgumentParser:  # noqa: ANN401 - argparse's
    """Make an option that several commands take."""
    option = ArgumentParser(add_help=False)
    option.add_argument(*names, **settings)
    return option


_CONFIG: Final = _shared(
    "-c",
    "--config",
    metavar="FILE",
    type=Path,
    help="default: $BEACON_CONFIG, /etc/mfa-beacon/beacon.yaml, ./config/beacon.yaml",
)
_STATE: Final = _shared(
    "--state-dir",
    metavar="DIR",
    type=Path,
    help="default: $STATE_DIRECTORY, ~/.local/state/mfa-beacon",
)
_JSON: Final = _shared("--json", action="store_true", help="print one JSON document")


def _many(name: str, metavar: str, meaning: str) -> ArgumentParser:
    """Make an option that may be repeated."""
    return _shared(
        f"--{name}",
        dest=f"{name}s",
        action="append",
        default=[],
        metavar=metavar,
        help=f"{meaning}; repeatable",
    )


_SERVERS: Final = (
    _many(
        "server",
        "ADDRESS",
        "asked instead of those the zone is delegated to; with a port or without",
    ),
    _many(
        "resolver", "ADDRESS", "asked instead of those of /etc/resolv.conf; with a port or without"
    ),
)


def _port(text: str) -> int:
    """Read a TCP or UDP port. argparse reports the `ValueError`."""
    port = int(text)
    if not 1 <= port <= 65535:
        raise ValueError
    return port


_PORTS: Final = {
    name: _shared(f"--{name}-port", type=_port, default=port, metavar="PORT", help="on 127.0.0.1")
    for name, port in (("http", 8480), ("dns", 8453), ("mqtt", 8483))
}
"""The ports of the sandbox."""


def _add(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int] | None,
    summary: str,
    *examples: str,
    shared: Sequence[ArgumentParser] = (),
    more: str = "",
) -> ArgumentParser:
    """Add a command; without `run` it consists of commands. `more` ends its description."""
    added: ArgumentParser = commands.add_parser(
        name,
        parents=shared,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}{more}.",
        epilog="\n  ".join(("example:", *examples)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.set_defaults(command=run)
    return added


def _parts(group: ArgumentParser) -> Commands:
    return group.add_subparsers(title="commands", metavar="COMMAND", required=True)


def _daemon_commands(commands: Commands) -> None:
    run = _add(
        commands,
        "run",
        run_commands.run,
        "the daemon",
        "beacon run -c config/beacon.yaml --state-dir .state",
        shared=(_CONFIG, _STATE),
    )
    run.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="least level that is logged to stderr (default: info)",
    )
    run.add_argument(
        "--caption", default="", metavar="TEXT", help="a line under the tower in the terminal"
    )
    _add(
        commands,
        "check",
        run_commands.check,
        "every problem in the configuration",
        "beacon check -c /etc/mfa-beacon/beacon.yaml",
        shared=(_CONFIG,),
    )
    _add(
        commands,
        "schema",
        run_commands.schema,
        "the JSON schema of the configuration, for editors",
        "beacon schema > beacon.schema.json",
    )


def _trial_commands(commands: Commands) -> None:
    probe = _add(
        commands,
        "probe",
        run_commands.probe,
        "one run of one endpoint",
        "beacon probe entra-mfa/sign-in -v",
        shared=(_CONFIG, _STATE, _JSON),
    )
    probe.add_argument("endpoint", metavar="ENDPOINT", help="its id: service/endpoint")
    probe.add_argument("-v", "--verbose", action="store_true", help="show the conversation")
    replay = _add(
        commands,
        "replay",
        run_commands.replay,
        "a scripted incident through the same core",
        "beacon replay incidents --speed 600",
        shared=(_CONFIG, _JSON),
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
    _add(
        commands,
        "lamp-test",
        run_commands.lamp_test,
        COMMANDS["lamp_test"].summary,
        COMMANDS["lamp_test"].example,
        shared=(_CONFIG, _STATE),
    )


def _asking_commands(commands: Commands) -> None:
    _add(
        commands,
        "status",
        operator_commands.status,
        "what the running daemon sees",
        "beacon status",
        shared=(_STATE, _JSON),
    )
    incidents = _add(
        commands,
        "incidents",
        operator_commands.incidents,
        "the newest 50 incidents, or the story of any that is remembered",
        "beacon incidents 3",
        shared=(_STATE, _JSON),
    )
    incidents.add_argument("incident", metavar="ID", nargs="?", help="its id, or its number")
    explain = _add(
        commands,
        "explain",
        operator_commands.explain,
        "why a service is shown as it is, and what would change that",
        "beacon explain entra-mfa",
        shared=(_STATE, _JSON),
    )
    explain.add_argument("service", metavar="SERVICE", help="its id")


def _operator_commands(commands: Commands) -> None:
    for command in COMMANDS.values():
        if command.event is LampTest:
            continue  # it is above: without a daemon it drives the pins itself
        run = operator_commands.sender(command)
        added = _add(
            commands, command.name, run, command.summary, command.example, shared=(_STATE, _JSON)
        )
        if "service" in command.fields:
            added.add_argument(
                "service", metavar=command.subject_word, nargs="?", help=command.subject
            )
        if "verdict" in command.fields:
            added.add_argument("verdict", choices=REHEARSED, nargs="?", default="outage")
        if "seconds" in command.fields:
            bounds = f"default {span(command.usual)}, at most {span(command.longest)}"
            added.add_argument("--for", dest="time", metavar="TIME", help=f"30m, 2h; {bounds}")
        if command.undone:
            added.add_argument("--off", action="store_true", help=f"undo it: {command.undone}")
        added.add_argument("--reason", default="", help="why; recorded")


def _dns_commands(commands: Commands) -> None:
    group = _add(
        commands,
        "dns",
        None,
        "the DNS records that mailed codes depend on, before they are changed",
        "beacon dns golden otp.example.com --selector s1 > golden.yaml",
        "beacon dns check golden.yaml --zone otp.example.com.zone",
    )
    parts = _parts(group)
    golden = _add(
        parts,
        "golden",
        run_commands.dns_golden,
        "write the present records of domains that send codes, to compare with later",
        "beacon dns golden otp.example.com --selector s1 --sender 192.0.2.10 > golden.yaml",
        shared=(
            _CONFIG,
            _many("selector", "NAME", "selector of a DKIM key"),
            _many("sender", "ADDRESS", "address that sends the codes"),
            *_SERVERS,
        ),
    )
    golden.add_argument("domains", metavar="DOMAIN", nargs="+", help="a domain that sends codes")
    check = _add(
        parts,
        "check",
        run_commands.dns_check,
        "compare the DNS, a server or a proposed zone file with a golden file",
        "beacon dns check golden.yaml --zone otp.example.com.zone --json",
        shared=(_CONFIG, _JSON, *_SERVERS),
    )
    check.add_argument("file", metavar="FILE", type=Path, help="written by `beacon dns golden`")
    check.add_argument(
        "--zone", type=Path, metavar="ZONEFILE", help="the proposed zone; without it: live DNS"
    )
    check.add_argument(
        "--origin",
        metavar="NAME",
        help="origin of the zone file, if it does not begin with $ORIGIN",
    )


def _sandbox_commands(commands: Commands) -> None:
    group = _add(
        commands,
        "sandbox",
        None,
        "a local identity provider to try things on",
        "beacon sandbox serve",
        more=" (extra `demo`)",
    )
    parts = _parts(group)
    serve = _add(
        parts,
        "serve",
        run_commands.sandbox_command("serve"),
        "run it until a signal",
        "beacon sandbox serve",
        shared=tuple(_PORTS.values()),
    )
    serve.add_argument("--slow", type=float, default=9.0, help="seconds of a slow sign-in")
    serve.add_argument("--period", type=int, default=30, help="seconds of one TOTP step")
    broken = _add(
        parts,
        "break",
        run_commands.sandbox_command("break_"),
        "break or mend it",
        "beacon sandbox break outage",
        shared=(_PORTS["http"],),
    )
    broken.add_argument("fault", choices=("slow", "outage", "dns", "claim", "recover"))
    watch = _add(
        parts,
        "watch",
        run_commands.sandbox_command("watch"),
        "print what is published",
        "beacon sandbox watch",
        shared=(_PORTS["mqtt"],),
    )
    watch.add_argument(
        "topic", nargs="?", default="mfa-beacon/#", help="MQTT filter (default: mfa-beacon/#)"
    )


def _demo_command(commands: Commands) -> None:
    demo = _add(
        commands,
        "demo",
        run_commands.sandbox_command("demo"),
        "sandbox, daemon and a scripted incident",
        "beacon demo",
        shared=tuple(_PORTS.values()),
    )
    demo.add_argument("-c", "--config", metavar="FILE", default="config/demo.yaml")


def _speed(text: str) -> float:
    """Read replayed seconds for each real one. argparse reports the `ValueError`."""
    speed = float(text)
    if not 0 < speed < math.inf:
        raise ValueError
    return speed
