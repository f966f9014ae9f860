"""The snippets of the documentation, run or compiled with real tools. Python's is in test_export."""

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from bundles import golden, write_bundle
from kinds import KINDS, make_kind, wav, wine_rows

from edgepress.export.companions.micro import write_c_header
from edgepress.runtime import Picture, load
from edgepress.runtime.bundle.quantization import Quantization

ROOT = Path(__file__).parents[2]
SNIPPETS, GOLDEN, STUBS = ROOT / "docs/snippets", ROOT / "tests/golden", Path(__file__).parent / "stubs"
NODE_MODULES = ROOT / ".node/node_modules"
needs_javascript = pytest.mark.skipif(
    not NODE_MODULES.is_dir(), reason="onnxruntime-web for Node.js is absent: run scripts/test with npm"
)
KOTLIN = importlib.util.find_spec("run_kotlin_kernel")
CPP_MAIN = """
#include <cstdint>
int Predict(const int8_t* pixels);
int main() {
  int8_t pixels[784] = {-128, 5, -3, 7, 100, 0, 0, -9, 99, 1};
  return Predict(pixels);
}
"""
KOTLIN_MAIN = """
fun main(arguments: Array<String>) =
    println(predict(android.content.Context(), java.io.File(arguments[0]).readBytes()))
"""


@pytest.fixture
def pixels():
    """Every grey there is, and then some: uint8 (784,)."""
    rest = np.random.default_rng(0).integers(0, 256, 784 - 256, np.uint8)
    return np.concatenate([np.arange(256, dtype=np.uint8), rest])


@pytest.mark.skipif(not shutil.which("c++"), reason="no C++ compiler is installed")
def test_cpp_compiles_with_the_header_that_export_writes(tmp_path):
    """Against declarations of TensorFlow Lite Micro's interface: no package ships its headers."""
    pytest.importorskip("tflite_micro")
    path = tmp_path / "pressed-int8.tflite"
    shutil.copy(GOLDEN / "digits-int8.tflite", path)
    with load(path, backend="numpy") as model:
        spec = model.artifact.inputs[0]
        inputs = np.zeros((2, *spec.shape[1:]), np.int8)
        write_c_header(path, inputs, model.run(inputs))
    (tmp_path / "main.cc").write_text(CPP_MAIN)
    sources = [SNIPPETS / "predict.cc", tmp_path / "main.cc"]
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{tmp_path}", f"-I{STUBS / 'micro'}"]
    subprocess.run(["c++", *flags, *sources, "-o", tmp_path / "predict"], check=True)
    assert subprocess.run([tmp_path / "predict"], check=False).returncode == 4


@pytest.fixture
def javascript(tmp_path):
    """What the snippet says of a file: a list of answers."""
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    shutil.copy(SNIPPETS / "predict.mjs", tmp_path)

    def answers(model, file):
        said = subprocess.check_output(["node", "predict.mjs", model, file], cwd=tmp_path, text=True)
        return [json.loads(line) for line in said.splitlines()]

    return answers


@needs_javascript
def test_javascript_answers_as_the_runtime_does(javascript, tmp_path, pixels):
    (tmp_path / "pixels").write_bytes(pixels.tobytes())
    folder = write_bundle(tmp_path / "bundle", golden("digits-int8.onnx"))
    (answer,) = javascript(folder / "digits-int8.onnx", tmp_path / "pixels")
    with load(folder, backend="onnxruntime") as native:
        expected = native.predict(pixels.reshape(1, 28, 28))
    assert answer["label"] == expected.labels[0]
    np.testing.assert_allclose(answer["probabilities"], expected.probabilities[0], rtol=1e-5, atol=1e-7)


@needs_javascript
@pytest.mark.parametrize("kind", KINDS)
def test_javascript_prepares_and_decodes_every_kind(javascript, tmp_path, kind):
    folder = make_kind(tmp_path / "bundle", kind)
    file, rng = tmp_path / "given.json", np.random.default_rng(4)
    with load(folder, "float32") as model:
        only = model.contract.only
        if kind == "several":
            left = rng.normal(0, 2, (3, 4))
            given = {"left": left, "right": wine_rows(3)}
            file.write_text(json.dumps({"inputs": {"left": left.tolist(), "right": given["right"]}}))
        elif only.kind == "features":
            given = wine_rows(6)
            file.write_text(json.dumps({"rows": given}))
        else:
            picture = only.kind == "picture"
            given = (
                rng.integers(0, 256, (3, *only.shape), np.uint8) if picture else rng.normal(0, 0.3, (3, *only.shape))
            )
            given = given if picture else given.clip(-1, 1)
            file.write_text(json.dumps({"inputs": given.tolist()}))
        expected = model.predict(given).rows()
    answers = javascript(folder / f"{kind}-float32.onnx", file)
    assert len(answers) == len(expected)
    for answer, row in zip(answers, expected, strict=True):
        if kind == "raw":
            np.testing.assert_allclose(answer["output"], row["y"], rtol=1e-5, atol=1e-6)
            continue
        for name, value in answer.items():
            wanted = row[name]
            if name == "values":
                assert list(value) == list(wanted)
                value, wanted = list(value.values()), list(wanted.values())
            if name in ("label", "labels", "normal"):
                assert value == wanted
            else:
                # WebAssembly adds up in another order.
                np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6)


@needs_javascript
@pytest.mark.parametrize("place", ["start", "middle", "loudest"])
@pytest.mark.parametrize("count", [300, 800, 1777])
def test_javascript_cuts_a_recording_as_the_runtime_does(javascript, tmp_path, place, count):
    pytest.importorskip("soundfile", reason="needs the audio extra")
    folder = make_kind(tmp_path / "bundle", "audio")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["contract"]["inputs"][0]["place"] = place
    (folder / "manifest.json").write_text(json.dumps(manifest))
    sound = np.random.default_rng(count).normal(0, 0.2, count) * np.linspace(0, 2, count)
    (tmp_path / "a.wav").write_bytes(wav(sound.clip(-1, 1)))
    (answer,) = javascript(folder / "audio-float32.onnx", tmp_path / "a.wav")
    with load(folder, "float32") as model:
        expected = model.predict_files(tmp_path / "a.wav")
    np.testing.assert_allclose(answer["probabilities"], expected.probabilities[0], rtol=2e-6, atol=1e-6)


@pytest.fixture(scope="module")
def kotlin(tmp_path_factory):
    """The command that runs the snippet, compiled against what it uses of Android's and LiteRT's interfaces.

    The stand-ins keep the integers that the model would get: its library for the JVM comes from Google's store.
    """
    if KOTLIN is None or not shutil.which("javac"):
        pytest.skip("the Kotlin compiler (kotlin-jupyter-kernel) or a JDK is not installed")
    work = tmp_path_factory.mktemp("kotlin")
    jars = Path(KOTLIN.submodule_search_locations[0]) / "jars"
    (library,) = jars.glob("kotlin-stdlib-*.jar")
    classes = work / "classes"
    stubs = sorted((STUBS / "android").rglob("*.java"))
    subprocess.run(["javac", "-d", classes, *stubs], check=True)
    (work / "main.kt").write_text(KOTLIN_MAIN)
    path = os.pathsep.join([str(classes), str(library)])
    compiler = ["java", "-cp", f"{jars}/*", "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-no-stdlib", "-no-reflect"]
    sources = [SNIPPETS / "Predict.kt", work / "main.kt"]
    subprocess.run([*compiler, "-Werror", "-jvm-target", "17", "-classpath", path, "-d", classes, *sources], check=True)
    return ["java", "-cp", path]


@pytest.mark.parametrize(("scale", "zero_point"), [(1 / 255, -128), (2 / 255, -101), (1 / 127, 0)])
def test_kotlin_gives_the_model_the_integers_that_the_runtime_gives_it(kotlin, tmp_path, pixels, scale, zero_point):
    scores = np.random.default_rng(1).permutation(10).astype(np.int8) - 5
    (tmp_path / "pressed-int8.tflite").write_bytes(b"a model")
    (tmp_path / "pixels").write_bytes(pixels.tobytes())
    (tmp_path / "output").write_bytes(scores.tobytes())
    model = [f"-Dscale={np.float32(scale)!s}", f"-DzeroPoint={zero_point}", "-Dinput=784", "-Doutput=10"]
    label = subprocess.check_output([*kotlin, *model, "MainKt", "pixels"], cwd=tmp_path, text=True)
    assert int(label) == scores.argmax()
    expected = Quantization(float(np.float32(scale)), zero_point, "int8").quantize(Picture(28, 28).normalize(pixels))
    np.testing.assert_array_equal(np.frombuffer((tmp_path / "input").read_bytes(), np.int8), expected)


def test_swift_parses():
    """Its compiler and the libraries that it links come from Apple's store."""
    parsing = pytest.importorskip("tree_sitter")
    grammar = pytest.importorskip("tree_sitter_swift")
    parser = parsing.Parser(parsing.Language(grammar.language()))
    content = (SNIPPETS / "Predict.swift").read_bytes()
    assert not parser.parse(content).root_node.has_error
    # The grammar takes not just anything.
    assert parser.parse(content.replace(b"}", b"", 1)).root_node.has_error
