"""A mailbox behind IMAP (RFC 3501): what arrives in a folder and in junk after it was opened.

imaplib does the protocol; we limit what it reads, and for how long. With IDLE (RFC 2177) a message
is seen when it arrives, else by asking every `POLL` seconds. The server's words are never quoted:
they may contain what it was sent.
"""

import contextlib
import imaplib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from msgspec import Meta

from beacon.core.model import Reason
from beacon.engine.run import Phase, Run
from beacon.engine.text_pattern import TextPattern
from beacon.net import tls
from beacon.net.mail.imap_client import TOO_MUCH, ImapClient
from beacon.net.mail.imap_folders import junk_of, listed, quoted, wire_name
from beacon.net.mail.mail_message import MailMessage
from beacon.net.mail.mail_server import MailServer, answering, own_trouble, silence_means
from beacon.net.mailbox import MESSAGE_LIMIT, MESSAGES_LIMIT, Message
from beacon.net.parsing.dates import mail_date
from beacon.net.probe_failure import ProbeFailure, hold

POLL: Final = 2.0
"""Seconds between two searches where the server has no IDLE."""

JUNK_EVERY: Final = 5.0
"""Seconds between two searches in junk: IDLE works in one folder only."""

IDLE_AGAIN: Final = 60.0
"""Seconds after which the server must answer again."""

_CHUNK: Final = 20
"""Messages whose numbers are fetched at once, going back."""

_STATUS: Final = TextPattern(rb"(UIDNEXT|UIDVALIDITY) (\d{1,10})")
_UID: Final = TextPattern(rb"UID (\d{1,10})")
_QUOTA: Final = TextPattern(rb"(?:STORAGE|MESSAGE) (\d{1,18}) (\d{1,18})")
_DATE: Final = TextPattern(rb'INTERNALDATE "([^"]{1,40})"')
_PORTS: Final = {"tls": 993, "starttls": 143, "none": 143}
_NOT_OUR_FAULT: Final = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]", "[CONTACTADMIN]")
"""Response codes (RFC 5530) of a refused sign-in that have nothing to do with our password."""

_NO_RIGHTS: Final = ("AUTHENTICATED BUT NOT CONNECTED", "[NOPERM]", "[AUTHORIZATIONFAILED]")
"""In the answer if the account may not open the mailbox; the first is from Exchange Online."""


@dataclass(frozen=True, slots=True)
class MessageId:
    """Identifies a message: `uid` is never used again while `validity` stays the same."""

    folder: bytes
    validity: int
    uid: int


@dataclass(frozen=True, slots=True)
class ImapMessage(Message):
    """A mail: `parsed`, whether it was in junk, and when it arrived (UTC seconds).

    `arrived` is by its server's clock; 0 where the server does not say.
    """

    key: MessageId
    parsed: MailMessage = field(repr=False)
    junk: bool = False
    arrived: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Imap(MailServer):
    """An account, the folder that mail arrives in, and the folder for junk."""

    folder: Annotated[str, Meta(min_length=1, description="where mail arrives")] = "INBOX"
    junk: Annotated[
        str | None, Meta(description="where junk is put; left out: the folder made for it")
    ] = None

    def open(self, run: Run) -> "MailWatch":
        """Sign in, and note which messages are there. Raises `ProbeFailure` with an error."""
        with silence_means(run, Reason.SOURCE_DEAD), own_trouble("IMAP"):
            return MailWatch(self, run)


@dataclass
class _Folder:
    """A folder: its name as the server writes it, and the first message not yet read."""

    name: bytes
    junk: bool
    uid: int = 0
    validity: int = 0


class MailWatch:
    """A mailbox, from the moment on when it was opened."""

    def __init__(self, imap: Imap, run: Run) -> None:
        self._run = run
        self._selected: _Folder | None = None
        self._queue: deque[tuple[_Folder, int]] = deque()
        self._given = 0
        token = imap.token(run)
        self._sock = imap.connected(run, _PORTS[imap.encryption])
        try:
            run.enter(Phase.WAIT)
            with self._asking(run, "the greeting"):
                self._client = ImapClient(self._sock, imap.host)
            if imap.encryption == "starttls":
                self._secure(run, imap)
            self._able = self._able_to(run)
            self._sign_in(run, imap, token)
            self._folders = self._look_around(run, imap)
        except BaseException:
            self.close()
            raise

    # --- signing in ----------------------------------------------------------------

    def _secure(self, run: Run, imap: Imap) -> None:
        with self._asking(run, "STARTTLS"):
            self._client.begin_tls()
        self._sock = self._client.sock = tls.handshake(run, self._sock, imap.tls, imap.host)
        run.enter(Phase.WAIT)

    def _able_to(self, run: Run) -> frozenset[str]:
        with self._asking(run, "its capabilities"):
            names = _joined(self._answer(self._client.capability))
        return frozenset(names.decode("ascii", "replace").upper().split())

    def _sign_in(self, run: Run, imap: Imap, token: str | None) -> None:
        password, outside = imap.password.reveal() if imap.password else "", self._client.state
        with self._asking(run, "the sign-in"):
            try:
                self._prove(imap.username or "", password, token and imap.xoauth2(token))
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                # Python 3.14 asks for the capabilities itself: an error then is not a refusal.
                if self._client.state == outside:
                    raise _refused(run, imap, error) from None
        self._able = self._able_to(run)
        run.note(f"IMAP: signed in, {'IDLE' if 'IDLE' in self._able else 'no IDLE'}")

    def _prove(self, username: str, password: str, token: str | None) -> None:
        if token:
            # After a refusal the server sends an explanation, and expects an empty answer.
            answers = iter([token.encode()])
            self._client.authenticate("XOAUTH2", lambda _: next(answers, b""))
        elif "AUTH=PLAIN" in self._able:
            proof = f"\0{username}\0{password}".encode()
            self._client.authenticate("PLAIN", lambda _: proof)
        else:
            self._client.login(quoted(username.encode()).decode(), password)

    def _look_around(self, run: Run, imap: Imap) -> Sequence[_Folder]:
        """The folder and junk, each with the number its next message will have."""
        with self._asking(run, "its folders"):
            junk = (
                wire_name(imap.junk)
                if imap.junk
                else junk_of(listed(self._answer(self._client.list)))
            )
        folders = [self._found(run, wire_name(imap.folder), "folder")]
        folders += [self._found(run, junk, "junk")] if junk else []
        run.note(f"IMAP: junk is {'looked into' if junk else 'not there'}")
        return folders

    def _found(self, run: Run, name: bytes, setting: str) -> _Folder:
        """A folder as it is now. Raises `ProbeFailure` if it does not exist."""
        folder = _Folder(name, junk=setting == "junk")
        with self._asking(run, "its folders"):
            try:
                folder.uid, folder.validity = self._status(folder)
            except _Refused as refused:
                if _says(refused, _NO_RIGHTS):
                    raise
                text = f"the folder of the setting `{setting}` does not exist, or is hidden from us"
                raise ProbeFailure(Reason.SOURCE_DEAD, text) from None
        return folder

    def _status(self, folder: _Folder) -> tuple[int, int]:
        ask = "(UIDNEXT UIDVALIDITY)"
        answer = self._answer(self._client.status, quoted(folder.name), ask)
        found = dict(_STATUS.findall(_joined(answer)))
        return int(found[b"UIDNEXT"]), int(found[b"UIDVALIDITY"])

    # --- waiting -------------------------------------------------------------------

    def wait(self, run: Run, until: float) -> ImapMessage | None:
        """The next message in the folder or in junk; searches at least once.

        Raises `ProbeFailure` with an error, `DeadlinePassed`.
        """
        with own_trouble("IMAP"):
            while True:
                mail = self._next(run)
                left = until - run.clock.monotonic()
                if mail or left <= 0:
                    return mail
                self._rest(run, left)

    def _next(self, run: Run) -> ImapMessage | None:
        for folder in reversed(self._folders):  # the last one selected is the one idled in
            if not self._queue:
                with self._asking(run, "what is new"):
                    self._queue.extend((folder, uid) for uid in self._new(folder))
        while self._queue:
            folder, uid = self._queue.popleft()
            mail = self._fetched(run, folder, uid)
            if mail:
                return mail
        return None

    def ignore_present(self, run: Run) -> Mapping[tuple[bytes, int], int]:
        """Ignore the messages that are there now; for each folder and validity the next number."""
        with own_trouble("IMAP"), self._asking(run, "what is new"):
            for folder in self._folders:
                self._new(folder)
        return {(folder.name, folder.validity): folder.uid for folder in self._folders}

    def _new(self, folder: _Folder) -> list[int]:
        if folder.junk:
            following, validity = self._status(folder)
            if validity == folder.validity and following <= folder.uid:
                return []
        if self._selected is folder:
            self._answer(self._client.noop)  # the server announces new messages only in answers
        self._select(folder)
        answer = self._answer(self._client.uid, "SEARCH", f"UID {folder.uid}:*")
        # "n:*" always contains the last message, even if its number is lower than n.
        found = sorted(uid for uid in map(int, _joined(answer).split()) if uid >= folder.uid)
        folder.uid = found[-1] + 1 if found else folder.uid
        return found

    def _select(self, folder: _Folder) -> int:
        """Select a folder; how many messages it has, or 0 if it is selected already."""
        if self._selected is folder:
            return 0
        there = int(_joined(self._answer(self._client.select, quoted(folder.name))) or 0)
        validity = _joined(self._client.response("UIDVALIDITY")[1])
        if not validity.isdigit() or int(validity) != folder.validity:
            text = "a folder was created again: its messages have other numbers"
            raise ProbeFailure(Reason.SOURCE_DEAD, text)
        self._selected = folder
        return there

    def _fetched(self, run: Run, folder: _Folder, uid: int) -> ImapMessage | None:
        """One message, up to `MESSAGE_LIMIT` bytes; None if it is gone."""
        self._given += 1
        if self._given > MESSAGES_LIMIT:
            text = f"more than {MESSAGES_LIMIT} messages came: use a mailbox for this probe alone"
            raise ProbeFailure(Reason.SOURCE_DEAD, text)
        with self._asking(run, "a message"):
            self._select(folder)
            ask = f"(INTERNALDATE BODY.PEEK[]<0.{MESSAGE_LIMIT}>)"
            answer = self._answer(self._client.uid, "FETCH", str(uid), ask)
        raw = next((each[1] for each in answer if isinstance(each, tuple)), None)
        if raw is None:
            return None
        hold(run, len(raw))
        mail = MailMessage(raw)
        return ImapMessage(
            MessageId(folder.name, folder.validity, uid),
            mail.body,
            head=mail.head,
            sent=mail.sent,
            parsed=mail,
            junk=folder.junk,
            arrived=_arrived(_joined(e[0] if isinstance(e, tuple) else e for e in answer)),
        )

    def _rest(self, run: Run, left: float) -> None:
        """Wait: with IDLE until the server announces something, else for `POLL` seconds."""
        if "IDLE" not in self._able:
            run.pause(min(POLL, left))
            return
        with self._asking(run, "IDLE"):
            self._select(self._folders[0])
            announced = self._client.begin_idle()
        if not announced:
            seconds = min(left, JUNK_EVERY if len(self._folders) > 1 else IDLE_AGAIN)
            with self._asking(run, "IDLE", run.silence), contextlib.suppress(TimeoutError):
                self._sock.settimeout(min(seconds, run.remaining()))
                self._client.readline()
        with self._asking(run, "the end of IDLE"):
            self._client.end_idle()

    def earlier(self, run: Run) -> Iterator[Iterator[ImapMessage]]:
        """For each folder the messages from before the opening or `ignore_present`, newest first.

        Each is fetched when it is taken.
        """
        return (self._back(run, folder, folder.uid) for folder in self._folders)

    def _back(self, run: Run, folder: _Folder, before: int) -> Iterator[ImapMessage]:
        with own_trouble("IMAP"):
            with self._asking(run, "what was there"):
                self._selected = None  # so that `_select` returns how many there are
                last = self._select(folder)
            while last > 0:
                with self._asking(run, "what was there"):
                    self._select(folder)
                    numbers = f"{max(1, last - _CHUNK + 1)}:{last}"
                    answer = _joined(self._answer(self._client.fetch, numbers, "(UID)"))
                uids = {int(uid) for uid in _UID.findall(answer)}
                last -= _CHUNK
                for uid in sorted((uid for uid in uids if uid < before), reverse=True):
                    before = uid
                    mail = self._fetched(run, folder, uid)
                    if mail:
                        yield mail

    # --- afterwards ----------------------------------------------------------------

    def remove(self, run: Run, message: Message) -> None:
        """Delete a message for good; a failed deletion is only noted."""
        assert isinstance(message, ImapMessage)
        folder = next(each for each in self._folders if each.name == message.key.folder)
        uid = str(message.key.uid)
        try:
            with self._asking(run, "a deletion"):
                self._select(folder)
                self._answer(self._client.uid, "STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
                if "UIDPLUS" in self._able:
                    self._answer(self._client.uid, "EXPUNGE", uid)
                else:
                    self._answer(self._client.expunge)
        except ProbeFailure as trouble:
            run.note(f"the message cannot be deleted: {trouble.reading.detail}")

    def full(self, run: Run) -> bool:
        """Whether the account's quota is used up, if the server reports it (RFC 2087)."""
        if "QUOTA" not in self._able:
            return False
        with own_trouble("IMAP"), self._asking(run, "its quota"):
            name = quoted(self._folders[0].name).decode("ascii", "replace")
            _, answer = self._client.getquotaroot(name)
        pairs = _QUOTA.findall(_joined(e for part in answer for e in part if isinstance(e, bytes)))
        return any(int(limit) and int(used) >= int(limit) for used, limit in pairs)

    def close(self) -> None:
        """Close the connection."""
        self._run.release(self._sock)
        with contextlib.suppress(OSError):
            self._sock.close()

    @contextlib.contextmanager
    def _asking(
        self, run: Run, words: str, silence: Reason | None = Reason.SOURCE_DEAD
    ) -> Iterator[None]:
        """Inside, errors and silence become a `ProbeFailure`; `words` say what was asked for."""
        with silence_means(run, silence):
            try:
                with answering(run, self._sock, words):
                    yield
            except imaplib.IMAP4.readonly:
                raise ProbeFailure(Reason.OWN_CREDENTIALS, f"{words}: we may only read") from None
            except imaplib.IMAP4.abort as error:
                if TOO_MUCH in str(error):
                    text = f"{words}: {TOO_MUCH} came: use a mailbox for this probe alone"
                    raise ProbeFailure(Reason.SOURCE_DEAD, text) from None
                run.remaining()  # at the deadline the socket is shut, which reads as its end
                raise ProbeFailure(Reason.CONNECT_RESET, f"{words}: the connection ended") from None
            except (imaplib.IMAP4.error, ValueError, LookupError, TypeError) as error:
                if _says(error, _NO_RIGHTS):
                    text = f"{words}: signed in, but without rights to this mailbox"
                    raise ProbeFailure(Reason.OWN_CREDENTIALS, text) from None
                text = f"{words}: refused or not understood"
                raise ProbeFailure(Reason.PROTOCOL_ERROR, text) from None

    def _answer(self, command: Callable[..., Any], *args: object) -> list[Any]:
        """The data a command returns. Raises `_Refused` unless the status is OK."""
        status, data = command(*args)
        if status != "OK":
            raise _Refused(data)
        return [each for each in data if each is not None]


class _Refused(imaplib.IMAP4.error):
    """A command was answered with NO. Never shown: it contains the server's words."""


def _refused(run: Run, imap: Imap, error: imaplib.IMAP4.error) -> ProbeFailure:
    """The failure for a refused sign-in."""
    if imap.oauth2:
        imap.oauth2.forget(run)
    if _says(error, _NOT_OUR_FAULT):
        return ProbeFailure(Reason.SOURCE_DEAD, "the server accepts no sign-ins now")
    return ProbeFailure(Reason.OWN_CREDENTIALS, "the sign-in was refused")


def _says(error: Exception, words: Sequence[str]) -> bool:
    return any(each in str(error).upper() for each in words)


def _joined(answer: Any) -> bytes:  # noqa: ANN401 - imaplib's mixture of bytes and tuples
    return b" ".join(each for each in answer if isinstance(each, bytes))


def _arrived(answer: bytes) -> float:
    written = _DATE.search(answer)
    at = mail_date(written[1].decode("ascii", "replace").strip()) if written else None
    return 0.0 if at is None else at.timestamp()
