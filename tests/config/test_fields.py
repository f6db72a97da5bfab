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
    ForeignFile,
    HostName,
    Regex,
    Secret,
    SettingRefused,
    Topic,
    Url,
)
from beacon.config.file_fields import Bind, BrokerUrl


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (Duration, "800ms", 0.8),
        (Duration, "30s", 30),
        (Duration, "1.5m", 90),
        (Duration, "2h", 7200),
        (Duration, "90d", 7776000),
        (Duration, " 5 s ", 5),
        (Url, "http://h", "http://h"),
        (Url, "https://[::1]:8443/a?b=c", "https://[::1]:8443/a?b=c"),
        (Url, "HTTPS://EXAMPLE.COM/", "HTTPS://EXAMPLE.COM/"),
        (Regex, "^a+$", "^a+$"),
        (Topic, "mfa-beacon", "mfa-beacon"),
        (Topic, "a/b/c", "a/b/c"),
        (Topic, "Zürich", "Zürich"),
        (Directory, "/var/spool/nobody/inbox", "/var/spool/nobody/inbox"),
    ],
)
def test_what_is_read(kind, raw, value):
    assert kind.parse(raw) == pytest.approx(value)


TEXT = (Duration, Url, HostName, Secret, Regex, Topic, File, Directory, ForeignFile)
REFUSED = {
    Duration: ("", "s", "5", 5, 5.5, -5, "-5s", "5S", "5s5", True, None, "0s", []),
    Url: (
        *("ftp://h", "http://", "//h", "http://h h/", "http://h:99999/", "http://[::1", 7),
        *("http://me@h/", "http://me:hunter2@h/"),
    ),
    Secret: ("", None, 5, ["hunter2"]),
    Regex: ("(", 5),
    Topic: ("", "/a", "a/", "a//b", "a/+", "#", "$SYS/a", "a\0", "a\n", 5),
    Directory: ("inbox", "/a\0b", 5, None),
    BrokerUrl: (5, None),
    Bind: (
        *("127.0.0.1", ":8427", "127.0.0.1:0", "127.0.0.1:65536", "999.0.0.1:80", "::1:80"),
        *("[1]:80", "127.0.0.1:٨٠"),
    ),
}


@pytest.mark.parametrize(
    ("kind", "raw"), [(kind, raw) for kind, every in REFUSED.items() for raw in every]
)
def test_what_is_refused_without_repeating_a_secret(kind, raw):
    """In what words, the files of `bad/` say."""
    with pytest.raises(SettingRefused) as caught:
        kind.parse(raw)
    assert caught.value.allowed.startswith(kind.ALLOWED) or "`username:`" in caught.value.allowed
    assert "hunter2" not in f"{caught.value} {caught.value.allowed} {caught.value.hint}"


@given(seconds=st.integers(1, 10**7) | st.integers(1, 999).map(lambda ms: ms / 1000))
def test_a_duration_is_written_as_it_is_read(seconds):
    written = str(Duration(seconds))
    assert Duration.parse(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("seconds", "written"), [(30, "30s"), (90, "90s"), (300, "5m"), (86400, "1d"), (0.8, "800ms")]
)
def test_a_duration_is_written_in_its_largest_whole_unit(seconds, written):
    assert str(Duration(seconds)) == written


def test_a_secret_shows_itself_nowhere_but_by_reveal():
    secret = Secret.parse("hunter2")
    assert secret.reveal() == "hunter2"
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret!s:>10}"
    assert secret == Secret("hunter2")
    assert secret != Secret("other")
    assert secret != "hunter2"
    assert len({secret, Secret("hunter2")}) == 1
    assert copy.copy(secret) == pickle.loads(pickle.dumps(secret)) == secret


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


@pytest.mark.parametrize("kind", TEXT)
def test_every_type_says_what_is_allowed_and_has_a_schema(kind):
    assert kind.ALLOWED
    assert kind.SCHEMA["type"] == "string"


@pytest.mark.parametrize("kind", TEXT)
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
