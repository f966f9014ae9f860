"""A small part of the study of malformed files: nothing dies, hangs or swells; a bundle refuses every one."""

from pathlib import Path

import numpy as np
import pytest

from edgepress.benchmarks.studies.malformed import KINDS, MEMORY_MB, mutated, outcome
from edgepress.runtime import ArtifactRefusedError, InputError, load

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("name", ["digits-int8.tflite", "conv.tflite", "digits-int8.onnx"])
def test_no_malformed_file_kills_its_caller(name, tmp_path):
    content, path = (GOLDEN / name).read_bytes(), tmp_path / name
    with load(GOLDEN / name) as model:
        spec = model.artifact.inputs[0]
        x = np.ones((1, *spec.shape[1:]), spec.dtype)
        expected, backend = model.run(x), model.backend
    # A forked child begins with what its parent holds, and that depends on the tests before.
    itself = outcome(GOLDEN / name, expected, x, backend)
    assert itself["outcome"] == "same"
    seen = []
    for kind in KINDS:
        for seed in range(10_000, 10_010):
            path.write_bytes(mutated(content, kind, seed))
            seen.append(outcome(path, expected, x, backend))
    assert {row["outcome"] for row in seen} <= {"same", "different", "refused"}
    assert any(row["outcome"] == "refused" for row in seen)
    assert max(row["peak_mb"] for row in seen) - itself["peak_mb"] < MEMORY_MB


@pytest.mark.parametrize(("kind", "seed"), [("spliced", 234), ("oversized", 268), ("flipped", 764)])
def test_names_that_are_no_text_are_refused(kind, seed, tmp_path):
    # ONNX Runtime loads these and fails with UnicodeDecodeError when it is asked for their names.
    path = tmp_path / "digits-int8.onnx"
    path.write_bytes(mutated((GOLDEN / path.name).read_bytes(), kind, seed))
    with pytest.raises(InputError, match="UTF-8"):
        load(path)


def test_a_bundle_refuses_every_one(bundle_of):
    folder = bundle_of("digits-int8.tflite")
    path = folder / "digits-int8.tflite"
    content = path.read_bytes()
    for kind in KINDS:
        for seed in range(100):
            changed = mutated(content, kind, seed)
            if changed != content:
                path.write_bytes(changed)
                with pytest.raises(ArtifactRefusedError, match="SHA-256"):
                    load(folder)
