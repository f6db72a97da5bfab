"""What IMAP and SMTP have in common: whose trouble it is, and how long an answer may take."""

import errno
import socket
import ssl

import pytest

from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import DeadlinePassed, Run
from beacon.net.mail.mail_server import answering, own_trouble, silence_means
from beacon.net.probe_failure import ProbeFailure


def asked(error: BaseException) -> None:
    """Ask, and meet an error."""
    one, other = socket.socketpair()
    with one, other, answering(Run(SystemClock(), 60.0), one, "a word", 0.5):
        assert one.gettimeout() == 0.5
        raise error


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (TimeoutError(), Reason.DEADLINE, "a word: no answer within 0.5 s"),
        (ConnectionResetError(104, "Reset"), Reason.CONNECT_RESET, "a word: reset"),
        (ssl.SSLError(1, "[SSL: BAD] x"), Reason.TLS_HANDSHAKE, "TLS:"),
    ],
)
def test_what_goes_wrong_with_an_answer(error, reason, words):
    with pytest.raises(ProbeFailure) as raised:
        asked(error)
    assert raised.value.reading.reason is reason
    assert raised.value.reading.detail.startswith(words)


def test_too_many_open_files_are_not_an_answer_of_the_server():
    with pytest.raises(OSError, match="files"):
        asked(OSError(errno.EMFILE, "too many files"))


@pytest.mark.parametrize(
    ("reason", "becomes", "detail"),
    [
        (Reason.TLS_EXPIRED, Reason.SOURCE_DEAD, "IMAP: tls_expired: why"),
        (Reason.OWN_CREDENTIALS, Reason.OWN_CREDENTIALS, "IMAP: why"),
        (Reason.RATE_LIMITED, Reason.RATE_LIMITED, "IMAP: why"),
    ],
)
def test_all_trouble_with_what_we_look_with_is_ours(reason, becomes, detail):
    with pytest.raises(ProbeFailure) as raised, own_trouble("IMAP"):
        raise ProbeFailure(reason, "why")
    assert (raised.value.reading.reason, raised.value.reading.detail) == (becomes, detail)


def test_what_silence_means_ends_with_it_but_not_at_the_deadline():
    run = Run(SystemClock(), 60.0)
    with silence_means(run, Reason.CODE_NOT_ARRIVED):
        with pytest.raises(ProbeFailure), silence_means(run, Reason.SOURCE_DEAD):
            raise ProbeFailure(Reason.SOURCE_DEAD, "why")
        assert run.silence is Reason.CODE_NOT_ARRIVED
    assert run.silence is None
    with pytest.raises(DeadlinePassed), silence_means(run, Reason.SOURCE_DEAD):
        raise DeadlinePassed
    assert run.silence is Reason.SOURCE_DEAD
