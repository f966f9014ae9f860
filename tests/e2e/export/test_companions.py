import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgepress.export import export
from edgepress.export.companions import micro, vela
from edgepress.export.companions.micro import reference_answers, write_c_header
from edgepress.export.companions.ort_format import write_ort
from edgepress.export.companions.vela import ACCELERATORS, write_vela_report
from edgepress.export.companions.write import Companions
from edgepress.export.inspect.describe import describe
from edgepress.export.variants import parse_variants
from edgepress.runtime import CheckFailedError, InputError, load
from edgepress.runtime.backends import kernels


@pytest.fixture
def int8(files, samples, tmp_path):
    """A copy of the int8 file, inputs, and the reference's outputs."""
    path = tmp_path / "tiny-int8.tflite"
    path.write_bytes(files["tflite:int8"].read_bytes())
    inputs = describe(path).inputs[0].quantization.quantize(samples.inputs["pixels"][:16])
    with load(path, backend="numpy") as model:
        return path, inputs, model.run(inputs)


def compile_header(header):
    """As C and as C++, without a warning."""
    program = f'#include "{header}"\nint main(void) {{ return TINY_INT8_BYTES != sizeof tiny_int8; }}\n'
    for language, standard, compiler in (("c", "c11", "cc"), ("c++", "c++17", "c++")):
        if shutil.which(compiler):
            command = [
                compiler,
                f"-std={standard}",
                "-Wall",
                "-Werror",
                "-x",
                language,
                "-",
                "-o",
                header.parent / "out",
            ]
            subprocess.run(command, input=program, text=True, check=True)
            subprocess.run([header.parent / "out"], check=True)


def test_a_c_header_holds_the_model_and_its_arena(int8):
    path, inputs, outputs = int8
    text = write_c_header(path, [inputs], [outputs]).read_text()
    array = text.split("{\n", 2)[-1].split("#endif\n", 1)[1].split("};")[0]
    assert bytes(int(byte, 16) for byte in array.replace("\n", "").split(",") if byte.strip()) == path.read_bytes()
    compile_header(path.with_suffix(".h"))
    arena = int(text.split("TINY_INT8_ARENA_BYTES ")[1].split()[0])
    assert 500 < arena < 20_000


@pytest.mark.parametrize("file", ["docs/frontier/cnn-int8.tflite", "tests/golden/digits-int8.tflite"])
def test_networks_of_other_layers_are_held_to_the_reference_kernels(file, tmp_path):
    path = Path(shutil.copy(Path(__file__).parents[3] / file, tmp_path / "tiny-int8.tflite"))
    (spec,) = describe(path).inputs
    inputs = np.random.default_rng(0).integers(-128, 128, (8, *spec.shape[1:])).astype(np.int8)
    expected = reference_answers(path, [inputs])
    compile_header(write_c_header(path, [inputs], expected))


def test_vela_says_what_an_npu_needs(tmp_path, monkeypatch):
    pytest.importorskip("ethosu.vela", reason="ethos-u-vela is not installed: pip install 'edgepress[micro]'")
    path = Path(shutil.copy(Path(__file__).parents[3] / "docs/frontier/cnn-int8.tflite", tmp_path))
    report = json.loads(write_vela_report(path).read_text())
    assert report["file"] == path.name
    assert list(report["accelerators"]) == list(ACCELERATORS)
    for found in report["accelerators"].values():
        assert found["operators"]["npu"] > 0
        assert found["operators"]["cpu"] == 0
        assert 10_000 < found["multiply_adds"] < 10_000_000
        assert found["cycles"] > 1000
        assert 0 < found["milliseconds"] < 10
        assert sum(found["memory_bytes"].values()) > path.stat().st_size / 2
    path.write_bytes(path.read_bytes()[:500])
    refused = json.loads(write_vela_report(path).read_text())["accelerators"]
    assert all(list(found) == ["refused"] for found in refused.values())
    monkeypatch.setattr(vela, "find_spec", lambda name: None)
    assert write_vela_report(path) is None


def test_what_micro_says_itself_is_the_reason():
    log = "x: RuntimeWarning: y\nfill.cc Not supported\nNode FILL failed to prepare\nTraceback\nRuntimeError: z\n"
    assert micro._reason(log, "exit status 1: z") == "fill.cc Not supported: Node FILL failed to prepare"
    assert micro._reason("Traceback\nRuntimeError: z\n", "exit status 1: z") == "exit status 1: z"


def away_from_zero(x, multiplier, shift):
    """gemmlowp's SaturatingRoundingDoublingHighMul and RoundingDivideByPOT."""
    product = (x << np.maximum(shift, 0)) * multiplier
    product += np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.sign(product) * (np.abs(product) >> 31)
    right = np.maximum(-shift, 0)
    half = ((np.int64(1) << right) - 1 >> 1) + (high < 0)
    return (high >> right) + ((high & ((np.int64(1) << right) - 1)) > half)


def test_rounding_is_all_that_micro_does_otherwise(digits, tmp_path, monkeypatch):
    path = tmp_path / "digits-int8.tflite"
    shutil.copy(Path(__file__).parents[2] / "golden/digits-int8.tflite", path)

    def answers():
        with load(path, backend="numpy") as model:
            rows = digits[0][:1000].reshape(1000, -1) / np.float32(255)
            inputs = model.artifact.inputs[0].quantization.quantize(rows)
            return inputs, model.run(inputs)

    monkeypatch.setattr(micro, "_TOLERANCE", 0)
    inputs, upwards = answers()
    with pytest.raises(CheckFailedError, match="off by 1 quanta"):
        write_c_header(path, [inputs], [upwards])
    monkeypatch.setattr(kernels, "multiply_by_quantized_multiplier", away_from_zero)
    inputs, away = answers()
    assert write_c_header(path, [inputs], [away]).is_file()


def test_no_header_where_micro_answers_otherwise(int8):
    path, inputs, outputs = int8
    with pytest.raises(CheckFailedError, match="off by"):
        write_c_header(path, [inputs], [np.roll(outputs, 1, axis=0)])
    assert not path.with_suffix(".h").exists()


def test_an_ort_file_answers_as_its_onnx(files, samples, tmp_path):
    import onnxruntime

    path = tmp_path / "tiny-int8.onnx"
    path.write_bytes(files["onnx:int8"].read_bytes())
    ort, config = write_ort(path)
    feeds = {"pixels": samples.inputs["pixels"]}
    answers = [onnxruntime.InferenceSession(str(file)).run(None, feeds)[0] for file in (path, ort)]
    np.testing.assert_array_equal(*answers)
    assert "QGemm" in config.read_text()
    assert str(tmp_path) not in config.read_text()


def test_unknown_companions_are_refused():
    with pytest.raises(InputError, match="c-header, ort"):
        Companions(also=("rust-header",))


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"packed": ("tflite:int4",)}, "pack 'tflite:int4'.*add --variant tflite:int4"),
        ({"packed": ("onnx:int8",)}, "pack 'onnx:int8': tflite files are packed.*leave it out"),
        ({"also": ("c-header",)}, "also 'c-header': it belongs to tflite:int8.*add --variant tflite:int8"),
        ({"also": ("ort",)}, "also 'ort'.*add --variant onnx:float32"),
    ],
)
def test_a_wish_without_its_file_is_refused_before_any_work(wish, expected, tmp_path):
    with pytest.raises(InputError, match=expected):
        export({"none": tmp_path / "none.keras"}, None, tmp_path / "out", variants=["tflite:float32"], **wish)
    assert not list(tmp_path.iterdir())


def test_wishes_with_their_files_are_none(tmp_path):
    Companions(("int8",), ("c-header", "ort")).require_matches(parse_variants(["int8"]))
