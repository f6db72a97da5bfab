"""A mailbox behind IMAP (RFC 3501): what arrives in a folder and in junk, from a moment on.

imaplib speaks; what it reads, and how long, is ours to bound. With IDLE (RFC 2177) a message is
seen when it comes, else by asking again and again. The server's own words are never quoted: they
may hold whatever it was told.
"""

import contextlib
import imaplib
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from msgspec import Meta

from beacon.core.model import Reason
from beacon.engine.run import Phase, Run
from beacon.engine.text_pattern import TextPattern
from beacon.transport import tls
from beacon.transport.arrivals import MESSAGE_LIMIT, MESSAGES_LIMIT, Message
from beacon.transport.dates import mail_date
from beacon.transport.letter import Letter
from beacon.transport.mail_server import MailServer, answering, own_trouble, silence_means
from beacon.transport.trouble import Trouble

POLL: Final = 2.0
"""Seconds between two looks where the server has no IDLE."""

JUNK_EVERY: Final = 5.0
"""Seconds between two looks into junk: only one folder can be idled in."""

IDLE_AGAIN: Final = 60.0
"""Seconds after which the server must say that it is still there."""

TRAFFIC_LIMIT: Final = 80 * 1024 * 1024
"""Bytes one connection may bring: all the messages of a run at their limit, and words."""

_CHUNK: Final = 64 * 1024
_LITERAL_LIMIT: Final = MESSAGE_LIMIT + 1024
_LINE_LIMIT: Final = 1024 * 1024  # of ten thousand messages the numbers
_PORTS: Final = {"tls": 993, "starttls": 143, "none": 143}
_JUNK_NAMES: Final = frozenset({"junk", "junk email", "junk e-mail", "spam", "bulk mail"})
_COUNTERS: Final = TextPattern(rb"(UIDNEXT|UIDVALIDITY) (\d+)")
_UID: Final = TextPattern(rb"UID (\d+)")
_QUOTA: Final = TextPattern(rb"(?:STORAGE|MESSAGE) (\d{1,18}) (\d{1,18})")
_ARRIVED: Final = TextPattern(rb'INTERNALDATE "([^"]{1,40})"')
_LISTED: Final = TextPattern(rb'\(([^)]*)\) (?:"([^"]*)"|NIL) (.+)')
_NOT_OUR_FAULT: Final = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]", "[CONTACTADMIN]")
"""Response codes (RFC 5530) of a refused sign-in that say nothing of our password."""


@dataclass(frozen=True, slots=True)
class Mail(Message):
    """A message of mail: its letter, whether it lay in junk, and when it arrived (UTC seconds).

    That moment is by its server's clock; 0 where the server did not say.
    """

    letter: Letter = field(repr=False)
    junk: bool = False
    arrived: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Imap(MailServer):
    """An account, the folder mail arrives in, and the one junk is put into."""

    folder: Annotated[str, Meta(min_length=1, description="where mail arrives")] = "INBOX"
    junk: Annotated[
        str | None, Meta(description="where junk is put; left out: the folder made for it")
    ] = None

    def open(self, run: Run) -> "MailWatch":
        """Sign in, and note what is there. Raises `Trouble` with an error."""
        with silence_means(run, Reason.SOURCE_DEAD), own_trouble("IMAP"):
            return MailWatch(self, run)


class _Client(imaplib.IMAP4):
    """imaplib on a socket of ours, with every limit kept."""

    def __init__(self, sock: socket.socket, host: str) -> None:
        self._given = sock
        self._buffer = bytearray()
        self._traffic = 0
        super().__init__(host)

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:  # noqa: ARG002
        """Take the socket that is there."""
        self.host, self.port, self.sock = host, port, self._given

    def shutdown(self) -> None:
        """Close it."""
        self.sock.close()

    def readline(self) -> bytes:
        """One line with its end."""
        looked = 0
        while (end := self._buffer.find(b"\n", looked)) < 0:
            looked = len(self._buffer)
            if looked > _LINE_LIMIT:
                raise self.abort("a line without end")
            self._fill()
        return self._take(end + 1)

    def read(self, size: int) -> bytes:
        """So many bytes."""
        if size > _LITERAL_LIMIT:
            raise self.abort("more than was asked for")
        while len(self._buffer) < size:
            self._fill()
        return self._take(size)

    def begin_tls(self) -> None:
        """STARTTLS: the caller secures the socket. What came before it is forgotten."""
        self.send(b"beacon STARTTLS\r\n")
        while not (line := self.readline()).startswith(b"beacon "):
            pass
        if not line.startswith(b"beacon OK"):
            raise self.error("STARTTLS is refused")
        self._buffer.clear()

    def begin_idle(self) -> bool:
        """Begin to wait; whether the server told of something at once."""
        self.send(b"beacon IDLE\r\n")
        told = False
        while not (line := self.readline()).startswith(b"+"):
            if line.startswith(b"beacon "):
                raise self.error("IDLE is refused")
            told = True
        return told

    def end_idle(self) -> None:
        """Speak again."""
        self.send(b"DONE\r\n")
        while not self.readline().startswith(b"beacon "):
            pass

    def _fill(self) -> None:
        piece = self.sock.recv(_CHUNK)
        self._traffic += len(piece)
        if not piece:
            raise self.abort("the connection was closed")
        if self._traffic > TRAFFIC_LIMIT:
            raise self.abort("an answer without end")
        self._buffer += piece

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


@dataclass
class _Folder:
    """A folder: its name as the server writes it, and the first message not yet looked at."""

    name: bytes
    junk: bool
    uid: int = 0
    validity: int = 0


class MailWatch:
    """A mailbox from the moment it was opened on."""

    def __init__(self, imap: Imap, run: Run) -> None:
        self._run = run
        self._there = 0
        self._selected: _Folder | None = None
        self._queue: deque[tuple[_Folder, int]] = deque()
        self._given = 0
        token = imap.token(run)
        self._sock = imap.connected(run, _PORTS[imap.encryption])
        try:
            run.enter(Phase.WAIT)
            with self._asking(run, "the greeting"):
                self._client = _Client(self._sock, imap.host)
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
            said = _joined(self._asked(self._client.capability))
        return frozenset(said.decode("ascii", "replace").upper().split())

    def _sign_in(self, run: Run, imap: Imap, token: str | None) -> None:
        password = imap.password.reveal() if imap.password else ""
        with self._asking(run, "the sign-in"):
            try:
                self._prove(imap.username or "", password, token and imap.xoauth2(token))
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                if imap.oauth2:
                    imap.oauth2.forget()
                if any(code in str(error) for code in _NOT_OUR_FAULT):
                    raise Trouble(Reason.SOURCE_DEAD, "nobody can sign in now") from None
                raise Trouble(Reason.OWN_CREDENTIALS, "the sign-in was refused") from None
        self._able = self._able_to(run)
        run.note(f"IMAP: signed in, {'IDLE' if 'IDLE' in self._able else 'no IDLE'}")

    def _prove(self, username: str, password: str, token: str | None) -> None:
        if token:
            # After a refusal the server explains itself, and wants an empty answer.
            answers = iter([token.encode()])
            self._client.authenticate("XOAUTH2", lambda _: next(answers, b""))
        elif "AUTH=PLAIN" in self._able:
            proof = f"\0{username}\0{password}".encode()
            self._client.authenticate("PLAIN", lambda _: proof)
        else:
            self._client.login(_quoted(username), password)

    def _look_around(self, run: Run, imap: Imap) -> Sequence[_Folder]:
        """The folder and junk, each with the number its next message will have."""
        folders = [_Folder(imap.folder.encode(), junk=False)]
        with self._asking(run, "its folders"):
            junk = imap.junk.encode() if imap.junk else self._junk()
            folders += [_Folder(junk, junk=True)] if junk else []
            for folder in folders:
                folder.uid, folder.validity = self._status(folder)
        run.note(f"IMAP: junk is {'looked into' if junk else 'not there'}")
        return folders

    def _junk(self) -> bytes | None:
        """The folder for junk: by its use (RFC 6154), else by the names it usually has."""
        named = None
        for line in self._asked(self._client.list):
            listed = _LISTED.fullmatch(line) if isinstance(line, bytes) else None
            if not listed:
                continue
            name = _unquoted(listed[3])
            if rb"\junk" in listed[1].lower():
                return name
            last = name.rpartition(listed[2])[2] if listed[2] else name
            if last.decode("ascii", "replace").lower() in _JUNK_NAMES:
                named = named or name
        return named

    def _status(self, folder: _Folder) -> tuple[int, int]:
        ask = "(UIDNEXT UIDVALIDITY)"
        said = self._asked(self._client.status, _quoted(folder.name), ask)
        found = dict(_COUNTERS.findall(_joined(said)))
        return int(found[b"UIDNEXT"]), int(found[b"UIDVALIDITY"])

    # --- waiting -------------------------------------------------------------------

    def wait(self, run: Run, until: float) -> Mail | None:
        """The next message in the folder or in junk; looks at least once.

        Raises `Trouble` with an error, `DeadlinePassed`.
        """
        with own_trouble("IMAP"):
            while True:
                mail = self._next(run)
                left = until - run.clock.monotonic()
                if mail or left <= 0:
                    return mail
                self._rest(run, left)

    def _next(self, run: Run) -> Mail | None:
        for folder in reversed(self._folders):  # the last one selected is the one idled in
            if not self._queue:
                with self._asking(run, "what is new"):
                    self._queue.extend((folder, uid) for uid in self._new(folder))
        while self._queue:
            folder, uid = self._queue.popleft()
            self._given += 1
            if self._given > MESSAGES_LIMIT:
                text = f"more than {MESSAGES_LIMIT} messages came: no mailbox of a probe"
                raise Trouble(Reason.SOURCE_DEAD, text)
            with self._asking(run, "a message"):
                mail = self._fetched(folder, uid)
            if mail:
                return mail
        return None

    def _new(self, folder: _Folder) -> list[int]:
        if folder.junk:
            following, validity = self._status(folder)
            if validity == folder.validity and following <= folder.uid:
                return []
        if not self._select(folder):
            self._asked(self._client.noop)  # it tells of new messages between commands only
        said = self._asked(self._client.uid, "SEARCH", f"UID {folder.uid}:*")
        # "n:*" always holds the last message, however low its number.
        found = sorted(uid for uid in map(int, _joined(said).split()) if uid >= folder.uid)
        folder.uid = found[-1] + 1 if found else folder.uid
        return found

    def _select(self, folder: _Folder) -> bool:
        """Go to a folder; false where we are there."""
        if self._selected is folder:
            return False
        self._there = int(_joined(self._asked(self._client.select, _quoted(folder.name))) or 0)
        validity = _joined(self._client.response("UIDVALIDITY")[1])
        if not validity.isdigit() or int(validity) != folder.validity:
            raise Trouble(Reason.SOURCE_DEAD, "a folder was made anew: its messages are others")
        self._selected = folder
        return True

    def _fetched(self, folder: _Folder, uid: int) -> Mail | None:
        """One message, as far as it is read; None where it is gone."""
        self._select(folder)
        ask = f"(INTERNALDATE BODY.PEEK[]<0.{MESSAGE_LIMIT}>)"
        said = self._asked(self._client.uid, "FETCH", str(uid), ask)
        raw = next((each[1] for each in said if isinstance(each, tuple)), None)
        if raw is None:
            return None
        letter = Letter(raw)
        at = _arrived(_joined(each[0] if isinstance(each, tuple) else each for each in said))
        return Mail(f"{folder.name.decode()} {uid}", letter.text, letter, folder.junk, at)

    def _rest(self, run: Run, left: float) -> None:
        """Let time pass, or wait until the server tells of something."""
        if "IDLE" not in self._able:
            run.pause(min(POLL, left))
            return
        with self._asking(run, "IDLE"):
            self._select(self._folders[0])
            told = self._client.begin_idle()
        if not told:
            seconds = min(left, JUNK_EVERY if len(self._folders) > 1 else IDLE_AGAIN)
            with self._asking(run, "IDLE", run.silence), contextlib.suppress(TimeoutError):
                self._sock.settimeout(min(seconds, run.remaining()))
                self._client.readline()
        with self._asking(run, "the end of IDLE"):
            self._client.end_idle()

    def earlier(self, run: Run, most: int) -> list[Mail]:
        """The last messages that were there before the opening, in each folder so many."""
        found = []
        with own_trouble("IMAP"):
            for folder in self._folders:
                with self._asking(run, "what was there"):
                    uids = self._last(folder, most)
                for uid in uids:
                    with self._asking(run, "a message"):
                        mail = self._fetched(folder, uid)
                    found += [mail] if mail else []
        return found

    def _last(self, folder: _Folder, most: int) -> list[int]:
        self._selected = None  # to be told how many there are
        self._select(folder)
        numbers = f"{max(1, self._there - most + 1)}:{self._there}"
        said = self._asked(self._client.fetch, numbers, "(UID)") if self._there else []
        uids = (int(uid) for uid in _UID.findall(_joined(said)))
        return sorted(uid for uid in uids if uid < folder.uid)

    # --- afterwards ----------------------------------------------------------------

    def remove(self, run: Run, message: Message) -> None:
        """Delete a message for good; where that cannot be done it is noted."""
        folder, uid = self._place(message)
        try:
            with self._asking(run, "a deletion"):
                self._select(folder)
                self._asked(self._client.uid, "STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
                if "UIDPLUS" in self._able:
                    self._asked(self._client.uid, "EXPUNGE", uid)
                else:
                    self._asked(self._client.expunge)
        except Trouble as trouble:
            run.note(f"the message cannot be deleted: {trouble.reading.detail}")

    def _place(self, message: Message) -> tuple[_Folder, str]:
        name, _, uid = str(message.key).rpartition(" ")
        return next(each for each in self._folders if each.name.decode() == name), uid

    def full(self, run: Run) -> bool:
        """Whether the account has no room left, as far as its server tells (RFC 2087)."""
        if "QUOTA" not in self._able:
            return False
        with own_trouble("IMAP"), self._asking(run, "its quota"):
            _, said = self._client.getquotaroot(_quoted(self._folders[0].name))
        told = _joined(each for part in said for each in part if isinstance(each, bytes))
        pairs = _QUOTA.findall(told)
        return any(int(limit) and int(used) >= int(limit) for used, limit in pairs)

    def close(self) -> None:
        """Hang up."""
        self._run.release(self._sock)
        with contextlib.suppress(OSError):
            self._sock.close()

    @contextlib.contextmanager
    def _asking(
        self, run: Run, words: str, silence: Reason | None = Reason.SOURCE_DEAD
    ) -> Iterator[None]:
        """Inside, something is asked: no answer in time is the mailbox's fault."""
        with silence_means(run, silence):
            try:
                with answering(run, self._sock, words):
                    yield
            except imaplib.IMAP4.readonly:
                raise Trouble(Reason.OWN_CREDENTIALS, f"{words}: we may only read") from None
            except imaplib.IMAP4.abort:
                run.remaining()  # a socket shut by the deadline reads as its end
                raise Trouble(Reason.CONNECT_RESET, f"{words}: the connection ended") from None
            except (imaplib.IMAP4.error, ValueError, LookupError, TypeError):
                text = f"{words}: refused or not understood"
                raise Trouble(Reason.PROTOCOL_ERROR, text) from None

    def _asked(self, command: Callable[..., Any], *args: object) -> list[Any]:
        """What a command that was answered with OK brought."""
        kind, said = command(*args)
        if kind != "OK":
            raise imaplib.IMAP4.error("refused")
        return [each for each in said if each is not None]


def _quoted(name: str | bytes) -> str:
    text = name.decode("ascii") if isinstance(name, bytes) else name
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquoted(name: bytes) -> bytes:
    if not name.startswith(b'"'):
        return name
    return name[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\")


def _joined(said: Any) -> bytes:  # noqa: ANN401 - whatever imaplib made of it
    return b" ".join(each for each in said if isinstance(each, bytes))


def _arrived(said: bytes) -> float:
    written = _ARRIVED.search(said)
    at = mail_date(written[1].decode("ascii", "replace").strip()) if written else None
    return 0.0 if at is None else at.timestamp()
