"""One polled thing as written → `Endpoint` and its probe: ids, times and settings by kind.

The probe registry is handed in (`Registry`); this layer knows no kind by name.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Protocol

from msgspec import UNSET

from beacon.config.decoder import WRONG, Decoder, Spec, Type, specs
from beacon.config.fields import Duration, SettingFlaw
from beacon.config.file_fields import slug
from beacon.config.file_schema import (
    Defaults,
    EmbeddedEndpoint,
    EndpointSection,
    WitnessSection,
)
from beacon.config.problems import Problems, meant, one_of
from beacon.config.yaml.nodes import NodePath, Scalar, Table, plain, secret_values
from beacon.core.model import Endpoint, Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A kind's default times in seconds.

    `retry_interval` None: no re-checks, since a run disturbs a person or asks a source that does
    not change so soon. `success_threshold` None: as in `defaults:`.
    """

    interval: float
    timeout: float
    failure_threshold: int
    retry_interval: float | None
    success_threshold: int | None = None


WITNESS_TIMES: Final = Timing(interval=10, timeout=2, failure_threshold=1, retry_interval=None)


class ConfiguredKind(Protocol):
    """A kind of probe as the configuration needs it: its fields are its settings.

    `ABILITIES` are those of `beacon.probing.base`, above this package in the order of imports.
    """

    ABILITIES: ClassVar[Any]

    @classmethod
    def usually_clock_bound(cls) -> bool:
        """Whether it is `clock_bound` with the settings it usually has."""
        ...

    @property
    def clock_bound(self) -> bool:
        """Whether a wrong own clock would make its readings wrong."""
        ...

    @property
    def timing(self) -> Timing:
        """The default times, by the settings."""
        ...

    @property
    def hindsight(self) -> float | None:
        """Seconds that a run looks back; None: it sees the present."""
        ...

    @property
    def needs(self) -> Mapping[str, str]:
        """Settings that are given, and the section each is in vain without."""
        ...

    @property
    def accounts(self) -> tuple[str, ...]:
        """Hashes that name what it signs in with."""
        ...

    @property
    def controllable(self) -> bool:
        """Whether it can send a wrong code, and sees that it is refused."""
        ...

    def faults(self) -> Iterable[SettingFlaw]:
        """The problems of the settings together."""
        ...


class Registry(Protocol):
    """The kinds of probes there are: the package `beacon.probes`."""

    def kinds(self) -> tuple[str, ...]:
        """Their names."""
        ...

    def load(self, kind: str) -> type[ConfiguredKind]:
        """Import one."""
        ...


@dataclass(frozen=True, slots=True)
class Polled:
    """One witness or endpoint: where it is written, and what could be made of it.

    `endpoint` is None while a problem stands in the way; `id` is then a best guess. `settings`
    is all that is written for its probe, secrets too: to be hashed, never to be shown.
    """

    id: str
    spot: NodePath
    endpoint: Endpoint | None
    probe: ConfiguredKind | None = None
    settings: str = field(default="", repr=False)


class Poller:
    """Makes `Polled` of nodes. With `embedded`, settings a kind needs may be left out."""

    def __init__(
        self, problems: Problems, registry: Registry, defaults: Defaults, *, embedded: bool
    ) -> None:
        self._problems, self._registry, self._defaults = problems, registry, defaults
        self._decoder = Decoder(problems)
        self._embedded = embedded
        self._section = EmbeddedEndpoint if embedded else EndpointSection

    def polled(self, spot: NodePath, owner: str) -> Polled:
        """Read one endpoint of a service, or of the owner `witness` one witness."""
        before = len(self._problems)
        section: Type = WitnessSection if owner == "witness" else self._section
        kind = self._kind(spot)
        own = specs(kind) if kind else {}
        common = specs(section)
        keys = {**common, **own, **common}  # common keys come first, and win
        read = self._decoder.read_keys(
            spot.node,
            keys,
            spot.path,
            known=(*common, *own) if kind else None,
            lenient=(*own, "type") if self._embedded else ("type",),
        )
        values = {key: spec.default for key, spec in common.items()} | read
        name = id_of(spot, values, self._problems)
        full = f"{owner}/{name}"
        if kind is None:
            self._no_key_of_any_kind(spot, common)
        if kind is None or len(self._problems) > before:
            return Polled(full, spot, None)
        probe = self._probe(spot, kind, own, read)
        endpoint = self._endpoint(full, owner, kind, values, probe)
        if owner != "witness" and len(self._problems) == before:
            signs_in = kind.ABILITIES.sign_in
            control = self._control(spot, values, probe, signs_in=signs_in)
            accounts = self._accounts(full, values, probe) if signs_in else ()
            endpoint = replace(endpoint, accounts=accounts, control=control)
        written = plain(spot.node)
        settings = {key: value for key, value in written.items() if key in {"type", *own}}
        return Polled(
            full, spot, endpoint, probe, json.dumps(settings, sort_keys=True, default=str)
        )

    def _kind(self, spot: NodePath) -> type[ConfiguredKind] | None:
        """Load the kind that `type` names; None when it names none."""
        written = spot.below("type").node
        kinds = self._registry.kinds()
        if isinstance(spot.node, Table) and not spot.has("type"):
            self._problems.add(spot.place, spot.path, "`type` is missing", one_of(kinds))
        if not spot.has("type") or not isinstance(written, Scalar):
            return None
        if written.value in kinds:
            return self._registry.load(str(written.value))
        if isinstance(written.value, str):
            message = f"unknown probe kind: {written.value!r}"
            path = (*spot.path, "type")
            near = _USUAL.get(written.text.lower(), "")
            hint = near if near in kinds else meant(written.text, kinds)
            allowed = "docs/probes has a page for each"
            self._problems.add(written.place, path, message, allowed, hint)
        return None

    def _no_key_of_any_kind(self, spot: NodePath, common: Mapping[str, Spec]) -> None:
        """Refuse keys that are a mistake whatever kind was meant."""
        kinds = map(self._registry.load, self._registry.kinds())
        keys = {*common, *(key for kind in kinds for key in specs(kind))}
        for key in spot.node.entries if isinstance(spot.node, Table) else ():
            if key not in keys:
                at, hint = spot.key(key), meant(key, sorted(keys))
                self._problems.add(at.place, at.path, "unknown key", "a key of some kind", hint)

    def _probe(
        self,
        spot: NodePath,
        kind: type[ConfiguredKind],
        own: Mapping[str, Spec],
        read: Mapping[str, Any],
    ) -> ConfiguredKind | None:
        """Build the probe; None where settings are left out of an embedded configuration."""
        if any(spec.required and key not in read for key, spec in own.items()):
            return None
        settings = {spec.field: read[key] for key, spec in own.items() if key in read}
        made = self._decoder.make(spot.node, spot.path, kind, settings)
        if made is WRONG:
            return None
        probe: ConfiguredKind = made
        # Beside the fields: an address or a name given as !secret is as secret as a password.
        object.__setattr__(probe, "secret_settings", tuple(secret_values(spot.node)))
        for fault in probe.faults():
            at = spot.below(*fault.path)
            self._problems.add(at.place, at.path, fault.message, fault.allowed, fault.hint)
        return probe

    def _endpoint(
        self,
        full: str,
        owner: str,
        kind: type[ConfiguredKind],
        values: Mapping[str, Any],
        probe: ConfiguredKind | None,
    ) -> Endpoint:
        witness = owner == "witness"
        able = kind.ABILITIES
        usual: Timing = able.timing if probe is None else probe.timing
        times = self._times(WITNESS_TIMES if witness else usual, values)
        written = {key: number(values[key]) for key in _TAKEN if key in values}
        return Endpoint(
            id=full,
            service=owner,
            kind=values["type"],
            evidence=Evidence.WITNESS if witness else Evidence(values["evidence"] or able.evidence),
            clock_bound=kind.usually_clock_bound() if probe is None else probe.clock_bound,
            sign_in=able.sign_in,
            hindsight=able.looks_back if probe is None else probe.hindsight,
            pushed=able.pushed,
            costly=able.metered,
            **times,
            **written,
        )

    def _accounts(
        self, full: str, values: Mapping[str, Any], probe: ConfiguredKind | None
    ) -> tuple[str, ...]:
        if self._embedded or probe is None:
            return () if values.get("account") is None else (values["account"],)
        return probe.accounts or (full,)

    def _control(
        self,
        spot: NodePath,
        values: Mapping[str, Any],
        probe: ConfiguredKind | None,
        *,
        signs_in: bool,
    ) -> float | None:
        written = values["control"]
        able = signs_in and (self._embedded or (probe is not None and probe.controllable))
        if written is UNSET:
            return CONTROL if able and not self._embedded else None
        if written == "never":
            return None
        if not able:
            at = spot.below("control")
            allowed = "never; in a flow: `rejected:` at the step that sends the code"
            self._problems.add(at.place, at.path, "here a wrong code proves nothing", allowed)
        return float(written)

    def _times(self, timing: Timing, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is written here, else in `defaults:`, else the default of the kind."""
        ordinary = all(getattr(timing, key) == getattr(_BUILT_IN, key) for key in _TIMES)
        source = self._defaults if ordinary else timing
        times = {key: getattr(source, key) for key in _TIMES}
        times["success_threshold"] = timing.success_threshold or self._defaults.success_threshold
        times |= {key: values[key] for key in times if values[key] is not UNSET}
        stale_after = values["stale_after"]
        if stale_after is UNSET:
            stale_after = 3 * times["interval"] + times["timeout"]
        return {key: number(value) for key, value in {**times, "stale_after": stale_after}.items()}


CONTROL: Final = 86_400.0
"""Seconds from one negative control to the next, if nothing is written."""
_USUAL: Final = {
    **dict.fromkeys(("ping", "icmp", "ldap", "ldaps", "port", "ssh"), "tcp"),
    **dict.fromkeys(("https", "web", "url", "rest", "saml", "tls", "ssl", "certificate"), "http"),
    **dict.fromkeys(("oidc", "oauth", "oauth2", "jwks"), "openid"),
    **dict.fromkeys(("email", "mail", "imap", "smtp"), "otp_email"),
    **dict.fromkeys(("sms", "text"), "otp_sms"),
    **dict.fromkeys(("totp", "login", "signin", "sign-in", "browser"), "flow"),
    **dict.fromkeys(("status", "status_page", "statuspage.io"), "statuspage"),
    **dict.fromkeys(("feed", "atom"), "rss"),
    **dict.fromkeys(("time", "clock", "sntp"), "ntp"),
    **dict.fromkeys(("spf", "dkim", "dmarc"), "mail_dns"),
}
"""Names that people write as a type, and the kind that they mean."""
_BUILT_IN: Final = Defaults()
_TIMES: Final = ("interval", "timeout", "failure_threshold", "retry_interval")
_TAKEN: Final = (
    "name",
    "slow_after",
    "local",
    "region",
    "factor",
    "depends_on",
    "explains",
    "code_lifetime",
    "guard_interval",
    "guard_max",
)


def number(value: Any) -> Any:  # noqa: ANN401 - takes whatever a setting may be
    """Return the plain seconds of a duration, for the core; anything else as it is."""
    return float(value) if isinstance(value, Duration) else value


def id_of(spot: NodePath, values: Mapping[str, Any], problems: Problems) -> str:
    """Return the id as written or made of the name; one that cannot be made is noted."""
    name = values.get("name")
    made = values.get("id") or slug(name if isinstance(name, str) else "")
    if isinstance(name, str) and not name.isprintable():
        at = spot.below("name")
        problems.add(at.place, at.path, "a control character in a name", "text on one line")
    if not made and isinstance(name, str) and isinstance(spot.node, Table):
        at = spot.below("name")
        problems.add(at.place, at.path, "no id can be made of this name", "give it an `id:`")
    return str(made)
