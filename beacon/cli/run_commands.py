"""The commands that work on their own: run, check, schema, probe, replay, lamp-test, dns, sandbox.

Each imports what it needs when it runs (see beacon/cli/main.py) and returns its exit status.
"""
# ruff: noqa: PLC0415 - imported when needed: see beacon/cli/main.py

import json
import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from beacon.cli import streams
from beacon.cli.exit_status import OF_OUTCOME, ExitStatus
from beacon.cli.locations import config_path, load_config, sockets, state_directory
from beacon.cli.streams import print_answer, print_error
from beacon.core.operator.commands import COMMANDS

if TYPE_CHECKING:
    from beacon.cli.dns_check import DnsCheck

LAMPS_SPEED: Final = 60.0
"""Replayed seconds for each real second on the tower, without `--speed`."""


def run(args: Namespace) -> int:
    """Run the daemon until a signal. The process ends here."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # Until the daemon sets its own handlers. Nothing has begun, so nothing must be ended.
        signal.signal(number, lambda *_: os._exit(ExitStatus.OK))
    import faulthandler

    from beacon.daemon.life import CannotStart, serve
    from beacon.daemon.wiring import DaemonOptions
    from beacon.outputs.journal import FLUSH_WITHIN, set_up

    faulthandler.enable()  # at the watchdog's SIGABRT it writes where every thread was
    writer = set_up(args.log_level, os.environ)
    try:
        config = load_config(args, tell=writer.say, starting=True)
    except SystemExit:
        writer.drain(FLUSH_WITHIN)
        raise
    options = DaemonOptions(
        config=config_path(args.config, os.environ),
        state_directory=state_directory(args.state_dir, os.environ),
        environ=os.environ,
        draw=sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"),
        caption=args.caption,
    )
    try:
        status = serve(options, config)
    except CannotStart as error:
        writer.say(f"beacon: {error}")
        status = ExitStatus.FAILED
    writer.drain(FLUSH_WITHIN)
    streams.finish(FLUSH_WITHIN)
    # All has ended in order. A worker that hangs in getaddrinfo must not delay the end.
    os._exit(status)


def check(args: Namespace) -> int:
    """Print every problem in the configuration."""
    config = load_config(args)
    site = config.watched
    counts = f"services: {len(site.services)}, endpoints: {len(site.endpoints)}"
    print(f"{config.path}: sound; {counts}, of them witnesses: {len(site.witnesses)}")
    for names in site.sharing_accounts():
        print(f"one account signs in for {', '.join(names)}: they take turns and share its budget")
    return ExitStatus.OK


def schema(_args: Namespace) -> int:
    """Print the JSON schema of the configuration."""
    from beacon import probes
    from beacon.config.json_schema import schema_json

    print(schema_json(registry=probes))
    return ExitStatus.OK


# --- trying things ----------------------------------------------------------------


def probe(args: Namespace) -> int:
    """Run one endpoint once. Exit as monitoring plugins do: a bad configuration is 3, too."""
    import shutil

    config = load_config(args, bad=OF_OUTCOME["error"])
    if args.endpoint not in config.probes:
        _no_endpoint(args.endpoint, config.probes)
        return OF_OUTCOME["error"]
    from beacon.cli.probe_once import ProbeRefused, in_words, probe_once

    spec = next(each for each in config.watched.endpoints if each.id == args.endpoint)
    asked = sockets(args.state_dir, os.environ)
    state = state_directory(args.state_dir, os.environ)
    try:
        run = probe_once(config, spec, sockets=asked, state=state, tell=print_error, wait=_wait)
    except ProbeRefused as refused:
        print_error(f"beacon probe: {refused}")
        return OF_OUTCOME["error"]
    if args.verbose and run["codes"]:
        print_error(run["codes"])
    width = shutil.get_terminal_size().columns
    print_answer(json.dumps(run) if args.json else in_words(run, width, verbose=args.verbose))
    return OF_OUTCOME[run["outcome"]]


def _no_endpoint(name: str, known: Iterable[str]) -> None:
    from beacon.config.problems import alike

    near = [each for each in known if name and name.lower() in each]
    near = near or alike(name.lower(), known, 5, 0.4)
    print_error(f"beacon probe: no endpoint {name!r}; {'near it' if near else 'there'} is:")
    for endpoint in near or known:
        print_error(f"  {endpoint}")


def _wait(seconds: float) -> None:
    print_error(f"waiting {seconds:.0f} s for a one-time code that was surely not used before")
    time.sleep(seconds)


def replay(args: Namespace) -> int:
    """Replay scripted incidents, and check what they expect."""
    from beacon.replay.play import main

    if args.lamps:
        return _replay_on_lamps(args)
    return main(args.files, as_json=args.json, speed=args.speed)


def _replay_on_lamps(args: Namespace) -> int:
    from beacon.engine.clock import SystemClock
    from beacon.outputs.tower.channels import TowerError
    from beacon.outputs.tower.gpio import open_lines
    from beacon.replay.play import main
    from beacon.replay.tower import ReplayTower

    tower = load_config(args).tower
    try:
        lines = open_lines(tower)
    except TowerError as error:
        print_error(f"beacon: {error}")
        return ExitStatus.FAILED
    with ReplayTower(tower, SystemClock(), lines) as lent:
        return main(
            args.files,
            as_json=args.json,
            speed=args.speed or LAMPS_SPEED,
            wait=lent.wait,
            show=lent.show,
        )


def lamp_test(args: Namespace) -> int:
    """Test the lamps: through the daemon that holds the pins, else directly."""
    from beacon.daemon.life import CannotStart, walk_lamps
    from beacon.outputs.control.socket import NoBeacon, NotAllowed, NotAnswering, ask

    try:
        answer = ask(sockets(args.state_dir, os.environ), {"action": "lamp_test"})
    except (NotAllowed, NotAnswering) as error:
        print_error(f"beacon: {error}")
        return ExitStatus.FAILED
    except NoBeacon:
        pass
    else:
        print(COMMANDS["lamp_test"].done if answer["ok"] else answer["error"])
        return ExitStatus.OK if answer["ok"] else ExitStatus.FAILED
    try:
        walk_lamps(load_config(args, bad=ExitStatus.FAILED), print)
    except CannotStart as error:
        print_error(f"beacon: {error}")
        return ExitStatus.FAILED
    return ExitStatus.OK


def dns_golden(args: Namespace) -> int:
    """Print the present DNS records as a golden file."""
    from beacon.cli.dns_check import CannotAsk, CheckStatus, problems_found

    try:
        text, found = _check_of(args).golden(args.domains)
    except CannotAsk as error:
        print_error(f"beacon dns golden: {error}")
        return CheckStatus.UNASKED
    for line in problems_found(found):
        print_error(f"beacon dns golden: wrong already: {line}")
    print(text, end="")
    return ExitStatus.OK


def dns_check(args: Namespace) -> int:
    """Compare DNS, or a zone file, with a golden file."""
    import shutil

    from beacon.cli.dns_check import CannotAsk, CheckStatus, load

    try:
        report = _check_of(args).check(load(args.file), args.zone, args.origin)
    except CannotAsk as error:
        if args.json:
            print(json.dumps({"status": "unasked", "error": str(error)}))
        print_error(f"beacon dns check: {error}")
        return CheckStatus.UNASKED
    width = min(shutil.get_terminal_size().columns, 100)
    print_answer(json.dumps(report.document()) if args.json else report.text(width))
    return report.status


def _check_of(args: Namespace) -> "DnsCheck":
    """Make the check from the options; wrong options exit with 64."""
    from beacon.cli.dns_check import CheckScope, DnsCheck, problem_with
    from beacon.engine.clock import SystemClock

    asked = CheckScope(
        resolvers=tuple(args.resolvers),
        servers=tuple(args.servers),
        selectors=tuple(vars(args).get("selectors", ())),
        senders=tuple(vars(args).get("senders", ())),
    )
    names = [*vars(args).get("domains", ()), *filter(None, [vars(args).get("origin")])]
    problem = problem_with(asked, names)
    if problem:
        print_error(f"beacon dns: {problem}")
        raise SystemExit(ExitStatus.USAGE)
    config = None if args.config is None else load_config(args, bad=OF_OUTCOME["error"])
    return DnsCheck(SystemClock(), asked, config)


def sandbox_command(name: str) -> Callable[[Namespace], int]:
    """Run a command of the sandbox (extra `demo`)."""

    def run(args: Namespace) -> int:
        from beacon.sandbox import commands

        command: Callable[[Namespace], int] = getattr(commands, name)
        return command(args)

    return run
