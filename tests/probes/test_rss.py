"""`rss` on the feeds of real vendors, by their documented shapes."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from html import escape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import Duration, Regex, Url
from beacon.core.model import Outcome, Reading, Reason
from beacon.engine.redaction import Secrets
from beacon.probes.rss import Rss
from beacon.vendors.feed import FeedEntry, entries
from tests.probes.conformance import Conformance

CONFORMANCE = Conformance(
    """
    type: rss
    url: !secret canary-of-an-address
    """,
)


clear = Secrets().clear

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
OK, DEAD = Reason.OK, Reason.SOURCE_DEAD
INCIDENT, DEGRADED = Reason.VENDOR_INCIDENT, Reason.VENDOR_DEGRADED
MAINTENANCE = Reason.VENDOR_MAINTENANCE


def entry(
    title: str = "Codes are late",
    text: str = "",
    of: str = "1",
    hours: float | None = 1,
    status: str = "",
) -> FeedEntry:
    at = None if hours is None else NOW - timedelta(hours=hours)
    return FeedEntry(title=title, text=text, status=status, of=of, at=at)


def judged(*feed: FeedEntry, **settings: Any) -> Reading:
    return Rss(url=Url("https://status.example.com/feed"), **settings).judge(feed, NOW)


# Statuspage writes the newest update first, all of them in one entry.
STATUSPAGE = (
    "Jan 5, 11:00 UTC {first} - {words} "
    "Jan 5, 10:00 UTC Investigating - We are aware of late codes."
)


def statuspage(first: str, what: str = "") -> FeedEntry:
    return entry(text=STATUSPAGE.format(first=first, words=what))


TWO = (
    "Resolved - This incident has been resolved. "
    "Investigating - We are currently investigating this issue."
)
OLDEST_FIRST = (
    "Jan 5, 10:00 UTC Investigating - We look. Jan 5, 10:30 UTC Identified - It is DNS. "
    "Jan 5, 11:00 UTC {last}"
)
AZURE_END = (
    "Mitigation: Engineers deployed a hotfix. This issue is now mitigated. Next steps: We will "
    "continue to investigate to establish the full root cause and prevent future occurrences."
)
AWS_OPEN = "10:15 AM PST We are investigating increased error rates in the US-EAST-1 Region."
AWS_END = "11:30 AM PST The issue has been resolved. The service is now operating normally."

BY_INCIDENT = [
    ((), OK, "an empty feed: no event"),
    ((entry(),), INCIDENT, "Open: Codes are late (as of 5 Jan 11:00 UTC)"),
    ((entry(hours=None),), INCIDENT, "Open: Codes are late"),
    ((entry(title=""),), INCIDENT, "Open: an entry without a title"),
    # the title says what it has come to
    ((entry("MFA - Sign-in failures - Investigating"),), INCIDENT, "Investigating: MFA"),
    ((entry("MFA - Sign-in failures - Mitigated"),), OK, "1 entries, none of them open"),
    ((entry("RESOLVED: errors when signing in"),), OK, ""),
    ((entry("Errors when signing in - Resolved"),), OK, ""),
    ((entry("Users not able to sign in - Mitigated"),), OK, ""),
    ((entry("Service is operating normally: [RESOLVED] Increased errors"),), OK, ""),
    # an end that is still to come is none
    ((entry("MFA", "We are working to get this resolved."),), INCIDENT, "Open: MFA"),
    ((entry("MFA", "Sign-ins fail until sign-in is fully restored."),), INCIDENT, ""),
    ((entry("MFA", "This has not yet been resolved."),), INCIDENT, ""),
    ((entry("MFA", "The cause is being mitigated."),), INCIDENT, ""),
    ((entry("MFA", "It is expected to be resolved by noon."),), INCIDENT, ""),
    ((entry("MFA - partially restored"),), INCIDENT, ""),
    ((entry("MFA - unresolved"),), INCIDENT, ""),
    ((entry("MFA", "Users could not sign in. The issue has been resolved."),), OK, ""),
    (
        (entry("MFA", "Power has been restored to one of three zones; sign-ins fail."),),
        INCIDENT,
        "",
    ),
    ((entry("MFA", "Rollback completed in 1 of 9 regions. Investigating."),), INCIDENT, ""),
    (
        (entry("MFA", "Investigating. We hope that it is resolved soon."),),
        INCIDENT,
        "Investigating",
    ),
    # the newest update of an entry stands first
    ((statuspage("Identified"),), INCIDENT, "Identified: Codes are late"),
    ((statuspage("Monitoring", "It seems to be resolved."),), DEGRADED, "Monitoring: "),
    ((statuspage("Resolved", "This incident has been resolved."),), OK, ""),
    # the newest entry of an incident counts, in whatever order
    ((entry("Resolved", hours=1), entry("Investigating", hours=2)), OK, ""),
    ((entry("Investigating", hours=2), entry("Resolved", hours=1)), OK, ""),
    ((entry("Relapse", hours=1), entry("Resolved", hours=2)), INCIDENT, "Relapse"),
    ((entry("Resolved", hours=None), entry("Investigating", hours=None)), OK, ""),
    ((entry("Resolved", of="2", hours=1), entry("SMS late", hours=2)), INCIDENT, "SMS late"),
    # who never comes back to an incident has forgotten it
    ((entry(hours=23.9),), INCIDENT, ""),
    ((entry(hours=24.1),), OK, "none of them open"),
    ((entry(hours=-2),), INCIDENT, ""),
    # maintenance is trouble while it goes on
    ((entry("Scheduled maintenance of MFA"),), OK, ""),
    ((entry("Maintenance", "THIS IS A SCHEDULED EVENT Scheduled - at night"),), OK, ""),
    # only the newest update of an entry counts
    ((entry(text=TWO),), OK, ""),
    ((entry(text=TWO.replace(" - ", ": ")),), OK, ""),
    ((entry(text=TWO.upper()),), OK, ""),
    ((entry(text="[Resolved] It is mended. [Investigating] We look."),), OK, ""),
    ((entry(text="[Investigating] We look. [Resolved] It was mended."),), INCIDENT, ""),
    ((entry(text="Resolved — Done. Identified — It is DNS."),), OK, ""),
    ((entry(text="Update: Resolved"),), OK, ""),
    ((entry(text="Resolved This has been resolved. Investigating We are looking."),), OK, ""),
    ((entry(text="Investigating We are looking. Resolved This was it."),), INCIDENT, ""),
    ((entry(text=AZURE_END),), OK, ""),
    ((entry(text=AZURE_END.replace("is now mitigated", "was seen")),), INCIDENT, ""),
    ((entry("Codes are late - Recovered"),), OK, ""),
    ((entry("Recovered: codes are late"),), OK, ""),
    ((entry("Recovered accounts cannot sign in"),), INCIDENT, ""),
    ((entry(text="This was a false alarm."),), OK, ""),
    ((entry(text="Investigating - We look. " + TWO),), INCIDENT, "Investigating: Codes are late"),
    ((entry(text="Monitoring - It seems resolved. " + TWO),), DEGRADED, "Monitoring: Codes"),
    ((entry(text="Update - Sign-ins still fail. Resolved - no longer."),), INCIDENT, "Open: Codes"),
    ((entry(text="Update - The service has recovered. Identified - It is DNS."),), OK, ""),
    (
        (entry(text="Postmortem - Read it. Resolved - Done. Investigating - Yes."),),
        OK,
        "",
    ),
    ((entry(text="Fixed - Done. Watching - We look. Identified - Yes."),), OK, ""),
    ((entry(text="Watching - A fix is in place. Identified - Yes."),), DEGRADED, "Watching: Codes"),
    # by their times, where they have such, whatever the order
    ((entry(text=OLDEST_FIRST.format(last="Resolved - Thank you.")),), OK, ""),
    ((entry(text=OLDEST_FIRST.format(last="Monitoring - A fix.")),), DEGRADED, "Monitoring"),
    (
        (entry(text="Jan 1, 00:10 UTC Resolved - Done. Dec 31, 23:50 UTC Identified - Yes."),),
        OK,
        "",
    ),
    (
        (entry(text="Dec 31, 23:50 UTC Identified - Yes. Jan 1, 00:10 UTC Resolved - Done."),),
        OK,
        "",
    ),
    # as AWS writes: a heading that stays, times, the oldest first
    ((entry("Informational message: Increased error rates", AWS_END),), OK, ""),
    ((entry("Informational message: Increased error rates", AWS_OPEN),), INCIDENT, ""),
    ((entry("Performance issues: Errors", f"{AWS_OPEN} {AWS_END}"),), OK, ""),
    ((entry("Performance issues: Errors", f"{AWS_END} {AWS_OPEN}"),), INCIDENT, ""),
    ((entry("Errors", "The service is operating normally."),), OK, ""),
    ((entry("Errors", "It is not operating normally."),), INCIDENT, ""),
    (
        (entry("Errors", "We will update you once the service is operating normally."),),
        INCIDENT,
        "",
    ),
    ((entry("Errors", "Sign-in has recovered."),), OK, ""),
    ((entry("Errors", "All services have now fully recovered. We apologize."),), OK, ""),
    ((entry("Errors", "Sign-in has partially recovered."),), INCIDENT, ""),
    ((entry("Errors", "Sign-in has not recovered."),), INCIDENT, ""),
    ((entry("Errors", "Sign-in is recovering."),), INCIDENT, ""),
    ((entry("Errors", "Most of the regions have recovered, one of them has not."),), INCIDENT, ""),
    ((entry("Errors", "Sign-in has recovered. We continue to monitor."),), DEGRADED, "Monitoring"),
    ((entry("Errors", "Error rates have returned to normal."),), OK, ""),
    ((entry("Errors", "We expect error rates to be back to normal soon."),), INCIDENT, ""),
    ((entry("Errors", "All systems operational"),), OK, ""),
    (
        (entry("Maintenance", "THIS IS A SCHEDULED EVENT In progress - now"),),
        MAINTENANCE,
        "In progr",
    ),
    ((entry("Maintenance", "Verifying - nearly done"),), MAINTENANCE, "Verifying: Maintenance"),
    ((entry("Maintenance", "Completed - thank you. In progress - now"),), OK, ""),
    ((entry("Repair", "In progress - we mend it"),), INCIDENT, "In progress: Repair"),
    # Microsoft 365: one entry, always, and its status
    ((entry("", "This site is updated when …", status="Available"),), OK, ""),
    ((entry("", "This site is updated when …", status="Operational"),), OK, ""),
    ((entry("Sign-in", status="ServiceDegradation"),), DEGRADED, "Service degradation: Sign-in"),
    ((entry("Sign-in", status="Service degradation"),), DEGRADED, ""),
    ((entry("Sign-in", status="serviceInterruption"),), INCIDENT, "Service interruption: Sign-in"),
    ((entry("Sign-in", "it was resolved", status="Investigation"),), DEGRADED, ""),
    ((entry("Sign-in", status="Haunted"),), INCIDENT, "Open: Sign-in"),
    ((entry("Sign-in", status="Unknown"),), INCIDENT, ""),
]


@pytest.mark.parametrize(("feed", "reason", "words"), BY_INCIDENT)
def test_what_a_feed_says_by_incident(feed, reason, words):
    reading = judged(*feed)
    assert reading.reason is reason, reading
    assert words in clear(reading.detail)


ENDED = [
    # in other words
    "The issue has been addressed and sign-in works.",
    "This incident is now closed.",
    "Closed - all good. Investigating - we look.",
    "It began at 2026-01-05 10:00 and ended at 2026-01-05 11:00 (US/Pacific).",
    "Sign-ins recovered at 11:00 UTC.",
    "Services are now fully recovered.",
    "Service is now stable.",
    "The issue is over.",
    "Error rates have returned to normal levels. Investigating - We are looking.",
    "All services are operational.",
    "Sign-in is operational again.",
    "The system is up and running again.",
    "It has been resolved. If you continue to see failures, tell us.",
    "The service has recovered. We are sorry for the failing sign-ins.",
    "Some users saw errors, which has since been resolved.",
    # by dates in other orders
    "2026-01-05 10:00 UTC Investigating - look. 2026-01-05 11:00 UTC Resolved - done.",
    "[2026-01-05 10:00] Investigating - look. [2026-01-05 11:00] Resolved - done.",
    "5 Jan 2026, 10:00 UTC Investigating - a. 5 Jan 2026, 11:00 UTC Resolved - b.",
    "Jan 5, 10:00 AM UTC Investigating - look. Jan 5, 1:00 PM UTC Resolved - done.",
    "Jan 5, 1:00 PM Resolved - done. Jan 5, 12:10 AM Investigating - look.",
]
NOT_ENDED = [
    "We thought this was resolved but errors are back.",
    "This has been resolved for some customers.",
    "The database has been restored, however users cannot sign in.",
    "A fix has been completed and is rolling out.",
    "The root cause is fixed; sign-ins remain degraded.",
    "Reopened - It was resolved. Resolved - done.",
    "The issue isn't resolved.",
    "We believe it hasn\u2019t been resolved.",
    "Only 10% of sign-ins are back to normal.",
    "No services are operating normally.",
    "The service is no longer operating normally.",
    "The fix was completed but did not help; errors persist.",
    "EU has been resolved. US sign-ins are impacted.",
    "Users are unable to have sign-ins completed.",
    "Some sign-ins are completed only after a long delay.",
]


@pytest.mark.parametrize("text", ENDED)
def test_an_end_is_known_by_many_words(text):
    assert judged(entry(text=text)).reason is OK


@pytest.mark.parametrize("text", NOT_ENDED)
def test_what_only_sounds_like_an_end_is_none(text):
    assert judged(entry(text=text)).reason is INCIDENT


AWS_ID = "https://status.aws.amazon.com/#ec2-us-east-1_{}"


def test_each_update_of_aws_has_an_id_of_its_own():
    """The newest of one heading counts; another heading is another incident."""
    began = entry("Performance issues: Errors", AWS_OPEN, of=AWS_ID.format(1767600000), hours=3)
    more = entry("Service disruption: Errors", AWS_OPEN, of=AWS_ID.format(1767603600), hours=2)
    end = entry(
        "Service is operating normally: [RESOLVED] Errors",
        AWS_END,
        of=AWS_ID.format(1767607200),
        hours=1,
    )
    other = entry("Informational message: Latency", AWS_OPEN, of=AWS_ID.format(1767600001), hours=2)
    assert judged(began, more).detail.count("Errors") == 1
    assert judged(end, more, began).reason is OK
    assert judged(began, more, end).reason is OK
    assert "Latency" in judged(began, more, end, other).detail


BY_AGE = [
    ((), OK, "an empty feed"),
    ((entry(hours=23),), DEGRADED, "Published: Codes are late (as of 4 Jan 13:00 UTC)"),
    ((entry("It was resolved", hours=23),), DEGRADED, ""),
    ((entry(hours=25),), OK, "1 entries"),
    ((entry(hours=None),), DEAD, "an entry without a date: Codes are late"),
    ((entry(hours=None), entry("SMS", hours=1)), DEGRADED, "SMS"),
]


@pytest.mark.parametrize(("feed", "reason", "words"), BY_AGE)
def test_what_a_feed_says_by_age(feed, reason, words):
    reading = judged(*feed, mode="age")
    assert reading.reason is reason, reading
    assert words in clear(reading.detail)


def test_how_old_is_too_old_can_be_set():
    assert judged(entry(hours=30), max_age=Duration.parse("2d")).reason is INCIDENT
    assert judged(entry(hours=2), max_age=Duration.parse("1h")).reason is OK


@pytest.mark.parametrize("where", ["title", "text"])
def test_only_what_speaks_of_it_concerns_us(where):
    ours = entry(**{where: "Multi-Factor sign-in fails"}, of="1")
    theirs = entry("Storage is slow", of="2")
    keywords = Regex("(?i)multi-?factor")
    assert judged(theirs, keywords=keywords).reason is OK
    assert judged(theirs, ours, keywords=keywords).reason is INCIDENT


ENTRIES = st.lists(
    st.builds(
        entry,
        title=st.sampled_from(["MFA", "MFA resolved", "MFA monitoring", "Maintenance scheduled"]),
        of=st.sampled_from("12"),
        hours=st.none() | st.floats(-50, 50),
        status=st.sampled_from(["", "Available", "ServiceInterruption", "odd"]),
    ),
    max_size=5,
)


@given(ENTRIES, st.sampled_from(["incident", "age"]))
def test_a_pass_means_that_no_entry_is_young_and_open(feed, mode):
    reading = judged(*feed, mode=mode)
    assert reading.reason in (OK, DEAD, INCIDENT, DEGRADED)
    if not feed:
        assert reading.reason is OK
    if mode == "age" and any(one.at and NOW - one.at < timedelta(hours=23) for one in feed):
        assert reading.reason is DEGRADED


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_is_too_strange(title, text):
    assert judged(entry(title, text)).outcome in (Outcome.PASS, Outcome.WARN, Outcome.FAIL)


def test_hostile_texts_are_judged_in_bounded_time():
    texts = ("not " * 1000, "until x " * 500, "working " * 500 + "resolved", "be " * 1300)
    began = time.thread_time()
    judged(*(entry("MFA", text, of=str(n)) for n, text in enumerate(texts * 10)))
    assert time.thread_time() - began < 5


def update(day: int, at: str, label: str, text: str) -> str:
    """An update as Statuspage writes it."""
    return (
        f"<p><small>Jan <var data-var='date'> {day}</var>, <var data-var='time'>{at}</var> UTC"
        f"</small><br /><strong>{label}</strong> - {text}</p>"
    )


RESOLVED = update(5, "11:00", "Resolved", "This incident has been resolved.")
LOOKING = update(4, "23:00", "Investigating", "We are currently investigating this issue.")


@pytest.mark.parametrize("html", [RESOLVED + LOOKING, LOOKING + RESOLVED])
def test_a_feed_of_statuspage_as_it_is_written(html):
    item = f"<title>Codes are late</title><description>{escape(html)}</description>"
    feed = entries(f"<rss><channel><item>{item}</item></channel></rss>".encode(), "")
    assert judged(*feed).reason is OK


# --- through the wire -------------------------------------------------------------

AZURE = """<?xml version="1.0" encoding="utf-8"?>
<rss xmlns:a10="http://www.w3.org/2005/Atom" version="2.0"><channel><title>Azure Status</title>
<link>https://status.example.com/</link><description>Azure Status</description>
<lastBuildDate>Mon, 19 Nov 2018 14:00:00 Z</lastBuildDate>{items}</channel></rss>"""


def azure(*items: tuple[str, str, datetime]) -> bytes:
    """All its entries link to the page itself."""
    rows = "".join(
        f"<item><guid>{n}</guid><link>https://status.example.com</link><title>{escape(title)}"
        f"</title><description>{escape(text)}</description><pubDate>{format_datetime(at)}"
        "</pubDate></item>"
        for n, (title, text, at) in enumerate(items)
    )
    return AZURE.format(items=rows).encode()


@pytest.fixture
def feed(vendor):
    return Rss(url=Url(vendor.url + "/feed/"))


def test_an_old_address_leads_to_the_new_one(vendor, feed, observed, clock):
    began = clock.utc() - timedelta(hours=1)
    vendor.answers["/feed/"] = (301, {"Location": "/new/"}, b"")
    vendor.publish("/new/", azure(("MFA fails", "<p>Starting at 04:39 …</p>", began)))
    reading = observed(feed, clock=clock)
    assert reading.reason is INCIDENT
    assert reading.detail == "Open: MFA fails (as of 5 Jan 11:00 UTC)"
    assert reading.outcome is Outcome.FAIL


def test_an_unchanged_feed_is_judged_by_the_time_that_it_is(vendor, feed, observed, clock):
    vendor.publish("/feed/", azure(("MFA fails", "", clock.utc())), ETag='"1"')
    assert observed(feed, clock=clock).reason is INCIDENT
    assert observed(feed, clock=clock).reason is INCIDENT
    clock.advance(86401)
    # an hour has passed too, so it is read whole: the server does not mind
    assert observed(feed, clock=clock).reason is OK
