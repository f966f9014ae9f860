"""Models that the `onnx` package ships for its own tests: each loads, runs and is described, or is refused cleanly."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgepress.export import describe
from edgepress.runtime import InputError, load

DATA = Path(onnx.__file__).parent / "backend/test/data"
MODELS = sorted(DATA.rglob("model.onnx"))


def tensors(folder, kind):
    files = sorted(folder.glob(f"test_data_set_0/{kind}_*.pb"), key=lambda file: int(file.stem.split("_")[1]))
    return [numpy_helper.to_array(onnx.TensorProto.FromString(file.read_bytes())) for file in files]


def answers_as_expected(path):
    """False where this onnxruntime has no kernel for the model's operators."""
    try:
        model = load(path)
    except InputError as error:
        refusal = str(error)
    else:
        refusal = None
    if refusal is not None:
        assert "onnxruntime cannot load the model" in refusal
        return False
    with model:
        inputs, expected = tensors(path.parent, "input"), tensors(path.parent, "output")
        outputs = model.run(inputs if len(inputs) != 1 else inputs[0])
    outputs = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
    for output, wanted in zip(outputs, expected, strict=True):
        if wanted.dtype.kind in "fiu":
            np.testing.assert_allclose(output, wanted, rtol=1e-3, atol=1e-5)
        else:
            assert output.tolist() == wanted.tolist()
    return True


def test_models_of_the_onnx_package():
    ran = [path.parent.name for path in MODELS if answers_as_expected(path)]
    assert len(ran) >= len(MODELS) // 2, f"only {ran} ran"


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.name)
def test_their_structure_is_read(path):
    assert describe(path).operators
