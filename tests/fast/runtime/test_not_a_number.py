"""NaN and infinity are an error for every kind of input and every task, and never a label."""

import numpy as np
import pytest
from bundles import golden, write_bundle

from edgepress.runtime import Contract, InputError, Picture, Task, load
from edgepress.runtime.bundle.manifest import TensorSpec
from edgepress.runtime.contract import Audio, Features, Signal, Tensor
from edgepress.runtime.encoding import encoder_of

KINDS = {
    "picture": (Picture(28, 28), (28, 28)),
    "features": (Features(tuple(f"x{i}" for i in range(784))), (784,)),
    "signal": (Signal(112, tuple("abcdefg")), (112, 7)),
    "audio": (Audio(784, 784), (784,)),
    "tensor": (Tensor((784,)), (784,)),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", ["digits-float32.tflite", "digits-int8.tflite"])
def test_as_an_input(tmp_path, kind, value, file):
    contract, shape = KINDS[kind]
    folder = write_bundle(tmp_path / "bundle", golden(file), contract=Contract({"image": contract}))
    x = np.zeros((2, *shape), np.float32)
    x[1].reshape(-1)[5] = value
    with load(folder, variant=file.partition("-")[2].partition(".")[0]) as model:
        assert len(model.predict(x[:1])) == 1
        for given in (x, x[1], x[1:]):
            with pytest.raises(InputError, match="NaN or infinity"):
                model.predict(given)


def test_as_a_missing_column():
    spec = TensorSpec("x", (-1, 2), "float32")
    encoder = encoder_of(spec, Features(("a", "b"), missing={"b": 7.0}))
    assert encoder.rows([{"a": 1.0, "b": float("nan")}]).tolist() == [[1.0, 7.0]]
    with pytest.raises(InputError, match="'a' has no value"):
        encoder.rows([{"a": float("nan"), "b": 2.0}])


@pytest.mark.parametrize(
    "task",
    [
        Task("multiclass", "logits", tuple("0123456789")),
        Task("multilabel", "logits", tuple("0123456789")),
        Task("regression", "values", tuple("0123456789")),
        Task("raw", "raw"),
    ],
    ids=lambda task: task.kind,
)
def test_as_an_output(tmp_path, task):
    """Numbers so large that float32 overflows inside the model."""
    contract = Contract({"image": Features(tuple(f"x{i}" for i in range(784)))})
    folder = write_bundle(tmp_path / "bundle", golden("digits-float32.tflite"), contract=contract, task=task)
    x = np.full((1, 784), 3e38, np.float32)
    x[0, ::2] = -3e38
    with load(folder, variant="float32") as model:
        assert len(model.predict(np.zeros((1, 784), np.float32))) == 1
        with pytest.raises(InputError, match="NaN or infinity"):
            model.predict(x)
