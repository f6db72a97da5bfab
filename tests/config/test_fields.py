"""Single settings: what is read, what is refused, and that a secret is not seen."""

import contextlib
import copy
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import (
    Directory,
    Duration,
    File,
    Regex,
    Secret,
    SettingRefused,
    Text,
    Topic,
    Url,
)
from beacon.config.file_fields import BrokerUrl


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [("800ms", 0.8), ("30s", 30), ("1.5m", 90), ("2h", 7200), ("90d", 7776000), (" 5 s ", 5)],
)
def test_durations(raw, seconds):
    assert Duration.parse(raw) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "raw", ["", "s", "5", 5, 5.5, -5, "-5s", "5S", "5s5", True, None, "0s", []]
)
def test_what_is_no_duration(raw):
    with pytest.raises(SettingRefused) as caught:
        Duration.parse(raw)
    assert "30s" in caught.value.allowed


def test_a_bare_number_is_answered_with_its_likely_unit():
    with pytest.raises(SettingRefused) as caught:
        Duration.parse(30)
    assert (caught.value.message, caught.value.hint) == ("30 has no unit", "30s or 30m")


@given(seconds=st.integers(1, 10**7) | st.integers(1, 999).map(lambda ms: ms / 1000))
def test_a_duration_is_written_as_it_is_read(seconds):
    written = str(Duration(seconds))
    assert Duration.parse(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("seconds", "written"), [(30, "30s"), (90, "90s"), (300, "5m"), (86400, "1d"), (0.8, "800ms")]
)
def test_a_duration_is_written_in_its_largest_whole_unit(seconds, written):
    assert str(Duration(seconds)) == written


@pytest.mark.parametrize(
    "raw",
    ["http://h", "https://[::1]:8443/a?b=c", "HTTPS://EXAMPLE.COM/"],
)
def test_addresses(raw):
    assert Url.parse(raw) == raw


@pytest.mark.parametrize(
    "raw",
    [
        "ftp://h",
        "http://",
        "//h",
        "http://h h/",
        "http://h:99999/",
        "http://[::1",
        "http://me@h/",
        "http://me:word@h/",
        7,
    ],
)
def test_what_is_no_address(raw):
    with pytest.raises(SettingRefused):
        Url.parse(raw)


def test_the_password_in_an_address_is_not_repeated():
    with pytest.raises(SettingRefused) as caught:
        Url.parse("http://me:hunter2@h/")
    assert "hunter2" not in f"{caught.value} {caught.value.allowed} {caught.value.hint}"


def test_a_secret_shows_itself_nowhere_but_by_reveal():
    secret = Secret.parse("hunter2")
    assert secret.reveal() == "hunter2"
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret!s:>10}"
    assert secret == Secret("hunter2")
    assert secret != Secret("other")
    assert secret != "hunter2"
    assert len({secret, Secret("hunter2")}) == 1
    assert copy.copy(secret) == pickle.loads(pickle.dumps(secret)) == secret


@pytest.mark.parametrize("raw", ["", None, 5, ["hunter2"]])
def test_what_is_no_secret_is_refused_without_repeating_it(raw):
    with pytest.raises(SettingRefused) as caught:
        Secret.parse(raw)
    assert "hunter2" not in str(caught.value)


def test_regular_expressions_are_compiled_to_prove_them():
    assert Regex.parse("^a+$") == "^a+$"
    for raw in ("(", 5):
        with pytest.raises(SettingRefused, match="not a regular expression"):
            Regex.parse(raw)


@pytest.mark.parametrize("raw", ["mfa-beacon", "a/b/c", "Zürich"])
def test_topics(raw):
    assert Topic.parse(raw) == raw


@pytest.mark.parametrize("raw", ["", "/a", "a/", "a//b", "a/+", "#", "$SYS/a", "a\0", "a\n", 5])
def test_what_is_no_topic(raw):
    with pytest.raises(SettingRefused):
        Topic.parse(raw)


def test_files_are_opened_to_prove_them(tmp_path):
    file = tmp_path / "ca.pem"
    file.touch()
    assert File.parse(str(file)) == str(file)
    for raw, why in (
        (str(tmp_path / "no.pem"), "No such file"),
        (str(tmp_path), "Is a directory"),
        ("ca.pem", "not a whole path"),
        ("/a\0b", "cannot read"),
        (5, "not a whole path"),
    ):
        with pytest.raises(SettingRefused, match=why):
            File.parse(raw)


def test_directories_are_whole_paths_that_may_come_and_go():
    assert Directory.parse("/var/spool/nobody/inbox") == "/var/spool/nobody/inbox"
    for raw in ("inbox", "/a\0b", 5, None):
        with pytest.raises(SettingRefused, match="not a whole path"):
            Directory.parse(raw)


@pytest.mark.parametrize("kind", Text)
def test_every_type_says_what_is_allowed_and_has_a_schema(kind):
    assert kind.ALLOWED
    assert kind.SCHEMA["type"] == "string"


@pytest.mark.parametrize("kind", Text)
@given(
    raw=st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.lists(st.text(max_size=3), max_size=2)
)
def test_whatever_is_written_is_read_or_refused(kind, raw):
    with contextlib.suppress(SettingRefused):
        assert isinstance(kind.parse(raw), kind)


@pytest.mark.parametrize("kind", [Url, BrokerUrl])
@pytest.mark.parametrize(
    "address",
    [
        "https:/probe:pa/ss@id/",
        "https:probe:pa/ss@id/",
        "https:///probe:pa/ss@id/",
        r"https:\\probe:pa/ss@id",
        r"\\probe:pa/ss@id",
        "//probe:pa/ss@id",
        "probe:pa/ss@id",
        "https:/probe:pa'ss@id/",
        "https:/probe:pa ss@id/",
        " mqtts://probe:pa/ss@id",
    ],
)
def test_credentials_in_what_hardly_is_an_address_are_not_repeated(kind, address):
    with pytest.raises(SettingRefused, match="a user name or password in the address") as caught:
        kind.parse(address)
    assert not {"pa", "ss", "probe"} & set(re.findall(r"\w+", caught.value.message))
