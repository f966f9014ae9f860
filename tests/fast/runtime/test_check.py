"""Lone files of unknown origin: sound ones pass, damaged ones are refused in Python, the unknown is isolated."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgepress.runtime import ArtifactRefusedError, InputError, load
from edgepress.runtime.backends.isolated import IsolatedSession
from edgepress.runtime.formats.check_onnx import check_onnx
from edgepress.runtime.formats.check_operators import check_operator
from edgepress.runtime.formats.check_tflite import check_tflite
from edgepress.runtime.formats.tflite_file import Operator, Subgraph, Tensor

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.mark.parametrize(
    "name",
    [
        "digits-int8", "digits-float32", "digits-float16", "digits-dynamic-int8", "conv", "depthwise", "two-inputs",
        "cropped",
    ],
)  # fmt: skip
def test_sound_files_are_vouched_for(name):
    model, vouched = check_tflite((GOLDEN / f"{name}.tflite").read_bytes())
    assert vouched
    assert model.main.operators


def test_unknown_operators_need_isolation():
    assert not check_tflite((GOLDEN / "lstm.tflite").read_bytes())[1]
    with load(GOLDEN / "lstm.tflite") as model:
        assert isinstance(model._session, IsolatedSession)
    with load(GOLDEN / "conv.tflite") as model:
        assert not isinstance(model._session, IsolatedSession)


def test_every_cut_is_refused():
    content = (GOLDEN / "digits-int8.tflite").read_bytes()
    for length in range(8, len(content), 97):
        with pytest.raises((ArtifactRefusedError, InputError)):
            check_tflite(content[:length])


def changed(content, old, new):
    assert content.count(old) >= 1
    return content.replace(old, new, 1)


def test_damage_is_named():
    content = (GOLDEN / "digits-float32.tflite").read_bytes()
    shape = struct.pack("<3i", 2, 16, 784)
    with pytest.raises(ArtifactRefusedError, match="bytes has"):
        check_tflite(changed(content, shape, struct.pack("<3i", 2, 16, 785)))
    with pytest.raises(ArtifactRefusedError, match="at once"):
        check_tflite(changed(content, struct.pack("<3i", 2, 1, 784), struct.pack("<3i", 2, 1 << 20, 784)))
    with pytest.raises(ArtifactRefusedError):
        check_tflite(content[:4] + b"TFL3" + b"\xff" * 64 + content[72:])
    quantized = (GOLDEN / "digits-int8.tflite").read_bytes()
    scale = struct.pack("<f", 0.003921568859368563)
    with pytest.raises(ArtifactRefusedError, match="scale"):
        check_tflite(changed(quantized, scale, struct.pack("<f", np.nan)))


def test_a_slice_that_does_not_fit_is_named():
    content = (GOLDEN / "cropped.tflite").read_bytes()
    ends = struct.pack("<4i", 0, -2, 0, 0)
    with pytest.raises(ArtifactRefusedError, match="STRIDED_SLICE"):
        check_tflite(changed(content, ends, struct.pack("<4i", 0, -1, 0, 0)))
    strides = struct.pack("<4i", 1, 1, 1, 1)
    with pytest.raises(ArtifactRefusedError, match="strides"):
        check_tflite(changed(content, strides, struct.pack("<4i", 1, -1, 1, 1)))


def test_a_scale_next_to_nothing_needs_isolation():
    content = (GOLDEN / "depthwise.tflite").read_bytes()
    model, vouched = check_tflite(content)
    (scale,) = next(tensor for tensor in model.main.tensors if tensor.dtype == "int8" and not tensor.is_constant).scales
    tiny = changed(content, struct.pack("<f", scale), struct.pack("<f", 1e-40))
    assert (vouched, check_tflite(tiny)[1]) == (True, False)


def test_an_input_that_is_left_out_is_named():
    content = (GOLDEN / "conv.tflite").read_bytes()
    with pytest.raises(ArtifactRefusedError, match="RESHAPE has 2 inputs"):
        check_tflite(changed(content, struct.pack("<3i", 2, 6, 2), struct.pack("<3i", 2, 6, -1)))


def onnx_model(nodes, initializers=(), shape=("n", 4)):
    onnx = pytest.importorskip("onnx")
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "g", [info("x", 1, shape)], [info("y", 1, None)], initializer=list(initializers)
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def test_onnx_is_vouched_for_by_its_operators():
    from onnx import helper, numpy_helper

    assert check_onnx((GOLDEN / "digits-int8.onnx").read_bytes())
    assert check_onnx((GOLDEN / "digits-float32.onnx").read_bytes())
    assert check_onnx(onnx_model([helper.make_node("Relu", ["x"], ["y"])]).SerializeToString())
    erf = onnx_model([helper.make_node("Erf", ["x"], ["y"])]).SerializeToString()
    assert not check_onnx(erf)
    column = numpy_helper.from_array(np.ones((4, 1), np.float32), "c")
    row = numpy_helper.from_array(np.ones((1, 4), np.float32), "r")
    nodes = [helper.make_node("MatMul", ["c", "r"], ["m"]), helper.make_node("MatMul", ["x", "m"], ["y"])]
    assert not check_onnx(onnx_model(nodes, [column, row]).SerializeToString())
    with pytest.raises(ArtifactRefusedError, match="parsed"):
        check_onnx(b"\xff" * 40)


def test_onnx_that_reaches_for_files_is_refused():
    from onnx import TensorProto, helper

    tensor = TensorProto(name="w", data_type=1, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    content = onnx_model([helper.make_node("Add", ["x", "w"], ["y"])], [tensor]).SerializeToString()
    with pytest.raises(ArtifactRefusedError, match="another file"):
        check_onnx(content)


def test_an_onnx_memory_bomb_is_an_exception(tmp_path):
    from onnx import helper, numpy_helper

    size = numpy_helper.from_array(np.array([1 << 29], np.int64), "s")
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["b"]), helper.make_node("Add", ["x", "b"], ["y"])]
    path = tmp_path / "bomb.onnx"
    path.write_bytes(onnx_model(nodes, [size], shape=(1,)).SerializeToString())
    with pytest.raises(InputError), load(path) as model:
        model.run(np.zeros(1, np.float32))


def test_an_onnx_loop_without_end_is_an_exception(tmp_path, monkeypatch):
    from onnx import helper, numpy_helper

    from edgepress.runtime.backends import isolated

    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["k"]), helper.make_node("Identity", ["v"], ["w"])],
        "body",
        [info("i", 7, ()), info("c", 9, ()), info("v", 1, ("n", 4))],
        [info("k", 9, ()), info("w", 1, ("n", 4))],
    )
    forever = numpy_helper.from_array(np.array(np.iinfo(np.int64).max), "m")
    go = numpy_helper.from_array(np.array(True), "t")
    path = tmp_path / "loop.onnx"
    path.write_bytes(
        onnx_model([helper.make_node("Loop", ["m", "t", "x"], ["y"], body=body)], [forever, go]).SerializeToString()
    )
    with load(path) as model:
        monkeypatch.setattr(isolated, "_SECONDS", 1.0)
        with pytest.raises(ArtifactRefusedError, match="no answer"):
            model.run(np.zeros((1, 4), np.float32))


@pytest.mark.parametrize(("data", "scales", "vouched"), [(b"abcd", 1, True), (b"abcd", 2, False), (b"", 2, None)])
def test_a_weight_with_a_scale_a_channel_may_be_dequantized_in_isolation(data, scales, vouched):
    def tensor(index, dtype, data, scales):
        steps, zeros = np.full(scales, 0.5, np.float32), np.zeros(scales, np.int64)
        return Tensor(index, "", (2, 2), (2, 2), dtype, index, data, steps, zeros, 0, False, False)

    graph = Subgraph("", (tensor(0, "int8", data, scales), tensor(1, "float32", b"", 0)), (), (), ())
    operator = Operator("DEQUANTIZE", 1, False, (0,), (1,), (), {})
    if vouched is None:
        with pytest.raises(ArtifactRefusedError, match="without a scale"):
            check_operator(operator, graph)
    else:
        assert check_operator(operator, graph) is vouched


def real(index, shape, data=b""):
    none = np.zeros(0, np.float32)
    return Tensor(index, "", shape, shape, "float32", index, data, none, none.astype(np.int64), 0, False, False)


def test_a_volume_is_not_followed_and_not_refused():
    tensors = real(0, (1, 1, 1, 2, 1)), real(1, (), b"abcd"), real(2, (1, 1, 1, 2, 1))
    graph = Subgraph("", tensors, (), (), ())
    assert not check_operator(Operator("ADD", 1, False, (0, 1), (2,), (), {}), graph)


@pytest.mark.parametrize(("signature", "vouched"), [((-1, 8), False), ((1, 8), None)])
def test_steps_that_join_a_free_batch_are_not_followed_and_not_refused(signature, vouched):
    """What `TimeDistributed` is converted to: both stored shapes say one example."""
    x, result = real(0, (1, 5, 8)), real(1, (1, 8))
    x, result = (replace(each, shape_signature=free) for each, free in ((x, (-1, 5, 8)), (result, signature)))
    graph, operator = Subgraph("", (x, result), (), (), ()), Operator("RESHAPE", 1, False, (0,), (1,), (), {})
    if vouched is None:
        with pytest.raises(ArtifactRefusedError, match="RESHAPE makes"):
            check_operator(operator, graph)
    else:
        assert check_operator(operator, graph) is vouched


def test_many_tensors_are_joined():
    graph = Subgraph("", (*(real(i, (1, 2)) for i in range(40)), real(40, (1, 80))), (), (), ())
    joined = Operator("CONCATENATION", 1, False, tuple(range(40)), (40,), (), {"Axis": 1})
    assert check_operator(joined, graph)
    with pytest.raises(ArtifactRefusedError, match="along 1"):
        check_operator(Operator("CONCATENATION", 1, False, tuple(range(39)), (40,), (), {"Axis": 1}), graph)
