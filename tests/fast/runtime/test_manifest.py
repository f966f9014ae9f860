"""The manifest survives a round trip and refuses what it does not know."""

import json
from importlib.resources import files

import jsonschema
import pytest

from edgepress.runtime import Artifact, Contract, Embedded, InputError, Manifest, Picture, Task, TensorSpec
from edgepress.runtime.contract import KINDS, Audio, Features, Signal, Tensor
from edgepress.runtime.tasks.task import TASKS as TASK_KINDS


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
        "contract": Contract({"x": Picture(28, 28)}, {"by": "stated", "why": "pixels/255"}),
        "task": Task("multiclass", "logits", tuple("0123456789")),
        "artifacts": (artifact,),
        "default_model": "pressed",
    }
    return Manifest(**(fields | changes))


def test_round_trip():
    original = manifest()
    assert Manifest.from_json(original.to_json()) == original


def test_keras_files_take_numbers_that_export_scales():
    scaled = Features(("a", "b"), mean=(1e5, 0.5), std=(600.0, 0.1))
    models = {"m": {"standardized": {"x": {"mean": [], "std": [], "spans": 1000.0}}}}
    made = manifest(contract=Contract({"x": scaled, "y": scaled}), source={"models": models})
    again = Manifest.from_json(made.to_json())
    assert again.keras_contract.inputs == {"x": Features(("a", "b")), "y": scaled}
    assert again.contract.inputs["x"] == scaled
    assert manifest().keras_contract == manifest().contract


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
    parts = (
        data, data["contract"], data["contract"]["inputs"][0], data["task"], data["artifacts"][0],
        data["artifacts"][0]["inputs"][0],
    )  # fmt: skip
    for part in parts:
        part["swirl"] = {"of": 1}
    assert Manifest.from_json(json.dumps(data)) == manifest()
    embedded = json.loads(Embedded(manifest().contract, manifest().task).to_json())
    embedded["swirl"] = embedded["contract"]["inputs"][0]["swirl"] = embedded["task"]["swirl"] = 1
    assert Embedded.from_json(json.dumps(embedded)).task == manifest().task


def test_a_folder_without_a_manifest(tmp_path):
    with pytest.raises(InputError, match=r"holds no manifest\.json"):
        Manifest.read(tmp_path)


INPUTS = (
    Picture(32, 24, "bgr", mean=(103.9, 116.8, 123.7), std=(1.0, 1.0, 1.0)),
    Features(("area", "city"), ("m2", ""), {"city": ("Paris", "Rome")}, {"area": 70.0}, (1.0, 0.5), (2.0, 0.5)),
    Signal(128, ("x", "y", "z"), rate=50.0),
    Audio(16000, 16000, "loudest", True),
    Tensor((-1, 40), "int32"),
)
TASKS = (
    Task("multiclass", "probabilities", ("a", "b", "c"), unknown_threshold=0.5),
    Task("binary", "logits", ("no", "yes")),
    Task("multilabel", "probabilities", ("a", "b"), threshold=0.4),
    Task("regression", "values", ("price",), ("EUR",), (10.0,), (2.0,)),
    Task("anomaly", "reconstruction", threshold=12.5),
    Task("raw", "raw"),
)


def published_schema():
    return json.loads(files("edgepress.runtime.bundle").joinpath("manifest.schema.json").read_text())


@pytest.mark.parametrize("each", INPUTS, ids=lambda each: each.kind)
def test_the_published_schema_describes_every_kind_of_input(each):
    original = manifest(contract=Contract({"x": each, "x2": each}, {"by": "model"}), bounds={"int8": 2.0})
    jsonschema.validate(json.loads(original.to_json()), published_schema())
    assert Manifest.from_json(original.to_json()) == original
    (described,) = (
        kind["properties"]
        for kind in published_schema()["$defs"]["input"]["oneOf"]
        if kind["properties"]["kind"]["const"] == each.kind
    )
    assert set(described) == {"name", *each.to_dict()}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_the_published_schema_describes_every_task(task):
    original = manifest(task=task)
    jsonschema.validate(json.loads(original.to_json()), published_schema())
    assert Manifest.from_json(original.to_json()) == original


def test_no_kind_and_no_task_is_left_out():
    assert {each.kind for each in INPUTS} == set(KINDS)
    assert {task.kind for task in TASKS} == set(TASK_KINDS)
    described = published_schema()["properties"]["task"]["properties"]
    assert set(described) == set(Task._fields)
    assert described["kind"]["enum"] == list(TASK_KINDS)


def test_the_published_schema_describes_what_is_written():
    schema = published_schema()
    jsonschema.validate(json.loads(manifest().to_json()), schema)
    for described, type_ in ((schema, Manifest), (schema["$defs"]["artifact"], Artifact)):
        assert set(described["properties"]) == set(type_._fields)
    assert set(schema["$defs"]["tensor"]["properties"]) == set(TensorSpec._fields)
