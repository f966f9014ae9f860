"""Files that this project's exporter did not make."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from onnx_models import of_a_shared_weight

from edgepress.runtime import InputError, load
from edgepress.runtime.backends.isolated import IsolatedSession

GOLDEN = Path(__file__).parents[2] / "golden"


def test_convolutions_classify(digits):
    with load(GOLDEN / "conv.tflite") as model:
        prediction = model.predict(np.random.default_rng(0).random((70, 8, 8)).astype(np.float32))
        assert prediction.probabilities.shape == (70, 3)
        np.testing.assert_allclose(prediction.probabilities.sum(axis=1), 1, atol=1e-5)
        assert prediction.labels[0] in ("0", "1", "2")
        with pytest.raises(InputError, match="does not say how pixels become its input"):
            model.predict(np.zeros((8, 8), np.uint8))


def test_quantized_depthwise_runs():
    with load(GOLDEN / "depthwise.tflite") as model:
        x = np.random.default_rng(0).random((5, 8, 8, 3)).astype(np.float32)
        whole = model.run(x)
        assert whole.shape == (5, 3)
        np.testing.assert_allclose(model.run(x[:1]), whole[:1], atol=1e-6)


def test_numpy_crops_pictures_as_litert_does():
    x = np.random.default_rng(0).integers(-128, 128, (40, 8, 8, 1)).astype(np.int8)
    answers = []
    for backend in ("litert", "numpy"):
        with load(GOLDEN / "cropped.tflite", backend=backend, delegate=False) as model:
            answers.append(model.run(x))
    assert np.array_equal(*answers)
    with load(GOLDEN / "cropped.tflite", backend="numpy") as model:
        x[:, 1:6, 2:] = 0
        assert np.unique(model.run(x), axis=0).shape == (1, 3)


def test_shapes_that_are_computed_run_apart():
    with load(GOLDEN / "normalized.tflite") as model:
        assert isinstance(model._session, IsolatedSession)
        x = np.random.default_rng(0).random((5, 4, 6)).astype(np.float32)
        whole = model.run(x)
        assert whole.shape == (5, 3)
        np.testing.assert_allclose(model.run(x[:1]), whole[:1], atol=1e-5)


def test_lstm_of_fixed_batch_runs():
    with load(GOLDEN / "lstm.tflite") as model:
        x = np.ones((1, 5, 4), np.float32)
        first = model.run(x)
        # The cell keeps its state from call to call, as the file says; a fresh one starts where this one did.
        assert not np.array_equal(model.run(x), first)
    with load(GOLDEN / "lstm.tflite") as model:
        assert np.array_equal(model.run(x), first)
        with pytest.raises(InputError, match=r"\(1, 5, 4\) is allowed"):
            model.run(np.ones((2, 5, 4), np.float32))


def test_several_inputs_and_outputs_go_by_name_and_by_order():
    with load(GOLDEN / "two-inputs.tflite") as model:
        left, right = np.ones((6, 4), np.float32), np.zeros((6, 3), np.float32)
        by_name = model.run({"right": right, "left": left})
        assert set(by_name) == {"sum", "gate"}
        assert by_name["sum"].shape == (6, 2)
        names = [spec.name for spec in model.artifact.inputs]
        by_order = model.run([{"left": left, "right": right}[name] for name in names])
        assert np.array_equal(by_order["gate"], by_name["gate"])
        with pytest.raises(InputError, match="takes 2"):
            model.run([left])
        with pytest.raises(InputError, match="does not say what its outputs mean: use run"):
            model.predict(left)


def test_numpy_refuses_what_is_not_dense():
    with pytest.raises(InputError, match="dense models, and this one has CONV_2D"):
        load(GOLDEN / "conv.tflite", backend="numpy")


def test_an_old_converters_file_runs_in_litert_and_in_numpy():
    """TensorFlow Lite Micro's sine, converted in 2020."""
    folder = importlib.util.find_spec("tflite_micro").submodule_search_locations[0]
    (file,) = Path(folder).rglob("sine_float.tflite")
    x = np.linspace(0, 2 * np.pi, 50, dtype=np.float32)[:, None]
    answers = []
    for backend in ("litert", "numpy"):
        with load(file, backend=backend) as model:
            answers.append(model.run(x))
    np.testing.assert_allclose(answers[0], np.sin(x), atol=0.2)
    np.testing.assert_allclose(*answers, atol=1e-5)


@pytest.mark.parametrize("file", ["packed-250x.tflite.xz", "packed-200x.tflite.xz"])
def test_packed_two_bit_weights_run_in_litert_and_in_numpy(file, digits):
    images, labels = (each[:500] for each in digits)
    for backend in ("litert", "numpy"):
        with load(Path(__file__).parents[3] / "docs" / "frontier" / file, backend=backend) as model:
            assert np.mean(model.predict(images).indices == labels) > 0.97, backend


@pytest.mark.parametrize("outputs", [["label", "probabilities"], ["probabilities"]])
@pytest.mark.parametrize("isolate", [False, True])
def test_scores_by_label_are_columns(outputs, isolate, tmp_path):
    """What scikit-learn's classifiers end with: a map for each row, whose labels ONNX Runtime sorts."""
    import onnx
    from onnx import TensorProto, helper

    ml = {"domain": "ai.onnx.ml"}
    linear = helper.make_node(
        "LinearClassifier", ["x"], ["label", "scores"], classlabels_ints=[9, 3], coefficients=[1.0, 0, 0, 1],
        intercepts=[0.0, 0.0], post_transform="SOFTMAX", **ml,
    )  # fmt: skip
    named = helper.make_node("ZipMap", ["scores"], ["probabilities"], classlabels_int64s=[9, 3], **ml)
    number = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    maps = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.INT64, number))
    kinds = {
        "label": helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        "probabilities": helper.make_value_info("probabilities", maps),
    }
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    graph = helper.make_graph([linear, named], "rows", [x], [kinds[name] for name in outputs])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "rows.onnx")
    rows = np.array([[0.0, 1.0], [2.0, 0.0], [5.0, 5.0]], np.float32)
    scores = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
    with load(tmp_path / "rows.onnx", isolate=isolate) as model:
        found = model.run(rows)
    if len(outputs) == 2:
        np.testing.assert_array_equal(found["label"], [3, 9, 9])
        found = found["probabilities"]
    np.testing.assert_allclose(found, scores[:, ::-1], atol=1e-6)


def test_a_signed_weight_that_several_operators_share(tmp_path):
    # Beyond 64 the library makes signed weights unsigned for the sake of precision, once for each operator.
    weight = np.random.default_rng(0).integers(-127, 128, (4, 4))
    of_a_shared_weight(tmp_path / "shared.onnx", weight, scale=0.004)
    x = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)
    with load(tmp_path / "shared.onnx", backend="onnxruntime") as model:
        found = model.run(x)
    wanted = x @ (0.004 * weight) @ (0.004 * weight)
    np.testing.assert_allclose(found, wanted, atol=0.15)
