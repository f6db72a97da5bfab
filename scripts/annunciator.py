"""Draw docs/annunciator.md from the tables of the core: `scripts/annunciator.py FILE`."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from beacon.core.indication import Colour
from beacon.core.model import RED, Sequence, Verdict
from beacon.core.tower import annunciator, buzzer
from beacon.core.tower.alarm import AFTER, Alarm, AlarmKept, Requests
from beacon.core.tower.sequences import FIRST_OUT, SEQUENCES, WITHOUT_LOCK_IN, AlarmEvent, Stage

HEAD = """\
# The annunciator

How verdicts become lamps and sounds, in the terms of ANSI/ISA-18.1. `make annunciator` makes this
page from the tables that the beacon uses. What the lamps mean: [tower](tower.md).

## Lamps of a verdict
{lamps}

An alarm is an incident that opens, escalates, widens or relapses.

## Sequences
`tower.sequence` chooses one. The steps are *alarm*, *acknowledge* (the button, a command), *return*
(the incident closes) and *undo* (an acknowledgement is taken back while the incident is open). An
empty cell changes nothing. After the incident, the stage adds these lamps to those of the verdict:

{after}

### First-out
All services at the tower are one group. An alarm that comes while no other waits to be acknowledged
is the *first-out*; the others are *subsequent*. There is at most one first-out. It is kept in the
stages {kept} and reset by acknowledging, as in the standard's F1 and F2; the next alarm that comes
alone is a new one. Unlike in the standard, a subsequent alarm flashes and sounds like any other, so
that nobody misses it. Suppressed and inhibited services, and drills, do not belong to the group.

The lamps of one tower cannot tell services apart, so no lamp shows the first-out. The terminal's
tower and `beacon status` mark the service, and `first_out` in the topic `state` names it. The
*first-out of an incident* is another thing: the endpoint of that service that failed first.
"""

NAMES = {
    Sequence.A: "Automatic reset: what is over and acknowledged goes out.",
    Sequence.M: "Manual reset: what is over stays lit until the button is pressed once more.",
    Sequence.R: "Ringback: what is over shows it, with a chirp, until the button is pressed again.",
}

TAIL = """\
With `lock_in: false`, in every sequence: {lock_in}.

## Sounds
| when | sound |
|---|---|
| an incident opens, escalates or relapses to red | three pulses |
| an incident opens as degraded | chirp |
| red is not acknowledged | pulse, every {minute:g} s, {minutes} times, then every {later:g} min |
| blind for {blind:g} min | chirp, once |
| ringback begins (sequence `R`) | chirp |
| a bypass is still on though all is well | two chirps, then every 60 min |

Openings within {openings:g} s sound once, with the sound of the worst, until somebody acknowledges;
what opens after that sounds again. There are at most {budget} chirps an hour; a drill has a budget
of its own, which acknowledging refills. Red is outside the budget; the re-alarms of several reds
share one pulse a minute. Taking an acknowledgement back makes no sound; red re-alarms a minute
later, as if it were new. In quiet hours there is light only. A sound that the budget, quiet hours
or silence hold back comes once when they allow it, if it still asks for acknowledgement; so does
the reminder of a bypass at the end of quiet hours. A relapse or what is new beneath a known
incident sounds at most every 30 min, and is not dropped ([operators](operators.md)).
"""


def page() -> str:
    """The whole page."""
    kept = " and ".join(f"*{stage}*" for stage in Stage if stage in FIRST_OUT)
    parts = [HEAD.format(lamps="\n".join(_lamps()), after="\n".join(_after()), kept=kept)]
    parts += ("\n".join(_sequence(sequence)) + "\n" for sequence in Sequence)
    ends = "; ".join(f"{s}, {step} → {to}" for (s, step), to in WITHOUT_LOCK_IN.items())
    parts.append(
        TAIL.format(
            lock_in=ends,
            minute=annunciator.REALARM_MINUTE,
            minutes=annunciator.REALARM_MINUTES,
            later=annunciator.REALARM_LATER / 60,
            blind=annunciator.BLIND_AFTER / 60,
            openings=buzzer.OPENINGS_WITHIN,
            budget=buzzer.BUDGET,
        )
    )
    return "\n".join(parts)


def _lamps() -> Iterator[str]:
    yield "| verdict | alarm | acknowledged |"
    yield "|---|---|---|"
    for verdict in Verdict:
        blind, alarming = verdict is Verdict.BLIND, verdict in RED or verdict is Verdict.DEGRADED
        before, after = (
            _burning(Alarm(verdict, AlarmKept(stage=stage), blind=blind, starting=False).requests())
            for stage in (Stage.ALARM if alarming else Stage.NORMAL, Stage.ACKNOWLEDGED)
        )
        yield f"| {verdict} | {before} | {after if alarming else '–'} |"


def _after() -> Iterator[str]:
    yield "| stage | adds |"
    yield "|---|---|"
    yield from (f"| {stage} | {_burning(asked)} |" for stage, asked in AFTER.items() if asked)


def _burning(asked: Requests) -> str:
    """Name the lamps from the top: "red fast, amber fast (in turn)"."""
    lamps = [
        f"{colour} {asked[colour].pattern}" + (" (in turn)" if asked[colour].antiphase else "")
        for colour in Colour
        if colour in asked
    ]
    return ", ".join(lamps)


def _sequence(sequence: Sequence) -> Iterator[str]:
    moves = SEQUENCES[sequence]
    stages = [s for s in Stage if s is Stage.NORMAL or s in set(moves.values())]
    yield f"### {sequence}\n{NAMES[sequence]}\n"
    yield "| stage | " + " | ".join(AlarmEvent) + " | first-out |"
    yield "|---" * (len(AlarmEvent) + 2) + "|"
    for stage in stages:
        to = " | ".join(moves.get((stage, step), "–") for step in AlarmEvent)
        yield f"| {stage} | {to} | {'kept' if stage in FIRST_OUT else '–'} |"
    yield ""
    yield from _drawing(stages, moves.items())


def _drawing(
    stages: Iterable[Stage], moves: Iterable[tuple[tuple[Stage, AlarmEvent], Stage]]
) -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    names = {stage: stage.replace(" ", "_") for stage in stages}
    yield f"    [*] --> {names[Stage.NORMAL]}"
    for (stage, step), to in moves:
        if stage in names and to is not stage:
            yield f"    {names[stage]} --> {names[to]}: {step}"
    yield "```"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
