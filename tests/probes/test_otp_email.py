"""`otp_email` through Postfix and Dovecot, broken on purpose; and in mailboxes that lie."""

import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from beacon.config.fields import Duration, Regex, Secret, Url
from beacon.config.problems import ConfigError
from beacon.config.tls import TlsPolicy
from beacon.core.model import Outcome, Reading, Reason
from beacon.daemon.life import load_config
from beacon.engine.clock import SystemClock
from beacon.engine.redaction import Secrets
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.http.auth import OAuth2
from beacon.net.http.condition import Condition
from beacon.net.http.expectations import Expectations
from beacon.net.mail.imap import Imap, ImapMessage, MessageId
from beacon.net.mail.mail_message import MailMessage
from beacon.net.mail.smtp import Smtp
from beacon.net.mailbox import MESSAGES_LIMIT
from beacon.probes.otp_email import LEFTOVERS, OtpEmail, _code_of
from beacon.probing.delivery import Reception
from beacon.probing.extract import Capture
from beacon.probing.sign_in_step import Step
from beacon.probing.template import Template
from tests.conftest import StandingClock
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance
from tests.probes.runs import Leaping

CONFORMANCE = Conformance(
    """
    type: otp_email
    mailbox: &mailbox
      host: "{host}"
      port: {port}
      encryption: none
      username: probe
      password: !secret canary
    bounces: *mailbox
    smtp:
      host: "{host}"
      port: {port}
      encryption: none
      username: probe
      password: !secret canary
      sender: a@example.org
      recipient: b@example.org
    secrets: {password: !secret canary, seed: !secret seed}
    """,
    mute="tells of servers only numbers; who took a message is quoted, see its own tests",
    first="a mailbox",
)


PASSWORD = "canary-password"
DIGITS = Regex(r"code is (\d{6})")
CODE = "834211"


def run_once(
    probe: OtpEmail,
    budget: float = 120.0,
    meanwhile: Callable[[str], float | None] = lambda _: None,
    clock: SystemClock | None = None,
) -> tuple[Reading, str]:
    """One run, ended as the prober ends it; its reading, and what `-v` would show of it.

    Nothing of the message is in either. `meanwhile` gets each line as it is noted, and
    may say how many seconds the run has from there.
    """
    timers: list[threading.Timer] = []

    class Watched(Run):
        def note(self, line: str) -> None:
            super().note(line)
            left = meanwhile(line)
            if left is not None:
                self.deadline = self.clock.monotonic() + left
                self.ends_in(left)

        def ends_in(self, seconds: float) -> None:
            timers.append(threading.Timer(seconds, self.expire))
            timers[-1].start()

    assert list(probe.faults()) == []
    run = Watched(clock or SystemClock(), budget, memory=MEMORIES.of(probe))
    run.ends_in(budget)
    try:
        reading = run.take(probe)
    except DeadlinePassed:
        reading = run.overstayed()
    finally:
        for timer in timers:
            timer.cancel()
            timer.join()
    notes = "\n".join([reading.detail, *run.notes])
    assert not [hidden for hidden in ("canary", CODE, "secret words") if hidden in notes]
    return reading, notes


def letter(text: str = f"Your code is {CODE}.", **headers: str) -> bytes:
    headers = {"From": "no-reply@example.com", "Subject": "secret words"} | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{head}\r\n{text}\r\n".encode()


@pytest.fixture
def mailbox(mail: Any, ca_file: str) -> Callable[..., Imap]:
    """An account of Dovecot."""

    def make(user: str, **given: Any) -> Imap:
        usual = {"host": "127.0.0.1", "port": mail.ports["IMAPS_PORT"], "username": user}
        return Imap(**usual | {"tls": TlsPolicy(ca=ca_file), "password": Secret(PASSWORD)} | given)

    return make


@pytest.fixture
def submission(mail: Any, ca_file: str) -> Callable[..., Smtp]:
    """A submission to Postfix; the bounces come back to the sender."""

    def make(recipient: str, **given: Any) -> Smtp:
        usual = {"host": "127.0.0.1", "port": mail.ports["SUBMISSION_PORT"], "recipient": recipient}
        account = {"username": f"sender@{recipient}", "password": Secret(PASSWORD)}
        return Smtp(**usual | account | {"tls": TlsPolicy(ca=ca_file), "sender": recipient} | given)

    return make


@pytest.fixture
def probe(mailbox: Callable[..., Imap], submission: Callable[..., Smtp]) -> Callable[..., OtpEmail]:
    """A submission to a user, and the user's mailbox."""

    def make(user: str, **given: Any) -> OtpEmail:
        return OtpEmail(**{"mailbox": mailbox(user), "smtp": submission(user)} | given)

    return make


def seconds(text: str) -> Duration:
    return Duration.parse(text)


# --- through Postfix and Dovecot ------------------------------------------------------


@pytest.mark.integration
def test_a_code_that_arrives(mail: Any, probe: Callable[..., OtpEmail]) -> None:
    user = mail.user()
    reading, notes = run_once(probe(user))
    assert reading.reason is Reason.OK
    assert reading.detail.startswith("arrived after")
    assert [name for name, _ in reading.phases] == ["trigger", "arrival"]
    assert reading.latency == pytest.approx(sum(spent for _, spent in reading.phases))
    assert "signed in, IDLE" in notes
    assert "mail: mail.example.org to mx.example.net: +" in notes, "its hops"
    assert mail.messages(user) == [], "it deletes what it made"


@pytest.mark.integration
def test_starttls_on_both_sides_and_tls_from_the_first_byte(
    mail: Any,
    probe: Callable[..., OtpEmail],
    mailbox: Callable[..., Imap],
    submission: Callable[..., Smtp],
) -> None:
    user, port = mail.user(), mail.ports["IMAP_PORT"]
    tls = submission(
        user, encryption="tls", port=mail.ports["SMTPS_PORT"], password=None, username=None
    )
    box = mailbox(user, encryption="starttls", port=port)
    assert run_once(probe(user, mailbox=box, smtp=tls))[0].reason is Reason.OK


@pytest.mark.integration
def test_a_code_in_junk_is_found_without_idle_too(
    mail: Any, probe: Callable[..., OtpEmail]
) -> None:
    user = "poll@example.org"  # whose mailbox is looked into every 2 s
    mail.policy.moods[user] = lambda _: f"REDIRECT {user.replace('@', '+Junk@')}"
    reading, notes = run_once(probe(user))
    assert reading.reason is Reason.CODE_IN_JUNK
    assert reading.detail.startswith("in junk; arrived after")
    assert "signed in, no IDLE" in notes
    assert mail.messages(user) == [], "there too"
    del mail.policy.moods[user]


@pytest.mark.integration
def test_a_refusal_comes_back_to_the_same_mailbox(
    mail: Any, probe: Callable[..., OtpEmail], submission: Callable[..., Smtp]
) -> None:
    user, outside = mail.user(), mail.user("outside")
    mail.policy.moods[outside] = lambda _: "550 5.7.26 secret words"
    smtp = submission(outside, sender=user)
    reading, _ = run_once(probe(user, smtp=smtp))
    assert reading.reason is Reason.DELIVERY_REFUSED
    assert reading.detail == "refused by 127.0.0.1: 5.7.26 (neither SPF nor DKIM passed)"
    assert mail.messages(user) == []


@pytest.mark.integration
def test_a_refusal_is_looked_for_in_the_senders_mailbox(
    mail: Any,
    probe: Callable[..., OtpEmail],
    mailbox: Callable[..., Imap],
    submission: Callable[..., Smtp],
) -> None:
    sender, outside = mail.user("sender"), mail.user("outside")
    mail.policy.moods[outside] = lambda _: "550 5.7.25 secret words"
    it = probe(
        outside,
        smtp=submission(outside, sender=sender),
        bounces=mailbox(sender),
        code_lifetime=seconds("500ms"),
    )
    reading, _ = run_once(it, clock=StandingClock(lambda: mail.messages(sender)))
    assert reading.reason is Reason.DELIVERY_REFUSED
    assert "5.7.25 (no PTR record)" in reading.detail
    assert mail.messages(sender) == []


@pytest.mark.integration
def test_a_full_mailbox_is_ours(
    mail: Any,
    probe: Callable[..., OtpEmail],
    mailbox: Callable[..., Imap],
    submission: Callable[..., Smtp],
) -> None:
    sender, full = mail.user("sender"), "full@example.org"
    it = probe(
        full,
        mailbox=mailbox(full),
        smtp=submission(full, sender=sender),
        bounces=mailbox(sender),
        code_lifetime=seconds("500ms"),
    )
    mail.drop(full, letter("x" * 700))
    reading, _ = run_once(it, clock=StandingClock(lambda: mail.messages(sender)))
    assert reading.reason is Reason.SOURCE_DEAD
    assert reading.detail.startswith("our own mailbox is full")


# --- the mailbox is broken, not the codes ---------------------------------------------


@pytest.mark.integration
def test_a_mailbox_that_dies_while_it_is_waited_in(
    mail: Any, probe: Callable[..., OtpEmail]
) -> None:
    user = mail.user()
    mail.policy.moods[user] = lambda _: "DISCARD"

    def kill(line: str) -> None:
        if line.startswith("SMTP: accepted"):
            mail.kill(user)

    reading, _ = run_once(probe(user), meanwhile=kill)
    assert reading.reason is Reason.SOURCE_DEAD
    assert "the connection ended" in reading.detail


@pytest.mark.integration
def test_a_mailbox_that_hangs(mail: Any, probe: Callable[..., OtpEmail]) -> None:
    user = mail.user()
    mail.policy.moods[user] = lambda _: "DISCARD"
    it = probe(user, code_lifetime=seconds("500ms"))

    def hang(line: str) -> float | None:
        if not line.startswith("SMTP: accepted"):
            return None
        mail.hang()
        return 1.5

    reading, _ = run_once(it, meanwhile=hang)
    assert reading.reason is Reason.SOURCE_DEAD, "not: the code did not arrive"
    assert reading.outcome is Outcome.ERROR


@pytest.mark.integration
def test_a_token_in_place_of_a_password(mail: Any, probe: Callable[..., OtpEmail]) -> None:
    user = "token@example.org"
    url = Url(f"http://127.0.0.1:{mail.tokens.port}/token")
    usual = {"host": "127.0.0.1", "tls": TlsPolicy(verify=False), "username": user}
    oauth2 = OAuth2(token_url=url, client_id="beacon", client_secret=Secret(PASSWORD))
    box = Imap(**usual, port=mail.ports["IMAPS_PORT"], oauth2=oauth2)
    smtp = Smtp(
        **usual, port=mail.ports["SUBMISSION_PORT"], oauth2=oauth2, sender=user, recipient=user
    )
    it = probe(user, mailbox=box, smtp=smtp)
    reading, notes = run_once(it)
    assert reading.reason is Reason.OK, notes
    assert f"POST http://127.0.0.1:{mail.tokens.port}/token" in notes
    mail.tokens.good = False
    reading, _ = run_once(it)
    assert reading.reason is Reason.OWN_CREDENTIALS
    assert reading.detail == "IMAP: the sign-in was refused"
    mail.tokens.good = True
    reading, notes = run_once(it)
    assert reading.reason is Reason.OK
    assert "/token" in notes, "another one was asked for"


@pytest.mark.integration
def test_very_many_messages_that_were_there_hurt_nobody(
    mail: Any, probe: Callable[..., OtpEmail]
) -> None:
    user, many = mail.user(), MESSAGES_LIMIT + 100
    mail.drop(user, letter("the first"))
    mail.fill(user, (letter(f"spam {n}") for n in range(many)))
    reading, _ = run_once(probe(user))
    assert reading.reason is Reason.OK
    assert len(mail.messages(user)) == many + 1, "what is not ours is left"


# --- steps, codes and other people's messages -----------------------------------------


def steps(url: str, mark: str = "{{ nonce }}") -> dict[str, Any]:
    send = Step(
        id="send",
        url=Template(f"{url}/send"),
        method="POST",
        form={"mark": Template(mark)},
        capture={"transaction": Capture(json="transaction")},
    )
    verify = Step(
        id="verify",
        url=Template(f"{url}/verify"),
        method="POST",
        form={"code": Template("{{ code }}"), "transaction": Template("{{ transaction }}")},
        rejected=Expectations(json={"ok": Condition.parse(False)}),
        expect=Expectations(json={"ok": Condition.parse(True)}),
    )
    return {"smtp": None, "steps": (send,), "verify": (verify,), "pattern": DIGITS}


def notice(action: str, status: str, mark: str) -> bytes:
    """A notification of another server's; the nonce is where it tells what it is about."""
    report = f"Reporting-MTA: dns; a\r\n\r\nAction: {action}\r\nStatus: {status}\r\n"
    kind = 'multipart/report; report-type=delivery-status; boundary="b"'
    parts = f"--b\r\nContent-Type: message/delivery-status\r\n\r\n{report}\r\n--b\r\n\r\n{mark}\r\n"
    return letter(parts + "--b--", Content_Type=kind)


@pytest.fixture
def delivering(
    fake_imap: Callable[..., Any], answering: Callable[..., str]
) -> Callable[..., OtpEmail]:
    """A probe whose trigger puts messages into a mailbox; each is made of the run's nonce.

    What is sent back is right if it is the code.
    """

    def make(
        *messages: Callable[[str], bytes], mark: str = "{{ nonce }}", able: str = "", **given: Any
    ) -> OtpEmail:
        fake = fake_imap(able=f"IMAP4rev1 AUTH=PLAIN {able}", **given.pop("server", {}))

        def answer(path: str, form: dict[str, str]) -> tuple[int, Any]:
            if path != "/send":
                return (200, {"ok": form["code"] == CODE}) if path == "/verify" else (503, {})
            fake.inbox += [message(form["mark"]) for message in messages]
            return 200, {"transaction": "canary-transaction"}

        its = steps(answering(answer), mark)
        given = {name: step(its) if callable(step) else step for name, step in given.items()}
        return watched(fake, **its | {"every": None, "verify": ()} | given)

    return make


def marked(mark: str) -> bytes:
    return letter(X_Mark=mark)


def verified(its: dict[str, Any]) -> tuple[Step, ...]:
    return its["verify"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("mark", ["{{ nonce }}", "none of ours"])
def test_a_code_is_sent_back(mark: str, delivering: Callable[..., OtpEmail]) -> None:
    it = delivering(marked, mark=mark, verify=verified)
    reading, noted = run_once(it)
    assert reading.reason is Reason.OK, reading.detail
    assert [name for name, _ in reading.phases] == ["trigger", "arrival", "verify"]
    assert "step verify" in noted
    assert it.wait(0.0, MEMORIES.of(it)) == 0.0


def test_a_code_that_is_not_taken_is_wrong(delivering: Callable[..., OtpEmail]) -> None:
    wrong = delivering(lambda mark: letter("Your code is 111111.", X_Mark=mark), verify=verified)
    reading, _ = run_once(wrong)
    assert (reading.reason, reading.detail) == (
        Reason.CODE_WRONG,
        "step verify: rejected with status 200",
    )


def test_a_code_that_was_there_before_is_not_taken_for_ours(
    delivering: Callable[..., OtpEmail],
) -> None:
    server = {"inbox": [letter("Your code is 000000.")], "dates": {1: dated(60)}}
    it = delivering(lambda _: letter(), mark="none", server=server, verify=verified)
    assert run_once(it)[0].reason is Reason.OK


def test_a_step_that_fails_sends_no_code(delivering: Callable[..., OtpEmail]) -> None:
    def gone(its: dict[str, Any]) -> Step:
        return Step(id="broken", url=Template(its["steps"][0].url.fixed.replace("send", "gone")))

    reading, _ = run_once(delivering(steps=lambda its: (gone(its), *its["steps"])))
    assert (reading.reason, reading.detail) == (
        Reason.HTTP_STATUS,
        "step broken: status 503, expected 2xx",
    )
    reading, _ = run_once(delivering(marked, verify=lambda its: (gone(its),)))
    assert reading.reason is Reason.HTTP_STATUS


def test_nothing_is_sent_that_nobody_waits_for(delivering: Callable[..., OtpEmail]) -> None:
    it = delivering(lambda _: pytest.fail("asked for"), server={"greeting": b"* BYE\r\n"})
    assert run_once(it)[0].reason is Reason.SOURCE_DEAD


def test_old_leftovers_are_deleted_and_only_ours(
    fake_imap: Callable[..., Any], answering: Callable[..., str]
) -> None:
    fake = fake_imap(
        inbox=[
            letter(f"Your code is {CODE}. beaconfedcba9876543210: a sibling waits for it"),
            letter(f"Your code is {CODE}. beacon0123456789abcdef"),
            letter("of somebody else"),
        ]
    )
    fake.dates = {1: dated(5), 2: dated(3600), 3: dated(3600)}

    def answer(path: str, form: dict[str, str]) -> tuple[int, Any]:
        fake.inbox.append(marked(form["mark"]))
        return 200, {"transaction": "canary-transaction"}

    given = steps(answering(answer)) | {"every": None, "verify": ()}
    reading, noted = run_once(watched(fake, **given))
    assert reading.reason is Reason.OK
    assert fake.deleted == {2, 4}
    assert noted.count("a leftover") == 1


@pytest.mark.parametrize(
    ("notices", "reason", "detail"),
    [
        (
            [("delayed", "4.7.23"), ("failed", "5")],
            Reason.CODE_NOT_ARRIVED,
            (
                "not arrived within 0.1 s; delayed: 4.7.23 (no PTR record); "
                "1 message came in which `pattern` finds nothing"
            ),
        ),
        ([("failed", "5.1.1")], Reason.DELIVERY_REFUSED, "refused: 5.1.1"),
        ([("failed", "5.2.2")], Reason.SOURCE_DEAD, "our own mailbox is full: 5.2.2"),
    ],
)
def test_a_notice_shows_what_became_of_it(
    notices: list[tuple[str, str]], reason: Reason, detail: str, delivering: Callable[..., OtpEmail]
) -> None:
    came = [lambda mark, each=each: notice(*each, mark) for each in notices]
    reading, _ = run_once(delivering(*came, code_lifetime=seconds("100ms")))
    assert (reading.reason, reading.detail) == (reason, detail)


def test_notices_about_others_are_not_ours(delivering: Callable[..., OtpEmail]) -> None:
    other = [lambda _: notice("failed", "5.7.26", "beacon0000000000000000"), lambda m: letter(X=m)]
    reading, _ = run_once(delivering(*other, marked, code_lifetime=seconds("1m")))
    assert reading.reason is Reason.OK


def test_where_the_senders_mailbox_is_shut_the_code_is_missing_all_the_same(
    delivering: Callable[..., OtpEmail], fake_imap: Callable[..., Any]
) -> None:
    shut = imap(fake_imap(greeting=b"* BYE\r\n"))
    reading, noted = run_once(delivering(bounces=shut, code_lifetime=seconds("100ms")))
    assert reading.reason is Reason.CODE_NOT_ARRIVED
    assert "bounces: IMAP: " in noted


def test_where_nothing_came_the_quota_is_read(delivering: Callable[..., OtpEmail]) -> None:
    quota = b'* QUOTA "" (STORAGE 9 9)\r\nTAG OK x\r\n'
    server = {"mood": lambda asked: quota if asked.startswith("GETQUOTAROOT") else None}
    it = delivering(able="QUOTA", server=server, code_lifetime=seconds("100ms"))
    reading, _ = run_once(it)
    assert (reading.reason, reading.detail) == (Reason.SOURCE_DEAD, "our own mailbox is full")


def test_a_deadline_before_the_codes_end_says_that_it_did_not_come(
    delivering: Callable[..., OtpEmail],
) -> None:
    reading, _ = run_once(
        delivering(), meanwhile=lambda line: 0.5 if line.startswith("200 ") else None
    )
    assert reading.reason is Reason.CODE_NOT_ARRIVED


@pytest.mark.parametrize(
    ("junk", "latency", "reason", "detail"),
    [
        (False, 9.0, Reason.OK, "arrived after 9.0 s; spf=softfail; dmarc=fail"),
        (
            False,
            61.0,
            Reason.CODE_LATE,
            (
                "arrived after 61.0 s of 120 s; 40 s on its way to mx.example.net; "
                "spf=softfail; dmarc=fail"
            ),
        ),
        (
            True,
            9.0,
            Reason.CODE_IN_JUNK,
            "in junk; arrived after 9.0 s; spf=softfail; dkim=pass; dmarc=fail",
        ),
    ],
)
def test_what_a_message_comes_to(junk: bool, latency: float, reason: Reason, detail: str) -> None:
    raw = (
        b"Received: by mx.example.net; Mon, 5 Jan 2026 12:00:40 +0000\r\n"
        b"Received: by idp.example.com; Mon, 5 Jan 2026 12:00:00 +0000\r\n"
        b"Authentication-Results: mx.example.net; spf=softfail; dkim=pass; dmarc=fail x\r\n"
        b"\r\nYour code"
    )
    mail = ImapMessage(MessageId(b"", 1, 1), "", parsed=MailMessage(raw), junk=junk)
    probe = OtpEmail(mailbox=Imap(host="a.example"), every=seconds("5m"), pattern=DIGITS)
    reading = probe.judge(mail, latency)
    assert reading.reason is reason
    assert Secrets().clear(reading.detail) == detail


def test_a_preference_of_the_verification_is_a_warning(
    delivering: Callable[..., OtpEmail], answering: Callable[..., str]
) -> None:
    url = answering(lambda path, form: (200, {"ok": True}))
    wish = Expectations(json={"quick": Condition.parse(True)})
    verify = Step(id="verify", url=Template(f"{url}/{{{{ code }}}}"), prefer=wish)
    reading, _ = run_once(delivering(lambda mark: letter(X_Mark=mark), verify=(verify,)))
    assert reading.reason is Reason.PREFERENCE_UNMET


# --- which run a code belongs to ------------------------------------------------------


class Late:
    """A server whose codes come when the test lets them, and a probe without a nonce."""

    def __init__(self, fake: Any, answering: Callable[..., str], **given: Any) -> None:
        self.fake, self.codes, self.sent_back = fake, [], []  # type: ignore[var-annotated]
        self.comes: Callable[[int], list[bytes]] = lambda number: []
        url = answering(self._answer)
        usual = steps(url, "none of ours") | {"every": None, "verify": ()}
        self.answered = 0
        life = {"code_lifetime": seconds("60s"), "late_after": seconds("50s")}
        self.probe = watched(fake, **usual | life | given | {"verify": given.get("verify", ())})

    def _answer(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        if path == "/verify":
            self.sent_back.append(form["code"])
            return 200, {"ok": form["code"] == self.codes[-1]}
        self.codes.append(f"{200_000 + len(self.codes)}")
        self.fake.inbox += self.comes(len(self.codes) - 1)
        self.answered += 1
        return 200, {"transaction": "canary-transaction"}

    def letter(self, number: int, ago: float | None = None) -> bytes:
        """The message with that code; its date is so many seconds ago."""
        dated = {} if ago is None else {"Date": mail_date(ago)}
        return letter(f"Your code is {self.codes[number]}.", **dated)

    def run(self) -> Reading:
        return run_once(self.probe)[0]

    def run_in_vain(self) -> Reading:
        """By a clock that leaps to the code's end once what comes with it was looked at."""
        answered, there = self.answered, len(self.fake.inbox)

        def seen() -> bool:
            last = len(self.fake.inbox)
            fetched = any(line.startswith(f"UID FETCH {last} ") for line in self.fake.received)
            return self.answered > answered and (last == there or fetched)

        return run_once(self.probe, clock=Leaping(61.0, seen))[0]


def mail_date(ago: float) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(time.time() - ago))


@pytest.fixture
def late(fake_imap: Callable[..., Any], answering: Callable[..., str]) -> Callable[..., Late]:
    return lambda **given: Late(fake_imap(), answering, **given)


def sent_back(url: str) -> tuple[Step, ...]:
    return steps(url)["verify"]  # type: ignore[no-any-return]


def test_a_dated_code_of_an_earlier_run_is_late_and_ours_is_still_waited_for(
    late: Callable[..., Late],
) -> None:
    it = late()
    assert it.run_in_vain().detail == "not arrived within 60 s"
    it.comes = lambda number: [it.letter(number - 1, ago=180)]
    reading = it.run_in_vain()
    assert reading.reason is Reason.CODE_LATE
    assert reading.detail.startswith("the code of an earlier run came ")
    assert reading.detail.endswith(" s after its request; this run's: not arrived within 60 s")
    it.comes = lambda number: [it.letter(number - 1, ago=180), it.letter(number, ago=0)]
    reading = it.run()
    assert (reading.reason, reading.detail[:14]) == (Reason.OK, "arrived after ")
    it.comes = lambda number: [it.letter(number, ago=0)]
    assert it.run().reason is Reason.OK


def test_without_a_date_it_may_be_either_and_the_next_one_is_ours(
    late: Callable[..., Late],
) -> None:
    it = late()
    it.run_in_vain()
    it.comes = lambda number: [it.letter(number - 1)]
    reading = it.run_in_vain()
    assert reading.reason is Reason.CODE_LATE
    assert reading.detail.endswith(" s after one whose code never came")
    it.comes = lambda number: [it.letter(number - 1), it.letter(number)]
    assert it.run().reason is Reason.OK


def test_a_code_that_came_between_two_runs_is_late(late: Callable[..., Late]) -> None:
    it = late()
    it.fake.inbox.append(letter("Your code is 999999, of somebody else"))
    it.fake.dates = {1: dated(60), 2: dated(0)}
    it.run_in_vain()
    it.fake.inbox.append(it.letter(0))
    reading = it.run_in_vain()
    assert reading.reason is Reason.CODE_LATE
    assert it.fake.deleted == {2}, "what was there before the request is not ours"


def test_a_folder_that_was_made_anew_between_two_runs(late: Callable[..., Late]) -> None:
    it = late()
    it.run_in_vain()
    it.fake.inbox, it.fake.validity = [it.letter(0)], 8
    it.fake.dates = {1: dated(-5)}
    assert it.run_in_vain().reason is Reason.CODE_LATE, "its numbers say nothing, its time does"


def test_a_restarted_beacon_knows_by_the_date(late: Callable[..., Late]) -> None:
    it = late()
    it.comes = lambda number: [letter("Your code is 111111", Date=mail_date(150))]
    reading = it.run_in_vain()
    assert reading.reason is Reason.CODE_LATE
    assert reading.detail.startswith("a code came that was sent before this run asked for one")
    assert it.fake.deleted == set(), "it may be somebody else's"


def test_the_code_of_an_earlier_run_is_not_sent_back(
    late: Callable[..., Late], answering: Callable[..., str]
) -> None:
    taken: list[str] = []
    url = answering(lambda _, form: (200, {"ok": taken.append(form["code"]) is None}))
    it = late(verify=sent_back(url))
    it.run_in_vain()
    it.comes = lambda number: [it.letter(number - 1, ago=180)]
    assert it.run_in_vain().reason is Reason.CODE_LATE
    it.comes = lambda number: [it.letter(number - 1, ago=180), it.letter(number, ago=0)]
    assert it.run().reason is Reason.OK
    assert taken == it.codes[-1:]


def test_a_server_that_hangs_when_the_code_is_sent_back_has_not_lost_it(
    late: Callable[..., Late], answering: Callable[..., str]
) -> None:
    hung = threading.Event()
    url = answering(lambda *_: (200, {"ok": hung.wait(20)}))
    it = late(verify=sent_back(url))
    it.comes = lambda number: [it.letter(number, ago=0)]
    reading, _ = run_once(it.probe, meanwhile=lambda line: 0.1 if line == "step verify" else None)
    hung.set()
    assert reading.reason is Reason.DEADLINE


def test_without_a_date_the_server_shows_whose_it_is(
    late: Callable[..., Late], answering: Callable[..., str]
) -> None:
    its: list[Late] = []
    url = answering(lambda path, form: its[0]._answer("/verify", form))
    its.append(late(verify=sent_back(url)))
    it = its[0]
    it.run_in_vain()
    it.comes = lambda number: [it.letter(number - 1), it.letter(number)]
    assert it.run().reason is Reason.OK
    assert it.sent_back == it.codes


# --- what is shown of messages that came -----------------------------------------------


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], ""),
        ([lambda m: letter("hello", X=m)], "; 1 message came in which `pattern` finds nothing"),
        ([lambda _: letter()] * 2, "; 2 messages came without this run's nonce"),
    ],
)  # fmt: skip
def test_what_came_lacked_something(
    messages: list[Any], words: str, delivering: Callable[..., OtpEmail]
) -> None:
    reading, _ = run_once(delivering(*messages, code_lifetime=seconds("300ms")))
    assert reading.detail == f"not arrived within 0.3 s{words}"


def test_no_nonce_holds_a_digit_and_none_is_taken_for_a_code(
    delivering: Callable[..., OtpEmail],
) -> None:
    seen: list[str] = []

    def message(mark: str) -> bytes:
        seen.append(mark)
        return letter(f"for probe+{mark}@example.com: Qwertyuiopas", To=f"probe+{mark}@x.example")

    it = delivering(message, pattern=Regex(r"(\w{12,})"), code_lifetime=seconds("2s"))
    reading, _ = run_once(it)
    assert reading.reason is Reason.OK
    assert seen[0].isalpha()
    (mail,) = [
        ImapMessage(MessageId(b"", 1, 1), f"for {seen[0]} Qwertyuiopas", parsed=MailMessage(b""))
    ]
    assert _code_of(r"(\w{12,})", mail) == "Qwertyuiopas"


# --- somebody else makes codes be sent ------------------------------------------------


def imap(fake: Any) -> Imap:
    at = {"host": "127.0.0.1", "port": fake.port, "encryption": "none"}
    return Imap(**at, username="a", password=Secret(PASSWORD))


def watched(fake: Any, **given: Any) -> OtpEmail:
    return OtpEmail(**{"mailbox": imap(fake), "every": seconds("15m"), "pattern": DIGITS} | given)


def dated(ago: float) -> str:
    return time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(time.time() - ago))


def test_the_last_code_is_young_enough(fake_imap: Callable[..., Any]) -> None:
    fake = fake_imap(inbox=[letter("old: your code is 111111"), letter(), letter("no such thing")])
    fake.dates = {1: dated(7000), 2: dated(60), 3: dated(1)}
    reading, _ = run_once(watched(fake))
    assert reading.reason is Reason.OK
    assert fake.deleted == {1}, "what is older than the last one"


def test_the_last_code_is_too_old(fake_imap: Callable[..., Any]) -> None:
    fake = fake_imap(inbox=[letter()])
    fake.dates = {1: dated(1000)}
    reading, _ = run_once(watched(fake))
    assert reading.reason is Reason.CODE_NOT_ARRIVED
    assert reading.detail.startswith("the last one came 100")
    reading, _ = run_once(watched(fake_imap()))
    assert reading.detail == "no message with a code is there"
    fake = fake_imap(inbox=[letter(), letter("of others"), letter("of others")])
    fake.dates = {1: dated(1000), 2: dated(2000), 3: dated(60)}
    reading, _ = run_once(watched(fake))
    assert reading.detail.endswith(" s ago; 1 message came in which `pattern` finds nothing")


def test_how_late_it_was_is_read_from_its_hops(fake_imap: Callable[..., Any]) -> None:
    sent = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(time.time() - 160))
    fake = fake_imap(inbox=[letter(Received=f"by idp.example.com; {sent}")])
    fake.dates = {1: dated(60)}
    reading, _ = run_once(watched(fake))
    assert reading.reason is Reason.CODE_LATE
    assert reading.latency == pytest.approx(100, abs=2)


def test_no_more_than_so_many_are_looked_at(fake_imap: Callable[..., Any]) -> None:
    fake = fake_imap(inbox=[letter()] * 100)
    fake.dates = {uid: dated(200 - uid) for uid in range(1, 101)}
    run_once(watched(fake))
    assert len(fake.deleted) == LEFTOVERS - 1


def test_others_that_came_after_the_code_do_not_hide_it(fake_imap: Callable[..., Any]) -> None:
    fake = fake_imap(inbox=[letter(), *[letter("of others")] * 2 * LEFTOVERS])
    fake.dates = {uid: dated(300 - uid) for uid in range(1, 2 * LEFTOVERS + 2)}
    assert run_once(watched(fake))[0].reason is Reason.OK


def test_what_is_too_old_is_not_looked_through(fake_imap: Callable[..., Any]) -> None:
    fake = fake_imap(inbox=[letter("of others")] * 50)
    fake.dates = {uid: dated(90_000 - uid) for uid in range(1, 51)}
    reading, _ = run_once(watched(fake))
    assert reading.detail == "no message with a code is there"
    assert sum("BODY" in line for line in fake.received) == LEFTOVERS


def test_after_an_outage_of_the_mailbox_codes_are_not_missed_at_once(
    fake_imap: Callable[..., Any],
) -> None:
    down = b"* BYE\r\n"
    server = fake_imap(inbox=[letter()])
    server.dates = {1: dated(2000)}
    it = watched(server, every=seconds("2s"))
    assert run_once(it)[0].reason is Reason.CODE_NOT_ARRIVED, "it was sound all the time"
    server.greeting = down
    assert run_once(it)[0].reason is Reason.SOURCE_DEAD
    server.greeting = b"* OK ready\r\n"
    reading, _ = run_once(it)
    assert reading.reason is Reason.SOURCE_DEAD
    assert reading.detail == "it can receive again for 0 s, a code comes in 2 s"
    MEMORIES.of(it).of(Reception).back -= 2  # time passes
    assert run_once(it)[0].reason is Reason.CODE_NOT_ARRIVED


# --- settings -------------------------------------------------------------------------


WHOLE = """\
site: soc
services:
  - name: Codes
    endpoints:
      - name: it
        type: otp_email
        mailbox: {host: 127.0.0.1, encryption: none, username: a, password: canary}
"""


STEP = "{id: a, url: 'http://x/'}"
OTHER = "{host: 127.0.0.1, encryption: none, username: a, password: canary}"
WATCH = "every: 5m, pattern: x"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("local: true", "not exactly one way a code comes to be sent; one of steps, every, smtp"),
        ("every: 5m", "nothing to know the message by; `pattern`, or {{ nonce }} in what"),
        (f"{WATCH}, late_after: 3m", "late_after: late only after the code's end (120s); less"),
        (f"{WATCH}, verify: [{STEP}]", "verify: no code to send back"),
        (f"{WATCH}, bounces: {OTHER}", "bounces: nothing to know a refusal by"),
        ("every: 5m, pattern: '('", "pattern: not a regular expression"),
        ("steps: [{id: a, url: 'http://x/{{ code }}'}], pattern: x", "no code has arrived by then"),
        (f"steps: [{STEP}]", "nothing to know the message by"),
        ("steps: [{id: a, url: 'http://x/{{ cod }}'}], pattern: x", "steps[0].url: cod is not"),
        (
            f"steps: [{STEP}], pattern: x, verify: [{{id: b, url: 'http://x/{{{{ y }}}}'}}]",
            "verify[0].url: y is not known",
        ),
        (
            f"steps: [{STEP}], pattern: x, verify: [{STEP}]",
            "verify[0].id: the id 'a' is taken by step 1",
        ),
        (
            "smtp: {host: 127.0.0.1, encryption: none, sender: a, recipient: b@c.example}",
            "smtp.sender: not an address",
        ),
    ],
)
def test_settings_that_cannot_be(written: str, message: str, tmp_path: Path) -> None:
    more = yaml.safe_dump(yaml.safe_load(f"{{{written}}}"))
    path = tmp_path / "beacon.yaml"
    path.write_text(WHOLE + textwrap.indent(more, " " * 8))
    with pytest.raises(ConfigError) as raised:
        load_config(path, {})
    assert message in str(raised.value)
    assert "canary" not in str(raised.value)


def test_the_lifetime_is_the_same_for_probe_and_judgement(tmp_path: Path) -> None:
    path = tmp_path / "beacon.yaml"
    path.write_text(WHOLE + "        every: 5m\n        pattern: x\n        code_lifetime: 3m\n")
    config = load_config(path, {})
    (endpoint,) = config.watched.services[0].endpoints
    probe: Any = config.probes["codes/it"]
    assert (endpoint.code_lifetime, probe.lifetime, probe.warn_after) == (180.0, 180.0, 90.0)
