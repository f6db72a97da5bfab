"""Forms of foreign pages: what a browser would send of them, and what nobody reads."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.model import Reason
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.net.http.client import Answer
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.extract import Capture, Form
from beacon.probing.html_forms import FIELDS_LIMIT, PAGE_LIMIT, TAGS_LIMIT, selector_flaw


def form_of(answer: Answer, selector: str) -> Form | None:
    found = Capture(form=selector).take(Run(SystemClock(), 60), answer, ())
    assert found is None or isinstance(found, Form)
    return found


def field_of(answer: Answer, name: str) -> str | None:
    found = Capture(field=name).take(Run(SystemClock(), 60), answer, ())
    assert not isinstance(found, Form)
    return found


PAGE = """
<!-- <form id="login"><input name="no" value="comment"></form> -->
<script>"<form id='login'><input name='no'>"</script>
<form id="search"><input name="q"></form>
<form id="login" action="../verify?a=1&amp;b=2" method="post">
  <input type="hidden" name="csrf" value="&quot;t&#111;ken&quot;">
  <input name="user"><input type="PASSWORD" name="password" value="p">
  <input type="checkbox" name="remember" checked><input type="checkbox" name="no">
  <input type="radio" name="way" value="sms"><input type="radio" name="way" value="app" checked>
  <input type="submit" name="no" value="go"><button name="no">two</button>
  <input type="file" name="no"><input name="no" disabled value="x"><input value="nameless">
  <input name="" value="nameless">
  <textarea name="note">a &lt; b</textarea>
  <select name="place"><option>here<option value="t" selected>there</select>
  <select name="first"><option> one </option><option>two</select>
  <select name="many" multiple><option selected>a<option selected value="">b<option>c</select>
  <select name="none"></select>
</form>
<form id="nowhere"></form>
<input name="loose" value="outside">
"""


def page(text: str = PAGE, url: str = "https://idp.example.com/auth/login?x=1") -> Answer:
    return Answer(status=200, body=text.encode(), url=url)


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ('<textarea name="a">one\ntwo</textarea>', "one\r\ntwo"),
        (
            '<textarea name="a">\n\none\r\ntwo&#13;three\n</textarea>',
            "\r\none\r\ntwo\r\nthree\r\n",
        ),
        ('<input type="hidden" name="a" value="one\ntwo&#13;&#10;">', "one\r\ntwo\r\n"),
        ('<input name="a" value="one\ntwo&#13;">', "onetwo"),
        ('<select name="a"><option value="one\ntwo"></select>', "one\r\ntwo"),
    ],
)
def test_lines_are_sent_as_browsers_do(field: str, sent: str) -> None:
    form = form_of(page(f"<form id=login>{field}</form>"), "#login")
    assert form
    assert form.pairs == (("a", sent),)


def test_a_form_is_found_as_a_browser_would_send_it() -> None:
    form = form_of(page(), "#login")
    assert form
    assert form.action == "https://idp.example.com/verify?a=1&b=2"
    assert form.pairs == (
        ("csrf", '"token"'),
        ("user", ""),
        ("password", "p"),
        ("remember", "on"),
        ("way", "app"),
        ("no", "go"),
        ("note", "a < b"),
        ("place", "t"),
        ("first", "one"),
        ("many", "a"),
        ("many", ""),
    )
    assert form.fields["csrf"] == '"token"'
    assert "token" not in repr(form)


@pytest.mark.parametrize(
    ("selector", "found"),
    [("form", ("q",)), ("form[method=post]", None), ("#loose", ()), ("input", ()), ("form[", ())],
)
def test_a_form_is_chosen_by_a_selector(selector: str, found: tuple[str, ...] | None) -> None:
    form = form_of(page(), selector)
    if found == ():
        assert form is None
    else:
        assert form
        assert found is None or tuple(form.fields) == found


def test_a_form_without_an_action_is_sent_to_its_page() -> None:
    form = form_of(page(), "#nowhere")
    assert form
    assert (form.action, form.pairs) == ("https://idp.example.com/auth/login?x=1", ())
    with pytest.raises(ProbeFailure):
        form_of(page('<form action="http://[">'), "form")


@pytest.mark.parametrize(
    ("name", "value"),
    [("csrf", '"token"'), ("loose", "outside"), ("q", ""), ("nobody", None), ("none", None)],
)
def test_a_field_is_found_by_its_name(name: str, value: str | None) -> None:
    assert field_of(page(), name) == value


def test_selectors_are_checked() -> None:
    assert selector_flaw("form.login > #a") == ""
    assert selector_flaw("form[") == "not a CSS selector: 'form['"


@pytest.mark.parametrize(
    "text",
    [
        "x" * (PAGE_LIMIT + 1),
        "<" * (TAGS_LIMIT + 1),
        "<form>" + "<input name=a>" * (FIELDS_LIMIT + 1),
    ],
)
def test_a_page_has_limits(text: str) -> None:
    with pytest.raises(ProbeFailure) as caught:
        form_of(page(text), "form")
    assert caught.value.reading.reason is Reason.BODY_TOO_LARGE


ATTRIBUTES = " ".join(f"a{number}" for number in range(36_000))


@pytest.mark.parametrize("worst", ["<div>" * TAGS_LIMIT, f"<p {ATTRIBUTES}>"], ids=len)
def test_the_worst_page_within_the_limits_costs_the_beacon_nothing(worst: str) -> None:
    """The parser process reads it, or is killed."""
    began, reason = time.thread_time(), None
    try:
        assert form_of(page(worst), "form") is None
    except ProbeFailure as trouble:
        reason = trouble.reading.reason
    assert reason in (None, Reason.BODY_TOO_LARGE)
    assert time.thread_time() - began < 0.5


@given(st.text(alphabet="<>/=\"' \0&;#aforminputselecttextareavaluename-!", max_size=300))
def test_whatever_a_page_is_it_is_read(text: str) -> None:
    form = form_of(page(text), "form")
    field_of(page(text), "a")
    assert form is None or all(name for name, _ in form.pairs)
