"""The schema says what the loader accepts: same keys, same words, same defaults."""

import json
import re

import pytest

from beacon import probes
from beacon.config.decoder import specs
from beacon.config.file_schema import EndpointSection, FileSection, WitnessSection
from beacon.config.json_schema import schema_json
from beacon.core.indication import Colour


@pytest.fixture(scope="module")
def schema(kinds):
    return json.loads(schema_json(**kinds))


def test_the_root_has_every_section(schema):
    assert schema["$schema"].startswith("http://json-schema.org/draft-07")
    assert list(schema["properties"]) == list(specs(FileSection))
    assert schema["required"] == ["site", "services"]
    assert schema["additionalProperties"] is False


def test_every_object_is_closed_or_open_on_purpose(schema):
    def walk(node):
        if isinstance(node, dict):
            if "properties" in node and "allOf" not in node and "if" not in node:
                yield node
            for key, below in node.items():
                if key != "if":
                    yield from walk(below)
        elif isinstance(node, list):
            for below in node:
                yield from walk(below)

    found = list(walk(schema))
    assert len(found) > 10
    assert all("additionalProperties" in node for node in found)


@pytest.mark.parametrize(
    ("word", "section"), [("endpoint", EndpointSection), ("witness", WitnessSection)]
)
def test_each_kind_of_probe_has_its_own_keys(schema, kinds, word, section):
    definitions = schema["$defs"]
    assert [rule["then"]["$ref"] for rule in definitions[word]["allOf"]] == [
        f"#/$defs/{word}_{kind}" for kind in kinds["registry"].kinds()
    ]
    for kind in kinds["registry"].kinds():
        keys = {**specs(section), **specs(kinds["registry"].load(kind))}
        found = definitions[f"{word}_{kind}"]
        assert set(found["properties"]) == set(keys)
        assert found["properties"]["type"]["const"] == kind
        assert found["required"] == [key for key, spec in keys.items() if spec.required]


def test_every_reference_leads_somewhere(schema):
    for name in re.findall(r'"#/\$defs/([^"]+)"', json.dumps(schema)):
        assert name in schema["$defs"]


def test_types_descriptions_and_defaults(schema):
    tower = schema["properties"]["tower"]["properties"]
    assert tower["driver"] == {
        "enum": ["auto", "lgpio", "mock"],
        "description": "what moves the pins; auto: lgpio on a Pi, else mock",
        "default": "auto",
    }
    assert tower["active_high"]["default"] is True
    assert tower["on_death"]["default"] == "dark"
    lamps = tower["lamps"]["anyOf"][0]
    assert lamps["propertyNames"]["enum"] == [colour.value for colour in Colour]
    assert lamps["additionalProperties"]["maximum"] == 27
    defaults = schema["properties"]["defaults"]["properties"]
    assert defaults["recovery_hold"]["default"] == "15m"
    assert defaults["retry_interval"]["anyOf"][1] == {"type": "null"}
    quiet = tower["buzzer"]["anyOf"][0]["properties"]["quiet_hours"]["anyOf"][0]
    assert set(quiet["properties"]) == {"from", "to", "time_zone"}
    http = schema["$defs"]["endpoint_http"]["properties"]
    assert http["url"]["description"] == "what is fetched"
    assert http["url"]["format"] == "uri"
    assert http["json"] == {}
    assert http["share"]["exclusiveMinimum"] == 0
    assert http["expect"]["properties"]["status"]["anyOf"][2]["type"] == "array"
    assert schema["$defs"]["service"]["properties"]["endpoints"]["minItems"] == 1
    endpoints = schema["$defs"]["service"]["properties"]["endpoints"]["items"]
    assert endpoints["$ref"] == "#/$defs/endpoint"
    mqtt = schema["properties"]["mqtt"]["anyOf"][0]["properties"]
    assert mqtt["commands"]["default"] == ["acknowledge", "silence", "lamp_test"]


def test_the_real_kinds_have_a_schema():
    found = json.loads(schema_json(registry=probes))
    assert {f"endpoint_{kind}" for kind in probes.kinds()} <= set(found["$defs"])


@pytest.mark.parametrize("kind", probes.kinds())
def test_no_kind_has_a_key_that_every_endpoint_has(kind):
    common = set(specs(EndpointSection)) | set(specs(WitnessSection))
    both = {"code_lifetime"}  # given once, read by the judgement and by what waits for the code
    assert common & set(specs(probes.load(kind))) <= both
