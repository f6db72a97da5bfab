"""Sign in as a user does, step by step, with a one-time code that the server checks.

Steps are HTTP requests in order, in one fresh cookie jar. What a step captures, later steps
may send. Nothing of what is sent, captured or answered is ever quoted.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlsplit

from beacon.config.fields import Duration, Secret, SettingRefused, Url
from beacon.config.problems import meant
from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.probe_memory import ProbeMemory
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.http.client import Answer, Request, confined, exchange, is_answered, prepare
from beacon.net.http.cookies import Jar
from beacon.net.http.expectations import Expectations, judge
from beacon.net.http.route import Reach
from beacon.net.mailbox import Watch
from beacon.net.origin import Origin, origin
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.code_mailbox import await_code
from beacon.otp.code_setting import claimed, counted
from beacon.otp.mailbox_setting import AnyMailbox
from beacon.otp.used_codes import Ledger, Token
from beacon.probing.base import Kind, SettingFlaw
from beacon.probing.extract import Capture, Captured, Form
from beacon.probing.sign_in_step import Place, Step
from beacon.probing.template import HOTP, OPTIONS, TOTP, CodeCall, Template, Uses

_TELLING_PATH: Final = 8  # a shorter path is no secret
CLEAN_UP_BUDGET: Final = 5.0
"""Seconds all clean-up steps may take together, and as many after the deadline."""

STEPS: Final = "steps"
CLEAN_UP: Final = "clean_up"
_PLACE_NAMES: Final = {STEPS: "step", CLEAN_UP: "clean-up step"}
_TELLING: Final = 4  # a captured value shorter than this is no secret, and masks half the text


@dataclass(frozen=True, kw_only=True)
class DialogueSettings(Reach, Kind):
    """A sign-in of several steps, with secrets, captured values and one-time codes."""

    steps: tuple[Step, ...]
    clean_up: tuple[Step, ...] = ()
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    mailboxes: Mapping[str, AnyMailbox] = field(default_factory=dict)
    follow_to: tuple[Origin, ...] = ()

    @property
    def clock_bound(self) -> bool:
        """Whether it makes one-time codes, or verifies certificates by our clock."""
        secure = any(step.url.begins("https:") for step in self.steps + self.clean_up)
        timed_codes = any(not code.counted for code in self._codes)
        mailboxes = any(mailbox.clock_bound for mailbox in self.mailboxes.values())
        return timed_codes or mailboxes or (secure and self.tls.verify)

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        if not self.steps:
            yield SettingFlaw(("steps",), "a flow without a step", "at least one")
        yield from self.step_faults()

    def step_faults(self, given: Collection[str] = ()) -> Iterator[SettingFlaw]:
        """What is wrong with the steps; `given` are values that need no capturing."""
        taken: dict[str, str] = {}
        known: dict[str, Capture] = dict.fromkeys(given, Capture())
        for place, step in self._places():
            where = f"{_PLACE_NAMES[place[0]]} {place[1] + 1}"
            if taken.setdefault(step.id, where) != where:
                text = f"the id {step.id!r} is taken by {taken[step.id]}"
                yield SettingFlaw((*place, "id"), text, "an id of its own")
            found = [*step.faults(), *self._references(step, known), *self._header_faults(step)]
            if place[0] == CLEAN_UP:
                found += step.clean_up_faults()
            for fault in found:
                yield replace(fault, path=(*place, *fault.path))
            known |= step.capture

    def _places(self) -> Iterator[tuple[tuple[str, int], Step]]:
        for section in (STEPS, CLEAN_UP):
            for number, step in enumerate(getattr(self, section)):
                yield (section, number), step

    def _references(self, step: Step, captured: Mapping[str, Capture]) -> Iterator[SettingFlaw]:
        forms = {name for name, capture in captured.items() if capture.form is not None}
        if step.fields_of is not None and step.fields_of not in forms:
            text = f"no form {step.fields_of!r} is captured before this step"
            allowed = f"known are: {', '.join(sorted(forms)) or 'none yet'}"
            yield SettingFlaw(("fields_of",), text, allowed, meant(step.fields_of, forms))
        for path, template in step.templates():
            uses = template.uses
            for flaw in uses.flaws:
                yield SettingFlaw(path, flaw, Template.ALLOWED)
            for whole, wanted, known in (
                ("secrets.", uses.secrets, self.secrets.keys()),
                ("variables.", uses.variables, self.variables.keys()),
                ("", uses.captured, captured.keys()),
            ):
                for name in sorted(wanted.difference(known)):
                    there = ", ".join(whole + one for one in sorted(known)) or "nothing yet"
                    text = f"{whole}{name} is not known at this step"
                    yield SettingFlaw(path, text, f"known are: {there}", _meant(whole, name, known))
            for code in uses.codes:
                yield from self._code_faults(path, code)
            for awaited in uses.awaited:
                if awaited.mailbox not in self.mailboxes:
                    there = ", ".join(sorted(self.mailboxes)) or "none yet, see `mailboxes`"
                    text = f"code_from: no mailbox {awaited.mailbox!r}"
                    hint = meant(awaited.mailbox, self.mailboxes)
                    yield SettingFlaw(path, text, f"known are: {there}", hint)

    def _header_faults(self, step: Step) -> Iterator[SettingFlaw]:
        """What of its headers cannot be sent, as far as the settings alone tell."""
        for name, template in step.headers.items():
            text = template.written(self._revealed, SimpleNamespace(**self.variables))
            try:
                prepare(Request(url="http://localhost/", headers={name: text.strip(" ")}))
            except ProbeFailure:
                allowed = "printable text in Latin-1; the name: letters, digits and -"
                yield SettingFlaw(("headers", name), "a header that cannot be sent", allowed)

    @cached_property
    def _revealed(self) -> SimpleNamespace:
        return SimpleNamespace(**{name: s.reveal() for name, s in self.secrets.items()})

    def _code_faults(self, path: Place, code: CodeCall) -> Iterator[SettingFlaw]:
        if code.secret not in self.secrets:
            return  # reported as not known
        name = HOTP if code.counted else TOTP
        try:
            self.token(code)
        except TypeError:
            yield SettingFlaw(path, f"{name} knows no such option", OPTIONS[name])
        except ValueError as error:
            yield SettingFlaw(path, f"{name}(secrets.{code.secret}): {error}", "the seed in base32")

    @cached_property
    def _uses(self) -> tuple[Uses, ...]:
        return tuple(template.uses for step in self.steps for _, template in step.templates())

    @cached_property
    def _codes(self) -> frozenset[CodeCall]:
        return frozenset(code for uses in self._uses for code in uses.codes)

    def token(self, code: CodeCall) -> Token:
        """What makes the codes of one mention. Raises `ValueError`, `TypeError` for its options."""
        return _token(
            self.secrets[code.secret].reveal(), counted=code.counted, **dict(code.options)
        )

    def wait(self, utc: float, memory: ProbeMemory) -> float:
        """Seconds until each of its tokens has an unused code."""
        tokens = (self.token(code) for code in self._codes if not code.counted)
        ledger = memory.of(Ledger)
        return max((ledger.wait(token, utc, memory) for token in tokens), default=0.0)

    def knock(self, run: Run) -> bool:
        """Ask for the page of the first step, or where its address is secret, for the root."""
        step, variables = self.steps[0], SimpleNamespace(**self.variables)
        uses = step.url.uses
        if uses.secrets or uses.codes or uses.awaited or uses.captured:
            there = self._named.get(step.id)
            return there is not None and is_answered(run, f"{there}/", self.route)
        url = Url.parse(step.url.written(self._revealed, variables))
        return is_answered(run, url, self.route)

    @property
    def controllable(self) -> bool:
        """Whether a step that sends a code knows its refusal, and no code is sent to us."""
        return not any(uses.awaited for uses in self._uses) and any(
            step.rejected is not None and any(t.uses.codes for _, t in step.templates())
            for step in self.steps
        )

    @property
    def tokens(self) -> Iterator[Token]:
        """What makes its codes."""
        return map(self.token, self._codes)

    def look(self, run: Run) -> Reading:
        """Take each step in turn; the first that goes wrong is the reading. Then clean up."""
        wanted = {awaited.mailbox for uses in self._uses for awaited in uses.awaited}
        with contextlib.ExitStack() as stack:
            talk = Dialogue(self, run)
            for name in sorted(wanted):  # before anything is sent: what is there does not count
                try:
                    watch = self.mailboxes[name].open(run)
                except ProbeFailure as failure:
                    return _at(f"mailbox {name}", failure.reading)
                talk.watches[name] = stack.enter_context(contextlib.closing(watch))
            try:
                reading = self._sign_in(run, talk)
            except BaseException:  # its reading is given: this takes nobody's time
                talk.clean_up(CLEAN_UP_BUDGET)
                raise
            left = run.deadline - run.clock.monotonic()
            # A third: however slowly it is answered, the run must not overstay by tidying up.
            flaw = talk.clean_up(min(CLEAN_UP_BUDGET, left / 3))
        if flaw and reading.outcome is Outcome.PASS:
            return replace(reading, detail=f"{reading.detail}; clean-up: {flaw}")
        return reading

    def _sign_in(self, run: Run, talk: "Dialogue") -> Reading:
        reading = Reading(Reason.OK, f"{len(self.steps)} steps")
        for step in self.steps:
            began = run.elapsed()
            found = talk.take(step)
            run.steps.append((step.id, run.elapsed() - began))
            if found.outcome is Outcome.WARN and reading.outcome is Outcome.PASS:
                reading = found
            elif found.outcome not in (Outcome.PASS, Outcome.WARN):
                reading = found
                break
        return replace(reading, latency=run.elapsed())  # cleaning up does not count

    @cached_property
    def _named(self) -> Mapping[str, Origin]:
        """Step → the origin in its own address, where no captured value is part of it."""
        variables = SimpleNamespace(**self.variables)
        found = {}
        for step in self.steps + self.clean_up:
            with contextlib.suppress(SettingRefused, ValueError):
                found[step.id] = origin(Url.parse(step.url.written(self._revealed, variables)))
        return found

    def home(self, step: Step) -> Collection[Origin]:
        """The origins that may have what is secret: the step's own, or where it names none, all."""
        own = self._named.get(step.id)
        return {*self.follow_to, *(self._named.values() if own is None else (own,))}


def _meant(whole: str, name: str, known: Collection[str]) -> str:
    near = meant(name, known)
    return f"{whole}{near}" if near else ""


def _token(seed: str, *, counted: bool, counter: int = 0, **options: Any) -> Token:  # noqa: ANN401
    """The token of a mention as written; a counted one lives by its counter, not by a period."""
    if counted and "period" in options:
        raise TypeError("period")
    if counter < 0:
        raise ValueError("a counter is at least 0")
    return Token.parse(seed, **options)


class Dialogue:
    """One run of a flow: its cookies, what it captured, the mailboxes it watches."""

    def __init__(self, flow: DialogueSettings, run: Run) -> None:
        self._flow, self._run = flow, run
        self._jar = Jar()
        self._captured: dict[str, Captured] = {}
        self._secrets = {name: secret.reveal() for name, secret in flow.secrets.items()}
        self.watches: dict[str, Watch] = {}

    def give(self, name: str, value: str) -> None:
        """A value for the steps to come, as if it had been captured."""
        self._captured[name] = value

    def take(self, step: Step) -> Reading:
        """Ask, judge, capture: what one step comes to, its id in the detail."""
        self._run.note(f"step {step.id}")
        self._run.to_allow = ""
        try:
            reading = self._judge(step, self._ask(step))
        except ProbeFailure as trouble:
            reading = trouble.reading
        return _at(f"step {step.id}", reading)

    def clean_up(self, budget: float) -> str:
        """Take the clean-up steps, whatever became of the others; the first flaw, in words."""
        before, self._run = self._run, self._run.afterwards(budget)
        flaws = []
        try:
            for step in self._flow.clean_up:
                missing = sorted(step.needs() - self._captured.keys())
                if missing:
                    self._run.note(f"step {step.id}: skipped, nothing was captured as {missing[0]}")
                elif (found := self.take(step)).outcome is not Outcome.PASS:
                    self._run.note(found.detail)
                    flaws.append(found.detail)
        except DeadlinePassed:
            flaws.append(f"step {step.id}: no answer within {budget:.2g} s")
            self._run.note(flaws[-1])
        self._run = before
        return flaws[0] if flaws else ""

    def _ask(self, step: Step) -> Answer:
        values = {
            # No dicts: a secret by the name of a method of theirs would be that method.
            "secrets": SimpleNamespace(**self._secrets),
            "variables": SimpleNamespace(**self._flow.variables),
            # The same code, however often one request says it.
            "totp": cache(self._totp),
            "hotp": cache(self._hotp),
            "code_from": cache(self._code_from),
            **self._captured,
        }
        form = self._captured.get(step.fields_of or "")
        try:
            request = step.request(values, form if isinstance(form, Form) else None)
            request = replace(request, follow_to=self._flow.follow_to)
            request = confined(self._run, request, self._flow.home(step), whole=step.url.tells)
            return exchange(
                self._run,
                request,
                self._flow.route,
                follow=step.follow_redirects,
                jar=self._jar,
            )
        finally:
            self._run.give_back_codes()

    def _totp(self, seed: str, **options: Any) -> str:  # noqa: ANN401 - checked by Token.parse
        token = _token(seed, counted=False, **options)
        return claimed(token, self._run)

    def _hotp(self, seed: str, *, counter: int = 0, **options: Any) -> str:  # noqa: ANN401
        token = _token(seed, counted=True, **options)
        return counted(token, self._run, counter)

    def _code_from(self, mailbox: str, pattern: str, within: str) -> str:
        return await_code(self._run, self.watches[mailbox], pattern, Duration.parse(within))

    def _judge(self, step: Step, answer: Answer) -> Reading:
        if step.rejected and _is_met(step.rejected, answer):
            return Reading(Reason.SIGN_IN_REJECTED, f"rejected with status {answer.status}")
        reading = judge(answer, step.expect, step.prefer, quote=False)
        if reading.outcome not in (Outcome.PASS, Outcome.WARN):
            return reading
        for name, capture in step.capture.items():
            value = capture.take(self._run, answer, self._jar)
            if value is None:
                return Reading(Reason.OPERAND_MISSING, f"nothing to capture as {name}")
            self._captured[name] = value
            self._hide(value, answer)
        return reading

    def _hide(self, value: Captured, answer: Answer) -> None:
        if isinstance(value, Form):
            parts, here = urlsplit(value.action), urlsplit(answer.url)
            places = [parts.query] + ([parts.path] if parts.path != here.path else [])
            hidden = [*places, *(text for _, text in value.pairs)]
        elif (parts := urlsplit(value)).scheme in ("http", "https"):
            # Its origin may be named: somebody has to allow it.
            hidden = [each for each in (parts.path, parts.query) if len(each) > _TELLING_PATH]
        else:
            hidden = [value]
        for text in hidden:
            if len(text) >= _TELLING:
                self._run.hide(text)


def _at(where: str, reading: Reading) -> Reading:
    """The reading with its place in the detail."""
    return replace(reading, detail=f"{where}: {reading.detail}")


def _is_met(expectations: Expectations, answer: Answer) -> bool:
    try:
        return expectations.unmet(answer, quote=False) is None
    except ProbeFailure:
        return False
