"""Keys and tokens by themselves; tests/probes/ has them with a provider."""

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.core.model import Reason
from beacon.net.probe_failure import ProbeFailure
from beacon.vendors.openid import REMEMBERED, Issued, Key, issuer_flaws, signing_key

ONE, TWO = Key("one", ("RSA", "AQ", "AQAB")), Key("two", ("RSA", "Ag", "AQAB"))


def token(header: object) -> str:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=") + ".e30.c2ln"


@pytest.mark.parametrize(
    ("header", "keys", "found"),
    [
        ({"alg": "RS256", "kid": "one"}, (ONE, TWO), ONE),
        ({"alg": "RS256"}, (ONE,), ONE),
        ({"alg": "HS256", "kid": "one"}, (ONE,), None),
        ({"kid": "one"}, (ONE,), None),
        ({"alg": 7}, (ONE,), None),
        (["RS256"], (ONE,), None),
        (b"not JSON", (ONE,), None),
    ],
)
def test_the_key_of_a_token(header, keys, found):
    assert signing_key(token(header), keys) == found


@pytest.mark.parametrize("opaque", ["", "opaque", "a.b", "a.b.c.d.e", "é.é.é", "a.b.c", "=.=.="])
def test_what_is_no_signed_token_has_none(opaque):
    assert signing_key(opaque, (ONE,)) is None


@given(st.text() | st.binary().map(token))
def test_no_token_is_too_strange(strange):
    with contextlib.suppress(ProbeFailure):
        assert signing_key(strange, (ONE, TWO)) in (ONE, TWO, None)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"alg": "RS256", "kid": "three"}, "is not offered"),
        ({"alg": "RS256"}, "does not name its key"),
        ({"alg": "none"}, "is not signed"),
    ],
)
def test_a_token_no_application_believes(header, words):
    with pytest.raises(ProbeFailure) as caught:
        signing_key(token(header), (ONE, TWO))
    assert caught.value.reading.reason is Reason.SIGN_IN_UNFINISHED
    assert words in caught.value.reading.detail


def test_keys_are_needed_until_the_last_of_their_tokens_is_over():
    issued = Issued()
    issued.add(ONE, 0.0, 300.0)
    issued.add(ONE, 10.0, 60.0)  # shorter: the first one is still there
    issued.check((ONE, TWO), 299.0)
    for now, words in (
        (100.0, "200 s more is no longer offered"),
        (299.0, "1 s more is no longer offered"),
    ):
        with pytest.raises(ProbeFailure) as caught:
            issued.check((TWO,), now)
        assert words in caught.value.reading.detail
    issued.check((TWO,), 300.0)
    issued.check((TWO,), 0.0)  # forgotten for good


def test_a_token_that_never_ends_is_not_remembered_for_ever():
    issued = Issued()
    issued.add(ONE, 0.0, 10.0**9)
    with pytest.raises(ProbeFailure):
        issued.check((TWO,), REMEMBERED - 1)
    issued.check((TWO,), REMEMBERED)


def test_a_token_that_lasts_no_time_needs_nothing():
    issued = Issued()
    issued.add(ONE, 5.0, 0.0)
    issued.check((TWO,), 5.0)


def test_the_same_name_is_not_the_same_key():
    issued = Issued()
    issued.add(ONE, 0.0, 300.0)
    with pytest.raises(ProbeFailure, match="expectation_failed") as caught:
        issued.check((Key("one", TWO.material),), 1.0)
    assert "replaced under the same name" in caught.value.reading.detail


@pytest.mark.parametrize("end", ["?a=b", "#a"])
def test_what_no_issuer_has(end):
    assert list(issuer_flaws("https://sso.example.com/" + end))
    assert not list(issuer_flaws("https://sso.example.com/"))
