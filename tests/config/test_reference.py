"""docs/configuration.md names every key, with its meaning and its default, and no others."""

import re
from pathlib import Path

import pytest

from beacon.config.decoder import Spec, metas, specs
from beacon.config.file_schema import (
    AttestSection,
    Defaults,
    EndpointSection,
    FileSection,
    MaintenanceSection,
    MqttSection,
    PolledSection,
    ServiceSection,
    WebSection,
)
from beacon.config.json_schema import written
from beacon.config.schema import Buttons, Buzzer, Discovery, QuietHoursSetting, TowerSection
from beacon.config.tls import TlsPolicy

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
OWN = {key: spec for key, spec in specs(EndpointSection).items() if key not in specs(PolledSection)}
TABLES = {
    "file": specs(FileSection),
    "tower": specs(TowerSection),
    "tower.buzzer": specs(Buzzer),
    "tower.buzzer.quiet_hours": specs(QuietHoursSetting),
    "tower.buttons": specs(Buttons),
    "mqtt": specs(MqttSection),
    "mqtt.tls": specs(TlsPolicy),
    "mqtt.discovery": specs(Discovery),
    "web": specs(WebSection),
    "defaults": specs(Defaults),
    "maintenance": specs(MaintenanceSection),
    "attest": specs(AttestSection),
    "services": specs(ServiceSection),
    "endpoints and witnesses": specs(PolledSection),
    "endpoints": OWN,
}


def row(key: str, spec: Spec) -> str:
    """One line of the reference."""
    meaning = next(meta.description for meta in metas(spec.kind) if meta.description)
    return f"| `{key}` | {meaning} | {default(spec)} |"


def default(spec: Spec) -> str:
    if spec.required:
        return "required"
    defaults = [m.extra_json_schema["default"] for m in metas(spec.kind) if m.extra_json_schema]
    value = defaults[0] if defaults else written(spec.default)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`" if value else "–"
    return "–" if value in (None, "", ()) else f"`{value}`"


@pytest.mark.parametrize("name", TABLES)
def test_the_table_of_a_section_is_complete_and_true(name):
    page = PAGE.read_text()
    found = re.search(rf"<!-- keys of {re.escape(name)} -->\n((?:\|.*\n)*)", page)
    assert found, f"no table marked `<!-- keys of {name} -->`"
    wanted = "".join(row(key, spec) + "\n" for key, spec in TABLES[name].items())
    assert found[1] == "| key | meaning | default |\n|---|---|---|\n" + wanted
