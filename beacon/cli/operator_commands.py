"""The commands that a person gives to the running daemon, and those that ask it."""
# ruff: noqa: PLC0415 - imported when needed: see beacon/cli/main.py

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beacon.cli.client import ask_and_print
from beacon.cli.exit_status import OF_VERDICT, ExitStatus
from beacon.cli.render import render_explanation, render_status
from beacon.cli.streams import print_error
from beacon.cli.times import utc_second


def status(args: Namespace) -> int:
    """Print what the daemon sees. The exit status is the verdict."""
    code, answer = ask_and_print(args, {"action": "status"}, render_status)
    return OF_VERDICT[answer["state"]["verdict"]] if code == ExitStatus.OK else ExitStatus.NO_BEACON


def incidents(args: Namespace) -> int:
    """Print the list of incidents, or the story of one."""
    from beacon.outputs.history.incidents import told

    return ask_and_print(args, {"action": "incidents", "incident": args.incident}, told)[0]


def explain(args: Namespace) -> int:
    """Print why a service is shown as it is."""
    request = {"action": "explain", "service": args.service}
    return ask_and_print(args, request, render_explanation)[0]


def resume(args: Namespace) -> int:
    """Let a sign-in that the guard stopped be tried once more."""
    request = {"action": "resume", "service": args.service, "reason": args.reason}
    return _ordered(args, request, "resumed: it is tried once, and stops again if rejected")


def overlay_command(action: str, done: str, undone: str) -> Callable[[Namespace], int]:
    """A command that lays something on, and with --off takes it off again."""

    def run(args: Namespace) -> int:
        from beacon.config.fields import Duration, SettingRefused

        request = {"action": action, "on": not args.off, "reason": args.reason}
        chosen = vars(args)
        try:
            if chosen.get("time") is not None:
                request["seconds"] = float(Duration.parse(args.time))
        except SettingRefused as refused:
            print_error(f"beacon {action}: --for: {refused.message}; {refused.allowed}")
            return ExitStatus.USAGE
        request |= {k: chosen[k] for k in ("service", "verdict") if k in chosen}
        return _ordered(args, request, undone if args.off else done)

    return run


def _ordered(args: Namespace, request: Mapping[str, Any], done: str) -> int:
    def render(answer: Mapping[str, Any]) -> list[str]:
        return [done + _laid_over(request, answer.get("overlays", ()))]

    return ask_and_print(args, request, render)[0]


def _laid_over(request: Mapping[str, Any], overlays: Sequence[Mapping[str, Any]]) -> str:
    """Over what something was laid, until when, and how to undo it."""
    if not overlays:
        return ""
    subjects = ", ".join(each["subject"] for each in overlays)
    until = overlays[0]["until"]
    ends = f"until {utc_second(until)}" if until else "until it is ended"
    one = f" {request['service']}" if request.get("service") else ""
    return f": {subjects}, {ends}; to undo it: beacon {request['action']}{one} --off"
