"""Feeds of every kind and in every state; what is none is dead, and nothing expands."""

import contextlib
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from beacon.core.model import Reason
from beacon.net.http.client import Answer
from beacon.net.probe_failure import ProbeFailure
from beacon.vendors.feed import ENTRIES, FeedEntry, entries

AT = datetime(2018, 11, 19, 14, 0, tzinfo=UTC)

RSS = """<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"
     xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel><title>Status</title><link>https://status.example.com/</link>
<pubDate>Mon, 19 Nov 2018 15:00:00 Z</pubDate>
<item><title>Sign-in &amp;amp; codes - Investigating</title>
 <media:title>a picture</media:title><media:content>of a cloud</media:content>
 <description>&lt;p&gt;Starting at &lt;b&gt;04:39&lt;/b&gt;&amp;nbsp;UTC&lt;/p&gt;</description>
 <content:encoded><![CDATA[<p>and <i>more</i></p>]]></content:encoded>
 <pubDate>Mon, 19 Nov 2018 14:00:00 GMT</pubDate>
 <link>https://status.example.com/incidents/1</link><guid>g1</guid></item>
</channel></rss>"""

ATOM = """<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Status</title>
<link rel="self" href="https://status.example.com/feed"/>
<link rel="alternate" href="https://status.example.com"/>
<entry><id>g1</id><title type="html">Sign-in &amp;amp; codes - Investigating</title>
 <published>2018-11-19T12:00:00Z</published><updated>2018-11-19T15:00:00+01:00</updated>
 <link rel="self" href="https://status.example.com/api/1"/>
 <link href="https://status.example.com/incidents/1"/>
 <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Starting at <b>04:39</b> UTC
  and <title>more</title></div></content></entry>
</feed>"""

RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel rdf:about="x"><title>Status</title><link>https://status.example.com/</link></channel>
<item rdf:about="g1"><title>Sign-in &amp;amp; codes - Investigating</title>
<link>https://status.example.com/incidents/1</link><dc:date>2018-11-19T14:00:00Z</dc:date>
<description>Starting at 04:39 UTC and more</description></item></rdf:RDF>"""

WANTED = FeedEntry(
    title="Sign-in & codes - Investigating",
    text="Starting at 04:39 UTC and more",
    status="",
    of="https://status.example.com/incidents/1",
    at=AT,
)


def read(body: str | bytes, kind: str = "") -> tuple[FeedEntry, ...]:
    headers = CaseInsensitiveDict({"Content-Type": kind} if kind else {})
    answer = Answer(status=200, headers=headers, body=_bytes(body))
    return entries(answer.body, answer.charset)


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body


def why(body: str | bytes, kind: str = "") -> str:
    with pytest.raises(ProbeFailure) as raised:
        read(body, kind)
    assert raised.value.reading.reason is Reason.SOURCE_DEAD
    return raised.value.reading.detail


@pytest.mark.parametrize("feed", [RSS, ATOM, RDF])
def test_a_feed_of_any_kind_says_the_same(feed):
    assert read(feed) == (WANTED,)


def item(*elements: str, channel: str = "") -> str:
    return f"<rss><channel>{channel}<item>{''.join(elements)}</item></channel></rss>"


@pytest.mark.parametrize(
    "empty", ["<rss><channel/></rss>", '<feed xmlns="http://www.w3.org/2005/Atom"/>', "\n <rss/>"]
)
def test_an_empty_feed_is_a_feed(empty):
    assert read(empty) == ()


@pytest.mark.parametrize(
    ("elements", "of"),
    [
        (("<title>t</title>",), "t"),
        (("<title>t</title>", "<guid>g</guid>"), "g"),
        (("<guid>g</guid>", "<link>https://a.example/1</link>"), "https://a.example/1"),
        # a link to the page that all entries are on tells none from another
        (("<title>t</title>", "<guid>g</guid>", "<link>https://a.example</link>"), "g"),
        (("<title>t</title>", "<link>https://a.example/</link>"), "t"),
        ((), ""),
    ],
)
def test_what_an_entry_is_about(elements, of):
    (entry,) = read(item(*elements, channel="<link>https://a.example/</link>"))
    assert entry.of == of


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("Mon, 19 Nov 2018 06:00:00 PST", AT),
        ("19 Nov 2018 15:00 +0100", AT),
        ("2018-11-19T14:00:00.000Z", AT),
        ("yesterday", None),
    ],
)
def test_times_of_feeds(written, at):
    (entry,) = read(item(f"<pubDate>{written}</pubDate>"))
    assert entry.at == at


def test_html_in_texts_and_what_nobody_declared():
    (entry,) = read(item("<title>caf&eacute;&nbsp;<b>x</b> &nobody;</title>"))
    assert entry.title == "café x &nobody;"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("a <b>bold</b> word", "a bold word"),
        ("5 < 6, 7 > 6", "5 6"),
        ("<" * 1000, "<" * 1000),
        ("a<b<c>d", "a d"),
        ("<>a</>", "a"),
        ("&#" + "1" * 3000 + ";", None),
        ("&#" + "1" * 10_000 + ";", None),
    ],
)
def test_brackets_and_references_of_any_kind(written, text):
    (entry,) = read(item(f"<description><![CDATA[{written}]]></description>"))
    assert text is None or entry.text == text


def test_long_texts_are_cut():
    (entry,) = read(item(f"<description>{'word ' * 100_000}</description>"))
    assert len(entry.text) <= 4000


# --- charsets ---------------------------------------------------------------------

UMLAUT = "<rss><channel><item><title>Störung</title></item></channel></rss>"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (UMLAUT.encode(), ""),
        (UMLAUT.encode("utf-8-sig"), ""),
        (UMLAUT.encode("utf-16"), ""),
        (UMLAUT.encode("utf-16"), "text/xml; charset=utf-16"),
        (b'<?xml version="1.0" encoding="iso-8859-1"?>' + UMLAUT.encode("latin-1"), "text/xml"),
        (b'<?xml version="1.0" encoding="windows-1252"?>' + UMLAUT.encode("cp1252"), ""),
        (UMLAUT.encode("latin-1"), "application/rss+xml; charset=ISO-8859-1"),
        (b'<?xml version="1.0" encoding="ascii"?>' + UMLAUT.encode(), "text/xml; charset=utf-8"),
        # HTTP names one, and the feed is in another
        (UMLAUT.encode(), "text/xml; charset=us-ascii"),
        (UMLAUT.encode(), "text/xml; charset=nonsense"),
        (UMLAUT.encode(), "text/xml; charset=base64"),
        (UMLAUT.encode("utf-16-le"), ""),
        (UMLAUT.encode("utf-16-be"), ""),
        (b"\r\n" + UMLAUT.encode("utf-8-sig").removeprefix(b"\xef\xbb\xbf"), ""),
    ],
)
def test_charsets(body, kind):
    (entry,) = read(body, kind)
    assert entry.title == "Störung"


@pytest.mark.parametrize("name", ["nonsense", "base64", "idna", "unicode-escape", "rot13"])
def test_a_charset_that_cannot_be_read(name):
    body = f'<?xml version="1.0" encoding="{name}"?>{UMLAUT}'
    assert "its charset is unknown" in why(body)


def test_a_wrong_charset_is_no_feed():
    assert "it is not in the charset it declares" in why(UMLAUT.encode("latin-1"))


# --- what is no feed --------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "the body is empty"),
        ("   \n", "the body is empty"),
        ("<html><body>All systems operational</body></html>", "its root is <html>"),
        ("<!DOCTYPE html><html><p>fine<br></html>", "its root is <html>"),
        ("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "its root is <Error>"),
        ('{"status": "ok"}', "not XML"),
        (RSS[:-30], "not XML"),
        (RSS.replace("</item>", ""), "not XML"),
        ("<rss>" + "<a>" * 200, "nested too deep"),
        ("<rss>" + "<item/>" * (ENTRIES + 1) + "</rss>", "more than 2000 entries"),
        ("\0" * 100, "not XML"),
    ],
)
def test_what_is_no_feed_is_dead(body, reason):
    assert reason in why(body)


LAUGHS = "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
)  # a billion of them
BOMBS = {
    "billion laughs": f'<!DOCTYPE rss [<!ENTITY a "ha">{LAUGHS}]>' + item("<title>&j;</title>"),
    "quadratic": f'<!DOCTYPE rss [<!ENTITY a "{"a" * 400_000}">]>'
    + item(f"<title>{'&a;' * 100_000}</title>"),
    "a file": '<!DOCTYPE rss [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
    + item("<title>&a;</title>"),
    "a server": '<!DOCTYPE rss [<!ENTITY % a SYSTEM "http://127.0.0.1:9/">%a;]>' + item(),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_entities_are_refused_before_they_expand(bomb):
    assert why(BOMBS[bomb]) == (
        "not a valid feed: it declares entities, as attacks do and feeds do not"
    )


def test_what_is_skipped_of_a_dtd_is_no_text():
    assert read("<!DOCTYPE rss [%nobody;]>" + item("<title>t</title>"))[0].title == "t"


def test_a_dtd_elsewhere_is_not_fetched():
    declared = '<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://127.0.0.1:9/rss.dtd">'
    (entry,) = read(declared + item("<title>caf&eacute;</title>"))
    assert entry.title == "café"


HOSTILE = {
    **BOMBS,
    "tiny elements": "<rss>" + "<a/>" * 250_000 + "</rss>",
    "many entries": "<rss>" + "<item/>" * 150_000 + "</rss>",
    "one long text": item(f"<title>{'x' * 1_000_000}</title>"),
    "many attributes": "<rss>" + "".join(f"<a b{n}='c'/>" for n in range(60_000)) + "</rss>",
    "one open bracket": "<" * 1_000_000,
    "deep": "<rss>" + "<a>" * 300_000,
    "open brackets": "".join(
        (
            "<rss>",
            f"<item><description><![CDATA[{'<' * 16_000}]]></description></item>" * 64,
            "</rss>",
        )
    ),
    "a namespace without end": f"<rss xmlns:a='{'u' * 500_000}'>" + "<a:b/>" * 80_000 + "</rss>",
    "unknown references": item(f"<title>{'&x;' * 300_000}</title>"),
    "many texts of one entry": item("<description>x</description>" * 35_000),
    "tags in text": item(f"<description>{'&lt;' * 200_000}</description>"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mebibyte_costs_little(name, bounded):
    body = HOSTILE[name].encode()[: 1 << 20]
    with bounded(), contextlib.suppress(ProbeFailure):
        read(body)
    tracemalloc.start()  # only now, and for a part: it makes everything many times slower
    with contextlib.suppress(ProbeFailure):
        read(body[: 1 << 18])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 << 20


@given(st.binary(max_size=200) | st.text(alphabet="<>/&;!?[]rsitemfd =\"'", max_size=60))
def test_whatever_it_is_it_is_a_feed_or_trouble(body):
    reason = None
    try:
        entries(_bytes(body), "")
    except ProbeFailure as trouble:
        reason = trouble.reading.reason
    assert reason in (None, Reason.SOURCE_DEAD)
