"""Charsets: a closed list, by every name that is in use."""

import codecs
import encodings
import encodings.aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.net.http.client import Answer
from beacon.net.mail.mime import decoded
from beacon.net.parsing.charset import codec
from beacon.net.probe_failure import ProbeFailure
from beacon.vendors.feed import entries

NAMES = {
    "UTF-8": "utf_8",
    "utf8": "utf_8",
    " 'utf-8' ": "utf_8",
    "utf-8-sig": "utf_8_sig",
    "utf-16": "utf_16",
    "UTF-16LE": "utf_16_le",
    "us-ascii": "ascii",
    "ISO-8859-1": "latin_1",
    "latin1": "latin_1",
    "ISO_8859-15": "iso8859_15",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
    "KOI8-U": "koi8_u",
    "Shift_JIS": "shift_jis",
    "x-sjis": "shift_jis",
    "EUC-KR": "euc_kr",
    "GB18030": "gb18030",
    "macintosh": "mac_roman",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_in_use(name):
    assert codec(name) == NAMES[name]


@pytest.mark.parametrize(
    "name",
    ["", "nonsense", "base64", "hex", "rot13", "zip", "idna", "punycode", "unicode-escape", "mbcs",
     "raw_unicode_escape", "undefined", "os.path", "../x", "utf-8\n", "ütf-8", "utf-8" * 20],
)  # fmt: skip
def test_what_no_text_is_in(name):
    assert codec(name) is None


def test_every_known_charset_reads_text():
    for name in {*encodings.aliases.aliases, *encodings.aliases.aliases.values()}:
        known = codec(name)
        if known is not None:
            assert isinstance(codecs.decode(b"", known), str)


@given(st.text(max_size=60))
def test_a_name_is_a_charset_of_python_or_none(name):
    found = codec(name)
    assert found is None or codecs.lookup(found)


def test_names_that_nobody_knows_are_not_kept():
    """Python keeps every name it is asked for: a new one in each answer would pile up."""
    before = len(encodings._cache)
    for number in range(50):
        kind = {"content-type": f"text/plain; charset=new-{number}"}
        with pytest.raises(ProbeFailure):
            Answer(status=200, headers=kind, body=b"x").text()
        with pytest.raises(ProbeFailure):
            entries(f'<?xml version="1.0" encoding="fresh-{number}"?><rss/>'.encode(), "")
        assert decoded(b"x", f"unseen-{number}") == "x"
    assert len(encodings._cache) == before
