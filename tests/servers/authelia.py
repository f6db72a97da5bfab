"""Authelia as its API document and source describe it."""

from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any

import pytest

from tests.servers.certificates import Pair
from tests.servers.stand_in import PASSWORD, StandIn


class AutheliaPortal(StandIn):
    """A portal as Authelia's API document and source describe it, with its regulation.

    Whatever goes wrong in a factor is one answer: 401 and KO. Three failures within 2 minutes
    ban the user and the address.
    """

    def __init__(self, pair: Pair | None = None) -> None:
        super().__init__(pair)
        self.levels: dict[str, int] = {}
        self.failures = 0
        self.reached = 2

    def answer(
        self, path: str, headers: dict[str, str], form: dict[str, str]
    ) -> tuple[int, bytes | str | dict[str, Any], dict[str, str]]:
        cookie = SimpleCookie(headers.get("Cookie", ""))
        session = cookie["authelia_session"].value if "authelia_session" in cookie else ""
        if path == "/api/firstfactor":
            return self._first(form)
        if path == "/api/secondfactor/totp":
            return self._second(session, form)
        if path == "/api/state":
            data = {"username": "", "authentication_level": self.levels.get(session, 0)}
            return 200, {"status": "OK", "data": data}, {}
        if path == "/api/logout":
            self.levels.pop(session, None)
            return 200, {"status": "OK", "data": {"safeTargetURL": False}}, {}
        return 404, "404 Not Found", {}

    def _first(self, form: dict[str, str]) -> tuple[int, dict[str, Any], dict[str, str]]:
        if self.failures >= 3 or form["password"] != PASSWORD:
            self.failures += 1
            words = "Authentication failed. Check your credentials."
            return 401, {"status": "KO", "message": words}, {}
        session = f"canary-session-{len(self.asked)}"
        self.levels[session] = 1
        cookie = {"Set-Cookie": f"authelia_session={session}; Path=/; HttpOnly; SameSite=Lax"}
        return 200, {"status": "OK"}, cookie

    def _second(
        self, session: str, form: dict[str, str]
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        if session not in self.levels or not self.right(form["token"]):
            words = "Authentication failed, please retry later."
            return 401, {"status": "KO", "message": words}, {}
        self.levels[session] = self.reached
        return 200, {"status": "OK"}, {}


@pytest.fixture
def authelia_portal(stand_in: Callable[..., Any]) -> Callable[..., AutheliaPortal]:
    """Start portals; one that is given a certificate speaks TLS."""
    return lambda *given: stand_in(AutheliaPortal, *given)
