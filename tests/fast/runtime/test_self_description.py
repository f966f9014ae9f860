"""What other people's files say about themselves, and where their tensors have the axes of an example."""

import io
import zipfile
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgepress.export.tflite.metadata import model_metadata
from edgepress.runtime import Picture
from edgepress.runtime.contract.arrange import Arrangement, arrangements
from edgepress.runtime.formats.self_description import SelfDescription, describe_itself, onnx_properties

RGB = Picture(32, 32, "rgb", mean=(123.0, 116.0, 103.0), std=(58.0, 57.0, 56.0))


def tflite(buffer, labels=()):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("labels.txt", "\n".join(labels))
    data = archive.getvalue() if labels else b""
    return SimpleNamespace(format="tflite", data=data, tflite=SimpleNamespace(metadata={"TFLITE_METADATA": buffer}))


def properties(**texts):
    graph = helper.make_graph([], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])], [], [])
    model = helper.make_model(graph)
    helper.set_model_props(model, texts)
    return SimpleNamespace(format="onnx", data=model.SerializeToString())


def test_tensorflow_lite_metadata():
    buffer = model_metadata("net", [("image", 4)], ["kind"], RGB, ["cat", "dog"])
    found = describe_itself(tflite(buffer, ["cat", "dog"]))
    assert found.labels == ("cat", "dog")
    assert found.mean == RGB.mean
    assert found.std == RGB.std
    assert found.order == "rgb"
    assert describe_itself(tflite(model_metadata("net", [("x", 2)], ["y"], None, []))) == SelfDescription()


@pytest.mark.parametrize("cut", [0, 3, 30, 100])
def test_damaged_metadata_say_nothing(cut):
    buffer = model_metadata("net", [("image", 4)], ["kind"], RGB, ["cat", "dog"])
    assert describe_itself(tflite(buffer[:cut])).mean == ()
    rng = np.random.default_rng(cut)
    for _ in range(50):
        spoilt = bytearray(buffer)
        spoilt[rng.integers(len(buffer))] = rng.integers(256)
        describe_itself(tflite(bytes(spoilt)))


def test_onnx_properties_as_exporters_write_them():
    found = describe_itself(
        properties(author="Ultralytics", names="{0: 'cat', 1: 'dog'}", task="classify", imgsz="[224, 160]")
    )
    assert found.labels == ("cat", "dog")
    assert (found.mean, found.std, found.order) == ((0.0,), (255.0,), "rgb")
    assert (found.size, found.task) == ((224, 160), "classes")
    found = describe_itself(properties(labels='["a", "b"]', mean="0.485, 0.456, 0.406", std="[0.229, 0.224, 0.225]"))
    assert found.mean == pytest.approx((123.675, 116.28, 103.53))
    assert found.std == pytest.approx((58.395, 57.12, 57.375))
    found = describe_itself(
        properties(**{"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "Normalized_1_1", "classes": "a,b"})
    )
    assert (found.mean, found.std, found.order, found.labels) == ((127.5,), (127.5,), "bgr", ("a", "b"))
    assert describe_itself(properties(names="{1: 'a'}", mean="x", std="[0]", imgsz="big")) == SelfDescription()


def test_properties_are_read_as_onnx_reads_them():
    content = properties(a="b", c="d" * 300).data
    expected = {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}
    assert onnx_properties(content) == expected
    assert onnx_properties(content[:-9]).items() < expected.items()


@pytest.mark.parametrize(
    ("example", "tensor", "expected"),
    [
        ((32, 32, 3), (32, 32, 3), [((32, 32, 3), False)]),
        ((32, 32, 3), (3, 32, 32), [((3, 32, 32), True)]),
        ((32, 32, 3), (3, -1, -1), [((3, 32, 32), True)]),
        ((32, 32, 3), (-1, -1, -1), [((32, 32, 3), False), ((3, 32, 32), True)]),
        ((28, 28), (1, 28, 28), [((1, 28, 28), False)]),
        ((28, 28), (28, 28, 1), [((28, 28, 1), False)]),
        ((28, 28), (784,), [((784,), False)]),
        ((4, 4, 3), (48,), [((48,), False), ((48,), True)]),
        ((100, 6), (6, 100), [((6, 100), True)]),
        ((5,), (5,), [((5,), False)]),
        ((5,), (6,), []),
        ((32, 32, 3), (1, 32, 32), []),
        ((20, 30), (15, 40), []),
        ((20, 30), (20, 15, 2), [((20, 15, 2), False)]),
    ],
)
def test_arrangements(example, tensor, expected):
    found = arrangements(example, tensor)
    assert [(way.shape, way.channels_first) for way in found] == expected


def test_channels_come_first():
    values = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)
    assert np.array_equal(Arrangement((3, 4, 5), True).arrange(values), values.transpose(0, 3, 1, 2))
    assert np.array_equal(Arrangement((60,), True).arrange(values), values.transpose(0, 3, 1, 2).reshape(2, 60))
