"""The entry of the command line: run one command, return its exit status.

A command imports what it needs when it runs: `beacon status` must answer at once on a small
machine. `beacon --version` does not need the parser, which reads the table of operator commands.
"""
# ruff: noqa: PLC0415 - see above

import sys
from collections.abc import Sequence

from beacon import __version__
from beacon.cli import streams
from beacon.cli.exit_status import ExitStatus
from beacon.cli.streams import print_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    streams.prepare()
    status: int = ExitStatus.OK
    try:
        words = sys.argv[1:] if arguments is None else list(arguments)
        status = _version() if words == ["--version"] else _command(words)
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # the reader closed the pipe (`| head`)
    except KeyboardInterrupt:
        status = ExitStatus.INTERRUPTED
    except OSError as error:  # standard output on a full disk
        print_error(f"beacon: {error}")
        status = ExitStatus.FAILED
    finally:
        streams.give_up()
    return status


def _version() -> int:
    print(f"beacon {__version__}")
    return ExitStatus.OK


def _command(words: Sequence[str]) -> int:
    from beacon.cli.parser import parser

    args = parser().parse_args(words)
    status: int = args.command(args)
    return status
