"""Codes that arrive by message: how a `flow` waits for one (docs/adr/0021).

The steps within one run:

    watch = mailbox.open(run)          # before the first request: earlier messages do not count
    …                                  # the server sends its message
    code = await_code(run, watch, pattern, within)
    watch.close()                      # in any case, also after the deadline

A message is recognised by a pattern, not by its sender. One that was sent before the run began
belongs to an earlier run; senders' clocks may differ from ours. The message with the code is
removed, all others stay.
"""

import unicodedata
from collections.abc import Iterator
from itertools import chain
from math import inf
from typing import Final

from beacon.core.model import Reason
from beacon.engine.run import Run
from beacon.engine.text_pattern import TextPattern
from beacon.net.mailbox import Message, Watch
from beacon.net.probe_failure import ProbeFailure

CLOCKS_DIFFER: Final = 60.0
"""Seconds a sender's clock may be behind ours, before its codes count as an earlier run's."""

CLOCKS_KNOWN: Final = 5.0
"""The same, where an answer has shown the server's time."""

_UNSEEN: Final = dict.fromkeys(
    chain(
        (0xAD, 0x34F, 0x61C, 0x180E, 0xFEFF),
        range(0x200B, 0x2010),
        range(0x202A, 0x202F),
        range(0x2060, 0x2070),
    )
)
"""Characters of no width: soft hyphens, joiners, marks of direction."""

_ADDRESS: Final = 200
"""Characters before and after a code that are searched for an address around it."""

_SINGLES: Final = TextPattern(r"(?<![0-9A-Za-z])[0-9A-Z](?: [0-9A-Z](?![0-9A-Za-z])){3,}+")


def await_code(run: Run, watch: Watch, pattern: str, within: float) -> str:
    """The code in the next message that contains one; masked in notes and details.

    The code is the pattern's first group, or the whole match. Its message is removed. Raises
    `ProbeFailure` (`code_not_arrived`) if none arrives within `within` seconds.
    """
    until = run.clock.monotonic() + within
    before, run.silence = run.silence, Reason.CODE_NOT_ARRIVED
    others = earlier = 0
    began = run.clock.utc().timestamp() - run.elapsed()
    while (message := watch.wait(run, until)) is not None:
        if sent_before(run, message.sent, began):
            earlier += 1
            run.note("a message that was sent before this run began")
            continue
        code = code_in(pattern, message)
        if code:
            run.hide(code)
            watch.remove(run, message)
            run.silence = before
            return code
        run.note("a message without a code")
        others += 1
    words = [f"no message with a code within {within:g} s", *unmatched(others)]
    if earlier:
        words.append(f"{counted(earlier)} came that was sent before this run began")
    raise ProbeFailure(Reason.CODE_NOT_ARRIVED, "; ".join(words))


def unmatched(messages: int) -> list[str]:
    """A text about messages without a code; empty if there were none."""
    return [f"{counted(messages)} came in which `pattern` finds nothing"] if messages else []


def counted(messages: int) -> str:
    """A number of messages, in words."""
    return "1 message" if messages == 1 else f"{messages} messages"


def sent_before(run: Run, sent: float | None, moment: float, slack: float = inf) -> bool:
    """Whether a message was sent before this moment, and so belongs to an earlier run.

    `sent` is by the clocks of others; `slack` is how far they may differ from ours.
    """
    seen = run.clock_seen
    slack = min(slack, CLOCKS_KNOWN if seen else CLOCKS_DIFFER)
    return sent is not None and sent - (seen.offset if seen else 0.0) < moment - slack


def code_in(pattern: str, message: Message) -> str | None:
    """The code in a message: the pattern's first group, or the whole match; None without one.

    Searched as a reader would: in the text before the head; with lines, then without, then with
    spaced single digits as one word. A match that is a word of its own is preferred to one in a
    longer word or an address; part of a longer number never counts (docs/probes/flow.md).
    """
    compiled = TextPattern(pattern)
    texts = (message.text, message.head, f"{message.head}\n{message.text}")
    try:
        found = (_best(compiled, view) for text in texts for view in _views(text))
        return next(filter(None, found), None)
    except TimeoutError:
        return None


def _views(text: str) -> Iterator[str]:
    """The text without invisible characters: by lines, on one line, spaced digits joined; as is."""
    seen = text.translate(_UNSEEN)
    lines = (" ".join(line.split()) for line in seen.splitlines())
    yield "\n".join(line for line in lines if line)
    flat = " ".join(seen.split())
    yield flat
    yield _SINGLES.sub(lambda found: found[0].replace(" ", ""), flat)
    yield text


def _best(pattern: TextPattern[str], text: str) -> str | None:
    group = 1 if pattern.groups else 0
    within = None
    for match in pattern.finditer(text):
        code = match[group]
        if not code:
            continue
        begin, end = match.span(group)
        # Characters inside the match were asked for by the pattern: they are not checked.
        before = text[begin - 1 : begin] if begin == match.start() else ""
        after = text[end : end + 1] if end == match.end() else ""
        pairs = [(before, code[0]), (code[-1], after)]
        if any(left.isdigit() and right.isdigit() for left, right in pairs):
            continue
        if not any(_joins(*pair) for pair in pairs) and not _in_address(text, begin, end):
            return _typed(code)
        within = within or _typed(code)
    return within


def _in_address(text: str, begin: int, end: int) -> bool:
    """Whether it is part of a web or mail address."""
    word = text[max(0, begin - _ADDRESS) : begin].rpartition(" ")[2].rpartition("\n")[2]
    rest = text[end : end + _ADDRESS].partition(" ")[0].partition("\n")[0]
    return "://" in word or "@" in word + rest


def _typed(code: str) -> str:
    """The code with the digits of any script as 0 to 9."""
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in code)


def _joins(left: str, right: str) -> bool:
    """Whether two adjacent characters belong to one word."""
    return (left + right).isascii() and left.isalnum() and right.isalnum()
