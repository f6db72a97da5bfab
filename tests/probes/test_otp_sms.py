"""Codes by text message: asked for, awaited at a modem, sent back; and all that may go wrong."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from beacon.config.problems import ConfigError
from beacon.core.model import Reading, Reason
from beacon.daemon.life import load_config
from beacon.engine.clock import ManualClock, SystemClock
from beacon.engine.run import Run
from beacon.otp.gammu_inbox import SAVES_NOTHING
from beacon.probes.otp_sms import OtpSms
from beacon.probing.delivery import Reception
from tests.conftest import StandingClock
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: otp_sms
    mailbox: {smsd: {inbox: "{inbox}", config: "{inbox}/smsdrc"}}
    pattern: "code ([0-9]+)"
    code_lifetime: 300ms
    secrets: {password: !secret canary, seed: !secret seed}
    steps:
      - id: ask
        url: {url}
        method: POST
        form: {password: "{{ secrets.password }}", code: "{{ hotp(secrets.seed) }}"}
        expect: {status: [200, 302, 401]}
    """,
)


ENDPOINT = """
- name: arrives
  type: otp_sms
  factor: sms
  mailbox: {{smsd: {{inbox: {inbox}, config: {config}}}}}
  pattern: "code ([0-9]{{6}})"
  code_lifetime: {lifetime}
  late_after: {late}
  steps:
    - id: ask
      method: POST
      url: {url}/ask
      rejected: {{status: 401}}
      expect: {{status: 200}}
{more}
"""
VERIFY = """
  verify:
    - id: verify
      method: POST
      url: {url}/verify
      form: {{code: "{{{{ code }}}}"}}
      rejected: {{status: 403}}
"""


@dataclass
class Provider:
    """An identity provider: it sends codes by `send`, and knows which one is right."""

    send: Callable[[str], None] = lambda text: None
    status: int = 200
    delay: float = 0.0
    asked: int = 0
    right: list[str] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        if path == "/verify":
            self.verified.append(form["code"])
            return (200 if form["code"] == self.right[-1] else 403), {}
        self.asked += 1
        self.right.append(f"{731900 + self.asked:06}")
        if self.status == 200:
            code = self.right[-1]
            timer = threading.Timer(self.delay, self.send, [f"Your code {code}"])
            timer.daemon = True
            timer.start()
        return self.status, {}


class Inbox:
    """smsd's inbox, filled by hand."""

    def __init__(self, path: Path) -> None:
        self.path, self._number, self.now = path, 0, datetime.now(UTC)
        path.mkdir()

    def put(self, text: str, age: float = 0.0) -> None:
        self._number += 1
        path = self.path / f"IN20200101_{self._number:06}_00_+15550100_00.txt"
        path.write_text(text)
        if age:
            os.utime(path, (self.now.timestamp() - age,) * 2)

    @property
    def texts(self) -> list[str]:
        return sorted(path.read_text() for path in self.path.iterdir())


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "inbox")


@pytest.fixture
def modem(shared_memory: Callable) -> Any:
    return shared_memory()


@pytest.fixture
def provider(inbox: Inbox) -> Provider:
    return Provider(inbox.put)


Probes = Callable[..., OtpSms]


@pytest.fixture
def probe(
    tmp_path: Path,
    inbox: Inbox,
    modem: Any,
    provider: Provider,
    answering: Callable[..., str],
) -> Probes:
    """Load an endpoint as the beacon loads its configuration."""

    def load(more: str = "", lifetime: str = "60s", late: str = "50s", **instead: Any) -> Any:
        where = {"inbox": inbox.path, "config": modem.config, "url": answering(provider.answer)}
        where |= instead
        text = ENDPOINT.format(more=more.format(**where), lifetime=lifetime, late=late, **where)
        return loaded(tmp_path, text)

    return load


def loaded(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "beacon.yaml"
    whole = "site: soc\nservices:\n  - name: SMS\n    endpoints:\n"
    path.write_text(whole + "".join(f"      {line}\n" for line in text.strip().splitlines()))
    return load_config(path, {}).probes["sms/arrives"]


Observed = Callable[..., Reading]


# --- a code that we make be sent --------------------------------------------------


def test_a_code_arrives(
    probe: Probes, observed: Observed, provider: Provider, inbox: Inbox
) -> None:
    inbox.put("Your code 111111", age=30)
    provider.delay = 0.4
    reading = observed(probe())
    assert (reading.reason, provider.asked) == (Reason.OK, 1)
    assert reading.detail.startswith("arrived after ")
    assert reading.latency is not None
    assert reading.latency >= 0.4
    assert [name for name, _ in reading.phases] == ["trigger", "arrival"]
    assert inbox.texts == ["Your code 111111"], "what was there may be another's"


def test_a_code_that_is_late_is_a_warning(
    probe: Probes, observed: Observed, provider: Provider
) -> None:
    provider.delay = 0.5
    reading = observed(probe(late="300ms"))
    assert reading.reason is Reason.CODE_LATE
    assert reading.detail.endswith(" s of 60 s")


def test_a_code_that_comes_after_its_life_did_not_arrive(
    probe: Probes, observed: Observed, provider: Provider, inbox: Inbox
) -> None:
    provider.send = lambda _: inbox.put("Your parcel 123456 is here")
    reading = observed(probe(lifetime="800ms", late="500ms"))
    assert (reading.reason, reading.detail) == (
        Reason.CODE_NOT_ARRIVED,
        "not arrived within 1 s; 1 message came in which `pattern` finds nothing",
    )
    assert inbox.texts == ["Your parcel 123456 is here"], "what is not ours stays"


def test_the_run_ends_before_the_codes_life(
    probe: Probes, observed: Observed, provider: Provider
) -> None:
    provider.send = lambda _: None
    reading = observed(probe(lifetime="60s"), 2.2)
    assert (reading.reason, reading.detail) == (Reason.CODE_NOT_ARRIVED, "not arrived within 1 s")


@pytest.mark.parametrize(
    ("status", "reason"), [(401, Reason.SIGN_IN_REJECTED), (500, Reason.HTTP_STATUS)]
)
def test_a_server_that_sends_none_is_judged_by_what_it_says(
    status: int, reason: Reason, probe: Probes, observed: Observed, provider: Provider
) -> None:
    provider.status = status
    reading = observed(probe())
    assert (reading.reason, reading.detail[:9]) == (reason, "step ask:")


def test_a_server_that_hangs(probe: Probes, observed: Observed, provider: Provider) -> None:
    hung = threading.Event()

    def answer(path: str, form: dict[str, str]) -> tuple[int, Any]:
        hung.wait(60)
        return 200, {}

    provider.answer = answer  # type: ignore[method-assign]
    assert observed(probe(), 0.7).reason is Reason.DEADLINE
    hung.set()


def test_a_code_is_sent_back(probe: Probes, observed: Observed, provider: Provider) -> None:
    reading = observed(probe(VERIFY))
    assert (reading.reason, provider.verified) == (Reason.OK, provider.right)
    assert [name for name, _ in reading.phases] == ["trigger", "arrival", "verify"]


def test_a_code_that_is_refused_is_wrong(
    probe: Probes, observed: Observed, provider: Provider, inbox: Inbox
) -> None:
    provider.send = lambda _: inbox.put("Your code 999999")
    reading = observed(probe(VERIFY))
    assert (reading.reason, reading.detail) == (
        Reason.CODE_WRONG,
        "step verify: rejected with status 403",
    )


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("expect: {status: 201}", Reason.HTTP_STATUS),
        ("prefer: {status: 201}", Reason.PREFERENCE_UNMET),
    ],
)
def test_a_server_that_takes_it_in_another_way(
    step: str, reason: Reason, probe: Probes, observed: Observed
) -> None:
    more = VERIFY + "      " + step.replace("{", "{{").replace("}", "}}") + "\n"
    assert observed(probe(more)).reason is reason


# --- the code of an earlier run ---------------------------------------------------


@pytest.fixture
def first_was_late(
    probe: Probes, observed: Observed, provider: Provider, inbox: Inbox
) -> Callable[..., Any]:
    """A probe whose first run got no code: its code comes in the next run, its own never."""

    def run(more: str = "") -> Any:
        made = probe(more, lifetime="5s", late="4s")
        late: list[str] = []
        provider.send = late.append
        assert observed(made).reason is Reason.CODE_NOT_ARRIVED
        provider.send = lambda _: inbox.put(late[0])
        return made

    return run


def test_the_code_of_a_run_before_proves_nothing_for_this_one(
    first_was_late: Callable[..., Any], observed: Observed, provider: Provider, inbox: Inbox
) -> None:
    made = first_was_late()
    reading = observed(made)
    assert reading.reason is Reason.CODE_LATE
    assert reading.detail.endswith("s after one whose code never came")
    provider.send = inbox.put
    assert observed(made).reason is Reason.CODE_LATE, "it may be that of the run before, again"


def test_codes_that_are_always_late_never_pass(
    probe: Probes, observed: Observed, provider: Provider, inbox: Inbox
) -> None:
    """Each comes in the run after the next: more than one is outstanding."""
    made = probe(lifetime="900ms", late="800ms")
    late: list[str] = []

    def send(text: str) -> None:
        if len(late) >= 2:
            inbox.put(late[-2])
        late.append(text)

    def seen(number: int) -> StandingClock:
        """The time begins when what this run brought was taken."""
        return StandingClock(lambda: len(late) > number and not inbox.texts)

    provider.send = send
    found = [observed(made, clock=seen(number)).reason for number in range(5)]
    assert found == [*[Reason.CODE_NOT_ARRIVED] * 2, *[Reason.CODE_LATE] * 3]


def test_where_two_come_the_second_one_is_ours(
    first_was_late: Callable[..., Any], observed: Observed, provider: Provider, inbox: Inbox
) -> None:
    made = first_was_late()
    before = provider.send

    def send(text: str) -> None:
        before(text)
        inbox.put(text)

    provider.send = send
    assert observed(made).reason is Reason.OK
    provider.send = inbox.put
    assert observed(made).reason is Reason.OK, "none is outstanding any more"


@pytest.mark.parametrize("status", [401, 500])
def test_a_request_that_was_refused_is_not_waited_for(
    status: int, probe: Probes, observed: Observed, provider: Provider
) -> None:
    made, provider.status = probe(), status
    observed(made)
    provider.status = 200
    assert observed(made).reason is Reason.OK


def test_sent_back_it_is_known_for_what_it_is(
    first_was_late: Callable[..., Any], observed: Observed, provider: Provider, inbox: Inbox
) -> None:
    made = first_was_late(VERIFY)
    reading = observed(made)
    assert reading.reason is Reason.CODE_NOT_ARRIVED
    assert provider.verified == provider.right[:1]
    provider.send = inbox.put
    assert observed(made).reason is Reason.OK


def test_a_code_that_came_between_two_runs_is_owed_no_more(
    probe: Probes, observed: Observed, provider: Provider, inbox: Inbox
) -> None:
    made = probe(lifetime="5s", late="4s")
    late: list[str] = []
    provider.send = late.append
    observed(made)
    inbox.put(late[0])
    inbox.put("Your code 888888", age=601)
    inbox.put("Your code 777777", age=400)
    provider.send = lambda _: None
    reading = observed(made)
    assert reading.reason is Reason.CODE_LATE
    assert "the code of an earlier run came" in reading.detail
    provider.send = inbox.put
    assert observed(made).reason is Reason.CODE_LATE, "the second one is outstanding"
    assert inbox.texts == ["Your code 777777"], "what nobody waits for any more is deleted"


# --- a code that somebody else makes be sent --------------------------------------

EVERY = """
- name: arrives
  type: otp_sms
  mailbox: {{smsd: {{inbox: {inbox}, config: {config}}}}}
  pattern: "code ([0-9]{{6}})"
  every: 10m
"""


@pytest.fixture
def waiting(tmp_path: Path, inbox: Inbox, modem: Any) -> Any:
    text = EVERY.format(inbox=inbox.path, config=modem.config)
    return loaded(tmp_path, text)


def test_the_last_code_is_young_enough(waiting: Any, observed: Observed, inbox: Inbox) -> None:
    inbox.put("Your code 111111", age=1200)
    inbox.put("Your code 222222", age=300)
    inbox.put("no secret at all", age=1)
    reading = observed(waiting, clock=ManualClock(inbox.now))
    assert (reading.reason, reading.detail) == (Reason.OK, "the last one came 300 s ago")
    assert reading.latency is None
    assert inbox.texts == ["Your code 222222", "no secret at all"]


def test_the_last_code_is_too_old(waiting: Any, observed: Observed, inbox: Inbox) -> None:
    inbox.put("Your code 111111", age=700)
    reading = observed(waiting, clock=ManualClock(inbox.now))
    assert (reading.reason, reading.detail) == (
        Reason.CODE_NOT_ARRIVED,
        "the last one came 700 s ago",
    )


@pytest.mark.parametrize("others", [20, 200])
def test_others_that_came_after_the_code_do_not_hide_it(
    others: int, waiting: Any, observed: Observed, inbox: Inbox
) -> None:
    inbox.put("Your code 111111", age=300)
    for _ in range(others):
        inbox.put("of others", age=200)
    assert observed(waiting).reason is Reason.OK


def test_more_than_can_be_looked_through_is_no_outage(
    waiting: Any, observed: Observed, inbox: Inbox
) -> None:
    for _ in range(1001):
        inbox.put("of others", age=200)
    assert observed(waiting).reason is Reason.OWN_MODEM


def test_what_smsd_receives_and_cannot_save_is_ours(
    waiting: Any, observed: Observed, inbox: Inbox, modem: Any, shown: Callable[..., Any]
) -> None:
    inbox.put("Your code 111111", age=700)
    modem.receives(5)
    assert observed(waiting).reason is Reason.CODE_NOT_ARRIVED
    modem.receives(9)
    reading = observed(waiting)
    assert (reading.reason, reading.detail) == (Reason.OWN_MODEM, SAVES_NOTHING)
    assert shown(SHOWN, {"arrives": reading}).lamps == BLIND


def test_what_others_received_and_took_is_no_trouble(
    waiting: Any, observed: Observed, inbox: Inbox, modem: Any
) -> None:
    observed(waiting)
    modem.receives(1)
    inbox.put("a sibling's")
    (inbox.path / "IN20200101_000001_00_+15550100_00.txt").unlink()
    assert observed(waiting).reason is Reason.CODE_NOT_ARRIVED


@pytest.mark.parametrize("away", ["no network", "restarted"])
def test_a_modem_that_is_back_has_time_to_receive(
    away: str, waiting: Any, observed: Observed, inbox: Inbox, modem: Any
) -> None:
    inbox.put("Your code 111111", age=700)
    modem.receives(5)
    assert observed(waiting).reason is Reason.CODE_NOT_ARRIVED, "it was sound all the time"
    if away == "restarted":
        modem.receives(0)
    else:
        modem.knows(network=2)
        assert observed(waiting).reason is Reason.OWN_MODEM
        modem.knows()
    for _ in range(2):
        reading = observed(waiting)
        assert reading.reason is Reason.OWN_MODEM
        assert reading.detail == "it can receive again for 0 s, a code comes in 600 s"
    MEMORIES.of(waiting).of(Reception).back -= 600  # time passes
    assert observed(waiting).reason is Reason.CODE_NOT_ARRIVED
    inbox.put("Your code 222222")
    assert observed(waiting).reason is Reason.OK


def test_there_is_no_code(waiting: Any, observed: Observed, inbox: Any) -> None:
    assert observed(waiting).detail == "no message with a code is there"
    inbox.put("Your parcel is here")
    reading = observed(waiting)
    assert reading.reason is Reason.CODE_NOT_ARRIVED
    assert reading.detail == (
        "no message with a code is there; 1 message came in which `pattern` finds nothing"
    )
    assert waiting.clock_bound


# --- our own modem, and what it costs -----------------------------------------------


def test_without_a_network_nothing_is_sent(
    probe: Probes, observed: Observed, provider: Provider, modem: Any
) -> None:
    modem.knows(network=2)
    reading = observed(probe())
    assert (reading.reason, reading.detail) == (Reason.OWN_MODEM, "the modem has no network")
    assert provider.asked == 0


def test_a_network_lost_meanwhile_is_ours(
    probe: Probes, observed: Observed, provider: Provider, modem: Any
) -> None:
    provider.send = lambda _: modem.knows(network=6)
    reading = observed(probe(lifetime="800ms", late="500ms"))
    assert (reading.reason, reading.detail) == (
        Reason.OWN_MODEM,
        "the modem is searching for a network",
    )


def test_a_day_has_so_many_messages(probe: Probes, observed: Observed, provider: Provider) -> None:
    made = probe("  messages_per_day: 2")
    assert [observed(made).reason for _ in range(4)] == [
        Reason.OK,
        Reason.OK,
        Reason.RATE_LIMITED,
        Reason.RATE_LIMITED,
    ]
    assert provider.asked == 2


def test_the_code_is_told_nobody(probe: Probes, provider: Provider) -> None:
    run = Run(SystemClock(), 60.0)
    reading = run.take(probe(VERIFY))
    said = "\n".join([*run.notes, repr(reading)])
    assert provider.verified
    assert provider.right[-1] not in said
    assert "message 1 of 120 of this day" in said


# --- settings -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("  every: 1h", "not exactly one way a code comes to be sent"),
        ("  verify: [{{id: v, url: '{url}/{{{{ nobody }}}}'}}]", "verify[0].url: nobody"),
        ("  tls: {{verify: false, ca: /etc/hostname}}", "tls"),
    ],
)
def test_what_does_not_go_together_is_told(probe: Probes, more: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        probe(more)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("url: {url}/ask", "url: '{url}/{{{{ code }}}}'", "no code has arrived by then"),
        (", config: {config}", "", "a modem without a network would be taken for"),
        ("late_after: {late}", "late_after: 10s", "late only after the code's end (3s)"),
        ('pattern: "code ([0-9]{{6}})"', 'pattern: "("', "not a regular expression"),
    ],
)
def test_what_is_missing_is_told(
    before: str, after: str, told: str, tmp_path: Path, inbox: Inbox, modem: Any
) -> None:
    where = {"inbox": inbox.path, "config": modem.config, "url": "http://127.0.0.1:9"}
    text = ENDPOINT.replace(before, after)
    text = text.format(more="", lifetime="3s", late="2s", **where)
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert told in str(caught.value)


def test_a_code_to_send_back_must_be_asked_for(tmp_path: Path, inbox: Inbox, modem: Any) -> None:
    where = {"inbox": inbox.path, "config": modem.config, "url": "http://127.0.0.1:9"}
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, (EVERY + VERIFY.lstrip("\n")).format(**where))
    assert "nobody to send the code back to" in str(caught.value)


def test_its_times_are_those_of_messages_that_cost(
    tmp_path: Path, inbox: Inbox, modem: Any
) -> None:
    path = tmp_path / "beacon.yaml"
    text = EVERY.format(inbox=inbox.path, config=modem.config).strip()
    path.write_text("site: soc\nservices:\n- name: SMS\n  endpoints:\n" + indented(text))
    [endpoint] = load_config(path, {}).watched.endpoints
    assert (endpoint.interval, endpoint.timeout, endpoint.failure_threshold) == (900, 150, 2)
    assert (endpoint.retry_interval, endpoint.costly, endpoint.sign_in) == (120, True, True)


# --- gammu-smsd itself, broken on purpose -------------------------------------------

SHOWN = """
- name: arrives
  type: otp_sms
  mailbox: {smsd: {inbox: /var/spool/gammu/inbox, config: /etc/hostname}}
  pattern: "code ([0-9]{6})"
  steps: [{id: ask, url: "https://idp.example.com/ask"}]
"""


def indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


@pytest.fixture
def real(smsd: Callable, probe: Probes, provider: Provider) -> Callable[..., Any]:
    """A probe at a real smsd, whose modem receives what the provider sends."""

    def start(more: str = "", lifetime: int = 10, **settings: str) -> tuple[Any, Any]:
        gammu = smsd(**settings)
        provider.send = gammu.receive
        where = {"inbox": gammu.inbox, "config": gammu.config}
        return gammu, probe(more, lifetime=f"{lifetime}s", late=f"{lifetime - 1}s", **where)

    return start


@pytest.mark.integration
def test_through_gammu_smsd(real: Callable, observed: Observed, provider: Provider) -> None:
    gammu, made = real(VERIFY, lifetime=60)
    reading = observed(made)
    assert (reading.reason, provider.verified) == (Reason.OK, provider.right)
    assert not list(gammu.inbox.iterdir())


def nothing(gammu: Any, provider: Provider) -> None:
    """All is well."""


def lost(gammu: Any, provider: Provider) -> None:
    """The message is lost on its way."""
    provider.send = lambda _: None


def others(gammu: Any, provider: Provider) -> None:
    """Another message comes in its place."""
    provider.send = lambda _: gammu.receive("Your parcel is here")


def killed(gammu: Any, provider: Provider) -> None:
    """smsd crashes; its last status, a good one, stays."""
    gammu.kill()


def stopped(gammu: Any, provider: Provider) -> None:
    """smsd is stopped."""
    gammu.terminate()


def killed_meanwhile(gammu: Any, provider: Provider) -> None:
    """smsd crashes after the code was asked for."""
    provider.send = lambda _: gammu.kill()


def no_signal(gammu: Any, provider: Provider) -> None:
    """The aerial is off."""
    gammu.knows(network=0, signal=0)


def denied(gammu: Any, provider: Provider) -> None:
    """The SIM is blocked, with a good signal."""
    gammu.knows(network=4, signal=42)


def slash(gammu: Any, provider: Provider) -> None:
    """A message from "A/B", which smsd cannot save, came before."""
    gammu.receive_what_it_cannot_save()


def gone(gammu: Any, provider: Provider) -> None:
    """The inbox is gone."""
    gammu.inbox.rename(gammu.home / "elsewhere")


RED, BLIND = {"red": "fast"}, {"white": "steady"}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("breaks", "reason", "verdict", "lamps"),
    [
        (nothing, Reason.OK, "ok", {"green": "steady"}),
        (lost, Reason.CODE_NOT_ARRIVED, "outage", RED),
        (others, Reason.CODE_NOT_ARRIVED, "outage", RED),
        (killed, Reason.OWN_MODEM, "blind", BLIND),
        (stopped, Reason.OWN_MODEM, "blind", BLIND),
        (killed_meanwhile, Reason.OWN_MODEM, "blind", BLIND),
        (no_signal, Reason.OWN_MODEM, "blind", BLIND),
        (denied, Reason.OWN_MODEM, "blind", BLIND),
        (slash, Reason.OWN_MODEM, "blind", BLIND),
        (gone, Reason.OWN_MODEM, "blind", BLIND),
    ],
)
def test_broken_on_purpose(
    breaks: Callable[[Any, Provider], None],
    reason: Reason,
    verdict: str,
    lamps: dict[str, str],
    real: Callable,
    observed: Observed,
    provider: Provider,
    shown: Callable[..., Any],
) -> None:
    gammu, made = real(lifetime=60 if reason is Reason.OK else 10)
    breaks(gammu, provider)
    reading = observed(made)
    assert reading.reason is reason, reading.detail
    seen = shown(SHOWN, {"arrives": reading})
    assert (seen.verdict, seen.lamps) == (verdict, lamps)


@pytest.mark.integration
def test_a_message_that_cannot_be_saved_hides_codes_of_others(
    smsd: Callable,
    observed: Observed,
    tmp_path: Path,
    eventually: Callable[..., None],
) -> None:
    """Somebody else makes codes be sent; one from "A/B" blocks all that come later."""
    gammu = smsd()
    text = EVERY.replace("every: 10m", "every: 1s")
    it = loaded(tmp_path, text.format(inbox=gammu.inbox, config=gammu.config))
    gammu.receive("Your code 111111")
    eventually(lambda: list(gammu.inbox.iterdir()) and gammu.waiting == 0, "the first one")
    assert observed(it).reason in (Reason.OK, Reason.CODE_NOT_ARRIVED), "it may be a second old"
    gammu.receive_what_it_cannot_save()
    gammu.receive("Your code 222222")
    eventually(lambda: observed(it).reason is Reason.OWN_MODEM, "it is received, and not saved")
    assert observed(it).reason is not Reason.OK
