"""The canary: secrets fly in every kind of probe, and are seen in nothing it says.

Each kind signs in at a server that sends everything back to it, in the places where clumsy
servers do. What a kind signs in with is the `CONFORMANCE` of its own test file.
"""

import base64
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dns.message
import dns.rrset
import pytest
from pyrad.packet import AuthPacket

from beacon import probes
from beacon.cli.probe_once import in_words
from beacon.config.decoder import specs
from beacon.config.fields import Secret
from beacon.config.json_schema import of_type
from beacon.core.model import Endpoint, Evidence, Reading, Reason
from beacon.engine.pushed.receiver import Pushed, Way
from beacon.engine.redaction import Secrets, secrets_in
from beacon.engine.run import Run
from beacon.net.http.route import Proxy, ProxyUrl, Reach
from beacon.outputs.control.probe import run_body
from beacon.outputs.push_gateway import PushGateway
from beacon.outputs.web.push import WebPush
from beacon.outputs.web.server import WebRequest
from tests.probes.conformance import (
    ADDRESS,
    MOODS,
    NAME,
    PASSWORD,
    SEED,
    TOKEN,
    Parrot,
    case,
    complaint,
    encoded,
    http_answer,
    kinds_that,
    leaks,
    tried,
)

HONEST = [kind for kind in kinds_that() if case(kind).honest]


def everything(probe: Any, run: Run, reading: Reading, log: str) -> str:
    """All that anybody could read of one run, and of its probe in a traceback."""
    return f"{published(run, reading, log)}\n{probe!r}"


def published(run: Run, reading: Reading, log: str) -> str:
    """All that anybody could read of one run."""
    spec = Endpoint(id="mfa/it", service="mfa", name="it", kind="x", evidence=Evidence.SYMPTOM)
    body = run_body(spec, reading, run.notes, "")
    document = json.dumps(body, ensure_ascii=False)
    return "\n".join([document, in_words(body, 800, verbose=True), repr(reading), log])


def test_every_kind_has_a_case() -> None:
    missing = set(probes.kinds()) - set(kinds_that())
    assert not missing, "the test file of each kind needs the value CONFORMANCE"


@pytest.mark.parametrize("kind", kinds_that())
def test_a_case_has_a_secret_wherever_its_kind_has_one(
    kind: str, probe_of: Callable[..., Any]
) -> None:
    probe = probe_of(case(kind).settings, 9)
    takes = [key for key, spec in specs(type(probe)).items() if '"writeOnly"' in _schema(spec.kind)]
    given = [key for key in takes if list(secrets_in(getattr(probe, key)))]
    instead = case(kind).instead | {"proxy"}  # which has a test of its own below
    assert set(takes) - set(given) <= instead, "a secret wherever one may be"


def _schema(kind: object) -> str:
    return json.dumps(of_type(kind), default=str)


@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.parametrize(
    ("kind", "honest"),
    [*((kind, {}) for kind in kinds_that()), *((kind, case(kind).honest) for kind in HONEST)],
    ids=[*kinds_that(), *(f"{kind} after an honest answer" for kind in HONEST)],
)
def test_no_kind_says_a_secret(
    kind: str,
    honest: Mapping[str, str],
    mood: str,
    probe_of: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with case(kind).parrot(MOODS[mood], honest) as parrot:
        probe = probe_of(case(kind).settings, parrot.port)
        flies = bool(list(secrets_in(probe))) and not type(probe).ABILITIES.pushed
        run, reading = tried(probe, received=parrot.received if flies else None)
        text = everything(probe, run, reading, caplog.text)
    assert not leaks(text), text
    assert reading.reason is not Reason.INTERNAL_ERROR, caplog.text
    if flies:
        assert parrot.received, f"the secrets did fly: {reading}"
        assert not honest or len(parrot.received) >= 2, "and after the honest answer, too"


REACH = kinds_that(lambda kind: issubclass(kind, Reach))


@pytest.mark.parametrize(
    ("kind", "mood"),
    [*((kind, "refuses in words") for kind in REACH), *(("http", mood) for mood in MOODS)],
)
def test_no_kind_says_who_we_are_to_a_proxy(
    kind: str, mood: str, probe_of: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Parrot(MOODS[mood], {}) as parrot:
        url = ProxyUrl(f"http://127.0.0.1:{parrot.port}")
        proxy = Proxy(url=url, username="probe", password=Secret(PASSWORD))
        probe = replace(probe_of(case(kind).settings, parrot.port), proxy=proxy)
        run, reading = tried(probe)
        text = everything(probe, run, reading, caplog.text)
    pair = base64.b64encode(f"probe:{PASSWORD}".encode()).decode()
    assert not leaks(text), text
    assert pair not in text, text
    assert reading.reason is not Reason.INTERNAL_ERROR, caplog.text


FLOW_WITH_ALL_IT_CAPTURES = """
      type: flow
      secrets: {password: !secret canary, seed: !secret seed}
      mailboxes: {phone: {smsd: {inbox: INBOX}}}
      steps:
        - id: page
          url: {url}
          method: POST
          form: {password: "{{ secrets.password }}"}
          capture:
            login: {form: form}
            one: {field: hidden}
            crumb: {cookie: crumb}
            head: {header: X-Token}
            found: {regex: "value=.([a-z-]+)"}
        - id: send
          url: "{{ login.action }}"
          method: POST
          fields_of: login
          form: {a: "{{ one }}", b: "{{ crumb }}", c: "{{ head }}", d: "{{ found }}"}
          headers: {X-Field: "{{ login.fields.hidden }}", X-Count: "{{ hotp(secrets.seed) }}"}
        - id: code
          url: "{url}{{ crumb }}/{{ head|urlencode }}?{{ one }}"
          method: POST
          body: "{{ code_from('phone', 'canary code ([0-9]+)', '5s') }}"
          expect: {body: {contains: never}}
      clean_up:
        - id: out
          url: "{url}{{ found }}/{{ crumb }}"
          expect: {status: 418}
"""
CAPTURED = ("canary-in-a-field", "canary-in-a-cookie", "canary-in-a-head", "canary-in-an-action")
CODE = "73910482"


@pytest.mark.parametrize("last", ["echoes", "garbles", "hangs up", "sends elsewhere with it"])
def test_nothing_a_flow_captures_or_waits_for_is_shown(
    last: str, probe_of: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    inbox = tmp_path / "inbox"
    inbox.mkdir()

    def mood(asked: bytes) -> bytes:
        if asked.startswith((b"POST / ", b"POST /canary-in-an-action")):
            (inbox / "IN20260105_120000_00_+1_00.txt").write_text(f"canary code {CODE}")
            page = b"<form action=/canary-in-an-action?canary-in-an-action-too><input name=hidden"
            page += b' value="canary-in-a-field"></form>'
            head = b"X-Token: canary-in-a-head\r\nSet-Cookie: crumb=canary-in-a-cookie\r\n"
            return http_answer(200, page, "text/html").replace(b"\r\n", b"\r\n" + head, 1)
        return MOODS[last](asked)

    with Parrot(mood) as parrot:
        probe = probe_of(FLOW_WITH_ALL_IT_CAPTURES.replace("INBOX", str(inbox)), parrot.port)
        run, reading = tried(probe, 10.0)
        text = everything(probe, run, reading, caplog.text)
        sent = b"".join(parrot.received).decode("latin-1")
    assert not leaks(text), text
    for hidden in (*CAPTURED, CODE):
        assert hidden in sent, "it did fly"
        assert hidden not in text
    assert "step out" in text
    assert reading.reason is not Reason.INTERNAL_ERROR, caplog.text


@pytest.mark.parametrize("member", ["reason", "detail", "id", "outcome", "none of these"])
@pytest.mark.parametrize("token", [TOKEN, "wrong"])
def test_nothing_that_is_pushed_says_a_token(
    token: str, member: str, probe_of: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A sender that puts its token where it does not belong, at our door and in our words."""
    caplog.set_level(logging.DEBUG)
    taken: list[Pushed] = []
    probe = probe_of(case("push").settings, 9)
    door = PushGateway({"mfa/it": probe}, lambda _, pushed: taken.append(pushed))
    body = json.dumps({"reason": "ok", "at": 1767614400} | {member: f"<{TOKEN}>"}).encode()
    answer = WebPush(door)(
        WebRequest("POST", f"/api/push/mfa/it?{TOKEN}", f"Bearer {token}", "application/json", body)
    )
    answer = WebPush(door)(
        WebRequest("POST", "/api/push/mfa/it", f"Bearer {token}", "application/json", body)
    )
    text = f"{answer!r} {door!r} {[pushed.reading for pushed in taken]!r} {caplog.text}"
    assert not leaks(text), text
    assert len(taken) == (token == TOKEN and member in ("detail", "id"))


def telling(kind: str, secrets: list[str], asked: bytes) -> bytes:
    """The answer of a server that tells a kind its own secrets, where it would quote them."""
    if kind == "radius":
        request = AuthPacket(packet=asked, secret=PASSWORD.encode())
        reply = request.CreateReply()
        reply.code = 3
        reply[18] = [f"{PASSWORD} is wrong".encode()]
        reply.add_message_authenticator()
        return bytes(reply.ReplyPacket())
    if kind == "dns":
        question = dns.message.from_wire(asked)
        answer = dns.message.make_response(question)
        text = dns.rrset.from_text(question.question[0].name, 60, "IN", "TXT", f'"{encoded(NAME)}"')
        answer.answer.append(text)
        return answer.to_wire()
    words = quote(" ".join(secrets), safe="/")
    return http_answer(401, json.dumps(complaint(words)).encode(), f"application/json; {words}")


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "broken"])
@pytest.mark.parametrize("kind", kinds_that())
def test_the_canary_is_found_when_the_one_place_is_broken(
    kind: str,
    broken: bool,
    probe_of: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    if broken:
        monkeypatch.setattr(Secrets, "_safe", lambda _, marked: marked)
    secrets: list[str] = []
    with case(kind).parrot(lambda asked: telling(kind, secrets, asked)) as parrot:
        probe = probe_of(case(kind).settings, parrot.port)
        secrets += {*secrets_in(probe), *probe.secret_settings}
        text = (
            pushed_words(probe)
            if type(probe).ABILITIES.pushed
            else published(*tried(probe), caplog.text)
        )
    assert bool(leaks(text) or ADDRESS in text) == (broken and not case(kind).mute), text


def pushed_words(probe: Any) -> str:
    taken: list[Pushed] = []
    door = PushGateway({"mfa/it": probe}, lambda _, pushed: taken.append(pushed))
    body = json.dumps({"reason": "ok", "at": 1767614400, "detail": f"<{TOKEN}>"}).encode()
    door.deliver(Way.HTTP, "mfa/it", body)
    return repr(taken)


def test_the_canary_is_found_where_it_is_published(
    probe_of: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Leaky:
        password = Secret(PASSWORD)

        def observe(self, run: Run) -> Reading:
            run.note(f"Basic {base64.b64encode(PASSWORD.encode()).decode()}")
            return Reading(Reason.PROTOCOL_ERROR, quote(PASSWORD))

    run, reading = tried(Leaky())
    assert len(leaks(everything(Leaky(), run, reading, ""))) >= 2
    assert leaks(f"seed={SEED.lower()}")
