"""Checks of settings that are valid one by one but not together."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from beacon.config.endpoints import Polled
from beacon.config.fields import Duration
from beacon.config.file_schema import MaintenanceSection, WebSection
from beacon.config.problems import Position, Problems, Steps, meant, one_of, path_text
from beacon.config.schema import Mqtt, Tower, TowerSection
from beacon.config.tls import DEFAULT_TLS
from beacon.config.yaml.nodes import NodePath
from beacon.core.indication import Colour
from beacon.core.model import Attestation, Endpoint, Evidence

WITNESSES_WANTED: Final = 2
SPECIAL_PINS: Final = {
    0: "reads the memory of a board on the header: it is driven at boot",
    1: "reads the memory of a board on the header: it is driven at boot",
    2: "has a fixed resistor to 3.3 V: a lamp of an active-high board glows",
    3: "has a fixed resistor to 3.3 V: a lamp of an active-high board glows",
    14: "is the serial console: it flickers at boot",
    15: "is the serial console: it flickers at boot",
}
"""Lines of a Pi with another use (raspberrypi.com: GPIO and the 40-pin header)."""
LEAST_INTERVAL, LEAST_OF_SIGN_IN, LEAST_OF_CLAIM = 0.1, 1.0, 10.0
"""Shortest intervals in seconds: of anything, of a sign-in, of a vendor's page."""
UNSEEN: Final = {
    Colour.RED: "an outage",
    Colour.AMBER: "that something is degraded",
    Colour.GREEN: "whether all is well or the beacon is dead",
    Colour.BLUE: "that an operator must act",
    Colour.WHITE: "that the beacon is blind",
}
"""What only this lamp shows."""
LAST_PULLED_UP: Final = 8
"""The lines of a Pi up to this one are pulled up at reset, the others down."""


def _note(
    problems: Problems, at: NodePath, message: str, allowed: str = "", hint: str = ""
) -> None:
    problems.add(at.place, at.path, message, allowed, hint)


def _warn(problems: Problems, at: NodePath, message: str, allowed: str) -> None:
    problems.warn(at.place, at.path, message, allowed)


def services(found: Iterable[tuple[str, NodePath]], problems: Problems) -> None:
    """Refuse two services of one id, and the id that belongs to the witnesses."""
    first: dict[str, Position] = {}
    for name, spot in found:
        at = spot.first_of("id", "name")
        if name == "witness":
            _note(problems, at, "the id witness is taken by the witnesses", "another id")
        _once(name, at, first, problems)


def _once(name: str, at: NodePath, first: dict[str, Position], problems: Problems) -> None:
    before = first.setdefault(name, at.place)
    if name and not name.endswith("/") and before != at.place:
        message = f"the id {name} is given twice, first at {before}"
        _note(problems, at, message, "a name, or an `id:`, of its own")


def polled(found: Sequence[Polled], problems: Problems) -> None:
    """Check ids, times and dependencies of everything polled."""
    first: dict[str, Position] = {}
    for each in found:
        _once(each.id, each.spot.first_of("id", "name"), first, problems)
        if each.endpoint:
            _times(each.spot, each.endpoint, problems)
    _parents(found, problems)
    _circles(found, problems)
    _explained(found, problems)


def _times(spot: NodePath, endpoint: Endpoint, problems: Problems) -> None:
    interval, timeout = Duration(endpoint.interval), Duration(endpoint.timeout)
    claim = endpoint.evidence is Evidence.CLAIM
    least = LEAST_OF_CLAIM if claim else LEAST_OF_SIGN_IN if endpoint.sign_in else LEAST_INTERVAL
    if interval < least and not (endpoint.pushed or endpoint.local):
        at = spot.first_of("interval", "name")
        message = f"every {interval} is too often: whoever is asked may ban this address"
        _note(problems, at, message, f"at least {Duration(least)}")
    if timeout >= interval:
        at = spot.first_of("timeout", "interval")
        message = f"a run may take {timeout}, but the next is due after {interval}"
        _note(problems, at, message, "timeout shorter than interval")
    retry = endpoint.retry_interval
    if retry is not None and retry > interval:
        at = spot.first_of("retry_interval", "interval")
        message = f"re-checks every {Duration(retry)} are slower than the interval of {interval}"
        _note(problems, at, message, "retry_interval at most interval")
    least = Duration(2 * interval + timeout)
    if endpoint.stale_after < least:
        message = f"{Duration(endpoint.stale_after)} is too short: one late run would make it stale"
        allowed = f"at least {least} (2 × interval + timeout)"
        _note(problems, spot.below("stale_after"), message, allowed)
    if endpoint.slow_after is not None and endpoint.slow_after >= timeout:
        message = f"no answer can be slower than {Duration(endpoint.slow_after)}"
        allowed = f"less than the timeout of {timeout}"
        _note(problems, spot.below("slow_after"), message, allowed)


def _parents(found: Sequence[Polled], problems: Problems) -> None:
    """Refuse dependencies on what is not an endpoint of a service."""
    known = [each.id for each in found if not each.id.startswith("witness/")]
    for each in found:
        for index, parent in enumerate(each.endpoint.depends_on if each.endpoint else ()):
            if parent not in known:
                _no_endpoint(each, each.spot.below("depends_on", index), parent, known, problems)


def _no_endpoint(
    of: Polled, at: NodePath, name: str, known: Iterable[str], problems: Problems
) -> None:
    sibling = f"{of.id.partition('/')[0]}/{name}"
    hint = sibling if sibling in known else meant(name, known)
    _note(problems, at, f"no endpoint {name!r}", "the id of an endpoint", hint)


def _explained(found: Sequence[Polled], problems: Problems) -> None:
    """Refuse causes that explain an unknown endpoint, or one that proves nothing."""
    known = {each.id: each.endpoint for each in found if not each.id.startswith("witness/")}
    proofs = (Evidence.SYMPTOM, Evidence.HEALTH)
    for each in found:
        explains = each.endpoint.explains if each.endpoint else None
        if each.endpoint and explains is not None and each.endpoint.evidence is not Evidence.CAUSE:
            message = f"its evidence is {each.endpoint.evidence}, which explains nothing"
            _note(problems, each.spot.below("explains"), message, "only with evidence: cause")
        for index, name in enumerate(explains or ()):
            at, explained = each.spot.below("explains", index), known.get(name)
            if name not in known:
                _no_endpoint(each, at, name, known, problems)
            elif explained and explained.evidence not in proofs:
                message = f"{name} is of evidence {explained.evidence}, and proves nothing"
                _note(problems, at, message, "endpoints of evidence symptom or health")


def pushed(found: Sequence[Polled], there: Sequence[str], problems: Problems) -> None:
    """Refuse pushed endpoints without a channel or with a shared one, and pushed witnesses."""
    tokens: dict[object, str] = {}
    for each in found:
        own = each.endpoint is not None and each.endpoint.pushed
        token = getattr(each.probe, "token", None) if own else None
        if token is not None and tokens.setdefault(token, each.id) != each.id:
            message = f"the token of {tokens[token]}: who may push to one could push to the other"
            _note(problems, each.spot.below("token"), message, "a token of its own")
        if each.endpoint and each.endpoint.pushed and each.endpoint.service == "witness":
            message = "a witness is our own eye, and what is pushed was seen by others"
            _note(problems, each.spot.below("type"), message, "a kind that looks for itself")
        for setting, section in getattr(each.probe, "needs", {}).items():
            if section not in there:
                message = f"nothing can come this way: the section `{section}` is absent or empty"
                _note(problems, each.spot.below(setting), message, f"`{section}:` in the file")


def _circles(found: Sequence[Polled], problems: Problems) -> None:
    """Refuse circles of dependencies, each once, in order."""
    parents = {each.id: each.endpoint.depends_on for each in found if each.endpoint}
    spots = {each.id: each.spot for each in found}
    done: set[str] = set()
    for start in parents:
        circle = _circle(start, parents, done)
        if circle:
            message = f"a circle: {' → '.join(circle)}"
            at = spots[circle[0]].below("depends_on")
            _note(problems, at, message, "dependencies that come to an end")


def _circle(start: str, parents: Mapping[str, tuple[str, ...]], done: set[str]) -> list[str]:
    """Walk up from `start`; return the circle met, its first member again at the end."""
    trail: list[str] = []
    todo = [(start, 0)]
    while todo:
        name, depth = todo.pop()
        del trail[depth:]
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            continue
        done.add(name)
        trail.append(name)
        todo += [(parent, depth + 1) for parent in reversed(parents.get(name, ()))]
    return []


def lamps(spot: NodePath, section: TowerSection, problems: Problems) -> None:
    """Refuse lamps that the preset lacks, and a tower without any."""
    names = one_of(colour.value for colour in section.colours).replace(" or ", " and ")
    for colour in section.lamps or ():
        if colour not in section.colours:
            at = spot.below("lamps").key(colour.value)
            _note(problems, at, f"{section.preset.value} has no {colour.value} lamp", names)
    if not section.lamps:
        _note(problems, spot.below("lamps"), "no lamp", f"at least one of {names}")


def tower(spot: NodePath, tower: Tower, problems: Problems) -> None:
    """Check what is wired, and warn of what is unusual."""
    _pins(spot, tower, problems)
    _on_death(spot, tower, problems)
    _quiet_hours(spot, tower, problems)
    _relay_without_power(spot, tower, problems)
    _missing_lamps(spot, tower, problems)


def _missing_lamps(spot: NodePath, tower: Tower, problems: Problems) -> None:
    """Warn what is not visible if a lamp of the preset is left out."""
    for colour in tower.colours:
        if colour not in tower.lamps:
            flags = colour in (Colour.BLUE, Colour.WHITE)
            allowed = "preset: tower-3" if flags else "a line for it"
            message = f"without a {colour.value} lamp nobody sees {UNSEEN[colour]}"
            _warn(problems, spot.below("lamps"), message, allowed)


def _used(tower: Tower) -> dict[tuple[str, ...], int]:
    """The line of each thing, by its path."""
    used: dict[tuple[str, ...], int] = {
        ("lamps", colour.value): pin for colour, pin in tower.lamps.items()
    }
    if tower.buzzer:
        used["buzzer", "pin"] = tower.buzzer.pin
    if tower.buttons.acknowledge is not None:
        used["buttons", "acknowledge"] = tower.buttons.acknowledge
    if tower.alive_relay is not None:
        used["alive_relay",] = tower.alive_relay
    return used


def _pins(spot: NodePath, tower: Tower, problems: Problems) -> None:
    """Refuse one line for two things; warn of lines of the Pi's header that have another use."""
    first: dict[int, tuple[str, ...]] = {}
    for steps, pin in _used(tower).items():
        at, before = spot.below(*steps), first.setdefault(pin, steps)
        if before != steps:
            name = path_text(("tower", *before))
            message = f"GPIO {pin} is used twice, first by {name} at {spot.below(*before).place}"
            _note(problems, at, message, "a line of its own")
        button = steps[0] == "buttons"  # to ground: a pull-up does no harm
        if pin in SPECIAL_PINS and not (button and pin in (2, 3)):
            message = f"GPIO {pin} {SPECIAL_PINS[pin]}"
            _warn(problems, at, message, "another line, such as 17, 22, 23, 24 or 27")


def _on_death(spot: NodePath, tower: Tower, problems: Problems) -> None:
    """Refuse a pattern of lamps that the tower lacks."""
    for colour in tower.on_death:
        if colour not in tower.lamps:
            message = f"{tower.preset.value} has no {colour.value} lamp"
            _note(problems, spot.below("on_death"), message, "lamps of this tower")


def _quiet_hours(spot: NodePath, tower: Tower, problems: Problems) -> None:
    """Refuse quiet hours that begin when they end."""
    hours = tower.buzzer and tower.buzzer.quiet_hours
    if hours:
        at = spot.below("buzzer", "quiet_hours")
        _begins(at, hours.begin, problems)
        if hours.begin == hours.end.replace("24:00", "00:00"):
            _note(problems, at, "quiet hours end when they begin", "two different times")


def maintenance(
    spot: NodePath, found: Sequence[MaintenanceSection], known: Sequence[str], problems: Problems
) -> None:
    """Refuse windows without length, and unknown services."""
    for index, window in enumerate(found):
        at = spot.below(index)
        _begins(at, window.begin, problems)
        if window.begin == window.end:
            text = 'two different times; a whole day is from "00:00" to "24:00"'
            _note(problems, at.below("to"), "it ends when it begins", text)
        _known(at, window.services, known, problems)


def _begins(spot: NodePath, begin: str, problems: Problems) -> None:
    if begin == "24:00":
        _note(problems, spot.below("from"), "24:00 is only an end", '"00:00" of the next day')


def attest(
    spot: NodePath, found: Sequence[Attestation], known: Sequence[str], problems: Problems
) -> None:
    """Refuse two attestations with one id, and unknown services."""
    first: dict[str, Position] = {}
    for index, item in enumerate(found):
        at = spot.below(index)
        name = at.first_of("id", "name")
        if not item.id:
            _note(problems, name, "no id can be made of this name", "give it an `id:`")
        _once(item.id, name, first, problems)
        _known(at, item.services, known, problems)


def _known(spot: NodePath, wanted: Sequence[str], known: Sequence[str], problems: Problems) -> None:
    for index, service in enumerate(wanted):
        if service not in known:
            at = spot.below("services", index)
            _note(problems, at, f"no service {service!r}", one_of(known), meant(service, known))


def mqtt(spot: NodePath, section: Mqtt, problems: Problems) -> None:
    """Refuse a password in the clear, and TLS settings that cannot work."""
    if section.password and not _private(section):
        message = f"the password would go unencrypted to {section.host}"
        allowed = "mqtts://, or allow_plain_password: true"
        _note(problems, spot.below("password"), message, allowed)
    if section.password and section.username is None:
        message = "a password without a user name is never sent"
        _note(problems, spot.below("password"), message, "username: beside it, or neither")
    if not section.encrypted:
        if section.tls != DEFAULT_TLS:
            _note(problems, spot.key("tls"), "mqtt:// does not use TLS", "mqtts://")
        return
    for path, message, allowed in section.tls.flaws():
        _note(problems, spot.below("tls", *path), message, allowed)


def _private(section: Mqtt) -> bool:
    """Whether a password sent to this broker is encrypted, or may be sent in the clear."""
    return section.encrypted or section.allow_plain_password or loopback(section.host)


def loopback(host: str) -> bool:
    """Whether a host is this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def looking_back(services: Iterable[tuple[NodePath, Sequence[Polled]]], problems: Problems) -> None:
    """Warn of services that have only lookback endpoints."""
    for spot, endpoints in services:
        found = [each.endpoint for each in endpoints if each.endpoint is not None]
        if found and all(endpoint.hindsight is not None for endpoint in found):
            message = (
                "this service has only log-based endpoints: it is blind while nobody signs in, "
                "and always late"
            )
            allowed = "a sign-in, or at least a health endpoint, beside them"
            problems.warn(spot.place, (*spot.path, "endpoints"), message, allowed)


def witnesses(spot: NodePath, found: Iterable[Polled], problems: Problems) -> None:
    """Warn of too few witnesses in other networks."""
    far = [w for w in found if w.endpoint and not w.endpoint.local]
    if len(far) < WITNESSES_WANTED:
        number = "only one witness that is" if far else "no witness that is"
        message = f"{number} not local: a lost network of our own cannot be told from an outage"
        place, path = spot.below("witnesses").place, (*spot.path, "witnesses")
        problems.warn(place, path, message, "at least two, in different networks")


def _relay_without_power(spot: NodePath, tower: Tower, problems: Problems) -> None:
    """Warn of a line that would hold the alive relay while the beacon is dead."""
    line = tower.alive_relay
    if line is None or (line > LAST_PULLED_UP) is tower.active_high:
        return
    pulled, allowed = ("down", "0 to 8") if line > LAST_PULLED_UP else ("up", "9 to 27")
    message = f"GPIO {line} is pulled {pulled} while nobody drives it: the relay would look alive"
    board = "high" if tower.active_high else "low"
    allowed = f"on a board that switches on at {board}: a line of {allowed}"
    _warn(problems, spot.below("alive_relay"), message, allowed)


def secrets_others_read(problems: Problems) -> None:
    """Warn of files that others may read, with the place of the first secret in each."""
    first: dict[str, tuple[Position, Steps]] = {}
    for place, path in problems.inline:
        first.setdefault(place.file, (place, path))
    for file, (place, path) in first.items():
        try:
            mode = Path(file).stat().st_mode & 0o777
        except OSError:  # a pipe, or gone since
            continue
        if mode & 0o077:
            message = f"a secret in a file that others may read or change (mode {mode:04o})"
            problems.warn(
                place, path, message, "written as !secret name, the value in secrets.yaml"
            )


def open_to_others(spot: NodePath, web: WebSection | None, problems: Problems) -> None:
    """Warn of an unencrypted port that other machines can reach."""
    if web is not None and not loopback(web.bind.host):
        message = "tokens would come unencrypted from other machines"
        allowed = "127.0.0.1, behind a reverse proxy with TLS"
        _warn(problems, spot.below("web", "bind"), message, allowed)
