"""`radius`: whether somebody can sign in through RADIUS with a password and a one-time code.

The whole way is walked: Access-Request, where wanted Access-Challenge and its answer, and
Access-Accept. Only PAP carries a one-time code; what it hides it hides by the shared secret.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Literal

from beacon.config.fields import Host, Port, Secret, is_address
from beacon.core.model import DETAIL_LIMIT, Evidence, Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.engine.text_pattern import TextPattern
from beacon.net import dial
from beacon.net.probe_failure import ProbeFailure
from beacon.net.radius import (
    LONGEST,
    LONGEST_PASSWORD,
    PORT,
    Attribute,
    Packet,
    RadiusAnswer,
    RadiusExchange,
    Server,
    conversation,
)
from beacon.otp.code_setting import OneTimeCode
from beacon.probing.base import SIGN_IN, Abilities, Kind, SettingFlaw

ServiceType = Literal["login", "framed", "authenticate_only"]

_SERVICE_TYPES: Final[Mapping[ServiceType, int]] = {
    "login": 1,
    "framed": 2,
    "authenticate_only": 8,
}
_STEPS: Final = {"request": "the first request", "code": "the answer to the challenge"}
_GAP: Final = TextPattern(r"\{(\w*)\}")
_GAPS: Final = ("password", "code")
_ALLOWED: Final = "text with {password} and {code}"


@dataclass(frozen=True, kw_only=True)
class Radius(Kind):
    """A sign-in by PAP with a password, a one-time code, or both, in one request or two.

    `send` is what the first request carries as its password, `challenge` what answers the
    challenge that must then come. A code is sent once.
    """

    ABILITIES: ClassVar = Abilities(evidence=Evidence.SYMPTOM, timing=SIGN_IN, sign_in=True)

    host: Host
    port: Port = PORT
    shared_secret: Secret
    username: str
    password: Secret | None = None
    code: OneTimeCode | None = None
    send: str | None = None
    challenge: str | None = None
    require_message_authenticator: bool = True
    nas_identifier: str = "mfa-beacon"
    nas_address: str | None = None
    service_type: ServiceType | None = None
    calling_station_id: str | None = None
    ip_version: dial.IpVersion | None = None

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        yield from self._text_faults()
        if self.nas_address is not None and not is_address(self.nas_address):
            yield SettingFlaw(("nas_address",), "not an IP address", "192.0.2.10 or 2001:db8::10")
        if self.password is None and self.code is None:
            yield SettingFlaw((), "nothing to sign in with", "password, code, or both")
        used = [gap for text in self._texts.values() for gap in _GAP.findall(text)]
        for name, text in self._texts.items():
            for gap in _GAP.findall(text):
                if gap not in _GAPS:
                    yield SettingFlaw((name,), f"{{{gap}}} is not known", _ALLOWED)
                elif getattr(self, gap) is None:
                    yield SettingFlaw((name,), f"{{{gap}}} without `{gap}:`", f"`{gap}:` beside it")
        if used.count("code") > 1:
            yield SettingFlaw(("challenge",), "the code would be sent twice", "{code} in one place")
        for gap in _GAPS:
            if getattr(self, gap) is not None and gap not in used:
                yield SettingFlaw(
                    (gap,), f"{gap} is never sent", f"{{{gap}}} in `send` or `challenge`"
                )

    def _text_faults(self) -> Iterator[SettingFlaw]:
        for name in ("username", "nas_identifier", "calling_station_id"):
            value = getattr(self, name)
            if value is not None and not 0 < len(value.encode()) <= LONGEST:
                yield SettingFlaw(
                    (name,), "not a length that RADIUS allows", f"1 to {LONGEST} bytes"
                )
        digits = "0" * (self.code.digits if self.code else 0)
        for name, text in self._texts.items():
            if len(self._filled(text, digits).encode()) > LONGEST_PASSWORD:
                allowed = f"at most {LONGEST_PASSWORD} bytes, as RADIUS allows"
                yield SettingFlaw((name,), "too long, once it is filled in", allowed)

    @property
    def _texts(self) -> dict[str, str]:
        """What is sent as a password, by setting, in order."""
        alone = "{password}" if self.password is not None else ""
        code = "{code}" if self.code is not None and self.challenge is None else ""
        texts = {"send": alone + code if self.send is None else self.send}
        return texts if self.challenge is None else {**texts, "challenge": self.challenge}

    def _filled(self, text: str, code: str) -> str:
        password = self.password.reveal() if self.password else ""
        values = {"password": password, "code": code}
        return _GAP.sub(lambda gap: values.get(gap[1], gap[0]), text)

    def knock(self, run: Run) -> bool:
        """Ask for its status (RFC 5997), which some servers never answer."""
        nas = {Attribute.NAS_IDENTIFIER: (self.nas_identifier.encode(),)}
        with conversation(run, replace(self._server, signed=False)) as talk:
            talk.ask(Packet.STATUS_SERVER, nas)
        return True

    @property
    def user(self) -> str:
        """Who signs in, and where."""
        return f"{self.host.lower()} {self.port} {self.username}"

    def look(self, run: Run) -> Reading:
        """Sign in; latency by step: `request`, and `code` where a challenge was answered."""
        with conversation(run, self._server) as talk:
            run.enter(run.phase)
            run.steps += [phase for phase in run.phases() if phase[0] == "dns"]
            answer = self._step(run, talk, "request", ())
            if self.challenge is None or answer.packet is not Packet.ACCESS_CHALLENGE:
                return self.judge(answer, challenged=False)
            state = answer.state
            answer = self._step(run, talk, "code", state)
            return self.judge(answer, challenged=True, stateless=not state)

    def _step(
        self, run: Run, talk: RadiusExchange, name: str, state: tuple[bytes, ...]
    ) -> RadiusAnswer:
        began = run.elapsed()
        text = self._texts["send" if name == "request" else "challenge"]
        try:
            answer = self._ask(run, talk, text, state)
        except ProbeFailure as trouble:
            if self.challenge is None:
                raise
            detail = f"{_STEPS[name]}: {trouble.reading.detail}"
            raise ProbeFailure(trouble.reading.reason, detail) from None
        finally:
            run.steps.append((name, run.elapsed() - began))
        run.note(f"Reply-Message: {quoted(answer.message) or 'none'}")
        return answer

    def _ask(
        self, run: Run, talk: RadiusExchange, text: str, state: tuple[bytes, ...]
    ) -> RadiusAnswer:
        attributes = self._attributes | ({Attribute.STATE: state} if state else {})
        passcode = self.code.claim(run) if self.code and "{code}" in text else ""
        return talk.ask(Packet.ACCESS_REQUEST, attributes, self._filled(text, passcode))

    @property
    def _server(self) -> Server:
        return Server(
            self.host,
            self.port,
            self.shared_secret,
            self.ip_version,
            signed=self.require_message_authenticator,
            resend=self.code is not None,  # else it is a push or a call that lets somebody in
        )

    @property
    def _attributes(self) -> dict[Attribute, tuple[bytes, ...]]:
        found = {
            Attribute.USER_NAME: self.username.encode(),
            Attribute.NAS_IDENTIFIER: self.nas_identifier.encode(),
        }
        if self.nas_address is not None:
            address = ipaddress.ip_address(self.nas_address)
            kind = Attribute.NAS_IP_ADDRESS if address.version == 4 else Attribute.NAS_IPV6_ADDRESS
            found[kind] = address.packed
        if self.service_type is not None:
            found[Attribute.SERVICE_TYPE] = _SERVICE_TYPES[self.service_type].to_bytes(4, "big")
        if self.calling_station_id is not None:
            found[Attribute.CALLING_STATION_ID] = self.calling_station_id.encode()
        return {attribute: (value,) for attribute, value in found.items()}

    def judge(self, answer: RadiusAnswer, *, challenged: bool, stateless: bool = False) -> Reading:
        """The reading of the last answer; `challenged`: it is the answer to a challenge.

        `stateless`: the challenge had no State, so its answer may be taken for a new sign-in.
        """
        words = quoted(answer.message, DETAIL_LIMIT)
        words = f": {words}" if words else ""
        if answer.packet is Packet.ACCESS_REJECT:
            what = _STEPS["code" if challenged else "request"]
            bare = "" if answer.signed else ", without Message-Authenticator"
            bare += ", after a challenge without State" if stateless else ""
            return Reading(Reason.SIGN_IN_REJECTED, f"{what} was rejected{bare}{words}")
        if answer.packet is Packet.ACCESS_CHALLENGE:
            more = (
                "one more challenge" if challenged else "a challenge, and `challenge:` is not set"
            )
            return Reading(Reason.SIGN_IN_UNFINISHED, f"{more}{words}")
        if self.challenge is not None and not challenged:
            text = "accepted without a challenge: nobody asked for the second factor"
            return Reading(Reason.CHALLENGE_MISSING, text)
        return Reading(Reason.OK, "accepted, after a challenge" if challenged else "accepted")


PROBE = Radius
