"""The canary: secrets fly in every kind of probe, and are seen in nothing it says.

Each kind signs in at a server that sends everything back to it, in the places where clumsy
servers do. A kind that is added needs a case here; `{url}`, `{host}` and `{port}` are the server's.
"""

import base64
import contextlib
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, quote_plus

import dns.message
import dns.rrset
import pytest
import trustme
from pyrad.packet import AuthPacket

from beacon import probes
from beacon.cli.probe_once import in_words
from beacon.config.decoder import specs
from beacon.config.fields import Secret
from beacon.config.json_schema import of_type
from beacon.core.model import Endpoint, Evidence, Reading, Reason
from beacon.daemon.life import load_config
from beacon.engine.clock import SystemClock
from beacon.engine.inbox import Inbox
from beacon.engine.push_receiver import Pushed, Way
from beacon.engine.redaction import Secrets, secrets_in
from beacon.engine.run import Probe, Run
from beacon.engine.workers import Finished, Workers
from beacon.net.http.route import Proxy, ProxyUrl
from beacon.outputs.control.probe import run_body
from beacon.outputs.push_gateway import PushGateway
from beacon.outputs.web.push import WebPush
from beacon.outputs.web.server import WebRequest
from tests.probe_memories import MEMORIES

PASSWORD = "canary p&ss/wörd"
TOKEN = "canary-in-a-token"
ADDRESS = "canary-in-an-address"
NAME = "canary-in-a-name.example"
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

CASES = {
    "aws_events": """
      type: aws_events
      url: !secret canary-of-an-address
    """,
    "dns": """
      type: dns
      query: !secret canary-of-a-name
      record: TXT
      resolvers: ["{host}:{port}"]
    """,
    "duo": """
      type: duo
      host: "{host}"
      port: {port}
      integration_key: DIXXXXXXXXXXXXXXXXXX
      secret_key: !secret canary
      username: probe
      code: {totp: !secret seed}
      tls: {verify: false}
    """,
    "duo_log": """
      type: duo_log
      host: "{host}"
      port: {port}
      integration_key: DIXXXXXXXXXXXXXXXXXX
      secret_key: !secret canary
      break_glass: {first: DU1}
      tls: {verify: false}
    """,
    "duo_ping": """
      type: duo_ping
      host: "{host}"
      port: {port}
      integration_key: DIXXXXXXXXXXXXXXXXXX
      secret_key: !secret canary
      tls: {verify: false}
    """,
    "entra_mfa": """
      type: entra_mfa
      tenant: example.com
      client_id: beacon
      client_secret: !secret canary
      break_glass: {first: first@example.com}
      graph_url: {url}
      login_url: {url}
    """,
    "flow": """
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
    "google_incidents": """
      type: google_incidents
      url: !secret canary-of-an-address
    """,
    "graph_health": """
      type: graph_health
      tenant: example.com
      client_id: beacon
      client_secret: !secret canary
      services: [OrgLiveID]
      graph_url: {url}
      login_url: {url}
    """,
    "http": """
      type: http
      url: {url}
      method: POST
      auth: {basic: {username: probe, password: !secret canary}}
      form: {password: !secret canary}
      headers: {X-Key: !secret canary-of-a-header}
      expect: {json: {access_token: never}}
    """,
    "keycloak": """
      type: keycloak
      issuer: {url}
      client_id: beacon
      client_secret: !secret canary
      username: probe
      password: !secret canary
      code: {totp: !secret seed}
    """,
    "linotp": """
      type: linotp
      url: {url}
      username: probe
      password: !secret canary
      code: {hotp: !secret seed}
      headers: {X-Key: !secret canary-of-a-header}
    """,
    "linotp_status": """
      type: linotp_status
      url: !secret canary-of-an-address
    """,
    "mail_dns": """
      type: mail_dns
      domains: [canary.example]
      resolvers: ["{host}:{port}"]
      authoritative: false
    """,
    "ntp": """
      type: ntp
      servers: ["{host}:{port}"]
    """,
    "openid": """
      type: openid
      issuer: {url}
      client_id: beacon
      client_secret: !secret canary
    """,
    "okta_log": """
      type: okta_log
      url: {url}
      token: !secret canary
      break_glass: {first: first@example.com}
    """,
    "otp_sms": """
      type: otp_sms
      mailbox: {smsd: {inbox: "{inbox}", config: "{inbox}/smsdrc"}}
      pattern: "code ([0-9]+)"
      code_lifetime: 300ms
      secrets: {password: !secret canary, seed: !secret seed}
      steps:
        - id: ask
          url: {url}
          method: POST
          form: {password: "{{ secrets.password }}", code: "{{ hotp(secrets.seed) }}"}
          expect: {status: [200, 302, 401]}
    """,
    "radius": """
      type: radius
      host: "{host}"
      port: {port}
      shared_secret: !secret canary
      username: probe
      password: !secret canary
      code: {totp: !secret seed}
      challenge: "{code}"
    """,
    "radius_status": """
      type: radius_status
      host: "{host}"
      port: {port}
      shared_secret: !secret canary
    """,
    "otp_email": """
      type: otp_email
      mailbox: &mailbox
        host: "{host}"
        port: {port}
        encryption: none
        username: probe
        password: !secret canary
      bounces: *mailbox
      smtp:
        host: "{host}"
        port: {port}
        encryption: none
        username: probe
        password: !secret canary
        sender: a@example.org
        recipient: b@example.org
      secrets: {password: !secret canary, seed: !secret seed}
    """,
    "privacyidea": """
      type: privacyidea
      url: {url}
      username: probe
      password: !secret canary
      code: {hotp: !secret seed}
      headers: {X-Key: !secret canary-of-a-header}
    """,
    "privacyidea_status": """
      type: privacyidea_status
      url: !secret canary-of-an-address
    """,
    "rss": """
      type: rss
      url: !secret canary-of-an-address
    """,
    "push": """
      type: push
      token: !secret canary-of-a-token
    """,
    "statuspage": """
      type: statuspage
      url: !secret canary-of-an-address
    """,
    "tcp": """
      type: tcp
      host: "{host}"
      port: {port}
    """,
    "twilio_verify": """
      type: twilio_verify
      username: AC123
      password: !secret canary
      url: {url}
    """,
    "twilio_messages": """
      type: twilio_messages
      url: {url}
      account: AC1
      password: !secret canary
      to: "+15550100"
      code_lifetime: 300ms
      secrets: {password: !secret canary}
      steps:
        - {id: ask, url: "{url}", method: POST, body: "{{ secrets.password }}"}
    """,
}
"""Kind → the settings of one, six spaces in; secrets are `!secret canary` and `!secret seed`."""

SILENT = {"push"}
"""Kinds that ask nothing: their secrets fly to us."""

INSTEAD = {"http": {"body"}}
"""Kind → settings for secrets that cannot stand beside those of its case."""

WELL_KNOWN = """
{"issuer": "{url}", "token_endpoint": "{url}token", "jwks_uri": "{url}keys"}
"""
HONEST = {
    "keycloak": {"GET /.well-known/openid-configuration ": WELL_KNOWN},
    "openid": {"GET /.well-known/openid-configuration ": WELL_KNOWN},
    "twilio_messages": {"GET /2010-04-01/": '{"messages": []}'},
}
"""Kind → how requests begin, and their honest answers, without which no secret would fly after."""

MOODS: dict[str, Callable[[bytes], bytes]] = {
    "echoes": lambda asked: _http(200, asked),
    "refuses in words": lambda asked: _http(
        401, json.dumps(_complaint(asked.decode("latin-1"))).encode(), "application/json"
    ),
    "grants it as a token": lambda asked: _http(
        200, json.dumps({"access_token": _line(asked).decode("latin-1"), "value": [1]}).encode()
    ),
    "speaks of it in its headers": lambda asked: (
        b"HTTP/1.1 200 %b\r\nX: %b\r\nContent-Length: 0\r\n\r\n" % (_line(asked), _line(asked))
    ),
    "sends elsewhere with it": lambda asked: (
        b"HTTP/1.1 302 Found\r\nLocation: /" + quote(_line(asked)).encode() + b"\r\n"
        b"Set-Cookie: s=" + quote(_line(asked)).encode() + b"\r\nContent-Length: 0\r\n\r\n"
    ),
    "garbles": lambda asked: asked + b"\x00" + asked,
    "hangs up": lambda _: b"",
}


def _complaint(words: str) -> dict[str, object]:
    return {"error": words, "code": 1, "stat": "FAIL", "message": words, "message_detail": words}


def _line(asked: bytes) -> bytes:
    return asked.replace(b"\r", b" ").replace(b"\n", b" ")


def _http(status: int, body: bytes, kind: str = "text/plain") -> bytes:
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


TLS_BEGINS = b"\x16"


@cache
def certified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@dataclass
class Parrot:
    """A server over TCP, TLS and UDP of one port that says back what it is told, by its mood."""

    mood: Callable[[bytes], bytes]
    honest: Mapping[str, str] = field(default_factory=dict)
    heard: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with contextlib.suppress(OSError):  # somebody has that one: no kind needs both
            self._udp.bind(("127.0.0.1", self.port))
        self._udp.settimeout(0.05)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=t) for t in (self._streams, self._datagrams)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._tcp.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
        self._tcp.close()
        self._udp.close()

    def _streams(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._tcp.accept()
                with caller, contextlib.suppress(OSError):
                    caller.settimeout(0.1)
                    self._meet(caller)

    def _meet(self, caller: socket.socket) -> None:
        try:
            begins = caller.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            self._greet(caller)
            return
        if begins == TLS_BEGINS:
            with certified().wrap_socket(caller, server_side=True) as secured:
                self._converse(secured)
        else:
            self._converse(caller)

    def _greet(self, caller: socket.socket) -> None:
        """Whoever waits for a greeting is met as by a mailbox, until the password came."""
        caller.sendall(b"* OK ready\r\n")
        with caller.makefile("rb") as lines:
            for line in lines:
                self.heard.append(line)
                tag, command, *_ = [*line.split(), b""]
                if command == b"CAPABILITY":
                    caller.sendall(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n%b OK ok\r\n" % tag)
                elif command == b"AUTHENTICATE":
                    caller.sendall(b"+ \r\n")
                else:
                    caller.sendall(self.mood(line))
                    return

    def _converse(self, caller: socket.socket) -> None:
        asked = b""
        with contextlib.suppress(TimeoutError):
            while piece := caller.recv(65536):
                asked += piece
        self.heard.append(asked)
        caller.sendall(self._truth(asked) or self.mood(asked))

    def _truth(self, asked: bytes) -> bytes:
        for begin, body in self.honest.items():
            if asked.startswith(begin.encode()):
                url = f"http://127.0.0.1:{self.port}/"
                return _http(200, body.replace("{url}", url).encode(), "application/json")
        return b""

    def _datagrams(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                asked, sender = self._udp.recvfrom(65536)
                self.heard.append(asked)
                self._udp.sendto(self.mood(asked), sender)


@pytest.fixture
def probe_of(tmp_path: Path, shared_memory: Callable[..., Any]) -> Callable[[str, int], Any]:
    """Load one case as the beacon loads its configuration."""

    shared_memory()  # of an smsd that runs

    def load(case: str, port: int) -> Any:
        for name, value in (
            ("{url}", f"http://127.0.0.1:{port}/"),
            ("{host}", "127.0.0.1"),
            ("{port}", str(port)),
            ("{inbox}", str(tmp_path)),
        ):
            case = case.replace(name, value)
        secrets = tmp_path / "secrets.yaml"
        secrets.write_text(
            f"canary: {json.dumps(PASSWORD)}\nseed: {SEED}\n"
            "canary-of-a-header: canary-in-a-header\n"
            f"canary-of-a-token: {TOKEN}\n"
            f"canary-of-an-address: http://127.0.0.1:{port}/{ADDRESS}\n"
            f"canary-of-a-name: {NAME}\n"
        )
        secrets.chmod(0o600)
        path = tmp_path / "beacon.yaml"
        whole = (
            "site: soc\nname: SOC\nweb: {}\nservices:\n- name: mfa\n  endpoints:\n    - name: it\n"
        )
        path.write_text(whole + case.strip("\n").rstrip() + "\n")
        return load_config(path, {}).probes["mfa/it"]

    return load


def tried(
    probe: Probe, budget: float = 1.0, heard: Sequence[bytes] | None = None
) -> tuple[Run, Reading]:
    """One run, as the daemon runs it: masked by nothing but the kind itself.

    Where something must be `heard` of it, a busy machine has a minute for that.
    """
    box: Inbox[Finished] = Inbox()
    workers = Workers(SystemClock(), box.post)
    timeout = budget if heard is None else 60.0
    workers.start("mfa/it", probe, timeout, MEMORIES.new(), regular=True)
    task = workers.task("mfa/it")
    assert task
    came = box.take(budget)
    for _ in range(59 if heard is not None else 0):
        if came or heard:
            break
        came = box.take(1.0)
    found = workers.finish(came[0]) if came else workers.expire(task.run.deadline)[0]
    assert workers.stop(10)
    assert found
    return task.run, found.reading


def encoded(secret: str) -> str:
    return base64.b64encode(secret.encode()).decode().rstrip("=")


def writings(secret: str) -> set[str]:
    """How a secret may be written, and still be read."""
    raw = secret.encode()
    written = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), raw.hex()}
    return written | {encoded(secret), json.dumps(secret)[1:-1]}


def leaks(said: str) -> list[str]:
    """What of the secrets is in a text."""
    hidden = writings(PASSWORD) | writings(SEED) | writings(TOKEN)
    hidden |= {"canary-in-a-header", "probe:canary", encoded(NAME)}
    return sorted(each for each in hidden if each.lower() in said.lower())


def everything(probe: Any, run: Run, reading: Reading, log: str) -> str:
    """All that anybody could read of one run, and of its probe in a traceback."""
    return f"{told(run, reading, log)}\n{probe!r}"


def told(run: Run, reading: Reading, log: str) -> str:
    """All that anybody could read of one run."""
    spec = Endpoint(id="mfa/it", service="mfa", name="it", kind="x", evidence=Evidence.SYMPTOM)
    said = run_body(spec, reading, run.notes, "")
    document = json.dumps(said, ensure_ascii=False)
    return "\n".join([document, in_words(said, 800, verbose=True), repr(reading), log])


def test_every_kind_has_a_case() -> None:
    assert set(CASES) == set(probes.kinds()), "a new kind needs its canary in CASES"


@pytest.mark.parametrize("kind", sorted(CASES))
def test_a_case_has_a_secret_wherever_its_kind_has_one(
    kind: str, probe_of: Callable[[str, int], Any]
) -> None:
    probe = probe_of(CASES[kind], 9)
    takes = [key for key, spec in specs(type(probe)).items() if '"writeOnly"' in _schema(spec.kind)]
    given = [key for key in takes if list(secrets_in(getattr(probe, key)))]
    instead = INSTEAD.get(kind, set()) | {"proxy"}  # which has a test of its own below
    assert set(takes) - set(given) <= instead, "a secret wherever one may be"


def _schema(kind: object) -> str:
    return json.dumps(of_type(kind), default=str)


@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.parametrize(
    ("kind", "honest"),
    [*((kind, {}) for kind in sorted(CASES)), *HONEST.items()],
    ids=[*sorted(CASES), *(f"{kind} after an honest answer" for kind in HONEST)],
)
def test_no_kind_says_a_secret(
    kind: str,
    honest: Mapping[str, str],
    mood: str,
    probe_of: Callable[[str, int], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with Parrot(MOODS[mood], honest) as parrot:
        probe = probe_of(CASES[kind], parrot.port)
        flies = bool(list(secrets_in(probe))) and kind not in SILENT
        run, reading = tried(probe, heard=parrot.heard if flies else None)
        said = everything(probe, run, reading, caplog.text)
    assert not leaks(said), said
    assert reading.reason is not Reason.INTERNAL_ERROR, caplog.text
    if flies:
        assert parrot.heard, f"the secrets did fly: {reading}"
        assert not honest or len(parrot.heard) >= 2, "and after the honest answer, too"


@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.parametrize("kind", sorted(k for k in CASES if "proxy" in specs(probes.load(k))))
def test_no_kind_says_who_we_are_to_a_proxy(
    kind: str,
    mood: str,
    probe_of: Callable[[str, int], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with Parrot(MOODS[mood], {}) as parrot:
        url = ProxyUrl(f"http://127.0.0.1:{parrot.port}")
        proxy = Proxy(url=url, username="probe", password=Secret(PASSWORD))
        probe = replace(probe_of(CASES[kind], parrot.port), proxy=proxy)
        run, reading = tried(probe)
        said = everything(probe, run, reading, caplog.text)
    pair = base64.b64encode(f"probe:{PASSWORD}".encode()).decode()
    assert not leaks(said), said
    assert pair not in said, said
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
def test_nothing_a_flow_captures_or_waits_for_is_said(
    last: str,
    probe_of: Callable[[str, int], Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
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
            return _http(200, page, "text/html").replace(b"\r\n", b"\r\n" + head, 1)
        return MOODS[last](asked)

    with Parrot(mood) as parrot:
        probe = probe_of(FLOW_WITH_ALL_IT_CAPTURES.replace("INBOX", str(inbox)), parrot.port)
        run, reading = tried(probe, 10.0)
        said = everything(probe, run, reading, caplog.text)
        heard = b"".join(parrot.heard).decode("latin-1")
    assert not leaks(said), said
    for hidden in (*CAPTURED, CODE):
        assert hidden in heard, "it did fly"
        assert hidden not in said
    assert "step out" in said
    assert reading.reason is not Reason.INTERNAL_ERROR, caplog.text


@pytest.mark.parametrize("told", ["reason", "detail", "id", "outcome", "none of these"])
@pytest.mark.parametrize("token", [TOKEN, "wrong"])
def test_nothing_that_is_pushed_says_a_token(
    token: str,
    told: str,
    probe_of: Callable[[str, int], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A sender that puts its token where it does not belong, at our door and in our words."""
    caplog.set_level(logging.DEBUG)
    taken: list[Pushed] = []
    probe = probe_of(CASES["push"], 9)
    door = PushGateway({"mfa/it": probe}, lambda _, pushed: taken.append(pushed))
    body = json.dumps({"reason": "ok", "at": 1767614400} | {told: f"<{TOKEN}>"}).encode()
    answer = WebPush(door)(
        WebRequest("POST", f"/api/push/mfa/it?{TOKEN}", f"Bearer {token}", "application/json", body)
    )
    answer = WebPush(door)(
        WebRequest("POST", "/api/push/mfa/it", f"Bearer {token}", "application/json", body)
    )
    said = f"{answer!r} {door!r} {[pushed.reading for pushed in taken]!r} {caplog.text}"
    assert not leaks(said), said
    assert len(taken) == (token == TOKEN and told in ("detail", "id"))


MUTE = {
    "mail_dns": "has no secret, and tells of public records",
    "ntp": "tells numbers, and words of a closed list",
    "otp_email": "tells of servers only numbers; who took a message is quoted, see its own tests",
    "radius_status": "tells words of a closed list",
    "tcp": "reads nothing",
}
"""Kinds that quote no foreign text here, and why."""


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
    return _http(401, json.dumps(_complaint(words)).encode(), f"application/json; {words}")


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "broken"])
@pytest.mark.parametrize("kind", sorted(CASES))
def test_the_canary_is_heard_when_the_one_place_is_broken(
    kind: str,
    broken: bool,
    probe_of: Callable[[str, int], Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    if broken:
        monkeypatch.setattr(Secrets, "_safe", lambda _, marked: marked)
    secrets: list[str] = []
    with Parrot(lambda asked: telling(kind, secrets, asked), HONEST.get(kind, {})) as parrot:
        probe = probe_of(CASES[kind], parrot.port)
        secrets += {*secrets_in(probe), *probe.secret_settings}
        said = pushed_words(probe) if kind == "push" else told(*tried(probe), caplog.text)
    assert bool(leaks(said) or ADDRESS in said) == (broken and kind not in MUTE), said


def pushed_words(probe: Any) -> str:
    taken: list[Pushed] = []
    door = PushGateway({"mfa/it": probe}, lambda _, pushed: taken.append(pushed))
    body = json.dumps({"reason": "ok", "at": 1767614400, "detail": f"<{TOKEN}>"}).encode()
    door.deliver(Way.HTTP, "mfa/it", body)
    return repr(taken)


def test_the_canary_is_seen_where_it_is_said(
    probe_of: Callable[[str, int], Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Leaky:
        password = Secret(PASSWORD)

        def observe(self, run: Run) -> Reading:
            run.note(f"Basic {base64.b64encode(PASSWORD.encode()).decode()}")
            return Reading(Reason.PROTOCOL_ERROR, quote(PASSWORD))

    run, reading = tried(Leaky())
    assert len(leaks(everything(Leaky(), run, reading, ""))) >= 2
    assert leaks(f"seed={SEED.lower()}")
