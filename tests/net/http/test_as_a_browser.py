"""Bytes in, reading out: what real servers send beside the rules, and browsers take all the same.

These tables know nothing of the code below them: they hold for any HTTP client.
"""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.model import Reading, Reason
from beacon.engine.clock import ManualClock, SystemClock
from beacon.engine.run import Run
from beacon.net.http.client import Answer, Request, exchange
from beacon.net.http.cookies import Jar
from beacon.net.http.expectations import parse_json
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.extract import Capture, Form

END = b"Content-Length: 0\r\n\r\n"
NOON = datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC)


def answer(*lines: bytes, body: bytes = b"", status: bytes = b"200 OK") -> bytes:
    head = b"".join(line + b"\r\n" for line in lines)
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, head, len(body), body)


# --- cookies ----------------------------------------------------------------------

LATER = b"Expires=Tue, 05 Jan 2027 12:00:00 GMT"
PAST = b"Expires=Thu, 01-Jan-1970 00:00:01 GMT"

COOKIES = [
    # what a server sets → what it is sent with the next request; nothing: no cookie
    (b"sid=1", b"sid=1"),
    (b"sid=1; Domain=", b"sid=1"),
    (b"sid=1; Domain=; Path=; Secure", b"sid=1"),
    (b"sid=1; Domain", b"sid=1"),
    (b"sid=1; Domain=.", b"sid=1"),
    (b"sid=1; Domain=127.0.0.1", b"sid=1"),
    (b'sid=1; Domain="127.0.0.1"', b"sid=1"),
    (b"sid=1; Domain=example.com", b""),
    (b"sid=1; Domain=0.0.1", b""),
    (b"sid=1; Domain=1", b""),
    (b'sid=1; Max-Age="3600"', b"sid=1"),
    (b"sid=1; Max-Age=3600", b"sid=1"),
    (b"sid=1; Max-Age=99999999999999999999", b"sid=1"),
    (b"sid=1; Max-Age=soon", b"sid=1"),
    (b"sid=1; Max-Age=", b"sid=1"),
    (b"sid=1; Max-Age=\xb2", b"sid=1"),
    (b"sid=1; Max-Age=0", b""),
    (b"sid=1; Max-Age=-1", b""),
    (b"sid=1; max-age=0; " + LATER, b""),
    (b"sid=1; Max-Age=60; " + PAST, b"sid=1"),
    (b"sid=1; " + LATER, b"sid=1"),
    (b"sid=1; " + PAST, b""),
    (b"sid=1; Expires=Wed, 30-Nov-2022 10:00:00 GMT", b""),
    (b"sid=1; Expires=Wed, 30-Nov-2022 10:00:00", b""),
    (b"sid=1; Expires=Wed, 30-Nov-2033 10:00:00", b"sid=1"),
    (b"sid=1; Expires=0", b"sid=1"),
    (b"sid=1; Expires=\xff", b"sid=1"),
    (rb'sid="{\"a\":1}"', rb'sid="{\"a\":1}"'),
    (b'sid="a b"', b'sid="a b"'),
    (b'sid="a', b'sid="a'),
    (b'sid={"a":1,"b":[2]}', b'sid={"a":1,"b":[2]}'),
    (b"sid=a=b==", b"sid=a=b=="),
    (b"sid= 1 ; Path=/", b"sid=1"),
    (b"sid=a,b", b"sid=a,b"),
    (b"sid=\xc3\xbc", b"sid=\xc3\xbc"),
    (b"sid=\xfc", b"sid=\xfc"),
    (b"sid=", b"sid="),
    (b"alone", b"alone"),
    (b"=value", b"value"),
    (b"", b""),
    (b";", b""),
    (b"sid=1; Path=/in", b"sid=1"),
    (b"sid=1; Path=/in/", b""),
    (b"sid=1; Path=/i", b""),
    (b"sid=1; Path=in", b"sid=1"),
    (b'sid=1; Path="/other"', b"sid=1"),
    (b"sid=1; Secure", b"sid=1"),
    (b"sid=1; HttpOnly; SameSite=Strict; Priority=High; Partitioned", b"sid=1"),
    (b'sid=1; Version=1; Comment=x; Port="1,2"; Discard', b"sid=1"),
    (b"$Version=1", b"$Version=1"),
    (b"sid=" + b"x" * 4093, b"sid=" + b"x" * 4093),
    (b"sid=" + b"x" * 4094, b""),
    (b"__Host-sid=1; Secure; Path=/", b"__Host-sid=1"),
    (b"__Host-sid=1; Path=/", b""),
    (b"__Host-sid=1; Secure; Path=/in", b""),
    (b"__Secure-sid=1; Secure", b"__Secure-sid=1"),
    (b"__Secure-sid=1", b""),
]


@pytest.mark.parametrize(("line", "sent"), COOKIES)
def test_cookies(raw_server, line, sent):
    server = raw_server(answer(b"Set-Cookie: " + line))
    run, jar = Run(ManualClock(NOON), 60.0), Jar()
    exchange(run, Request(url=server.url), jar=jar)
    exchange(run, Request(url=server.url + "in"), jar=jar)
    came = [each for each in server.heads[1].split(b"\r\n") if each.startswith(b"Cookie: ")]
    assert came == ([b"Cookie: " + sent] if sent else [])


def jar_of(url: str, *lines: str) -> Jar:
    jar = Jar()
    jar.take(url, lines, NOON)
    return jar


def test_a_cookie_is_replaced_and_deleted_where_it_was_set():
    jar = jar_of("https://a.example.com/in/x", "a=1", "b=2; Path=/", "a=3", "c=4; Path=/in")
    assert jar.header("https://a.example.com/in/y") == "a=3; c=4; b=2"
    jar.take("https://a.example.com/in/x", ["c=; Max-Age=0", "b=; Max-Age=0"], NOON)
    assert jar.header("https://a.example.com/in/y") == "a=3; b=2", "b is another below /in"


@pytest.mark.parametrize(
    ("line", "below", "above", "beside"),
    [
        ("a=1", False, False, False),
        ("a=1; Domain=id.example.com", True, False, False),
        ("a=1; Domain=.Example.com", True, True, True),
        ("a=1; Domain=com", False, False, False),
    ],
)
def test_a_cookie_goes_to_the_hosts_it_is_for(line, below, above, beside):
    jar = jar_of("https://id.example.com/", line)
    hosts = "x.id.example.com", "example.com", "app.example.com"
    found = [bool(jar.header(f"https://{host}/")) for host in hosts]
    assert found == [below, above, beside]
    assert not jar.header("https://notexample.com/")


def test_a_cookie_expires_by_the_servers_own_clock(raw_server):
    """Ours may be years away: it is what a beacon without a clock battery begins with."""
    lasting = b"Set-Cookie: sid=1; Expires=Mon, 05 Jan 2026 13:00:00 GMT"
    server = raw_server(answer(b"Date: Mon, 05 Jan 2026 12:00:00 GMT", lasting))
    run, jar = Run(ManualClock(datetime(2031, 1, 1, tzinfo=UTC)), 60.0), Jar()
    exchange(run, Request(url=server.url), jar=jar)
    assert [cookie.name for cookie in jar] == ["sid"]


@given(st.text(st.characters(max_codepoint=255), max_size=80), st.text("abc./?", max_size=8))
def test_whatever_a_cookie_says_it_is_kept_or_not(line, path):
    jar = jar_of(f"https://example.com/{path}", line)
    jar.header(f"https://example.com/{path}").encode("latin-1")


# --- where a redirect leads -------------------------------------------------------

LOCATIONS = [
    # the header as bytes → the path that is asked next
    (b"Location: /in", b"/in"),
    (b"Location: /in  \t", b"/in"),
    (b"Location:/in", b"/in"),
    (b"location: \t /in", b"/in"),
    (b"Location: in", b"/at/in"),
    (b"Location: ../in?a=b#c", b"/in?a=b"),
    (b"Location: ?a=b", b"/at/start?a=b"),
    ("Location: /grün/ü?q=ß".encode(), b"/gr%C3%BCn/%C3%BC?q=%C3%9F"),
    (b"Location: /gr\xfcn", b"/gr%FCn"),
    (b"Location: /a%20b%zz", b"/a%20b%25zz"),
    (b"Location: /a b?c d", b"/a%20b?c%20d"),
    (b"Location: \\in", b"/in"),
    (b"Location: HTTP://{host}/in", b"/in"),
    (b"Location: hTTp://{host}/in ", b"/in"),
    (b"Location: //{host}/in", b"/in"),
    (b"Location: \\\\{host}\\in", b"/in"),
    (b"Location: http://{host}", b"/"),
    (b"Location: http://{host}?a=b", b"/?a=b"),
    (b"Location: /in\r\nLocation: /in", b"/in"),
]


@pytest.mark.parametrize(("line", "path"), LOCATIONS)
def test_locations(raw_server, driven, line, path):
    def script(peer, head):
        first = b" /at/start " in head
        here = line.replace(b"{host}", b"127.0.0.1:%d" % server.port)
        peer.sendall(answer(here, status=b"302 Found") if first else answer())

    server = raw_server(script)
    came = driven(lambda run: exchange(run, Request(url=server.url + "at/start")))
    assert not isinstance(came, Reading), came
    assert server.heads[1].split(b" ")[1] == path


@pytest.mark.parametrize(
    "to", ["ftp://a/", "javascript:x", "http://[", "http://a:b/", "http://.../"]
)
def test_a_location_that_no_browser_follows_is_a_protocol_error(raw_server, driven, to):
    server = raw_server(answer(b"Location: " + to.encode(), status=b"302 Found"))
    came = driven(lambda run: exchange(run, Request(url=server.url)))
    assert came.reason is Reason.PROTOCOL_ERROR


# --- header values ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"X-A: b", "b"),
        (b"X-A:b", "b"),
        (b"X-A: \t b \t ", "b"),
        (b"X-A: b\r\n c", "b c"),
        (b"X-A: b \r\n\t c ", "b c"),
        (b"X-A: b\r\nX-A: c", "b, c"),
        (b"X-A: ", ""),
        ("X-A: grün".encode(), "grün"),
        (b"X-A: gr\xfcn", "grün"),
        (b"X-A: \x1e2", "\x1e2"),
    ],
)
def test_header_values(raw_server, driven, line, value):
    server = raw_server(answer(line))
    came = driven(lambda run: exchange(run, Request(url=server.url)))
    assert came.headers["x-a"] == value


# --- what a body is compressed by -------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"UTF-8",
        b"utf8",
        b"none",
        b"None",
        b"identity",
        b"",
        b"binary",
        b"aws-chunked",
        b"text/html",
        b"\xfc",
        b"identity, none",
        b"gzip;q=0",
    ],
)
def test_what_is_no_content_coding_is_passed_over(raw_server, driven, line):
    server = raw_server(answer(b"Content-Encoding: " + line, body=b"hello"))
    assert driven(lambda run: exchange(run, Request(url=server.url))).body == b"hello"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"br", "was not asked for"),
        (b"ZSTD", "was not asked for"),
        (b"gzip, gzip", "the body is compressed more than once"),
        (b"gzip", "not gzip data"),
        (b"utf-8, gzip", "not gzip data"),
    ],
)
def test_what_was_not_asked_for_cannot_be_read(raw_server, driven, line, words):
    server = raw_server(answer(b"Content-Encoding: " + line, body=b"hello"))
    came = driven(lambda run: exchange(run, Request(url=server.url)))
    assert came.reason is Reason.BODY_UNDECODABLE
    assert words in came.detail


# --- what a page is written in ----------------------------------------------------

WORD = "grün"
LATIN, UTF8 = WORD.encode("latin-1"), WORD.encode()

PAGES = [
    # Content-Type, body → text
    ("text/html", b"<meta charset=iso-8859-1>" + LATIN, WORD),
    ("text/html", b"<META CHARSET='ISO-8859-1'/>" + LATIN, WORD),
    ("Text/HTML; a=b", b'<meta charset="windows-1252">' + LATIN, WORD),
    (
        "text/html",
        b'<meta http-equiv="Content-Type" content="text/html; charset=latin1">' + LATIN,
        WORD,
    ),
    (
        "text/html",
        b"<meta content='text/html;charset=latin1' http-equiv=content-type>" + LATIN,
        WORD,
    ),
    ("application/xhtml+xml", b"<meta charset=latin1>" + LATIN, WORD),
    ("text/html", b"<meta charset=utf-8>" + UTF8, WORD),
    ("text/html", b"<meta charset=utf-16>" + UTF8, WORD),
    ("text/html", b"<!-- <meta charset=koi8-r> --><meta charset=latin1>" + LATIN, WORD),
    ("text/html", b"<meta name=a content='charset=koi8-r'>" + UTF8, WORD),
    ("text/html", b"<meta charset=klingon>" + UTF8, WORD),
    ("text/html", b"<meta charset>" + UTF8, WORD),
    ("text/html", b" " * 1100 + b"<meta charset=koi8-r>" + UTF8, WORD),
    ("text/html; charset=utf-8", b"<meta charset=latin1>" + UTF8, WORD),
    ("text/html; charset=klingon", b"<meta charset=latin1>" + LATIN, WORD),
    ("text/html; charset=latin1, text/html", LATIN, WORD),
    ("text/html; charset=latin1", b"\xef\xbb\xbf" + UTF8, WORD),
    ("text/html; charset=latin1", b"\xff\xfe" + WORD.encode("utf-16-le"), WORD),
    ("text/html", UTF8, WORD),
    ("text/html", LATIN, WORD),
    ("text/html", b"\x93" + LATIN, "\u201c" + WORD),
    ("text/html; charset=utf-8", UTF8 + b"\xff!", WORD + "\ufffd!"),
    ("text/html; charset=utf-7", b"+2AA-" + UTF8, "+2AA-" + WORD),
    ("text/html; charset=iso-8859-1", b"\x80\x93", "\u20ac\u201c"),
    ("text/html; charset=us-ascii", LATIN, WORD),
    ("text/html", b"<meta charset=iso-8859-1>\x80", "\u20ac"),
    ("text/html; charset=shift_jis", b"\x87\x40", "\u2460"),
    ("text/html; charset=windows-31j", b"\x87\x40", "\u2460"),
    ("text/html; charset=gb2312", b"\x87\xe5", "\u56e7"),
    ("text/html; charset=euc-kr", b"\x8c\x63", "\ub620"),
    ("text/html; charset=iso-8859-9", b"\x80", "\u20ac"),
    ("text/html; charset=iso-8859-8-i", b"\xf9", "\u05e9"),
    ("text/html", b"<metadata charset=koi8-r>" + UTF8, WORD),
    ("text/html", b"<meta\ncharset=latin1>" + LATIN, WORD),
    ("text/html", b"<meta/charset=latin1>" + LATIN, WORD),
    ("text/plain", UTF8, WORD),
    ("text/plain; charset=latin1", LATIN, WORD),
]


@pytest.mark.parametrize(("kind", "body", "text"), PAGES)
def test_pages(raw_server, driven, kind, body, text):
    server = raw_server(answer(b"Content-Type: " + kind.encode(), body=body))
    came = driven(lambda run: exchange(run, Request(url=server.url))).text()
    assert came.endswith(text)


@pytest.mark.parametrize("kind", ["text/plain", "application/json", ""])
def test_a_meta_of_what_is_no_page_says_nothing(kind):
    body = b"<meta charset=latin1>" + LATIN
    with pytest.raises(ProbeFailure) as caught:
        Answer(status=200, headers={"content-type": kind}, body=body).text()
    assert caught.value.reading.reason is Reason.BODY_UNDECODABLE


@given(st.binary(max_size=120), st.sampled_from(["", "utf-8", "latin1", "utf-16", "x", "utf-7"]))
def test_every_page_is_text_that_can_be_sent_again(body, charset):
    headers = {"content-type": f"text/html; charset={charset}"}
    Answer(status=200, headers=headers, body=b"<meta charset=" + body).text().encode()


# --- what a form sends ------------------------------------------------------------


def form_of(page: Answer, selector: str) -> Form | None:
    found = Capture(form=selector).take(Run(SystemClock(), 60), page, ())
    assert found is None or isinstance(found, Form)
    return found


HERE = "https://id.example.com/auth/login?x=1"

FORMS = [
    # a page → where its form is sent, and what
    ("<form><input name=a value=1>", HERE, [("a", "1")]),
    ("<form action=''>", HERE, []),
    ("<form action='  verify \n'>", "https://id.example.com/auth/verify", []),
    ("<form action='/log in?a=ü'>", "https://id.example.com/log%20in?a=%C3%BC", []),
    ("<form action='HTTPS://ID.example.com/v'>", "https://ID.example.com/v", []),
    ("<base href='/base/'><form action=v>", "https://id.example.com/base/v", []),
    ("<base href=' /base/x '><form action=v>", "https://id.example.com/base/v", []),
    ("<base href=https://b.example/y/><form action=v>", "https://b.example/y/v", []),
    ("<base href='/base/'><form>", HERE, []),
    ("<base target=_top><base href=/b/><base href=/c/><form action=v>", "/b/v", []),
    ("<base href=javascript:x><form action=v>", "/auth/v", []),
    ("<form id=f></form><input name=a form=f value=1>", HERE, [("a", "1")]),
    ("<input name=a form=f value=1><form id=f><input name=b>", HERE, [("a", "1"), ("b", "")]),
    ("<form id=f><input name=a form=g><input name=b form=''>", HERE, []),
    ("<form id=f></form><form id=g><input name=a form=f value=1></form>", HERE, [("a", "1")]),
    ("<form id='f\"]x'></form><input name=a form='f\"]x'>", HERE, [("a", "")]),
    ("<form><button name=go value=1>", HERE, [("go", "1")]),
    ("<form><button name=go>", HERE, [("go", "")]),
    ("<form><input type=submit name=go value=1>", HERE, [("go", "1")]),
    ("<form><button type=button name=no><button name=go value=1>", HERE, [("go", "1")]),
    ("<form><button type=reset name=no><input type=SUBMIT name=go>", HERE, [("go", "")]),
    ("<form><button disabled name=no><button name=go><button name=no>", HERE, [("go", "")]),
    ("<form><button>go</button><button name=no>", HERE, []),
    ("<form id=f></form><button form=f name=go>", HERE, [("go", "")]),
    ("<form><input type=image name=i>", HERE, [("i.x", "0"), ("i.y", "0")]),
    ("<form><input type=image>", HERE, [("x", "0"), ("y", "0")]),
    ("<form action=a><button formaction=b name=go>", "/auth/b", [("go", "")]),
    ("<form action=a><button formaction=''>", "/auth/a", []),
    ("<form><fieldset disabled><input name=a></fieldset><input name=b>", HERE, [("b", "")]),
    (
        "<form><fieldset disabled><legend><input name=a></legend><input name=b></fieldset>",
        HERE,
        [("a", "")],
    ),
    (
        "<form><input type=radio name=r value=1 checked><input type=radio name=r value=2 checked>",
        HERE,
        [("r", "2")],
    ),
    ("<form><select name=s><option disabled value=0><option value=1></select>", HERE, [("s", "1")]),
    (
        "<form><select name=s><optgroup disabled><option value=0></optgroup><option value=1>",
        HERE,
        [("s", "1")],
    ),
    ("<form><select name=s size=4><option value=1></select>", HERE, []),
    (
        "<table><form action=v><tr><td><input name=a value=1></form></table>",
        "/auth/v",
        [("a", "1")],
    ),
    ("<form><input name=a><template><input name=t></template>", HERE, [("a", "")]),
]


@pytest.mark.parametrize(("text", "action", "pairs"), FORMS)
def test_forms(text, action, pairs):
    form = form_of(Answer(status=200, body=text.encode(), url=HERE), "form")
    assert form
    assert form.action == action if action.startswith("http") else form.action.endswith(action)
    assert list(form.pairs) == pairs


@pytest.mark.parametrize(
    ("selector", "pairs"),
    [
        ("form", [("user", ""), ("cancel", "1")]),
        ("[name=login]", [("user", ""), ("login", "2")]),
        ("#out", [("user", ""), ("out", "")]),
        ("[name=user]", None),
    ],
)
def test_a_selector_that_finds_a_button_presses_it(selector, pairs):
    text = """<form id=f><input name=user><button name=cancel value=1>no</button>
        <button name=login value=2>yes</button></form><button id=out name=out form=f>"""
    form = form_of(Answer(status=200, body=text.encode(), url=HERE), selector)
    assert (None if form is None else list(form.pairs)) == pairs


@pytest.mark.parametrize(
    ("kind", "more", "charset"),
    [
        ("text/html", "", "utf_8"),
        ("text/html; charset=iso-8859-1", "", "cp1252"),
        ("text/html; charset=utf-16", "", "utf_8"),
        ("text/html; charset=iso-8859-1", "accept-charset='x utf-8 koi8-r'", "utf_8"),
    ],
)
def test_a_form_is_sent_in_the_charset_of_its_page(kind, more, charset):
    text = f"<form {more}>"
    body = text.encode("utf-16") if "utf-16" in kind else text.encode()
    form = form_of(Answer(status=200, headers={"content-type": kind}, body=body, url=HERE), "form")
    assert form
    assert form.charset == charset


def test_json_is_utf8_whatever_its_header_says():
    assert parse_json('{"a": "ü"}'.encode()) == {"a": "ü"}
