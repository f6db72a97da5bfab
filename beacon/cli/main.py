"""The entry of the command line: run one command, return its exit status.

`beacon.cli` imports what a command needs when it runs: `beacon --version` and `beacon status` must
cost nothing on a small machine.
"""

import sys
from collections.abc import Sequence

from beacon.cli import streams
from beacon.cli.exit_status import ExitStatus
from beacon.cli.parser import parser
from beacon.cli.streams import print_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    streams.prepare()
    status: int = ExitStatus.OK
    try:
        args = parser().parse_args(arguments)
        status = args.command(args)
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
