"""The manifest survives a round trip and refuses what it does not know."""

import json
from importlib.resources import files

import jsonschema
import pytest

from edgepress.runtime import Artifact, Embedded, InputError, Manifest, Picture, TensorSpec


def manifest(**changes):
    artifact = Artifact(
        file="pressed-int8.tflite",
        model="pressed",
        format="tflite",
        variant="int8",
        sha256="0" * 64,
        bytes=1234,
        inputs=(TensorSpec("x", (-1, 784), "int8", 1 / 255, -128),),
        outputs=(TensorSpec("y", (-1, 10), "int8", 0.2, 3),),
    )
    fields = {
        "name": "mnist",
        "labels": tuple("0123456789"),
        "preprocessing": Picture(28, 28),
        "output": "logits",
        "artifacts": (artifact,),
        "default_model": "pressed",
    }
    return Manifest(**(fields | changes))


def test_round_trip():
    original = manifest()
    assert Manifest.from_json(original.to_json()) == original


def test_a_newer_schema_is_refused_by_name():
    data = json.loads(manifest().to_json()) | {"schema": 99}
    with pytest.raises(InputError, match=r"schema 99.*update edgepress"):
        Manifest.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"schema": 1}', b"\xff\xfe"])
def test_what_is_no_manifest_is_refused_in_one_line(text):
    with pytest.raises(InputError, match="manifest") as caught:
        Manifest.from_json(text)
    assert "\n" not in str(caught.value)


def test_an_artifact_cannot_reach_outside_the_bundle():
    inside = manifest().artifacts[0]
    text = manifest().to_json().replace(json.dumps(inside.file), json.dumps("../../etc/passwd"))
    with pytest.raises(InputError, match="plain file name"):
        Manifest.from_json(text)


def test_what_a_later_writer_of_the_same_schema_adds_is_ignored():
    data = json.loads(manifest().to_json())
    for part in (data, data["preprocessing"], data["artifacts"][0], data["artifacts"][0]["inputs"][0]):
        part["swirl"] = {"of": 1}
    assert Manifest.from_json(json.dumps(data)) == manifest()
    embedded = json.loads(Embedded(("a",), "logits", manifest().preprocessing).to_json())
    embedded["swirl"] = embedded["preprocessing"]["swirl"] = 1
    assert Embedded.from_json(json.dumps(embedded)).labels == ("a",)


def test_a_folder_without_a_manifest(tmp_path):
    with pytest.raises(InputError, match=r"holds no manifest\.json"):
        Manifest.read(tmp_path)


def test_the_published_schema_describes_what_is_written():
    schema = json.loads(files("edgepress.runtime.bundle").joinpath("manifest.schema.json").read_text())
    jsonschema.validate(json.loads(manifest().to_json()), schema)
    for described, type_ in ((schema, Manifest), (schema["$defs"]["artifact"], Artifact)):
        assert set(described["properties"]) == set(type_._fields)
    assert set(schema["$defs"]["tensor"]["properties"]) == set(TensorSpec._fields)
