"""`flow` against a sign-in that really checks a password, a token of the page and a code."""

import json
import secrets
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import pyotp
import pytest

from beacon.config.fields import Regex, Secret
from beacon.config.problems import ConfigError
from beacon.config.tls import TlsPolicy
from beacon.core.model import Outcome, Reading, Reason
from beacon.daemon.life import load_config
from beacon.engine.clock import SystemClock
from beacon.engine.run import Run
from beacon.net.http.condition import Condition, StatusSet
from beacon.net.http.expectations import Expectations
from beacon.net.mail.imap import Imap
from beacon.otp.gammu_inbox import Smsd
from beacon.otp.mailbox_setting import AnyMailbox
from beacon.probes.flow import Flow
from beacon.probing.extract import Capture
from beacon.probing.sign_in_step import Step
from beacon.probing.template import JsonTemplate, Template
from tests.conftest import StandingClock
from tests.probe_memories import MEMORIES
from tests.probes.conformance import Conformance
from tests.probes.runs import sign_in as run_once

CONFORMANCE = Conformance(
    """
    type: flow
    secrets: {password: !secret canary, seed: !secret seed}
    mailboxes: {mail: {imap: {host: "{host}", username: probe, password: !secret canary}}}
    steps:
      - id: password
        url: {url}
        method: POST
        form: {password: "{{ secrets.password }}"}
        headers: {X-Key: "{{ secrets.password|urlencode }}"}
        expect: {status: [200, 302, 401]}
        capture: {ticket: {regex: "(?s).+"}}
      - id: code
        url: "{url}?ticket={{ ticket|urlencode }}"
        method: POST
        json: {code: "{{ totp(secrets.seed) }}", password: "{{ secrets.password }}"}
        expect: {body: never}
    """,
    honest={"POST / ": "{}"},
)


SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSWORD = "canary p&ss/wörd"
T = Template.parse


class Provider(ThreadingHTTPServer):
    """Form and JSON sign-in: a hidden field and a cookie, a password, a TOTP, each code once."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.broken = ""
        self.asked: list[str] = []
        self.on_message: Callable[[], object] = lambda: None
        self.codes: list[str] = []
        self.sessions: dict[str, str] = {}

    def right(self, code: str) -> bool:
        fresh = code not in self.codes
        self.codes.append(code)
        return fresh and pyotp.TOTP(SEED).verify(code, valid_window=1)


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/message":
            self._message()
        elif self.path == "/login":
            session, token = secrets.token_hex(8), "canary-" + secrets.token_hex(8)
            self.server.sessions[session] = token
            field = "" if self.server.broken == "page" else f'<input name="csrf" value="{token}">'
            page = f"<form>{field}</form>".encode()
            self._say(200, page, {"Set-Cookie": f"session={session}; Path=/"})
        elif self.path.startswith("/account"):
            self._say(200, json.dumps({"user": "probe", "query": self.path}).encode())
        else:
            self._say(404, b"canary body")

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urlsplit(self.path).path
        if self.server.broken == path:
            self._say(500, b"canary body")
        elif path == "/password":
            self._password(parse_qs(body.decode()))
        elif path == "/code":
            self._code(json.loads(body))
        else:
            self._say(200, body)

    def _message(self) -> None:
        self.server.on_message()
        self._say(200, b"sent")

    def _password(self, form: dict[str, list[str]]) -> None:
        cookie = SimpleCookie(self.headers.get("Cookie", ""))
        session = cookie["session"].value if "session" in cookie else ""
        if form.get("csrf") != [self.server.sessions.get(session)]:
            self._say(400, b"canary: not your form")
        elif form.get("password") != [PASSWORD]:
            self._say(200, b"Wrong password")
        else:
            self._say(303, b"", {"Location": "/account", "X-Transaction": "canary-t-1"})

    def _code(self, document: dict[str, Any]) -> None:
        if document["transaction"] != "canary-t-1" or not self.server.right(document["code"]):
            self._say(200, b'{"authenticated": false}')
        else:
            self._say(200, b'{"authenticated": true, "ticket": {"id": 4711, "on": true}}')

    def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(60)


def met(**conditions: object) -> Expectations:
    status = conditions.pop("status", None)
    body = conditions.pop("body", None)
    return Expectations(
        status=StatusSet.parse(status) if status else None,
        body=Condition.parse(body) if body else None,
        json={path.replace("_", "."): Condition.parse(c) for path, c in conditions.items()},
    )


def sign_in(url: str, password: str = PASSWORD, seed: str = SEED) -> dict[str, Any]:
    return {
        "secrets": {"password": Secret(password), "seed": Secret(seed)},
        "variables": {"base": url},
        "steps": (
            Step(
                id="page",
                url=T("{{ variables.base }}/login"),
                capture={"csrf": Capture(regex=Regex('name="csrf" value="([^"]+)"'))},
            ),
            Step(
                id="password",
                url=T("{{ variables.base }}/password"),
                method="POST",
                form={"csrf": T("{{ csrf }}"), "password": T("{{ secrets.password }}")},
                follow_redirects=False,
                rejected=met(body={"contains": "Wrong password"}),
                expect=met(status=303),
                capture={"transaction": Capture(header="X-Transaction")},
            ),
            Step(
                id="code",
                url=T("{{ variables.base }}/code"),
                method="POST",
                json=JsonTemplate.parse(
                    {"transaction": "{{ transaction }}", "code": "{{ totp(secrets.seed) }}"}
                ),
                rejected=met(authenticated=False),
                expect=met(authenticated=True),
                capture={"ticket": Capture(json="ticket.id")},
            ),
            Step(
                id="account",
                url=T("{{ variables.base }}/account?ticket={{ ticket }}"),
                expect=met(user="probe"),
            ),
        ),
    }


def fresh_run() -> Run:
    return Run(SystemClock(), 60.0, memory=MEMORIES.new())


def once(flow: Flow) -> Reading:
    return fresh_run().take(flow)


def test_a_whole_sign_in_with_form_cookie_json_and_code(
    provider: Provider, observed: Callable[..., Reading]
) -> None:
    probe = Flow(**sign_in(provider.url))
    assert not list(probe.faults())
    assert probe.clock_bound
    reading = observed(probe)
    assert reading.reason is Reason.OK, reading
    assert provider.asked == ["/login", "/password", "/code", "/account?ticket=4711"]
    assert [name for name, _ in reading.phases] == ["page", "password", "code", "account"]
    assert sum(s for _, s in reading.phases) <= (reading.latency or 0)


def test_each_run_begins_without_cookies_and_captures(
    provider: Provider, observed: Callable[..., Reading]
) -> None:
    probe = Flow(**sign_in(provider.url) | {"steps": sign_in(provider.url)["steps"][:2]})
    assert observed(probe).reason is observed(probe).reason is Reason.OK
    assert len(provider.sessions) == 2


def test_one_request_may_say_the_code_twice(
    provider: Provider, observed: Callable[..., Reading]
) -> None:
    code = T("{{ totp(secrets.seed, digits=8) }}")
    step = Step(
        id="twice",
        url=T(provider.url + "/echo"),
        method="POST",
        headers={"X-Code": code},
        body=T("{{ totp(secrets.seed, digits=8) }}{{ totp(secrets.seed, digits=8) }}"),
        expect=met(body={"matches": r"^(\d{8})\1$"}),
    )
    reading = observed(Flow(steps=(step,), secrets={"seed": Secret(SEED)}))
    assert reading.reason is Reason.OK, reading


def test_the_servers_no_is_a_rejection(
    provider: Provider, observed: Callable[..., Reading]
) -> None:
    reading = observed(Flow(**sign_in(provider.url, password="canary wrong")))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert reading.detail == "step password: rejected with status 200"
    other = "A" * 32
    reading = observed(Flow(**sign_in(provider.url, seed=other)))
    assert reading.reason is Reason.SIGN_IN_REJECTED
    assert [name for name, _ in reading.phases] == ["page", "password", "code"]


def changed(provider: Provider, number: int, **changes: Any) -> dict[str, Any]:
    """The sign-in with one of its steps changed, and ended there."""
    settings = sign_in(provider.url)
    steps = settings["steps"]
    return settings | {"steps": (*steps[:number], replace(steps[number], **changes))}


@pytest.mark.parametrize(
    ("broken", "number", "changes", "reason", "words"),
    [
        ("page", 0, {}, Reason.OPERAND_MISSING, "step page: nothing to capture as csrf"),
        ("/password", 1, {}, Reason.HTTP_STATUS, "step password: status 500, expected 303"),
        ("/code", 2, {}, Reason.HTTP_STATUS, "step code: status 500"),
        ("", 0, {"expect": met(body="other")}, Reason.EXPECTATION_FAILED, "step page: body"),
        ("", 0, {"expect": met(user="x")}, Reason.PROTOCOL_ERROR, "the body is not JSON"),
        ("", 0, {"rejected": met(user="x")}, Reason.OK, "1 steps"),
        ("", 0, {"prefer": met(status=204)}, Reason.PREFERENCE_UNMET, "step page: status 200"),
        ("", 2, {"capture": {"a": Capture(json="none")}}, Reason.OPERAND_MISSING, "as a"),
        ("", 0, {"url": T("{{ variables.base|upper }}x")}, Reason.PROTOCOL_ERROR, "no address"),
        ("", 0, {"url": T("{{ 1 / 0 }}")}, Reason.OPERAND_MISSING, "cannot be filled in"),
        ("", 0, {"headers": {"X-A": T("a\r\nX-B: c")}}, Reason.PROTOCOL_ERROR, "cannot be sent"),
    ],
)
def test_a_step_fails_for_its_own_reason(
    provider: Provider,
    observed: Callable[..., Reading],
    broken: str,
    number: int,
    changes: dict[str, Any],
    reason: Reason,
    words: str,
) -> None:
    provider.broken = broken
    reading = observed(Flow(**changed(provider, number, **changes)))
    assert reading.reason is reason, reading
    assert words in reading.detail
    assert "canary" not in reading.detail


def test_the_first_preference_unmet_is_reported_and_a_later_failure_outranks_it(
    provider: Provider, observed: Callable[..., Reading]
) -> None:
    wish = {"prefer": met(status=204)}
    first = changed(provider, 0, **wish)["steps"]
    steps = (*first, changed(provider, 1, prefer=met(status=204))["steps"][1])
    settings = sign_in(provider.url) | {"steps": steps}
    assert observed(Flow(**settings)).detail.startswith("step page: ")
    provider.broken = "/password"
    assert observed(Flow(**settings)).reason is Reason.HTTP_STATUS


def test_a_host_that_is_a_secret_stays_one() -> None:
    settings = {"secrets": {"host": Secret("canary.invalid")}}
    run = fresh_run()
    step = Step(id="a", url=T("http://{{ secrets.host }}:1/"), headers={})
    reading = run.take(Flow(steps=(step,), **settings))
    assert reading.outcome is Outcome.FAIL
    assert "canary" not in "\n".join([*run.notes, reading.detail])


def counted(url: str, **options: int) -> Step:
    arguments = "".join(f", {key}={value}" for key, value in options.items())
    code = f"{{{{ hotp(secrets.seed{arguments}) }}}}"
    return Step(
        id="count",
        url=T(url + "/echo"),
        method="POST",
        body=T(code + code),
        capture={"code": Capture(regex=Regex("^[0-9]{6}"))},
    )


def test_counted_codes_move_with_each_run(
    provider: Provider, observed: Callable[..., Reading]
) -> None:
    expected = pyotp.HOTP(SEED)
    step = replace(counted(provider.url, counter=3), expect=met(body=expected.at(3) * 2))
    probe = Flow(steps=(step,), secrets={"seed": Secret(SEED)})
    assert not list(probe.faults())
    assert not probe.clock_bound
    assert probe.wait(0.0, MEMORIES.of(probe)) == 0, "nothing to wait for"
    assert observed(probe).reason is Reason.OK
    after = replace(step, expect=met(body=expected.at(4) * 2))
    assert observed(Flow(steps=(after,), secrets={"seed": Secret(SEED)})).reason is Reason.OK


def by_message(provider: Provider, inbox: Path, within: str = "5s") -> dict[str, Any]:
    """A sign-in whose code comes as a text message."""
    awaited = f"{{{{ code_from('phone', 'code ([0-9]{{6}})', '{within}') }}}}"
    steps = (
        Step(id="trigger", url=T(provider.url + "/message")),
        Step(
            id="code",
            url=T(provider.url + "/echo"),
            method="POST",
            body=T(awaited + awaited),
            expect=met(body={"matches": r"^(424242)\1$"}),
        ),
    )
    return {"steps": steps, "mailboxes": {"phone": AnyMailbox(smsd=Smsd(inbox=inbox))}}


def test_a_code_is_awaited_and_only_the_one_sent_in_this_run(
    provider: Provider, tmp_path: Path
) -> None:
    (tmp_path / "IN20260105_120000_00_+1_00.txt").write_text("code 111111")
    sms = tmp_path / "IN20250101_000000_00_+1_00.txt"
    provider.on_message = lambda: sms.write_text("code 424242")
    probe = Flow(**by_message(provider, tmp_path))
    assert not list(probe.faults())
    assert not probe.clock_bound
    run = fresh_run()
    reading = run.take(probe)
    assert reading.reason is Reason.OK, reading
    assert [path.name for path in tmp_path.iterdir()] == ["IN20260105_120000_00_+1_00.txt"]
    assert "424242" not in "\n".join(run.notes)


def test_a_mailbox_that_cannot_be_is_a_fault(provider: Provider) -> None:
    imap = Imap(host="192.0.2.1", encryption="none", username="a", password=Secret("b"))
    probe = Flow(
        steps=by_message(provider, Path())["steps"], mailboxes={"phone": AnyMailbox(imap=imap)}
    )
    assert [fault.path for fault in probe.faults()] == [
        ("mailboxes", "phone", "imap", "encryption")
    ]


def test_a_mailbox_that_cannot_be_read_is_reported_before_anything_is_sent(
    provider: Provider, tmp_path: Path
) -> None:
    gone = by_message(provider, tmp_path / "gone")
    reading = once(Flow(**gone))
    assert reading.reason is Reason.OWN_MODEM
    assert reading.detail.startswith("mailbox phone: smsd's inbox cannot be read")
    assert provider.asked == []


def with_clean_up(provider: Provider, *clean_up: Step, **changes: Any) -> dict[str, Any]:
    return sign_in(provider.url, **changes) | {"clean_up": clean_up}


def out(**changes: Any) -> Step:
    settings = {"id": "out", "url": T("{{ variables.base }}/account?out={{ csrf }}")}
    return Step(**settings | changes)


@pytest.mark.parametrize(
    ("password", "reason"),
    [(PASSWORD, Reason.OK), ("canary wrong", Reason.SIGN_IN_REJECTED)],
)
def test_clean_up_comes_last_whatever_became_of_the_sign_in(
    provider: Provider, password: str, reason: Reason
) -> None:
    run = fresh_run()
    probe = Flow(**with_clean_up(provider, out(), password=password))
    assert not list(probe.faults())
    reading = run.take(probe)
    assert reading.reason is reason
    assert "clean-up" not in reading.detail
    (token,) = provider.sessions.values()
    assert provider.asked[-1] == f"/account?out={token}"
    assert "out" not in dict(reading.phases), "its time is not the users'"


def test_clean_up_that_needs_what_was_never_captured_is_skipped(provider: Provider) -> None:
    provider.broken = "page"
    run = fresh_run()
    last = out(id="last", url=T("{{ variables.base }}/account"))
    reading = run.take(Flow(**with_clean_up(provider, out(), last)))
    assert reading.detail == "step page: nothing to capture as csrf"
    assert provider.asked == ["/login", "/account"], "the next one needs nothing"
    assert any("step out: skipped, nothing was captured as csrf" in note for note in run.notes)


def test_a_clean_up_that_fails_changes_words_only(provider: Provider) -> None:
    step, second = out(expect=met(status=204)), out(id="second", expect=met(status=205))
    reading = once(Flow(**with_clean_up(provider, step, second)))
    assert reading.reason is Reason.OK
    assert reading.detail == "4 steps; clean-up: step out: status 200, expected 204"
    provider.broken = "/password"
    failed = once(Flow(**with_clean_up(provider, step)))
    assert failed.detail == "step password: status 500, expected 303"


def test_a_clean_up_that_hangs_is_given_up_before_the_run_would_be(provider: Provider) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        clock = StandingClock(lambda: select.select([silent], [], [], 0)[0])  # until it is asked
        url = T(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        probe = Flow(**with_clean_up(provider, out(url=url), out(id="b")))
        reading, _ = run_once(probe, run=Run(clock, 1.5, memory=MEMORIES.new()))
    assert reading.reason is Reason.OK, "before its deadline"
    assert reading.detail == "4 steps; clean-up: step out: no answer within 0.5 s"
    assert reading.latency == 0.0, "of the sign-in alone"


def test_a_form_is_sent_as_it_came_with_our_fields_in_place(
    provider: Provider, observed: Callable[..., Reading]
) -> None:
    page = Step(
        id="page",
        url=T(provider.url + "/login"),
        capture={"login": Capture(form="form"), "csrf": Capture(field="csrf")},
    )
    send = Step(
        id="send",
        url=T(provider.url + "/echo"),
        method="POST",
        fields_of="login",
        form={"csrf": T("{{ csrf|length }}"), "more": T("{{ login.action }}")},
        expect=met(body={"equals": "csrf=23&more=" + quote_plus(provider.url + "/login")}),
    )
    probe = Flow(steps=(page, send))
    assert not list(probe.faults())
    assert observed(probe).reason is Reason.OK
    provider.broken = "page"
    assert observed(probe).detail == "step page: nothing to capture as csrf"


FAULTS: list[tuple[dict[str, Any], tuple[str | int, ...], str]] = [
    ({"steps": ()}, ("steps",), "a flow without a step"),
    ({"id": "B C"}, ("steps", 0, "id"), "not an id: 'B C'"),
    ({"url": T("ftp://example.com")}, ("steps", 0, "url"), "not an address"),
    ({"headers": {"A": T("{{ variables.no }}")}}, ("steps", 0, "headers", "A"),
     "variables.no is not known"),
    ({"form": {"a": T("{{ secrets }}")}, "method": "POST"}, ("steps", 0, "form", "a"),
     "secrets cannot be used as a whole"),
    ({"json": JsonTemplate.parse({"a": ["{{ b }}"]}), "method": "POST"},
     ("steps", 0, "json", "a", 0), "b is not known"),
    ({"body": T("{{ totp(secrets.seed, digits=3) }}"), "method": "POST"},
     ("steps", 0, "body"), "6 to 10 digits"),
    ({"body": T("{{ totp(secrets.seed, length=6) }}"), "method": "POST"},
     ("steps", 0, "body"), "totp knows no such option"),
    ({"body": T("{{ totp(secrets.none) }}"), "method": "POST"},
     ("steps", 0, "body"), "secrets.none is not known"),
    ({"body": T("{{ hotp(secrets.word) }}"), "method": "POST"},
     ("steps", 0, "body"), "hotp(secrets.word): not a base32 seed"),
    ({"body": T("a"), "form": {"a": T("b")}, "method": "POST"}, ("steps", 0), "more than one body"),
    ({"body": T("a"), "fields_of": "b", "method": "POST"}, ("steps", 0), "more than one body"),
    ({"body": T("a")}, ("steps", 0, "method"), "GET sends no body"),
    ({"capture": {"a": Capture()}}, ("steps", 0, "capture", "a"), "one source"),
    ({"capture": {"secrets": Capture(header="A")}}, ("steps", 0, "capture", "secrets"), "a name"),
    ({"capture": {"a-b": Capture(header="A")}}, ("steps", 0, "capture", "a-b"), "a name"),
    ({"expect": met(**{"a[": "b"})}, ("steps", 0, "expect", "json", "a["), ""),
    ({"rejected": met(body=5)}, ("steps", 0, "rejected", "body"), ""),
]  # fmt: skip


@pytest.mark.parametrize(("given", "path", "message"), FAULTS)
def test_wrong_settings_are_reported_with_their_place(
    given: dict[str, Any], path: tuple[str | int, ...], message: str
) -> None:
    settings = {"secrets": {"seed": Secret(SEED), "word": Secret("canary 1")}}
    if "steps" not in given:
        given = {"steps": (Step(**{"id": "a", "url": T("http://a.example")} | given),)}
    fault = next(iter(Flow(**settings, **given).faults()))
    assert fault.path == path
    assert message in fault.message
    assert "canary" not in fault.message + fault.allowed


MISTAKES = """\
site: soc
services:
  - name: MFA
    endpoints:
      - name: portal
        type: flow
        secrets: {password: canary-password, seed: JBSWY3DPEHPK3PXP, word: canary 1}
        mailboxes: {phone: {smsd: {inbox: /var/spool/gammu/inbox}}}
        steps:
          - id: page
            url: https://idp.example.com/{{ token }}
            capture: {token: {field: csrf}, page: {form: "#login"}}
          - id: send
            method: POST
            url: https://idp.example.com/
            headers: {X-Token: "{{ tokn }}"}
            fields_of: pag
            form:
              user: "{{ variables.user }}"
              password: "{{ secrets.pasword }}"
              code: "{{ code_from('fone', '[0-9]+', '60s') }}"
              word: "{{ totp(secrets.word) }}"
              count: "{{ hotp(secrets.seed, period=30) }}"
              late: "{{ code_from('phone', '[0-9]+', '60') }}"
        clean_up:
          - id: page
            url: https://idp.example.com/{{ later }}
            headers: {X-Code: "{{ totp(secrets.seed) }}"}
            rejected: {status: 401}
"""
PROBLEMS = """\
11:18: steps[0].url: token is not known at this step; known are: nothing yet
16:32: steps[1].headers.X-Token: tokn is not known at this step; known are: page, token; \
did you mean token?
17:24: steps[1].fields_of: no form 'pag' is captured before this step; known are: page; \
did you mean page?
19:21: steps[1].form.user: variables.user is not known at this step; known are: nothing yet
20:25: steps[1].form.password: secrets.pasword is not known at this step; known are: \
secrets.password, secrets.seed, secrets.word; did you mean secrets.password?
21:21: steps[1].form.code: code_from: no mailbox 'fone'; known are: phone; did you mean phone?
22:21: steps[1].form.word: totp(secrets.word): not a base32 seed; the seed in base32
23:22: steps[1].form.count: hotp knows no such option; counter, digits, algorithm
24:21: steps[1].form.late: code_from: 60 has no unit; {allowed}
26:17: clean_up[0].id: the id 'page' is taken by step 1; an id of its own
27:18: clean_up[0].url: later is not known at this step; known are: page, token
28:31: clean_up[0].headers.X-Code: a clean-up step has no code; \
secrets, variables, captured values
29:23: clean_up[0].rejected: a clean-up step changes no reading; \
expect: what is not met is shown in the detail
"""


def problems_of(text: str, tmp_path: Path) -> list[str]:
    path = tmp_path / "beacon.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    problems = [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]
    return [problem.replace("services[0].endpoints[0].", "") for problem in problems]


def test_mistakes_are_reported_with_line_and_hint(tmp_path: Path) -> None:
    expected = PROBLEMS.format(allowed=Template.ALLOWED).splitlines()
    assert problems_of(MISTAKES, tmp_path) == expected


def test_what_is_no_template_is_reported_with_its_line(tmp_path: Path) -> None:
    text = MISTAKES[: MISTAKES.index("        clean_up")].replace("{{ tokn }}", "{{ token }")
    text += "        clean_up:\n          - {id: out, url: '{% if %}'}\n"
    first, second = problems_of(text, tmp_path)
    assert first.startswith("16:32: steps[1].headers.X-Token: not a template: ")
    assert second.startswith("26:28: clean_up[0].url: not a template: ")
    assert "canary" not in first + second


def test_the_clock_matters_for_codes_and_certificates() -> None:
    def bound(url: str, **more: Any) -> bool:
        return Flow(steps=(Step(id="a", url=T(url)),), **more).clock_bound

    assert not bound("http://a.example/")
    assert bound("https://a.example/")
    assert not bound("https://a.example/", tls=TlsPolicy(verify=False))
    imap = Imap(host="a.example", username="a", password=Secret("b"))
    assert bound("http://a.example/", mailboxes={"mail": AnyMailbox(imap=imap)})
