"""Templates: what they refer to, how they are filled in, what of it is masked."""

import pytest

from beacon.config.fields import SettingRefused
from beacon.core.model import Reason
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.template import RESERVED, Awaited, CodeCall, JsonTemplate, Template


def test_a_template_is_filled_in() -> None:
    template = Template.parse("{{ secrets.user }}@{{ variables['host'] }}/{{ token|urlencode }}\n")
    values = {"secrets": {"user": "ann"}, "variables": {"host": "example.com"}, "token": "a/b c"}
    assert template.fill(values) == "ann@example.com/a/b%20c\n"


def test_markup_is_left_as_it_is() -> None:
    assert Template.parse("{{ v }}").fill({"v": "<&\"'>"}) == "<&\"'>"


def test_it_knows_what_it_refers_to() -> None:
    uses = Template.parse(
        "{{ secrets.a }}{{ secrets['b'] }}{{ variables.c }}{{ d }}{% if e %}{{ range }}{% endif %}"
        "{{ totp(secrets.f) }}{{ totp(secrets.g, digits=8, algorithm='sha256') }}"
    ).uses
    assert uses.secrets == {"a", "b", "f", "g"}
    assert uses.variables == {"c"}
    assert uses.captured == {"d", "e"}
    assert uses.codes == (CodeCall("f"), CodeCall("g", (("digits", 8), ("algorithm", "sha256"))))
    assert uses.flaws == ()
    assert {"secrets", "variables", "totp", "range"} <= RESERVED


def test_it_knows_the_codes_it_waits_for_and_counts() -> None:
    uses = Template.parse(
        "{{ hotp(secrets.f, counter=7) }}{{ code_from('phone', '([0-9]{6})', '90s') }}"
        "{{ code_from(within='2m', pattern='\\\\d+', mailbox='mail') }}"
    ).uses
    assert uses.codes == (CodeCall("f", (("counter", 7),), counted=True),)
    assert uses.awaited == (Awaited("phone", "([0-9]{6})", 90.0), Awaited("mail", r"\d+", 120.0))
    assert uses.flaws == ()


@pytest.mark.parametrize(
    ("source", "flaw"),
    [
        ("{{ secrets }}", "secrets cannot be used as a whole"),
        ("{{ variables|length }}", "variables cannot be used as a whole"),
        ("{{ secrets[name] }}", "secrets cannot be used as a whole"),
        ("{{ totp }}", "totp cannot be used as a whole"),
        ("{{ totp() }}", "totp takes one of the secrets"),
        ("{{ totp('ABC') }}", "totp takes one of the secrets"),
        ("{{ totp(variables.seed) }}", "totp takes one of the secrets"),
        ("{{ totp(secrets.seed, 8) }}", "totp takes one of the secrets"),
        ("{{ totp(secrets.seed, digits=n) }}", "totp takes one of the secrets"),
        ("{{ totp(*secrets.seed) }}", "totp takes one of the secrets"),
        ("{{ totp(secrets.seed, **more) }}", "totp takes one of the secrets"),
        ("{{ hotp }}", "hotp cannot be used as a whole"),
        ("{{ hotp(variables.seed) }}", "hotp takes one of the secrets: hotp(secrets.name)"),
        ("{{ code_from }}", "code_from cannot be used as a whole"),
        ("{{ code_from('phone') }}", "code_from takes three texts"),
        ("{{ code_from('phone', 'a', '9s', 'b') }}", "code_from takes three texts"),
        ("{{ code_from('phone', 'a', '9s', pattern='b') }}", "code_from takes three texts"),
        ("{{ code_from('phone', pattern, '9s') }}", "code_from takes three texts"),
        ("{{ code_from(*phone, pattern='a', within='9s') }}", "code_from takes three texts"),
        ("{{ code_from('phone', '\\bcode', '9s') }}", "the pattern of code_from has a backslash"),
        ("{{ code_from('phone', '(', '9s') }}", "code_from: not a regular expression"),
        ("{{ code_from('phone', 5, '9s') }}", "code_from: not a regular expression"),
        ("{{ code_from('phone', 'a', '9') }}", "code_from: 9 has no unit"),
    ],
)
def test_a_misuse_is_found_when_it_is_read(source: str, flaw: str) -> None:
    assert any(found.startswith(flaw) for found in Template.parse(source).uses.flaws)


@pytest.mark.parametrize("source", ["{{ a", "{% if %}", "{{ a|nofilter }}", "{{ a is odd? }}"])
def test_what_is_no_template_is_refused(source: str) -> None:
    with pytest.raises(SettingRefused, match=r"not a template: .* \(its line 1\)"):
        Template.parse(source)


@pytest.mark.parametrize("raw", [None, 5, True, ["a"], {"a": "b"}])
def test_a_template_is_text(raw: object) -> None:
    with pytest.raises(SettingRefused, match="not text"):
        Template.parse(raw)


@pytest.mark.parametrize(
    "source",
    [
        "{{ missing }}",
        "{{ v.missing.deeper }}",
        "{{ v + 1 }}",
        "{{ 1 / 0 }}",
        "{{ v|int(x=1) }}",
        "{{ v.__class__.__mro__ }}",
        "{% include 'a' %}",
    ],
)
def test_what_cannot_be_filled_in_is_trouble_that_quotes_nothing(source: str) -> None:
    with pytest.raises(ProbeFailure) as trouble:
        Template.parse(source).fill({"v": "canary-value"})
    assert trouble.value.reading.reason is Reason.OPERAND_MISSING
    assert "canary" not in trouble.value.reading.detail


def test_a_text_without_gaps_is_fixed() -> None:
    assert Template.parse("https://example.com").fixed == "https://example.com"
    assert Template.parse("https://{{ host }}").fixed is None
    assert Template.parse("HTTPS://{{ host }}").begins("https:")


def test_json_is_filled_in_all_the_way_down() -> None:
    raw = {"user": "{{ u }}", "deep": [1, None, {"code": "{{ c }}"}], "yes": True}
    template = JsonTemplate.parse(raw)
    assert [path for path, _ in template.templates()] == [("user",), ("deep", 2, "code")]
    filled = template.fill({"u": "ann", "c": "1"})
    assert filled == {"user": "ann", "deep": [1, None, {"code": "1"}], "yes": True}


def test_a_wrong_text_in_json_is_reported_with_its_place() -> None:
    with pytest.raises(SettingRefused) as refused:
        JsonTemplate.parse({"a": [0, {"b": "{{"}]})
    assert refused.value.path == ("a", 1, "b")


def test_templates_compare_as_texts_and_show_nothing() -> None:
    assert Template.parse("canary {{ a }}") == Template.parse("canary {{ a }}")
    assert Template.parse("{{ a }}") != Template.parse("{{ b }}")
    assert JsonTemplate.parse({"a": "canary"}) == JsonTemplate.parse({"a": "canary"})
    assert JsonTemplate.parse({"a": "x"}) != JsonTemplate.parse({"a": "y"})
    assert len({Template.parse("x"), Template.parse("x")}) == 1
    assert len({JsonTemplate.parse(["x"]), JsonTemplate.parse(["x"])}) == 1
    for shown in (Template.parse("canary"), JsonTemplate.parse({"a": "canary"})):
        assert "canary" not in f"{shown!r} {shown}"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://a.example/b", "https://a.example/b"),
        ("{{ variables.base }}/b?c={{ variables['x'] }}", "https://v/b?c=y"),
        ("https://a/{{ secrets.password }}/{{ ticket|urlencode }}", "https://a/***/***"),
        ("https://a/{{ secrets.password|reverse|upper }}", "https://a/***"),
        ("{{ variables.base|upper }}/{{ totp(secrets.seed) }}", "***/***"),
        ("https://a/{% if ticket %}b{{ ticket }}{% endif %}", "https://a/***"),
    ],
)
def test_what_is_shown_of_a_text(source: str, shown: str) -> None:
    assert Template.parse(source).shown({"base": "https://v", "x": "y"}) == shown


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{secrets.password}", "{{ secrets.password }}"),
        ("user={variables.user}&x", "{{ variables.user }}"),
        ("{ totp(secrets.seed) }", "{{ totp(secrets.seed) }}"),
        ("${PASSWORD}", "{{ PASSWORD }}"),
        ("https://portal/${TENANT}/login", "{{ TENANT }}"),
    ],
)
def test_a_place_that_only_other_tools_would_fill_in_is_refused(written, meant):
    with pytest.raises(SettingRefused) as caught:
        Template.parse(written)
    assert caught.value.hint == meant
    assert "would be sent as it stands" in caught.value.message


@pytest.mark.parametrize("written", ['{"a": {"b": 1}}', "{{ secrets.p }}", "{x}", "$5", "{{x}}{y}"])
def test_braces_that_mean_nothing_are_sent_as_they_are(written):
    Template.parse(written)
