"""Lone and packed files: what they say about themselves, and what they may unfold to."""

import lzma
from pathlib import Path

import numpy as np
import pytest

from edgepress.runtime import ArtifactRefusedError, Embedded, InputError, Picture, load
from edgepress.runtime.bundle import source

GOLDEN = Path(__file__).parents[2] / "golden"


def test_a_packed_file_loads_straight(tmp_path):
    path = tmp_path / "digits-int8.tflite.xz"
    path.write_bytes(lzma.compress((GOLDEN / "digits-int8.tflite").read_bytes()))
    x = np.zeros((3, 784), np.int8)
    with load(path) as packed, load(GOLDEN / "digits-int8.tflite") as plain:
        assert np.array_equal(packed.run(x), plain.run(x))


def test_a_packed_file_is_bounded(tmp_path, monkeypatch):
    path = tmp_path / "bomb.tflite.xz"
    path.write_bytes(lzma.compress(bytes(1 << 20)))
    monkeypatch.setattr(source, "_UNPACKED_LIMIT", 1 << 19)
    with pytest.raises(InputError):
        load(path)
    monkeypatch.undo()
    content = lzma.compress((GOLDEN / "digits-int8.tflite").read_bytes())
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ArtifactRefusedError, match="cut short"):
        load(path)
    path.write_bytes(b"no xz at all")
    with pytest.raises(InputError, match="cannot be unpacked"):
        load(path)


def test_a_lone_onnx_knows_its_labels(tmp_path, digits):
    import onnx

    embedded = Embedded(tuple("abcdefghij"), "logits", Picture(28, 28), 0.5)
    assert Embedded.from_json(embedded.to_json()) == embedded
    model = onnx.load(GOLDEN / "digits-int8.onnx")
    model.metadata_props.add(key="edgepress", value=embedded.to_json())
    onnx.save(model, tmp_path / "lone.onnx")
    with load(tmp_path / "lone.onnx") as loaded:
        prediction = loaded.predict(digits[0][:50], unknown=True)
    assert set(prediction.labels) <= {*"abcdefghij", "unknown"}
    assert np.mean(prediction.indices == digits[1][:50]) > 0.7
    with pytest.raises(InputError, match="cannot be read"):
        Embedded.from_json('{"labels": 3}')
