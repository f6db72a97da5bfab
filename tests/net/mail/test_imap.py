"""Mailboxes by IMAP: a server that can be made to misbehave; sound ones are with `otp_email`."""

import contextlib
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import Secret, Url
from beacon.config.tls import TlsPolicy
from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.http.auth import OAuth2
from beacon.net.mail.imap import IDLE_AGAIN, Imap, MailWatch
from beacon.net.mail.imap_client import LINES_LIMIT, TRAFFIC_LIMIT
from beacon.net.mail.imap_folders import encoded, junk_of, shown_name, wire_name
from beacon.net.mail.imap_folders import listed as list_of
from beacon.net.mailbox import MESSAGE_LIMIT, MESSAGES_LIMIT
from beacon.net.probe_failure import ProbeFailure
from beacon.otp.code_mailbox import await_code

PASSWORD = "canary-password"
TOKENS = OAuth2(token_url=Url("https://x"), client_id="a", client_secret=Secret("canary"))
BUSY = "source_dead: IMAP: the server accepts no sign-ins now"
REFUSED = "own_credentials: IMAP: the sign-in was refused"
ENDED = "source_dead: IMAP: connect_reset: the sign-in: the connection ended"
LISTED = {
    "by its use": rb'(\HasNoChildren \Junk) "." "Unwanted \"mail\""',
    "by its name": rb'(\HasNoChildren) "/" "[Gmail]/Spam"',
    "at the top": rb"(\HasNoChildren) NIL Junk",
}


def settings(port: int, **given: Any) -> Imap:
    usual = {"host": "127.0.0.1", "encryption": "none", "username": 'pro"be'}
    mailbox = Imap(**{**usual, "port": port, "password": Secret(PASSWORD)} | given)
    assert list(mailbox.flaws()) == []
    return mailbox


@pytest.fixture
def opened(fake_imap):
    """A server as described, a run, and the mailbox opened in it: closed at the end."""
    with contextlib.ExitStack() as stack:

        def start(budget: float = 60.0, **given: Any) -> tuple[Any, Run, MailWatch]:
            server = fake_imap(**given)
            run = Run(SystemClock(), budget)
            watch = stack.enter_context(contextlib.closing(settings(server.port).open(run)))
            return server, run, watch

        yield start


def trouble(run: Run, port: int, **given: Any) -> str:
    """What opening comes to, as `reason: detail`. Never the server's own text."""
    with pytest.raises(ProbeFailure) as raised:
        settings(port, **given).open(run)
    reading = raised.value.reading
    shown = "\n".join([reading.detail, *run.notes])
    assert "canary" not in shown
    assert "secret words" not in shown
    return f"{reading.reason}: {reading.detail}"


def soon(run: Run, seconds: float = 0.0) -> float:
    return run.clock.monotonic() + seconds


# --- settings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"username": None}, ()),
        ({"password": None}, ()),
        ({"oauth2": TOKENS}, ()),
        ({"host": "192.0.2.1"}, ("encryption",)),
        ({"tls": TlsPolicy(key="/x")}, ("tls", "key")),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together(given, path):
    usual = {"host": "localhost", "encryption": "none", "username": "a", "password": Secret("b")}
    assert path in [flaw[0] for flaw in Imap(**usual | given).flaws()]


def test_a_clock_is_needed_for_certificates_and_tokens():
    usual: dict[str, Any] = {"host": "127.0.0.1", "username": "a", "password": Secret("b")}
    assert Imap(**usual).clock_bound
    assert not Imap(**usual, encryption="none").clock_bound
    assert not Imap(**usual, tls=TlsPolicy(verify=False)).clock_bound


# --- signing in ---------------------------------------------------------------------


def test_a_password_goes_by_plain_or_by_login(opened):
    server, _, _ = opened()
    assert "AUTHENTICATE PLAIN" in server.received
    server, _, _ = opened(able="IMAP4rev1")
    assert rf'LOGIN "pro\"be" "{PASSWORD}"' in server.received


@pytest.mark.parametrize(
    ("mood", "comes_to"),
    [
        (b"TAG NO [AUTHENTICATIONFAILED] secret words\r\n", REFUSED),
        (b"TAG NO secret words\r\n", REFUSED),
        (b"TAG NO [UNAVAILABLE] secret words\r\n", BUSY),
        (b"* BYE secret words\r\n", ENDED),
        (b"secret words\r\n", ENDED),
        (b"", ENDED),
    ],
)  # fmt: skip
def test_a_sign_in_that_is_refused(mood, comes_to, fake_imap):
    server = fake_imap(mood=lambda line: mood if line.startswith("AUTH") else None)
    assert trouble(Run(SystemClock(), 60.0), server.port) == comes_to


@pytest.mark.parametrize(
    ("greeting", "comes_to"),
    [
        (b"* BYE secret words\r\n", "protocol_error"),
        (b"220 smtp.example.net ESMTP secret words\r\n", "connect_reset"),
        (b"* PREAUTH you are somebody\r\n", "refused"),
        (b"", "connect_reset"),
        (b"* OK " + b"x" * 2_000_000, "connect_reset"),
        (b"* OK {99999999}\r\nsecret words\r\n", "connect_reset"),
    ],
)
def test_what_is_no_imap_server(greeting, comes_to, fake_imap):
    server = fake_imap(greeting=greeting)
    assert comes_to in trouble(Run(SystemClock(), 60.0), server.port)


def test_starttls_that_is_refused_sends_no_password(fake_imap):
    server = fake_imap(mood=lambda s: b"TAG NO no\r\n" if s == "STARTTLS" else None)
    found = trouble(Run(SystemClock(), 60.0), server.port, encryption="starttls")
    assert found == "source_dead: IMAP: protocol_error: STARTTLS: refused or not understood"
    assert server.received == ["CAPABILITY", "STARTTLS"]


def test_a_token_that_cannot_be_had_is_ours(free_port):
    url = Url(f"http://127.0.0.1:{free_port()}/token")
    oauth2 = OAuth2(token_url=url, client_id="a", client_secret=Secret("canary"))
    found = trouble(Run(SystemClock(), 60.0), 9, password=None, oauth2=oauth2)
    assert found.startswith("source_dead: IMAP: the token: connect_refused")


def test_a_server_that_says_nothing_at_all():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = Run(SystemClock(), 0.1)
        with pytest.raises(DeadlinePassed):
            settings(silent.getsockname()[1]).open(run)
    assert run.overstayed().reason is Reason.SOURCE_DEAD


def test_the_deadline_wakes_it_at_once(opened, eventually):
    server, run, watch = opened(3600.0, able="IMAP4rev1 AUTH=PLAIN IDLE", mood=_idle(b"+ \r\n"))
    run.silence = Reason.CODE_NOT_ARRIVED

    def expire() -> None:
        eventually(lambda: "IDLE" in server.received, "it waits")
        eventually(lambda: run.silence is Reason.CODE_NOT_ARRIVED, "for the server, not for IDLE")
        run.expire()

    threading.Thread(target=expire, daemon=True).start()
    with pytest.raises(DeadlinePassed):
        watch.wait(run, soon(run, 3600))
    assert run.overstayed().reason is Reason.CODE_NOT_ARRIVED, "the server had nothing to say"


# --- waiting ------------------------------------------------------------------------


def test_only_what_arrives_after_the_opening_counts(opened):
    server, run, watch = opened(inbox=[b"Subject: old\r\n\r\n"])
    assert watch.wait(run, soon(run)) is None
    server.inbox.append(b"Subject: new\r\n\r\n834211" + b"x" * 100_000)
    mail = watch.wait(run, soon(run, 60))
    assert mail is not None
    assert mail.text.startswith("834211")
    assert mail.head.startswith("Subject: new\n")
    assert len(mail.text) < MESSAGE_LIMIT
    assert (mail.junk, mail.arrived) == (False, 1795340400.0)
    assert "834211" not in repr(mail)
    assert watch.wait(run, soon(run)) is None, "each once"
    watch.remove(run, mail)
    assert server.deleted == {2}
    assert "UID EXPUNGE 2" in server.received


def test_where_single_ones_cannot_be_expunged(opened):
    server, run, watch = opened(able="IMAP4rev1 AUTH=PLAIN")
    server.inbox.append(b"\r\n")
    mail = watch.wait(run, soon(run, 60))
    watch.remove(run, mail)
    assert server.received[-1] == "EXPUNGE"


def test_what_cannot_be_deleted_is_noted(opened):
    mood: Any = lambda line: b"TAG NO secret words\r\n" if "STORE" in line else None  # noqa: E731
    server, run, watch = opened(mood=mood)
    server.inbox.append(b"\r\n")
    run.silence = Reason.CODE_NOT_ARRIVED
    watch.remove(run, watch.wait(run, soon(run, 60)))
    assert "cannot be deleted: a deletion: refused or not understood" in run.notes[-1]
    assert run.silence is Reason.CODE_NOT_ARRIVED


def test_what_another_took_is_passed_over(opened):
    mood: Any = lambda line: b"TAG OK x\r\n" if "FETCH 1 " in line else None  # noqa: E731
    server, run, watch = opened(mood=mood)
    server.inbox += [b"Subject: gone\r\n\r\n", b"Subject: there\r\n\r\n"]
    mail = watch.wait(run, soon(run, 60))
    assert mail is not None
    assert "there" in mail.head


def test_a_bomb_of_messages_is_no_mailbox_of_a_probe(opened):
    server, run, watch = opened(budget=60)
    server.inbox += [b"\r\n"] * (MESSAGES_LIMIT + 1)
    for _ in range(MESSAGES_LIMIT):
        assert watch.wait(run, soon(run, 60))
    with pytest.raises(ProbeFailure) as raised:
        watch.wait(run, soon(run, 60))
    assert raised.value.reading.reason is Reason.SOURCE_DEAD
    assert "more than 1000 messages came" in raised.value.reading.detail


def _idle(begin: bytes, rest: bytes = b"") -> Callable[[str], bytes | None]:
    def mood(line: str) -> bytes | None:
        if line == "IDLE":
            return begin
        return b"beacon OK\r\n" + rest if line == "" else None

    return mood


def test_a_message_is_seen_when_it_comes(opened):
    server, run, watch = opened(
        3600.0, able="IMAP4rev1 AUTH=PLAIN IDLE", mood=_idle(b"* 1 RECENT\r\n+ \r\n")
    )
    server.on_search = lambda: server.inbox.append(b"\r\n") if "IDLE" in server.received else None
    began = time.monotonic()
    assert watch.wait(run, soon(run, 3600))
    assert time.monotonic() - began < IDLE_AGAIN, "answered at once, so it does not wait"


def test_idle_that_is_refused(opened):
    _, run, watch = opened(able="IMAP4rev1 AUTH=PLAIN IDLE", mood=_idle(b"TAG NO\r\n"))
    with pytest.raises(ProbeFailure, match="source_dead"):
        watch.wait(run, soon(run, 4))


@pytest.mark.parametrize(
    ("command", "answer", "words"),
    [
        ("STATUS", b"* STATUS INBOX ()\r\nTAG OK x\r\n", "its folders"),
        ("SELECT", b"* 1 EXISTS\r\n* OK [UIDVALIDITY 8] x\r\nTAG OK x\r\n", "created again"),
        ("SELECT", b"* OK [READ-ONLY] x\r\nTAG OK x\r\n", "we may only read"),
        ("UID SEARCH", b"* SEARCH one two\r\nTAG OK x\r\n", "what is new"),
        ("UID SEARCH", b"TAG BAD secret words\r\n", "what is new"),
        ("UID FETCH", b"* 1 FETCH (BODY[] {80000}\r\n", "a message"),
    ],
)
def test_answers_that_cannot_be(command, answer, words, fake_imap):
    server = fake_imap(mood=lambda asked: answer if asked.startswith(command) else None)
    server.on_search = lambda: server.inbox.append(b"\r\n")
    run = Run(SystemClock(), 60.0)

    def looked() -> None:
        with contextlib.closing(settings(server.port).open(run)) as watch:
            watch.wait(run, soon(run))

    with pytest.raises(ProbeFailure) as raised:
        looked()
    assert raised.value.reading.reason in (Reason.SOURCE_DEAD, Reason.OWN_CREDENTIALS)
    assert words in raised.value.reading.detail
    assert "secret words" not in raised.value.reading.detail


@pytest.mark.parametrize(
    "flood",
    [(b"* OK " + b"x" * 1_000_000 + b"\r\n") * 18, b"* 1 EXPUNGE\r\n" * 30 * LINES_LIMIT],
    ids=["long lines", "many lines"],
)
def test_what_a_flood_costs_is_bounded(flood, opened):
    _, run, watch = opened(budget=60, mood=lambda line: flood if line == "NOOP" else None)
    assert watch.wait(run, soon(run)) is None
    tracemalloc.start()
    with pytest.raises(ProbeFailure, match="source_dead") as raised:
        watch.wait(run, soon(run))
    assert "what is new: more than 20000 lines or 16 MiB came" in raised.value.reading.detail
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2 * TRAFFIC_LIMIT + len(flood), "the server of this test has the flood itself"


# --- names of folders, and rights -----------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("INBOX", b"INBOX"),
        ("Pr\u00fcfcodes", b"Pr&APw-fcodes"),
        ("R&D codes", b"R&-D codes"),
        ("Archiv/\u65e5\u672c\u8a9e \U0001f600", b"Archiv/&ZeVnLIqe- &2D3eAA-"),
        ("a&b-c", b"a&-b-c"),
        ("R&-D codes", b"R&-D codes"),
        ("Pr&APw-fcodes", b"Pr&APw-fcodes"),
        ("&A-", b"&-A-"),
    ],
)
def test_names_of_folders_are_in_modified_utf_7(name, wire):
    assert wire_name(name) == wire
    assert shown_name(wire) == (shown_name(name.encode()) if b"&" in wire else name)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_each_name_comes_back_as_it_was(name):
    assert shown_name(encoded(name)) == name
    assert encoded(name).isascii()
    assert wire_name(encoded(name).decode()) == encoded(name)


@pytest.mark.parametrize(
    ("listed", "junk"),
    [
        (rb'(\HasNoChildren) "/" "Junk-E-Mail"', b"Junk-E-Mail"),
        (rb'(\HasNoChildren) "/" Junk_Mail', b"Junk_Mail"),
        (rb'(\HasNoChildren) "\\" "Mail\\SPAM"', rb"Mail\SPAM"),
        (b'(\\HasNoChildren) "/" "Courrier ind&AOk-sirable"', b"Courrier ind&AOk-sirable"),
        (rb'(\Noselect) "/" "Spam"', None),
        (rb'(\HasNoChildren) "/" "Junkyard"', None),
        (b'() "/" "\xff\xfe"', None),
        ((b'(\\Junk) "/" {4}', b"odd\xff"), b"odd\xff"),
    ],
)
def test_which_folder_is_for_junk(listed, junk):
    assert junk_of(list_of([listed])) == junk


def test_the_configured_folder_is_asked_for_by_its_name_on_the_wire(fake_imap):
    server, run = fake_imap(), Run(SystemClock(), 60.0)
    watch = settings(server.port, junk="Unerw\u00fcnscht", folder="R&D codes").open(run)
    assert watch.wait(run, soon(run)) is None
    server.inbox.append(b"\r\n")
    mail = watch.wait(run, soon(run))
    assert mail is not None
    assert mail.junk
    watch.remove(run, mail)
    watch.close()
    assert not any(line.startswith("LIST") for line in server.received)
    asked = [line for line in server.received if line.startswith(("STATUS", "SELECT"))]
    assert asked[0] == 'STATUS "R&-D codes" (UIDNEXT UIDVALIDITY)'
    assert asked[1] == 'STATUS "Unerw&APw-nscht" (UIDNEXT UIDVALIDITY)'
    assert 'SELECT "R&-D codes"' in asked


NO_RIGHTS = "own_credentials: IMAP: {}: signed in, but without rights to this mailbox"


@pytest.mark.parametrize(
    ("command", "answer", "comes_to"),
    [
        ("LIST", b"TAG BAD User is authenticated but not connected.\r\n", "its folders"),
        ("STATUS", b"TAG NO [NOPERM] secret words\r\n", "its folders"),
        ("CAPABILITY", b"TAG BAD User is authenticated but not connected.\r\n", ""),
    ],
)
def test_an_account_without_rights_differs_from_one_with_a_wrong_password(
    command, answer, comes_to, fake_imap
):
    signed_in: list[str] = []

    def mood(asked: str) -> bytes | None:
        signed_in.extend([asked] if asked.startswith("AUTH") else [])
        return answer if signed_in and asked.startswith(command) else None

    found = trouble(Run(SystemClock(), 60.0), fake_imap(mood=mood).port)
    assert found == NO_RIGHTS.format(comes_to or "its capabilities")


def test_a_folder_that_is_not_there_is_named_by_its_setting(fake_imap):
    mood: Any = lambda s: b"TAG NO [NONEXISTENT] x\r\n" if s.startswith("STATUS") else None  # noqa: E731
    found = trouble(Run(SystemClock(), 60.0), fake_imap(mood=mood).port)
    assert found == (
        "source_dead: IMAP: the folder of the setting `folder` does not exist, or is hidden from us"
    )


@pytest.mark.parametrize(("ago", "code"), [(30, "834211"), (90, None)])
def test_a_code_that_was_sent_before_a_run_began_is_not_its(ago, code, opened):
    server, run, watch = opened()
    date = format_datetime(datetime.now(UTC) - timedelta(seconds=ago))
    server.inbox.append(f"Date: {date}\r\n\r\ncode 834211".encode())
    if code:
        assert await_code(run, watch, r"code (\d{6})", 1.0) == code
    else:
        with pytest.raises(ProbeFailure) as raised:
            await_code(run, watch, r"code (\d{6})", 0.1)
        text = "no message with a code within 0.1 s; 1 message came that was sent before this run"
        assert raised.value.reading.detail.startswith(text)
        assert server.deleted == set()


# --- junk, what was there, quota -----------------------------------------------------


@pytest.mark.parametrize("how", LISTED)
def test_junk_is_found(how, opened):
    listed = (
        b"* LIST (\\HasNoChildren) NIL {3}\r\nodd\r\n* LIST " + LISTED[how] + b"\r\nTAG OK x\r\n"
    )
    server, run, watch = opened(mood=lambda line: listed if line.startswith("LIST") else None)
    assert "junk is looked into" in run.notes[-1]
    statuses = [line for line in server.received if line.startswith("STATUS")]
    name = {"by its use": r'"Unwanted \"mail\""', "by its name": '"[Gmail]/Spam"'}
    assert name.get(how, '"Junk"') in statuses[-1]
    assert watch.wait(run, soon(run)) is None


def test_the_last_ones_that_were_there(opened):
    server, run, watch = opened(inbox=[b"Subject: %d\r\n\r\n" % n for n in range(1, 6)])
    server.inbox.append(b"Subject: later\r\n\r\n")
    (folder,) = watch.earlier(run)
    found = [mail.head.split()[1] for mail in folder]
    assert found == ["5", "4", "3", "2", "1"], "the newest first, and none that came later"
    assert not watch.full(run), "without quotas it is not full"


@pytest.mark.parametrize(
    ("answer", "full"),
    [
        (b'* QUOTAROOT INBOX ""\r\n* QUOTA "" (STORAGE 10 10)\r\n', True),
        (b'* QUOTAROOT INBOX ""\r\n* QUOTA "" (STORAGE 9 10 MESSAGE 5 5)\r\n', True),
        (b'* QUOTAROOT INBOX ""\r\n* QUOTA "" (STORAGE 9 10)\r\n', False),
        (b"* QUOTAROOT INBOX\r\n", False),
    ],
)
def test_whether_the_mailbox_is_full(answer, full, opened):
    mood: Any = lambda line: answer + b"TAG OK x\r\n" if line.startswith("GETQ") else None  # noqa: E731
    _, run, watch = opened(able="IMAP4rev1 AUTH=PLAIN QUOTA", mood=mood)
    assert watch.full(run) is full
