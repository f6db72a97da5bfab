"""Where the configuration, the state and the control socket are."""
# ruff: noqa: PLC0415 - imported when needed: see beacon/cli/main.py

import os
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from beacon.cli.exit_status import ExitStatus
from beacon.cli.streams import print_error

if TYPE_CHECKING:
    from beacon.config.schema import Config

SYSTEM_SOCKET: Final = Path("/run/mfa-beacon/control.sock")
"""Where the installed service serves."""


def config_path(given: Path | None, environ: Mapping[str, str]) -> Path:
    """Find the configuration: the given one, else the first of the usual places that exists."""
    if given is not None:
        return given
    if environ.get("BEACON_CONFIG"):
        return Path(environ["BEACON_CONFIG"])
    installed, local = Path("/etc/mfa-beacon/beacon.yaml"), Path("config/beacon.yaml")
    if not installed.exists() and not local.exists():
        print_error("beacon: neither -c nor $BEACON_CONFIG names a configuration; looked for:")
        print_error(f"  {installed}, then ./{local}")
    return installed if installed.exists() or not local.exists() else local


def state_directory(given: Path | None, environ: Mapping[str, str]) -> Path:
    """Find the state: $STATE_DIRECTORY (systemd), else the given one, else below home."""
    from_systemd = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if from_systemd:
        return Path(from_systemd)
    if given is not None:
        return given
    try:
        return Path.home() / ".local/state/mfa-beacon"
    except RuntimeError:
        print_error("beacon: this user has no home directory: name one with --state-dir")
        raise SystemExit(ExitStatus.USAGE) from None


def sockets(given: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """List where a daemon may serve: only the given state directory, else the usual places."""
    from beacon.outputs.control.socket import NAME, socket_path

    state = state_directory(given, environ)
    own = socket_path(state, environ)
    return [own] if given is not None else [own, SYSTEM_SOCKET, state / NAME]


def load_config(
    args: Namespace,
    bad: int = ExitStatus.BAD_CONFIG,
    tell: Callable[[str], None] = print_error,
    *,
    starting: bool = False,
) -> "Config":
    """Load the configuration. If it has problems, print each and exit with the status `bad`."""
    from beacon.config.problems import ConfigError
    from beacon.daemon import life

    try:
        path = config_path(args.config, os.environ)
        config = life.load_config(path, os.environ, starting=starting)
    except ConfigError as error:
        for problem in error.problems:
            tell(str(problem))
        raise SystemExit(bad) from None
    for warning in config.warnings:
        tell(f"warning: {warning}")
    return config
