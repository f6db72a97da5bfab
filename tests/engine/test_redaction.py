"""Foreign text is marked where it is quoted, and made safe in one place: `Secrets.clear`."""

import base64
import html
import itertools
import json
from collections.abc import Callable
from dataclasses import fields
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.config.fields import Url
from beacon.core.model import DETAIL_LIMIT, ClockSeen, Reading, Reason
from beacon.engine.clock import ManualClock
from beacon.engine.redaction import Secrets, quoted
from beacon.engine.run import Run
from beacon.probes.http import Http

PASSWORD = "Summer2024!pass"
PASSPHRASE = "canary p&ss/wörd"


def clear(text: str, *hidden: str, codes: bool = False) -> str:
    secrets = Secrets()
    secrets.codes = codes
    for each in hidden:
        secrets.hide(each)
    return secrets.clear(text, DETAIL_LIMIT)


def test_only_foreign_text_is_masked() -> None:
    own = f"{PASSWORD} is our own word: {quoted(PASSWORD)} is theirs"
    assert clear(own, PASSWORD) == f"{PASSWORD} is our own word: *** is theirs"


def test_a_run_hides_before_and_after(clock: ManualClock) -> None:
    run = Run(clock, 5.0)
    run.note(quoted(f"{PASSWORD} was noted"))
    assert run.hide(PASSWORD) == PASSWORD
    run.note(f"GET {PASSWORD}/{quoted(PASSWORD)}")
    assert [note.split("ms  ")[1] for note in run.notes] == [
        "*** was noted",
        f"GET {PASSWORD}/***",
    ]


def test_the_secrets_of_the_settings_are_hidden_from_the_start(clock: ManualClock) -> None:
    class Probe:
        token = PASSWORD

        def observe(self, run: Run) -> Reading:
            run.hide(self.token)
            return Reading(Reason.HTTP_STATUS, f"a\nb {quoted(self.token)}\x1b[31m")

    assert Run(clock, 5.0).take(Probe()).detail == "a b *** [31m"


def test_every_text_of_a_reading_is_cleared() -> None:
    """Numbers hold none, and the names of steps and accounts are our own, from the settings."""
    seen = ClockSeen(0.0, quoted(PASSWORD))
    reading = Reading(Reason.OK, quoted(PASSWORD), clock=seen, records=(quoted(PASSWORD),))
    secrets = Secrets()
    secrets.hide(PASSWORD)
    cleared = secrets.cleared(reading)
    assert (cleared.detail, cleared.clock, cleared.records) == (
        "***",
        ClockSeen(0.0, "***"),
        ("***",),
    )
    without = {"reason", "latency", "phases", "ttl", "resolver", "uses"}
    assert {field.name for field in fields(Reading)} == {"detail", "clock", "records"} | without


WRITINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "capitals": str.upper,
    "small letters": str.lower,
    "percent": lambda text: quote(text, safe=""),
    "percent twice": lambda text: quote(quote(text)),
    "every letter as percent": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "form": quote_plus,
    "HTML": html.escape,
    "HTML by numbers": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "HTML of percent": lambda text: html.escape(quote(text)),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON by numbers": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "Python": lambda text: repr(text.encode()),
    "quoted-printable": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "JSON in braces": lambda text: "".join(f"\\u{{{ord(char):x}}}" for char in text),
    "Python by long numbers": lambda text: "".join(f"\\U{ord(char):08x}" for char in text),
    "octal": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    "tags between": "<wbr>".join,
    "a tag for each letter": lambda text: "".join(f"<b class='x'>{char}</b>" for char in text),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal with colons": lambda text: text.encode().hex(":"),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 in small letters": lambda text: base64.b64encode(text.encode()).decode().lower(),
    "Basic": lambda text: base64.b64encode(f"probe:{text}".encode()).decode(),
    "PLAIN": lambda text: base64.b64encode(f"\0me\0{text}".encode()).decode(),
    "base64 of something around it": lambda text: base64.b64encode(f"a{text}z".encode()).decode(),
    "base64 of percent": lambda text: base64.b64encode(quote_plus(text).encode()).decode(),
    "spaced": " ".join,
    "wide": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "marks between": "\ue001".join,
    "without its last letters": lambda text: text[:-3],
    "without its first letters": lambda text: text[3:],
}


@pytest.mark.parametrize("secret", [PASSWORD, PASSPHRASE, "correct-horse"])
@pytest.mark.parametrize("written", WRITINGS.values(), ids=WRITINGS)
def test_however_it_is_written(written: Callable[[str], str], secret: str) -> None:
    places = (("", ""), ("Wrong: ", ", sorry"), ("x" * 110, ""), ("k=", "&c=1"))
    for (before, after), codes in itertools.product(places, (False, True)):
        text = clear(f"no: {quoted(before + written(secret) + after)}", secret, codes=codes)
        shown = text.removeprefix(f"no: {before}").removesuffix(after)
        assert written(secret)[1:-1].lower() not in text.lower()
        assert set(shown) - set("b'") <= set("*…") or "***" in text
        letters = [char for char in shown.lower() if char.isalnum()]
        assert len(letters) < 6, text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Password {PASSWORD} is wrong", "Password *** is wrong"),
        (f'{{"token":"{PASSWORD}"}}', '{"token":"***"}'),
        (f"https://a.example?{PASSWORD}&c", "https://a.example?***&c"),
        (f"see https://a.example/{quote(PASSWORD)}/b", "see ***"),
        ("it begins with Summ", "it begins with ***"),
        ("Summ… is how it begins", "***… is how it begins"),
        ("Summe is how it begins", "*** is how it begins"),
        ("!pass is its end", "*** is its end"),
        ("the pass of it", "the *** of it"),
        ("no password", "no password"),
        ("the summer", "the ***"),
        ("nothing of it", "nothing of it"),
        ("cHJvYmU6Zm9vYmFyMTIzNDU2Nzg=", "***"),
        ("9f86d081884c7d659a2feaa0c55ad015", "***"),
    ],
)
def test_pieces_and_shapes(text: str, shown: str) -> None:
    assert clear(quoted(text), PASSWORD) == shown


def test_a_secret_is_found_before_the_text_is_cut() -> None:
    assert clear(quoted("x " * 58 + PASSWORD), PASSWORD) == "x " * 58 + "***"
    assert clear(quoted("x " * 55 + PASSWORD, 112), PASSWORD) == "x " * 55 + "*…"
    assert clear(quoted("x" * 500)) == "x" * 119 + "…"
    assert clear("y" * 500) == "y" * 199 + "…"


def test_a_short_secret_withholds_the_whole_text() -> None:
    assert clear(f"status 401: {quoted('the PIN is wrong')}", PASSWORD, "4711") == "status 401: ***"
    assert clear(f"status 401: {quoted('wrong')}", "!!!!!!!!!!") == "status 401: ***", "no letters"
    assert clear("status 401", "4711") == "status 401"


def test_where_people_sign_in_numbers_are_hidden() -> None:
    text = quoted("code 834211 or 834 211, of 12:30, in 123 s")
    assert clear(text, codes=True) == "code *** or ***, of 12:30, in 123 s"
    assert clear(text) == "code 834211 or 834 211, of 12:30, in 123 s"


@pytest.mark.parametrize("nothing", [None, 7, ["canary"], "", " \n"])
def test_what_is_no_text_is_not_quoted(nothing: object) -> None:
    assert quoted(nothing) == ""


@given(st.text(), st.text(), st.integers(2, 300))
def test_a_line_is_printable_and_bounded(own: str, foreign: str, limit: int) -> None:
    line = Secrets().clear(own + quoted(foreign, limit))
    assert line.isprintable()
    assert len(Secrets().clear(quoted(foreign, limit))) <= limit


PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1).filter(
    lambda text: text not in "***"
)


@given(PRINTABLE, st.text(), st.sampled_from(sorted(WRITINGS)))
def test_nothing_hidden_is_left(secret: str, around: str, how: str) -> None:
    text = around + WRITINGS[how](secret) + around if how != "wide" else around + secret + around
    left = clear(quoted(text), secret).replace("***", "\0")
    assert secret not in left


@given(st.text(), PRINTABLE)
def test_marks_cannot_be_forged(before: str, secret: str) -> None:
    forged = f"\ue002{secret}\ue000{before}\ue001"
    assert secret not in clear(quoted(forged), secret).replace("***", "\0")


def test_what_is_sent_as_json_is_hidden_and_short_words_withhold_nothing() -> None:
    sent = {"user": "me", "proofs": [{"password": PASSWORD, "digits": 6}], "way": "sms"}
    secrets = Secrets()
    secrets.hide_in(Http(url=Url("https://id.example.com/"), method="POST", json=sent))
    assert secrets.clear(quoted(f"no {PASSWORD} by sms for me")) == "no *** by sms for me"


@pytest.mark.parametrize(
    "name", ["key", "api_key", "access_token", "sig", "X-Auth", "client_secret"]
)
def test_what_an_address_calls_a_secret_is_hidden(name: str) -> None:
    url = Url(f"https://id.example.com/in?format=detailed&{name}=canary%2d4711#x")
    secrets = Secrets()
    secrets.hide_in(Http(url=url))
    assert secrets.clear(quoted("no detailed /in for canary-4711")) == "no detailed /in for ***"
