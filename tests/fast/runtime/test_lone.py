"""Lone and packed files: what they say about themselves, and what they may unfold to."""

import io
import json
import logging
import lzma
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgepress.runtime import ArtifactRefusedError, Contract, Embedded, InputError, Picture, Task, load
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

    embedded = Embedded(
        Contract({"image": Picture(28, 28)}), Task("multiclass", "logits", tuple("abcdefghij"), unknown_threshold=0.5)
    )
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


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "[1]", "null", '"text"', '{"name": "an app"}', '{"schema": 1}', '{"artifacts": 3}',
        '{"artifacts": [{"name": "digits-int8.tflite"}]}', '{"artifacts": [{"file": "other.tflite"}]}', "[" * 100_000,
        b"\xff\xfe",
    ],
)  # fmt: skip
def test_a_manifest_that_is_not_ours_does_not_concern_a_lone_file(tmp_path, text):
    path = tmp_path / "digits-int8.tflite"
    path.write_bytes((GOLDEN / "digits-int8.tflite").read_bytes())
    (tmp_path / "manifest.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with load(path) as model:
        assert model.artifact.variant == ""
        assert model.run(np.zeros((1, 784), np.int8)).shape == (1, 10)


def test_a_manifest_that_is_a_folder_does_not_concern_a_lone_file(tmp_path):
    path = tmp_path / "digits-int8.tflite"
    path.write_bytes((GOLDEN / "digits-int8.tflite").read_bytes())
    (tmp_path / "manifest.json").mkdir()
    load(path).close()


def test_a_manifest_of_ours_that_names_the_file_binds_it(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    data = json.loads((copy / "manifest.json").read_text())
    words = {"task": data["task"] | {"meaning": "words"}}
    for change, message in (({"schema": 99}, "schema 99.*update"), (words, "output 'words'")):
        (copy / "manifest.json").write_text(json.dumps(data | change))
        with pytest.raises(InputError, match=message):
            load(copy / "digits-int8.tflite")
    (copy / "manifest.json").write_text(json.dumps(data))
    (copy / "digits-int8.tflite").write_bytes((GOLDEN / "digits-float32.tflite").read_bytes())
    with pytest.raises(ArtifactRefusedError, match="its manifest says"):
        load(copy / "digits-int8.tflite")


@pytest.mark.parametrize("count", [3, 11])
def test_a_bundle_whose_labels_do_not_fit_names_both_numbers(bundle, tmp_path, count):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    data = json.loads((copy / "manifest.json").read_text())
    data["task"]["labels"] = [str(i) for i in range(count)]
    (copy / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=f"gives 10 numbers.*names {count} labels"):
        load(copy)


@pytest.mark.parametrize("count", [3, 10, 11])
def test_packed_labels_that_do_not_fit_are_not_used(tmp_path, caplog, count, digits):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("labels.txt", "".join(f"class {i}\n" for i in range(count)))
    path = tmp_path / "labelled.tflite"
    path.write_bytes((GOLDEN / "digits-float32.tflite").read_bytes() + packed.getvalue())
    with caplog.at_level(logging.WARNING, "edgepress"), load(path) as model:
        assert (model.labels is not None) == (count == 10)
        images = digits[0][:20].reshape(20, 784).astype(np.float32) / 255
        if count == 10:
            assert set(model.predict(images).labels) <= {f"class {i}" for i in range(10)}
        else:
            # The last operator is no softmax: what the numbers mean is not guessed.
            with pytest.raises(InputError, match="does not say what its outputs mean: use run"):
                model.predict(images)
    assert [f"{count} labels for 10 outputs" in record.getMessage() for record in caplog.records] == [True] * (
        count != 10
    )
