"""Weights beside an `.onnx` file are read from its own folder, and from nowhere else."""

import os

import numpy as np
import pytest

from edgepress.runtime import ArtifactRefusedError, InputError, Refusal, load
from edgepress.runtime.backends import BACKENDS, present_backends
from edgepress.runtime.bundle import source

onnx = pytest.importorskip("onnx")
WEIGHTS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def folder(tmp_path):
    """A model whose weights, and whose constant in a node, are in a file beside it."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    info = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Constant", [], ["one"], value=numpy_helper.from_array(np.ones(3, np.float32), "one")),
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Add", ["z", "one"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [info("x", 1, ("n", 4))], [info("y", 1, ("n", 3))], [numpy_helper.from_array(WEIGHTS, "w")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "model").mkdir()
    onnx.save_model(
        model, tmp_path / "model/m.onnx", save_as_external_data=True, location="m.data", size_threshold=0,
        convert_attribute=True,
    )  # fmt: skip
    assert (tmp_path / "model/m.data").stat().st_size >= 60
    return tmp_path / "model"


@pytest.mark.parametrize("backend", [n for n in present_backends() if "onnx" in BACKENDS[n].formats])
@pytest.mark.parametrize("isolate", [False, True])
def test_weights_beside_the_file_are_read(folder, backend, isolate):
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    with load(folder / "m.onnx", backend=backend, isolate=isolate) as model:
        np.testing.assert_allclose(model.run(x), x @ WEIGHTS + 1)


@pytest.mark.parametrize("place", ["../secret", "/etc/passwd", "link", ".", "sub/../../secret", "m.data\0"])
def test_nothing_outside_the_folder_is_read(folder, place):
    (folder / "sub").mkdir()
    (folder.parent / "secret").write_bytes(bytes(96))
    (folder / "link").symlink_to(folder.parent / "secret")
    model = onnx.load(folder / "m.onnx", load_external_data=False)
    model.graph.initializer[0].external_data[0].value = place
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactRefusedError, match="in its own folder is allowed"):
        load(folder / "m.onnx")


def test_what_is_missing_or_cut_short_is_named(folder, monkeypatch):
    content = (folder / "m.data").read_bytes()
    (folder / "m.data").write_bytes(content[:40])
    with pytest.raises(ArtifactRefusedError, match=r"m\.data, which has 40"):
        load(folder / "m.onnx")
    (folder / "m.data").unlink()
    os.mkfifo(folder / "m.data")
    with pytest.raises(InputError, match="it is no file"):
        load(folder / "m.onnx")
    (folder / "m.data").unlink()
    with pytest.raises(InputError, match=r"m\.data beside it, which cannot be read"):
        load(folder / "m.onnx")
    (folder / "m.data").write_bytes(content)
    monkeypatch.setattr(source, "_UNPACKED_LIMIT", (folder / "m.onnx").stat().st_size + 20)
    with pytest.raises(ArtifactRefusedError, match="take 48 bytes, 8 are allowed") as caught:
        load(folder / "m.onnx")
    assert caught.value.reason is Refusal.TOO_LARGE


def test_a_damaged_file_is_left_to_its_parser(folder):
    content = (folder / "m.onnx").read_bytes()
    for length in range(0, len(content), 7):
        (folder / "m.onnx").write_bytes(content[:length])
        with pytest.raises(InputError):
            load(folder / "m.onnx")
