"""A stand-in for Twilio's Messages API, made of the fields it documents (twilio_api_v2010)."""

import base64
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

ACCOUNT = "ACcanary0000000000000000000000000"
BODY = "Your code is 73910482"


def message(sid: str, status: str, ago: float = 0.0, took: float = 0.0, **more: Any) -> dict:
    """One message as it is listed; `took`: seconds from its creation to its last change."""
    created = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=ago)
    return {
        "account_sid": ACCOUNT,
        "api_version": "2010-04-01",
        "body": BODY,
        "date_created": format_datetime(created),
        "date_sent": format_datetime(created),
        "date_updated": format_datetime(created + timedelta(seconds=took)),
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": "+15550199",
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": status,
        "subresource_uris": {"media": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}/Media.json"},
        "to": "+15550100",
        "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json",
        **more,
    }


@dataclass
class Twilio:
    """What is listed, the newest first; `answers` go before it, one a question."""

    password: str
    username: str = ACCOUNT
    messages: list[dict] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    listed: Callable[[], object] = lambda: None
    url: str = ""

    def answer(self, path: str, proof: str) -> tuple[int, bytes]:
        self.asked.append(path)
        expected = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        if self.answers:
            return self.answers.pop(0)
        if proof != f"Basic {expected}":
            document = {"code": 20003, "message": "Authenticate", "status": 401}
            return 401, json.dumps(document).encode()
        parts = urlsplit(path)
        if parts.path != f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json":
            return 404, json.dumps({"code": 20404, "status": 404}).encode()
        self.listed()
        asked = parse_qs(parts.query)
        found = [each for each in self.messages if each["to"] == asked["To"][0]]
        size = int(asked["PageSize"][0])
        page = {
            "end": len(found),
            "first_page_uri": path,
            "messages": found[:size],
            "next_page_uri": None,
            "page": 0,
            "page_size": size,
            "start": 0,
            "uri": path,
        }
        return 200, json.dumps(page).encode()

    def put(self, sid: str, status: str, **more: Any) -> None:
        """A message is made, or becomes something else."""
        self.messages = [each for each in self.messages if each["sid"] != sid]
        self.messages.insert(0, message(sid, status, **more))


@pytest.fixture
def twilio() -> Iterator[Twilio]:
    """A running one; its password is the account's token."""
    fake = Twilio("canary-of-twilio")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = fake.answer(self.path, self.headers.get("Authorization") or "")
            self.send_response(status)
            self.send_header("Content-Type", "application/json;charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: what is asked holds secrets."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield fake
    server.shutdown()
    thread.join(60)
    server.server_close()
