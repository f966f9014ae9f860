import jsonschema
import pytest

from edgepress.runtime import Artifact, Manifest, Picture
from edgepress.runtime.serve.api.openapi import document
from edgepress.runtime.serve.api.routes import OPERATIONS

ARTIFACT = Artifact("m-int8.tflite", "m", "tflite", "int8", "0" * 64, 1, (), ())
MANIFEST = Manifest("m", tuple("abc"), Picture(4, 5), "logits", (ARTIFACT,), "m")


def resolved(value, root):
    """`value` with every reference replaced by what it refers to."""
    if isinstance(value, dict):
        if "$ref" in value:
            target = root
            for part in value["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            return resolved(target, root)
        return {key: resolved(item, root) for key, item in value.items()}
    return [resolved(item, root) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("manifest", [MANIFEST, Manifest("c", (), Picture(4, 5, 3), "raw", (ARTIFACT,), "m")])
def test_references_resolve_and_examples_fit_their_schemas(manifest):
    root = document(OPERATIONS, manifest, needs_key=True)
    examples = 0
    for path in resolved(root["paths"], root).values():
        for operation in path.values():
            contents = [operation.get("requestBody", {}).get("content", {})]
            contents += [response["content"] for response in operation["responses"].values()]
            for content in contents:
                for described in content.values():
                    jsonschema.Draft202012Validator.check_schema(described["schema"])
                    if "example" in described:
                        jsonschema.validate(described["example"], described["schema"])
                        examples += 1
    assert examples > 5


def test_every_operation_is_described_and_those_with_the_key_say_so():
    root = document(OPERATIONS, MANIFEST, needs_key=True)
    for operation in OPERATIONS:
        described = root["paths"][operation.path][operation.method.lower()]
        assert described["summary"].endswith(".")
        assert ("security" in described) == (not operation.open) == ("401" in described["responses"])
    assert "401" not in document(OPERATIONS, MANIFEST, needs_key=False)["paths"]["/v1/predict"]["post"]["responses"]
