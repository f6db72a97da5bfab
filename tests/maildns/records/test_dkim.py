"""DKIM keys as bytes: what receivers can use. Beside our word stands what dkimpy says."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.maildns.records.dkim import flaw, is_key, is_revoked

RSA = bytes.fromhex("06092a864886f70d010101")
EC = bytes.fromhex("06072a8648ce3d0201")
NULL = b"\x05\x00"
ED25519 = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # RFC 8463, A.2


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    length = size.to_bytes(2)
    head = [size] if size < 128 else [0x81, size] if size < 256 else [0x82, *length]
    return bytes([tag, *head]) + content


def integer(value: int) -> bytes:
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1))


def bare(bits: int = 2048, *, even: bool = False, exponent: int = 65537) -> bytes:
    """An RSAPublicKey whose modulus has so many bits."""
    return tlv(0x30, integer(2 ** (bits - 1) + 12345 - even), integer(exponent))


def spki(inside: bytes, algorithm: bytes = RSA + NULL) -> bytes:
    return tlv(0x30, tlv(0x30, algorithm), tlv(3, b"\0" + inside))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def rsa(bits: int = 2048, **how) -> str:
    return b64(spki(bare(bits, **how)))


KEY = rsa()
GOOD = f"v=DKIM1; k=rsa; p={KEY}"

# The words we say (None: usable), and whether dkimpy 1.1.8 takes the key.
TABLE = {
    "sound": (GOOD, None, True),
    "p alone": (f"p={KEY}", None, True),
    "no blanks, semicolon at the end": (f"v=DKIM1;k=rsa;p={KEY};", None, True),
    "1024 bits": (f"p={rsa(1024)}", None, True),
    "4096 bits": (f"p={rsa(4096)}", None, True),
    "bare RSAPublicKey": (f"p={b64(bare())}", None, True),
    "Ed25519": (f"v=DKIM1; k=ed25519; p={ED25519}", None, True),
    "other tags": (f"v=DKIM1; h=sha1:sha256; s=email; t=y:s; n=note; x=1; p={KEY}", None, True),
    "v= not first": (f"k=rsa; v=DKIM1; p={KEY}", None, True),
    # Blanks inside p= are folding: RFC 6376, 3.2 allows them.
    "a blank inside": (f"v=DKIM1; p={KEY[:200]} {KEY[200:]}", None, True),
    "tabs and line ends inside": (f"v=DKIM1; p={KEY[:9]}\t\r\n {KEY[9:]}", None, True),
    "blanks around": (f" v = DKIM1 ; p = {KEY} ; ", None, True),
    # dkimpy passes over what is no base64; RFC 6376 has no such thing in p=.
    "quotes inside, of two strings pasted as one": (
        f'v=DKIM1; k=rsa; p={KEY[:200]}" "{KEY[200:]}',
        "p= contains '\"'",
        True,
    ),
    "quotes around all": (f'"v=DKIM1; k=rsa; p={KEY}"', "is not a tag", False),
    "quotes around the key": (f'v=DKIM1; p="{KEY}"', "p= contains '\"'", True),
    "a character in between": (f"v=DKIM1; p={KEY[:100]}*{KEY[100:]}", "p= contains '*'", True),
    "a backslash": (f"v=DKIM1; p={KEY[:100]}\\{KEY[100:]}", "p= contains", True),
    "letters of addresses": (f"v=DKIM1; p={KEY[:100]}-_{KEY[102:]}", "p= contains '-'", False),
    "PEM": (
        f"v=DKIM1; p=-----BEGIN PUBLIC KEY-----{KEY}-----END PUBLIC KEY-----",
        "p= contains '-'",
        False,
    ),
    "bytes that are no ASCII": (f"v=DKIM1; p={KEY[:100]}\ufffd{KEY[100:]}", "p= contains", False),
    # Cut off, as zone editors do it that take one string of 255 bytes.
    "cut at 255 bytes": (GOOD[:255], "p= is cut off: 237 characters", False),
    "cut at 255 bytes, whole base64": (f"v=DKIM1;p={KEY}"[:254], "p= is cut off: 183 bytes", False),
    "the last character lost": (GOOD[:-1], "p= is cut off", False),
    "the last four lost": (GOOD[:-4], "p= is cut off", False),
    "the first four lost": (f"v=DKIM1; p={KEY[4:]}", "p= is not an RSA key", False),
    "a part lost inside": (f"v=DKIM1; p={KEY[:100]}{KEY[160:]}", "p= is cut off", False),
    "pasted twice": (f"v=DKIM1; p={KEY}{KEY}", "more follows", True),
    "todo": ("v=DKIM1; p=todo", "p= is not an RSA key: not DER", False),
    "one letter": ("v=DKIM1; p=x", "p= is cut off", False),
    "padding missing": (f"v=DKIM1; k=ed25519; p={ED25519[:-1]}", "p= is cut off", False),
    "padding alone": ("v=DKIM1; p====", "p= is cut off", False),
    "garbage that is base64": ("v=DKIM1; p=" + "QUJD" * 98, "p= is not an RSA key: not DER", False),
    "empty sequence": (f"p={b64(tlv(0x30))}", "p= is not an RSA key", False),
    "a length that is huge": (
        f"p={b64(bytes([0x30, 0x84, 255, 255, 255, 255]))}",
        "cut off",
        False,
    ),
    "a certificate's kind of key": (
        f"p={b64(spki(bare(), EC + NULL))}",
        "a key of another type",
        True,
    ),
    "without the NULL": (f"p={b64(spki(bare(), RSA))}", "a key of another type", False),
    "Ed25519 without k=": (f"v=DKIM1; p={ED25519}", "p= is not an RSA key", False),
    "RSA with k=ed25519": (f"v=DKIM1; k=ed25519; p={KEY}", "32 bytes, this one 294", False),
    "512 bits": (f"p={rsa(512)}", "an RSA key of 512 bits: receivers want 1024", True),
    "1023 bits": (f"p={rsa(1023)}", "an RSA key of 1023 bits", True),
    "an even modulus": (f"p={rsa(even=True)}", "its numbers are impossible", True),
    "exponent 1": (f"p={rsa(exponent=1)}", "its numbers are impossible", True),
    "unknown type": (f"v=DKIM1; k=dsa; p={KEY}", "k='dsa' is not a known type of key", False),
    "k in capitals": (f"v=DKIM1; k=RSA; p={KEY}", "k='RSA' is not a known type of key", False),
    "not for mail": (f"v=DKIM1; s=tlsrpt; p={KEY}", "s='tlsrpt' does not allow mail", True),
    "SHA-1 only": (f"v=DKIM1; h=sha1; p={KEY}", "h='sha1' does not allow mail", True),
    "p twice": (f"v=DKIM1; p={KEY}; p={KEY}", "'p' is given twice", False),
    "two semicolons": (f"v=DKIM1;; p={KEY}", "two `;` in a row", False),
    "a word without =": (f"v=DKIM1; rsa; p={KEY}", "'rsa' is not a tag", False),
}


@pytest.mark.parametrize("what", TABLE)
def test_what_receivers_can_use(what):
    text, words, _ = TABLE[what]
    assert is_key(text)
    assert not is_revoked(text)
    message = flaw(text)
    assert (message is None) is (words is None), message
    assert words is None or words in (message or "")


def test_we_refuse_all_that_dkimpy_refuses():
    """And more: what RFC 6376 and 8301 refuse and dkimpy passes over."""
    assert not [what for what, (_, words, takes) in TABLE.items() if words is None and not takes]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=spf1 -all",
        "v=DKIM1; k=rsa",
        f"v=dkim1; p={KEY}",
        f"v=DKIM2; p={KEY}",
        f"v=DKIM1\\; k=rsa\\; p={KEY}",
        f"v=DKIM1 k=rsa p={KEY}",
        KEY,
    ],
)
def test_what_is_no_key(text):
    """dkimpy refuses each of them as well."""
    assert not is_key(text)


@pytest.mark.parametrize("text", ["p=", "v=DKIM1; p=", "v=DKIM1; k=rsa; p= ; t=s"])
def test_a_revoked_key(text):
    assert is_key(text)
    assert is_revoked(text)


@given(st.binary(max_size=400))
def test_no_bytes_are_a_crash(data):
    flaw(f"v=DKIM1; p={b64(data)}")
    flaw("p=" + data.decode("ascii", "replace"))


@given(st.integers(0, len(GOOD) - 1))
def test_no_part_of_a_key_is_a_key(cut):
    text = GOOD[:cut]
    assert not is_key(text) or is_revoked(text) or flaw(text)


def test_the_largest_text_is_judged_at_once():
    begun = time.process_time()
    for text in ("p=" + "A" * 65000, "=;" * 32000, "p=" + "0 " * 32000, "a=b;" * 16000 + "p=1"):
        flaw(text)
        is_key(text)
    assert time.process_time() - begun < 20  # what is not linear takes minutes
