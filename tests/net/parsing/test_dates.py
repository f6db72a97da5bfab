"""Times that others write; what is none is None, whatever it is."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.net.mail.mail_message import MailMessage
from beacon.net.parsing.dates import cookie_date, mail_date, moment

AT = datetime(2018, 11, 19, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("Mon, 19 Nov 2018 14:00:00 GMT", AT),
        ("Mon, 19 Nov 2018 15:00:00 +0100", AT),
        ("19 Nov 2018 14:00:00", AT),
        ("Mon, 19 Nov 2018 14:00:00 -0000", AT),
        ("", None),
        ("   ", None),
        ("yesterday", None),
        ("Mon, 99 Nov 2018 14:00:00 GMT", None),
        ("Mon, 19 Nov 2018 14.00.00.1 GMT", None),
        ("Mon, 19 Nov 99999999 14:00:00 GMT", None),
        (f"Mon, {'1' * 5000} Nov 2018 14:00:00 GMT", None),
        ("Mon, " * 100_000, None),
    ],
)
def test_dates_of_mail_and_http(written, at):
    assert mail_date(written) == at


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("Mon, 19 Nov 2018 14:00:00 GMT", AT),
        ("Mon, 19-Nov-2018 14:00:00 GMT", AT),
        ("Mon, 19-Nov-2018 14:00:00", AT),
        ("Monday, 19-Nov-18 14:00:00 GMT", AT),
        ("Mon Nov 19 14:00:00 2018", AT),
        ("14:0:0 2018 november 19th", AT),
        ("Mon,19-NOV-2018 14:00:00 CET", AT),  # no zone is looked at
        ("Mon, 19-Nov-2018 14:00:00 EST", AT),
        ("Thu, 01-Jan-70 00:00:00 GMT", datetime(1970, 1, 1, tzinfo=UTC)),
        ("Mon, 01-Jan-69 00:00:00 GMT", datetime(2069, 1, 1, tzinfo=UTC)),
        ("Mon, 19-Nov-2018", None),
        ("Mon, 19-2018 14:00:00", None),
        ("Mon, 19-Nov-2018 14:00", None),
        ("Mon, 19-Nov-2018 24:00:00", None),
        ("Fri, 30-Feb-2018 14:00:00", None),
        ("Mon, 01-Jan-1600 00:00:00 GMT", None),
        ("Mon, \u0661\u0669-Nov-2018 14:00:00 GMT", None),
        ("0", None),
        ("", None),
        ("1" * 100_000, None),
        (":" * 100_000, None),
    ],
)
def test_dates_of_cookies(written, at):
    assert cookie_date(written) == at


@given(st.text(max_size=120) | st.text("0123456789:-, jaNuGMT", max_size=60))
def test_whatever_is_written_as_the_end_of_a_cookie(written):
    cookie_date(written)


@pytest.mark.parametrize(
    ("zone", "known"),
    [("+0000", True), ("-0000", True), ("GMT", True), ("EST", True), ("Z", True),
     ("-0300 (BRT)", True), ("BRT", False), ("CEST", False), ("", False), ("(UTC)", False)],
)  # fmt: skip
def test_a_date_without_a_zone_that_is_known_may_be_hours_off(zone, known):
    """By it no code of this run is taken for an earlier one's."""
    written = f"Mon, 19 Nov 2018 14:00:00 {zone}"
    assert (mail_date(written, zoned=True) is not None) is known
    assert MailMessage(f"Date: {written}\r\n\r\n482913".encode()).dated == (
        mail_date(written).timestamp() if known else None
    )


@pytest.mark.parametrize("written", ["2018-11-19T14:00:00Z", "2018-11-19 15:00:00+01:00",
                                     "1542636000", 1542636000, AT])  # fmt: skip
def test_moments(written):
    assert moment(written) == AT


@pytest.mark.parametrize("written", [None, "", "x", "1" * 5000, "9" * 30, -(10**30), 1.5, [], "²"])
def test_what_is_no_moment(written):
    assert moment(written) is None


@given(st.text(max_size=120) | st.text("0123456789:+-,. MonNvGTZ", max_size=60))
def test_no_text_breaks_them(written):
    for found in (mail_date(written), moment(written)):
        assert found is None or found.tzinfo is UTC
