"""Pushes over HTTP: `POST /api/push/<service>/<endpoint>` with the endpoint's own token."""

import hashlib
import hmac
import math
import secrets
from types import MappingProxyType
from typing import Final

from beacon.engine.pushed.receiver import PushDenied, PushRefusal, Way
from beacon.engine.text_pattern import ASCII, IGNORE_CASE, TextPattern
from beacon.outputs.push_gateway import PushGateway
from beacon.outputs.web.server import WebAnswer, WebRequest

PATH: Final = "/api/push/"
_STATUS: Final = MappingProxyType(
    {
        PushRefusal.TOKEN: 401,
        PushRefusal.REPEATED: 409,
        PushRefusal.OUTDATED: 409,
        PushRefusal.TOO_LARGE: 413,
        PushRefusal.CONTENT_TYPE: 415,
        PushRefusal.SKEWED: 422,
        PushRefusal.TOO_MANY: 429,
        PushRefusal.BUG: 500,
        PushRefusal.BUSY: 503,
    }
)
"""Cause → status; 400 for every other."""
_BEARER: Final = TextPattern(r"Bearer +(\S+)", IGNORE_CASE)
_JSON: Final = TextPattern(r"application/(?:[\w.+-]+\+)?json\s*(?:;.*)?", ASCII | IGNORE_CASE)


class WebPush:
    """Answers requests below `PATH`."""

    def __init__(self, gateway: PushGateway) -> None:
        self._gateway = gateway
        self._unknown_digest = _digest(secrets.token_urlsafe())
        self._digests = {
            name: _digest(each.token.reveal())
            for name, each in gateway.of(Way.HTTP).items()
            if each.token is not None
        }

    def __call__(self, request: WebRequest) -> WebAnswer:
        """Take one push, or answer why not."""
        if request.method != "POST":
            return WebAnswer(405, {"ok": False, "error": "use POST"}, {"Allow": "POST"})
        endpoint = request.path.removeprefix(PATH)
        try:
            self._admit(endpoint, request)
            reading = self._gateway.deliver(Way.HTTP, endpoint, request.body)
        except PushDenied as denied:
            return _refusal(denied)
        return WebAnswer(200, {"ok": True, "reason": None if reading is None else reading.reason})

    def _admit(self, endpoint: str, request: WebRequest) -> None:
        """Check the token; the answer does not reveal whether the endpoint exists."""
        found = _BEARER.fullmatch(request.authorization.strip())
        given = _digest(found[1] if found else "")
        if not hmac.compare_digest(given, self._digests.get(endpoint, self._unknown_digest)):
            denied = PushDenied(
                PushRefusal.TOKEN, "send `Authorization: Bearer <token>` with this endpoint's token"
            )
        elif not _JSON.fullmatch(request.content_type.strip()):
            denied = PushDenied(PushRefusal.CONTENT_TYPE, "send `Content-Type: application/json`")
        else:
            return
        self._gateway.log_refusal(Way.HTTP, endpoint, denied)
        raise denied


def _digest(token: str) -> bytes:
    # Digests have one length: comparing them in constant time reveals nothing about the token.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _refusal(denied: PushDenied) -> WebAnswer:
    headers = {}
    if denied.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(denied.retry_after))
    if denied.cause is PushRefusal.TOKEN:
        headers["WWW-Authenticate"] = "Bearer"
    document = {"ok": False, "error": denied.words}
    return WebAnswer(_STATUS.get(denied.cause, 400), document, headers)
