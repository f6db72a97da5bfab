"""Files to trees: scalars, secrets, environment, includes, packages, and who may read them."""

import contextlib
import os
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beacon.config.loader import load, read
from beacon.config.problems import ConfigError
from beacon.config.yaml.composer import MAX_BYTES, resolve
from beacon.config.yaml.nodes import plain

NOBODY = 65534


@pytest.fixture
def value(tmp_path):
    """What a text means, read as a file."""

    def read_it(text, environ=None):
        path = tmp_path / "text.yaml"
        path.write_text(text)
        document = read(path, environ=environ or {})
        document.check()
        return plain(document.root)

    return read_it


@pytest.fixture
def open_path():
    """A directory that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        path.chmod(0o755)
        yield path


@contextlib.contextmanager
def as_nobody():
    """Be a user who may read little: root may read all."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("~", None),
        ("", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("off", "off"),
        ("17", 17),
        ("-3", -3),
        ("0o17", 15),
        ("0x1f", 31),
        ("017", 17),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("22:00", "22:00"),
        ("2018-11-19", "2018-11-19"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("9" * 400, "9" * 400),
        ("1.1.1.1", "1.1.1.1"),
    ],
)
def test_a_plain_scalar_means_what_yaml_1_2_says(text, meaning):
    assert resolve(text) == meaning
    assert type(resolve(text)) is type(meaning)


def test_anchors_aliases_and_merges(value):
    text = """
    base: &base {driver: mock, preset: tower-3}
    other: &other {preset: tower-5, lock_in: false}
    tower:
      <<: [*base, *other]
      driver: auto
    again: *base
    key: {&name x: 1}
    name: *name
    quoted: {"<<": 1}
    """
    found = value(text)
    assert found["tower"] == {"driver": "auto", "preset": "tower-3", "lock_in": False}
    assert found["again"] == {"driver": "mock", "preset": "tower-3"}
    assert found["name"] == "x"
    assert found["quoted"] == {"<<": 1}


def test_text_stays_text_in_quotes_and_by_tag(value):
    assert value('{a: "17", b: !!str 17, 404: x}') == {"a": "17", "b": "17", "404": "x"}


def test_environment_and_its_defaults(value):
    text = "{a: !env_var A, b: !env_var B two words, c: !env_var A other}"
    assert value(text, {"A": "1"}) == {"a": "1", "b": "two words", "c": "1"}


@pytest.mark.parametrize("damaged", ["\udcff", "pass\udcfcword"])
def test_an_environment_variable_that_is_no_text_is_refused(value, damaged):
    with pytest.raises(ConfigError) as caught:
        value("{a: !env_var A}", {"A": damaged})
    (problem,) = caught.value.problems
    assert "environment variable A is not UTF-8 text" in str(problem)
    str(problem).encode()


def test_an_environment_variable_may_be_a_number(load_text, minimal):
    text = minimal + "tower: {alive_relay: !env_var RELAY, lock_in: !env_var LOCK}\n"
    config = load_text(text, {"RELAY": "6", "LOCK": "false"})
    assert config.tower.alive_relay == 6
    assert config.tower.lock_in is False


SIGN_IN = """site: soc
services:
  - name: Sign-in
    endpoints:
      - {name: in, type: sign-in, url: "https://idp.example.com/", password: !secret word}
"""


@pytest.mark.parametrize(
    ("credential", "file", "secret"),
    [
        (None, "word: 0123  # looks like a number\n", "0123"),
        (None, "word: |\n  secret\n", "secret"),  # the line ends of a block, or of an editor
        (None, "word: secret\n\n\n", "secret"),
        (None, "\ufeffword: secret", "secret"),
        ("from systemd", "word: from the file\n", "from systemd"),
        ("secret\n", "", "secret"),
        ("secret\r\n\n", "", "secret"),
        ("\ufeffsecret\n", "", "secret"),
    ],
)
def test_where_a_secret_is_and_what_is_no_part_of_it(load_text, tmp_path, credential, file, secret):
    (tmp_path / "credentials").mkdir()
    if credential:
        (tmp_path / "credentials" / "word").write_text(credential, newline="")
    for environ in ({"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}, {}):
        if environ or not credential:
            config = load_text(SIGN_IN, environ, secrets=file)
            assert config.probes["sign-in/in"].password.reveal() == secret


def test_a_credential_that_is_no_text(load_text, tmp_path):
    (tmp_path / "word").write_bytes(b"\xff")
    with pytest.raises(ConfigError) as caught:
        load_text(SIGN_IN, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "cannot read credential word: not UTF-8 text" in str(caught.value)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o620, 0o666])
def test_secrets_that_others_may_read_or_change_are_refused(load_text, tmp_path, mode):
    load_text(SIGN_IN, secrets="word: w\n")
    (tmp_path / "secrets.yaml").chmod(mode)
    with pytest.raises(ConfigError) as caught:
        load_text(SIGN_IN)
    (problem,) = caught.value.problems
    assert problem.message == f"others may read or change it (mode {mode:04o})"
    assert problem.allowed == (
        f"only its owner, the user the beacon runs as: chmod 600 {tmp_path / 'secrets.yaml'}"
    )


def test_a_secrets_file_that_leads_nowhere(load_text, tmp_path):
    (tmp_path / "secrets.yaml").symlink_to("secrets.yaml")
    with pytest.raises(ConfigError, match=r"secrets\.yaml: Too many levels of symbolic links"):
        load_text(SIGN_IN)


def test_merging_what_could_not_be_read_is_reported_once(value):
    with pytest.raises(ConfigError) as caught:
        value("a: {<<: !env_var NO}")
    assert [problem.path for problem in caught.value.problems] == ["a.<<"]


def problems_of(path, kinds, environ=None):
    try:
        load(path, environ=environ or {}, **kinds)
    except ConfigError as error:
        return str(error)
    return "loaded"


def test_what_we_may_not_read(open_path, kinds):
    main, site, secrets = (open_path / f"{name}.yaml" for name in ("beacon", "site", "secrets"))
    main.write_text(SIGN_IN.replace("site: soc", "site: !include site.yaml"))
    (open_path / "packages").mkdir(mode=0o700)
    for path in (site, secrets, open_path / "word"):
        path.write_text("word: w\n")
        path.chmod(0o600)
    with as_nobody():
        by_file = problems_of(main, kinds).splitlines()
        by_credential = problems_of(main, kinds, {"CREDENTIALS_DIRECTORY": str(open_path)})
    assert by_file == [
        f"{main}:1:1: cannot list packages/: Permission denied",
        f"{main}:1:7: site: cannot read {site}: Permission denied",
        f"{secrets}:1:1: cannot read {secrets}: Permission denied",
    ]
    assert "password: cannot read credential word: Permission denied" in by_credential


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (None, "{0}:1:1: cannot read {0}: No such file or directory"),
        ("site: soc\nname: Zürich ".encode() + b"\xff\n", "{0}:2:14: not UTF-8 text; "),
        (b"#" * (2 * MAX_BYTES), "{0}:1:1: {0} is larger than 1 MiB"),
    ],
    ids=["absent", "bytes that are no text", "two mebibytes"],
)
def test_a_file_that_is_not_there_or_no_text(tmp_path, kinds, raw, message):
    main = tmp_path / "beacon.yaml"
    if raw:
        main.write_bytes(raw)
    assert problems_of(main, kinds).startswith(message.format(main))


def test_a_byte_order_mark_is_no_mistake(tmp_path, kinds, minimal):
    main = tmp_path / "beacon.yaml"
    main.write_text("\ufeff" + minimal)
    assert problems_of(main, kinds) == "loaded"


def test_includes_are_found_from_the_file_that_names_them(load_text, tmp_path, minimal):
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "tower.yaml").write_text("buzzer: !include buzzer.yaml\n")
    (parts / "buzzer.yaml").write_text("pin: 18\n")
    config = load_text(minimal + "tower: !include parts/tower.yaml\n")
    assert config.tower.buzzer.pin == 18


def test_packages_add_services_witnesses_and_sections(load_text, tmp_path, minimal):
    packages = tmp_path / "packages"
    packages.mkdir()
    codes = minimal.partition("\n")[2].replace("Sign-in", "Codes")
    (packages / "a.yaml").write_text(codes)
    (packages / "b.yaml").write_text("witnesses:\n  - {name: w, type: tcp, host: h, port: 1}\n")
    (packages / "c.yaml").write_text("tower: {preset: tower-3}\n")
    (packages / "d.yaml").write_text("# nothing yet\n")
    (packages / "e.yml.off").write_text("not read")
    config = load_text(minimal)
    assert [service.id for service in config.watched.services] == ["sign-in", "codes"]
    assert [witness.id for witness in config.watched.witnesses] == ["witness/w"]
    assert config.tower.preset == "tower-3"


ODDITIES = st.sampled_from(
    [
        *"{}[]:,-?&*!|>'\"%@`#~<=\n\t .\\",
        "\n  ",
        "- ",
        ": ",
        "&a ",
        "*a",
        "<<: ",
        "!secret ",
        "!env_var ",
        "!include x.yaml",
        "!include text.yaml",
        "!!binary ",
        "--- ",
        "...",
        "site: soc\n",
        "services:\n",
        "  - name: a\n",
        "    endpoints:\n",
        "      - {name: x, type: http, url: 'http://h'}\n",
        "tower: ",
        "mqtt: ",
        "defaults: {interval: ",
        "witnesses: [",
        "depends_on: [a/x]",
        "1e999",
        "\ufeff",
        "\x85",
        "\u2028",
        "\ud7ff",
        "\U0010ffff",
    ]
)
TEXTS = st.one_of(
    st.binary(max_size=200),
    st.lists(ODDITIES, max_size=40).map(lambda parts: "".join(parts).encode()),
)


@given(raw=TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_bytes_break_the_loader(tmp_path, kinds, raw):
    path = tmp_path / "text.yaml"
    path.write_bytes(raw)
    with contextlib.suppress(ConfigError):
        load(path, environ={}, **kinds)


JUNK = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["a", "30s", "http", "http://h/", "mqtt://h", "page", "a/x", "", "é", [], {}])
)
SECTIONS = st.sampled_from(
    ["site", "name", "tower", "mqtt", "defaults", "witnesses", "services", "what"]
)
KEYS = st.sampled_from(
    ["lamps", "buzzer", "on_death", "broker", "commands", "interval", "name", "endpoints", "type"]
) | st.sampled_from(["id", "url", "pin", "é"])


def nested(inner):
    """A value, or some in a list, a mapping, a list of mappings."""
    mapping = st.dictionaries(KEYS, inner, max_size=3)
    return inner | mapping | st.lists(inner | mapping, max_size=2)


@given(tree=st.dictionaries(SECTIONS, nested(nested(JUNK)), max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_values_break_the_loader(tmp_path, kinds, tree):
    path = Path(tmp_path, "tree.yaml")
    path.write_text(yaml.safe_dump(tree, allow_unicode=True))
    with contextlib.suppress(ConfigError):
        load(path, environ={}, **kinds)
