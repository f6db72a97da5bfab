"""Ask the running daemon over the control socket, and print its answer."""
# ruff: noqa: PLC0415 - imported when needed: see beacon/cli/main.py

import json
import os
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beacon.cli.exit_status import ExitStatus
from beacon.cli.locations import sockets
from beacon.cli.streams import print_answer, print_error


def ask_and_print(
    args: Namespace, request: Mapping[str, Any], render: Callable[[dict[str, Any]], Sequence[str]]
) -> tuple[int, dict[str, Any]]:
    """Ask the daemon and print its answer, as lines or as JSON; the exit status and the answer."""
    from beacon.outputs.control.socket import NoBeacon, ask

    try:
        answer = ask(sockets(args.state_dir, os.environ), request)
    except NoBeacon as error:
        print_error(f"beacon: {error}")
        return ExitStatus.NO_BEACON, {}
    if args.json:
        print_answer(json.dumps(answer))
    elif answer["ok"]:
        print_answer("\n".join(render(answer)))
    else:
        print_error(f"beacon: {answer['error']}")
    return ExitStatus.OK if answer["ok"] else ExitStatus.FAILED, answer
