"""The last day of a certificate, read from its bytes."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.certificate import certificate_words, last_days, not_after


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.mark.parametrize("year", [1999, 2026, 2049, 2050, 2120])
def test_the_end_of_a_certificate_is_read_from_its_bytes(authority, year):
    end = datetime(year, 3, 4, 5, 6, 7, tzinfo=UTC)
    begin = end - timedelta(days=400)
    pair = authority.issue_cert("example.com", not_before=begin, not_after=end)
    der = ssl.PEM_cert_to_DER_cert(pair.cert_chain_pems[0].bytes().decode())
    assert not_after(der) == end


@given(st.binary(max_size=80))
def test_no_bytes_are_too_strange_for_a_certificate(der):
    assert not_after(der) is None


def test_a_cut_certificate_has_no_end(authority):
    der = ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode())
    for length in range(0, 120, 3):
        assert not_after(der[:length]) is None


@pytest.mark.parametrize(
    ("days", "words"),
    [(5.4, "the certificate ends in 5 days"), (-2.6, "the certificate ended 3 days ago")],
)
def test_days_are_spoken_of(days, words):
    assert certificate_words(days) == words


def test_every_certificate_of_a_file_has_its_day(authority, tmp_path):
    ends = [datetime(year, 3, 4, 5, 6, 7, tzinfo=UTC) for year in (2041, 2031)]
    pems = [authority.issue_cert("a.example", not_after=end).cert_chain_pems[0] for end in ends]
    file = tmp_path / "some.pem"
    file.write_bytes(b"\xff a note\n" + b"\n".join(pem.bytes() for pem in pems))
    assert last_days(str(file)) == ends


@pytest.mark.parametrize(
    "text", ["", "-----BEGIN CERTIFICATE-----\nA=\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_has_none(tmp_path, text):
    (tmp_path / "some.pem").write_text(text)
    assert last_days(str(tmp_path / "some.pem")) == last_days(str(tmp_path / "none.pem")) == []
