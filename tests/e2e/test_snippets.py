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

from edgepress.export.companions.micro import write_c_header
from edgepress.runtime import Picture, load
from edgepress.runtime.bundle.quantization import Quantization

ROOT = Path(__file__).parents[2]
SNIPPETS, GOLDEN, STUBS = ROOT / "docs/snippets", ROOT / "tests/golden", Path(__file__).parent / "stubs"
NODE_MODULES = ROOT / ".node/node_modules"
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


@pytest.mark.skipif(
    not NODE_MODULES.is_dir(), reason="onnxruntime-web for Node.js is absent: run scripts/test with npm"
)
@pytest.mark.parametrize("schema", [1, 2])
def test_javascript_answers_as_the_runtime_does(tmp_path, pixels, schema):
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    shutil.copy(SNIPPETS / "predict.mjs", tmp_path)
    (tmp_path / "pixels").write_bytes(pixels.tobytes())
    folder = write_bundle(tmp_path / "bundle", golden("digits-int8.onnx"))
    if schema == 1:
        old = {"preprocessing": {"scale": 1 / 255, "offset": 0.0}}
        (folder / "manifest.json").write_text(json.dumps(old))
    model = shutil.copy(folder / "digits-int8.onnx", tmp_path / "lone.onnx")
    node = ["node", "predict.mjs", "bundle/digits-int8.onnx", "pixels"]
    label, scores = subprocess.check_output(node, cwd=tmp_path, text=True).split(maxsplit=1)
    with load(model, backend="onnxruntime") as native:
        expected = native.run(Picture(28, 28).normalize(pixels)[None])[0]
    assert int(label) == expected.argmax()
    np.testing.assert_array_equal(np.array(json.loads(scores), np.float32), expected)


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
