"""A `.tflite` that is written again: nothing of it is lost, nothing stands in it twice."""

import zlib
from pathlib import Path

import numpy as np
import pytest

from edgepress.runtime import EMBEDDED_KEY, Contract, Embedded, InputError, Task, load
from edgepress.runtime.contract import Features, Tensor

GOLDEN = Path(__file__).parents[2] / "golden"
COLUMNS = tuple(f"column {i}" for i in range(30))
FEATURES = Contract({"x": Features(COLUMNS, mean=(1.0,) * 30, std=(2.0,) * 30)})


def rewritten(labels, contract=FEATURES):
    pytest.importorskip("ai_edge_litert", reason="needs the toolkit extra")
    from edgepress.export.tflite.finish import finish_tflite

    return finish_tflite(
        (GOLDEN / "digits-int8.tflite").read_bytes(),
        "digits",
        keras_name="digits",
        input_names=["x"],
        output_names=["y"],
        embedded=Embedded(contract, Task("multiclass", "logits", labels)),
    )


@pytest.mark.parametrize(
    "labels",
    [tuple("abcdefghij"), tuple(f"a\u2028{i}" for i in range(10)), tuple(f"{i}" + "x" * 110_000 for i in range(10))],
    ids=["plain", "a line's end in a name", "a long list"],
)
def test_labels_stand_in_the_list_or_in_the_stream(tmp_path, labels):
    file = tmp_path / "lone.tflite"
    file.write_bytes(rewritten(labels, Contract({"x": Tensor((784,), "float32")})))
    with load(file) as model, load(GOLDEN / "digits-int8.tflite") as original:
        assert model.task.labels == labels
        assert model.contract.only == Tensor((784,), "float32")
        x = np.random.default_rng(0).integers(-128, 128, (4, 784)).astype(np.int8)
        assert np.array_equal(model.run(x), original.run(x))


def test_equal_vectors_and_texts_are_written_once():
    from flatbuffers import Builder

    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="needs the toolkit extra")
    from edgepress.export.tflite.finish import to_flatbuffer

    def model():
        found = schema.ModelT()
        found.description, found.buffers = b"a text that stands here", []
        for _ in range(3):
            buffer = schema.BufferT()
            buffer.data = np.arange(100, dtype=np.uint8)
            found.buffers.append(buffer)
        return found

    plain = Builder(1024)
    plain.Finish(model().Pack(plain), file_identifier=b"TFL3")
    content = to_flatbuffer(model())
    assert content.count(bytes(range(100))) == 1
    assert len(content) < len(plain.Output()) - 150
    read = schema.ModelT.InitFromPackedBuf(content)
    assert [bytes(buffer.data) for buffer in read.buffers] == [bytes(range(100))] * 3
    assert content.index(bytes(range(100))) % 16 == 0


def test_what_the_converter_says_of_itself_is_left_out():
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="needs the toolkit extra")
    model = schema.ModelT.InitFromPackedBuf(rewritten(tuple("abcdefghij")))
    kept = {each.name: bytes(model.buffers[each.buffer].data) for each in model.metadata}
    assert b"CONVERSION_METADATA" not in kept
    assert {b"min_runtime_version", b"TFLITE_METADATA", EMBEDDED_KEY.encode()} <= set(kept)
    # What stood under our name before is gone, not only unnamed.
    held = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    unnamed = Embedded.from_json(kept[EMBEDDED_KEY.encode()])
    assert unnamed.task.labels == ()
    original = (GOLDEN / "digits-int8.tflite").read_bytes()
    before = schema.ModelT.InitFromPackedBuf(original)
    ours = len(kept[EMBEDDED_KEY.encode()]) + len(kept[b"TFLITE_METADATA"])
    names = (EMBEDDED_KEY.encode(), b"TFLITE_METADATA", b"CONVERSION_METADATA")
    old = sum(len(before.buffers[each.buffer].data) for each in before.metadata if each.name in names)
    assert held == sum(len(b.data) for b in before.buffers if b.data is not None) - old + ours


def test_what_is_computed_shares_the_empty_buffer():
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="needs the toolkit extra")
    model = schema.ModelT.InitFromPackedBuf(rewritten(tuple("abcdefghij")))
    (graph,) = model.subgraphs
    computed = {*graph.inputs, *(i for operator in graph.operators for i in operator.outputs)}
    assert {i for i, tensor in enumerate(graph.tensors) if tensor.buffer == 0} == computed
    assert [place for place, buffer in enumerate(model.buffers) if buffer.data is None] == [0]
    used = {tensor.buffer for tensor in graph.tensors} | {each.buffer for each in model.metadata}
    assert used == set(range(len(model.buffers)))


def test_a_constant_without_elements_stays_one():
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="needs the toolkit extra")
    from edgepress.export.tflite.finish import _share_the_empty_buffer

    def buffer(data):
        made = schema.BufferT()
        made.data = data
        return made

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.buffers = [
        buffer(None),
        buffer(None),
        buffer(np.zeros(0, np.uint8)),
        buffer(None),
        buffer(np.ones(3, np.uint8)),
    ]
    model.subgraphs, model.metadata, graph.tensors = [graph], [], []
    for place in (1, 2, 4):
        tensor = schema.TensorT()
        tensor.buffer = place
        graph.tensors.append(tensor)
    _share_the_empty_buffer(model)
    assert [tensor.buffer for tensor in graph.tensors] == [0, 1, 2]
    assert [None if each.data is None else len(each.data) for each in model.buffers] == [None, 0, 3]


def test_a_stream_is_read_within_bounds():
    stream = Embedded(FEATURES, Task("multiclass", "logits")).to_stream()
    assert len(stream) < len(Embedded(FEATURES, Task("multiclass", "logits")).to_json()) / 2
    assert Embedded.from_json(stream) == Embedded(FEATURES, Task("multiclass", "logits"))
    for damaged in (stream[:-9], stream[:2] + b"\0" + stream[3:], zlib.compress(b" " * (1 << 25)), b"\x78"):
        with pytest.raises(InputError, match="cannot be read"):
            Embedded.from_json(damaged)
