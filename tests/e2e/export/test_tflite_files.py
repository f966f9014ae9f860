import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from edgepress.export.companions.packed import write_packed
from edgepress.export.inspect.describe import describe
from edgepress.export.tflite.convert import to_integers
from edgepress.export.tflite.finish import finish_tflite
from edgepress.export.variants import VARIANTS
from edgepress.runtime import EdgepressError, InputError, load
from edgepress.runtime.bundle.embedded import EMBEDDED_KEY, Embedded, packed_labels
from edgepress.runtime.formats.tflite_file import read_tflite

TFLITE = [key for key in VARIANTS if key.startswith("tflite:")]


def test_int8_has_integers_at_both_ends_and_nowhere_floats(files):
    found = describe(files["tflite:int8"])
    assert (found.inputs[0].dtype, found.outputs[0].dtype) == ("int8", "int8")
    assert found.weights == {"int8": 1.0}
    assert found.float_steps == ()


@pytest.mark.parametrize("key", TFLITE)
def test_the_interface_has_the_names_and_shapes_of_keras(files, key):
    found = describe(files[key])
    assert [(spec.name, spec.shape) for spec in found.inputs] == [("pixels", (-1, 64))]
    assert [(spec.name, spec.shape) for spec in found.outputs] == [("logits", (-1, 4))]


@pytest.mark.parametrize("key", TFLITE)
def test_a_lone_file_knows_its_labels_and_preprocessing(files, key, embedded, tmp_path):
    lone = tmp_path / "copied.tflite"
    lone.write_bytes(files[key].read_bytes())
    with load(lone) as model:
        assert model.labels == embedded.task.labels
        assert model.preprocessing == embedded.contract.picture


@pytest.mark.parametrize("key", TFLITE)
def test_every_buffer_is_aligned_as_the_schema_demands(files, key):
    content = files[key].read_bytes()
    start = np.frombuffer(content, np.uint8).ctypes.data
    for _, tensor in read_tflite(content).constants():
        assert (np.frombuffer(tensor.data, np.uint8).ctypes.data - start) % 16 == 0


def test_android_finds_labels_and_normalization(files, embedded):
    content = files["tflite:int8"].read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("labels.txt").decode().split() == list(embedded.task.labels)
    metadata = read_tflite(content).metadata["TFLITE_METADATA"]
    assert metadata[4:8] == b"M001"
    assert b"labels.txt" in metadata
    assert np.float32(255).tobytes() in metadata


def test_finishing_changes_no_answer(tiny, samples, embedded, tmp_path):
    content = to_integers(tiny, samples)
    paths = tmp_path / "raw.tflite", tmp_path / "finished.tflite"
    paths[0].write_bytes(content)
    paths[1].write_bytes(
        finish_tflite(
            content,
            "tiny",
            keras_name="quadrant_finder",
            input_names=["pixels"],
            output_names=["logits"],
            embedded=embedded,
        )
    )
    spec = describe(paths[1]).inputs[0]
    integers = spec.quantization.quantize(samples.inputs["pixels"])
    answers = []
    for path in paths:
        with load(path) as model:
            answers.append(model.run(integers))
    np.testing.assert_array_equal(*answers)


def test_the_embedded_stream_is_the_runtimes(files, embedded):
    content = files["tflite:int8"].read_bytes()
    found = Embedded.from_json(read_tflite(content).metadata[EMBEDDED_KEY])
    assert found._replace(task=found.task._replace(labels=packed_labels(content))) == embedded


def test_a_packed_file_is_described_as_what_it_holds(files, tmp_path):
    plain = tmp_path / "copy.tflite"
    plain.write_bytes(files["tflite:mixed"].read_bytes())
    packed = write_packed(plain)
    found, inside = describe(packed), describe(plain)
    assert found.metadata.pop("packed") == f"{packed.stat().st_size:,} bytes"
    assert replace(found, file=plain.name) == inside
    packed.write_bytes(packed.read_bytes()[:-40])
    with pytest.raises(EdgepressError, match="cut short"):
        describe(packed)


def test_a_damaged_file_is_refused_in_one_line(files, tmp_path):
    for name, content in (("empty", b"\0\0\0\0TFL3"), ("cut", files["tflite:int8"].read_bytes()[:700])):
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(content)
        with pytest.raises(InputError):
            describe(path)
