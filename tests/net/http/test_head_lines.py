"""Many header lines: bytes in, reading out. Their bytes are limited, their number is not."""

import pytest

from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.net.http.connection import HEAD_LIMIT
from beacon.probes.http import Http

OK = b"HTTP/1.1 200 OK\r\n"
END = b"Content-Length: 2\r\n\r\nhi"
LIMIT = "the answer's header block is longer than 64 KiB"


def cookies(count):
    return b"".join(b"Set-Cookie: c%d=1; Path=/; HttpOnly\r\n" % n for n in range(count))


def filled(size):
    """A whole head of so many bytes, in short lines, and a body."""
    space = size - len(OK) - len(END) + len(b"hi")
    short = b"A: 1234\r\n" * (space // 9 - 2)
    return OK + short + b"B: " + b"x" * (space - len(short) - 5) + b"\r\n" + END


@pytest.mark.parametrize(
    ("sent", "reason", "detail"),
    [
        pytest.param(OK + cookies(100) + END, Reason.OK, "", id="100 cookies"),
        pytest.param(OK + cookies(105) + END, Reason.OK, "", id="105 cookies"),
        pytest.param(OK + cookies(1000) + END, Reason.OK, "", id="1000 cookies"),
        pytest.param(OK + END[:-4] + b"\r\n" + cookies(200) + b"\r\nhi", Reason.OK, "", id="after"),
        pytest.param(OK + b"A:\r\n" * 9000 + END, Reason.OK, "", id="9000 empty"),
        pytest.param(OK + b"A: b\n" * 101 + b"\n", Reason.OK, "", id="bare line feeds"),
        pytest.param(OK + b"A: b\r\n" + b" c\r\n" * 101 + END, Reason.OK, "", id="one folded line"),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n" + b"A: b\r\n" * 101 + b"\r\n" + OK + END,
            Reason.OK,
            "",
            id="interim",
        ),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n" + cookies(105) + b"\r\n",
            Reason.OK,
            "",
            id="trailers",
        ),
        pytest.param(
            b"HTTP/1.1 511 No\r\n" + END,
            Reason.OWN_NETWORK,
            "a network on the way wants a sign-in first: status 511",
            id="511",
        ),
        pytest.param(
            b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", Reason.OK, "", id="no body"
        ),
        pytest.param(
            b"HTTP/1.1 503 No\r\n" + cookies(105) + END, Reason.HTTP_STATUS, "status 503", id="503"
        ),
        pytest.param(
            OK + cookies(105) + b"no colon here\r\n" + END,
            Reason.PROTOCOL_ERROR,
            "not valid HTTP: malformed header block",
            id="garbled after 105",
        ),
        pytest.param(
            OK + cookies(105),
            Reason.PROTOCOL_ERROR,
            "connection closed: the answer ended inside its header block",
            id="cut after 105",
        ),
        pytest.param(filled(HEAD_LIMIT), Reason.OK, "", id="64 KiB"),
        pytest.param(filled(HEAD_LIMIT + 1), Reason.PROTOCOL_ERROR, LIMIT, id="one byte more"),
        pytest.param(OK + b"A:\r\n" * 20_000 + END, Reason.PROTOCOL_ERROR, LIMIT, id="20000 empty"),
        pytest.param(
            b"HTTP/1.1 103 Early Hints\r\n" + b"A: b\r\n" * 6000 + b"\r\n" + OK
            + b"A: b\r\n" * 6000 + END,
            Reason.PROTOCOL_ERROR,
            LIMIT,
            id="interim and final together",
        ),
    ],
)  # fmt: skip
def test_a_head_is_limited_by_its_bytes_and_not_by_its_lines(raw_server, sent, reason, detail):
    reading = Run(SystemClock(), 60.0).take(Http(url=raw_server(sent).url))
    assert reading.reason is reason
    assert detail in reading.detail


def test_cookies_past_the_hundredth_line_are_kept_over_a_redirect(raw_server):
    def script(peer, head):
        if head.startswith(b"GET /home "):
            peer.sendall(OK + END if b"c104=1" in head else b"HTTP/1.1 401 Who\r\n" + END)
        else:
            peer.sendall(b"HTTP/1.1 302 Go\r\nLocation: /home\r\n" + cookies(105) + END)

    reading = Run(SystemClock(), 60.0).take(Http(url=raw_server(script).url))
    assert reading.reason is Reason.OK
