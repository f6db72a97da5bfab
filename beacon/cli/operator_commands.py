"""The commands that a person gives to the running daemon, and those that ask it."""
# ruff: noqa: PLC0415 - imported when needed: see beacon/cli/main.py

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beacon.cli.client import ask_and_print
from beacon.cli.exit_status import OF_VERDICT, ExitStatus
from beacon.cli.render import render_explanation, render_status
from beacon.cli.streams import print_error
from beacon.core.operator.commands import OperatorCommand
from beacon.outputs import times


def status(args: Namespace) -> int:
    """Print what the daemon sees. The exit status is the verdict."""
    code, answer = ask_and_print(args, {"action": "status"}, render_status)
    return OF_VERDICT[answer["state"]["verdict"]] if code == ExitStatus.OK else ExitStatus.NO_BEACON


def incidents(args: Namespace) -> int:
    """Print the list of incidents, or the story of one."""
    from beacon.cli.render_incidents import render_incidents

    request = {"action": "incidents", "incident": args.incident}
    return ask_and_print(args, request, render_incidents)[0]


def explain(args: Namespace) -> int:
    """Print why a service is shown as it is."""
    request = {"action": "explain", "service": args.service}
    return ask_and_print(args, request, render_explanation)[0]


def sender(command: OperatorCommand) -> Callable[[Namespace], int]:
    """Make the function that sends one of the operator commands to the daemon."""

    def send(args: Namespace) -> int:
        from beacon.config.fields import Duration, SettingRefused

        given = vars(args)
        request = {"action": command.name, "reason": args.reason}
        request |= {key: given[key] for key in ("service", "verdict") if key in given}
        if command.undone:
            request["on"] = not args.off
        try:
            if given.get("time") is not None:
                request["seconds"] = float(Duration.parse(args.time))
        except SettingRefused as refused:
            print_error(f"beacon {command.name}: --for: {refused.message}; {refused.allowed}")
            return ExitStatus.USAGE
        done = command.done if request.get("on", True) else command.undone

        def render(answer: Mapping[str, Any]) -> list[str]:
            return [done + _extent(request, answer.get("overlays", ()))]

        return ask_and_print(args, request, render)[0]

    return send


def _extent(request: Mapping[str, Any], overlays: Sequence[Mapping[str, Any]]) -> str:
    """Say what a command concerns, until when, and how to undo it."""
    if not overlays:
        return ""
    subjects = ", ".join(each["subject"] for each in overlays)
    until = overlays[0]["until"]
    ends = f"until {times.second(until)}" if until else "until it is ended"
    one = f" {request['service']}" if request.get("service") else ""
    return f": {subjects}, {ends}; to undo it: beacon {request['action']}{one} --off"
