"""Codes that arrive by message: what a mailbox must do for a sign-in to await one.

The way of one code, within one run:

    watch = mailbox.open(run)          # before the first request: what is there does not count
    …                                  # the server sends its message
    code = await_code(run, watch, pattern, within)
    watch.close()                      # in any case, also past the deadline

A message is taken for what it is by a pattern, not by its sender; one that was sent before the run
began is an earlier run's, and clocks of senders may differ from ours. The message the code was in
is removed, every other one is left for whoever wants it.
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
"""Seconds a sender's clock may be behind ours without its codes being taken for earlier ones."""

CLOCKS_KNOWN: Final = 5.0
"""The same where the answer to a request said what its server's clock is."""

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
"""Characters before and after a code that are looked at for an address it is part of."""

_SINGLES: Final = TextPattern(r"(?<![0-9A-Za-z])[0-9A-Z](?: [0-9A-Z](?![0-9A-Za-z])){3,}+")


def await_code(run: Run, watch: Watch, pattern: str, within: float) -> str:
    """The code in the next message that holds one, hidden in what the run tells.

    The code is the pattern's first group, or the whole match. Its message is removed. Raises
    `ProbeFailure` (`code_not_arrived`) where none has come within so many seconds.
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
        run.note("a message without what was looked for")
        others += 1
    words = [f"no message with a code within {within:g} s", *unmatched(others)]
    if earlier:
        words.append(f"{counted(earlier)} came that was sent before this run began")
    raise ProbeFailure(Reason.CODE_NOT_ARRIVED, "; ".join(words))


def unmatched(messages: int) -> list[str]:
    """That so many messages came without a code, in words; nothing where there were none."""
    return [f"{counted(messages)} came in which `pattern` finds nothing"] if messages else []


def counted(messages: int) -> str:
    """So many messages, in words."""
    return "1 message" if messages == 1 else f"{messages} messages"


def sent_before(run: Run, sent: float | None, moment: float, slack: float = inf) -> bool:
    """Whether a message was sent before a moment of ours: then it answers an earlier run.

    `sent` is by the clocks of others, `slack` the most they may differ from ours here.
    """
    seen = run.clock_seen
    slack = min(slack, CLOCKS_KNOWN if seen else CLOCKS_DIFFER)
    return sent is not None and sent - (seen.offset if seen else 0.0) < moment - slack


def code_in(pattern: str, message: Message) -> str | None:
    """The code in a message: the pattern's first group, or the whole match; None without one.

    Looked for as a reader would: in the text before the head; with lines, then without, then
    with single digits in a row as one word. What stands alone is taken before what is part of a
    longer word or of an address, and never a part of a longer number.
    """
    compiled = TextPattern(pattern)
    texts = (message.text, message.head, f"{message.head}\n{message.text}")
    try:
        found = (_best(compiled, view) for text in texts for view in _views(text))
        return next(filter(None, found), None)
    except TimeoutError:
        return None


def _views(text: str) -> Iterator[str]:
    """The text without what nobody sees, and blanks as one: by lines, on one line; as written."""
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
        # What the pattern itself wants around the code is not ours to judge.
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
    """Whether it is part of a web address, or of one of mail."""
    word = text[max(0, begin - _ADDRESS) : begin].rpartition(" ")[2].rpartition("\n")[2]
    rest = text[end : end + _ADDRESS].partition(" ")[0].partition("\n")[0]
    return "://" in word or "@" in word + rest


def _typed(code: str) -> str:
    """The code with the digits of every script as one would type them."""
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in code)


def _joins(left: str, right: str) -> bool:
    """Whether two characters beside each other are in one word."""
    return (left + right).isascii() and left.isalnum() and right.isalnum()
