"""Pushes over HTTP: `POST /api/push/<service>/<endpoint>` with the endpoint's own token."""

import hashlib
import hmac
import math
import secrets
from types import MappingProxyType
from typing import Final

from beacon.engine.push_receiver import Cause, Denied, Way
from beacon.engine.text_pattern import ASCII, IGNORE_CASE, TextPattern
from beacon.outputs.push_gateway import Door
from beacon.outputs.web.server import Answer, Request

PATH: Final = "/api/push/"
_STATUS: Final = MappingProxyType(
    {
        Cause.TOKEN: 401,
        Cause.REPEATED: 409,
        Cause.OUTDATED: 409,
        Cause.TOO_LARGE: 413,
        Cause.CONTENT_TYPE: 415,
        Cause.SKEWED: 422,
        Cause.TOO_MANY: 429,
        Cause.BUG: 500,
        Cause.BUSY: 503,
    }
)
"""Cause → status; 400 for every other."""
_BEARER: Final = TextPattern(r"Bearer +(\S+)", IGNORE_CASE)
_JSON: Final = TextPattern(r"application/(?:[\w.+-]+\+)?json\s*(?:;.*)?", ASCII | IGNORE_CASE)


class WebPush:
    """Answers what is posted below `PATH`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._nobody = _digest(secrets.token_urlsafe())
        self._digests = {
            name: _digest(each.token.reveal())
            for name, each in door.of(Way.HTTP).items()
            if each.token is not None
        }

    def __call__(self, request: Request) -> Answer:
        """Take one push, or say why not."""
        if request.method != "POST":
            return Answer(405, {"ok": False, "error": "POST here"}, {"Allow": "POST"})
        endpoint = request.path.removeprefix(PATH)
        try:
            self._admit(endpoint, request)
            reading = self._door.deliver(Way.HTTP, endpoint, request.body)
        except Denied as denied:
            return _refusal(denied)
        return Answer(200, {"ok": True, "reason": None if reading is None else reading.reason})

    def _admit(self, endpoint: str, request: Request) -> None:
        """Let nobody in without the token; whether there is such an endpoint is not told."""
        found = _BEARER.fullmatch(request.authorization.strip())
        given = _digest(found[1] if found else "")
        if not hmac.compare_digest(given, self._digests.get(endpoint, self._nobody)):
            denied = Denied(
                Cause.TOKEN, "send `Authorization: Bearer <token>` with this endpoint's token"
            )
        elif not _JSON.fullmatch(request.content_type.strip()):
            denied = Denied(Cause.CONTENT_TYPE, "send `Content-Type: application/json`")
        else:
            return
        self._door.complain(Way.HTTP, endpoint, denied)
        raise denied


def _digest(token: str) -> bytes:
    # Digests are of one length, whatever is sent: comparing them tells nothing of the token.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _refusal(denied: Denied) -> Answer:
    headers = {}
    if denied.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(denied.retry_after))
    if denied.cause is Cause.TOKEN:
        headers["WWW-Authenticate"] = "Bearer"
    document = {"ok": False, "error": denied.words}
    return Answer(_STATUS.get(denied.cause, 400), document, headers)
