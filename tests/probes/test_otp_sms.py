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
from beacon.engine.clock import ManualClock
from beacon.net.mailbox import MESSAGES_LIMIT
from beacon.otp.gammu_inbox import SAVES_NOTHING
from beacon.probes.otp_sms import LEFTOVERS, OtpSms
from beacon.probing.delivery import Reception
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance
from tests.probes.runs import Leaping

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
        self.right.append(f"{731901 + self.asked:06}")
        if self.status == 200:
            self._send(f"Your code {self.right[-1]}")
        self.asked += 1
        return self.status, {}

    def _send(self, text: str) -> None:
        if not self.delay:
            self.send(text)
            return
        timer = threading.Timer(self.delay, self.send, [text])
        timer.daemon = True
        timer.start()


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
    tmp_path: Path, inbox: Inbox, modem: Any, provider: Provider, answering: Callable[..., str]
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


@pytest.fixture
def read(probe: Probes, observed: Observed) -> Observed:
    """Run a probe with these settings."""
    return lambda *more, **settings: observed(probe(*more, **settings))


# --- a code that we make be sent --------------------------------------------------


def test_a_code_arrives(provider: Provider, inbox: Inbox, read: Observed) -> None:
    inbox.put("Your code 111111", age=30)
    provider.delay = 0.4
    reading = read()
    assert (reading.reason, provider.asked) == (Reason.OK, 1)
    assert reading.detail.startswith("arrived after ")
    assert reading.latency is not None
    assert reading.latency >= 0.4
    assert [name for name, _ in reading.phases] == ["trigger", "arrival"]
    assert inbox.texts == ["Your code 111111"], "what was there may be another's"


def test_a_code_that_comes_after_its_life_did_not_arrive(
    provider: Provider, inbox: Inbox, read: Observed
) -> None:
    provider.send = lambda _: inbox.put("Your parcel 123456 is here")
    reading = read(lifetime="800ms", late="500ms")
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


def test_a_code_is_sent_back(provider: Provider, read: Observed) -> None:
    reading = read(VERIFY)
    assert (reading.reason, provider.verified) == (Reason.OK, provider.right)
    assert [name for name, _ in reading.phases] == ["trigger", "arrival", "verify"]


# --- the code of an earlier run ---------------------------------------------------


def over(provider: Provider, inbox: Inbox, leaves: int = 0) -> Leaping:
    """A clock by which a code's life is over once what the next request brings was taken."""
    asked = provider.asked
    return Leaping(6.0, lambda: provider.asked > asked and len(inbox.texts) == leaves)


@pytest.fixture
def first_was_late(
    probe: Probes, observed: Observed, provider: Provider, inbox: Inbox
) -> Callable[..., Any]:
    """A probe whose first run got no code: its code comes in the next run, its own never."""

    def run(more: str = "") -> Any:
        made = probe(more, lifetime="5s", late="4s")
        late: list[str] = []
        provider.send = late.append
        reading = observed(made, clock=over(provider, inbox))
        assert reading.reason is Reason.CODE_NOT_ARRIVED
        provider.send = lambda _: inbox.put(late[0])
        return made

    return run


def test_the_code_of_a_run_before_proves_nothing_for_this_one(
    first_was_late: Callable[..., Any], observed: Observed, provider: Provider, inbox: Inbox
) -> None:
    made = first_was_late()
    reading = observed(made, clock=over(provider, inbox))
    assert reading.reason is Reason.CODE_LATE
    assert reading.detail.endswith("s after one whose code never came")
    provider.send = inbox.put
    again = observed(made, clock=over(provider, inbox))
    assert again.reason is Reason.CODE_LATE, "it may be that of the run before, again"


def test_codes_that_are_always_late_never_pass(
    probe: Probes, observed: Observed, provider: Provider, inbox: Inbox
) -> None:
    """Each comes in the run after the next: more than one is outstanding."""
    made = probe(lifetime="5s", late="4s")
    late: list[str] = []

    def send(text: str) -> None:
        if len(late) >= 2:
            inbox.put(late[-2])
        late.append(text)

    provider.send = send
    found = [observed(made, clock=over(provider, inbox)).reason for _ in range(4)]
    assert found == [*[Reason.CODE_NOT_ARRIVED] * 2, *[Reason.CODE_LATE] * 2]


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
    reading = observed(made, clock=over(provider, inbox))
    assert reading.reason is Reason.CODE_NOT_ARRIVED
    assert provider.verified == provider.right[:1]
    provider.send = inbox.put
    assert observed(made).reason is Reason.OK


def test_a_code_that_came_between_two_runs_is_no_longer_awaited(
    probe: Probes, observed: Observed, provider: Provider, inbox: Inbox
) -> None:
    made = probe(lifetime="5s", late="4s")
    late: list[str] = []
    provider.send = late.append
    observed(made, clock=over(provider, inbox))
    inbox.put(late[0])
    inbox.put("Your code 888888", age=601)
    inbox.put("Your code 777777", age=400)
    provider.send = lambda _: None
    reading = observed(made, clock=over(provider, inbox, leaves=1))
    assert reading.reason is Reason.CODE_LATE
    assert "the code of an earlier run came" in reading.detail
    provider.send = inbox.put
    again = observed(made, clock=over(provider, inbox, leaves=1))
    assert again.reason is Reason.CODE_LATE, "the second one is outstanding"
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


def test_others_that_came_after_the_code_do_not_hide_it(
    waiting: Any, observed: Observed, inbox: Inbox
) -> None:
    inbox.put("Your code 111111", age=300)
    for _ in range(LEFTOVERS + 20):
        inbox.put("of others", age=200)
    assert observed(waiting).reason is Reason.OK


def test_more_than_can_be_looked_through_is_no_outage(
    waiting: Any, observed: Observed, inbox: Inbox
) -> None:
    for _ in range(MESSAGES_LIMIT + 1):
        inbox.put("of others", age=200)
    assert observed(waiting).reason is Reason.OWN_MODEM


def test_what_smsd_receives_and_cannot_save_is_ours(
    waiting: Any, observed: Observed, inbox: Inbox, modem: Any
) -> None:
    inbox.put("Your code 111111", age=700)
    modem.receives(5)
    assert observed(waiting).reason is Reason.CODE_NOT_ARRIVED
    modem.receives(9)
    reading = observed(waiting)
    assert (reading.reason, reading.detail) == (Reason.OWN_MODEM, SAVES_NOTHING)


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


def test_without_a_network_nothing_is_sent(provider: Provider, modem: Any, read: Observed) -> None:
    modem.knows(network=2)
    reading = read()
    assert (reading.reason, reading.detail) == (Reason.OWN_MODEM, "the modem has no network")
    assert provider.asked == 0


# --- settings -------------------------------------------------------------------------


def test_a_modem_is_asked_for_its_state(tmp_path: Path, inbox: Inbox) -> None:
    text = EVERY.replace(", config: {config}", "").format(inbox=inbox.path)
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert "a modem without a network would be taken for" in str(caught.value)


def test_a_code_to_send_back_must_be_asked_for(tmp_path: Path, inbox: Inbox, modem: Any) -> None:
    where = {"inbox": inbox.path, "config": modem.config, "url": "http://127.0.0.1:9"}
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, (EVERY + VERIFY.lstrip("\n")).format(**where))
    assert "nobody to send the code back to" in str(caught.value)


# --- gammu-smsd itself, broken on purpose -------------------------------------------


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


def killed(gammu: Any, provider: Provider) -> None:
    """smsd crashes; its last status, a good one, stays."""
    gammu.kill()


def killed_meanwhile(gammu: Any, provider: Provider) -> None:
    """smsd crashes after the code was asked for."""
    provider.send = lambda _: gammu.kill()


def slash(gammu: Any, provider: Provider) -> None:
    """A message from "A/B", which smsd cannot save, came before."""
    gammu.receive_what_it_cannot_save()


@pytest.mark.integration
@pytest.mark.parametrize("breaks", [killed, killed_meanwhile, slash])
def test_broken_on_purpose_it_is_our_trouble(
    breaks: Callable[[Any, Provider], None], real: Callable, observed: Observed, provider: Provider
) -> None:
    gammu, made = real()
    breaks(gammu, provider)
    reading = observed(made)
    assert reading.reason is Reason.OWN_MODEM, reading.detail
