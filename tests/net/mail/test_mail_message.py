"""Messages, sound and broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.net.mail.mail_message import HOPS_LIMIT, Bounce, MailMessage

CODE = (
    b"Received: from relay.example.net by mx.example.com with ESMTPS id 1;\r\n"
    b"\tSun, 22 Nov 2026 09:40:07 +0000 (UTC)\r\n"
    b"Received: from idp.example.org (idp.example.org [192.0.2.1]) by relay.example.net;\r\n"
    b"\tSun, 22 Nov 2026 10:40:02 +0100\r\n"
    b"Received: by [192.0.2.9]; the day before yesterday\r\n"
    b"Authentication-Results: mx.example.com; spf=softfail (why) smtp.mailfrom=x;\r\n"
    b" dkim=fail header.d=other.example; DKIM=pass header.d=example.org; dmarc=bogus; x=y\r\n"
    b"Authentication-Results: forged.example; spf=pass; dmarc=pass\r\n"
    b"From: =?utf-8?q?Anmeldung_=C3=BC?= <no-reply@example.org>\r\n"
    b"To: probe+beacon0123456789abcdef@example.com\r\n"
    b"Subject: =?utf-8?b?SWhyIENvZGU=?= 1\r\n"
)

BOUNCE = b"""\
From: MAILER-DAEMON@example.org\r
Subject: Undelivered\r
Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r
\r
--b\r
Content-Type: text/plain\r
\r
I am sorry.\r
--b\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mail.example.org\r
\r
Final-Recipient: rfc822; probe@example.com\r
Action: %b\r
Status: %b\r
Remote-MTA: %b\r
Diagnostic-Code: smtp; %b\r
\r
--b\r
Content-Type: text/rfc822-headers\r
\r
Message-ID: <beacon0123456789abcdef@example.org>\r
--b--\r
"""


def bounce(action: bytes, status: bytes, by: bytes = b"", diagnostic: bytes = b"") -> Bounce | None:
    return MailMessage(BOUNCE % (action, status, by, diagnostic)).bounce


# --- text ---------------------------------------------------------------------------


def test_a_text_has_its_head_and_all_its_parts():
    letter = MailMessage(
        CODE + b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nDer Code f=C3=BCr Sie: 834211\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n"
        b"<style>b {color: #123456}</style><!-- 999999 --><p>Code&nbsp;<b>834211</b> &lt;ok\r\n"
        b"--b\r\nContent-Type: image/png\r\n\r\n777777\r\n--b--\r\n"
    )
    body = letter.body
    assert letter.head.splitlines() == [
        "Subject: Ihr Code 1",
        "From: Anmeldung ü <no-reply@example.org>",
        "To: probe+beacon0123456789abcdef@example.com",
    ]
    assert "Der Code für Sie: 834211" in body
    assert "Code\xa0834211 <ok" in body
    assert not any(hidden in body for hidden in ("123456", "999999", "777777"))
    assert repr(letter) == "MailMessage(…)"


def test_a_word_is_found_wherever_it_is():
    letter = MailMessage(CODE + b"Content-Transfer-Encoding: base64\r\n\r\nYmVhY29uY2FmZQ==\r\n")
    assert letter.holds("BEACONcafe")
    assert letter.holds(r"beacon[0-9a-f]{16}")
    assert letter.holds("forged")
    assert not letter.holds("another")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"\x00\xff\xfe" * 1000,
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin\r\n\xff",
        b"Content-Type: message/delivery-status\r\n\r\n",
        b"Content-Type: \xff/\xff; charset*=x'y'%ff%\r\nSubject: =?utf-8?b?=== ?=\r\n\r\nx",
        b"Subject: =?" + b"?=" * 20000,
        b"Subject: =?utf-8?b?a?=\r\n\r\n",
    ],
)
def test_what_is_no_mail_is_read_as_far_as_it_goes(raw):
    letter = MailMessage(raw)
    assert letter.head.startswith("Subject: ")
    assert isinstance(letter.body, str)
    assert letter.bounce is None
    assert (letter.hops, letter.authentication) == ((), {})


@given(
    st.binary(max_size=400), st.sampled_from([b"", CODE, BOUNCE, b"Content-Type: text/html\r\n"])
)
def test_nothing_in_a_message_makes_it_unreadable(tail, head):
    letter = MailMessage(head + tail)
    assert isinstance(letter.body + letter.head, str)
    assert letter.sent is None or letter.sent
    assert isinstance(letter.authentication, dict)
    assert letter.bounce is None or letter.bounce.status
    assert all(hop.by for hop in letter.hops)


# --- on its way ---------------------------------------------------------------------


def test_hops_come_in_the_order_of_the_way():
    first, second = MailMessage(CODE + b"\r\n").hops
    assert (first.by, second.by) == ("relay.example.net", "mx.example.com")
    assert second.at - first.at == 5.0


def test_hops_have_a_limit_and_need_no_name():
    raw = b"Received: with nothing; Sun, 22 Nov 2026 09:40:07 +0000\r\n" * 100
    hops = MailMessage(raw + b"\r\n").hops
    assert len(hops) == HOPS_LIMIT
    assert {hop.by for hop in hops} == {"unnamed"}


def test_the_topmost_results_count_and_one_good_signature_is_enough():
    assert MailMessage(CODE + b"\r\n").authentication == {"spf": "softfail", "dkim": "pass"}


# --- notifications ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "status", "by", "diagnostic", "found"),
    [
        (b"failed", b"5.7.26", b"dns; mx", b"550", Bounce("5.7.26", "mx", True)),
        (b"Failed ", b"5.0.0", b"", b"550-5.7.26 unauthenticated", Bounce("5.7.26", "", True)),
        (b"failed", b"5.0.0", b"dns; <x>", b"no", Bounce("5.0.0", "", True)),
        (b"failed", b"5.1.1", b"", b"550 5.7.26", Bounce("5.1.1", "", True)),
        (b"delayed", b"4.7.1 (grey)", b"dns;mx", b"451", Bounce("4.7.1", "mx", False)),
        (b"delivered", b"2.0.0", b"", b"", None),
        (b"failed", b"soon", b"", b"", None),
    ],
)  # fmt: skip
def test_a_notification_says_what_became_of_it(action, status, by, diagnostic, found):
    assert bounce(action, status, by, diagnostic) == found


def test_a_notification_holds_what_it_is_about():
    assert MailMessage(BOUNCE % (b"failed", b"5.1.1", b"", b"")).holds("beacon0123456789abcdef")
