# ruff: noqa: E501 - a table has a line for each row
"""From the bytes of a message to its code, or to none: as whoever reads it would see it."""

import encodings
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.net.mail.mail_message import MailMessage
from beacon.net.mail.mime import DEPTH_LIMIT, PARTS_LIMIT, decoded
from beacon.net.mailbox import MESSAGE_LIMIT, Message
from beacon.otp.code_mailbox import code_in

WORDED = r"code is (\d{6})"
BARE = r"(\d{6})"
CPU_LIMIT = 1.0
"""Seconds of one core, thirty times what the worst of these takes: what is quadratic takes more."""


def message(raw: bytes) -> Message:
    letter = MailMessage(raw[:MESSAGE_LIMIT])
    return Message("key", letter.body, head=letter.head)


def html(page: str) -> bytes:
    return b"Content-Type: text/html; charset=utf-8\r\n\r\n" + page.encode()


def plain(text: str, head: str = "") -> bytes:
    return f"{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}".encode()


def multipart(boundary: str, *parts: bytes) -> bytes:
    head = f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"; x=y\r\n'.encode()
    line = f"\r\n--{boundary}".encode()
    pieces = b"".join(line + b"\r\n" + part for part in parts)
    return head + pieces + line + b"--\r\nbehind the end 111111"


TABLE: list[tuple[str, bytes, str, str | None]] = [
    # --- HTML: what a reader of mail shows ---
    ("a tag before it", html("Your code is <b>123456</b>"), WORDED, "123456"),
    ("two tags are one word", html("<b>482</b><b>913</b>"), BARE, "482913"),
    ("a tag within it", html("48<wbr>2<i>91</i>3"), BARE, "482913"),
    ("a span for each digit", html("".join(f"<span>{d}</span>" for d in "482913")), BARE, "482913"),
    (
        "a span for each digit, each on its line",
        html("code is\n" + "\n".join(f"<span>{d}</span>" for d in "482913")),
        WORDED,
        "482913",
    ),
    (
        "a cell for each digit",
        html("<table><tr>" + "".join(f"<td> {d} </td>" for d in "482913") + "</tr></table>"),
        BARE,
        "482913",
    ),
    (
        "a block for each digit",
        html("<p>code is</p>" + "".join(f"<div>{d}</div>" for d in "482913") + "<p>Bye</p>"),
        WORDED,
        "482913",
    ),
    (
        "a cell for each letter",
        html("".join(f"<td>{d}</td>" for d in "7KQ29A")),
        "([A-Z0-9]{6})",
        "7KQ29A",
    ),
    ("two groups apart are two words", html("<b>482</b> <b>913</b>"), BARE, None),
    ("two groups apart, as they are shown", html("<b>482</b>&nbsp;<b>913</b>"), r"\d+ \d+", "482 913"),
    ("two blocks are two words", html("<p>482</p><p>913</p>"), BARE, None),
    ("two cells are two words", html("<td>482</td><td>913</td>"), BARE, None),
    ("a label in a cell of its own", html("<td>code is</td><td>482913</td>"), WORDED, "482913"),
    ("on the next line", html("code is<br>\r\n  <p>482913"), WORDED, "482913"),
    ("a line of its own", html("<p>Hello</p><p> 482913 </p>"), r"(?m)^(\d{6})$", "482913"),
    ("hidden decoy", html('<i style="DISPLAY : none">000000</i>code 482913'), BARE, "482913"),
    (
        "a file in front of the text",
        multipart(
            "b",
            b"Content-Disposition: Attachment; filename=x\r\nContent-Type: text/plain\r\n\r\n111111",
            b"Content-Disposition: inline\r\nContent-Type: text/plain\r\n\r\n482913",
        ),
        BARE,
        "482913",
    ),
    (
        "a file alone",
        multipart("b", b"Content-Disposition: attachment; filename=x\r\nContent-Type: text/plain\r\n\r\n482913"),
        BARE,
        "482913",
    ),
    (
        "a file behind the text",
        multipart("b", b"Content-Type: text/plain\r\n\r\nHello", b"Content-Disposition: attachment; filename=x\r\nContent-Type: text/plain\r\n\r\n482913"),
        BARE,
        None,
    ),
    (
        "a message that is attached",
        multipart(
            "b",
            b"Content-Type: text/plain\r\n\r\nHello",
            b"Content-Disposition: attachment\r\nContent-Type: message/rfc822\r\n\r\n"
            b"Content-Type: text/plain\r\n\r\n482913",
        ),
        BARE,
        None,
    ),
    (
        "a file that is shown",
        multipart(
            "b",
            b"Content-Type: text/plain\r\n\r\nHello",
            b"Content-Disposition: inline; filename=x\r\nContent-Type: text/plain\r\n\r\n482913",
        ),
        BARE,
        "482913",
    ),
    ("the attribute hidden", html("<div class=x hidden>111111</div>482913"), BARE, "482913"),
    ("hidden with a value", html("<div hidden='hidden'>111111</div>482913"), BARE, "482913"),
    ("hidden by name only", html("<b class='hidden' aria-hidden=false title='a hidden b'>482913</b>"), BARE, "482913"),
    ("not opaque", html("<i style='opacity: 0;'>111111</i>482913"), BARE, "482913"),
    ("half opaque", html("<i style='opacity:0.9'>482913</i>"), BARE, "482913"),
    ("letters of no size around a layout", html("<div style='font-size:0'><p style='font-size:9px'>482913</p></div>"), BARE, "482913"),
    ("hidden, nested", html("<div style='display:none'><div>1</div>000000</div>482913"), BARE, "482913"),
    ("hidden, never closed", html("<p style='display:none'>482913"), BARE, "482913"),
    ("hidden by its attribute", html("<div class=a hidden>000000</div>482913"), BARE, "482913"),
    ("a class of that name", html("<div class='is hidden'>482913</div>"), BARE, "482913"),
    ("of no height", html("<p style='max-height:0;overflow:hidden'>000000</p>482913"), BARE, "482913"),
    ("not to be seen through", html("<p style='opacity:0.0'>000000</p>482913"), BARE, "482913"),
    ("faint", html("<p style='opacity:0.8;font-size:0.9em;max-height:05em'>482913</p>"), BARE, "482913"),
    ("styles and scripts", html("<style>a{color:#111111}</style><script>222222</script>482913"), BARE, "482913"),
    ("comments", html("<!-- 111111 --><!--[if mso]>222222<![endif]-->482913"), BARE, "482913"),
    ("the title is not shown", html("<title>Order 111111</title>code 482913"), BARE, "482913"),
    ("an attribute is not shown", html('<a title="a > 111111" href=x?222222>482913</a>'), BARE, "482913"),
    ("references", html("code&nbsp;is&#32;&#52;82913"), WORDED, "482913"),
    ("a huge reference", html("&#" + "1" * 5000 + ";code is 482913"), WORDED, "482913"),
    ("less than", html("if 1 < 2 code is 482913 > 1"), WORDED, "482913"),
    # --- blanks, and characters of no width ---
    ("runs of blanks", plain("code   is \t 482913"), WORDED, "482913"),
    ("a wrapped line", plain("your code is\r\n482913"), WORDED, "482913"),
    ("no-break spaces", plain("code\u00a0is\u2007482913"), WORDED, "482913"),
    ("zero width within", plain("code is 482\u200b9\u200d1\ufeff3"), WORDED, "482913"),
    ("a soft hyphen within", html("code is 482&shy;913"), WORDED, "482913"),
    ("marks of direction", plain("code is \u202a482913\u202c"), WORDED, "482913"),
    ("digits apart", plain("code is 4 8 2 9 1 3."), WORDED, "482913"),
    ("digits apart, as the pattern has them", plain("code 4 8 2"), r"\d \d \d", "4 8 2"),
    ("as written, for a pattern of blanks", plain("code  is 1"), r"code {2}is (\d)", "1"),
    # --- which one: whole words, the text before the head ---
    ("not the date", plain("On 20261130 your code is 482913"), BARE, "482913"),
    ("not a part of a number", plain("Order 1234567"), BARE, None),
    ("not a part of a number, with words", plain("code is 1234567"), WORDED, None),
    ("whole words first", plain("https://x/ab123456cd then 482913"), BARE, "482913"),
    ("within a word, where nothing else is", plain("G482913X"), BARE, "482913"),
    ("not in a link", plain("https://x/?t=111111 or 482913"), BARE, "482913"),
    ("not in a link of another part", multipart("b", b"\r\nhttps://x/111111/", html("<b>482913</b>")), BARE, "482913"),
    ("not in an address", plain("To probe+111111@example.com: 482913"), BARE, "482913"),
    ("in a link, where the pattern says so", plain("482913 https://x/?t=111111"), r"\?t=(\d{6})", "111111"),
    ("in a link alone", plain("https://x/?t=482913"), BARE, "482913"),
    ("wide digits", plain("code is \uff14\uff18\uff12\uff19\uff11\uff13"), WORDED, "482913"),
    ("digits of another script", plain("\u0664\u0668\u0662\u0669\u0661\u0663"), BARE, "482913"),
    ("after a word that the pattern has", plain("PIN482913"), r"PIN(\d{6})", "482913"),
    ("after a hyphen", plain("G-482913 is your code"), BARE, "482913"),
    ("before letters of others", plain("验证码482913，"), BARE, "482913"),
    ("the text before the address", plain("482913", "To: probe+111111@example.com\r\n"), BARE, "482913"),
    ("the text before the subject", plain("482913", "Subject: 111111\r\n"), BARE, "482913"),
    ("in the subject alone", plain("Hello", "Subject: 482913 is it\r\nTo: a+111111@b\r\n"), BARE, "482913"),
    ("not in the date", plain("Hello", "Date: Mon, 30 Nov 2026 111111 +0000\r\n"), BARE, None),
    ("from head to text", plain("is 482913", "From: idp\r\n"), r"(?s)From: idp.*?(\d{6})", "482913"),
    ("an encoded subject", b"Subject: =?utf-8?q?code_is?=\r\n =?utf-8?b?IDQ4MjkxMw==?=\r\n\r\n", WORDED, "482913"),
    ("a whole match without a group", plain("code is 482913"), r"\d{6}", "482913"),
    ("a group that is empty", plain("code is 482913"), r"code is ()\d|nothing", None),
    # --- MIME ---
    ("no header at all", b"your code is 482913", WORDED, "482913"),
    ("no empty line", b"Subject: x\r\nyour code is 482913", WORDED, "482913"),
    ("bare newlines", b"Content-Type: text/html\n\ncode is <b>482913</b>", WORDED, "482913"),
    ("quoted-printable", b"Content-Transfer-Encoding: quoted-printable\r\n\r\ncode=20is 48=\r\n2913", WORDED, "482913"),
    ("base64", b"Content-Transfer-Encoding: BASE64\r\n\r\nY29kZSBp\r\ncyA0ODI5MTM=", WORDED, "482913"),
    ("base64 without its end", b"Content-Transfer-Encoding: base64\r\n\r\nY29kZSBpcyA0ODI5MTMu!LiA", WORDED, "482913"),
    (
        "one of two ways",
        multipart(
            "=_b;c",
            b"\r\nsee the other part",
            b"Content-Type: text/html\r\n\r\ncode is <b>482913</b>",
        ),
        WORDED,
        "482913",
    ),
    (
        "without its last boundary, and one that begins alike",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n111111\r\n--b\r\n\r\n--bb\r\ncode 482913",
        BARE,
        "482913",
    ),
    ("a boundary that is not named", b"Content-Type: multipart/mixed\r\n\r\ncode 482913", BARE, "482913"),
    ("a boundary by RFC 2231", b"Content-Type: multipart/mixed; boundary*0=a;\r\n boundary*1=b\r\n\r\n--ab\r\n\r\n482913", BARE, "482913"),
    ("forwarded", b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ncode is 482913", WORDED, "482913"),
    ("no text", b"Content-Type: image/png\r\n\r\n482913", BARE, None),
    ("an unknown charset", b"Content-Type: text/plain; charset=x-none\r\n\r\ncode is 482913", WORDED, "482913"),
    ("another charset", b"Content-Type: text/plain; charset*=us'en'utf-16le\r\n\r\n" + "482913".encode("utf-16le"), BARE, "482913"),
    ("behind the limit", plain("x" * MESSAGE_LIMIT + " 482913"), BARE, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "pattern", "code"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_from_bytes_to_the_code(raw, pattern, code):
    assert code_in(pattern, message(raw)) == code


def test_a_pattern_without_end_finds_nothing():
    assert code_in(r"(a+)+$(\d)", message(plain("a" * 5000 + "!"))) is None


# --- what it may cost ----------------------------------------------------------------------

WHOLE = 64 * 1024
PAGE = b"Content-Type: text/html\r\n\r\n"
HOSTILE: dict[str, bytes] = {
    "a parameter of semicolons": b'Content-Type: text/plain; a="' + b";" * WHOLE,
    "the same, folded": b'Content-Type: multipart/mixed; a="' + b";\r\n " * WHOLE,
    "parameters": b"Content-Type: text/plain" + b"; a=b" * WHOLE,
    "quotes": b"Content-Type: text/plain; a=" + b'"\\' * WHOLE,
    "fields": b"a:\r\n" * WHOLE,
    "lines of one field": b"Subject: x\r\n" + b" \r\n" * WHOLE,
    "encoded words": b"Subject: " + b"=?a?q?" * WHOLE,
    "parts in parts": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(1400)
    ),
    "messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * WHOLE,
    "parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * WHOLE,
    "boundaries alike": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--bb\r\n" * WHOLE,
    "less than": PAGE + b"<" * WHOLE,
    "tags": PAGE + b"<a " * WHOLE,
    "tags with quotes": PAGE + b"<a =\"'" * WHOLE,
    "styles without end": PAGE + b"<style>" * WHOLE,
    "styles": PAGE + b"<style></style>" * WHOLE,
    "comments": PAGE + b"<!--" * WHOLE,
    "hidden": PAGE + b"<p style='display:none'>" * WHOLE,
    "references": PAGE + b"&abcdefghijklmnopqrstuvwxyz012345" * WHOLE,
    "a huge number": PAGE + b"&#" + b"9" * WHOLE,
    "digits apart": plain("1 " * WHOLE),
    "received": b"Received: by by by by " + b"by " * WHOLE,
    "results": b"Authentication-Results: " + b"spf = " * WHOLE,
    "blanks": plain(" \t" * WHOLE),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_message_takes_long(name):
    raw = HOSTILE[name][:MESSAGE_LIMIT]
    began = time.thread_time()
    letter = MailMessage(raw)
    letter.holds(r"\bbeacon[0-9a-z]{16}\b")
    found = (
        letter.body,
        letter.head,
        letter.hops,
        letter.authentication,
        letter.bounce,
        letter.sent,
    )
    spent = time.thread_time() - began
    assert found
    assert spent < CPU_LIMIT


def test_parts_have_limits_in_number_and_in_depth():
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(DEPTH_LIMIT + 5)
    )
    assert MailMessage(deep + b"\r\n482913").body == ""
    flat = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100
    assert MailMessage(flat).body.count("x") == PARTS_LIMIT - 1


def test_charsets_that_do_not_exist_are_not_looked_up():
    before = len(encodings._cache)  # type: ignore[attr-defined]
    for number in range(50):
        decoded(b"x", f"x-none-{number}")
    assert len(encodings._cache) == before  # type: ignore[attr-defined]


@given(st.binary(max_size=300), st.sampled_from([raw for _, raw, _, _ in TABLE]))
def test_nothing_raises(tail, head):
    found = code_in(BARE, message(head + tail))
    assert found is None or len(found) == 6


@given(st.text("0123456789", min_size=6, max_size=6), st.data())
def test_however_it_is_marked_up_it_is_the_same_code(code, data):
    tags = st.sampled_from(
        ["", "<b>", "</i>", "<span class='x'>", "<!-- 1 -->", "&#8203;", "\u200d"]
    )
    page = "".join(data.draw(tags) + digit for digit in code)
    assert code_in(WORDED, message(html(f"Your code&nbsp;is {page} now"))) == code
